"""Without covariates: everything from sums per group, in one pass over the persons.

What a person adds to an effect is a line in the person's own outcomes, w (α (y_t - y_b) + c), with
the same α and c for all of a group. So cells only move numbers in a table of groups by months, and
persons are multiplied with it once, at the end: the cost is that of persons × months × summaries
instead of persons × cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.effects.designs.did.aggregate import Plan
    from toolkit.effects.designs.did.cells import Cell
    from toolkit.effects.designs.did.panel import Panel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Numbers in the table of clusters by groups by months, at most; with more, cell by cell.
_MOST = 40_000_000


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What is needed of G groups.

    Attributes
    ----------
    first, last : (G,) arrays
        Their persons.
    total : (G,) array
        Sum of weights.
    mean : (G, T) array
    square : (G, T + 1, T + 1) array
        Σ w² y y' over persons, y with a 1 at its end.
    """

    first: Ints
    last: Ints
    total: Floats
    mean: Floats = field(repr=False)
    square: Floats | None = field(repr=False)


def fits(panel: Panel) -> bool:
    """Say whether the table of clusters fits in memory."""
    if panel.cluster is None:
        return True
    groups = len(np.unique(panel.group))
    return (int(panel.cluster.max()) + 1) * groups * (len(panel.times) + 1) <= _MOST


def sum_groups(panel: Panel) -> Sums:
    """Return the sums of each group; the months' common mean is taken out of y first."""
    first = np.unique(panel.group, return_index=True)[1]
    last = np.append(first[1:], len(panel.group))
    count, months = len(first), len(panel.times)
    mean = np.zeros((count, months))
    square = np.zeros((count, months + 1, months + 1)) if panel.cluster is None else None
    total = np.add.reduceat(panel.weight, first)
    for g, (i, j) in enumerate(zip(first, last, strict=True)):
        y, w = panel.y[:, i:j], panel.weight[i:j]
        mean[g] = y @ w / total[g]
        if square is not None:
            wy = np.vstack([y * w, w])
            square[g] = wy @ wy.T
    return Sums(first=first, last=last, total=total, mean=mean, square=square)


def lines(sums: Sums, cells: list[Cell]) -> Iterator[tuple[float, Floats, Floats]]:
    """Yield each cell's effect, and α and c of each group, (G,)."""
    place = {int(first): g for g, first in enumerate(sums.first)}
    for cell in cells:
        own = place[cell.first]
        from_ = int(np.searchsorted(sums.first, cell.controls))
        share = np.zeros(len(sums.total))
        share[from_:] = sums.total[from_:]
        share[own] = 0
        weight = share.sum()
        change = sums.mean[:, cell.time] - sums.mean[:, cell.base]
        other = float(share @ change / weight)
        slope = np.where(share > 0, -1 / weight, 0.0)
        slope[own] = 1 / sums.total[own]
        constant = -slope * other
        constant[own] = -slope[own] * change[own]
        yield float(change[own]) - other, slope, constant


def run_grouped(
    panel: Panel, cells: list[Cell], plan: Plan
) -> tuple[list[float], list[float], Floats]:
    """Return the cells' effects and standard errors, and what persons add to the summaries.

    Returns
    -------
    estimate, std_error : lists of float
    influence : (K, persons or clusters) array
        Σ over cells of the plan's weight times what is added to the cell.
    """
    panel = replace(panel, y=panel.y - panel.y.mean(axis=1, keepdims=True))
    sums = sum_groups(panel)
    table = None if panel.cluster is None else _clusters(panel, panel.cluster, sums)
    count, months, k = len(sums.total), len(panel.times), len(plan.weight)
    slopes, constants = np.zeros((count, months, k)), np.zeros((count, k))
    estimate, error = [], []
    for j, (effect, slope, constant) in enumerate(lines(sums, cells)):
        t, b = cells[j].time, cells[j].base
        takers = np.flatnonzero(plan.weight[:, j])
        weight = plan.weight[takers, j]
        slopes[:, t, takers] += np.outer(slope, weight)
        slopes[:, b, takers] -= np.outer(slope, weight)
        constants[:, takers] += np.outer(constant, weight)
        estimate.append(effect)
        if table is not None:
            moved = (table[t] - table[b]) @ slope + table[-1] @ constant
            error.append(float(np.sqrt(moved @ moved)))
        elif sums.square is not None:
            s = sums.square
            spread = s[:, t, t] + s[:, b, b] - 2 * s[:, t, b]
            cross = s[:, t, -1] - s[:, b, -1]
            parts = slope**2 * spread + 2 * slope * constant * cross + constant**2 * s[:, -1, -1]
            error.append(float(np.sqrt(max(parts.sum(), 0.0))))
    return estimate, error, _added(panel, sums, slopes, constants)


def _clusters(panel: Panel, cluster: Ints, sums: Sums) -> Floats:
    """Return Σ w y and, last, Σ w by cluster and group, (T + 1, C, G)."""
    count = len(sums.total)
    group = np.repeat(np.arange(count), sums.last - sums.first)
    code = cluster * count + group
    size = (int(cluster.max()) + 1) * count
    rows = [np.bincount(code, panel.weight * y, minlength=size) for y in panel.y]
    rows.append(np.bincount(code, panel.weight, minlength=size))
    return np.asarray(np.stack(rows), dtype=np.float64).reshape(len(rows), -1, count)


def _added(panel: Panel, sums: Sums, slopes: Floats, constants: Floats) -> Floats:
    k = constants.shape[1]
    units = len(panel.weight) if panel.cluster is None else int(panel.cluster.max()) + 1
    influence = np.zeros((k, units))
    for g, (i, j) in enumerate(zip(sums.first, sums.last, strict=True)):
        added = slopes[g].T @ panel.y[:, i:j]
        added += constants[g][:, None]
        added *= panel.weight[i:j]
        if panel.cluster is None:
            influence[:, i:j] = added
        else:
            for number, values in enumerate(added):
                influence[number] += np.bincount(panel.cluster[i:j], values, minlength=units)
    return influence
