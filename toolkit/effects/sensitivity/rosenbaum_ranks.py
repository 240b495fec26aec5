"""Bounds on Wilcoxon's signed rank test under a hidden bias of at most Γ.

With ranks q of the absolute differences, the sum T of those of positive differences is bounded by
sums of independent terms that are q with chance Γ / (1 + Γ), or 1 / (1 + Γ), and else 0
(Rosenbaum 1987; 2002, §4.3.3). An additive effect τ is judged by the test on d - τ; the point
estimate is where T equals what is expected of it (Hodges and Lehmann 1963; Rosenbaum 1993).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.effects.sensitivity.walsh import WalshAverages

    Floats = NDArray[np.float64]

#: Whether differences of 0 are left out before ranking (Wilcoxon, R) or after (Pratt, Rosenbaum).
Zeros = Literal["drop", "rank"]
ZEROS = ("drop", "rank")
#: Up to this many pairs the distribution of T is computed exactly.
_EXACT_PAIRS = 200


@dataclass(frozen=True, kw_only=True)
class SignedRanks:
    """What the test needs of n differences that are not 0.

    Attributes
    ----------
    ranks : (n,) array
        Of the absolute differences, ties averaged.
    statistic : float
        Sum of the ranks of positive differences.
    """

    ranks: Floats = field(repr=False)
    statistic: float

    @property
    def used(self) -> int:
        """Number of differences."""
        return len(self.ranks)

    @property
    def exact(self) -> bool:
        """Whether tails are exact; beyond that they are normal, without continuity correction."""
        return self.used <= _EXACT_PAIRS

    def tail(self, gamma: float, *, upper: bool, largest: bool) -> float:
        """Return the largest or smallest P(T ≥ t) (`upper`) or P(T ≤ t) under a bias Γ."""
        chance = gamma / (1 + gamma) if upper == largest else 1 / (1 + gamma)
        value = self.statistic
        if not upper:  # the sum over negative differences
            value, chance = float(self.ranks.sum()) - value, 1 - chance
        return upper_tail(self.ranks, value, chance)


def signed_ranks(difference: Floats, zeros: Zeros = "drop") -> SignedRanks:
    """Return ranks and statistic of differences, (n,); one of 0 counts for neither side."""
    there = difference if zeros == "rank" else difference[difference != 0]
    ranks = pl.Series(np.abs(there)).rank("average").to_numpy()
    positive, other = there > 0, there != 0
    return SignedRanks(ranks=ranks[other], statistic=float(ranks[positive].sum()))


def upper_tail(ranks: Floats, value: float, chance: float) -> float:
    """Return P(Σ q B ≥ value), B independent with this chance of 1."""
    from scipy.special import ndtr

    if not len(ranks):
        return 1.0
    if len(ranks) <= _EXACT_PAIRS:
        doubled = np.rint(2 * ranks).astype(np.int64)  # averaged ranks are halves
        return float(_distribution(doubled, chance)[round(2 * value) :].sum())
    mean, variance = chance * ranks.sum(), chance * (1 - chance) * (ranks @ ranks)
    return float(ndtr((mean - value) / math.sqrt(variance)))


def _distribution(scores: NDArray[np.int64], chance: float) -> Floats:
    """Return the distribution of Σ s B over 0 … Σ s, for whole scores s."""
    total = np.zeros(int(scores.sum()) + 1)
    total[0], top = 1.0, 0
    for score in np.sort(scores):
        moved = total[: top + 1] * chance
        total[: top + 1] *= 1 - chance
        total[score : top + score + 1] += moved
        top += int(score)
    return total


def estimate_range(walsh: WalshAverages, gamma: float) -> tuple[float, float]:
    """Return the least and the largest Hodges–Lehmann estimate under a bias Γ."""
    chance = gamma / (1 + gamma)
    return walsh.crossing(chance * walsh.number), walsh.crossing((1 - chance) * walsh.number)


def interval_range(walsh: WalshAverages, gamma: float, conf_level: float) -> tuple[float, float]:
    """Return the interval of every τ that some bias of at most Γ does not reject.

    A shift below is rejected when T(τ) reaches a critical value c of the upper bound's
    distribution: the limit is the c-th Walsh average from above, and mirrored at the other side.
    """
    n = round(math.sqrt(2 * walsh.number + 0.25) - 0.5)
    critical = critical_value(n, gamma / (1 + gamma), (1 - conf_level) / 2)
    if critical > walsh.number:  # nothing is ever rejected
        return -math.inf, math.inf
    return walsh.largest(critical), walsh.largest(walsh.number + 1 - critical)


def critical_value(n: int, chance: float, tail: float) -> float:
    """Return the least whole c with P(T ≥ c) ≤ `tail`, for n pairs without ties."""
    from scipy.special import ndtri

    if n <= _EXACT_PAIRS:
        above = np.cumsum(_distribution(np.arange(1, n + 1), chance)[::-1])[::-1]
        return float(np.searchsorted(-above, -tail, side="left"))
    number = n * (n + 1) / 2
    sd = math.sqrt(chance * (1 - chance) * number * (2 * n + 1) / 3)
    return math.ceil(chance * number - float(ndtri(tail)) * sd)
