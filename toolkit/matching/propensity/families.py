"""Concave functions of a linear predictor whose tops are the estimators of matching and weighting.

Every row carries two masses, u and v. For a propensity score they are its weight if treated and if
not; for weights that move a *source* to a *target*, its weight in the target and in the source.
What is maximised is Σ h(η; u, v) with η = θ'z, z = (1, x), so that its score equations are the
estimating equations Σ h'(η; u, v) z = 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Family(Protocol):
    """A concave function h of η, linear in the masses."""

    def at(self, eta: Floats, u: Floats, v: Floats) -> tuple[float, Floats, Floats]:
        """Return Σ h, and of each row h' and -h''."""

    def start(self, u: float, v: float) -> float:
        """Return the η that fits the total masses."""

    def beyond(self, x: Floats, u: Floats, v: Floats) -> bool:
        """Return whether a term alone sends its coefficient to infinity."""


def _apart(x: Floats, u: Floats, v: Floats) -> bool:
    """Tell whether one side has only values at or beyond the other's on one end."""
    one, other = x[u > 0], x[v > 0]
    return bool(one.min() >= other.max() or one.max() <= other.min())


class Logit:
    """Likelihood of treatment, e = 1 / (1 + exp(-η)): h = u log e + v log(1 - e)."""

    def at(self, eta: Floats, u: Floats, v: Floats) -> tuple[float, Floats, Floats]:
        """Return Σ h, h' = u - (u + v) e, and -h'' = (u + v) e (1 - e)."""
        small = np.exp(-np.abs(eta))
        e = np.where(eta >= 0, 1.0, small) / (1.0 + small)
        mass = u + v
        value = u @ eta - mass @ (np.maximum(eta, 0.0) + np.log(1.0 + small))
        # small / (1 + small)² is e (1 - e) without the rounding of 1 - e
        return float(value), u - mass * e, mass * (small / (1.0 + small) ** 2)

    def beyond(self, x: Floats, u: Floats, v: Floats) -> bool:
        """Return whether a term alone tells the two sides apart."""
        return _apart(x, u, v)

    def start(self, u: float, v: float) -> float:
        """Return the log odds."""
        return float(np.log(u / v))

    def score(self, eta: Floats) -> Floats:
        """Return e."""
        small = np.exp(-np.abs(eta))
        return np.asarray(np.where(eta >= 0, 1.0, small) / (1.0 + small))

    def slope(self, eta: Floats) -> Floats:
        """Return ∂e / ∂η."""
        small = np.exp(-np.abs(eta))
        return np.asarray(small / (1.0 + small) ** 2)


class Probit:
    """Likelihood of treatment, e = Φ(η): h = u log Φ(η) + v log Φ(-η)."""

    def at(self, eta: Floats, u: Floats, v: Floats) -> tuple[float, Floats, Floats]:
        """Return Σ h, h' = u λ(η) - v λ(-η), and -h'' with λ' = -λ (λ + η)."""
        from scipy.special import log_ndtr

        log_in, log_out = log_ndtr(eta), log_ndtr(-eta)
        log_density = -0.5 * eta * eta - 0.5 * np.log(2 * np.pi)
        up, down = np.exp(log_density - log_in), np.exp(log_density - log_out)
        first = u * up - v * down
        second = u * up * (up + eta) + v * down * (down - eta)
        return float(u @ log_in + v @ log_out), first, np.maximum(second, 0.0)

    def beyond(self, x: Floats, u: Floats, v: Floats) -> bool:
        """Return whether a term alone tells the two sides apart."""
        return _apart(x, u, v)

    def start(self, u: float, v: float) -> float:
        """Return the normal quantile of the share treated."""
        from scipy.special import ndtri

        return float(ndtri(u / (u + v)))

    def score(self, eta: Floats) -> Floats:
        """Return e."""
        from scipy.special import ndtr

        return np.asarray(ndtr(eta), dtype=np.float64)

    def slope(self, eta: Floats) -> Floats:
        """Return ∂e / ∂η."""
        density: Floats = np.exp(-0.5 * eta * eta) / np.sqrt(2 * np.pi)
        return density


class Tilt:
    """Weights exp(η) that give the source the target's totals: h = u η - v exp(η).

    Its equations are Σ v exp(η) z = Σ u z: entropy balancing's dual (Hainmueller 2012), which for
    the treated as target is also what just-identified CBPS and inverse probability tilting solve.
    """

    def at(self, eta: Floats, u: Floats, v: Floats) -> tuple[float, Floats, Floats]:
        """Return Σ h, h' = u - v exp(η), and -h'' = v exp(η)."""
        weight = np.exp(eta)
        moved = v * weight
        return float(u @ eta - moved.sum()), u - moved, moved

    def beyond(self, x: Floats, u: Floats, v: Floats) -> bool:
        """Return whether the target's mean of a term is at or beyond an end of the source's."""
        source, mean = x[v > 0], float(u @ x / u.sum())
        return bool(mean >= source.max() or mean <= source.min())

    def start(self, u: float, v: float) -> float:
        """Return the logarithm of how much larger the target is."""
        return float(np.log(u / v))


class BothWays:
    """A logit whose inverse probability weights balance: h = u (η - exp(-η)) - v (η + exp(η)).

    Its equations are Σ (u / e - v / (1 - e)) z = 0 (Imai and Ratkovic 2014, just-identified, ATE).
    """

    def at(self, eta: Floats, u: Floats, v: Floats) -> tuple[float, Floats, Floats]:
        """Return Σ h, h' = u (1 + exp(-η)) - v (1 + exp(η)), and -h''."""
        up = np.exp(eta)
        treated, control = u / up, v * up
        value = (u - v) @ eta - treated.sum() - control.sum()
        return float(value), u + treated - v - control, treated + control

    def beyond(self, x: Floats, u: Floats, v: Floats) -> bool:
        """Return whether a term alone tells the two sides apart."""
        return _apart(x, u, v)

    def start(self, u: float, v: float) -> float:
        """Return the log odds."""
        return float(np.log(u / v))
