"""Compiled loops over patterns and their months; import this file only where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

CLOGLOG, LOGIT = 0, 1

# Columns of a pair of causes (k, l), l ≤ k, stand at k (k + 1) / 2 + l.


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(
    low: int, high: int, link: int, expected: bool,
    first_cell: Any, stratum: Any, entry: Any, time: Any, event: Any, n: Any, n_month: int,
    eta: Any, x: Any, z: Any, first_row: Any, gamma: Any, level: Any, used: Any,
    score: Any, weight: Any, slot_score: Any, slot_weight: Any, cross: Any,
    moving_score: Any, moving_weight: Any, moving_cross: Any,
) -> float:  # fmt: skip
    """Add up log-likelihood, scores and information over patterns low … high - 1.

    Per pattern and month there are N at risk and D_k events, counted here from the cells.
    cloglog: h = 1 - exp(-μ), μ = exp(η). logit: h_k = e^{η_k} / (1 + Σ e^{η_l}).

    `score` (P, K) and `weight` (P, pairs) are sums over a pattern's months; `slot_*` (S M, ·) over
    patterns; `cross` (S M, pairs, q + d) is Σ W (x, z); `moving_*` belong to the terms z.
    """
    n_cause, q, d = eta.shape[1], x.shape[1], z.shape[1]
    pairs = n_cause * (n_cause + 1) // 2
    total = 0.0
    h, w, u, e = np.empty(n_cause), np.empty(pairs), np.empty(n_cause), np.empty(n_cause)
    zw = np.empty((pairs, d))
    happened = np.zeros((n_month + 2, n_cause))
    steps = np.zeros(n_month + 2)
    for i in range(low, high):
        begin, end = first_cell[i], first_cell[i + 1]
        first, last = entry[begin], time[begin]
        for c in range(begin, end):
            first, last = min(first, entry[c]), max(last, time[c])
        for m in range(first, last + 2):
            steps[m] = 0.0
            for k in range(n_cause):
                happened[m, k] = 0.0
        most = 0.0
        for c in range(begin, end):
            steps[entry[c] + 1] += n[c]
            steps[time[c] + 1] -= n[c]
            most += n[c]
            if event[c] > 0:
                happened[time[c], event[c] - 1] += n[c]
        at_risk = 0.0
        zw[:] = 0.0
        for m in range(first + 1, last + 1):
            at_risk += steps[m]
            slot = stratum[i] * n_month + m - 1
            if not used[slot] or at_risk <= 1e-12 * most:
                continue
            for k in range(n_cause):
                e[k] = eta[i, k] + level[slot, k]
                for j in range(d):
                    e[k] += gamma[k, j] * z[first_row[i] + m, j]
            if link == CLOGLOG:
                mu, left = np.exp(e[0]), happened[m, 0]
                stay = at_risk - left
                u[0] = w[0] = stay * mu
                u[0] = -u[0]
                total -= stay * mu
                if left > 0 or expected:
                    g = mu / np.expm1(mu) if mu > 0 else 1.0  # = μ (1 - h) / h
                    if left > 0:
                        total += left * np.log(-np.expm1(-mu))
                        u[0] += left * g
                        w[0] += left * g * (g + mu - 1)
                    if expected:
                        w[0] = at_risk * mu * g
            else:
                sum_e = 1.0
                for k in range(n_cause):
                    h[k] = np.exp(e[k])
                    sum_e += h[k]
                total -= at_risk * np.log(sum_e)
                for k in range(n_cause):
                    h[k] /= sum_e
                    u[k] = happened[m, k] - at_risk * h[k]
                    if happened[m, k] > 0:
                        total += happened[m, k] * e[k]
                    at = k * (k + 1) // 2
                    for other in range(k):
                        w[at + other] = -at_risk * h[k] * h[other]
                    w[at + k] = at_risk * h[k] * (1 - h[k])
            for k in range(n_cause):
                score[i, k] += u[k]
                slot_score[slot, k] += u[k]
                for j in range(d):
                    moving_score[k, j] += u[k] * z[first_row[i] + m, j]
            for a in range(pairs):
                weight[i, a] += w[a]
                slot_weight[slot, a] += w[a]
                for j in range(q):
                    cross[slot, a, j] += w[a] * x[i, j]
                for j in range(d):
                    wz = w[a] * z[first_row[i] + m, j]
                    cross[slot, a, q + j] += wz
                    zw[a, j] += wz
                    for other in range(d):
                        moving_weight[a, j, other] += wz * z[first_row[i] + m, other]
        for a in range(pairs):
            for j in range(d):
                for other in range(q):
                    moving_cross[a, other, j] += x[i, other] * zw[a, j]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def tally(
    low: int, high: int, first_cell: Any, stratum: Any, entry: Any, time: Any, event: Any, n: Any,
    n_month: int, eta: Any, x: Any, base: Any, running: Any,
    score: Any, weight: Any, slot_score: Any, slot_weight: Any, cross: Any, at_risk: Any,
    at_risk_x: Any,
) -> float:  # fmt: skip
    """Do what `sweep` does for cloglog, one cause and terms that do not move, without its months.

    The months survived weigh Σ μ = e^{η} (B(time) - B(entry)), with B the running sum of the
    baseline e^{level}; so a cell costs the same however long it lasts. `at_risk` (S, M + 1) and
    `at_risk_x` (S, M + 1, q) collect n e^{η} and n e^{η} x where cells come and go; their running
    sums are the risk set's.
    """
    q = x.shape[1]
    total = 0.0
    for i in range(low, high):
        r = np.exp(eta[i, 0])
        s = stratum[i]
        for c in range(first_cell[i], first_cell[i + 1]):
            e, t = entry[c], time[c]
            lasted = r * (running[s, t] - running[s, e])
            total -= n[c] * lasted
            score[i, 0] -= n[c] * lasted
            weight[i, 0] += n[c] * lasted
            nr = n[c] * r
            at_risk[s, e] += nr
            at_risk[s, t] -= nr
            for j in range(q):
                at_risk_x[s, e, j] += nr * x[i, j]
                at_risk_x[s, t, j] -= nr * x[i, j]
            slot = s * n_month + t - 1
            if event[c] > 0 and base[slot] > 0:
                mu = r * base[slot]
                g = mu / np.expm1(mu) if mu > 0 else 1.0
                u, w = n[c] * (g + mu), n[c] * (g * (g + mu - 1) - mu)
                total += n[c] * (mu + np.log(-np.expm1(-mu)))
                score[i, 0] += u
                weight[i, 0] += w
                slot_score[slot, 0] += u
                slot_weight[slot, 0] += w
                for j in range(q):
                    cross[slot, 0, j] += w * x[i, j]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def gram(low: int, high: int, x: Any, weight: Any, out: Any) -> None:
    """Add Σ w x xᵀ over rows low … high - 1 to `out`: the lower half only.

    A BLAS call is faster on an idle machine and many times slower on a busy one, where its threads
    wait for one another.
    """
    q = x.shape[1]
    for i in range(low, high):
        for j in range(q):
            wx = weight[i] * x[i, j]
            if wx != 0.0:
                for k in range(j + 1):
                    out[j, k] += wx * x[i, k]


@njit(cache=True, nogil=True, error_model="numpy")
def trace(
    low: int, high: int, link: int,
    first_cell: Any, stratum: Any, entry: Any, time: Any, event: Any, n_month: int,
    eta: Any, z: Any, first_row: Any, gamma: Any, level: Any, used: Any, table: Any,
    out: Any, plain: Any, moving: Any,
) -> None:  # fmt: skip
    """Follow one unit of every cell: Σ_months u · (table row of the slot, 1, z).

    `table` (S M, K, Q) gives `out` (C, Q) = Σ_m Σ_k u_k table[slot, k]; `plain` (C, K) = Σ_m u_k;
    `moving` (C, K, d) = Σ_m u_k z. A month survived has u_k = -μ (cloglog) or -h_k.
    """
    n_cause, d, width = eta.shape[1], z.shape[1], table.shape[2]
    so_far = np.zeros((n_month + 1, width))
    u_so_far = np.zeros((n_month + 1, n_cause))
    z_so_far = np.zeros((n_month + 1, n_cause, d))
    more = np.zeros((n_month + 1, n_cause))
    e = np.empty(n_cause)
    for i in range(low, high):
        begin, end = first_cell[i], first_cell[i + 1]
        first, last = entry[begin], time[begin]
        for c in range(begin, end):
            first, last = min(first, entry[c]), max(last, time[c])
        so_far[first] = 0.0
        u_so_far[first] = 0.0
        z_so_far[first] = 0.0
        for m in range(first + 1, last + 1):
            slot = stratum[i] * n_month + m - 1
            for j in range(width):
                so_far[m, j] = so_far[m - 1, j]
            for k in range(n_cause):
                u_so_far[m, k] = u_so_far[m - 1, k]
                more[m, k] = 0.0
                for j in range(d):
                    z_so_far[m, k, j] = z_so_far[m - 1, k, j]
            if not used[slot]:
                continue
            sum_e = 1.0
            for k in range(n_cause):
                e[k] = eta[i, k] + level[slot, k]
                for j in range(d):
                    e[k] += gamma[k, j] * z[first_row[i] + m, j]
                e[k] = np.exp(e[k])
                sum_e += e[k]
            for k in range(n_cause):
                if link == CLOGLOG:
                    u = -e[k]
                    # at the event u is g instead: this much more
                    more[m, k] = e[k] + (e[k] / np.expm1(e[k]) if e[k] > 0 else 1.0)
                else:
                    u = -e[k] / sum_e
                    more[m, k] = 1.0
                u_so_far[m, k] += u
                for j in range(width):
                    so_far[m, j] += u * table[slot, k, j]
                for j in range(d):
                    z_so_far[m, k, j] += u * z[first_row[i] + m, j]
        for c in range(begin, end):
            a, b = entry[c], time[c]
            for j in range(width):
                out[c, j] = so_far[b, j] - so_far[a, j]
            for k in range(n_cause):
                plain[c, k] = u_so_far[b, k] - u_so_far[a, k]
                for j in range(d):
                    moving[c, k, j] = z_so_far[b, k, j] - z_so_far[a, k, j]
            if event[c] > 0:
                k, slot = event[c] - 1, stratum[i] * n_month + b - 1
                plain[c, k] += more[b, k]
                for j in range(width):
                    out[c, j] += more[b, k] * table[slot, k, j]
                for j in range(d):
                    moving[c, k, j] += more[b, k] * z[first_row[i] + b, j]
