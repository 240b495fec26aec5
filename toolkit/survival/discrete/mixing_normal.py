"""Compiled likelihood of units that share a normal intercept; import only where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from toolkit.survival.discrete.mixing import add_squares, collect_months, inner, project, scatter

CLOGLOG, LOGIT = 0, 1

#: Points of an integral at most: half of them on either side of the mode.
MOST_POINTS = 400


@inner
def _month(link: int, e: float, left: bool) -> tuple[float, float, float]:
    """Return log-likelihood of a month, its slope in the predictor, and minus its bend."""
    if link == CLOGLOG:
        mu = np.exp(e)
        if not left:
            return -mu, -mu, mu
        g = mu / np.expm1(mu) if mu > 0 else 1.0
        return (np.log(-np.expm1(-mu)) if mu > 1e-300 else e), g, g * (g + mu - 1)
    h = 1 / (1 + np.exp(-e))
    value = -(np.log1p(np.exp(-abs(e))) + max(e, 0.0))
    if left:
        return value + e, 1 - h, h * (1 - h)
    return value, -h, h * (1 - h)


@njit(cache=True, nogil=True, error_model="numpy")
def normal_units(
    low: int, high: int, link: int, first: Any, weight: Any, parent: Any,
    pattern: Any, entry: Any, time: Any, event: Any, stratum: Any, n_month: int, longest: int,
    eta: Any, x: Any, z: Any, first_row: Any, gamma: Any, level: Any, block: Any, basis: Any,
    n_block: int, rho: float, spacing: float, score: Any, hessian: Any, by_unit: Any,
) -> float:  # fmt: skip
    """Integrate over a normal intercept σ z, σ = e^ρ, by an adaptive trapezoidal rule.

    Points stand around the mode of a unit's integrand, at most `spacing` of its standard deviations
    apart, on both sides until it has fallen to nothing. For a smooth integrand that does so the
    error falls exponentially with 1 / spacing (Trefethen and Weideman 2014, section 5);
    Gauss–Hermite points around the mode fail where one side is a plateau (a person who leaves at
    every chance).
    Score and second derivatives are means under the posterior (Louis 1982):
    E[∂²l] + E[∂l ∂lᵀ] - E[∂l] E[∂l]ᵀ.
    """
    q, d, b, n_node = x.shape[1], z.shape[1], basis.shape[1], MOST_POINTS
    fixed = q + d
    last = fixed + n_block * b
    sd = np.exp(rho)
    line, slot = np.empty(longest), np.empty(longest, np.int64)
    local, own = np.empty(longest, np.int64), np.empty(longest, np.int64)
    moment, left = np.empty(longest, np.int64), np.empty(longest, np.bool_)
    place, touched = np.full(n_block, -1), np.empty(n_block, np.int64)
    width = fixed + min(n_block, longest) * b + 1
    u, w = np.empty((n_node, longest)), np.empty((n_node, longest))
    mean_w, mean_wz = np.empty(longest), np.empty(longest)
    at, value, share = np.empty(n_node), np.empty(n_node), np.empty(n_node)
    each, bend = np.empty((n_node, width)), np.empty(width)
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
        mode, curve = 0.0, 1.0
        for _ in range(50):
            slope, curve = -mode, 1.0
            for t in range(length):
                _, a, c = _month(link, line[t] + sd * mode, left[t])
                slope += sd * a
                curve += sd * sd * c
            step = min(max(slope / curve, -3.0), 3.0)
            mode += step
            if abs(step) < 1e-6:
                break
        # h grows without bound in the complex plane from π / 2σ off the real line on, which makes
        # the error exp(-π² / (σ wide)); that of a normal curve is exp(-2 π² / (curve wide²))
        wide = spacing * min(1 / np.sqrt(curve), 0.55 / sd)
        n_node, most = 0, -np.inf
        for side in (1.0, -1.0):
            k = 0 if side > 0 else 1
            while n_node < MOST_POINTS - (MOST_POINTS // 2 if side > 0 else 0):
                at[n_node] = mode + side * k * wide
                value[n_node] = -(at[n_node] ** 2) / 2
                for t in range(length):
                    a, u[n_node, t], w[n_node, t] = _month(link, line[t] + sd * at[n_node], left[t])
                    value[n_node] += a
                most = max(most, value[n_node])
                n_node += 1
                k += 1
                if value[n_node - 1] < most - 34:  # 1e-15 of the highest
                    break
        mass = 0.0
        for k in range(n_node):
            share[k] = np.exp(value[k] - most)
            mass += share[k]
        total += weight[unit] * (most + np.log(mass * wide / np.sqrt(2 * np.pi)))
        for j in range(size + 1):
            score_here[j] = 0.0
            for other in range(size + 1):
                hessian_here[j, other] = 0.0
        for t in range(length):
            mean_w[t] = mean_wz[t] = 0.0
        for k in range(n_node):
            share[k] /= mass
            project(length, u[k], x, z, basis, slot, local, own, moment, size, each[k])
            all_u, all_w = 0.0, 0.0
            for t in range(length):
                all_u += u[k, t]
                all_w += w[k, t]
                mean_w[t] -= share[k] * w[k, t]
                mean_wz[t] -= share[k] * w[k, t] * sd * at[k]
            each[k, size] = sd * at[k] * all_u
            for j in range(size + 1):
                score_here[j] += share[k] * each[k, j]
            hessian_here[size, size] += share[k] * (sd * at[k] * all_u - (sd * at[k]) ** 2 * all_w)
        for k in range(n_node):
            for j in range(size + 1):
                off = share[k] * (each[k, j] - score_here[j])
                for other in range(j + 1):
                    hessian_here[j, other] += off * (each[k, other] - score_here[other])
        for j in range(size + 1):
            for other in range(j):
                hessian_here[other, j] = hessian_here[j, other]
        add_squares(
            length, mean_w, x, z, basis, slot, local, own, moment, row, hessian_here,
        )  # fmt: skip
        project(length, mean_wz, x, z, basis, slot, local, own, moment, size, bend)
        for j in range(size):
            hessian_here[j, size] += bend[j]
            hessian_here[size, j] += bend[j]
        scatter(
            weight[unit], n, fixed, b, touched, score_here, hessian_here, score, hessian,
            by_unit, parent[unit], last, where,
        )  # fmt: skip
    return total
