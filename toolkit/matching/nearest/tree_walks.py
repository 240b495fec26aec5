"""Compiled: who takes whom, by order or by closeness, with partners in a k-d tree."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

from toolkit.matching.nearest.tree_kernels import nearest_free, set_open

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.nearest.tree_kernels import Search


@nb.njit(cache=True, nogil=True)
def take_in_order(
    search: Search, visit: NDArray[Any], wanted: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give each focal row, in the order of `visit`, the nearest partner that is still free."""
    tree, rank = search.tree, search.rank
    nodes, bounds = np.empty(256, np.int64), np.empty(256)
    most = min(len(rank), wanted.sum())
    focal, partner = np.empty(most, np.int64), np.empty(most, np.int64)
    open_ = visit.copy()
    made, turn = 0, 0
    while len(open_):
        kept = 0
        for i in open_:
            a, _ = nearest_free(search, i, nodes, bounds)
            if a < 0:
                continue
            focal[made], partner[made] = i, a
            made += 1
            set_open(tree, rank, a, False)
            if wanted[i] > turn + 1:
                open_[kept] = i
                kept += 1
        open_ = open_[:kept]
        turn += 1
    return focal[:made], partner[:made]


@nb.njit(cache=True, nogil=True)
def take_again(
    search: Search, visit: NDArray[Any], wanted: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give each focal row its nearest partners, whoever else has them."""
    tree, rank = search.tree, search.rank
    nodes, bounds = np.empty(256, np.int64), np.empty(256)
    most = 0
    for i in visit:
        most += min(wanted[i], tree.end[search.root[i]] - tree.begin[search.root[i]])
    focal, partner = np.empty(most, np.int64), np.empty(most, np.int64)
    made = 0
    for i in visit:
        start = made
        for turn in range(wanted[i]):
            a, _ = nearest_free(search, i, nodes, bounds)
            if a < 0:
                break
            focal[made], partner[made] = i, a
            made += 1
            if turn + 1 < wanted[i]:
                set_open(tree, rank, a, False)
        for k in range(start, made):
            if not tree.open[partner[k]]:
                set_open(tree, rank, partner[k], True)
    return focal[:made], partner[:made]


@nb.njit(cache=True, nogil=True)
def take_closest(
    search: Search, visit: NDArray[Any], wanted: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Make the closest pair of all, then the closest of the rest; equals: the first in `visit`."""
    tree, rank = search.tree, search.rank
    nodes, bounds = np.empty(256, np.int64), np.empty(256)
    most = min(len(rank), wanted.sum())
    focal, partner = np.empty(most, np.int64), np.empty(most, np.int64)
    made, again = 0, 0
    for turn in range(wanted.max()):
        heap = [(0.0, 0, 0, 0) for _ in range(0)]
        for place in range(len(visit)):
            i = visit[place]
            if wanted[i] > turn:
                a, gap = nearest_free(search, i, nodes, bounds)
                if a >= 0:
                    heap.append((gap, place, i, a))
        heapify(heap)
        while len(heap) > 0:
            _, _, i, a = heappop(heap)
            if tree.open[a]:
                focal[made], partner[made] = i, a
                made += 1
                set_open(tree, rank, a, False)
                continue
            a, gap = nearest_free(search, i, nodes, bounds)
            if a >= 0:
                again -= 1
                heappush(heap, (gap, again, i, a))
    return focal[:made], partner[:made]
