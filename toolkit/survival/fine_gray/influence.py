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

from toolkit.survival.segments import Steps, add_up, running_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.fine_gray.jumps import CensoringType, Jumps
    from toolkit.survival.fine_gray.likelihood import AtPoint
    from toolkit.survival.fine_gray.risk_sets import RiskSets

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Loss = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What influences are made of: the design, its risk sets and the model at its optimum."""

    design: Design
    sets: RiskSets
    jumps: Jumps
    group: Ints
    censoring: CensoringType
    at: AtPoint
    x: Floats
    beta: Floats

    @property
    def cell_risk(self) -> Floats:
        """R of every cell, (C,)."""
        return self.at.risk[self.design.pattern]


def score_residuals(parts: Parts) -> Floats:
    """Return η of a unit in every cell, (C, p)."""
    at, sets = parts.at, parts.sets
    x, r = parts.x[parts.design.pattern], parts.cell_risk[:, None]
    spent = exposed(parts, np.column_stack([at.hazard, at.means.pull]))
    eta = r * (spent[:, 1:] - x * spent[:, :1])
    own = np.flatnonzero(sets.own)
    m = sets.last[own]
    less, less_x = at.hazard - at.own_hazard, at.means.pull - at.means.own_pull
    eta[own] += x[own] - at.means.own[m]
    eta[own] += r[own] * (x[own] * less[m][:, None] - less_x[m])
    return eta


def martingale_residuals(parts: Parts) -> Floats:
    """Return the events of a unit in every cell less those expected of it, (C,)."""
    at, sets = parts.at, parts.sets
    expected = exposed(parts, at.hazard[:, None])[:, 0]
    expected[sets.own] -= (at.hazard - at.own_hazard)[sets.last[sets.own]]
    return sets.own - parts.cell_risk * expected


def censoring_residuals(parts: Parts, *, exact: bool) -> Floats:
    """Return ψ of a unit in every cell, (C, p)."""
    at, sets = parts.at, parts.sets
    if not len(sets.carried):
        return np.zeros((len(parts.design.time), parts.x.shape[1]))
    b = _carried(parts)
    b1 = b[:, None] * parts.x[parts.design.pattern[sets.carried]]
    to_come = sets.to_come(np.column_stack([at.hazard, at.means.pull]))

    def loss(gone: Floats, after: Floats) -> Floats:
        return gone[:, 1:] * after[:, :1] - gone[:, :1] * after[:, 1:]

    q = _at_jumps(parts, np.column_stack([b, b1]), to_come, loss, exact=exact)
    return _spread(parts, q, exact=exact)


def baseline_residuals(parts: Parts, seen: NDArray[np.bool_], *, exact: bool | None) -> Floats:
    """Return what a unit in every cell moves sums of the baseline's increments, (C, q), β held.

    Parameters
    ----------
    seen : (M, q) array
        The moments that each sum takes.
    exact : bool or None
        As in `censoring_residuals`; None leaves the estimated weights out.
    """
    at, sets = parts.at, parts.sets
    spent = exposed(parts, at.squared[:, None] * seen)
    moved = -parts.cell_risk[:, None] * spent
    own = np.flatnonzero(sets.own)
    m = sets.last[own]
    gain = (at.sums.first / sets.units)[m]
    gain += parts.cell_risk[own] * (at.squared - at.own_squared)[m]
    moved[own] += gain[:, None] * seen[m]
    if exact is not None and len(sets.carried):
        to_come = sets.to_come(at.squared[:, None] * seen)
        q = _at_jumps(parts, _carried(parts)[:, None], to_come, np.multiply, exact=exact)
        moved += _spread(parts, q, exact=exact)
    return moved


def exposed(parts: Parts, hazard: Floats) -> Floats:
    """Return Σ_t w(t) hazard(t) over the moments a unit of each cell is at risk, (C, q)."""
    sets, design = parts.sets, parts.design
    start = sets.first[design.stratum[design.pattern]]
    total = running_sum(hazard, sets.stratum)
    spent = _at(total, sets.last, start)
    if design.entry is not None:
        spent -= _at(total, sets.come, start)
    if len(sets.carried):
        spent[sets.carried] += sets.share[:, None] * sets.to_come(hazard)[sets.place]
    return spent


def _at(total: Floats, row: Ints, start: Ints) -> Floats:
    return np.where((row >= start)[:, None], total[row], 0.0)


def _carried(parts: Parts) -> Floats:
    """Return n r / w(T) of the cells that left by another cause, (K,)."""
    cells = parts.sets.carried
    b: Floats = parts.design.n[cells] * parts.cell_risk[cells] * parts.sets.share
    return b


def _at_jumps(parts: Parts, gone: Floats, to_come: Floats, loss: Loss, *, exact: bool) -> Floats:
    """Return Q at every jump, (J, q): a function of who left before and what is to come after it.

    It only changes where somebody leaves by another cause or a moment passes, so its changes are
    worked out there and added up at the jumps.
    """
    sets, design, jumps = parts.sets, parts.design, parts.jumps
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


def _spread(parts: Parts, q: Floats, *, exact: bool) -> Floats:
    """Return every unit's part, (C, q): what it moves the jumps by, times what a jump moves."""
    design, jumps, group = parts.design, parts.jumps, parts.group
    alive = jumps.stay > 0  # where all are taken nothing is carried on, whoever is added
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.where(alive, 1 / (jumps.stay if exact else jumps.n), 0.0)[:, None] * q
        share = np.where(jumps.n > 0, jumps.out / jumps.n, 0.0)[:, None]
    moved = np.zeros((len(design.time), q.shape[1]))
    for entry in (False, True):
        rows = np.flatnonzero(jumps.entry == entry)
        if not len(rows):
            continue
        steps = Steps(jumps.group[rows], jumps.time[rows])
        start = np.searchsorted(jumps.group[rows], group)
        total = running_sum((one * share)[rows], jumps.group[rows])

        def until(
            time: NDArray[Any], *, including: bool, steps: Steps = steps, total: Floats = total,
            start: Ints = start,
        ) -> Floats:  # fmt: skip
            return _at(total, steps.last(group, time, including=including), start)

        if entry:
            assert design.entry is not None  # noqa: S101
            mine = rows[steps.last(group, design.entry)]
            moved -= one[mine]
            moved += until(design.time, including=False) - until(design.entry, including=False)
            continue
        censored = np.flatnonzero(design.event == 0)
        mine = rows[steps.last(group[censored], design.time[censored])]
        moved[censored] += one[mine]
        at_exit = until(design.time, including=True)
        if parts.censoring == "after-events":
            has_event = (design.event > 0)[:, None]
            at_exit = np.where(has_event, until(design.time, including=False), at_exit)
        moved -= at_exit
        if design.entry is not None:
            moved += until(design.entry, including=True)
    return moved
