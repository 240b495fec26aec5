"""What an omitted variable of a given strength does to a coefficient (Cinelli and Hazlett 2020).

Strength is two partial R²: of the omitted variable Z with treatment D given covariates X
(`r2_treatment`), and with outcome Y given D and X (`r2_outcome`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def partial_r2(statistic: float, df: float) -> float:
    """Return the partial R² of a coefficient with the outcome, t² / (t² + df).

    Examples
    --------
    >>> from toolkit import effects
    >>> round(effects.partial_r2(4.18445, 783), 4)
    0.0219
    """
    return statistic**2 / (statistic**2 + df)


def robustness_value(
    statistic: float, df: float, *, q: float = 1.0, alpha: float | None = None
) -> float:
    """Return the strength at which an omitted variable takes a share `q` of the estimate away.

    Parameters
    ----------
    statistic, df : float
        The coefficient's t and its residual degrees of freedom.
    q : float
        1 = all of it.
    alpha : float, optional
        With it: the strength at which what is left is no longer significant at this level.

    Returns
    -------
    float
        Both partial R²; 0 when no omitted variable is needed.

    Notes
    -----
    With f = q |t| / √df, less the critical f of df - 1 degrees of freedom where `alpha` is given,
    RV = ½ (√(f⁴ + 4 f²) - f²). Where f_q f* > 1 the weakest variable that does it has a smaller R²
    with the outcome than with treatment, and the latter is (f_q² - f*²) / (1 + f_q²).

    Examples
    --------
    >>> from toolkit import effects
    >>> round(effects.robustness_value(4.18445, 783), 3)
    0.139
    >>> round(effects.robustness_value(4.18445, 783, alpha=0.05), 3)
    0.076
    """
    if not (df > 1 and q > 0 and math.isfinite(statistic)):
        raise CallError("df must be above 1, q above 0 and the statistic finite", fix="see the fit")
    f_q = q * abs(statistic) / math.sqrt(df)
    critical = 0.0 if alpha is None else critical_t(df - 1, alpha) / math.sqrt(df - 1)
    f = f_q - critical
    if f <= 0:
        return 0.0
    if critical and f_q > 1 / critical:
        return (f_q**2 - critical**2) / (1 + f_q**2)
    # ½ (√(f⁴ + 4 f²) - f²), without the cancellation
    return 2 / (1 + math.sqrt(1 + 4 / f**2))


def critical_t(df: float, alpha: float) -> float:
    """Return the two-sided critical value of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - alpha / 2))


def bias(std_error: float, df: float, r2_treatment: ArrayLike, r2_outcome: ArrayLike) -> Floats:
    """Return how far an omitted variable moves the estimate."""
    treatment, outcome = np.asarray(r2_treatment, float), np.asarray(r2_outcome, float)
    with np.errstate(divide="ignore"):
        odds = treatment / (1 - treatment)
        return np.asarray(std_error * math.sqrt(df) * np.sqrt(outcome * odds))


def adjusted_estimate(
    estimate: float, std_error: float, df: float, r2_treatment: ArrayLike, r2_outcome: ArrayLike
) -> Floats:
    """Return the estimate moved towards 0, and beyond, by an omitted variable."""
    moved = bias(std_error, df, r2_treatment, r2_outcome)
    return np.asarray(np.copysign(1.0, estimate) * (abs(estimate) - moved))


def adjusted_error(
    std_error: float, df: float, r2_treatment: ArrayLike, r2_outcome: ArrayLike
) -> Floats:
    """Return the standard error with the omitted variable in the regression."""
    treatment, outcome = np.asarray(r2_treatment, float), np.asarray(r2_outcome, float)
    with np.errstate(divide="ignore"):
        inflation = (1 - outcome) / (1 - treatment) * df / (df - 1)
        return np.asarray(std_error * np.sqrt(inflation))


def at_other_share(r2_treatment: float, ratio: float) -> float:
    """Return a partial R² with treatment where another share is treated.

    Parameters
    ----------
    ratio : float
        q (1 - q) / p (1 - p), of the share there, q, and here, p. For the same difference between
        treated and controls f² = R² / (1 - R²) is that many times as large.

    Examples
    --------
    >>> round(at_other_share(0.01, 0.25 / (0.04 * 0.96)), 4)
    0.0617
    """
    scaled = ratio * r2_treatment
    return scaled / (1 - r2_treatment + scaled)


def bound_by_benchmark(
    r2_treatment: float, r2_outcome: float, *, times_treatment: float, times_outcome: float
) -> tuple[float, float]:
    """Return the strength of a variable some times as strong as an observed one.

    Parameters
    ----------
    r2_treatment, r2_outcome : float
        Partial R² of the observed variable with treatment given the other covariates, and with the
        outcome given treatment and the other covariates.
    times_treatment, times_outcome : float
        k_D and k_Y.

    Returns
    -------
    tuple of float
        `r2_treatment, r2_outcome` of the omitted one; NaN where it would explain more than all of
        treatment, and at most 1 for the outcome.
    """
    f2 = r2_treatment / (1 - r2_treatment)
    treatment = times_treatment * f2
    rest = 1 - times_treatment * r2_treatment
    if treatment >= 1 or rest <= 0:
        return math.nan, math.nan
    shared = times_treatment * r2_treatment**2 / (rest * (1 - r2_treatment))
    if shared >= 1:
        return treatment, 1.0
    eta = (math.sqrt(times_outcome) + math.sqrt(shared)) / math.sqrt(1 - shared)
    return treatment, min(eta**2 * r2_outcome / (1 - r2_outcome), 1.0)
