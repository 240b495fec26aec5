"""A unit's part in the estimated censoring distribution: ψ of `fine_gray.influence`.

Adding a unit moves the jumps of G and H, a jump moves the weights of all who left by another cause
before it, and these the score, or the baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.survival.segments import Steps, add_up, running_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.survival.fine_gray.influence import Parts

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Loss = Callable[[Floats, Floats], Floats]


class CensoringPart:
    """ψ of any cells: what their part in the jumps of G and H moves.

    Parameters
    ----------
    q : (J, q) array
        Q at every jump.
    """

    def __init__(self, parts: Parts, q: Floats, *, exact: bool) -> None:
        self._parts = parts
        jumps = parts.jumps
        alive = jumps.stay > 0  # where all are taken nothing is carried on, whoever is added
        with np.errstate(divide="ignore", invalid="ignore"):
            one = np.where(alive, 1 / (jumps.stay if exact else jumps.n), 0.0)[:, None] * q
            share = np.where(jumps.n > 0, jumps.out / jumps.n, 0.0)[:, None]
        self._sides = [
            _Side(parts, np.flatnonzero(jumps.entry == entry), one, share * one)
            for entry in (False, True)
        ]

    @classmethod
    def of_score(cls, parts: Parts, *, exact: bool) -> CensoringPart:
        """Return what moves the score."""
        at, sets = parts.at, parts.sets
        b = _carried(parts)
        gone = np.column_stack([b, b[:, None] * parts.x(sets.carried)])
        to_come = sets.to_come(np.column_stack([at.hazard, at.means.pull]))

        def loss(gone: Floats, after: Floats) -> Floats:
            return gone[:, 1:] * after[:, :1] - gone[:, :1] * after[:, 1:]

        return cls(parts, _at_jumps(parts, gone, to_come, loss, exact=exact), exact=exact)

    @classmethod
    def of_baseline(cls, parts: Parts, seen: NDArray[np.bool_], *, exact: bool) -> CensoringPart:
        """Return what moves sums of the baseline's increments."""
        to_come = parts.sets.to_come(parts.at.squared[:, None] * seen)
        q = _at_jumps(parts, _carried(parts)[:, None], to_come, np.multiply, exact=exact)
        return cls(parts, q, exact=exact)

    def moved(self, cells: slice) -> Floats:
        """Return ψ of a unit in each of some cells, (cells, q)."""
        design, group = self._parts.design, self._parts.group[cells]
        time, event = design.time[cells], design.event[cells]
        by_censoring, by_entry = self._sides
        includes = (event == 0) | (self._parts.censoring == "with-events")
        moved = -by_censoring.total(by_censoring.until(group, time, including=includes))
        censored = np.flatnonzero(event == 0)
        mine = by_censoring.until(group[censored], time[censored])
        moved[censored] += by_censoring.one[mine]
        if design.entry is not None:
            come = design.entry[cells]
            moved += by_censoring.total(by_censoring.until(group, come))
            moved -= by_entry.one[by_entry.until(group, come)]
            moved += by_entry.total(by_entry.until(group, time, including=False))
            moved -= by_entry.total(by_entry.until(group, come, including=False))
        return moved


class _Side:
    """The jumps of G, or those of H: their part in ψ, and its running sums."""

    def __init__(self, parts: Parts, rows: Ints, one: Floats, spent: Floats) -> None:
        jumps = parts.jumps
        group = jumps.group[rows]
        self._steps = Steps(group, jumps.time[rows])
        self._first = np.searchsorted(group, np.arange(int(parts.group.max()) + 2))
        none = np.zeros((1, one.shape[1]))
        self.one = np.concatenate([none, one[rows]])  # row 0: no jump
        total = running_sum(spent[rows], group) if len(rows) else spent[rows]
        self._total = np.concatenate([none, total])

    def until(
        self, group: Ints, time: NDArray[Any], *, including: bool | NDArray[np.bool_] = True
    ) -> Ints:
        """Return the last jump of a group at or before each time, 1 …; 0 where there is none."""
        if isinstance(including, bool):
            row = self._steps.last(group, time, including=including)
        else:
            row = self._steps.last(group, time)
            short = ~including
            row[short] = self._steps.last(group[short], time[short], including=False)
        return np.where(row >= self._first[group], row + 1, 0)

    def total(self, row: Ints) -> Floats:
        """Return the running sum up to a jump."""
        return self._total[row]


def _carried(parts: Parts) -> Floats:
    """Return n r / w(T) of the cells that left by another cause, (K,)."""
    cells = parts.sets.carried
    b: Floats = parts.design.n[cells] * parts.risk(cells) * parts.sets.share
    return b


def _at_jumps(parts: Parts, gone: Floats, to_come: Floats, loss: Loss, *, exact: bool) -> Floats:
    """Return Q at every jump, (J, q): a function of who left before and what is to come after it.

    It only changes where somebody leaves by another cause or a moment passes, so its changes are
    worked out there and added up at the jumps.
    """
    sets, design, jumps = parts.sets, parts.design, parts.jumps
    if not len(sets.carried):
        return np.zeros((len(jumps.time), loss(gone, to_come[:0]).shape[1]))
    time, run = design.time[sets.carried], sets.run[sets.place]
    moments = sets.time[sets.moment]
    all_runs = np.concatenate([run, sets.run])
    all_times = np.concatenate([time, moments])
    order = np.lexsort((all_times, all_runs))
    runs, times = all_runs[order], all_times[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (runs[1:] != runs[:-1]) | (times[1:] != times[:-1])
    point = np.empty(len(order), dtype=np.int64)
    point[order] = np.cumsum(new) - 1
    runs, times = runs[new], times[new]

    left = running_sum(add_up(gone, point[: len(time)], len(times)), runs)
    row = Steps(sets.run, moments).last(runs, times) + 1  # the first moment after the point
    inside = (row < len(sets.run)) & (np.append(sets.run, -1)[row] == runs)
    row = np.where(inside, row, 0)
    after = np.where(inside[:, None], to_come[row], 0.0)
    value = loss(left, after)
    change = value.copy()
    same = np.flatnonzero(runs[1:] == runs[:-1]) + 1
    change[same] -= value[same - 1]

    # w is a product over T ≤ c < t, so a jump at c feels all points at or before c; the paper's
    # sums are over T < c ≤ t
    group = sets.jump_group[runs]
    at = Steps(jumps.group, jumps.time).last(group, times, including=not exact) + 1
    there = (at < len(jumps.group)) & (np.append(jumps.group, -1)[at] == group)
    placed = add_up(change[there], at[there], len(jumps.time))
    return running_sum(placed, jumps.group) if len(placed) else placed
