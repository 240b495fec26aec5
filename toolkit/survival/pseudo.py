"""Pseudo-values: an uncensored outcome for every row, to be used in any regression.

The infinitesimal form is the estimate plus n times the row's influence; the exact form leaves one
unit out. Both are computed per cell from the risk table, never by estimating anew.

Andersen, Klein and Rosthøj (2003), Biometrika 90; Parner, Andersen and Overgaard (2023) for the
infinitesimal jackknife.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.influence import BLOCK
from toolkit.survival.jackknife import influence
from toolkit.survival.segments import before, running_product, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

PseudoMethod = Literal["infinitesimal", "leave-one-out"]
PSEUDO_METHODS = ("infinitesimal", "leave-one-out")


@dataclass(frozen=True, kw_only=True)
class _Course:
    """A product-limit curve of changed counts, with breaks where it comes to 0; R rows.

    Attributes
    ----------
    product : (R,) array
        Running product of the factors, those of 0 left out.
    steps : (R, K) array
        Running sum of product(t-) d_k / n.
    stop : (R + 1,) array
        First row from here on with a factor of 0, or the last row of the table.
    """

    product: Floats
    steps: Floats
    stop: Ints


class LeaveOneOut:
    """Incidences without one unit, at the rows of the risk table.

    While the unit is at risk the curve has the factors (n - 1 - d) / (n - 1); from its exit on
    those of everybody. A risk set of that unit alone has nobody left in it and moves nothing.

    Raises
    ------
    toolkit.errors.CallError
        Unless every unit counts for one: sampling weights, or fractions of rows.
    """

    def __init__(self, table: RiskTable, event_free: Floats, incidence: Floats) -> None:
        cells = table.cells
        if (cells.n != np.rint(cells.n)).any() or (cells.n != cells.n_squared).any():
            raise CallError(
                "Leaving one unit out needs weights that count whole rows",
                fix="method='infinitesimal' takes any weights",
            )
        self._table, self._incidence, self._event_free = table, incidence, event_free
        self._parts = influence(table)
        self._without = _course(table, table.n_risk - 1)
        self._all = _course(table, table.n_risk)

    def at(self, rows: Ints, cells: Ints) -> Floats:
        """Return F_k without one unit of some cells at some rows of their group, (c, K, rows)."""
        table, parts = self._table, self._parts
        come, out = parts.entry_row[cells], parts.exit_row[cells]
        first = table.first[table.cells.group[cells]]
        # at the entry; a row of -1 is before the group's first time
        f_come = _at(self._incidence, come, 0.0)
        begin = _at(self._event_free, come, 1.0) / _at(self._without.product, come, 1.0)
        steps_come = _at(self._without.steps, come, 0.0)
        end = self._without.stop[np.where(come < 0, first, come + 1)]

        def during(row: Ints) -> Floats:  # (c, T) → (c, T, K)
            seen = np.minimum(row, end[:, None])
            moved = _at(self._without.steps, seen, 0.0) - steps_come[:, None]
            return f_come[:, None] + begin[:, None, None] * moved

        last = np.where(out > first, out - 1, -1)  # the row before the exit
        stays = begin * _at(self._without.product, last, 1.0) * (end >= out)
        left = np.maximum(table.n_risk[out] - 1, 0.0)
        event = table.cells.event[cells]
        own = event[:, None] == np.arange(1, self._incidence.shape[1] + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(left[:, None] > 0, (table.n_event[out] - own) / left[:, None], 0.0)
        before_exit = np.where((last >= 0)[:, None], during(last[:, None])[:, 0], 0.0)
        f_out = before_exit + stays[:, None] * share
        stays *= 1 - share.sum(axis=1)
        stop = self._all.stop[np.minimum(out + 1, len(table.time))]
        scale = (stays / self._all.product[out])[:, None, None]

        def after(row: Ints) -> Floats:
            seen = np.maximum(np.minimum(row, stop[:, None]), out[:, None])
            moved = self._all.steps[seen] - self._all.steps[out][:, None]
            return f_out[:, None] + scale * moved

        at = np.broadcast_to(rows, (len(cells), len(rows)))
        found = np.where((at >= out[:, None])[..., None], after(at), during(at))
        found = np.where((at <= come[:, None])[..., None], _at(self._incidence, at, 0.0), found)
        return np.moveaxis(found, 2, 1)

    def area(self, horizon: float, group: int, cells: Ints) -> Floats:
        """Return the area under F_k up to `horizon` without one unit of some cells, (c, K)."""
        table = self._table
        rows = np.arange(table.first[group], table.first[group + 1])
        start = np.minimum(table.time[rows].astype(np.float64), horizon)
        width = np.diff(np.append(start, horizon))
        areas = [
            self.at(rows, some) @ width
            for some in np.array_split(cells, len(cells) * len(rows) // BLOCK + 1)
        ]
        return np.concatenate(areas)


def _course(table: RiskTable, n: Floats) -> _Course:
    """Return the course of the events of the table with `n` at risk; none there, no events."""
    d = np.where(n > 0, table.events, 0.0)
    some = np.where(n > 0, n, 1.0)
    factor = np.maximum((some - d) / some, 0.0)
    breaks = factor <= 0
    product = running_product(np.where(breaks, 1.0, factor), table.group)
    ahead = before(product, table.group, 1.0)
    share = np.where((n > 0)[:, None], table.n_event / some[:, None], 0.0)
    steps = running_sum(ahead[:, None] * share, table.group)
    last = len(factor) - 1
    at = np.append(np.where(breaks, np.arange(last + 1), last), last)
    return _Course(
        product=product, steps=steps, stop=np.minimum.accumulate(at[::-1])[::-1].astype(np.int64)
    )


def _at(values: Floats, row: Ints, start: float) -> Floats:
    """Return values at rows, `start` where the row is -1."""
    there = row >= 0
    if values.ndim > 1:
        there = there[..., None]
    return np.where(there, values[row], start)
