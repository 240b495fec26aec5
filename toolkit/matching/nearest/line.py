"""Nearest neighbours on a score: sort once, then link those who are taken to the next free one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.nearest.task import Task

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def match_on_line(task: Task) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of nearest neighbours on a score: focal rows, partner rows, distances.

    The partners are sorted by cell, score and rank. Who is taken is linked to the next free one
    on either side (union-find, paths halved), so that all n searches together cost n log n and
    the result is that of looking at every free partner each time.

    Parameters
    ----------
    task : Task
        With one coordinate.
    """
    from toolkit.matching.nearest import line_kernels as kernels

    score = task.points[:, 0]
    order = by_cell_and_score(task.cell, score, task.rank)
    is_focal = task.focal[order]
    rows, pool = order[is_focal], order[~is_focal]
    at = np.cumsum(~is_focal)[is_focal]  # partners that come before
    low = np.searchsorted(task.cell[pool], task.cell[rows], "left")
    high = np.searchsorted(task.cell[pool], task.cell[rows], "right")
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
        place[task.visit], task.wanted[rows], score[rows], at, low, high, score[pool],
        task.caliper, bound,
    )  # fmt: skip
    focal, partner = rows[focal], pool[partner]
    return focal, partner, np.abs(score[focal] - score[partner])


def by_cell_and_score(cell: Ints, score: Floats, rank: Ints | None) -> Ints:
    """Return the rows by cell, then score, then rank (None: as they stand)."""
    order = np.argsort(score, kind="stable") if rank is None else np.lexsort((rank, score))
    top = int(cell.max(initial=0))
    if top == 0:
        return order
    # numpy sorts 16 bits by counting, in one pass
    small = cell.astype(np.uint16) if top < 2**16 else cell
    return order[np.argsort(small[order], kind="stable")]
