"""Compiled loops: matrix exponentials of generators, and what the likelihood changes with them.

A generator Q with eigenvalues λ and eigenvectors A has P(u) = A exp(λu) A⁻¹. Where the likelihood
changes by W with P, it changes by A⁻ᵀ [(Aᵀ W A⁻ᵀ) ∘ φ] Aᵀ with Q, where φ_ij is the divided
difference of exp(λu) at λ_i and λ_j (Kalbfleisch and Lawless 1985, eq. 3.4; here for the sum of all
entries at once). Where eigenvectors are nearly dependent, or a probability so small that the sum
over eigenvalues has lost its digits, a series of terms of one sign takes over (uniformisation).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

#: Below this share a sum over eigenvalues has fewer than eight digits.
_SMALL = 1e-8
_ARRIVAL = 2
_SNAPSHOT, _EXACT = 0, 1
_TERMS = 24


@njit(cache=True, nogil=True)
def exponential(q: Any, u: Any, w: Any, p: Any, slope: Any) -> None:
    """Write exp(uQ) in `p`, and what a change W of it means for Q in `slope`; (S, S) all.

    With A = uQ + ρI ≥ 0, exp(uQ) = exp(-ρ) exp(A): a sum of terms that are not negative. A is
    halved until ρ ≤ 1 and the result squared as often (with its derivative, Van Loan's block).
    """
    size = len(q)
    rate = 0.0
    for r in range(size):
        rate = max(rate, -q[r, r] * u)
    halvings = 0
    while rate > 1.0:
        rate /= 2
        halvings += 1
    scale = u / 2.0**halvings
    base, turn = np.empty((size, size)), np.empty((size, size))
    for r in range(size):
        for s in range(size):
            base[r, s] = q[s, r] * scale  # of the transpose: the adjoint's direction
            turn[r, s] = w[r, s] * scale
        base[r, r] += rate
    term, side = np.eye(size), np.zeros((size, size))
    total, total_side = np.eye(size), np.zeros((size, size))
    new, new_side = np.empty((size, size)), np.empty((size, size))
    for n in range(1, _TERMS):
        for r in range(size):
            for s in range(size):
                x, y = 0.0, 0.0
                for k in range(size):
                    x += term[r, k] * base[k, s]
                    y += side[r, k] * base[k, s] + term[r, k] * turn[k, s]
                new[r, s], new_side[r, s] = x / n, y / n
        total += new
        total_side += new_side
        term, new = new, term
        side, new_side = new_side, side
    shrink = math.exp(-rate)
    total *= shrink
    total_side *= shrink
    for _ in range(halvings):
        for r in range(size):
            for s in range(size):
                x, y = 0.0, 0.0
                for k in range(size):
                    x += total[r, k] * total[k, s]
                    y += total_side[r, k] * total[k, s] + total[r, k] * total_side[k, s]
                new[r, s], new_side[r, s] = x, y
        total, new = new, total
        total_side, new_side = new_side, total_side
    for r in range(size):
        for s in range(size):
            p[r, s] = total[s, r]
            slope[r, s] = total_side[r, s]


@njit(cache=True, nogil=True)
def exponentials(q: Any, which: Any, u: Any, p: Any) -> None:
    """Write exp(u Q) of pair k, with Q number `which[k]`, in `p[k]`; by the series."""
    none = np.zeros(q.shape[1:])
    slope = np.empty(q.shape[1:])
    for k in range(len(u)):
        exponential(q[which[k]], u[k], none, p[k], slope)


@njit(cache=True, nogil=True)
def differences(roots: Any, u: Any, e: Any, phi: Any) -> None:
    """Write exp(λu) in `e`, and its divided differences in `phi`."""
    size = len(roots)
    for i in range(size):
        e[i] = np.exp(roots[i] * u)
    for i in range(size):
        phi[i, i] = u * e[i]
        for j in range(i):
            gap = roots[i] - roots[j]
            x = gap * u
            if abs(x) > 0.1:
                value = (e[i] - e[j]) / gap
            else:  # u exp(λ_j u) (exp(x) - 1) / x, without the cancellation
                value = u * e[j] * (
                    1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6 * (
                        1 + x / 7 * (1 + x / 8 * (1 + x / 9))))))))  # fmt: skip
            phi[i, j] = value
            phi[j, i] = value


@njit(cache=True, nogil=True)
def turn_back(left: Any, right: Any, inner: Any, slope: Any) -> None:
    """Add A⁻ᵀ N Aᵀ, real part, to `slope`."""
    size = len(slope)
    half = np.empty(size, inner.dtype)
    for a in range(size):
        for j in range(size):
            half[j] = 0
            for i in range(size):
                half[j] += right[i, a] * inner[i, j]
        for b in range(size):
            total = half[0] * left[b, 0]
            for j in range(1, size):
                total += half[j] * left[b, j]
            slope[a, b] += total.real


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
    inner = np.zeros((size, size), roots.dtype)
    goal, row = np.empty(size), np.empty(size)
    one = np.zeros((size, size))
    w, p, change = np.zeros((size, size)), np.empty((size, size)), np.empty((size, size))
    for i in chosen:
        inner[:] = 0
        last = -1.0
        for c in range(first[i], first[i + 1]):
            r, s = origin[c], target[c]
            most = 1.0
            goal[:] = 0
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
                    differences(roots[i], u[c], e, phi)
                    last = u[c]
                for j in range(size):
                    turned[j] = 0
                    for m in range(size):
                        turned[j] += right[i, j, m] * goal[m]
                    chance += (left[i, r, j] * e[j] * turned[j]).real
                if not chance > _SMALL * most:  # also for nan
                    by_series = True
            if by_series:
                w[:] = 0
                for m in range(size):
                    w[r, m] = goal[m]
                exponential(q[i], u[c], w, p, change)
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
            one[:] = 0
            if by_series:
                for a in range(size):
                    for b in range(size):
                        one[a, b] += change[a, b] * weight
            else:
                if keep:
                    inner[:] = 0
                for a in range(size):
                    for b in range(size):
                        inner[a, b] += left[i, r, a] * phi[a, b] * turned[b] * weight
                if keep:
                    turn_back(left[i], right[i], inner, one)
            if arrival[c]:
                for m in range(size):
                    if m != s:
                        one[m, s] += row[m] * weight
            if keep:
                for t in range(len(moves)):
                    a, b = moves[t]
                    scores[c, t] = q[i, a, b] * (one[a, b] - one[a, a])
            elif by_series or arrival[c]:
                slope[i] += one
        if not keep and first[i + 1] > first[i] and not series[i]:
            turn_back(left[i], right[i], inner, slope[i])


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
    """Add what changes `w[x]` of P of pair `pair[x]` mean for Q to `slope[into[x]]`."""
    size = q.shape[1]
    e = np.empty(size, roots.dtype)
    phi = np.empty((size, size), roots.dtype)
    inner = np.empty((size, size), roots.dtype)
    p, change = np.empty((size, size)), np.empty((size, size))
    half = np.empty(size, roots.dtype)
    for x in entries:
        k = pair[x]
        i = which[k]
        if series[i]:
            exponential(q[i], u[k], w[x], p, change)
            slope[into[x]] += change
            continue
        differences(roots[i], u[k], e, phi)
        inner[:] = 0
        for r in range(size):
            half[:] = 0
            some = False
            for s in range(size):
                if w[x, r, s] != 0:
                    some = True
                    for j in range(size):
                        half[j] += w[x, r, s] * right[i, j, s]
            if some:
                for a in range(size):
                    for b in range(size):
                        inner[a, b] += left[i, r, a] * half[b]
        for a in range(size):
            for b in range(size):
                inner[a, b] *= phi[a, b]
        turn_back(left[i], right[i], inner, slope[into[x]])
