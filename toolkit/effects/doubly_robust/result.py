"""What a doubly robust estimate gives back, with a look at its two models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.doubly_robust.overlap import effective
from toolkit.effects.doubly_robust.splits import median_table
from toolkit.effects.result import EffectResult
from toolkit.matching.sample import kish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.effects.contrast_table import Measure
    from toolkit.effects.doubly_robust.scores import Scores

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

_QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "median": 0.5,
              "p75": 0.75, "p95": 0.95, "p99": 0.99}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DoublyRobust(EffectResult):
    """Means with and without treatment, of K outcomes, and how they differ.

    Attributes
    ----------
    frame : DataFrame
        The N rows as they were handed in.
    treatment : str
    treated : (N,) array of bool
    outcomes : tuple of str
    value : (2K,) array
        Mean with and without treatment of outcome 0, of outcome 1, …; medians over splits.
    vcov : (2K, 2K) array
    split_values : (R, 2K) array
        The means of each split: of several the median of differences, which `estimate` and `tidy`
        have, is not the difference of the medians.
    split_vcovs : (R, 2K, 2K) array
    scores : Scores
        What effects for groups, projections and policies are made of; means over splits.
    propensity : Series
        ``propensity``, (N,): the chance of treatment, foretold outside each row's fold (the mean
        over splits).
    effects : (N, K) array
        The difference of the two predictions of the outcome's model, also outside the fold.
    fold : (N,) array of int
        Of the first split.
    cluster : (N,) array or None
    counts : (N,) array or None
        How many equal rows each row is.
    weights : (N,) array
        What each row stands for.
    arm_weights : (N,) array
        The weight each row's own outcome has in the estimate.
    errors : DataFrame
        How well the outcome is foretold in each arm: `outcome, arm, n, rmse, r_squared`.
    """

    frame: pl.DataFrame = field(repr=False)
    treatment: str
    treated: Bools = field(repr=False)
    outcomes: tuple[str, ...]
    value: Floats
    vcov: Floats = field(repr=False)
    split_values: Floats = field(repr=False)
    split_vcovs: Floats = field(repr=False)
    scores: Scores = field(repr=False)
    propensity: pl.Series = field(repr=False)
    effects: Floats = field(repr=False)
    fold: Ints = field(repr=False)
    n_fold: int
    cluster: Ints | None = field(default=None, repr=False)
    counts: Floats | None = field(default=None, repr=False)
    weights: Floats = field(repr=False)
    arm_weights: Floats = field(repr=False)
    errors: pl.DataFrame = field(repr=False)
    measures: tuple[Measure, ...] = ("difference", "ratio")
    conf_level: float = 0.95

    @property
    def estimate(self) -> Floats:
        """Differences, (K,); medians over splits."""
        return np.median(self.split_values[:, 0::2] - self.split_values[:, 1::2], axis=0)

    @property
    def influence(self) -> Floats:
        """By how much each row moves the difference of each outcome, (N, K)."""
        both = self.scores.influence()
        return np.asarray(both[:, 0::2] - both[:, 1::2])

    def tidy(self) -> pl.DataFrame:
        """Return outcome, term, estimate, std_error, statistic, p_value, conf_low, conf_high.

        Terms are `mean_treated`, `mean_control` and the measures asked for.
        """
        labels = pl.DataFrame({"outcome": list(self.outcomes)})
        return median_table(
            self.split_values, self.split_vcovs, labels,
            measures=self.measures, conf_level=self.conf_level,
        )  # fmt: skip

    def headline(self) -> str:
        """Say where one row decides, or a mean is none that outcomes can have."""
        return str(self.meta.get("headline", ""))

    def glance(self) -> pl.DataFrame:
        """Return one row: n, estimand, effective sizes, the reach and the AUC of the chances."""
        e, used = self.propensity.to_numpy(), self._used()
        ess_treated, ess_control = self.effective_size()
        return pl.DataFrame(
            {
                "n": [int(self.meta["n"])],
                "n_treated": [int(self.meta["n_treated"])],
                "n_control": [int(self.meta["n_control"])],
                "estimand": [str(self.meta["estimand"])],
                "ess_treated": [ess_treated],
                "ess_control": [ess_control],
                "propensity_min": [float(e[used].min())],
                "propensity_max": [float(e[used].max())],
                "auc": [_auc(e[used], self.treated[used], self.weights[used])],
                "n_fold": [self.n_fold],
                "repeats": [int(self.meta["repeats"])],
            }
        )

    def effective_size(self) -> tuple[float, float]:
        """Return what the weights leave of the rows of treated and of controls."""
        one, none = (np.where(who, self.arm_weights, 0.0) for who in (self.treated, ~self.treated))
        return effective(one, self.counts), effective(none, self.counts)

    def overlap(self) -> pl.DataFrame:
        """Return how the chance of treatment is spread in each arm, and what weights it makes.

        Columns: `arm, n, min, p01 … p99, max, ess, largest_weight` (share of the arm's weight).
        """
        e, used = self.propensity.to_numpy(), self._used()
        rows: list[dict[str, Any]] = []
        arms = ("treated", self.treated), ("control", ~self.treated)
        for (name, who), ess in zip(arms, self.effective_size(), strict=True):
            own, weight = e[who & used], self.arm_weights[who & used]
            rows.append(
                {
                    "arm": name,
                    "n": len(own),
                    "min": float(own.min()),
                    **{key: float(np.quantile(own, q)) for key, q in _QUANTILES.items()},
                    "max": float(own.max()),
                    "ess": ess,
                    "largest_weight": float(weight.max() / weight.sum()),
                }
            )
        return pl.DataFrame(rows)

    def calibration(self, bins: int = 10) -> pl.DataFrame:
        """Return whether as many are treated as the model says, in bins of equal size.

        Columns: `bin, n, predicted, observed, std_error` (of observed).
        """
        used = self._used()
        e, t, w = self.propensity.to_numpy()[used], self.treated[used], self.weights[used]
        edges = np.unique(np.quantile(e, np.linspace(0, 1, bins + 1)[1:-1]))
        code = np.searchsorted(edges, e, side="left")
        rows: list[dict[str, Any]] = []
        for one in np.unique(code):
            own, weight = t[code == one], w[code == one]
            share = float(weight @ own / weight.sum())
            rows.append(
                {
                    "bin": int(one) + 1,
                    "n": len(own),
                    "predicted": float(weight @ e[code == one] / weight.sum()),
                    "observed": share,
                    "std_error": float(np.sqrt(share * (1 - share) / max(kish(weight), 1.0))),
                }
            )
        return pl.DataFrame(rows)

    def _used(self) -> Bools:
        return np.asarray((self.scores.weight > 0).any(axis=1))


def _auc(score: Floats, treated: Bools, weight: Floats) -> float:
    """Return the chance that a treated has a higher score than a control, ties half."""
    values, at = np.unique(score, return_inverse=True)
    one, none = (np.bincount(at[who], weight[who], minlength=len(values))
                 for who in (treated, ~treated))  # fmt: skip
    below = np.cumsum(none) - none
    total = one.sum() * none.sum()
    return float(one @ (below + none / 2) / total) if total else float("nan")
