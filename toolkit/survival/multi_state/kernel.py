"""Compiled: the infinitesimal jackknife's variance of a whole curve, at every time at once.

The influence U of a unit on the curve, a row of D numbers, moves linearly: at each time

    U(t) = U(t-) B(t) + own · (drift of the state it is in + what its move adds)

so that between the two ends of a spell it goes through one product of matrices. Those products
come from a table of ranges, two look-ups a spell: the cost grows with the number of spells, not
of spells × times. The matrix M(t) = Σ times · UᵀU over all units then follows from sums over
those who enter, move and leave; no unit is visited at each time.

Shapes: T times, S states, N spells, U units. `step` (T, D, D) is B(t); `drift` (T, S, D) what
being at risk in a state adds; a move from h to j adds `scale` (T, S) at j and takes
`leave` · `scale` at h (1 for probabilities, 0 for hazards). A spell is at risk at the times
`first` … `last`.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def make_ranges(step: Any, drift: Any) -> Any:
    """Return products over ranges of times: (L + 1, T, D, D), and with drifts (L + 1, T, S, D).

    At level k the times lie in blocks of 2^(k+1); a time left of its block's middle holds the
    range from itself to the middle, one right of it the range from the middle to itself. Two
    times l < r whose highest differing bit is k lie left and right of one middle of level k.
    The last level holds single times.
    """
    n, size = step.shape[0], step.shape[1]
    n_states = drift.shape[1]
    levels = 1
    while (1 << levels) < n:
        levels += 1
    product = np.zeros((levels + 1, n, size, size))
    added = np.zeros((levels + 1, n, n_states, size))
    product[levels] = step
    added[levels] = drift
    for level in range(levels):
        half = 1 << level
        for middle in range(half, n, 2 * half):
            for t in range(middle - 1, middle - half - 1, -1):
                if t == middle - 1:
                    product[level, t] = step[t]
                    added[level, t] = drift[t]
                else:
                    for i in range(size):
                        for k in range(size):
                            moved = step[t, i, k]
                            if moved != 0.0:
                                for j in range(size):
                                    product[level, t, i, j] += moved * product[level, t + 1, k, j]
                    for h in range(n_states):
                        for j in range(size):
                            total = added[level, t + 1, h, j]
                            for k in range(size):
                                total += drift[t, h, k] * product[level, t + 1, k, j]
                            added[level, t, h, j] = total
            for t in range(middle, min(middle + half, n)):
                if t == middle:
                    product[level, t] = step[t]
                    added[level, t] = drift[t]
                else:
                    for i in range(size):
                        for k in range(size):
                            come = product[level, t - 1, i, k]
                            if come != 0.0:
                                for j in range(size):
                                    product[level, t, i, j] += come * step[t, k, j]
                    for h in range(n_states):
                        for j in range(size):
                            total = drift[t, h, j]
                            for k in range(size):
                                total += added[level, t - 1, h, k] * step[t, k, j]
                            added[level, t, h, j] = total
    return product, added


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _through(
    u: Any, room: Any, state: int, own: float, level: int, t: int, product: Any, added: Any
) -> None:
    """Take u, (D,), through one range of the table, in place; no views: they cost a lock each."""
    size = len(u)
    for j in range(size):
        total = 0.0
        for i in range(size):
            total += u[i] * product[level, t, i, j]
        room[j] = total
    if state >= 0:
        for j in range(size):
            u[j] = room[j] + own * added[level, t, state, j]
    else:
        for j in range(size):
            u[j] = room[j]


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _advance(
    u: Any, room: Any, state: int, own: float, low: int, high: int, product: Any, added: Any
) -> None:
    """Take u through the times low … high; in no state (-1) it only moves with the curve."""
    if low > high:
        return
    if low == high:
        _through(u, room, state, own, len(product) - 1, low, product, added)
        return
    level = 0
    differ = (low ^ high) >> 1
    while differ:
        level += 1
        differ >>= 1
    _through(u, room, state, own, level, low, product, added)
    _through(u, room, state, own, level, high, product, added)


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def gather(
    scale: Any, leave: float, product: Any, added: Any,
    bounds: Any, origin: Any, target: Any, own: Any, first: Any, last: Any, times: Any, start: Any,
) -> Any:  # fmt: skip
    """Follow every unit through its spells, `bounds[u]` … `bounds[u + 1]`.

    `start` is (U, D), U before the first time; with no rows it is 0 for all. Returns the sums of
    times · own · U over those who enter a state before a time, (T, S, D), who leave it after a
    time, (T, S, D), and over the moves at a time of U(t-) with what the move adds, (T, D, D).
    """
    n, size = product.shape[1], product.shape[2]
    n_states = added.shape[2]
    come = np.zeros((n, n_states, size))
    go = np.zeros((n, n_states, size))
    cross = np.zeros((n, size, size))
    u = np.zeros(size)
    room = np.zeros(size)
    for unit in range(len(bounds) - 1):
        at = 0
        known = len(start) > 0
        for j in range(size):
            u[j] = start[unit, j] if known else 0.0
        for i in range(bounds[unit], bounds[unit + 1]):
            low, high, h = first[i], last[i], origin[i]
            if low > high:
                continue
            if known:
                _advance(u, room, -1, 0.0, at, low - 1, product, added)
            known = True
            weight = times[unit] * own[i]
            for j in range(size):
                come[low, h, j] += weight * u[j]
            if target[i] < 0:
                _advance(u, room, h, own[i], low, high, product, added)
            else:
                _advance(u, room, h, own[i], low, high - 1, product, added)
                jump = scale[high, h]
                for j in range(size):
                    cross[high, j, target[i]] += weight * u[j] * jump
                    if leave != 0.0:
                        cross[high, j, h] -= weight * u[j] * jump
                _advance(u, room, h, own[i], high, high, product, added)
                u[target[i]] += own[i] * jump
                if leave != 0.0:
                    u[h] -= own[i] * jump
            for j in range(size):
                go[high, h, j] += weight * u[j]
            at = high + 1
    return come, go, cross


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def accumulate(
    step: Any, drift: Any, scale: Any, leave: float, risk: Any, move: Any,
    come: Any, go: Any, cross: Any, begin: Any,
) -> Any:  # fmt: skip
    """Return M(t) after every time, (T, D, D), from the sums of `gather`.

    `risk` (T, S) and `move` (T, S, S) are sums of times · own²; `begin` (D, D) is M before all.
    With Q_h the sum of times · own · U(t-) over those at risk in h, and c a unit's own part at t,
    M(t) = BᵀMB + BᵀX + XᵀB + Σ times · cᵀc with X = Σ times · U(t-)ᵀ c.
    """
    n, size = step.shape[0], step.shape[1]
    n_states = drift.shape[1]
    out = np.zeros((n, size, size))
    m = begin.copy()
    there = np.zeros((n_states, size))
    jump = np.zeros(size)
    for t in range(n):
        b = step[t]
        there += come[t]
        x = cross[t].copy()
        own = np.zeros((size, size))
        new = np.zeros((n_states, size))
        for h in range(n_states):
            if risk[t, h] <= 0.0:
                continue
            for i in range(size):
                for j in range(size):
                    x[i, j] += there[h, i] * drift[t, h, j]
                    own[i, j] += risk[t, h] * drift[t, h, i] * drift[t, h, j]
            for j in range(size):
                new[h, j] += risk[t, h] * drift[t, h, j]
                for i in range(size):
                    new[h, j] += there[h, i] * b[i, j]
            for k in range(n_states):
                if move[t, h, k] <= 0.0:
                    continue
                jump[:] = 0.0
                jump[k] = scale[t, h]
                if leave != 0.0:
                    jump[h] = -scale[t, h]
                for i in range(size):
                    new[h, i] += move[t, h, k] * jump[i]
                    for j in range(size):
                        both = drift[t, h, i] * jump[j] + jump[i] * drift[t, h, j]
                        own[i, j] += move[t, h, k] * (both + jump[i] * jump[j])
        bx = b.T @ x
        m = b.T @ m @ b + bx + bx.T + own
        for i in range(size):  # rounding may leave a zero variance below zero
            m[i, i] = max(m[i, i], 0.0)
        out[t] = m
        there = new - go[t]
    return out


@nb.njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def spread_clusters(
    step: Any, drift: Any, scale: Any, leave: float,
    bounds: Any, spells: Any, origin: Any, target: Any, weight: Any, first: Any, last: Any,
    start: Any,
) -> Any:  # fmt: skip
    """Return M(t), (T, D, D), where the spells of a cluster move as one unit.

    Cluster c has the spells `spells[bounds[c]]` … `spells[bounds[c + 1] - 1]`; `start` (C, D) is
    its influence before the first time.
    """
    n, size = step.shape[0], step.shape[1]
    n_states = drift.shape[1]
    out = np.zeros((n, size, size))
    change = np.zeros((n + 1, n_states))
    moved = np.zeros((n, size))
    there = np.zeros(n_states)
    u = np.zeros(size)
    room = np.zeros(size)
    for c in range(len(bounds) - 1):
        change[:] = 0.0
        moved[:] = 0.0
        there[:] = 0.0
        for j in range(size):
            u[j] = start[c, j]
        for place in range(bounds[c], bounds[c + 1]):
            i = spells[place]
            if first[i] > last[i]:
                continue
            change[first[i], origin[i]] += weight[i]
            change[last[i] + 1, origin[i]] -= weight[i]
            if target[i] >= 0:
                jump = weight[i] * scale[last[i], origin[i]]
                moved[last[i], target[i]] += jump
                if leave != 0.0:
                    moved[last[i], origin[i]] -= jump
        for t in range(n):
            for j in range(size):
                total = moved[t, j]
                for i in range(size):
                    total += u[i] * step[t, i, j]
                room[j] = total
            u[:] = room
            for h in range(n_states):
                there[h] += change[t, h]
                if there[h] != 0.0:
                    for j in range(size):
                        u[j] += there[h] * drift[t, h, j]
            for i in range(size):
                for j in range(size):
                    out[t, i, j] += u[i] * u[j]
    return out
