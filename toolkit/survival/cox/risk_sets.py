"""Who is at risk when: each cell's first and last event time, on one axis of all strata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Sorted numbers that do not fit the cache.
_LONG = 50_000


@dataclass(frozen=True, kw_only=True)
class RiskSets:
    """The T distinct event times of all strata, and where each of the C cells stands on them.

    A cell is at risk at the event times ``before < t <= last`` of its stratum (row numbers of the
    axis). So a sum over those at risk is a running sum from the end of the stratum backwards over
    the cells by `last`, less the same over the cells by `before`; nothing of size (T, C) exists.

    Attributes
    ----------
    stratum, time : (T,) arrays
        The axis, sorted by both.
    first : (T,) array
        Row at which the stratum of each event time starts.
    deaths : (T,) array
        Events d: units that weigh 1 each (frequency weights are counted out).
    weight : (T,) array
        Sum of the weights of the events; equal to `deaths` unless weights are sampling weights.
    last : (C,) array
        Last event time at or before the end of the cell; -1 when it is never at risk at one.
    before : (C,) array or None
        Last event time at or before the cell's entry; -1 when there is none in its stratum.
        None without left truncation.
    event : (C,) array of bool
        The cell's units have the event, at time `last`.
    """

    stratum: Ints
    time: NDArray[Any]
    first: Ints
    deaths: Floats
    weight: Floats
    last: Ints
    before: Ints | None
    event: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return T."""
        return len(self.time)

    def cumulated(self, values: Floats) -> Floats:
        """Return running sums over the event times of a stratum, (T,) or (T, K)."""
        from toolkit.survival.cox.kernels import sum_forth

        out = np.empty(values.shape)
        sum_forth(_wide(values), self.first, _wide(out))
        return out

    def at_risk(self, by_last: Floats, by_before: Floats | None) -> Floats:
        """Return what those at risk add up to, from sums by `last` and by `before`, (T,) or (T, K).

        Sums run from the end of each stratum backwards. What rounding takes from them is given
        back: with left truncation a risk set may be a small difference of large sums.
        """
        from toolkit.survival.cox.kernels import sum_back

        out = np.empty(by_last.shape)
        net = by_last if by_before is None else by_last - by_before
        sum_back(_wide(net), self.first, _wide(out))
        return out

    def lonely(self, design: Design) -> int:
        """Return at how many times all at risk have the event while others are still to come."""
        units = design.rows if design.sampling else design.n
        here = self.last >= 0
        early = None
        if self.before is not None:
            entered = self.before >= 0
            early = add_up(units[entered], self.before[entered], len(self))
        there = self.at_risk(add_up(units[here], self.last[here], len(self)), early)
        final = np.append(self.first[1:] != self.first[:-1], True)
        return int(((there < self.deaths + 0.5) & ~final).sum())

    def over_interval(self, cumulative: Floats, cell: NDArray[np.bool_] | slice) -> Floats:
        """Return what a running sum over event times gains while each cell is at risk, (C, …)."""
        last = self.last[cell]
        gained = cumulative[last]  # cells never at risk read row -1, and are put to 0
        if self.before is not None:
            before = self.before[cell]
            gained = gained - np.where(_as(before >= 0, gained), cumulative[before], 0.0)
        gained[last < 0] = 0.0
        return gained


def _as(mask: NDArray[np.bool_], like: Floats) -> NDArray[np.bool_]:
    return mask.reshape(-1, *([1] * (like.ndim - 1)))


def _wide(values: Floats) -> Floats:
    return values.reshape(len(values), -1)


def make_risk_sets(design: Design) -> RiskSets:
    """Lay the cells of a design out on the axis of its event times.

    Raises
    ------
    toolkit.errors.EmptyCohortError
        When there is no event.
    """
    stratum = design.stratum[design.pattern]
    event = design.event > 0
    if not event.any():
        raise EmptyCohortError(
            "There is no event, so nothing can be estimated",
            where=f"{design.n_rows:,} rows, all censored",
            fix="check the coding of the event (1 = happened) and the window",
        )
    axis_stratum, axis_time = _axis(stratum[event], design.time[event])
    start = np.searchsorted(axis_stratum, np.arange(design.strata.height))
    find = _finder(axis_stratum, axis_time, start)
    last = find(stratum, design.time)
    before = None
    if design.entry is not None and (design.entry > 0).any():
        before = find(stratum, design.entry)
        last = np.where(last > before, last, -1)
        before = np.where(last >= 0, before, -1)
    units = design.rows if design.sampling else design.n
    length = len(axis_time)
    return RiskSets(
        stratum=axis_stratum,
        time=axis_time,
        first=start[axis_stratum],
        deaths=add_up(units[event], last[event], length),
        weight=add_up(design.n[event], last[event], length),
        last=last,
        before=before,
        event=event,
    )


def _finder(
    axis_stratum: Ints, axis_time: NDArray[Any], start: Ints
) -> Callable[[Ints, NDArray[Any]], Ints]:
    """Return what finds the last event time of a stratum at or before a time, -1 if none."""
    if len(start) == 1:
        return lambda _, time: _search(axis_time, time)
    known = np.unique(axis_time)
    width = len(known) + 1  # one integer that sorts as (stratum, time) does
    key = axis_stratum * width + np.searchsorted(known, axis_time) + 1

    def find(stratum: Ints, time: NDArray[Any]) -> Ints:
        row = _search(key, stratum * width + _search(known, time) + 1)
        return np.where(row >= start[stratum], row, -1)

    return find


def _search(known: NDArray[Any], asked: NDArray[Any]) -> Ints:
    """Return the last place of the sorted `known` at or below each number asked, -1 if none."""
    if len(known) < _LONG:
        return np.searchsorted(known, asked, side="right") - 1
    order = np.argsort(asked)  # one after another in memory, which saves more than the sort costs
    out = np.empty(len(asked), dtype=np.int64)
    out[order] = np.searchsorted(known, asked[order], side="right") - 1
    return out


def _axis(stratum: Ints, time: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    if not stratum.any():
        known = np.unique(time)
        return np.zeros(len(known), dtype=np.int64), known
    axis = pl.DataFrame({"stratum": stratum, "time": time}).unique().sort("stratum", "time")
    return axis["stratum"].to_numpy(), axis["time"].to_numpy()
