"""Scores whose mean is the effect, and stays it when one of the two models is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.clusters import influence_vcov

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.treatment import Estimand

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of N rows and K outcomes; the mean of arm a is Σ w s_a / Σ w d.

    Attributes
    ----------
    treated, control : (N, K) arrays
        s₁ and s₀.
    denominator : (N,) array
        d: how much a row belongs to those for whom the effect is.
    weight : (N, K) or (N, 1) array
        What a row stands for; 0 = left out.
    """

    treated: Floats = field(repr=False)
    control: Floats = field(repr=False)
    denominator: Floats = field(repr=False)
    weight: Floats = field(repr=False)

    @property
    def effect(self) -> Floats:
        """s₁ - s₀, (N, K)."""
        return self.treated - self.control

    def means(self) -> Floats:
        """Return the means, (2K,): treated, control of the first outcome, of the second."""
        total = (self.weight * self.denominator[:, None]).sum(axis=0)
        out = np.empty(2 * self.treated.shape[1])
        for arm, score in enumerate((self.treated, self.control)):
            out[arm::2] = (self.weight * score).sum(axis=0) / total
        return out

    def influence(self, means: Floats | None = None) -> Floats:
        """Return by how much each row moves the means, (N, 2K): w (s - μ d) / Σ w d."""
        at = self.means() if means is None else means
        d = self.denominator[:, None]
        share = self.weight / (self.weight * d).sum(axis=0)
        out = np.empty((len(d), len(at)))
        for arm, score in enumerate((self.treated, self.control)):
            out[:, arm::2] = share * (score - at[arm::2] * d)
        return out


#: The arm whose model an estimand has no use for: it enters no score.
SPARE = {"ATT": 1, "ATC": 0}


def make_scores(
    estimand: Estimand, y: Floats, treated: Bools, chance: Floats, of_treated: Floats,
    of_control: Floats, weight: Floats,
) -> Scores:  # fmt: skip
    """Return the scores of one split.

    Parameters
    ----------
    y : (N, K) array
        Finite; where it is not known the weight is 0.
    treated, chance : (N,) arrays
        Who was treated, and e, the chance that the model gave.
    of_treated, of_control : (N, K) arrays
        m₁, m₀: what the model foretells of the outcome with and without treatment.
    weight : (N, K) or (N, 1) array

    Notes
    -----
    With T treated (Robins, Rotnitzky and Zhao 1994; Hahn 1998; Crump, Hotz, Imbens and Mitnik
    2006 for the last):

    - ATE: s₁ = m₁ + T (y - m₁) / e, s₀ = m₀ + (1 - T) (y - m₀) / (1 - e), d = 1;
    - ATT: s₁ = T y, s₀ = T m₀ + (1 - T) e / (1 - e) (y - m₀), d = T;
    - ATC: the same with the arms changed about;
    - ATO: s₁ = T (1 - e) (y - m₁) + (T - e)² m₁, s₀ = (1 - T) e (y - m₀) + (T - e)² m₀,
      d = (T - e)². The effect is then Robinson's (1988): residuals of y on residuals of T. For
      whom it is depends on e, so a wrong e gives the effect for other people, not a wrong one.
    """
    t, e = treated[:, None].astype(np.float64), chance[:, None]
    off1, off0 = y - of_treated, y - of_control
    d = np.ones(len(y))
    # nobody is divided by the chance of the arm he is not in, which may be 0
    e1, e0 = np.where(t == 1, e, 1.0), np.where(t == 1, 1.0, 1 - e)
    if estimand == "ATE":
        s1, s0 = of_treated + t * off1 / e1, of_control + (1 - t) * off0 / e0
    elif estimand == "ATT":
        s1, s0 = t * y, t * of_control + (1 - t) * e / e0 * off0
        d = t[:, 0]
    elif estimand == "ATC":
        s1, s0 = (1 - t) * of_treated + t * (1 - e) / e1 * off1, (1 - t) * y
        d = 1 - t[:, 0]
    else:
        square = (t - e) ** 2
        s1 = t * (1 - e) * off1 + square * of_treated
        s0 = (1 - t) * e * off0 + square * of_control
        d = square[:, 0]
    return Scores(treated=s1, control=s0, denominator=d, weight=weight)


def average(scores: list[Scores]) -> Scores:
    """Return the mean of scores of several splits; a row trimmed in some weighs less."""
    if len(scores) == 1:
        return scores[0]
    weight = np.mean([one.weight for one in scores], axis=0)
    total = np.where(weight > 0, weight, 1.0)

    def mean(name: str) -> Floats:
        parts = [one.weight * getattr(one, name) for one in scores]
        return np.asarray(np.mean(parts, axis=0) / total)

    # who is trimmed in a split is so for all outcomes: any column tells the share of splits
    share = [one.weight.max(axis=1) for one in scores]
    whole = np.mean(share, axis=0)
    return Scores(
        treated=mean("treated"),
        control=mean("control"),
        denominator=np.mean(
            [own * one.denominator for own, one in zip(share, scores, strict=True)], axis=0
        )
        / np.where(whole > 0, whole, 1.0),
        weight=weight,
    )


def score_vcov(influence: Floats, counts: Floats | None, cluster: Ints | None) -> Floats:
    """Return the variance of means, times n / (n - 1) or C / (C - 1).

    `counts` says how many equal rows each row is: c rows move it by u / c each, Σ u² / c.
    """
    if cluster is not None:
        number = len(np.unique(cluster[(influence != 0).any(axis=1)]))
        return influence_vcov(influence, cluster) * number / max(number - 1, 1)
    if counts is None:
        number = int((influence != 0).any(axis=1).sum())
        return influence_vcov(influence) * number / max(number - 1, 1)
    size = float(counts.sum())
    return (
        influence_vcov(influence / np.sqrt(np.maximum(counts, 1e-300))[:, None]) * size / (size - 1)
    )
