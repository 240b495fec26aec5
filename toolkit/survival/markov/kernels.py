"""Compiled loops: matrix exponentials of generators, and what the likelihood changes with them.

A generator Q with eigenvalues λ and eigenvectors A has P(u) = A exp(λu) A⁻¹. Where the likelihood
changes by W with P, it changes by A⁻ᵀ [(Aᵀ W A⁻ᵀ) ∘ φ] Aᵀ with Q, where φ_ij is the divided
difference of exp(λu) at λ_i and λ_j (Kalbfleisch and Lawless 1985, eq. 3.4; here for the sum of all
entries at once). Where eigenvectors are nearly dependent, or a probability so small that the sum
over eigenvalues has lost its digits, a series of terms of one sign takes over (uniformisation).

Plain loops throughout: on matrices this small they are faster than calls, and slices of arrays
would double the time of compilation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

#: Below this share a sum over eigenvalues has fewer than eight digits.
_SMALL = 1e-8
#: Terms of the series; the argument has norm 1, so the rest is below 1/24!.
_TERMS = 24


@njit(cache=True, nogil=True, error_model="numpy")
def exponential(q: Any, i: Any, u: Any, w: Any, x: Any, p: Any, slope: Any) -> None:
    """Write exp(u q[i]) in `p`, and what a change w[x] of it means for Q in `slope`, (S, S) both.

    With A = uQ + ρI ≥ 0, exp(uQ) = exp(-ρ) exp(A): a sum of terms that are not negative. A is
    halved until ρ ≤ 1 and the result squared as often (with its derivative, Van Loan's block).
    """
    size = q.shape[1]
    rate = 0.0
    for r in range(size):
        rate = max(rate, -q[i, r, r] * u)
    halvings = 0
    while rate > 1.0:
        rate /= 2
        halvings += 1
    scale = u / 2.0**halvings
    work = np.zeros((8, size, size))  # base, turn; term, side, total, total_side; new, new_side
    for r in range(size):
        for s in range(size):
            work[0, r, s] = q[i, s, r] * scale  # of the transpose: the adjoint's direction
            work[1, r, s] = w[x, r, s] * scale
        work[0, r, r] += rate
        work[2, r, r] = 1
        work[4, r, r] = 1
    now, then = 2, 6
    for n in range(1, _TERMS):
        for r in range(size):
            for s in range(size):
                a, b = 0.0, 0.0
                for k in range(size):
                    a += work[now, r, k] * work[0, k, s]
                    b += work[now + 1, r, k] * work[0, k, s] + work[now, r, k] * work[1, k, s]
                work[then, r, s] = a / n
                work[then + 1, r, s] = b / n
                work[4, r, s] += a / n
                work[5, r, s] += b / n
        now, then = then, now
    shrink = math.exp(-rate)
    for r in range(size):
        for s in range(size):
            work[4, r, s] *= shrink
            work[5, r, s] *= shrink
    now, then = 4, 6
    for _ in range(halvings):
        for r in range(size):
            for s in range(size):
                a, b = 0.0, 0.0
                for k in range(size):
                    a += work[now, r, k] * work[now, k, s]
                    b += work[now + 1, r, k] * work[now, k, s] + work[now, r, k] * work[
                        now + 1, k, s]  # fmt: skip
                work[then, r, s] = a
                work[then + 1, r, s] = b
        now, then = then, now
    for r in range(size):
        for s in range(size):
            p[r, s] = work[now, s, r]
            slope[r, s] = work[now + 1, r, s]


@njit(cache=True, nogil=True, error_model="numpy")
def differences(roots: Any, i: Any, u: Any, e: Any, phi: Any) -> None:
    """Write exp(λu) in `e`, and its divided differences in `phi`."""
    size = roots.shape[1]
    for a in range(size):
        e[a] = np.exp(roots[i, a] * u)
    for a in range(size):
        phi[a, a] = u * e[a]
        for b in range(a):
            gap = roots[i, a] - roots[i, b]
            x = gap * u
            if abs(x) > 0.1:
                value = (e[a] - e[b]) / gap
            else:  # u exp(λ_b u) (exp(x) - 1) / x, without the cancellation
                term = e[b] * u
                value = term
                for n in range(2, 12):
                    term *= x / n
                    value += term
            phi[a, b] = value
            phi[b, a] = value


@njit(cache=True, nogil=True, error_model="numpy")
def turn_back(left: Any, right: Any, i: Any, core: Any, slope: Any, at: Any) -> None:
    """Add A⁻ᵀ N Aᵀ, real part, to slope[at]."""
    size = left.shape[1]
    half = np.empty(size, core.dtype)
    for a in range(size):
        for j in range(size):
            total = right[i, 0, a] * core[0, j]
            for k in range(1, size):
                total += right[i, k, a] * core[k, j]
            half[j] = total
        for b in range(size):
            total = half[0] * left[i, b, 0]
            for j in range(1, size):
                total += half[j] * left[i, b, j]
            slope[at, a, b] += total.real


@njit(cache=True, nogil=True)
def exponentials(pairs: Any, q: Any, which: Any, u: Any, p: Any) -> None:
    """Write exp(u Q) of pairs k, with Q number `which[k]`, in `p[k]`; by the series."""
    size = q.shape[1]
    none = np.zeros((1, size, size))
    own, slope = np.empty((size, size)), np.empty((size, size))
    for k in pairs:
        exponential(q, which[k], u[k], none, 0, own, slope)
        for r in range(size):
            for s in range(size):
                p[k, r, s] = own[r, s]


@njit(cache=True, nogil=True)
def sum_cells(
    chosen: Any, first: Any, origin: Any, target: Any, arrival: Any, u: Any, n: Any,
    q: Any, roots: Any, left: Any, right: Any, series: Any, moves: Any,
    value: Any, slope: Any, scores: Any, keep: Any,
) -> None:  # fmt: skip
    """Sum log-likelihoods of cells (from, to, interval) over generators `chosen`.

    Cells of generator i are first[i] … first[i+1]-1, sorted by interval. A cell's probability is
    P_rs(u), or for an exact arrival Σ_m≠s P_rm(u) q_ms. `value[i]` and `slope[i]` (by Q) are added
    to; with `keep` the score of one unit of each cell by log q of the moves is put in `scores`.
    """
    size = q.shape[1]
    e = np.empty(size, roots.dtype)
    turned = np.empty(size, roots.dtype)
    phi = np.empty((size, size), roots.dtype)
    core = np.empty((size, size), roots.dtype)
    goal, row = np.empty(size), np.empty(size)
    one = np.empty((1, size, size))
    w, p, change = np.zeros((1, size, size)), np.empty((size, size)), np.empty((size, size))
    for i in chosen:
        for a in range(size):
            for b in range(size):
                core[a, b] = 0
        last = -1.0
        for c in range(first[i], first[i + 1]):
            r, s = origin[c], target[c]
            most = 1.0
            for m in range(size):
                goal[m] = 0
            if arrival[c]:
                most = 0.0
                for m in range(size):
                    if m != s:
                        goal[m] = q[i, m, s]
                        most = max(most, goal[m])
            else:
                goal[s] = 1
            chance = 0.0
            by_series = series[i]
            if not by_series:
                if u[c] != last:
                    differences(roots, i, u[c], e, phi)
                    last = u[c]
                for j in range(size):
                    turned[j] = 0
                    for m in range(size):
                        turned[j] += right[i, j, m] * goal[m]
                    chance += (left[i, r, j] * e[j] * turned[j]).real
                if not chance > _SMALL * most:  # also for nan
                    by_series = True
            if by_series:
                for a in range(size):
                    for b in range(size):
                        w[0, a, b] = goal[b] if a == r else 0.0
                exponential(q, i, u[c], w, 0, p, change)
                chance = 0.0
                for m in range(size):
                    row[m] = p[r, m]
                    chance += row[m] * goal[m]
            elif arrival[c]:
                for m in range(size):
                    row[m] = 0
                    for j in range(size):
                        row[m] += (left[i, r, j] * e[j] * right[i, j, m]).real
            if not chance > 0:
                value[i] = -np.inf
                continue
            value[i] += n[c] * math.log(chance)
            weight = 1 / chance if keep else n[c] / chance
            if not by_series:
                for a in range(size):
                    for b in range(size):
                        part = left[i, r, a] * phi[a, b] * turned[b] * weight
                        core[a, b] = part if keep else core[a, b] + part
            if not (keep or by_series or arrival[c]):
                continue
            for a in range(size):
                for b in range(size):
                    one[0, a, b] = change[a, b] * weight if by_series else 0.0
            if keep and not by_series:
                turn_back(left, right, i, core, one, 0)
            if arrival[c]:
                for m in range(size):
                    if m != s:
                        one[0, m, s] += row[m] * weight
            if keep:
                for t in range(len(moves)):
                    a, b = moves[t, 0], moves[t, 1]
                    scores[c, t] = q[i, a, b] * (one[0, a, b] - one[0, a, a])
            else:
                for a in range(size):
                    for b in range(size):
                        slope[i, a, b] += one[0, a, b]
        if not keep and first[i + 1] > first[i] and not series[i]:
            turn_back(left, right, i, core, slope, i)


@njit(cache=True, nogil=True)
def pair_probabilities(
    pairs: Any, which: Any, u: Any, roots: Any, left: Any, right: Any, p: Any
) -> None:
    """Write P of the pairs (generator, interval) by eigenvalues, no less than 0."""
    size = left.shape[1]
    e = np.empty(size, roots.dtype)
    for k in pairs:
        i = which[k]
        for j in range(size):
            e[j] = np.exp(roots[i, j] * u[k])
        for r in range(size):
            for s in range(size):
                total = 0.0
                for j in range(size):
                    total += (left[i, r, j] * e[j] * right[i, j, s]).real
                p[k, r, s] = max(total, 0.0)


@njit(cache=True, nogil=True)
def pair_slopes(
    entries: Any, pair: Any, into: Any, which: Any, u: Any, q: Any, series: Any,
    roots: Any, left: Any, right: Any, w: Any, slope: Any,
) -> None:  # fmt: skip
    """Add what changes `w[x]` of P of pair `pair[x]` mean for Q to `slope[into[x]]`.

    `series` (K,) tells of each pair whether the series is to be used.
    """
    size = q.shape[1]
    e = np.empty(size, roots.dtype)
    phi = np.empty((size, size), roots.dtype)
    core = np.empty((size, size), roots.dtype)
    p, change = np.empty((size, size)), np.empty((size, size))
    half = np.empty(size, roots.dtype)
    for x in entries:
        k = pair[x]
        i = which[k]
        if series[k]:
            exponential(q, i, u[k], w, x, p, change)
            for a in range(size):
                for b in range(size):
                    slope[into[x], a, b] += change[a, b]
            continue
        differences(roots, i, u[k], e, phi)
        for a in range(size):
            for b in range(size):
                core[a, b] = 0
        for r in range(size):
            some = False
            for j in range(size):
                half[j] = 0
            for s in range(size):
                if w[x, r, s] != 0:
                    some = True
                    for j in range(size):
                        half[j] += w[x, r, s] * right[i, j, s]
            if some:
                for a in range(size):
                    for b in range(size):
                        core[a, b] += left[i, r, a] * half[b]
        for a in range(size):
            for b in range(size):
                core[a, b] *= phi[a, b]
        turn_back(left, right, i, core, slope, into[x])
