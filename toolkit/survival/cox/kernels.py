"""Loops over cells and patterns, compiled; each is a few lines of sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb

if TYPE_CHECKING:
    from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def add_risk(
    x: NDArray[Any], mean: NDArray[Any], risk: NDArray[Any], pattern: NDArray[Any],
    n: NDArray[Any], place: NDArray[Any], chosen: NDArray[Any],
    sums: NDArray[Any], moments: NDArray[Any],
) -> None:  # fmt: skip
    """Add n r to `sums`, (T,), and n r (x - mean) to `moments`, (T, p), at each cell's place.

    Cells with a negative place, or not `chosen`, are left out.
    """
    p = x.shape[1]
    for c in range(len(place)):
        k = place[c]
        if k < 0 or not chosen[c]:
            continue
        i = pattern[c]
        w = n[c] * risk[i]
        sums[k] += w
        for j in range(p):
            moments[k, j] += w * (x[i, j] - mean[j])


@nb.njit(cache=True, nogil=True)
def add_up_patterns(
    pattern: NDArray[Any], n: NDArray[Any], exposure: NDArray[Any], event: NDArray[Any],
    risk: NDArray[Any], expected: NDArray[Any], residual: NDArray[Any],
) -> None:  # fmt: skip
    """Add n r A to `expected` and n (event - r A) to `residual`, (P,), over a pattern's cells."""
    for c in range(len(pattern)):
        i = pattern[c]
        e = n[c] * risk[i] * exposure[c]
        expected[i] += e
        residual[i] += (n[c] if event[c] else 0.0) - e


@nb.njit(cache=True, nogil=True)
def score_residuals(
    x: NDArray[Any], mean: NDArray[Any], risk: NDArray[Any], pattern: NDArray[Any],
    last: NDArray[Any], before: NDArray[Any], event: NDArray[Any],
    exposure: NDArray[Any], pull: NDArray[Any], pull_own: NDArray[Any], own_mean: NDArray[Any],
    low: int, high: int, out: NDArray[Any],
) -> None:  # fmt: skip
    """Write the score residuals of cells low … high-1, (high - low, p).

    event (x - own mean) - r (x A - B), with A the hazard and B = ∫ mean dΛ over the time at risk:
    `pull` is B from the start of the stratum, `pull_own` what an event's own time adds to it.
    """
    p = x.shape[1]
    for c in range(low, high):
        k = last[c]
        row = c - low
        if k < 0:
            for j in range(p):
                out[row, j] = 0.0
            continue
        i = pattern[c]
        m = before[c]
        r = risk[i]
        a = exposure[c]
        for j in range(p):
            v = x[i, j] - mean[j]
            b = pull[k, j] + (pull_own[k, j] if event[c] else 0.0)
            if m >= 0:
                b -= pull[m, j]
            u = r * (b - v * a)
            if event[c]:
                u += v - own_mean[k, j]
            out[row, j] = u
