"""From effects per group and month to effects by time since the start, group and month.

A summary is Σ c p ATT / Σ c p over cells, p the group's share of persons; what a person adds has a
part through the effects and a part through the shares, which are estimated too (Callaway and
Sant'Anna 2021, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import CallError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.effects.designs.did.cells import Cell
    from toolkit.effects.designs.did.panel import Panel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which cells each summary takes.

    Attributes
    ----------
    labels : DataFrame
        A row per summary: `kind` (event, group, month, overall), `at`.
    weight : (K, cells) array
        c times the group's share.
    """

    labels: pl.DataFrame = field(repr=False)
    weight: Floats = field(repr=False)

    def without(self, keep: NDArray[np.bool_]) -> Plan:
        """Return the plan on the cells that could be estimated.

        The overall effect is a mean of the groups' means: each is that of the cells it has left.
        """
        weight = self.weight[:, keep]
        kind = self.labels["kind"].to_numpy()
        own = weight[kind == "group"] > 0
        each = np.maximum(own.T @ own.sum(axis=1), 1)
        weight[kind == "overall"] = weight[kind == "simple"] / each
        return Plan(labels=self.labels, weight=weight)

    def overall_of_groups(self) -> tuple[NDArray[np.bool_], Floats]:
        """Return which rows are groups, and how much each counts for the overall effect, (K,)."""
        kind = self.labels["kind"].to_numpy()
        groups = kind == "group"
        overall = self.weight[kind == "overall"][0]
        share = np.where(groups, (self.weight > 0) @ overall, 0.0)
        return groups, share / max(share.sum(), 1e-300)


def plan_summaries(
    panel: Panel, cells: list[Cell], window: tuple[int, int] | None, balanced: int | None
) -> Plan:
    """Return the summaries of these cells.

    Parameters
    ----------
    window : (int, int), optional
        First and last time since the start to show.
    balanced : int, optional
        Only groups that are followed this long, in summaries by time since the start.
    """
    times = panel.times
    group = np.array([cell.group for cell in cells])
    month = times[[cell.time for cell in cells]]
    event = month - group
    size = {cell.group: float(panel.weight[cell.first : cell.last].sum()) for cell in cells}
    share = np.array([size[g] for g in group]) / panel.weight.sum()
    after = event >= 0
    shown = np.ones(len(cells), dtype=bool)
    _check(window, balanced)
    if window is not None:
        shown &= (event >= window[0]) & (event <= window[1])
    if balanced is not None:
        shown &= (times[-1] - group >= balanced) & (event <= balanced)
        shown &= event > balanced - (times[-1] - times[0] + 1)
    if not shown.any():
        raise CallError(
            "No group-month lies within window=, or is of a group followed as long as balanced=",
            where=f"times since the start from {event.min()} to {event.max()}",
            fix="widen the window, or ask for less",
        )
    rows: list[tuple[str, int | None, Floats]] = []
    rows += [("event", int(e), share * ((event == e) & shown)) for e in np.unique(event[shown])]
    rows += [("group", int(g), after * (group == g) * 1.0) for g in np.unique(group[after])]
    rows += [("month", int(t), share * (after & (month == t))) for t in np.unique(month[after])]
    per_group = {g: int((after & (group == g)).sum()) for g in np.unique(group)}
    each = np.array([max(per_group[g], 1) for g in group])
    rows.append(("overall", None, share * after / each))
    rows.append(("simple", None, share * after))
    labels = pl.DataFrame(
        {"kind": [row[0] for row in rows], "at": [row[1] for row in rows]},
        schema_overrides={"at": pl.Int64},
    )
    return Plan(labels=labels, weight=np.stack([row[2] for row in rows]))


def _check(window: tuple[int, int] | None, balanced: int | None) -> None:
    whole = [*(window or ()), *([] if balanced is None else [balanced])]
    if any(isinstance(x, bool) or not isinstance(x, (int, np.integer)) for x in whole):
        raise CallError("window= and balanced= are whole numbers", fix="window=(-12, 24)")
    if window is not None and (len(window) != 2 or window[0] > window[1]):
        raise CallError(f"window={window!r} does not run from low to high", fix="window=(-12, 24)")


def share_influence(
    panel: Panel, cells: list[Cell], weight: Floats, estimate: Floats, value: float
) -> list[tuple[slice, Floats]]:
    """Return what persons add to a summary through the shares of their groups.

    ∂θ/∂p_g = Σ over the group's cells of c (ATT - θ) / Σ c p.
    """
    total = weight.sum()
    pull: dict[tuple[int, int], float] = {}
    for j in np.flatnonzero(weight):
        place = (cells[j].first, cells[j].last)
        pull[place] = pull.get(place, 0.0) + weight[j] * (estimate[j] - value)
    found = []
    for (first, last), moved in pull.items():
        w = panel.weight[first:last]
        found.append((slice(first, last), w * (moved / total / w.sum())))
    return found
