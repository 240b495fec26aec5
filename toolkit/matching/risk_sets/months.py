"""Month by month: who starts, who might have, and who stands beside whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.estimation.threads import cores
from toolkit.matching.nearest import Task, match_in_tree, match_on_line
from toolkit.matching.risk_sets.place import Points, by_score, list_months

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from toolkit.matching.risk_sets.place import Score
    from toolkit.matching.risk_sets.runs import Bools, Floats, Ints, Runs

Order = Literal["largest", "smallest", "random", "closest"]
ORDERS = ("largest", "smallest", "random", "closest")
#: Why a starter has no control; the place in this list is the code.
REASONS = ("no control in the cell", "controls used up", "none within the caliper")
#: Cells beyond which a table of them all is not made.
_TABLE = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How controls are chosen.

    Attributes
    ----------
    ratio : int
    replace, reuse : bool
        Whether one may serve several starters of a month; and in several months.
    order : {"largest", "smallest", "random", "closest"}
    width : float
        Greatest distance.
    near, near_width : (R, q), (q,) arrays
        Columns in which the two of a pair may differ by at most a width.
    period : int
        Calendar months that count as one; 0 = the calendar does not count.
    seed : int
    """

    ratio: int
    replace: bool
    reuse: bool
    order: Order
    width: float
    near: Floats = field(repr=False)
    near_width: Floats = field(repr=False)
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


def match_months(runs: Runs, months: Sequence[int], where: Score | Points, rules: Rules) -> Pairs:
    """Match the starters of each month to people at risk in it who do not start in it."""
    from toolkit.matching.risk_sets.lots_kernel import lot

    now = _standing(runs, months, where)
    period_low, span = _periods(runs, rules.period)
    used = np.zeros(0 if rules.reuse else int(runs.person.max()) + 1, dtype=bool)

    def one(month: int) -> Pairs:
        seed = np.uint64(lot(np.uint64(rules.seed), np.uint64(month - runs.low)))
        at, points = now(month, seed)
        cell = runs.cell[at].astype(np.int64) * span
        if rules.period:
            cell += runs.calendar_at(at, month) // rules.period - period_low
        return _match_month(runs, month, at, points, cell, rules, used, seed)

    if rules.reuse:  # months know nothing of each other
        with ThreadPoolExecutor(cores()) as pool:
            found = list(pool.map(one, months))
    else:
        found = [one(month) for month in months]
    names = ("month", "starter", "control", "distance", "sought_month", "sought", "reason")
    return Pairs(**{name: np.concatenate([getattr(f, name) for f in found]) for name in names})


def _standing(
    runs: Runs, months: Sequence[int], where: Score | Points
) -> Callable[[int, np.uint64], tuple[Ints, Floats]]:
    """Return a function of a month and its seed: runs at risk and their points, (n, p).

    They come by rising score, those of one score by lot, so that the first and the last of equals,
    whom the search meets first, are not the same people in every month.
    """
    from toolkit.matching.risk_sets.lots_kernel import shuffle_equals

    if isinstance(where, Points):
        values, lists = where.values, list_months(runs, months)

        def as_points(month: int, seed: np.uint64) -> tuple[Ints, Floats]:
            at = lists.of(month).astype(np.int64)
            shuffle_equals(np.zeros(len(at)), at, seed)
            return at, values[at]

        return as_points
    sort = by_score(runs, months, where)

    def on_line(month: int, seed: np.uint64) -> tuple[Ints, Floats]:
        at, value = sort(month)
        shuffle_equals(value, at, seed)
        return at, value[:, None]

    return on_line


def _periods(runs: Runs, period: int) -> tuple[int, int]:
    """Return the first calendar period and how many there are; 0 and 1 without a calendar."""
    if not period or runs.calendar is None:
        return 0, 1
    last = runs.calendar + (runs.last - runs.first)
    low = int(runs.calendar.min()) // period
    return low, int(last.max()) // period - low + 1


def _match_month(
    runs: Runs, month: int, at: Ints, points: Floats, cell: Ints, rules: Rules, used: Bools,
    seed: np.uint64,
) -> Pairs:  # fmt: skip
    own = runs.starts[at] & (runs.last[at] == month)
    cells = np.unique(cell[own])
    group = _among(cells, cell)
    there = (group >= 0) if not len(used) else (group >= 0) & (own | ~used[runs.person[at]])
    at, points, group, own = at[there], points[there], group[there], own[there]
    person = runs.person[at].astype(np.int64) if runs.several or len(used) else at
    if len(used):
        once = own.copy()  # a person with two spells at risk: the first, which is by lot
        once[np.flatnonzero(~own)[np.unique(person[~own], return_index=True)[1]]] = True
        at, points, group, own, person = (a[once] for a in (at, points, group, own, person))
    rows = np.flatnonzero(own)
    wanted = np.zeros(len(at), dtype=np.int64)
    wanted[rows] = rules.ratio
    task = Task(
        points=np.ascontiguousarray(points), focal=own, cell=group,
        rank=None if points.shape[1] == 1 else np.arange(len(at)),
        visit=_turn(rows, points[rows, 0], rules.order, seed), wanted=wanted, caliper=rules.width,
        near=rules.near[at], width=rules.near_width,
        # nobody serves for themselves, in another spell
        other=person[:, None] if runs.several else np.zeros((len(at), 0), dtype=np.int64),
        again=rules.replace, closest=rules.order == "closest",
    )  # fmt: skip
    match = match_on_line if points.shape[1] == 1 else match_in_tree
    focal, partner, distance = match(task)
    if len(used):
        used[person[partner]] = True
    count = len(cells)
    offered = np.bincount(group[~own], minlength=count)
    serves = np.zeros(len(at), dtype=bool)
    serves[partner] = True
    taken = np.bincount(group[serves], minlength=count)
    left = offered if rules.replace else offered - taken
    matched = np.zeros(len(at), dtype=bool)
    matched[focal] = True
    limited = np.isfinite(rules.width) or len(rules.near_width) > 0
    reason = np.select(
        [matched[rows], offered[group[rows]] == 0, (left[group[rows]] == 0) | (not limited)],
        [-1, 0, 1], default=2,
    )  # fmt: skip
    return Pairs(
        month=np.full(len(focal), month), starter=at[focal], control=at[partner],
        distance=distance, sought_month=np.full(len(rows), month), sought=at[rows],
        reason=reason.astype(np.int64),
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


def _turn(rows: Ints, score: Floats, order: Order, seed: np.uint64) -> Ints:
    """Return the starters in the order in which they choose; those of one score are so by lot."""
    if order == "random":
        from toolkit.matching.risk_sets.lots_kernel import lots

        return rows[np.argsort(lots(seed + np.uint64(1), rows), kind="stable")]
    if order == "closest":
        return rows
    return rows[np.argsort(-score if order == "largest" else score, kind="stable")]
