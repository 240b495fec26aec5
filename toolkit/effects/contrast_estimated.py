"""What it does to the variance of matching that the propensity score was estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.newton import inverse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def estimation_of_score(
    y: Floats,
    left: Floats,
    *,
    focal: Bools,
    used: Ints,
    known: Bools,
    means: Floats,
    score: Floats,
    x: Floats,
    slope: Floats,
    neighbours: int,
) -> Floats:
    """Return what to add to the variance of two means matched on an estimated score, (2, 2).

    Parameters
    ----------
    y, left : (N,) arrays
        Outcomes, and outcomes less a regression (`y` without): what is matched.
    focal, known : (N,) arrays of bool
        The arm for whom the effect is; where there is an outcome.
    used : array of int
        Focal rows with a match.
    means : (2,) array
        Of the used, and of their matches.
    score : (N,) array
        p, the chance to be focal.
    x : (N, q) array
        Terms of the score's linear predictor, the intercept among them.
    slope : (N,) array
        f = ∂p / ∂η, so that ∂p / ∂θ = x f; of a logit p (1 - p).
    neighbours : int
        J: covariances given p are those among the J + 1 nearest of an arm, oneself included, and
        all as near as the last.

    Notes
    -----
    The asymptotic variance of an effect τ on the focal is σ² - c' I⁻¹ c + d' I⁻¹ d (Abadie and
    Imbens 2016, theorem 2), with I the information on θ,

    c = E[x f (μ̄₁ - μ̄₀ - τ) + f cov(x, μ₁ | p) + f p / (1 - p) cov(x, μ₀ | p)] / E p,
    d = ∂τ / ∂θ = E[x f (μ₁ - μ₀ - τ)] / E p,

    μ_a(x) the mean outcome given x and μ̄_a(p) that given p. Of the two means apart: that of the
    focal is not touched, c₁ = d₁; and c₀ = d₀ - k, with

    d_a = E[x f (μ̄_a - m_a) + f cov(x, μ_a | p)] / E p, k = E[f cov(x, μ₀ | p) / (1 - p)] / E p,

    so that the variances gain 0 and k' I⁻¹ (2 d₀ - k), and their covariance d₁' I⁻¹ k. With a bias
    correction k is of what the regression leaves. Averages are over rows whose score lies among
    those of the used; E p is their share.
    """
    information = x.T @ (x * (slope**2 / (score * (1 - score)))[:, None])
    low, high = score[used].min(), score[used].max()
    at = np.flatnonzero((score >= low) & (score <= high))
    own, f = x[at], slope[at]
    steepness = np.zeros((2, x.shape[1]))
    for arm, who in enumerate((focal & known, ~focal & known)):
        near = _Near(score, np.flatnonzero(who), at, neighbours + 1)
        off = own.T @ (f * (near.mean_of_others(y) - means[arm]))
        steepness[arm] = (off + near.covariances(x, y, f)) / len(used)
        if arm == 1:
            gap = near.covariances(x, left, f / (1 - score[at])) / len(used)
    bread = inverse(information)
    both = steepness[0] @ bread @ gap
    return np.array([[0.0, both], [both, gap @ bread @ (2 * steepness[1] - gap)]])


class _Near:
    """The nearest rows of an arm to some rows, by score: a stretch of places."""

    def __init__(self, score: Floats, arm: Ints, at: Ints, number: int) -> None:
        self.arm, self.at = arm, at
        places, self.place, count = np.unique(score[arm], return_inverse=True, return_counts=True)
        self.low, self.high = _stretches(places, count, score[at], number)
        self.size = self._sums(np.ones(len(arm)))
        self.own = np.isin(at, arm)

    def mean_of_others(self, y: Floats) -> Floats:
        """Return the mean of y among the nearest, oneself left out, (n,).

        A row's own outcome goes with its own x beyond what the score explains.
        """
        total = self._sums(y[self.arm]) - np.where(self.own, y[self.at], 0.0)
        others = self.size - self.own
        return np.divide(total, others, out=np.zeros(len(total)), where=others > 0)

    def covariances(self, columns: Floats, y: Floats, weight: Floats) -> Floats:
        """Return Σ over rows of weight × covariance of each column with y among the nearest.

        Σ_i w_i Σ_(r near i) x_r (y_r - ȳ_i) = Σ_r x_r (y_r a_r - b_r), with a_r = Σ w_i over those
        i that r is near to, and b_r = Σ w_i ȳ_i.
        """
        several = self.size > 1
        share = np.divide(weight, self.size - 1, out=np.zeros(len(weight)), where=several)
        y = y[self.arm] - y[self.arm].mean()
        mean = self._sums(y) / self.size
        x = columns[self.arm]
        return np.asarray((y * self._spread(share) - self._spread(share * mean)) @ (x - x.mean(0)))

    def _spread(self, values: Floats) -> Floats:
        """Return the sum of values over those each row of the arm is near to."""
        size = int(self.place.max()) + 2
        step = np.bincount(self.low, values, size) - np.bincount(self.high, values, size)
        return np.asarray(np.cumsum(step)[self.place])

    def _sums(self, values: Floats) -> Floats:
        """Return sums over the nearest."""
        total = np.concatenate([[0.0], np.cumsum(np.bincount(self.place, values))])
        return np.asarray(total[self.high] - total[self.low])


def _stretches(places: Floats, count: Ints, asked: Floats, number: int) -> tuple[Ints, Ints]:
    """Return the first and past-the-last place that hold the nearest `number` rows to each."""
    step = np.searchsorted(places, asked)[:, None] + np.arange(-number, number)
    there = (step >= 0) & (step < len(places))
    step = np.clip(step, 0, len(places) - 1)
    distance = np.where(there, np.abs(places[step] - asked[:, None]), np.inf)
    order = np.argsort(distance, axis=1, kind="stable")
    held = np.take_along_axis(np.where(there, count[step], 0), order, axis=1).cumsum(axis=1)
    last = np.where(held[:, -1] >= number, np.argmax(held >= number, axis=1), held.shape[1] - 1)
    reach = np.take_along_axis(
        distance, np.take_along_axis(order, last[:, None], axis=1), axis=1
    ).ravel()
    reach = reach * (1 + 1e-12) + 1e-15  # as near as the last, but for rounding
    return np.searchsorted(places, asked - reach), np.searchsorted(places, asked + reach, "right")
