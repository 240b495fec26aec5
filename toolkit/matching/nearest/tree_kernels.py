"""Compiled: a k-d tree that knows who is still free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAF = 12


class Tree(NamedTuple):
    """A k-d tree a cell, over m partners in the order of the tree; a node is a row of each array.

    `begin`, `end` are its partners, `child` its first child (the second follows; -1: a leaf),
    `low`, `high` its box over the p coordinates and the q values under a caliper; `free` counts
    who is free in it, `first`, `last` are the lowest and highest rank of these. `leaf` and `open`
    are by partner.
    """

    begin: NDArray[Any]
    end: NDArray[Any]
    child: NDArray[Any]
    parent: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    free: NDArray[Any]
    first: NDArray[Any]
    last: NDArray[Any]
    leaf: NDArray[Any]
    open: NDArray[Any]


class Search(NamedTuple):
    """What is sought for n focal rows among the m partners of a tree, in its order.

    `root` is where each focal row's search begins, `x` its coordinates, `near` its values under a
    caliper, `other` its codes that must differ, `own` its place among equals; `points`, `values`,
    `codes` and `rank` are those of the partners.
    """

    tree: Tree
    root: NDArray[Any]
    x: NDArray[Any]
    near: NDArray[Any]
    other: NDArray[Any]
    own: NDArray[Any]
    caliper: float
    width: NDArray[Any]
    points: NDArray[Any]
    values: NDArray[Any]
    codes: NDArray[Any]
    rank: NDArray[Any]


@nb.njit(cache=True, nogil=True)
def halve(order: NDArray[Any], value: NDArray[Any], b: int, e: int, half: int) -> None:
    """Reorder order[b:e] so that none before `half` has a larger value than any from there on.

    Hoare's selection (1961), with the middle of three as pivot.
    """
    low, high = b, e - 1
    while low < high:
        one, two, three = value[order[low]], value[order[(low + high) // 2]], value[order[high]]
        pivot = max(min(one, two), min(max(one, two), three))
        i, j = low, high
        while i <= j:
            while value[order[i]] < pivot:
                i += 1
            while value[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if half <= j:
            high = j
        elif half >= i:
            low = i
        else:
            return


@nb.njit(cache=True, nogil=True)
def build(
    where: NDArray[Any], unit: NDArray[Any], start: NDArray[Any], stop: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    """Build the trees over partners sorted by cell and rank; return their order and the nodes.

    Parameters
    ----------
    where : (m, p + q) array
        Coordinates, and values under a caliper.
    unit : (p + q,) array
        What a spread is divided by when the widest is sought.
    start, stop : (cells,) array
        The partners of each cell; the roots are the first nodes, in the order of the cells.
    """
    m, dims = where.shape
    cells = len(start)
    room = cells + 2 * (2 * m // _LEAF + 2) + 2
    order = np.arange(m)
    begin, end = np.zeros(room, np.int64), np.zeros(room, np.int64)
    child, parent = np.full(room, -1, np.int64), np.full(room, -1, np.int64)
    low, high = np.zeros((room, dims)), np.zeros((room, dims))
    leaf = np.zeros(m, np.int64)
    begin[:cells], end[:cells] = start, stop
    made, node = cells, 0
    while node < made:
        b, e = begin[node], end[node]
        if e > b:
            for d in range(dims):
                low[node, d], high[node, d] = np.inf, -np.inf
            for a in range(b, e):
                for d in range(dims):
                    v = where[order[a], d]
                    low[node, d] = min(low[node, d], v)
                    high[node, d] = max(high[node, d], v)
        if e - b <= _LEAF:
            leaf[b:e] = node
            node += 1
            continue
        widest, along = 0.0, -1
        for d in range(dims):
            spread = (high[node, d] - low[node, d]) / unit[d]
            if spread > widest:
                widest, along = spread, d
        half = (b + e) // 2
        if along >= 0:
            halve(order, where[:, along], b, e, half)
        else:  # all the same: by rank, so that whole halves come before or after another
            order[b:e] = np.sort(order[b:e])
        child[node] = made
        for b2, e2 in ((b, half), (half, e)):
            begin[made], end[made], parent[made] = b2, e2, node
            made += 1
        node += 1
    nodes = begin[:made], end[:made], child[:made], parent[:made], low[:made], high[:made]
    return order, *nodes, leaf


@nb.njit(cache=True, nogil=True)
def count_free(tree: Tree, node: int, rank: NDArray[Any]) -> None:
    """Set how many are free in a node, and their lowest and highest rank, from below."""
    free, first, last = 0, np.int64(2**62), np.int64(-1)
    if tree.child[node] < 0:
        for a in range(tree.begin[node], tree.end[node]):
            if tree.open[a]:
                free += 1
                first, last = min(first, rank[a]), max(last, rank[a])
    else:
        for c in range(tree.child[node], tree.child[node] + 2):
            free += tree.free[c]
            first, last = min(first, tree.first[c]), max(last, tree.last[c])
    tree.free[node], tree.first[node], tree.last[node] = free, first, last


@nb.njit(cache=True, nogil=True)
def count_all(tree: Tree, rank: NDArray[Any]) -> None:
    """Count who is free in every node; children come after their parent."""
    for node in range(len(tree.begin) - 1, -1, -1):
        count_free(tree, node, rank)


@nb.njit(cache=True, nogil=True)
def set_open(tree: Tree, rank: NDArray[Any], a: int, is_open: bool) -> None:
    """Take partner a, or set it free again, and tell the nodes above."""
    tree.open[a] = is_open
    node = tree.leaf[a]
    while node >= 0:
        if is_open:
            tree.free[node] += 1
            tree.first[node] = min(tree.first[node], rank[a])
            tree.last[node] = max(tree.last[node], rank[a])
        else:
            tree.free[node] -= 1
            if rank[a] == tree.first[node] or rank[a] == tree.last[node]:
                count_free(tree, node, rank)
        node = tree.parent[node]


@nb.njit(cache=True, nogil=True)
def twelve_digits(x: float) -> float:
    """Return x to 41 of its 53 bits (Veltkamp 1968), so that rounding does not decide on ties.

    Two years older and two years younger are as far, which the last digits of sums do not show.
    It does not change the order of two numbers, but to make them equal.
    """
    high = 4097.0 * x
    return high - (high - x)


@nb.njit(cache=True, nogil=True)
def fits(
    a: int, near: NDArray[Any], values: NDArray[Any], width: NDArray[Any],
    other: NDArray[Any], codes: NDArray[Any],
) -> bool:  # fmt: skip
    """Tell whether partner a is within every caliper and differs where it must."""
    for k in range(len(width)):
        if not abs(near[k] - values[a, k]) <= width[k]:
            return False
    for k in range(len(other)):  # noqa: SIM110 (numba compiles loops, not generators)
        if other[k] == codes[a, k]:
            return False
    return True


@nb.njit(cache=True, nogil=True)
def reach(tree: Tree, node: int, x: NDArray[Any], near: NDArray[Any], width: NDArray[Any]) -> float:
    """Return the least squared distance a free partner in the node can have; inf for none."""
    if tree.free[node] == 0:
        return np.inf
    p = len(x)
    for k in range(len(width)):
        beyond = max(near[k] - tree.high[node, p + k], tree.low[node, p + k] - near[k])
        if beyond > width[k]:
            return np.inf
    total = 0.0
    for d in range(p):
        gap = max(tree.low[node, d] - x[d], x[d] - tree.high[node, d])
        if gap > 0:
            total += gap * gap
    return twelve_digits(total) if p > 1 else total


@nb.njit(cache=True, nogil=True)
def may_win(tree: Tree, node: int, x0: float, left: bool, rank: int, own: int) -> bool:
    """Tell whether a node may hold one that goes before the best, at the same distance.

    Equals: who is lower on the first coordinate goes before who is not; among those the lowest
    rank, among the others the highest: what MatchIt does. Who is as high, with a rank above `own`,
    counts as lower.
    """
    low, high = tree.low[node, 0], tree.high[node, 0]
    has_left, has_right = low < x0 or (low == x0 and tree.last[node] > own), high >= x0
    if left:
        return bool(has_left and tree.first[node] < rank)
    return bool(has_left or (has_right and tree.last[node] > rank))


@nb.njit(cache=True, nogil=True)
def nearest_free(
    search: Search, i: int, nodes: NDArray[Any], bounds: NDArray[Any]
) -> tuple[int, float]:
    """Return the free partner nearest to focal row i, or -1, and the squared distance.

    Box and point distances are sums of the same squares in the same order, so that rounding
    cannot make a box farther than what is in it.
    """
    tree, rank, points = search.tree, search.rank, search.points
    x, near, other, own = search.x[i], search.near[i], search.other[i], search.own[i]
    caliper, width = search.caliper, search.width
    best, found, on_left, best_rank = np.inf, -1, False, 0
    top = 0
    nodes[0], bounds[0] = search.root[i], reach(tree, search.root[i], x, near, width)
    while top >= 0:
        node, bound = nodes[top], bounds[top]
        top -= 1
        if bound > best or bound == np.inf or np.sqrt(bound) > caliper:
            continue
        if bound == best and not may_win(tree, node, x[0], on_left, best_rank, own):
            continue
        first = tree.child[node]
        if first >= 0:
            one = reach(tree, first, x, near, width)
            two = reach(tree, first + 1, x, near, width)
            if one <= two:
                near_node, near_bound, far_node, far_bound = first, one, first + 1, two
            else:
                near_node, near_bound, far_node, far_bound = first + 1, two, first, one
            nodes[top + 1], bounds[top + 1] = far_node, far_bound
            nodes[top + 2], bounds[top + 2] = near_node, near_bound
            top += 2
            continue
        for a in range(tree.begin[node], tree.end[node]):
            if not tree.open[a] or not fits(a, near, search.values, width, other, search.codes):
                continue
            total = 0.0
            for d in range(len(x)):
                gap = points[a, d] - x[d]
                total += gap * gap
            if len(x) > 1:  # the root of one square is what was squared
                total = twelve_digits(total)
            if total > best or np.sqrt(total) > caliper:
                continue
            left = points[a, 0] < x[0] or (points[a, 0] == x[0] and rank[a] > own)
            wins = total < best or (
                (left and not on_left)
                if left != on_left
                else (rank[a] < best_rank if left else rank[a] > best_rank)
            )
            if wins:
                best, found, on_left, best_rank = total, a, left, int(rank[a])
    return found, best
