"""Compiled: nearest neighbours on a line, from those still free."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def settle(order: NDArray[Any], score: NDArray[Any], rank: NDArray[Any]) -> None:
    """Put rows of equal score in the order of their rank (empty: as they stand)."""
    begin = 0
    for end in range(1, len(order) + 1):
        if end < len(order) and score[order[end]] == score[order[begin]]:
            continue
        if end - begin > 1:
            part = np.sort(order[begin:end])
            order[begin:end] = part[np.argsort(rank[part])] if len(rank) > 0 else part
        begin = end


@nb.njit(cache=True, nogil=True)
def near_other_kind(
    x: NDArray[Any], cell: NDArray[Any], kind: NDArray[Any], caliper: float
) -> NDArray[Any]:
    """Return which of the sorted points have one of the other kind within the caliper."""
    found = np.zeros(len(x), np.bool_)
    for step in (1, -1):
        last = np.full(2, -1, np.int64)
        i = 0 if step == 1 else len(x) - 1
        for _ in range(len(x)):
            j = last[0 if kind[i] else 1]
            if j >= 0 and cell[j] == cell[i] and abs(x[i] - x[j]) <= caliper:
                found[i] = True
            last[1 if kind[i] else 0] = i
            i += step
    return found


@nb.njit(cache=True, nogil=True)
def find(link: NDArray[Any], i: int) -> int:
    """Return the first free place at or past `i`, following links and halving them."""
    while link[i] != i:
        link[i] = link[link[i]]
        i = link[i]
    return i


@nb.njit(cache=True, nogil=True)
def allowed(
    i: int, j: int, near_i: NDArray[Any], near_j: NDArray[Any], width: NDArray[Any],
    other_i: NDArray[Any], other_j: NDArray[Any],
) -> bool:  # fmt: skip
    """Tell whether focal i and partner j are within every caliper and differ where they must."""
    for k in range(len(width)):
        if not abs(near_i[i, k] - near_j[j, k]) <= width[k]:
            return False
    for k in range(other_i.shape[1]):  # noqa: SIM110 (numba compiles loops, not generators)
        if other_i[i, k] == other_j[j, k]:
            return False
    return True


@nb.njit(cache=True, nogil=True)
def nearest_free(
    i: int, at: int, low: int, high: int, x: float, place: NDArray[Any], caliper: float,
    left: NDArray[Any], right: NDArray[Any], bound: tuple[Any, ...],
) -> int:  # fmt: skip
    """Return the free partner nearest to focal i, or -1; `left`, `right` are the links of i.

    Walks to the left and to the right of `at`, past partners that are not allowed. On the left
    the last of equals is met first, on the right the first; where both are as near, the left wins:
    what MatchIt does. `left[j]` and `right[j]` lead to free partners; place 0 of `left` (shifted
    by one) and the last of `right` are walls.
    """
    best, found = np.inf, -1
    j = find(left, at) - 1  # left is shifted by one: left[at] is for partner at - 1
    while j >= low:
        gap = abs(x - place[j])
        if gap > caliper:
            break
        if allowed(i, j, *bound):
            best, found = gap, j
            break
        j = find(left, j) - 1
    j = find(right, at)
    while j < high:
        gap = abs(place[j] - x)
        if gap > caliper or gap >= best:
            break
        if allowed(i, j, *bound):
            found = j
            break
        j = find(right, j + 1)
    return found


@nb.njit(cache=True, nogil=True)
def links(places: int, passed: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return links over the free partners, (G + 1, places + 1): of all, and past those of a code.

    Parameters
    ----------
    passed : (G, places) array of bool
        Partners that whoever uses links 1 … G must differ from: links lead past them from the
        start.
    """
    left = np.empty((len(passed) + 1, places + 1), np.int64)
    right = np.empty((len(passed) + 1, places + 1), np.int64)
    for g in range(len(passed) + 1):
        for j in range(places + 1):
            left[g, j] = right[g, j] = j
        for j in range(places):
            if g > 0 and passed[g - 1, j]:
                left[g, j + 1], right[g, j] = j, j + 1
    return left, right


@nb.njit(cache=True, nogil=True)
def take(left: NDArray[Any], right: NDArray[Any], j: int) -> None:
    """Lead all links past partner j."""
    for g in range(len(left)):
        left[g, j + 1], right[g, j] = j, j + 1


@nb.njit(cache=True, nogil=True)
def take_in_order(
    visit: NDArray[Any], wanted: NDArray[Any], x: NDArray[Any], at: NDArray[Any],
    low: NDArray[Any], high: NDArray[Any], place: NDArray[Any], caliper: float,
    bound: tuple[Any, ...], via: NDArray[Any], passed: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Give each focal row, in the order of `visit`, the nearest partner that is still free.

    All get their first before any gets a second. Returns the pairs, in the order they are made.
    """
    m = len(place)
    left, right = links(m, passed)
    open_ = visit.copy()
    most = min(m, wanted.sum())
    focal, partner = np.empty(most, np.int64), np.empty(most, np.int64)
    made, turn = 0, 0
    while len(open_):
        kept = 0
        for i in open_:
            j = nearest_free(
                i, at[i], low[i], high[i], x[i], place, caliper, left[via[i]], right[via[i]], bound
            )
            if j < 0:
                continue
            focal[made], partner[made] = i, j
            made += 1
            take(left, right, j)
            if wanted[i] > turn + 1:
                open_[kept] = i
                kept += 1
        open_ = open_[:kept]
        turn += 1
    return focal[:made], partner[:made]


@nb.njit(cache=True, nogil=True)
def take_closest(
    visit: NDArray[Any], wanted: NDArray[Any], x: NDArray[Any], at: NDArray[Any],
    low: NDArray[Any], high: NDArray[Any], place: NDArray[Any], caliper: float,
    bound: tuple[Any, ...], via: NDArray[Any], passed: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Make the closest pair of all, then the closest of the rest, and so on.

    A heap holds each focal row with the partner that was nearest when it was put there. A partner
    taken meanwhile can only be replaced by a farther one, so a row whose partner is still free
    when it comes up is the closest pair. Equals: the first in `visit`.
    """
    m = len(place)
    left, right = links(m, passed)
    most = min(m, wanted.sum())
    focal, partner = np.empty(most, np.int64), np.empty(most, np.int64)
    made, again = 0, 0
    for turn in range(wanted.max()):
        heap = [(0.0, 0, 0, 0) for _ in range(0)]
        for rank in range(len(visit)):
            i = visit[rank]
            if wanted[i] > turn:
                j = nearest_free(
                    i,
                    at[i],
                    low[i],
                    high[i],
                    x[i],
                    place,
                    caliper,
                    left[via[i]],
                    right[via[i]],
                    bound,
                )
                if j >= 0:
                    heap.append((abs(place[j] - x[i]), rank, i, j))
        heapify(heap)
        while len(heap) > 0:
            _, _, i, j = heappop(heap)
            if right[0, j] == j:
                focal[made], partner[made] = i, j
                made += 1
                take(left, right, j)
                continue
            j = nearest_free(
                i, at[i], low[i], high[i], x[i], place, caliper, left[via[i]], right[via[i]], bound
            )
            if j >= 0:
                again -= 1
                heappush(heap, (abs(place[j] - x[i]), again, i, j))
    return focal[:made], partner[:made]


@nb.njit(cache=True, nogil=True)
def take_again(
    visit: NDArray[Any], wanted: NDArray[Any], x: NDArray[Any], at: NDArray[Any],
    low: NDArray[Any], high: NDArray[Any], place: NDArray[Any], caliper: float,
    bound: tuple[Any, ...], via: NDArray[Any], passed: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Give each focal row its nearest partners, whoever else has them; ties as `nearest_free`."""
    most = 0
    for i in visit:
        most += min(wanted[i], high[i] - low[i])
    focal, partner = np.empty(most, np.int64), np.empty(most, np.int64)
    made = 0
    left, right = links(len(place), passed)
    for i in visit:
        links_left, links_right = left[via[i]], right[via[i]]
        down, up = find(links_left, at[i]) - 1, find(links_right, at[i])
        for _ in range(wanted[i]):
            while down >= low[i] and not allowed(i, down, *bound):
                if abs(x[i] - place[down]) > caliper:
                    break
                down = find(links_left, down) - 1
            while up < high[i] and not allowed(i, up, *bound):
                if abs(place[up] - x[i]) > caliper:
                    break
                up = find(links_right, up + 1)
            below = abs(x[i] - place[down]) if down >= low[i] else np.inf
            above = abs(place[up] - x[i]) if up < high[i] else np.inf
            if not min(below, above) <= caliper or min(below, above) == np.inf:
                break
            if above < below:
                j, up = up, find(links_right, up + 1)
            else:
                j, down = down, find(links_left, down) - 1
            focal[made], partner[made] = i, j
            made += 1
    return focal[:made], partner[:made]
