"""Loops over cells and patterns, compiled; each is a few lines of sums.

They run on a range of cells or patterns, so that ranges can be given to several threads.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

#: Rows whose columns are laid side by side in the cache, so that sums over rows vectorise.
_STRIP = 256
#: Sums may be taken in any order; infinities and NaN keep their meaning.
_SUMS = {"reassoc", "contract"}


@nb.njit(cache=True, nogil=True, fastmath=_SUMS)
def predict(
    x: Any, centre: Any, coefficients: Any, offset: Any, offset_centre: float,
    low: int, high: int, out: Any,
) -> None:  # fmt: skip
    """Write (x - centre)'b + offset - offset_centre of patterns low … high-1."""
    for i in range(low, high):
        total = offset[i] - offset_centre
        for j in range(x.shape[1]):
            total += (x[i, j] - centre[j]) * coefficients[j]
        out[i] = total


@nb.njit(cache=True, nogil=True)
def add_spread(x: Any, centre: Any, weight: Any, low: int, high: int, total: Any) -> None:
    """Add Σ weight (x - centre)² of patterns low … high-1 to `total`, (p,)."""
    for i in range(low, high):
        for j in range(x.shape[1]):
            total[j] += weight[i] * (x[i, j] - centre[j]) ** 2


@nb.njit(cache=True, nogil=True)
def add_risk(
    x: Any, centre: Any, risk: Any, pattern: Any, n: Any, place: Any, event: Any,
    low: int, high: int, sums: Any, event_sums: Any,
) -> None:  # fmt: skip
    """Add n r (1, x - centre) to `sums` at each cell's place, for events to `event_sums` too.

    Both (T, 1 + p). Cells with a negative place are left out; `event` of length 0 is nobody's.
    """
    p = x.shape[1]
    for c in range(low, high):
        k = place[c]
        if k < 0:
            continue
        i = pattern[c]
        w = n[c] * risk[i]
        sums[k, 0] += w
        for j in range(p):
            sums[k, j + 1] += w * (x[i, j] - centre[j])
        if len(event) and event[c]:
            event_sums[k, 0] += w
            for j in range(p):
                event_sums[k, j + 1] += w * (x[i, j] - centre[j])


@nb.njit(cache=True, nogil=True)
def expose(
    lived: Any, own: Any, last: Any, before: Any, event: Any, pattern: Any, n: Any, risk: Any,
    low: int, high: int, exposure: Any, expected: Any, residual: Any,
) -> None:  # fmt: skip
    """Write the hazard A that cells live through, and add it up over the cells of a pattern.

    `lived` is the running sum of the hazard in the stratum, `own` what an event's own time takes
    off. `expected` gains n r A and `residual` n (event - r A), (P,) each. `before` may be empty.
    """
    truncated = len(before) > 0
    for c in range(low, high):
        k = last[c]
        a = 0.0
        if k >= 0:
            a = lived[k]
            if truncated and before[c] >= 0:
                a -= lived[before[c]]
            if event[c]:
                a += own[k]
        exposure[c] = a
        i = pattern[c]
        e = n[c] * risk[i] * a
        expected[i] += e
        residual[i] += (n[c] if event[c] else 0.0) - e


@nb.njit(cache=True, nogil=True, fastmath=_SUMS)
def add_square(
    x: Any, centre: Any, weight: Any, factor: Any, low: int, high: int, square: Any, total: Any
) -> None:
    """Add Σ weight v v' to `square`, lower triangle (p, p), and Σ factor v to `total`, (p,).

    v = x - centre, over patterns low … high-1.
    """
    p = x.shape[1]
    strip, weighted = np.empty((p, _STRIP)), np.empty(_STRIP)
    for start in range(low, high, _STRIP):
        size = min(_STRIP, high - start)
        for i in range(size):
            for a in range(p):
                strip[a, i] = x[start + i, a] - centre[a]
        for a in range(p):
            score = 0.0
            for i in range(size):
                weighted[i] = weight[start + i] * strip[a, i]
                score += factor[start + i] * strip[a, i]
            total[a] += score
            for b in range(a + 1):
                product = 0.0
                for i in range(size):
                    product += weighted[i] * strip[b, i]
                square[a, b] += product


@nb.njit(cache=True, nogil=True)
def score_residuals(
    x: Any, centre: Any, risk: Any, pattern: Any, last: Any, before: Any, event: Any,
    exposure: Any, pull: Any, pull_own: Any, own_mean: Any, low: int, high: int, out: Any,
) -> None:  # fmt: skip
    """Write the score residuals of cells low … high-1, (high - low, p).

    event (v - own mean) - r (v A - B), with v = x - centre, A the hazard and B = ∫ mean dΛ over
    the time at risk: `pull` is B from the start of the stratum, `pull_own` what an event's own
    time adds to it. `before` may be empty.
    """
    p = x.shape[1]
    truncated = len(before) > 0
    for c in range(low, high):
        k = last[c]
        row = c - low
        if k < 0:
            for j in range(p):
                out[row, j] = 0.0
            continue
        i = pattern[c]
        m = before[c] if truncated else -1
        r, a = risk[i], exposure[c]
        for j in range(p):
            v = x[i, j] - centre[j]
            b = pull[k, j]
            if event[c]:
                b += pull_own[k, j]
            if m >= 0:
                b -= pull[m, j]
            u = r * (b - v * a)
            if event[c]:
                u += v - own_mean[k, j]
            out[row, j] = u


@nb.njit(cache=True, nogil=True)
def add_means(
    weight: Any, deaths: Any, first: Any, second: Any, at_risk: Any, at_risk_x: Any,
    dying: Any, dying_x: Any, efron: bool, square: Any,
) -> None:  # fmt: skip
    """Add Σ_t weight Σ_j x̄_j x̄_j' to `square`, lower triangle (p, p); see `Means`."""
    p = at_risk_x.shape[1]
    mean, drift = np.empty(p), np.zeros(p)
    for t in range(len(weight)):
        for a in range(p):
            if efron:
                mean[a] = dying_x[t, a] / dying[t] if dying[t] > 0 else 0.0
                drift[a] = at_risk_x[t, a] - mean[a] * at_risk[t]
            else:
                mean[a] = at_risk_x[t, a] / at_risk[t]
        d, f, s = weight[t] * deaths[t], weight[t] * first[t], weight[t] * second[t]
        for a in range(p):
            with_mean, with_drift = d * mean[a] + f * drift[a], f * mean[a] + s * drift[a]
            for b in range(a + 1):
                square[a, b] += with_mean * mean[b] + with_drift * drift[b]


@nb.njit(cache=True, nogil=True)
def sum_forth(values: Any, first: Any, out: Any) -> None:
    """Write running sums of `values`, (T, K), that start anew at the `first` row of a stratum."""
    for t in range(len(first)):
        for k in range(values.shape[1]):
            out[t, k] = values[t, k] + (out[t - 1, k] if t > first[t] else 0.0)


@nb.njit(cache=True, nogil=True)
def sum_back(values: Any, first: Any, out: Any) -> None:
    """Write sums of `values`, (T, K), from the end of each stratum backwards.

    What rounding takes from a sum is kept and given back (Neumaier 1974): with late entry a risk
    set may be a small difference of large sums.
    """
    n_times, width = values.shape
    total, lost = np.zeros(width), np.zeros(width)
    for t in range(n_times - 1, -1, -1):
        if t < n_times - 1 and first[t + 1] != first[t]:
            for k in range(width):
                total[k], lost[k] = 0.0, 0.0
        for k in range(width):
            value, before = values[t, k], total[k]
            total[k] = before + value
            if abs(before) >= abs(value):
                lost[k] += (before - total[k]) + value
            else:
                lost[k] += (value - total[k]) + before
            out[t, k] = total[k] + lost[k]


@nb.njit(cache=True, nogil=True)
def add_clusters(
    code: Any, cell: Any, weight: Any, last: Any, before: Any, event: Any, risk: Any,
    lived: Any, jump: Any, own_less: Any, first: Any, row: int, sums: Any,
) -> None:  # fmt: skip
    """Add w m_c(t) of each row of the data to its cluster in `sums`, t the time at `row`.

    Rows of other strata, whose times have another `first`, are left out.
    """
    for i in range(len(cell)):
        c = cell[i]
        k = last[c]
        start = before[c] if len(before) else -1
        if k < 0 or first[k] != first[row] or start >= row:
            continue
        until = min(k, row)
        m = -risk[c] * (lived[until] - (lived[start] if start >= 0 else 0.0))
        if event[c] and k <= row:
            m += jump[k] + risk[c] * own_less[k]
        sums[code[i]] += weight[i] * m
