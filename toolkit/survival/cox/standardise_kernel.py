"""Compiled loops of standardised curves: a pass over the population, and one over the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def add_survival(
    weight: NDArray[Any], ratio: NDArray[Any], stratum: NDArray[Any], hazard: NDArray[Any],
    survival: NDArray[Any], slope: NDArray[Any], pull: NDArray[Any],
) -> None:  # fmt: skip
    """Add w S to `survival`, (T,), and w S ρ to `slope`, (S, T); write w S ρ Λ to `pull`, (M, T).

    `hazard`, (S, T), is Λ of a unit with ratio 1.
    """
    for i in range(len(weight)):
        s = stratum[i]
        for j in range(hazard.shape[1]):
            v = weight[i] * np.exp(-ratio[i] * hazard[s, j])
            survival[j] += v
            v *= ratio[i]
            slope[s, j] += v
            pull[i, j] = v * hazard[s, j]


@nb.njit(cache=True, nogil=True)
def add_influence(
    cells: NDArray[Any], pattern: NDArray[Any], own: NDArray[Any], last: NDArray[Any],
    before: NDArray[Any], event: NDArray[Any], risk: NDArray[Any], row: NDArray[Any],
    lived: NDArray[Any], jump: NDArray[Any], own_less: NDArray[Any], slope: NDArray[Any],
    random: bool, ratio: NDArray[Any], stratum: NDArray[Any], hazard: NDArray[Any],
    mean: NDArray[Any], total: float, out: NDArray[Any],
) -> None:  # fmt: skip
    """Add to `out`, (cells, T), how one unit moves the mean survival with the coefficients known.

    Through the baseline of its own stratum: -slope m, with m = ∫ (dN - r dΛ) / S_j; and, where
    the covariates are a sample, as one of those averaged: (S - mean) / total.

    Parameters
    ----------
    cells : (M,) array
        Cells; the arrays that follow are of all cells, patterns, event times.
    own : (P,) array
        Stratum each pattern was observed in.
    row : (S, T) array
        Last event time of a stratum at or before each time, -1 before the first.
    lived : (K,) array
        Running sum of w̄ Σ_j 1/S_j² over event times.
    jump, own_less : (K,) arrays
        What an event of that time adds to the hazard, and the exposure it is spared (Efron).
    slope : (S, T) array
        Σ w S ρ / total over the population, by stratum.
    ratio, stratum : (P,) arrays
        Of the patterns at the level that is set.
    hazard : (S, T) array
    mean : (T,) array
    """
    for k in range(len(cells)):
        c = cells[k]
        i = pattern[c]
        s, b = own[i], before[c]
        r = risk[i]
        start = lived[b] if b >= 0 else 0.0
        for j in range(len(mean)):
            at = row[s, j]
            until = min(at, last[c])
            m = 0.0
            if until > b:
                m = -r * (lived[until] - start)
            if event[c] and at >= last[c]:
                m += jump[last[c]] + r * own_less[last[c]]
            v = -slope[s, j] * m
            if random:
                v += (np.exp(-ratio[i] * hazard[stratum[i], j]) - mean[j]) / total
            out[k, j] += v
