"""From a linear predictor to a cumulative hazard and its derivatives, with or without frailty.

Every model of this package says that H(t) = G(z(t)), where z is a linear predictor that grows with
log t. The link G is one of

- ``hazard``: G = exp(z), proportional hazards (and the Weibull distribution in time);
- ``odds``: G = log(1 + exp(z)), proportional odds (and the log-logistic);
- ``probit``: G = -log Φ(-z) (the lognormal).

Gamma heterogeneity with mean 1 and variance θ turns a person's H into log(1 + θH) / θ for the
population (Lancaster 1979; Vaupel, Manton and Stallard 1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Link = Literal["hazard", "odds", "probit"]

#: Below this θH the series of log(1 + θH) is closer than its difference with θH.
_SMALL = 1e-3


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A function of z and of f = log θ, with its derivatives; (n,) arrays.

    `f`, `zf` and `ff` are None without frailty.
    """

    value: Floats
    z: Floats
    zz: Floats
    f: Floats | None = None
    zf: Floats | None = None
    ff: Floats | None = None

    def minus(self, other: Slope) -> Slope:
        """Return the difference of two such functions."""

        def less(a: Floats | None, b: Floats | None) -> Floats | None:
            return None if a is None or b is None else a - b

        return Slope(
            value=self.value - other.value, z=self.z - other.z, zz=self.zz - other.zz,
            f=less(self.f, other.f), zf=less(self.zf, other.zf), ff=less(self.ff, other.ff),
        )  # fmt: skip


def cumulative_hazard(link: Link, z: Floats, variance: float | None = None) -> Slope:
    """Return the population's cumulative hazard -log S at z.

    Parameters
    ----------
    link : {"hazard", "odds", "probit"}
    z : (n,) array
    variance : float, optional
        θ of the gamma heterogeneity; None without.
    """
    g, g1, g2, _ = _link(link, z)
    return Slope(value=g, z=g1, zz=g2) if variance is None else _mixed(g, g1, g2, variance)


def log_hazard(link: Link, z: Floats, variance: float | None = None) -> tuple[Slope, Slope]:
    """Return the log of ∂Λ/∂z, and Λ: the log hazard is the first plus log ∂z/∂t."""
    g, g1, g2, (rate, rate1, rate2) = _link(link, z)
    if variance is None:
        return Slope(value=rate, z=rate1, zz=rate2), Slope(value=g, z=g1, zz=g2)
    u = variance * g
    stay = 1 / (1 + u)
    drag = variance * g1 * stay
    mixed = Slope(
        value=rate - np.log1p(u),
        z=rate1 - drag,
        zz=rate2 - variance * g2 * stay + drag**2,
        f=-u * stay,
        zf=-drag * stay,
        ff=-u * stay**2,
    )
    return mixed, _mixed(g, g1, g2, variance)


def _mixed(g: Floats, g1: Floats, g2: Floats, variance: float) -> Slope:
    """Return log(1 + θG) / θ."""
    u = variance * g
    stay = 1 / (1 + u)
    value = np.log1p(u) / variance
    moved = g * stay - value  # θ ∂/∂θ
    small = u < _SMALL
    if small.any():
        moved[small] = g[small] * _log_series(u[small])
    return Slope(
        value=value,
        z=g1 * stay,
        zz=g2 * stay - variance * (g1 * stay) ** 2,
        f=moved,
        zf=-g1 * u * stay**2,
        ff=-g * u * stay**2 - moved,
    )


def inverse_link(link: Link, cumulative: Floats, variance: float | None = None) -> Floats:
    """Return the z at which the population's cumulative hazard has a value."""
    from scipy.special import ndtri_exp

    g = cumulative if variance is None else np.expm1(variance * cumulative) / variance
    if link == "hazard":
        return np.asarray(np.log(g))
    if link == "odds":
        return np.asarray(g + np.log(-np.expm1(-g)))
    return np.asarray(-ndtri_exp(-g))


def _link(link: Link, z: Floats) -> tuple[Floats, Floats, Floats, tuple[Floats, Floats, Floats]]:
    """Return G, G', G'' and log G' with its two derivatives."""
    from scipy.special import expit, log_ndtr

    if link == "hazard":
        g = np.exp(z)
        return g, g, g, (z, np.ones_like(z), np.zeros_like(z))
    if link == "odds":
        share, rest = expit(z), expit(-z)
        bend = share * rest
        return np.logaddexp(0.0, z), share, bend, (-np.logaddexp(0.0, -z), rest, -bend)
    log_stay = log_ndtr(-z)
    log_mills = -0.5 * z * z - 0.5 * np.log(2 * np.pi) - log_stay
    mills = np.exp(log_mills)
    bend = mills * (mills - z)
    return -log_stay, mills, bend, (log_mills, mills - z, bend - 1)


def _log_series(u: Floats) -> Floats:
    """Return 1/(1 + u) - log(1 + u)/u for small u."""
    total = np.zeros_like(u)
    for k in range(7, 0, -1):  # Σ (-1)^k k/(k + 1) u^k
        total = u * ((-1) ** k * k / (k + 1) + total)
    return total
