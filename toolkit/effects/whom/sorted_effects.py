"""People sorted by the effect foretold for them: whether those gain most, and who they are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.doubly_robust.models import check_estimator, foretell, foretell_linear
from toolkit.effects.doubly_robust.models import make_table as table_of
from toolkit.effects.result import EffectResult
from toolkit.effects.whom.source import Source, group_means, group_vcov, judged, read_source
from toolkit.effects.whom.subgroups import Subgroups, assemble
from toolkit.errors import CallError
from toolkit.estimation.coefficients import coefficient_table
from toolkit.estimation.formula import learn
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, require_columns
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SortedEffects(EffectResult):
    """Effects in groups of people sorted by what was foretold for them.

    Attributes
    ----------
    groups : Subgroups
        `level` 1 = least foretold.
    spread : DataFrame
        One row: the last group against the first.
    traits : DataFrame
        A row a covariate: its mean in the last and in the first group.
    predicted : Series
        ``predicted``, (N,): the effect foretold for each row, by models that have not seen it.
    """

    groups: Subgroups = field(repr=False)
    spread: pl.DataFrame = field(repr=False)
    traits: pl.DataFrame = field(repr=False)
    predicted: pl.Series = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row a group, with `predicted`, the mean of what was foretold."""
        return self.groups.rows

    def glance(self) -> pl.DataFrame:
        """Return one row: the effect of the last group less that of the first, and its test."""
        return self.spread

    def classification(self) -> pl.DataFrame:
        """Return who gains most and least: means of covariates in the last and the first group.

        Columns: `term, mean_most, mean_least`, `estimate` (their difference), std_error, ….
        """
        return self.traits


def sorted_effects(
    x: Any,
    *,
    model: Any = None,
    on: str | Sequence[str] | None = None,
    traits: Sequence[str] = (),
    groups: int = 5,
    outcome: str | None = None,
    conf_level: float = 0.95,
    seed: int = 0,
) -> SortedEffects:
    """Sort people by the effect foretold for them, and estimate the effect in each part.

    Parameters
    ----------
    x : DoublyRobust
        With folds (cross_fit ≥ 2): nobody is foretold by a model that has seen him.
    model : str or estimator, optional
        What foretells effects: by default the outcome's model of `x`, treated less untreated; a
        formula, or a regressor of scikit-learn on the columns `on`, is fitted on the doubly robust
        scores of the other folds (Kennedy 2023).
    on : str or sequence of str, optional
        Covariates of an estimator: a formula, or columns.
    traits : sequence of str
        Columns of numbers or true/false to compare the most and the least affected on.
    groups : int
        Parts of equal size, made within each fold.
    outcome : str, optional

    Returns
    -------
    SortedEffects

    Raises
    ------
    toolkit.errors.ToolkitError
        Without folds, or for columns that cannot be used.

    Notes
    -----
    Sorted group average effects and classification analysis of Chernozhukov, Demirer, Duflo and
    Fernández-Val (2018); effects are those of doubly robust scores. If nothing in the covariates
    tells who gains more, all groups have the same effect, whatever was foretold.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from toolkit import effects
    >>> rng = np.random.default_rng(1)
    >>> old, t = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    >>> y = 2.0 * t * old + rng.normal(0, 0.1, 400)
    >>> people = pl.DataFrame({"t": t, "old": old, "y": y})
    >>> found = effects.doubly_robust(people, treatment="t", outcome="y", on="old")
    >>> effects.sorted_effects(found, groups=2, traits=["old"]).glance()["estimate"].round(1).item()
    2.0
    """
    check_interval(conf_level, "log")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 2:
        raise CallError(f"groups={groups!r} is not a whole number from 2 on", fix="5 serves")
    source = read_source(x, outcome)
    if source.n_fold < 2:
        raise CallError(
            "Without folds people are sorted by what chance did to them",
            fix="doubly_robust(…, cross_fit=5)",
        )
    words, predicted = _predictions(source, model, on, seed)
    source = replace(source, predicted=predicted)
    rank = _ranks(source, groups)
    size = np.bincount(rank[rank >= 0], minlength=groups)
    if (size == 0).any():
        raise CallError(f"{groups} groups cannot be made of so few people", fix="fewer groups")
    mean, moved = group_means(source, rank, groups, source.score)
    vcov = group_vcov(source, moved, rank, groups)
    foretold, _ = group_means(source, rank, groups, predicted * source.denominator)
    labels = pl.DataFrame(
        {"variable": ["predicted effect"] * groups,
         "level": [str(g + 1) for g in range(groups)], "n": size, "predicted": foretold}
    )  # fmt: skip
    meta = {
        "estimand": f"{x.meta['estimand']}, by size of the effect foretold",
        "method": f"Sorted effects, foretold by {words}",
        "definition": x.meta["definition"],
        "design": x.meta["design"],
        "n": x.meta["n"],
        "warnings": list(x.meta.get("warnings", ())),
        "seed": seed,
        "versions": versions(),
        **judged(x.meta),
    }
    made = assemble(labels, mean, vcov, correction="max_t", conf_level=conf_level, seed=seed,
                    meta=meta)  # fmt: skip
    step = np.zeros((1, groups))
    step[0, 0], step[0, -1] = -1, 1
    spread = coefficient_table(
        [f"group {groups} less group 1"], step @ mean, step @ vcov @ step.T, conf_level=conf_level
    )
    return SortedEffects(
        meta=meta, groups=made, spread=spread,
        traits=_traits(source, rank, groups, traits, conf_level),
        predicted=pl.Series("predicted", predicted),
    )  # fmt: skip


def _predictions(
    source: Source, model: Any, on: str | Sequence[str] | None, seed: int
) -> tuple[str, Floats]:
    """Return in words what foretells effects, and the effects foretold, (N,)."""
    if model is None:
        return "the outcome's model", source.predicted
    formula = model if isinstance(model, str) else on
    if formula is None:
        raise CallError("An estimator needs covariates", fix="name them: on=…")
    if not isinstance(formula, str):
        formula = " + ".join(f"`{name}`" for name in as_columns(formula))
    covariates, matrix = learn(formula, source.frame)
    # Σ w s / Σ w d: a regression of s / d with weights w d
    mass = np.where(source.weight > 0, source.weight * source.denominator, 0.0)
    target = np.where(mass > 0, source.score / np.where(mass > 0, source.denominator, 1.0), 0.0)
    if isinstance(model, str):
        table = table_of(matrix, covariates.terms, mass)
        arm = np.zeros(len(mass), np.int64)
        made = foretell_linear(table, target[:, None], mass, arm, 1, source.fold, source.n_fold)
        return f"scores on {formula}", made[0, :, 0]
    check_estimator(model, "model")
    weight = None if (mass[mass > 0] == mass[mass > 0][0]).all() else mass
    found = foretell(model, matrix, target, weight, mass > 0, source.fold, source.n_fold, seed)
    return f"{type(model).__name__} of scores on {formula}", found


def _ranks(source: Source, groups: int) -> Ints:
    """Return the part each row is in, (N,), 0 = least foretold; -1 = not used.

    Parts hold equal shares of those for whom the effect is, in each fold; ties stay together.
    """
    rank = np.full(len(source.weight), -1)
    mass = np.where(source.weight > 0, source.weight * source.denominator, 0.0)
    for f in range(source.n_fold):
        rows = np.flatnonzero((source.fold == f) & (source.weight > 0))
        values, at = np.unique(source.predicted[rows], return_inverse=True)
        own = np.bincount(at, mass[rows], minlength=len(values))
        before = np.cumsum(own) - own
        middle = (before + own / 2) / max(own.sum(), 1e-300)  # of the place of each value
        rank[rows] = np.minimum((middle * groups).astype(np.int64), groups - 1)[at]
    return rank


def _traits(
    source: Source, rank: Ints, groups: int, traits: Sequence[str], conf_level: float
) -> pl.DataFrame:
    """Return means of covariates in the last and the first group, and their difference."""
    names = as_columns(list(traits))
    require_columns(source.frame, *names)
    parts = []
    for name in names:
        covariates, matrix = learn(f"`{name}`", source.frame)
        for j, term in enumerate(covariates.terms):
            score = matrix[:, j] * source.denominator
            mean, moved = group_means(source, rank, groups, score)
            vcov = group_vcov(source, moved, rank, groups)
            step = np.zeros((1, groups))
            step[0, 0], step[0, -1] = -1, 1
            row = coefficient_table([term], step @ mean, step @ vcov @ step.T,
                                    conf_level=conf_level)  # fmt: skip
            extra = pl.DataFrame({"mean_most": [mean[-1]], "mean_least": [mean[0]]})
            parts.append(pl.concat([row.select("term"), extra, row.drop("term")], how="horizontal"))
    return pl.concat(parts) if parts else pl.DataFrame(schema={"term": pl.String})
