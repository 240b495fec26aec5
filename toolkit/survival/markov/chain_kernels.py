"""Compiled loops along a person's observations: forward and backward, and the likeliest path."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_SNAPSHOT, _EXACT, _ARRIVAL = 0, 1, 2


@njit(cache=True, nogil=True)
def step_matrix(scheme: Any, p: Any, q: Any, u: Any, m: Any) -> None:
    """Write in `m` the density of going from state r to s in one step, (S, S).

    Snapshot: P(u). Exact arrival: P(u) times the intensities into s. Exact move: exp(q_rr u) q_rs,
    or exp(q_rr u) where nothing moved. Stay: the latter only.
    """
    size = len(q)
    if scheme == _SNAPSHOT:
        m[:] = p
    elif scheme == _ARRIVAL:
        for r in range(size):
            for s in range(size):
                total = 0.0
                for k in range(size):
                    if k != s:
                        total += p[r, k] * q[k, s]
                m[r, s] = total
    else:
        for r in range(size):
            stay = math.exp(q[r, r] * u)
            for s in range(size):
                if r == s:
                    m[r, s] = stay
                else:
                    m[r, s] = stay * q[r, s] if scheme == _EXACT else 0.0


@njit(cache=True, nogil=True)
def step_slope(
    scheme: Any, p: Any, q: Any, u: Any, m: Any, change: Any, by_p: Any, by_q: Any
) -> None:
    """Add what changes of a step's matrix mean for P and (directly) for Q."""
    size = len(q)
    if scheme == _SNAPSHOT:
        by_p += change
    elif scheme == _ARRIVAL:
        for r in range(size):
            for s in range(size):
                if change[r, s] != 0:
                    for k in range(size):
                        if k != s:
                            by_p[r, k] += change[r, s] * q[k, s]
                            by_q[k, s] += change[r, s] * p[r, k]
    else:
        for r in range(size):
            for s in range(size):
                if change[r, s] != 0 and m[r, s] != 0:
                    by_q[r, r] += change[r, s] * u * m[r, s]
                    if r != s:
                        by_q[r, s] += change[r, s] * m[r, r]


@njit(cache=True, nogil=True)
def sum_chains(
    first: Any, opening: Any, start: Any, n: Any, pair: Any, generator: Any, u: Any,
    observed: Any, scheme: Any, p: Any, q: Any, emission: Any, w_slot: Any, v_slot: Any,
    b_slot: Any, a_slot: Any, slopes: Any, value: Any, w: Any, v: Any, b: Any, a: Any,
) -> float:  # fmt: skip
    """Sum the log-likelihoods of chains of steps; return the smallest conditional likelihood.

    Steps of chain c are first[c] … first[c+1]-1. It starts from `start[opening[c]]` (S,), a row of
    densities of the first observation. `value[c]` is its log-likelihood, times n[c]. With `slopes`
    the changes by P, Q, emission and start are added to w[w_slot[step]], v[v_slot[step]],
    b[b_slot[c]] (O, S) and a[a_slot[c]] (S,).
    """
    size = q.shape[1]
    most = 1
    for c in range(len(n)):
        most = max(most, first[c + 1] - first[c])
    forward = np.empty((most + 1, size))
    before = np.empty((most, size))  # α M, before the observation is taken in
    norm = np.empty(most)
    matrix = np.empty((size, size))
    change = np.empty((size, size))
    back, new = np.empty(size), np.empty(size)
    least = 1.0
    for c in range(len(n)):
        total = 0.0
        for r in range(size):
            total += start[opening[c], r]
        if not total > 0:
            value[c] = -np.inf
            continue
        opened = total
        for r in range(size):
            forward[0, r] = start[opening[c], r] / total
        log = math.log(total)
        length = first[c + 1] - first[c]
        for x in range(length):
            step = first[c] + x
            i = generator[step]
            step_matrix(scheme[step], p[pair[step]], q[i], u[step], matrix)
            total = 0.0
            for s in range(size):
                before[x, s] = 0
                for r in range(size):
                    before[x, s] += forward[x, r] * matrix[r, s]
                forward[x + 1, s] = before[x, s] * emission[observed[step], s]
                total += forward[x + 1, s]
            if not total > 0:
                log = -np.inf
                break
            least = min(least, total)
            norm[x] = total
            log += math.log(total)
            for s in range(size):
                forward[x + 1, s] /= total
        value[c] = log * n[c]
        if not slopes or log == -np.inf:
            continue
        back[:] = 1
        slot = b_slot[c]
        for x in range(length - 1, -1, -1):
            step = first[c] + x
            i = generator[step]
            step_matrix(scheme[step], p[pair[step]], q[i], u[step], matrix)
            o = observed[step]
            for r in range(size):
                new[r] = 0
            for s in range(size):
                shown = emission[o, s] * back[s] / norm[x]
                b[slot, o, s] += n[c] * before[x, s] * back[s] / norm[x]
                for r in range(size):
                    new[r] += matrix[r, s] * shown
                    change[r, s] = n[c] * forward[x, r] * shown
            step_slope(scheme[step], p[pair[step]], q[i], u[step], matrix, change,
                       w[w_slot[step]], v[v_slot[step]])  # fmt: skip
            back[:] = new
        for r in range(size):
            a[a_slot[c], r] += n[c] * back[r] / opened
    return least


@njit(cache=True, nogil=True)
def likeliest(
    first: Any, opening: Any, start: Any, pair: Any, generator: Any, u: Any, observed: Any,
    scheme: Any, inner: Any, p: Any, q: Any, emission: Any, path: Any, chance: Any,
) -> None:  # fmt: skip
    """Write each chain's likeliest states and their probabilities given all observations.

    The answer for step x stands at `path[x + c + 1]`, that of the start of chain c at
    `path[first[c] + c]`; rows of `chance` likewise, (steps + chains, S). Steps marked `inner`
    observe nothing: the path is maximised over observations only, and the inner state summed out.
    """
    size = q.shape[1]
    most = 1
    for c in range(len(first) - 1):
        most = max(most, first[c + 1] - first[c])
    jumps = np.empty((most, size, size))
    score = np.empty((most + 1, size))
    came = np.zeros((most, size), np.int64)
    forward, back, new = np.empty((most + 1, size)), np.empty(size), np.empty(size)
    matrix, product = np.empty((size, size)), np.empty((size, size))
    for c in range(len(first) - 1):
        length = first[c + 1] - first[c]
        place = first[c] + c
        total = start[opening[c]].sum()
        for r in range(size):
            forward[0, r] = start[opening[c], r] / total
            score[0, r] = math.log(forward[0, r]) if forward[0, r] > 0 else -np.inf
        product[:] = np.eye(size)
        for x in range(length):
            step = first[c] + x
            step_matrix(scheme[step], p[pair[step]], q[generator[step]], u[step], matrix)
            jumps[x] = matrix
            product = product @ matrix
            total = 0.0
            for s in range(size):
                forward[x + 1, s] = 0
                for r in range(size):
                    forward[x + 1, s] += forward[x, r] * matrix[r, s]
                forward[x + 1, s] *= emission[observed[step], s]
                total += forward[x + 1, s]
            for s in range(size):
                forward[x + 1, s] /= total
            if inner[step]:
                score[x + 1] = score[x]
                for s in range(size):
                    came[x, s] = s
                continue
            for s in range(size):
                best, at = -np.inf, 0
                for r in range(size):
                    if product[r, s] > 0:
                        there = score[x, r] + math.log(product[r, s])
                        if there > best:
                            best, at = there, r
                shown = emission[observed[step], s]
                score[x + 1, s] = best + math.log(shown) if shown > 0 else -np.inf
                came[x, s] = at
            product[:] = np.eye(size)
        state = 0
        for s in range(size):
            if score[length, s] > score[length, state]:
                state = s
        back[:] = 1
        for x in range(length, -1, -1):
            path[place + x] = state
            total = 0.0
            for s in range(size):
                chance[place + x, s] = forward[x, s] * back[s]
                total += chance[place + x, s]
            for s in range(size):
                chance[place + x, s] /= total
            if x == 0:
                break
            state = came[x - 1, state]
            step = first[c] + x - 1
            total = 0.0
            for r in range(size):
                new[r] = 0
                for s in range(size):
                    new[r] += jumps[x - 1, r, s] * emission[observed[step], s] * back[s]
                total += new[r]
            for r in range(size):
                back[r] = new[r] / total
