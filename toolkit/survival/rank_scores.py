"""The k-sample tests in numbers: expected events, the variance of the scores, and χ²."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.segments import before, running_product, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def fleming_harrington(
    stratum: NDArray[np.int64], n: Floats, d: Floats, rho: float
) -> Floats | None:
    """Return S(t-)^ρ of all groups of a stratum together at each moment, (M,); None for ρ = 0."""
    if rho == 0:
        return None
    survival = running_product((n - d) / n, stratum)
    weight: Floats = np.maximum(before(survival, stratum, 1.0), 0.0) ** rho
    return weight


def logrank_variance(
    share: Floats, *, n: Floats, d: Floats, weight: Floats | None = None
) -> Floats:
    """Return the variance of observed - expected events, (K, K).

    Σ w² d (n - d) / (n - 1) p_k ([k = l] - p_l), with p the shares of the risk set, (M, K): the
    d events are drawn from the n at risk. One person at risk (or less, by fractional weights)
    cannot vary. `weight` is w of each moment.
    """
    spread = np.where(n > 1, d * (n - d) / np.where(n > 1, n - 1, 1), 0.0)
    if weight is not None:
        spread *= weight**2
    return _singular(-share.T @ (spread[:, None] * share))


def drawing_variance(
    *, share: Floats, n: Floats, d: Floats, squares: Floats, weight: Floats | None = None
) -> Floats:
    """Return the variance of weighted observed - expected events, (K, K) (Xie and Liu 2005).

    Of n rows at risk d are drawn; drawn, a row of group k adds its weight times ([k] - share_k),
    which sums to 0 over the risk set. `squares`, (M, K), are the sums of squared weights at risk,
    `weight` what each moment counts for.
    """
    spread = np.where(n > 1, d * (n - d) / (n * np.where(n > 1, n - 1, 1)), 0.0)
    if weight is not None:
        spread *= weight**2
    cross = share.T @ (spread[:, None] * squares)
    both = share.T @ ((spread * squares.sum(axis=1))[:, None] * share)
    return _singular(both - cross - cross.T)


def gray_scores(
    *,
    stratum: NDArray[np.int64],
    risk: Floats,
    own: Floats,
    other: Floats,
    event_free: Floats,
    incidence: Floats,
    rho: float = 0.0,
) -> tuple[Floats, Floats, Floats]:
    """Return the expected events (M, K), what moments count for (M, 1), and the variance (K, K).

    Parameters
    ----------
    stratum : (M,) array
        Stratum of each moment; moments are sorted by stratum and time.
    risk, own, other : (M, K) arrays
        At risk, events of the cause, and of other causes, by moment and group.
    event_free, incidence : (M, K) arrays
        S_k(t-), free of any event, and F_k(t-), incidence of the cause, just before the moment.
    rho : float
        A moment counts for w = (1 - F⁰(t-))^ρ.

    Notes
    -----
    Gray (1988), section 2. With h_k = n_k / S_k(t-), the at-risk process of the subdistribution is
    R_k = h_k (1 - F_k(t-)), and the score of group k is Σ_t w [ d_k - R_k d / ΣR ]. The pooled
    incidence is dF⁰ = d / Σh, its subdistribution hazard dΓ⁰ = dF⁰ / (1 - F⁰(t-)). The influence on
    group k's score of an event in group r is

        own cause:    D_kr(t) + [1 - (1 - F⁰(t)) / S_r(t)] [C_kr(∞) - C_kr(t)]
        other cause:          - [(1 - F⁰(t)) / S_r(t)] [C_kr(∞) - C_kr(t)]

    with D_kr = w h_r ([k = r] - h_k / Σh) and C_kr(t) = Σ_{s ≤ t} D_kr dΓ⁰. The increments have
    variance dF⁰ / h_r and dF_other,r / h_r. At tied events the own-cause variance is multiplied
    by 1 - (d - 1) / (S_r(t-) Σh - 1) and the other by 1 - (d_r - 1) / (n_r - 1), the
    finite-population correction that the log-rank test has too.
    """
    there = (risk > 0) & (event_free > 0)
    h = np.divide(risk, event_free, out=np.zeros_like(risk), where=there)
    at_risk = h * (1 - incidence)
    d = own.sum(axis=1, keepdims=True)
    expected = at_risk * _ratio(d, at_risk.sum(axis=1, keepdims=True))

    total = h.sum(axis=1, keepdims=True)
    share = _ratio(h, total)
    pooled = _ratio(d, total)  # dF⁰
    free = 1 - running_sum(pooled, stratum)
    still = before(free, stratum, 1.0)
    hazard = _ratio(pooled, still)
    counts = np.maximum(still, 0.0) ** rho
    # S_r just after the moment; where it comes to 0, C_kr has nothing left to come
    after = event_free * (1 - _ratio(own + other, risk))
    odds = np.where(after > 0, free / np.where(after > 0, after, 1.0), 1.0)
    own_spread = _ratio(pooled, h) * _finite(d, event_free * total)
    other_spread = event_free * _ratio(other, risk) * _ratio(1.0, h) * _finite(other, risk)

    n_groups = risk.shape[1]
    variance = np.zeros((n_groups, n_groups))
    for r in range(n_groups):
        weight = counts * h[:, [r]] * ((np.arange(n_groups) == r) - share)
        to_come = running_sum(weight * hazard, stratum, reverse=True) - weight * hazard
        by_own = weight + (1 - odds[:, [r]]) * to_come
        by_other = odds[:, [r]] * to_come
        for spread, moved in ((own_spread[:, [r]], by_own), (other_spread[:, [r]], by_other)):
            some = spread[:, 0] != 0  # may be negative: the correction for ties can exceed 1
            variance += moved[some].T @ (spread[some] * moved[some])
    return expected, counts, _singular(variance)


def _singular(variance: Floats) -> Floats:
    """Fill the diagonal in from the rest of a row, which adds up to 0.

    Beside a group that is nearly the whole risk set, 1 - share would be rounding only.
    """
    np.fill_diagonal(variance, 0.0)
    np.fill_diagonal(variance, -variance.sum(axis=1))
    return variance


def quadratic_form(score: Floats, variance: Floats) -> tuple[float, int]:
    """Return score' variance⁻ score and the rank of the variance.

    Scores add up to 0, so the variance is singular; which generalised inverse is used does not
    matter. Groups without variance are left out, the others brought to one scale before the rank
    is judged, so that a group of ten beside one of a million counts.
    """
    scale = np.sqrt(np.maximum(np.diag(variance), 0.0))
    used = scale > 1e-12 * float(scale.max())
    if not used.any():
        return 0.0, 0
    standard = variance[np.ix_(used, used)] / np.outer(scale[used], scale[used])
    values, vectors = np.linalg.eigh(standard)
    real = values > 1e-10 * values[-1]
    turned = vectors[:, real].T @ (score[used] / scale[used])
    return float(np.sum(turned**2 / values[real])), int(real.sum())


def _ratio(above: Floats | float, below: Floats) -> Floats:
    """Return above / below, 0 where there is nothing below."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


def _finite(events: Floats, n: Floats) -> Floats:
    """Return the correction for `events` tied among `n`."""
    tied = (events > 1) & (n > 1)
    return np.where(tied, 1 - (events - 1) / np.where(tied, n - 1, 1.0), 1.0)
