"""Compiled: the cheapest pairs, and the cheapest full matching, of points on a line."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def cheapest_choice(
    x: NDArray[Any], seeker: NDArray[Any], start: NDArray[Any], stop: NDArray[Any]
) -> NDArray[Any]:
    """Return who is in a cheapest matching of as many seekers as can be, (n,) of bool.

    Sweeps from the left with two heaps: places, with what it costs to give one to a later seeker,
    and seekers, with what is won by giving a later place to one. Each move can be undone at the
    price it was made for (the regret of "mice and holes"), so each step keeps the cheapest
    matching of all points so far. Costs are (seekers left out, distance), compared in that order.
    A cell holds whom the move changes: place i as i, seeker i as -i - 1.

    Parameters
    ----------
    x : (n,) array
        Points, sorted within their cell.
    seeker : (n,) array of bool
    start, stop : (cells,) arrays
    """
    used = np.zeros(len(x), np.bool_)
    for cell in range(len(start)):
        places = [(0, 0.0, 0) for _ in range(0)]
        seekers = [(0, 0.0, 0) for _ in range(0)]
        for i in range(start[cell], stop[cell]):
            if seeker[i]:
                out, cost, whom = 1, -x[i], -i - 1
                if len(places) > 0 and (places[0][0], places[0][1]) < (out, cost):
                    out, cost, whom = heappop(places)
                    used[i] = True
                    if whom >= 0:
                        used[whom] = True
                    else:
                        used[-whom - 1] = False
                heappush(seekers, (-out, -2 * x[i] - cost, whom))
            elif len(seekers) > 0 and (seekers[0][0], seekers[0][1] + x[i]) < (0, 0.0):
                out, cost, whom = heappop(seekers)
                used[i] = True
                if whom >= 0:
                    used[whom] = False
                else:
                    used[-whom - 1] = True
                heappush(places, (-out, -2 * x[i] - cost, whom))
            else:
                heappush(places, (0, -x[i], i))
    return used


@nb.njit(cache=True, nogil=True)
def cheapest_cover(
    x: NDArray[Any], treated: NDArray[Any], start: NDArray[Any], stop: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the edges of a cheapest cover of every point by pairs of a treated and a control.

    Only neighbouring runs of equal treatment need edges. Let a run end at a and the next begin at
    b, w apart; to cover the last k of the one and the first i of the other with each other costs
    Σ (a - x) + Σ (x - b) + max(k, i) w. So the cheapest cover of the points up to the i-th is
    D(i) = Σ (x - b) + min over k of [D(k left open) + Σ (a - x) + max(k, i) w], found with running
    minima over k ≤ i and k > i: one pass (Colannino et al. 2007).
    """
    n = len(x)
    cost, open_ = np.full(n + 1, np.inf), np.zeros(n + 1, np.int64)
    run = np.zeros(n + 1, np.int64)  # where the run of a point begins
    one, two = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
    made = 0
    for cell in range(len(start)):
        b, e = start[cell], stop[cell]
        cost[b] = 0.0
        before, now = b, b  # begins of the previous and of the present run
        reach = np.empty(e - b + 2)
        low, low_k = np.empty(e - b + 2), np.empty(e - b + 2, np.int64)
        high, high_k = np.empty(e - b + 2), np.empty(e - b + 2, np.int64)
        size, width, spread = 0, 0.0, 0.0
        for m in range(b, e):  # cost[m + 1]: all points up to and with m
            if m > b and treated[m] != treated[m - 1]:
                before, now = now, m
                size, width, spread = now - before, x[m] - x[m - 1], 0.0
                total = 0.0
                for k in range(size + 1):
                    reach[k] = cost[now - k] + total
                    if k < size:
                        total += x[now - 1] - x[now - 1 - k]
                low[0], low_k[0] = reach[0], 0
                for k in range(1, size + 1):
                    low[k], low_k[k] = low[k - 1], low_k[k - 1]
                    if reach[k] < low[k]:
                        low[k], low_k[k] = reach[k], k
                high[size + 1], high_k[size + 1] = np.inf, size
                for k in range(size, -1, -1):
                    high[k], high_k[k] = high[k + 1], high_k[k + 1]
                    if reach[k] + k * width <= high[k]:
                        high[k], high_k[k] = reach[k] + k * width, k
            run[m + 1] = now
            if now == b:
                cost[m + 1] = np.inf
                continue
            spread += x[m] - x[now]
            i = m - now + 1
            few = low[min(i, size)] + i * width
            many = high[i + 1] if i < size else np.inf
            cost[m + 1] = spread + min(few, many)
            open_[m + 1] = low_k[min(i, size)] if few <= many else high_k[i + 1]
        m = e
        while m > b:
            now = run[m]
            i, k = m - now, open_[m]
            if k == 0:
                for j in range(i):
                    one[made], two[made] = now - 1, now + j
                    made += 1
            elif k >= i:  # the farthest of the left to the first of the right, the rest in pairs
                for j in range(k):
                    one[made], two[made] = now - 1 - j, now + max(i - 1 - j, 0)
                    made += 1
            else:
                for j in range(i):
                    one[made], two[made] = now - 1 - max(k - 1 - j, 0), now + j
                    made += 1
            m = now - k
        cost[b] = np.inf
    return one[:made], two[:made]
