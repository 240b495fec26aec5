"""From months to parameters: what the compiled likelihoods of a shared frailty have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])

#: For functions that only compiled code calls: wrappers for Python would double the compilation.
_OPTIONS: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
}


def inner(function: Function) -> Function:
    """Compile a function for compiled callers only."""
    compiled: Function = njit(**_OPTIONS)(function)
    return compiled


@inner
def collect_months(
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


@inner
def project(
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


@inner
def add_squares(
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


@inner
def scatter(
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
