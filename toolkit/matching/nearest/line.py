"""Nearest neighbours on a score: sort once, then link those who are taken to the next free one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.nearest.task import Task

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


#: Share of the partners, with a code that must differ, beyond which they are led past.
_COMMON = 1 / 16
#: Rows of a kind that are looked at to see how many keep to the calipers, and what is few.
_SOME, _NARROW = 500, 0.02


@dataclass(frozen=True, kw_only=True)
class Line:
    """Rows sorted by cell and score, and where the partners of each focal row are.

    Attributes
    ----------
    order : (N,) array
        All rows, by cell, score and rank.
    rows, pool : (focal,), (m,) arrays
        Those of either kind, in that order.
    at, low, high : (focal,) arrays
        How many partners come before each, and which belong to its cell.
    """

    order: Ints = field(repr=False)
    rows: Ints = field(repr=False)
    pool: Ints = field(repr=False)
    at: Ints = field(repr=False)
    low: Ints = field(repr=False)
    high: Ints = field(repr=False)


def sort_line(task: Task) -> Line:
    """Return the rows of a task with one coordinate, sorted."""
    order = by_cell_and_score(task.cell, task.points[:, 0], task.rank)
    is_focal = task.focal[order]
    rows, pool = order[is_focal], order[~is_focal]
    cells = int(task.cell.max(initial=0)) + 1
    start = np.concatenate([[0], np.cumsum(np.bincount(task.cell[pool], minlength=cells))])
    own = task.cell[rows]
    at: Ints = np.cumsum(~is_focal, dtype=np.int64)[is_focal]
    return Line(
        order=order, rows=rows, pool=pool, at=at,
        low=start[own], high=start[own + 1],
    )  # fmt: skip


def match_on_line(task: Task, line: Line | None = None) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of nearest neighbours on a score: focal rows, partner rows, distances.

    The partners are sorted by cell, score and rank. Who is taken is linked to the next free one
    on either side (union-find, paths halved), so that all n searches together cost n log n and
    the result is that of looking at every free partner each time. Further calipers and columns
    that must differ are looked at on the way, which costs as many steps as it takes to find one;
    so those who must differ from many have links that lead past these (`links_past`), and where
    calipers leave few, the search goes through a tree.

    Parameters
    ----------
    task : Task
        With one coordinate.
    line : Line, optional
        Its rows, where they are sorted already.
    """
    if is_narrow(task):
        from toolkit.matching.nearest.tree import match_in_tree

        return match_in_tree(task)
    from toolkit.matching.nearest import line_kernels as kernels

    line = sort_line(task) if line is None else line
    score, rows, pool = task.points[:, 0], line.rows, line.pool
    place = np.empty(len(score), np.int64)
    place[rows] = np.arange(len(rows))
    bound = (
        task.near[rows], task.near[pool], task.width, task.other[rows], task.other[pool]
    )  # fmt: skip
    take = (
        kernels.take_again if task.again
        else kernels.take_closest if task.closest
        else kernels.take_in_order
    )  # fmt: skip
    focal, partner = take(
        place[task.visit], task.wanted[rows], score[rows], line.at, line.low, line.high,
        score[pool], task.caliper, bound, *links_past(task.other[rows], task.other[pool]),
    )  # fmt: skip
    focal, partner = rows[focal], pool[partner]
    return focal, partner, np.abs(score[focal] - score[partner])


def links_past(own: Ints, partner: Ints) -> tuple[Ints, Bools]:
    """Return which links each focal row goes by, (focal,), and whom these pass, (G, m).

    A code that more than `_COMMON` of the partners have gets links of its own, by which those of
    the same code do not meet them; 0 = the links of all. Of several such columns the commonest.

    Parameters
    ----------
    own, partner : (focal, r), (m, r) arrays
        Codes that must differ within a pair.
    """
    via, passed = np.zeros(len(own), np.int64), []
    common = []
    for k in range(partner.shape[1]):
        codes, counts = np.unique(partner[:, k], return_counts=True)
        many = counts > _COMMON * len(partner)
        common += [(int(n), k, c) for n, c in zip(counts[many], codes[many], strict=True)]
    for _, k, code in sorted(common, key=lambda each: each[0]):
        here = own[:, k] == code
        if here.any():
            passed.append(partner[:, k] == code)
            via[here] = len(passed)
    return via, np.array(passed, dtype=bool).reshape(len(passed), len(partner))


def is_narrow(task: Task) -> bool:
    """Tell whether so few partners keep to the calipers on columns that a tree finds them sooner.

    On a line everybody between is looked at; in a tree the columns are dimensions of the boxes.
    """
    if not len(task.width):
        return False
    rows, pool = np.flatnonzero(task.focal), np.flatnonzero(~task.focal)
    if not len(rows) or not len(pool):
        return False
    some, other = (at[np.linspace(0, len(at) - 1, min(len(at), _SOME)).astype(np.int64)]
                   for at in (rows, pool))  # fmt: skip
    near = np.ones((len(some), len(other)), bool)
    for values, width in zip(task.near.T, task.width, strict=True):
        near &= np.abs(np.subtract.outer(values[some], values[other])) <= width
    return bool(near.mean() < _NARROW)


def reached_on_line(task: Task, line: Line) -> Bools:
    """Return which rows have one of the other kind in their cell, within the caliper, (N,)."""
    from toolkit.matching.nearest.line_kernels import near_other_kind

    order = line.order
    found = np.empty(len(order), bool)
    found[order] = near_other_kind(
        task.points[order, 0], task.cell[order], task.focal[order], task.caliper
    )
    return found


def by_cell_and_score(cell: Ints, score: Floats, rank: Ints | None) -> Ints:
    """Return the rows by cell, then score, then rank (None: as they stand)."""
    from toolkit.matching.nearest.line_kernels import settle

    order = np.argsort(score)  # three times as fast as a stable sort; equals are settled after it
    ranks = np.zeros(0, np.int64) if rank is None else rank
    # one kind of array, or the kernel is compiled anew for views and read-only ones
    settle(
        order, np.require(score, np.float64, ["C", "W"]), np.require(ranks, np.int64, ["C", "W"])
    )
    top = int(cell.max(initial=0))
    if top == 0:
        return order
    # numpy sorts 16 bits by counting, in one pass
    small = cell.astype(np.uint16) if top < 2**16 else cell
    return order[np.argsort(small[order], kind="stable")]
