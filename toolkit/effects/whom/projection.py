"""How the effect changes along covariates: the best line through doubly robust scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.result import EffectResult
from toolkit.effects.whom.source import judged, read_source
from toolkit.errors import CallError, check_option
from toolkit.estimation.clusters import influence_vcov
from toolkit.estimation.coefficients import coefficient_table, wald_test
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.formula import learn
from toolkit.estimation.intervals import check_interval
from toolkit.estimation.newton import inverse
from toolkit.provenance import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Correction = Literal["HC0", "HC1", "HC2", "HC3"]


@dataclass(frozen=True, kw_only=True)
class Projection(EffectResult):
    """The effect as a linear function of covariates.

    Attributes
    ----------
    terms : tuple of str
        First the intercept.
    coefficients : (q,) array
    vcov : (q, q) array
    influence : (N, q) array
        By how much each row moves the coefficients.
    """

    terms: tuple[str, ...]
    coefficients: Floats
    vcov: Floats = field(repr=False)
    influence: Floats = field(repr=False)
    conf_level: float = 0.95

    def tidy(self) -> pl.DataFrame:
        """Return term, estimate, std_error, statistic, p_value, conf_low, conf_high."""
        return coefficient_table(
            self.terms, self.coefficients, self.vcov, conf_level=self.conf_level
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: n, and the test that the effect is the same along all covariates."""
        statistic, p_value = wald_test(self.coefficients[1:], self.vcov[1:, 1:])
        return pl.DataFrame(
            {"n": [int(self.meta["n"])], "statistic": [statistic],
             "df": [len(self.terms) - 1], "p_value": [p_value]},
            schema_overrides={"statistic": pl.Float64, "p_value": pl.Float64},
        )  # fmt: skip


def best_linear_projection(
    x: Any,
    formula: str,
    *,
    outcome: str | None = None,
    correction: Correction = "HC3",
    centre: bool = True,
    conf_level: float = 0.95,
) -> Projection:
    """Return the line in covariates that lies nearest to the effects.

    Parameters
    ----------
    x : DoublyRobust
    formula : str
        Covariates, as ``age + C(region)``; they need not be those of the models.
    outcome : str, optional
        Which, where there are several.
    correction : {"HC0", "HC1", "HC2", "HC3"}
        For small samples; with the clusters of `x` HC3 is taken to be HC1, with C / (C - 1).
    centre : bool
        Whether covariates are taken from their mean, so that the intercept is the mean effect.
    conf_level : float

    Returns
    -------
    Projection

    Raises
    ------
    toolkit.errors.ToolkitError
        For a formula that cannot be read, and columns that others make up.

    Notes
    -----
    β solves Σ w z (s - d z'β) = 0, s and d the scores and denominators (Semenova and
    Chernozhukov 2021; Cui et al. 2023 for the scores of other estimands): it is the best linear
    summary of the effect given covariates, whatever its true shape.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame(
    ...     {
    ...         "t": [1, 0, 1, 0, 1, 1, 0, 0],
    ...         "y": [3.0, 1, 4, 2, 9, 10, 7, 6],
    ...         "old": [0, 0, 0, 0, 1, 1, 1, 1],
    ...     }
    ... )
    >>> found = effects.doubly_robust(people, treatment="t", outcome="y", on="old", cross_fit=1)
    >>> effects.best_linear_projection(found, "old").coefficients.round(6).tolist()
    [2.5, 1.0]
    """
    check_option("correction", correction, ("HC0", "HC1", "HC2", "HC3"))
    check_interval(conf_level, "log")
    source = read_source(x, outcome)
    covariates, matrix = learn(formula, source.frame)
    if not covariates.terms:
        raise CallError("The formula has no covariates", fix="for instance 'age + C(region)'")
    used = source.weight > 0
    mass = np.where(used, source.weight * source.denominator, 0.0)
    check_collinearity(matrix[used], covariates.terms, mass[used])
    middle = (mass @ matrix) / mass.sum() if centre else np.zeros(matrix.shape[1])
    z = np.hstack([np.ones((len(matrix), 1)), matrix - middle])
    bread = inverse(z.T @ (z * mass[:, None]))
    beta = bread @ (z.T @ np.where(used, source.weight * source.score, 0.0))
    # a score may be far from its line; leverage is that of its mass
    off = np.where(used, source.weight * (source.score - source.denominator * (z @ beta)), 0.0)
    if source.cluster is None and correction in {"HC2", "HC3"}:
        leverage = mass * ((z @ bread) * z).sum(axis=1)
        power = 0.5 if correction == "HC2" else 1.0
        off = off / np.maximum(1 - leverage, 1e-12) ** power
    influence = (z * off[:, None]) @ bread
    if source.cluster is not None:
        clusters = len(np.unique(source.cluster[used]))
        vcov = influence_vcov(influence, source.cluster) * clusters / max(clusters - 1, 1)
        label = "HC1, clusters"
    else:
        counts = np.ones(len(used)) if source.counts is None else source.counts
        vcov = influence_vcov(influence / np.sqrt(np.maximum(counts, 1e-300))[:, None])
        n = float(counts[used].sum())
        vcov = vcov * n / (n - len(beta)) if correction == "HC1" else vcov
        label = correction
    return Projection(
        meta={
            "estimand": f"{x.meta['estimand']}, along {formula}",
            "method": "Best linear projection of the effect, from doubly robust scores",
            "definition": x.meta["definition"],
            "design": x.meta["design"],
            "n": x.meta["n"],
            "variance": label,
            "centred": centre,
            "warnings": list(x.meta.get("warnings", ())),
            "versions": versions(),
            **judged(x.meta),
        },
        terms=("intercept", *covariates.terms), coefficients=beta, vcov=vcov,
        influence=influence, conf_level=conf_level,
    )  # fmt: skip
