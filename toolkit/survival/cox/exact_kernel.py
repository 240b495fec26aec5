"""The compiled recursion of the exact likelihood; what it does stands in `exact`."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)
def _add_unit(
    row: Any, eta: float, most: int, there: int, log_b: Any, mean: Any, variance: Any, step: Any
) -> None:
    """Add a unit to the choices of 1 … most; `there` units are in them already."""
    p = len(row)
    for k in range(min(most, there + 1), 0, -1):
        with_it = eta + log_b[k - 1]
        if k > there:
            log_b[k] = with_it
            for a in range(p):
                mean[k, a] = mean[k - 1, a] + row[a]
                for b in range(a + 1):
                    variance[k, a, b] = variance[k - 1, a, b]
            continue
        gap = with_it - log_b[k]
        if gap > 0:
            pi = 1 / (1 + np.exp(-gap))
            log_b[k] = with_it + np.log1p(np.exp(-gap))
        else:
            odds = np.exp(gap)
            pi = odds / (1 + odds)
            log_b[k] += np.log1p(odds)
        for a in range(p):
            step[a] = mean[k - 1, a] + row[a] - mean[k, a]
            for b in range(a + 1):
                variance[k, a, b] += pi * (
                    variance[k - 1, a, b] - variance[k, a, b] + (1 - pi) * step[a] * step[b]
                )
        for a in range(p):
            mean[k, a] += pi * step[a]


@nb.njit(cache=True, nogil=True)
def evaluate(
    x: Any, centre: Any, eta: Any, pattern: Any, n: Any, order: Any, last: Any, before: Any,
    event: Any, first: Any, deaths: Any, truncated: bool, log_b: Any,
    mean: Any, variance: Any, score: Any, information: Any,
) -> float:  # fmt: skip
    """Return the log-likelihood; add to `score`, (p,), and `information`, (p, p).

    `log_b`, (D + 1,), `mean` and `variance` are zeros, D the most deaths of a time.
    """
    n_times, p = len(deaths), x.shape[1]
    # deaths at this or an earlier time of the stratum: as far as the recursion has to go
    most = np.empty(n_times, np.int64)
    for t in range(n_times):
        most[t] = deaths[t]
        if not truncated and t > first[t]:
            most[t] = max(most[t], most[t - 1])
    row, step = np.empty(p), np.empty(p)
    loglik = 0.0
    at = 0  # next in `order`: cells by last event time, latest first
    there = 0
    for t in range(n_times - 1, -1, -1):
        if t == n_times - 1 or first[t + 1] != first[t] or truncated:
            there = 0
        if truncated:  # of the cells that last, some have not entered: start anew
            at = 0
        while at < len(order) and last[order[at]] >= t:
            c = order[at]
            at += 1
            if truncated and (before[c] >= t or first[last[c]] != first[t]):
                continue
            i = pattern[c]
            for a in range(p):
                row[a] = x[i, a] - centre[a]
            for _ in range(n[c]):
                _add_unit(row, eta[i], most[t], there, log_b, mean, variance, step)
                there += 1
            if event[c] and last[c] == t:
                loglik += n[c] * eta[i]
                for a in range(p):
                    score[a] += n[c] * row[a]
        d = deaths[t]
        loglik -= log_b[d]
        for a in range(p):
            score[a] -= mean[d, a]
            for b in range(a + 1):
                information[a, b] += variance[d, a, b]
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return loglik
