"""Mean and spread of systematic error, by maximum likelihood: θ_i ~ N(μ, τ² + s_i²)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Spreads tried before the search begins, so that no higher top is missed.
_GRID = 200


@dataclass(frozen=True, kw_only=True)
class ErrorFit:
    """The fitted distribution.

    Attributes
    ----------
    mean, sd : float
        μ and τ.
    mean_error, sd_error : float
        Their standard errors from the expected information; None for τ = 0, where there is none.
    loglik : float
    """

    mean: float
    sd: float
    mean_error: float
    sd_error: float | None
    loglik: float


def fit_error(estimate: Floats, std_error: Floats) -> ErrorFit:
    """Return the maximum-likelihood fit to n estimates with known standard errors, (n,)."""
    from scipy.optimize import brentq

    square = std_error**2
    # the top lies below the largest squared distance between two estimates
    most = max(float(np.ptp(estimate)) ** 2, 1e-300)
    grid = np.concatenate([[0.0], most * np.linspace(1 / _GRID, 1, _GRID) ** 2])
    value = np.array([_profile(v, estimate, square)[0] for v in grid])
    best = int(value.argmax())

    def slope(v: float) -> float:
        return _profile(v, estimate, square)[1]

    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID)]
    if slope(low) <= 0 or low == high:
        variance = float(low)
    elif slope(high) >= 0:
        variance = float(high)
    else:
        variance = float(brentq(slope, low, high, xtol=1e-16 * most, rtol=1e-14))
    weight = 1 / (variance + square)
    mean = float(weight @ estimate / weight.sum())
    sd = math.sqrt(variance)
    # information of τ²: ½ Σ w²; of τ by 2τ
    sd_error = math.sqrt(2 / float(weight @ weight)) / (2 * sd) if sd else None
    return ErrorFit(
        mean=mean, sd=sd, mean_error=float(weight.sum()) ** -0.5, sd_error=sd_error,
        loglik=_profile(variance, estimate, square)[0] - len(estimate) / 2 * math.log(2 * math.pi),
    )  # fmt: skip


def _profile(variance: float, estimate: Floats, square: Floats) -> tuple[float, float]:
    """Return the log-likelihood at the best mean (less its constant), and its slope in τ²."""
    weight = 1 / (variance + square)
    off = estimate - weight @ estimate / weight.sum()
    value = 0.5 * float(np.log(weight).sum() - weight @ off**2)
    return value, 0.5 * float(weight**2 @ off**2 - weight.sum())
