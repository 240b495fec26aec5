"""Month by month: who starts, who might have, and who stands beside whom."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from toolkit.matching.risk_sets.runs import Bools, Floats, Ints, Runs

Order = Literal["largest", "smallest", "random"]
ORDERS = ("largest", "smallest", "random")
#: Why a starter has no control; the place in this list is the code.
REASONS = ("no control in the cell", "controls used up", "none within the caliper")
#: Cells beyond which a table of them all is not made.
_TABLE = 1 << 24


class Score(Protocol):
    """What people are matched on, month by month."""

    @property
    def fixed(self) -> Floats | None:
        """The score of each run where it is the same in all months."""

    def score(self, month: int, run: Ints) -> Floats:
        """Return the score of some runs in a month."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A score that came with the data."""

    fixed: Floats = field(repr=False)

    def score(self, month: int, run: Ints) -> Floats:
        """Return the score of some runs; the month is in the run."""
        del month
        return self.fixed[run]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How controls are chosen.

    Attributes
    ----------
    ratio : int
    replace, reuse : bool
        Whether one may serve several starters of a month; and in several months.
    order : {"largest", "smallest", "random"}
    width : float
        Greatest distance.
    period : int
        Calendar months that count as one; 0 = the calendar does not count.
    seed : int
    """

    ratio: int
    replace: bool
    reuse: bool
    order: Order
    width: float
    period: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """P pairs and the S starters they were sought for.

    Attributes
    ----------
    month, starter, control : (P,) arrays
        Elapsed month, and the runs.
    distance : (P,) array
    sought_month, sought : (S,) arrays
        Every starter in the window: month and run.
    reason : (S,) array
        Place in `REASONS`; -1 = matched.
    """

    month: Ints = field(repr=False)
    starter: Ints = field(repr=False)
    control: Ints = field(repr=False)
    distance: Floats = field(repr=False)
    sought_month: Ints = field(repr=False)
    sought: Ints = field(repr=False)
    reason: Ints = field(repr=False)


def match_months(runs: Runs, months: Sequence[int], score: Score, rules: Rules) -> Pairs:
    """Match the starters of each month to people at risk in it who do not start in it."""
    now = at_risk_in(runs, score)
    period_low, span = _periods(runs, rules.period)
    used = np.zeros(0 if rules.reuse else int(runs.person.max()) + 1, dtype=bool)

    def one(month: int) -> Pairs:
        at, value = now(month)
        cell = runs.cell[at].astype(np.int64) * span
        if rules.period:
            cell += runs.calendar_at(at, month) // rules.period - period_low
        return _match_month(runs, month, at, value, cell, rules, used)

    if rules.reuse:  # months know nothing of each other
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = list(pool.map(one, months))
    else:
        found = [one(month) for month in months]
    names = ("month", "starter", "control", "distance", "sought_month", "sought", "reason")
    return Pairs(**{name: np.concatenate([getattr(f, name) for f in found]) for name in names})


def at_risk_in(runs: Runs, score: Score) -> Callable[[int], tuple[Ints, Floats]]:
    """Return a function of a month: the runs at risk in it and their scores, by rising score."""
    if score.fixed is None:

        def sort_now(month: int) -> tuple[Ints, Floats]:
            at = np.flatnonzero((runs.first <= month) & (runs.last >= month))
            value = score.score(month, at)
            order = np.argsort(value, kind="stable")
            return at[order], value[order]

        return sort_now
    order = np.argsort(score.fixed, kind="stable")  # once for all months
    first, last, value = runs.first[order], runs.last[order], score.fixed[order]

    def sorted_before(month: int) -> tuple[Ints, Floats]:
        there = (first <= month) & (last >= month)
        return order[there], value[there]

    return sorted_before


def spread_within(runs: Runs, months: Sequence[int], score: Score) -> float:
    """Return the standard deviation of the score within risk sets, over all rows of these months.

    Of the score's distance to the mean of its month: months that differ in level do not widen it.
    """
    now = at_risk_in(runs, score)
    total, square = 0.0, 0.0
    for month in months:
        at, value = now(month)
        weight = runs.weight_of(at)
        total += weight.sum()
        if weight.sum() > 0:
            off = value - weight @ value / weight.sum()
            square += float(weight @ (off * off))
    return float(np.sqrt(square / total)) if total else 0.0


def _periods(runs: Runs, period: int) -> tuple[int, int]:
    """Return the first calendar period and how many there are; 0 and 1 without a calendar."""
    if not period or runs.calendar is None:
        return 0, 1
    last = runs.calendar + (runs.last - runs.first)
    low = int(runs.calendar.min()) // period
    return low, int(last.max()) // period - low + 1


def _match_month(
    runs: Runs, month: int, at: Ints, value: Floats, cell: Ints, rules: Rules, used: Bools
) -> Pairs:
    from toolkit.matching.risk_sets.nearest_kernel import (
        NOBODY,
        TOO_FAR,
        by_group,
        draw_bits,
        draws,
        match_cells,
    )

    seed = np.uint64(draw_bits(np.uint64(rules.seed), np.uint64(month - runs.low)))
    own = runs.starts[at] & (runs.last[at] == month)
    starter, own_value = at[own], value[own]
    cells, own_cell = np.unique(cell[own], return_inverse=True)
    group = _among(cells, cell)
    may = (group >= 0) & ~own
    if len(used):
        may &= ~used[runs.person[at]]
    control, value, group = at[may], value[may], group[may]
    order, begin = by_group(group, len(cells))
    control, value = control[order], value[order]
    person = runs.person[starter]
    turn = _turn(own_value, draws(seed, person), rules.order)
    found, distance = match_cells(
        value, runs.person[control], begin, own_value, person, own_cell, turn, rules.ratio,
        rules.replace, rules.width, used, seed,
    )  # fmt: skip
    matched = found >= 0
    none_there = np.diff(begin)[own_cell] == 0
    first = found[:, 0]
    reason = np.select(
        [first >= 0, none_there, first == NOBODY, first == TOO_FAR], [-1, 0, 1, 2]
    ).astype(np.int64)
    return Pairs(
        month=np.full(int(matched.sum()), month),
        starter=np.broadcast_to(starter[:, None], found.shape)[matched],
        control=control[found[matched]], distance=distance[matched],
        sought_month=np.full(len(starter), month), sought=starter, reason=reason,
    )  # fmt: skip


def _among(cells: Ints, cell: Ints) -> NDArray[np.int64]:
    """Return the place of each cell in a sorted list of some; -1 where it is not there."""
    most = int(cell.max())
    if most < _TABLE:
        table = np.full(most + 1, -1, dtype=np.int64)
        table[cells] = np.arange(len(cells))
        return table[cell]
    place = np.minimum(np.searchsorted(cells, cell), len(cells) - 1)
    return np.where(cells[place] == cell, place, -1)


def _turn(value: Floats, draw: NDArray[np.uint64], order: Order) -> Ints:
    """Return the starters in the order in which they choose; those of one score by lot."""
    if order == "random":
        return np.argsort(draw, kind="stable")
    key = -value if order == "largest" else value
    return np.lexsort((draw, key))
