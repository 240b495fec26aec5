"""The risk table: at each time, per group, how many are at risk, leave by a cause, or are censored.

One polars group-by over the rows (`counts.count_cells`); everything after it works on the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.survival.counts import Cells, Weighting, count_cells
from toolkit.survival.segments import Steps, add_up, running_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RiskTable:
    """Counts by group and distinct observed time; rows sorted by both.

    G groups, K causes, R rows (one per group and time at which somebody leaves).

    Attributes
    ----------
    groups : DataFrame
        One row a group, the `by` columns as given (one nameless column when there is no `by`).
    causes : Series
        The K cause labels, in the user's type, sorted.
    group, time : (R,) arrays
    n_risk : (R,) array
        At risk just before `time`: entry < time, not yet left. Weighted if there are weights.
    n_event : (R, K) array
        Events by cause at `time`.
    n_censor : (R,) array
        Censored at `time`, that is just after the events.
    first : (G + 1,) array
        Row where each group starts; the last number is R.
    cells : Cells
        The cells of the group-by from which the rows were added up.
    entered : tuple of (E,) arrays or None
        Group, entry time and how many, sorted; None without left truncation.
    """

    groups: pl.DataFrame
    causes: pl.Series
    group: Ints
    time: NDArray[Any]
    n_risk: Floats
    n_event: Floats
    n_censor: Floats
    first: Ints
    cells: Cells
    entered: tuple[Ints, NDArray[Any], Floats] | None

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.first) - 1

    @property
    def events(self) -> Floats:
        """Events of any cause, (R,)."""
        events: Floats = self.n_event.sum(axis=1)
        return events

    @property
    def rows(self) -> Floats:
        """Rows of the data per group, unweighted, (G,)."""
        return add_up(self.cells.rows, self.cells.group, self.n_groups)

    def labels(self, group: Ints) -> dict[str, pl.Series]:
        """Return the `by` columns for these group numbers."""
        return {name: self.groups[name].gather(group) for name in self.cells.by}

    def count(self, values: Floats) -> pl.Series:
        """Return counts as whole numbers, or as they are where there are weights."""
        return pl.Series(values if self.cells.weighted else np.rint(values).astype(np.int64))

    def per_group(self, values: Floats) -> Floats:
        """Return the sum of (R,) values per group."""
        return np.add.reduceat(values, self.first[:-1])

    def at_risk(self, group: Ints, time: NDArray[Any]) -> Floats:
        """Return how many are at risk just before each (group, time)."""
        if self.entered is None:  # those of the next time: nothing to subtract, nothing to round
            row = Steps(self.group, self.time).last(group, time, including=False) + 1
            row = np.maximum(row, self.first[group])
            return np.where(row < self.first[group + 1], np.append(self.n_risk, 0.0)[row], 0.0)
        left = self.n_event.sum(axis=1) + self.n_censor
        gone = _total_before(self.group, self.time, left, group, time)
        there = _total_before(*self.entered, group, time)
        return np.where(np.abs(there - gone) < 1e-10 * there, 0.0, there - gone)


def make_risk_table(
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    by: Sequence[str] = (),
    weights: str | None = None,
    weighting: Weighting = "frequency",
    competing: bool = False,
) -> RiskTable:
    """Build the risk table of `data`; the arguments are those of the estimators.

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, when a column is not there or holds what it cannot hold.
    """
    cells = count_cells(
        data, time=time, event=event, entry=entry, by=by, weights=weights,
        weighting=weighting, competing=competing,
    )  # fmt: skip
    return table_from_cells(cells)


def table_from_cells(cells: Cells) -> RiskTable:
    """Add the cells up to one row per group and time."""
    n_causes = len(cells.causes)
    new = np.ones(len(cells.group), dtype=bool)
    new[1:] = (cells.group[1:] != cells.group[:-1]) | (cells.time[1:] != cells.time[:-1])
    row = np.cumsum(new) - 1
    n_rows = int(row[-1]) + 1
    shape = (n_rows, n_causes + 1)
    index = row * (n_causes + 1) + cells.event
    left = add_up(cells.n, index, n_rows * (n_causes + 1)).reshape(shape)
    group, time = cells.group[new], cells.time[new]
    n_event, n_censor = left[:, 1:], left[:, 0]
    leaving = n_event.sum(axis=1) + n_censor
    n_risk = running_sum(leaving, group, reverse=True)
    entered = None
    if cells.entry is not None:
        order = np.lexsort((cells.entry, cells.group))
        entered = cells.group[order], cells.entry[order], cells.n[order]
        n_risk = _risk_with_entry(n_risk, leaving, group, time, entered)
    groups = cells.groups.height
    return RiskTable(
        groups=cells.groups,
        causes=cells.causes,
        group=group,
        time=time,
        n_risk=n_risk,
        n_event=n_event,
        n_censor=n_censor,
        first=np.searchsorted(group, np.arange(groups + 1)),
        cells=cells,
        entered=entered,
    )


def _risk_with_entry(
    still: Floats,
    leaving: Floats,
    group: Ints,
    time: NDArray[Any],
    entered: tuple[Ints, NDArray[Any], Floats],
) -> Floats:
    """Take off those who leave at or after `time` but enter at or after it too."""
    totals = add_up(entered[2], entered[0], int(group[-1]) + 1)
    late = totals[group] - _total_before(*entered, group, time)
    risk = still - late
    # with fractional weights the difference is only equal to those who leave up to rounding;
    # a risk set that leaves as a whole must give a survival of exactly 0
    return np.where(np.abs(risk - leaving) < 1e-10 * still, leaving, risk)


def _total_before(
    group: Ints, time: NDArray[Any], n: Floats, at_group: Ints, at_time: NDArray[Any]
) -> Floats:
    """Return the sum of `n` over the rows of a group with a time strictly before `at_time`."""
    total = np.concatenate([[0.0], running_sum(n, group)])
    row = Steps(group, time).last(at_group, at_time, including=False)
    first = np.searchsorted(group, at_group)
    return np.where(row >= first, total[row + 1], 0.0)
