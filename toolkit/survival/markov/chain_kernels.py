"""Compiled loops along a person's observations: forward and backward, and the likeliest path.

Plain loops, as in `kernels`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

#: Schemes of observation, as in `records`.
_SNAPSHOT, _EXACT, _ARRIVAL = 0, 1, 2
#: A step less likely than this, given the past, asks for a probability with more digits.
_UNLIKELY = 1e-7


@njit(cache=True, nogil=True, error_model="numpy")
def step_matrix(scheme: Any, p: Any, k: Any, q: Any, i: Any, u: Any, m: Any) -> None:
    """Write in `m` the density of going from state r to s in one step, (S, S).

    Snapshot: P(u). Exact arrival: P(u) times the intensities into s. Exact move: exp(q_rr u) q_rs,
    or exp(q_rr u) where nothing moved. Stay: the latter only.
    """
    size = q.shape[1]
    known = scheme != _SNAPSHOT and scheme != _ARRIVAL  # noqa: PLR1714 - numba builds sets slowly
    for r in range(size):
        stay = math.exp(q[i, r, r] * u) if known else 0.0
        for s in range(size):
            if scheme == _SNAPSHOT:
                m[r, s] = p[k, r, s]
            elif scheme == _ARRIVAL:
                total = 0.0
                for via in range(size):
                    if via != s:
                        total += p[k, r, via] * q[i, via, s]
                m[r, s] = total
            elif r == s:
                m[r, s] = stay
            else:
                m[r, s] = stay * q[i, r, s] if scheme == _EXACT else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def step_slope(
    scheme: Any, p: Any, k: Any, q: Any, i: Any, u: Any, m: Any, change: Any,
    by_p: Any, at_p: Any, by_q: Any, at_q: Any,
) -> None:  # fmt: skip
    """Add what changes of a step's matrix mean for P and (directly) for Q."""
    size = q.shape[1]
    for r in range(size):
        for s in range(size):
            if change[r, s] == 0:
                continue
            if scheme == _SNAPSHOT:
                by_p[at_p, r, s] += change[r, s]
            elif scheme == _ARRIVAL:
                for via in range(size):
                    if via != s:
                        by_p[at_p, r, via] += change[r, s] * q[i, via, s]
                        by_q[at_q, via, s] += change[r, s] * p[k, r, via]
            elif m[r, s] != 0:
                by_q[at_q, r, r] += change[r, s] * u * m[r, s]
                if r != s:
                    by_q[at_q, r, s] += change[r, s] * m[r, r]


@njit(cache=True, nogil=True)
def sum_chains(
    first: Any, opening: Any, start: Any, n: Any, pair: Any, generator: Any, u: Any,
    observed: Any, scheme: Any, p: Any, q: Any, emission: Any, w_slot: Any, v_slot: Any,
    b_slot: Any, a_slot: Any, value: Any, w: Any, v: Any, b: Any, a: Any, rare: Any,
) -> None:  # fmt: skip
    """Sum the log-likelihoods of chains of steps, and their changes.

    Steps of chain c are first[c] … first[c+1]-1. It starts from `start[opening[c]]` (S,), a row of
    densities of the first observation. `value[c]` is its log-likelihood, times n[c]. The changes
    by P, Q, emission and start are added to w[w_slot[step]], v[v_slot[step]], b[b_slot[c]] (O, S)
    and a[a_slot[c]] (S,). Pairs of unlikely steps are marked in `rare`.
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
    for c in range(len(n)):
        opened = 0.0
        for r in range(size):
            opened += start[opening[c], r]
        if not opened > 0:
            value[c] = -np.inf
            continue
        for r in range(size):
            forward[0, r] = start[opening[c], r] / opened
        log = math.log(opened)
        length = first[c + 1] - first[c]
        for x in range(length):
            step = first[c] + x
            step_matrix(scheme[step], p, pair[step], q, generator[step], u[step], matrix)
            o = observed[step]
            total = 0.0
            for s in range(size):
                before[x, s] = 0
                if emission[o, s] > 0:
                    for r in range(size):
                        before[x, s] += forward[x, r] * matrix[r, s]
                forward[x + 1, s] = before[x, s] * emission[o, s]
                total += forward[x + 1, s]
            if total < _UNLIKELY:
                rare[pair[step]] = True
            if not total > 0:
                log = -np.inf
                break
            norm[x] = total
            log += math.log(total)
            for s in range(size):
                forward[x + 1, s] /= total
        value[c] = log * n[c]
        if log == -np.inf:
            continue
        for r in range(size):
            back[r] = 1
        slot = b_slot[c]
        for x in range(length - 1, -1, -1):
            step = first[c] + x
            i = generator[step]
            k, o = pair[step], observed[step]
            plain = scheme[step] == _SNAPSHOT
            if not plain:
                step_matrix(scheme[step], p, k, q, i, u[step], matrix)
            for r in range(size):
                new[r] = 0
            for s in range(size):
                shown = emission[o, s] * back[s] / norm[x]
                if shown == 0:
                    for r in range(size):
                        change[r, s] = 0
                    continue
                b[slot, o, s] += n[c] * before[x, s] * back[s] / norm[x]
                for r in range(size):
                    part = n[c] * forward[x, r] * shown
                    if plain:
                        new[r] += p[k, r, s] * shown
                        w[w_slot[step], r, s] += part
                    else:
                        new[r] += matrix[r, s] * shown
                        change[r, s] = part
            if not plain:
                step_slope(
                    scheme[step], p, k, q, i, u[step], matrix, change,
                    w, w_slot[step], v, v_slot[step],
                )  # fmt: skip
            for r in range(size):
                back[r] = new[r]
        for r in range(size):
            a[a_slot[c], r] += n[c] * back[r] / opened


@njit(cache=True, nogil=True)
def likeliest(
    first: Any, opening: Any, start: Any, pair: Any, generator: Any, u: Any, observed: Any,
    scheme: Any, inside: Any, p: Any, q: Any, emission: Any, path: Any, chance: Any,
) -> None:  # fmt: skip
    """Write each chain's likeliest states and their probabilities given all observations.

    The answer for step x of chain c stands at first[c] + c + x + 1, that of its start at
    first[c] + c. Steps marked `inside` observe nothing: the path is the likeliest over the
    observations, and the state where only the period changes is summed out.
    """
    size = q.shape[1]
    most = 1
    for c in range(len(first) - 1):
        most = max(most, first[c + 1] - first[c])
    jumps = np.empty((most, size, size))
    score = np.empty((most + 1, size))
    came = np.zeros((most, size), np.int64)
    forward, back, new = np.empty((most + 1, size)), np.empty(size), np.empty(size)
    matrix = np.empty((size, size))
    product, longer = np.empty((size, size)), np.empty((size, size))
    for c in range(len(first) - 1):
        length = first[c + 1] - first[c]
        place = first[c] + c
        total = 0.0
        for r in range(size):
            total += start[opening[c], r]
        for r in range(size):
            forward[0, r] = start[opening[c], r] / total
            score[0, r] = math.log(forward[0, r]) if forward[0, r] > 0 else -np.inf
            for s in range(size):
                product[r, s] = 1.0 if r == s else 0.0
        for x in range(length):
            step = first[c] + x
            step_matrix(scheme[step], p, pair[step], q, generator[step], u[step], matrix)
            total = 0.0
            for s in range(size):
                forward[x + 1, s] = 0
                for r in range(size):
                    jumps[x, r, s] = matrix[r, s]
                    forward[x + 1, s] += forward[x, r] * matrix[r, s]
                    longer[r, s] = 0
                    for via in range(size):
                        longer[r, s] += product[r, via] * matrix[via, s]
                forward[x + 1, s] *= emission[observed[step], s]
                total += forward[x + 1, s]
            for s in range(size):
                forward[x + 1, s] /= total
                if inside[step]:
                    score[x + 1, s] = score[x, s]
                    came[x, s] = s
                else:
                    best, at = -np.inf, 0
                    for r in range(size):
                        if longer[r, s] > 0:
                            there = score[x, r] + math.log(longer[r, s])
                            if there > best:
                                best, at = there, r
                    shown = emission[observed[step], s]
                    score[x + 1, s] = best + math.log(shown) if shown > 0 else -np.inf
                    came[x, s] = at
                for r in range(size):
                    if inside[step]:
                        product[r, s] = longer[r, s]
                    else:
                        product[r, s] = 1.0 if r == s else 0.0
        state = 0
        for s in range(size):
            back[s] = 1
            if score[length, s] > score[length, state]:
                state = s
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
