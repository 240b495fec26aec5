"""Compiled loops of standardised curves; times run outside and units inside, so they vectorise.

Products are summed here and not by BLAS: for matrices this narrow its threads cost more than they
bring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: 1/k!, k = 9 … 0, with the sign of (-h)^k: Taylor's series of exp(-h), right to 3e-16 at 1/8.
_SERIES = (-1 / 362880, 1 / 40320, -1 / 5040, 1 / 720, -1 / 120, 1 / 24, -1 / 6, 1 / 2, -1.0, 1.0)


@nb.njit(cache=True, nogil=True)
def _fall(ratio: NDArray[Any], step: NDArray[Any], past: NDArray[Any], now: NDArray[Any]) -> None:
    """Write past exp(-ratio step), for ratio step ≤ 1; a loop of its own, to be vectorised."""
    for i in range(ratio.shape[0]):
        h = ratio[i] * step[i] * 0.125
        p = _SERIES[0]
        p = p * h + _SERIES[1]
        p = p * h + _SERIES[2]
        p = p * h + _SERIES[3]
        p = p * h + _SERIES[4]
        p = p * h + _SERIES[5]
        p = p * h + _SERIES[6]
        p = p * h + _SERIES[7]
        p = p * h + _SERIES[8]
        p = p * h + _SERIES[9]
        p *= p
        p *= p
        p *= p
        now[i] = past[i] * p


@nb.njit(cache=True, nogil=True)
def fill_survival(
    ratio: NDArray[Any], stratum: NDArray[Any], hazard: NDArray[Any], out: NDArray[Any]
) -> None:
    """Write exp(-ρ Λ_s(t)), (T, M), for units with these ratios and strata; `hazard` is (S, T).

    From one time to the next S falls by exp(-z), z = ρ dΛ. Up to z = 1 that is the 8th power of a
    short series in z / 8, several times as fast as exp(); a larger step starts anew.
    """
    step = np.empty(len(ratio))
    most = 0.0
    for i in range(len(ratio)):
        most = max(most, ratio[i])
    for j in range(hazard.shape[1]):
        largest = 0.0
        for s in range(hazard.shape[0]):
            largest = max(largest, hazard[s, j] - (hazard[s, j - 1] if j else 0.0))
        if j == 0 or most * largest > 1.0:
            for i in range(len(ratio)):
                out[j, i] = np.exp(-ratio[i] * hazard[stratum[i], j])
            continue
        for i in range(len(ratio)):
            step[i] = hazard[stratum[i], j] - hazard[stratum[i], j - 1]
        _fall(ratio, step, out[j - 1], out[j])


@nb.njit(cache=True, nogil=True)
def add_means(
    survival: NDArray[Any], weight: NDArray[Any], ratio: NDArray[Any], x: NDArray[Any],
    total: NDArray[Any], slope: NDArray[Any], pull: NDArray[Any],
) -> None:  # fmt: skip
    """Add w S to `total` and w S ρ to `slope`, (T,), and w S ρ x to `pull`, (T, p).

    `survival` is (T, M); `weight`, `ratio` (M,) and `x` (M, p) are those of the units.
    """
    p = x.shape[1]
    for j in range(survival.shape[0]):
        a, b = 0.0, 0.0
        row = np.zeros(p)
        for i in range(survival.shape[1]):
            v = weight[i] * survival[j, i]
            a += v
            v *= ratio[i]
            b += v
            for k in range(p):
                row[k] += v * x[i, k]
        total[j] += a
        slope[j] += b
        pull[j] += row


@nb.njit(cache=True, nogil=True)
def add_coefficients(dfbeta: NDArray[Any], pull: NDArray[Any], out: NDArray[Any]) -> None:
    """Take off `out`, (T, M), what the coefficients do: `pull` (T, p) times `dfbeta` (p, M)."""
    for j in range(out.shape[0]):
        for k in range(pull.shape[1]):
            slope = pull[j, k]
            for i in range(out.shape[1]):
                out[j, i] -= slope * dfbeta[k, i]


@nb.njit(cache=True, nogil=True)
def add_baseline(
    stratum: NDArray[Any], last: NDArray[Any], before: NDArray[Any], event: NDArray[Any],
    risk: NDArray[Any], row: NDArray[Any], lived: NDArray[Any], jump: NDArray[Any],
    own_less: NDArray[Any], slope: NDArray[Any], out: NDArray[Any],
) -> None:  # fmt: skip
    """Take off `out`, (T, M), how one unit moves the mean through the baseline: slope m.

    m(t) = ∫ (dN - r dΛ) / S_j up to t of its own stratum (see `toolkit.survival.cox.hazard`).

    Parameters
    ----------
    stratum, last, before, event, risk : (M,) arrays
        Of the cells: stratum, event times on the axis, whether it has the event, ratio r.
    row : (S, T) array
        Last event time of a stratum at or before each time, -1 before the first.
    lived : (K + 1,) array
        Running sum of w̄ Σ_j 1/S_j² over event times; the last one is 0, for row -1.
    jump, own_less : (K,) arrays
        What an event of that time adds to the hazard, and the exposure it is spared (Efron).
    slope : (S, T) array
        Σ w S ρ / W over the population, by stratum.
    """
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            s = stratum[i]
            at = row[s, j]
            until = min(at, last[i])
            if until > before[i]:
                m = risk[i] * (lived[before[i]] - lived[until])
                if event[i] and at >= last[i]:
                    m += jump[last[i]] + risk[i] * own_less[last[i]]
                out[j, i] -= slope[s, j] * m
