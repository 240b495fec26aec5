"""Nearest neighbours on covariates: a k-d tree a cell, that knows who is still free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.nearest.task import Task

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def match_in_tree(task: Task) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of nearest neighbours among points: focal rows, partner rows, distances.

    The result is that of looking at every free partner each time. A search goes into the boxes of
    a k-d tree (Bentley 1975) that may hold a nearer one and where somebody is still free; memory
    is that of the points and the tree, whatever the number of pairs. With one coordinate equals
    are told apart as on a line, so that the pairs are those of `match_on_line`.

    Parameters
    ----------
    task : Task
    """
    from toolkit.matching.nearest import tree_kernels, tree_walks

    n, p = task.points.shape
    rank = np.arange(n) if task.rank is None else task.rank
    own = np.full(n, 2**62)
    if p == 1:  # on a line: the last of equals before one's own place, else the first after it
        rank = rank.max() - rank
        own = rank
    rows = np.flatnonzero(task.focal)
    pool = np.flatnonzero(~task.focal)
    pool = pool[np.lexsort((rank[pool], task.cell[pool]))]
    cells = np.arange(int(task.cell.max(initial=0)) + 1)
    start = np.searchsorted(task.cell[pool], cells, "left")
    stop = np.searchsorted(task.cell[pool], cells, "right")
    where = np.column_stack([task.points, task.near])[pool]
    unit = np.concatenate([np.ones(p), np.where(task.width > 0, task.width, 1.0)])
    order, begin, end, child, parent, low, high, leaf = tree_kernels.build(where, unit, start, stop)
    pool = pool[order]
    size = len(begin)
    tree = tree_kernels.Tree(
        begin, end, child, parent, low, high, np.zeros(size, np.int64),
        np.zeros(size, np.int64), np.zeros(size, np.int64), leaf, np.ones(len(pool), np.bool_),
    )  # fmt: skip
    tree_kernels.count_all(tree, rank[pool])
    place = np.empty(n, np.int64)
    place[rows] = np.arange(len(rows))
    take = (
        tree_walks.take_again if task.again
        else tree_walks.take_closest if task.closest
        else tree_walks.take_in_order
    )  # fmt: skip
    points = where[order]
    search = tree_kernels.Search(
        tree, task.cell[rows], task.points[rows], task.near[rows], task.other[rows], own[rows],
        task.caliper, task.width, points[:, :p].copy(), points[:, p:].copy(), task.other[pool],
        rank[pool],
    )  # fmt: skip
    focal, partner = take(search, place[task.visit], task.wanted[rows])
    focal, partner = rows[focal], pool[partner]
    # the sum is taken in the order of the compiled search, so that calipers hold to the last digit
    total = np.zeros(len(focal))
    for column in task.points.T:
        total += (column[partner] - column[focal]) ** 2
    return focal, partner, np.sqrt(total)
