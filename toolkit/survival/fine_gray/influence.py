"""What each unit moves: score residuals, and its part in the estimated censoring distribution.

A unit of weight 1 moves the score by η + ψ (Fine and Gray 1999, section 3.2): η is its own score
residual; ψ comes in because it moves G, and with it the weight of all who left by another cause.
With Q(c) what the score gains when log w falls by 1 over the jump at c,

    ψ = Σ_c Q(c) (dN(c) - y(c) d/n) / n*,      n* = n in the paper, n - d in the exact derivative

dN, y the unit's censoring and at-risk indicators. The paper's form is for times without ties; the
exact one is right for months too, where d is a sizeable share of n. A jump of H counts the other
way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.survival.products import rows_times
from toolkit.survival.segments import Steps, add_up, running_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.fine_gray.jumps import CensoringType, Jumps
    from toolkit.survival.fine_gray.likelihood import AtPoint
    from toolkit.survival.fine_gray.risk_sets import RiskSets

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Loss = Callable[[Floats, Floats], Floats]


#: Cells worked on at once: what is computed of them stays in the cache.
_BLOCK = 16_384


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What influences are made of: the design, its risk sets and the model at its optimum."""

    design: Design
    sets: RiskSets
    jumps: Jumps
    group: Ints
    censoring: CensoringType
    at: AtPoint
    centre: Floats

    def risk(self, cells: slice | Ints = slice(None)) -> Floats:
        """Return r of cells."""
        return self.at.risk[self.design.pattern[cells]]

    def x(self, cells: slice | Ints) -> Floats:
        """Return the centred terms of cells, (cells, p)."""
        middle: Floats = self.design.x[self.design.pattern[cells]] - self.centre
        return middle

    def blocks(self) -> Iterator[slice]:
        """Yield slices of the cells."""
        for low in range(0, len(self.design.time), _BLOCK):
            yield slice(low, min(low + _BLOCK, len(self.design.time)))

    def carried(self, cells: slice) -> slice:
        """Return which of the carried cells are among some cells."""
        low, high = np.searchsorted(self.sets.carried, [cells.start, cells.stop])
        return slice(int(low), int(high))


def coefficient_influence(parts: Parts, bread: Floats, *, exact: bool | None) -> Floats:
    """Return what a unit in every cell moves the coefficients by, (C, p).

    Parameters
    ----------
    bread : (p, p) array
        Inverse information.
    exact : bool or None
        Form of ψ: its exact derivative, that of the paper, or (None) none.
    """
    through = CensoringPart.of_score(parts, exact=exact) if exact is not None else None
    out = np.empty((len(parts.design.time), len(parts.centre)))
    for cells, eta in score_blocks(parts):
        moved = eta if through is None else eta + through.moved(cells)
        out[cells] = rows_times(moved, bread)
    return out


def score_residuals(parts: Parts) -> Floats:
    """Return η of a unit in every cell, (C, p)."""
    return np.concatenate([block for _, block in score_blocks(parts)])


def score_blocks(parts: Parts) -> Iterator[tuple[slice, Floats]]:
    """Yield η block by block, (cells, p)."""
    from toolkit.survival.cox.kernels import score_residuals as fill

    design, sets, at = parts.design, parts.sets, parts.at
    means = at.means
    pull = running_sum(means.pull, sets.stratum)
    own_pull = means.own_pull - means.pull
    later = sets.to_come(np.column_stack([at.hazard, means.pull]))
    for cells in parts.blocks():
        out = np.empty((cells.stop - cells.start, len(parts.centre)))
        fill(
            design.x, parts.centre, at.risk, design.pattern, sets.last, sets.come, sets.own,
            at.exposure, pull, own_pull, means.own, cells.start, cells.stop, out,
        )  # fmt: skip
        gone = parts.carried(cells)
        some = sets.carried[gone]
        then = later[sets.place[gone]]
        weight = (parts.risk(some) * sets.share[gone])[:, None]
        out[some - cells.start] += weight * (then[:, 1:] - parts.x(some) * then[:, :1])
        yield cells, out


def martingale_residuals(parts: Parts) -> Floats:
    """Return the events of a unit in every cell less those expected of it, (C,)."""
    at, sets = parts.at, parts.sets
    expected = at.exposure.copy()
    expected[sets.carried] += sets.share * sets.to_come(at.hazard[:, None])[sets.place, 0]
    return sets.own - parts.risk() * expected


def baseline_residuals(parts: Parts, seen: NDArray[np.bool_], *, exact: bool | None) -> Floats:
    """Return what a unit in every cell moves sums of the baseline's increments, (C, q), β held.

    Parameters
    ----------
    seen : (M, q) array
        The moments that each sum takes.
    exact : bool or None
        As in `coefficient_influence`.
    """
    at, sets = parts.at, parts.sets
    spent = exposed(parts, at.squared[:, None] * seen)
    moved = -parts.risk()[:, None] * spent
    own = np.flatnonzero(sets.own)
    m = sets.last[own]
    gain = (at.sums.first / sets.units)[m]
    gain += parts.risk(own) * (at.squared - at.own_squared)[m]
    moved[own] += gain[:, None] * seen[m]
    if exact is not None:
        through = CensoringPart.of_baseline(parts, seen, exact=exact)
        for cells in parts.blocks():
            moved[cells] += through.moved(cells)
    return moved


def exposed(parts: Parts, hazard: Floats) -> Floats:
    """Return Σ_t w(t) hazard(t) over the moments a unit of each cell is at risk, (C, q)."""
    sets = parts.sets
    total = _from_0(running_sum(hazard, sets.stratum))
    spent = total[sets.last + 1]
    if len(sets.come):
        spent -= total[sets.come + 1]
    spent[sets.carried] += sets.share[:, None] * sets.to_come(hazard)[sets.place]
    return spent


def _from_0(total: Floats) -> Floats:
    """Put a row of zeros, for nothing yet, on top of running sums."""
    return np.concatenate([np.zeros((1, total.shape[1])), total])


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
