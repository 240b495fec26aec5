"""Fitted propensity scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.estimation.blocks import by_block
from toolkit.estimation.clusters import cluster_codes, influence_vcov
from toolkit.estimation.coefficients import coefficient_table
from toolkit.matching.propensity.climb import INTERCEPT, Climbed, rows_times
from toolkit.matching.propensity.overlap import (
    Ladder,
    auc,
    count_support,
    crump_cut,
    ladder,
    overlap,
    shared_range,
)
from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ScoreFit:
    """A logit or probit of the treatment of some rows.

    Attributes
    ----------
    label : dict
        The group's values; empty without groups.
    rows : (n,) array or None
        The group's rows; None = all.
    climbed : Climbed
    eta : (n,) array
        Linear predictor of these rows.
    """

    label: dict[str, Any]
    rows: Ints | None = field(repr=False)
    climbed: Climbed = field(repr=False)
    eta: Floats = field(repr=False)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the q coefficients."""
        return (INTERCEPT, *self.climbed.design.terms)

    def slope(self) -> Floats:
        """Return ∂ score / ∂ η of these rows."""
        family: Any = self.climbed.family
        return by_block(family.slope, self.eta)

    def pick(self, values: Any) -> Any:
        """Return the values of these rows, from those of all."""
        return values if self.rows is None else values[self.rows]


@dataclass(frozen=True, kw_only=True)
class Propensity(Result):
    """Probabilities of treatment of N rows.

    Attributes
    ----------
    scores : Series
        ``score``, (N,), in the order of the rows; never clipped.
    treatment : str
    treated : (N,) array of bool
    weights : (N,) array
        Sampling weights; 1 without.
    formula : str
        Right-hand side.
    model : str
        ``logit``, ``probit`` or the name of the classifier.
    covariates : tuple of str
        Columns of the data in the formula.
    cross_fit : int or None
        Number of folds.
    fits : tuple of ScoreFit
        A fit a group; empty for classifiers and cross-fitted scores, which have no coefficients to
        show.
    """

    scores: pl.Series = field(repr=False)
    treatment: str
    treated: Bools = field(repr=False)
    weights: Floats = field(repr=False)
    formula: str
    model: str
    covariates: tuple[str, ...]
    cross_fit: int | None = None
    fits: tuple[ScoreFit, ...] = field(default=(), repr=False)
    _cluster: pl.Series | None = field(default=None, repr=False)
    _weighted: bool = field(default=False, repr=False)
    _conf_level: float = field(default=0.95, repr=False)
    _groups: Sequence[str] = field(default=(), repr=False)

    @property
    def groups(self) -> tuple[str, ...]:
        """Columns of whose combinations each has a model of its own."""
        return tuple(self._groups)

    @property
    def parametric(self) -> bool:
        """Whether there are coefficients, so that their being estimated can be accounted for."""
        return bool(self.fits)

    def tidy(self) -> pl.DataFrame:
        """Return a row per coefficient; for classifiers and cross-fitted scores the groups' means.

        Columns: groups, `term, estimate, std_error` (of the model), `robust_se` (with weights or
        clusters), `statistic, p_value, conf_low, conf_high`.
        """
        if not self.parametric:
            return self._means()
        robust = self._robust()
        return pl.concat(
            [
                _labelled(
                    coefficient_table(
                        fit.terms, fit.climbed.theta, fit.climbed.inverse,
                        robust=vcov, conf_level=self._conf_level,
                    ),
                    fit.label,
                )
                for fit, vcov in zip(self.fits, robust, strict=True)
            ]
        )  # fmt: skip

    def glance(self) -> pl.DataFrame:
        """Return one row: n, how well treatment is foretold, and how far the groups overlap.

        Columns: `n, n_treated, auc, overlap, score_min, score_max` (of all scores),
        `outside_support` (share of rows outside the range that both groups have), and for
        logit and probit `loglik_null, loglik`.
        """
        score = self.scores.to_numpy()
        low, high = shared_range(self._steps)
        outside = (score < low) | (score > high)
        row: dict[str, Any] = {
            "n": len(score),
            "n_treated": int(self.treated.sum()),
            "auc": auc(self._steps),
            "overlap": overlap(self._steps),
            "score_min": float(score.min()),
            "score_max": float(score.max()),
            "outside_support": float(self.weights[outside].sum() / self.weights.sum()),
        }
        if self.parametric:
            row["loglik_null"] = sum(fit.climbed.start_value for fit in self.fits)
            row["loglik"] = sum(fit.climbed.value for fit in self.fits)
        return pl.DataFrame([row])

    def common_support(self) -> pl.DataFrame:
        """Return how many of each group are in and outside the scores that can be compared.

        A row a rule: ``min-max``, from the higher of the groups' lowest to the lower of their
        highest scores; ``crump 0.1``, between 0.1 and 0.9; ``crump``, the cut for the least
        variance of the mean effect on all (Crump et al. 2009).
        """
        cut = crump_cut(self._steps)
        rules = {
            "min-max": shared_range(self._steps),
            "crump 0.1": (0.1, 0.9),
            "crump": (cut, 1 - cut),
        }
        return count_support(rules, self.scores.to_numpy(), self.treated)

    def influence(self) -> Floats:
        """Return by how much each row moves the coefficients, (N, q); its own variance in squares.

        Coefficients of groups stand side by side, in the order of `tidy()`.

        Raises
        ------
        toolkit.errors.CallError
            For scores without coefficients: of a classifier, or cross-fitted.
        """
        self._require_coefficients()
        parts = []
        for fit in self.fits:
            mine, weight = fit.pick(self.treated), fit.pick(self.weights)
            u, v = weight * mine, weight * ~mine
            parts.append(fit.climbed.influence(fit.climbed.first(fit.eta, u, v)))
        return self._side_by_side(parts)

    def gradient(self, slope: Floats) -> Floats:
        """Return the derivative by the coefficients, (N, q), of what has `slope` by the score."""
        self._require_coefficients()
        parts = [rows_times(fit.climbed.design, fit.pick(slope) * fit.slope()) for fit in self.fits]
        return self._side_by_side(parts)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the scores of treated and controls back to back; `bins` says in how many bars."""
        from toolkit.matching.propensity.plot import plot_scores

        return plot_scores(
            self.scores.to_numpy(), self.treated, self.weights, ax=ax, **options
        )  # fmt: skip

    @cached_property
    def _steps(self) -> Ladder:
        return ladder(self.scores.to_numpy(), self.treated, self.weights)

    def _means(self) -> pl.DataFrame:
        score = self.scores.to_numpy()
        mean = [
            float(np.average(score[who], weights=self.weights[who]))
            for who in (self.treated, ~self.treated)
        ]
        return pl.DataFrame({"term": ["mean score, treated", "mean score, controls"],
                             "estimate": mean})  # fmt: skip

    def _robust(self) -> list[Floats | None]:
        if self._cluster is None and not self._weighted:
            return [None] * len(self.fits)
        code = None if self._cluster is None else cluster_codes(self._cluster)
        vcov = influence_vcov(self.influence(), code)
        cuts = np.cumsum([0, *(len(fit.terms) for fit in self.fits)])
        return [vcov[a:b, a:b] for a, b in pairwise(cuts)]

    def _side_by_side(self, parts: Sequence[Floats]) -> Floats:
        if len(parts) == 1 and self.fits[0].rows is None:
            return parts[0]
        out = np.zeros((len(self.treated), sum(part.shape[1] for part in parts)))
        start = 0
        for fit, part in zip(self.fits, parts, strict=True):
            out[fit.rows, start : start + part.shape[1]] = part
            start += part.shape[1]
        return out

    def _require_coefficients(self) -> None:
        if not self.parametric:
            how = "cross-fitted" if self.cross_fit else f"of {self.model}"
            raise CallError(
                f"Scores {how} have no coefficients whose estimation can be accounted for",
                fix="model='logit' without cross_fit, or a bootstrap of the whole analysis",
            )


def _labelled(table: pl.DataFrame, label: dict[str, Any]) -> pl.DataFrame:
    if not label:
        return table
    names = [pl.lit(value).alias(name) for name, value in label.items()]
    return table.select(*names, pl.all())
