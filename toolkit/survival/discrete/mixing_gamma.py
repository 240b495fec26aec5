"""Compiled likelihood of units that share a gamma frailty; import only where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from toolkit.survival.discrete.mixing import add_squares, collect_months, inner, project, scatter


@inner
def _laplace(theta: float, a: float) -> tuple[float, float, float, float, float, float]:
    """Return φ(a) = -log(1 + θ a) / θ and its derivatives: a, aa, θ, aθ, θθ."""
    c = theta * a
    one = 1 + c
    if c < 0.05:  # where the closed forms of the derivatives in θ cancel: φ = -a Σ (-c)^k / (k + 1)
        phi, by, twice, power = 0.0, 0.0, 0.0, 1.0
        for k in range(14):
            phi -= a * power / (k + 1)
            by += a**2 * power * (k + 1) / (k + 2)
            twice -= a**3 * power * (k + 2) * (k + 1) / (k + 3)
            power *= -c
    else:
        log = np.log1p(c)
        phi = -log / theta
        by = log / theta**2 - a / (theta * one)
        twice = -2 * log / theta**3 + 2 * a / (theta**2 * one) + a**2 / (theta * one**2)
    return phi, -1 / one, theta / one**2, by, a / one**2, twice


@njit(cache=True, nogil=True, error_model="numpy")
def gamma_units(
    low: int, high: int, first: Any, weight: Any, parent: Any,
    pattern: Any, entry: Any, time: Any, event: Any, stratum: Any, n_month: int, longest: int,
    eta: Any, x: Any, z: Any, first_row: Any, gamma: Any, level: Any, block: Any, basis: Any,
    n_block: int, rho: float, score: Any, hessian: Any, by_unit: Any,
) -> float:  # fmt: skip
    """Integrate over a gamma frailty of mean 1 and variance θ = e^ρ: a closed form (Meyer 1990).

    With A the sum of μ over the months stayed, d the μ of the month left in, and
    φ(a) = -log(1 + θ a) / θ: l = φ(A) for who stayed, log(e^{φ(A)} - e^{φ(A + d)}) for who left.
    """
    q, d, b = x.shape[1], z.shape[1], basis.shape[1]
    fixed = q + d
    last = fixed + n_block * b
    theta = np.exp(rho)
    line, slot = np.empty(longest), np.empty(longest, np.int64)
    local, own = np.empty(longest, np.int64), np.empty(longest, np.int64)
    moment, left = np.empty(longest, np.int64), np.empty(longest, np.bool_)
    place, touched = np.full(n_block, -1), np.empty(n_block, np.int64)
    width = fixed + min(n_block, longest) * b + 1
    stay, leave, both = np.empty(longest), np.empty(longest), np.empty(longest)
    by_stay, by_leave = np.empty(width), np.empty(width)
    score_here, hessian_here = np.empty(width), np.empty((width, width))
    row, where = np.empty(fixed + 1), np.empty(width, np.int64)
    total = 0.0
    for unit in range(low, high):
        length, n = collect_months(
            first[unit], first[unit + 1], pattern, entry, time, event, stratum, n_month, eta, z,
            first_row, gamma, level, block, place, touched, line, slot, local, left, own, moment,
        )  # fmt: skip
        for g in range(n):
            place[touched[g]] = -1
        if length == 0:
            continue
        size = fixed + n * b
        a, gone = 0.0, 0.0
        for t in range(length):
            mu = np.exp(line[t])
            stay[t] = 0.0 if left[t] else mu
            leave[t] = mu if left[t] else 0.0
            a += stay[t]
            gone += leave[t]
        f, f_a, f_aa, f_t, f_at, f_tt = _laplace(theta, a)
        value, g_a, g_d, g_t = f, f_a, 0.0, f_t
        h_aa, h_ad, h_dd, h_at, h_dt, h_tt = f_aa, 0.0, 0.0, f_at, 0.0, f_tt
        if gone > 0:
            s, s_a, s_aa, s_t, s_at, s_tt = _laplace(theta, a + gone)
            value = f + np.log(-np.expm1(s - f))
            p = -1 / np.expm1(s - f)  # e^φ(A) over the difference; the other weighs 1 - p
            o = 1 - p
            g_a, g_d, g_t = p * f_a + o * s_a, o * s_a, p * f_t + o * s_t
            h_aa = p * (f_aa + f_a * f_a) + o * (s_aa + s_a * s_a) - g_a * g_a
            h_ad = o * (s_aa + s_a * s_a) - g_a * g_d
            h_dd = o * (s_aa + s_a * s_a) - g_d * g_d
            h_at = p * (f_at + f_a * f_t) + o * (s_at + s_a * s_t) - g_a * g_t
            h_dt = o * (s_at + s_a * s_t) - g_d * g_t
            h_tt = p * (f_tt + f_t * f_t) + o * (s_tt + s_t * s_t) - g_t * g_t
        total += weight[unit] * value
        for t in range(length):
            both[t] = g_a * stay[t] + g_d * leave[t]
        project(length, stay, x, z, basis, slot, local, own, moment, size, by_stay)
        project(length, leave, x, z, basis, slot, local, own, moment, size, by_leave)
        for j in range(size):
            score_here[j] = g_a * by_stay[j] + g_d * by_leave[j]
            left_side = h_aa * by_stay[j] + h_ad * by_leave[j]
            right_side = h_ad * by_stay[j] + h_dd * by_leave[j]
            for k in range(size):
                hessian_here[j, k] = left_side * by_stay[k] + right_side * by_leave[k]
            bend = theta * (h_at * by_stay[j] + h_dt * by_leave[j])
            hessian_here[j, size] = hessian_here[size, j] = bend
        score_here[size] = theta * g_t
        hessian_here[size, size] = theta * g_t + theta * theta * h_tt
        add_squares(
            length, both, x, z, basis, slot, local, own, moment, row, hessian_here,
        )  # fmt: skip
        scatter(
            weight[unit], n, fixed, b, touched, score_here, hessian_here, score, hessian,
            by_unit, parent[unit], last, where,
        )  # fmt: skip
    return total
