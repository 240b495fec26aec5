"""Bounds on the p-value of the Mantel–Haenszel statistic under a hidden bias of at most Γ.

In a set of n rows of which m are treated and r have the outcome, an unobserved u in [0, 1] may
multiply the odds of treatment by Γ. The number of treated with the outcome is stochastically
largest when u is the outcome itself, and smallest when u is its opposite (Rosenbaum and Krieger
1990; Rosenbaum 2002, §4.4); it is then extended hypergeometric with odds Γ or 1/Γ. Over sets the
counts are independent. With pairs this is McNemar's test and the binomial Γ / (1 + Γ).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.effects.sensitivity.matched_sets import MatchedSets

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Up to this range of the count its distribution is computed exactly (by convolution).
_EXACT_RANGE = 4000


@dataclass(frozen=True, kw_only=True)
class BinarySets:
    """Sets with a say in the test, by kind.

    Attributes
    ----------
    kind : (K, 3) array
        Rows, treated and outcomes of a set, n, m and r.
    count : (K,) array
        How many sets are of that kind.
    statistic : float
        Treated with the outcome, in these sets.
    """

    kind: Ints = field(repr=False)
    count: Ints = field(repr=False)
    statistic: float

    @property
    def used(self) -> int:
        """Number of sets in which the count could have been another."""
        return int(self.count.sum())

    def span(self) -> tuple[int, int]:
        """Return the smallest and the largest value the count can take."""
        low, high = _support(self.kind)
        return int(self.count @ low), int(self.count @ high)

    @property
    def exact(self) -> bool:
        """Whether tails are exact: pairs always, other sets when there are not too many."""
        low, high = self.span()
        return bool((self.kind[:, 0] == 2).all()) or high - low <= _EXACT_RANGE

    def tail(self, gamma: float, *, upper: bool, largest: bool) -> float:
        """Return the largest or smallest P(T ≥ t) (`upper`) or P(T ≤ t) under a bias Γ."""
        odds = gamma if upper == largest else 1 / gamma
        return upper_tail(self, odds) if upper else lower_tail(self, odds)


def binary_sets(sets: MatchedSets) -> BinarySets:
    """Return the informative sets of a binary outcome."""
    outcomes = np.bincount(sets.code, weights=sets.outcome).astype(np.int64)
    both = np.bincount(sets.code, weights=sets.outcome * sets.treated).astype(np.int64)
    kind = np.stack([sets.size, sets.n_treated, outcomes], axis=1)
    low, high = _support(kind)
    open_ = high > low
    if not open_.any():
        return BinarySets(
            kind=np.zeros((0, 3), dtype=np.int64), count=np.zeros(0, dtype=np.int64), statistic=0.0
        )
    found, count = np.unique(kind[open_], axis=0, return_counts=True)
    return BinarySets(kind=found, count=count, statistic=float(both[open_].sum()))


def upper_tail(sets: BinarySets, odds: float) -> float:
    """Return P(T ≥ t) when each set is extended hypergeometric with these odds."""
    from scipy.special import bdtrc, ndtr

    if not sets.used:
        return 1.0
    start, end = sets.span()
    at = round(sets.statistic) - start  # count above the least possible
    if at <= 0:
        return 1.0
    chance = _chances(sets.kind, odds)
    if chance is not None and len(set(chance.tolist())) == 1:
        return float(bdtrc(at - 1, sets.used, chance[0]))
    if end - start <= _EXACT_RANGE:
        return float(_distribution(sets, odds)[at:].sum())
    mean, variance = moments(sets, odds)
    return float(ndtr(-(sets.statistic - 0.5 - mean) / np.sqrt(variance)))


def lower_tail(sets: BinarySets, odds: float) -> float:
    """Return P(T ≤ t): the upper tail of the count of those not treated."""
    size, treated, outcomes = sets.kind.T
    mirrored = BinarySets(
        kind=np.stack([size, size - treated, outcomes], axis=1), count=sets.count,
        statistic=float(sets.count @ outcomes) - sets.statistic,
    )  # fmt: skip
    return upper_tail(mirrored, 1 / odds)


def moments(sets: BinarySets, odds: float) -> tuple[float, float]:
    """Return mean and variance of the count."""
    mean = variance = 0.0
    for row, count in zip(sets.kind, sets.count, strict=True):
        low, chance = extended_hypergeometric(row, odds)
        value = low + np.arange(len(chance))
        centre = float(chance @ value)
        mean += count * centre
        variance += count * float(chance @ (value - centre) ** 2)
    return mean, variance


def extended_hypergeometric(kind: Ints, odds: float) -> tuple[int, Floats]:
    """Return the least count in a set, and the chance of it and of each that follows.

    P(k) ∝ C(r, k) C(n - r, m - k) Γ^k (Rosenbaum 2002, eq. 4.20 gives its moments for pairs).
    """
    from scipy.special import gammaln

    size, treated, outcomes = map(int, kind)
    low, high = max(0, treated + outcomes - size), min(treated, outcomes)
    k = np.arange(low, high + 1)

    def log_choose(n: int, chosen: Ints) -> Floats:
        return np.asarray(gammaln(n + 1) - gammaln(chosen + 1) - gammaln(n - chosen + 1))

    log = log_choose(outcomes, k) + log_choose(size - outcomes, treated - k) + k * np.log(odds)
    chance = np.exp(log - log.max())
    return low, chance / chance.sum()


def _support(kind: Ints) -> tuple[Ints, Ints]:
    size, treated, outcomes = kind.T
    return np.maximum(0, treated + outcomes - size), np.minimum(treated, outcomes)


def _chances(kind: Ints, odds: float) -> Floats | None:
    """Return the chance of one more, (K,), when every set is a single throw; else None."""
    low, high = _support(kind)
    if (high - low > 1).any():
        return None
    return np.array([extended_hypergeometric(row, odds)[1][1] for row in kind])


def _distribution(sets: BinarySets, odds: float) -> Floats:
    """Return the chance of each value of the count, from the least on."""
    total = np.ones(1)
    for row, count in zip(sets.kind, sets.count, strict=True):
        _, chance = extended_hypergeometric(row, odds)
        total = np.convolve(total, _power(chance, int(count)))
    return total


def _power(chance: Floats, count: int) -> Floats:
    """Return the distribution of the sum of `count` independent copies."""
    if len(chance) == 2:
        from scipy.stats import binom

        return np.asarray(binom.pmf(np.arange(count + 1), count, chance[1]))
    total, square = np.ones(1), chance
    while count:
        if count & 1:
            total = np.convolve(total, square)
        count >>= 1
        if count:
            square = np.convolve(square, square)
    return total
