"""Compiled likelihoods of units (persons) who share a frailty; import only where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])

CLOGLOG, LOGIT = 0, 1

#: Points of an integral at most: half of them on either side of the mode.
MOST_POINTS = 400

#: For functions that only compiled code calls: wrappers for Python would double the compilation.
_OPTIONS: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
}


def _inner(function: Function) -> Function:
    compiled: Function = njit(**_OPTIONS)(function)
    return compiled


@_inner
def _collect(
    begin: int, end: int, pattern: Any, entry: Any, time: Any, event: Any, stratum: Any,
    n_month: int, eta: Any, z: Any, first_row: Any, gamma: Any, level: Any, block: Any,
    place: Any, touched: Any, line: Any, slot: Any, local: Any, left: Any, own: Any, moment: Any,
) -> tuple[int, int]:  # fmt: skip
    """List the months of rows begin … end - 1: predictor, slot, block (numbered anew), event."""
    length, n = 0, 0
    for r in range(begin, end):
        i = pattern[r]
        for m in range(entry[r] + 1, time[r] + 1):
            s = stratum[i] * n_month + m - 1
            g = block[s]
            if g < 0:
                continue
            e = eta[i] + level[s]
            for j in range(z.shape[1]):
                e += gamma[j] * z[first_row[i] + m, j]
            if place[g] < 0:
                place[g] = n
                touched[n] = g
                n += 1
            line[length], slot[length], local[length] = e, s, place[g]
            left[length] = event[r] > 0 and m == time[r]
            own[length], moment[length] = i, first_row[i] + m
            length += 1
    return length, n


@_inner
def _project(
    length: int, v: Any, x: Any, z: Any, basis: Any, slot: Any, local: Any, own: Any, moment: Any,
    size: int, out: Any,
) -> None:  # fmt: skip
    """Turn a vector over months into one over the parameters: Σ v_t (x, z, basis)_t."""
    q, d, b = x.shape[1], z.shape[1], basis.shape[1]
    for j in range(size):
        out[j] = 0.0
    together = 0.0
    for t in range(length):
        together += v[t]
        if t == length - 1 or own[t + 1] != own[t]:
            for j in range(q):
                out[j] += together * x[own[t], j]
            together = 0.0
        for j in range(d):
            out[q + j] += v[t] * z[moment[t], j]
        for j in range(b):
            out[q + d + local[t] * b + j] += v[t] * basis[slot[t], j]


@_inner
def _square(
    length: int, v: Any, x: Any, z: Any, basis: Any, slot: Any, local: Any, own: Any, moment: Any,
    row: Any, out: Any,
) -> None:  # fmt: skip
    """Add Σ v_t (x, z, basis)_t (x, z, basis)_tᵀ to `out`."""
    q, d, b = x.shape[1], z.shape[1], basis.shape[1]
    together = 0.0
    for t in range(length):
        together += v[t]
        if t == length - 1 or own[t + 1] != own[t]:
            for j in range(q):
                for k in range(q):
                    out[j, k] += together * x[own[t], j] * x[own[t], k]
            together = 0.0
        for j in range(q):
            row[j] = x[own[t], j]
        for j in range(d):
            row[q + j] = z[moment[t], j]
        at = q + d + local[t] * b
        for j in range(b):
            half = v[t] * basis[slot[t], j]
            for k in range(q + d):
                out[k, at + j] += half * row[k]
                out[at + j, k] += half * row[k]
            for k in range(b):
                out[at + j, at + k] += half * basis[slot[t], k]
        for j in range(d):
            for k in range(q):
                out[q + j, k] += v[t] * row[q + j] * row[k]
                out[k, q + j] += v[t] * row[q + j] * row[k]
            for k in range(d):
                out[q + j, q + k] += v[t] * row[q + j] * row[q + k]


@_inner
def _scatter(
    weight: float, n: int, fixed: int, b: int, touched: Any, score_here: Any, hessian_here: Any,
    score: Any, hessian: Any, by_unit: Any, unit: int, last: int, where: Any,
) -> None:  # fmt: skip
    """Add a unit's score and second derivatives to everyone's."""
    size = fixed + n * b
    for j in range(fixed):
        where[j] = j
    for g in range(n):
        for j in range(b):
            where[fixed + g * b + j] = fixed + touched[g] * b + j
    where[size] = last
    for j in range(size + 1):
        score[where[j]] += weight * score_here[j]
        for k in range(size + 1):
            hessian[where[j], where[k]] += weight * hessian_here[j, k]
    if len(by_unit):
        sign = 1.0 if weight > 0 else -1.0
        for j in range(size + 1):
            by_unit[unit, where[j]] += sign * score_here[j]


@_inner
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
        length, n = _collect(
            first[unit],
            first[unit + 1],
            pattern,
            entry,
            time,
            event,
            stratum,
            n_month,
            eta,
            z,
            first_row,
            gamma,
            level,
            block,
            place,
            touched,
            line,
            slot,
            local,
            left,
            own,
            moment,
        )
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
            _project(length, u[k], x, z, basis, slot, local, own, moment, size, each[k])
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
        _square(
            length,
            mean_w,
            x,
            z,
            basis,
            slot,
            local,
            own,
            moment,
            row,
            hessian_here,
        )
        _project(length, mean_wz, x, z, basis, slot, local, own, moment, size, bend)
        for j in range(size):
            hessian_here[j, size] += bend[j]
            hessian_here[size, j] += bend[j]
        _scatter(
            weight[unit],
            n,
            fixed,
            b,
            touched,
            score_here,
            hessian_here,
            score,
            hessian,
            by_unit,
            parent[unit],
            last,
            where,
        )
    return total


@_inner
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
        length, n = _collect(
            first[unit],
            first[unit + 1],
            pattern,
            entry,
            time,
            event,
            stratum,
            n_month,
            eta,
            z,
            first_row,
            gamma,
            level,
            block,
            place,
            touched,
            line,
            slot,
            local,
            left,
            own,
            moment,
        )
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
        _project(length, stay, x, z, basis, slot, local, own, moment, size, by_stay)
        _project(length, leave, x, z, basis, slot, local, own, moment, size, by_leave)
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
        _square(
            length,
            both,
            x,
            z,
            basis,
            slot,
            local,
            own,
            moment,
            row,
            hessian_here,
        )
        _scatter(
            weight[unit],
            n,
            fixed,
            b,
            touched,
            score_here,
            hessian_here,
            score,
            hessian,
            by_unit,
            parent[unit],
            last,
            where,
        )
    return total
