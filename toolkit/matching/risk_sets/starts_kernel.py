"""Compiled likelihood of starting in a month, and what it foretells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@nb.njit(cache=True, nogil=True)
def add_runs(
    x: Array, first: Array, last: Array, starts: Array, weight: Array, slot: Array, low: int,
    beta: Array, alpha: Array, begin: int, end: int,
) -> tuple[float, Array, Array, Array, Array, Array]:  # fmt: skip
    """Add up the log-likelihood of a logit with an intercept a month, over runs begin … end.

    With η = x'β + α_m, p = 1 / (1 + e^(-η)) and w = p (1 - p), over runs and their months:

    Returns
    -------
    value, score (p,), core (p, p), tip (M, p), rest (M,), peak (M,)
        Σ log-likelihood; Σ (y - p) x; Σ w x x'; by month Σ w x, Σ (y - p) and Σ w.

    What does not change within a run is multiplied once a run, not once a month.
    """
    p, n_month = x.shape[1], len(alpha)
    value = 0.0
    score = np.zeros(p)
    core = np.zeros((p, p))
    tip = np.zeros((n_month, p))
    rest = np.zeros(n_month)
    peak = np.zeros(n_month)
    row = np.empty(p)
    for r in range(begin, end):
        line = 0.0
        for j in range(p):
            row[j] = x[r, j]
            line += row[j] * beta[j]
        each = weight[r] if len(weight) > 1 else weight[0]
        sum_w = 0.0
        sum_rest = 0.0
        for month in range(first[r], last[r] + 1):
            m = slot[month - low]
            if m < 0:
                continue
            eta = line + alpha[m]
            small = np.exp(-abs(eta))
            top = 1.0 / (1.0 + small)
            chance = top if eta > 0 else small * top
            off = -chance
            value -= each * (np.log1p(small) + max(eta, 0.0))
            if starts[r] and month == last[r]:
                off += 1.0
                value += each * eta
            w = each * chance * (1.0 - chance)
            sum_w += w
            sum_rest += each * off
            rest[m] += each * off
            peak[m] += w
            at = tip[m]
            for j in range(p):
                at[j] += w * row[j]
        for j in range(p):
            score[j] += sum_rest * row[j]
            scaled = sum_w * row[j]
            for k in range(j + 1):
                core[j, k] += scaled * row[k]
    return value, score, core, tip, rest, peak


@nb.njit(cache=True, nogil=True)
def lines(x: Array, at: Array, beta: Array) -> Array:
    """Return x'β of some rows, each added up in the same way whatever rows are beside it."""
    out = np.zeros(len(at))
    for i in range(len(at)):
        for j in range(x.shape[1]):
            out[i] += x[at[i], j] * beta[j]
    return out
