"""Compiled: nearest people by a score within cells; those of one score are drawn by lot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

#: What stands in place of a control: nobody left in the cell, or nobody within the caliper.
NOBODY = -1
TOO_FAR = -2


@nb.njit(cache=True, nogil=True)
def draw_bits(seed: Any, number: Any) -> Any:
    """Return 64 bits that look random and depend on nothing else (splitmix64, Steele e.a. 2014)."""
    z = seed + np.uint64(0x9E3779B97F4A7C15) * (np.uint64(number) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@nb.njit(cache=True, nogil=True)
def draws(seed: Any, numbers: Array) -> Array:
    """Return 64 bits for each number."""
    out = np.empty(len(numbers), dtype=np.uint64)
    for i in range(len(numbers)):
        out[i] = draw_bits(seed, numbers[i])
    return out


@nb.njit(cache=True, nogil=True)
def by_group(group: Array, n_group: int) -> tuple[Array, Array]:
    """Sort by group by counting, in order within; return the order and where each group begins."""
    begin = np.zeros(n_group + 1, dtype=np.int64)
    for g in group:
        begin[g + 1] += 1
    for g in range(n_group):
        begin[g + 1] += begin[g]
    at = begin[:-1].copy()
    order = np.empty(len(group), dtype=np.int64)
    for i in range(len(group)):
        order[at[group[i]]] = i
        at[group[i]] += 1
    return order, begin


@nb.njit(cache=True, nogil=True)
def _root(link: Array, at: int) -> int:
    """Return the next that is not empty, and shorten the way there."""
    end = at
    while link[end] != end:
        end = link[end]
    while link[at] != end:
        link[at], at = end, link[at]
    return end


@nb.njit(cache=True, nogil=True)
def _take(
    urn: int, begin: Array, free: Array, slots: Array, person: Array, me: int, used: Array,
    draw: Any,
) -> int:  # fmt: skip
    """Draw somebody else than `me` from an urn and put them behind those that are free."""
    low, high = begin[urn], free[urn]
    size = high - low
    if size == 0:
        return NOBODY
    shift = np.int64(draw % np.uint64(size))
    for i in range(size):
        at = low + (shift + i) % size
        who = person[slots[at]]
        if who != me and not (len(used) and used[who]):
            taken = int(slots[at])
            slots[at], slots[high - 1] = slots[high - 1], taken
            free[urn] -= 1
            return taken
    return NOBODY


@nb.njit(cache=True, nogil=True)
def match_cells(
    score: Array, person: Array, begin: Array, own_score: Array, own_person: Array,
    own_cell: Array, turn: Array, ratio: int, replace: bool, width: float, used: Array, seed: Any,
) -> tuple[Array, Array]:  # fmt: skip
    """Give each starter the nearest candidates of its cell, one by one.

    Parameters
    ----------
    score, person : (C,) arrays
        Of the candidates, sorted by cell and score.
    begin : (G + 1,) array
        Where each cell begins among them.
    own_score, own_person, own_cell : (S,) arrays
        Of the starters.
    turn : (S,) array
        The order in which they choose.
    ratio : int
        How many each gets: everybody a first before anybody a second.
    replace : bool
        Whether a candidate may be chosen by several starters.
    width : float
        Greatest distance allowed.
    used : array of bool
        By person, who may not serve any more, and is added to; of length 0 = all may.
    seed : uint64

    Returns
    -------
    found : (S, ratio) array
        Places of candidates, `NOBODY` or `TOO_FAR`.
    distance : (S, ratio) array

    Candidates of one score are an urn. An empty urn points to its neighbour, so that the nearest
    that is not empty is found in almost no time (union-find): n log n with the sort.
    """
    n, n_own = len(score), len(own_score)
    found = np.full((n_own, ratio), NOBODY, dtype=np.int64)
    distance = np.full((n_own, ratio), np.nan)
    urn_at = np.empty(n + 1, dtype=np.int64)
    urn_cell = np.empty(len(begin), dtype=np.int64)
    n_urn = 0
    for g in range(len(begin) - 1):
        urn_cell[g] = n_urn
        for i in range(begin[g], begin[g + 1]):
            if i == begin[g] or score[i] != score[i - 1]:
                urn_at[n_urn] = i
                n_urn += 1
    urn_cell[len(begin) - 1] = n_urn
    urn_at[n_urn] = n
    free = urn_at[1 : n_urn + 1].copy()
    slots = np.arange(n)
    up = np.arange(n_urn + 1)
    down = np.arange(n_urn + 1)  # shifted by one: 0 is below all
    rounds, picks = (1, ratio) if replace else (ratio, 1)
    touched = np.empty(ratio, dtype=np.int64)
    for late in range(rounds):
        for s in turn:
            if late > 0 and found[s, late - 1] < 0:
                continue
            lowest, end = urn_cell[own_cell[s]], urn_cell[own_cell[s] + 1]
            place = _lower_bound(score, urn_at, lowest, end, own_score[s])
            n_touched = 0
            for pick in range(picks):
                k = late + pick
                draw = draw_bits(seed + np.uint64(k), np.uint64(own_person[s]))
                right, left = place, place - 1
                taken = NOBODY
                while True:
                    # urns emptied for good are skipped by their links, those for this starter here
                    while True:
                        right = _root(up, right) if right < end else end
                        if right >= end or free[right] > urn_at[right]:
                            break
                        right += 1
                    while True:
                        left = _root(down, left + 1) - 1 if left >= lowest else lowest - 1
                        if left < lowest or free[left] > urn_at[left]:
                            break
                        left -= 1
                    has_left, has_right = left >= lowest, right < end
                    if not (has_left or has_right):
                        break
                    far_left = own_score[s] - score[urn_at[left]] if has_left else np.inf
                    far_right = score[urn_at[right]] - own_score[s] if has_right else np.inf
                    if min(far_left, far_right) > width:
                        taken = TOO_FAR
                        break
                    go_left = far_left < far_right
                    if far_left == far_right:  # as near: as one urn
                        many = free[left] - urn_at[left]
                        both = many + free[right] - urn_at[right]
                        go_left = np.int64((draw >> np.uint64(8)) % np.uint64(both)) < many
                    urn = left if go_left else right
                    taken = _take(urn, urn_at, free, slots, person, own_person[s], used, draw)
                    if taken >= 0:
                        distance[s, k] = far_left if go_left else far_right
                        break
                    if go_left:  # nobody but themselves in it
                        left -= 1
                    else:
                        right += 1
                found[s, k] = taken
                if taken < 0:
                    break
                if len(used):
                    used[person[taken]] = True
                if replace:
                    touched[n_touched] = urn
                    n_touched += 1
                elif free[urn] == urn_at[urn]:
                    up[urn] = urn + 1
                    down[urn + 1] = urn
            for i in range(n_touched):
                free[touched[i]] += 1
    return found, distance


@nb.njit(cache=True, nogil=True)
def _lower_bound(score: Array, urn_at: Array, low: int, high: int, value: float) -> int:
    """Return the first urn from `low` whose score is not below the value."""
    while low < high:
        middle = (low + high) // 2
        if score[urn_at[middle]] < value:
            low = middle + 1
        else:
            high = middle
    return low
