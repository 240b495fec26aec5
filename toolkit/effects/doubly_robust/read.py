"""The door of the doubly robust estimators: columns in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.doubly_robust.models import Table, check_estimator, make_table
from toolkit.errors import CallError, MissingValueError, check_option
from toolkit.estimation.clusters import check_clusters, cluster_codes, few_clusters
from toolkit.estimation.formula import learn
from toolkit.frames import (
    as_columns,
    require_columns,
    require_no_nulls,
    require_numeric,
    rows_where,
)
from toolkit.matching.sample import read_sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """K outcomes of N rows.

    Attributes
    ----------
    names : tuple of str
    y : (N, K) array
        0 where not known.
    known : (N, K) array of bool
    dropped : dict
        How many rows of each outcome are not known.
    """

    names: tuple[str, ...]
    y: Floats = field(repr=False)
    known: NDArray[np.bool_] = field(repr=False)
    dropped: dict[str, int]


def read_outcomes(frame: pl.DataFrame, outcome: str | Sequence[str], missing: str) -> Outcomes:
    """Return the outcomes as numbers.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns that are no numbers or truth values, and for missing outcomes unless
        ``missing="drop"``.
    """
    check_option("missing", missing, ("error", "drop"))
    names = as_columns(outcome)
    if not names or len(set(names)) < len(names):
        raise CallError("outcome= names no column, or one twice", fix="name columns, each once")
    require_columns(frame, *names)
    y, known = np.zeros((frame.height, len(names))), np.ones((frame.height, len(names)), bool)
    dropped = {}
    for k, name in enumerate(names):
        if frame.schema[name] != pl.Boolean:
            require_numeric(frame, name)
        column = frame[name].cast(pl.Float64).fill_nan(None)
        lost = column.null_count()
        if lost and missing == "error":
            _, where = rows_where(frame.select(column), pl.col(name).is_null())
            raise MissingValueError(
                f"Outcome {name!r} has missing values",
                where=where,
                fix="not observed is not 'no': cut the cohort to those followed long enough, or "
                "say missing='drop', which takes them to be missing at random given covariates",
            )
        if lost:
            dropped[f"{name} not known"] = lost
            known[:, k] = column.is_not_null().to_numpy()
        y[:, k] = column.fill_null(0.0).to_numpy()
    if not np.isfinite(y).all():
        raise MissingValueError("An outcome is infinite somewhere", fix="look it up")
    return Outcomes(names=tuple(names), y=y, known=known, dropped=dropped)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model to be fitted: the covariates, and an estimator of scikit-learn or None for our own.

    Attributes
    ----------
    words : str
        How `meta` names it.
    """

    table: Table = field(repr=False)
    estimator: Any | None
    words: str


def read_models(
    frame: pl.DataFrame,
    on: str | Sequence[str] | None,
    treatment_model: Any,
    outcome_model: Any,
    weight: Floats,
    outcomes: Sequence[str],
) -> tuple[Model, Model]:
    """Return the models of treatment and of outcome; a formula read twice is learned once."""
    made: dict[str, Table] = {}

    def table(formula: str) -> Table:
        if formula not in made:
            plain = on is not None and not isinstance(on, str) and formula == both
            if plain:
                names: Sequence[str] = as_columns(on)
                x, terms = _columns(frame, names)
            else:
                covariates, x = learn(formula, frame)
                names, terms = covariates.variables, covariates.terms
            for name in names:
                if name in outcomes:
                    raise CallError(
                        f"Outcome {name!r} is among the covariates",
                        fix="leave it out: covariates are from before the treatment",
                    )
            made[formula] = make_table(x, terms, weight)
        return made[formula]

    both = None if on is None else on if isinstance(on, str) else _listed(frame, on)
    models = []
    for what, given in (("treatment_model", treatment_model), ("outcome_model", outcome_model)):
        if given is None or isinstance(given, str):
            formula = both if given is None else given
            if formula is None:
                raise CallError(
                    f"Nobody knows what the {what.removesuffix('_model')} depends on",
                    fix=f"name covariates: on='age + sex', or {what}='age + sex'",
                )
            models.append(Model(table=table(formula), estimator=None, words=formula))
            continue
        if both is None:
            raise CallError(f"{what} is an estimator without covariates", fix="name them: on=…")
        check_estimator(given, what, classifier=what == "treatment_model")
        words = f"{type(given).__name__} on {both}"
        models.append(Model(table=table(both), estimator=given, words=words))
    return models[0], models[1]


def _listed(frame: pl.DataFrame, on: Sequence[str]) -> str:
    """Return a list of columns as a formula."""
    names = as_columns(on)
    require_columns(frame, *names)
    return " + ".join(f"`{name}`" for name in names)


def _learned(frame: pl.DataFrame, formula: str) -> tuple[Floats, tuple[str, ...]]:
    covariates, x = learn(formula, frame)
    return x, covariates.terms


def _columns(frame: pl.DataFrame, names: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """Return columns as a matrix; numbers as they are, without the detour of a formula."""
    if not all(frame.schema[name].is_numeric() or frame.schema[name] == pl.Boolean
               for name in names):  # fmt: skip
        return _learned(frame, _listed(frame, names))
    require_no_nulls(frame, *names)
    x = np.empty((frame.height, len(names)))
    for j, name in enumerate(names):
        x[:, j] = frame[name].cast(pl.Float64).to_numpy()
        if not np.isfinite(x[:, j]).all():
            raise MissingValueError(f"Column {name!r} is infinite somewhere", fix="look it up")
    return x, tuple(names)


def read_weights(
    frame: pl.DataFrame, weights: str | None, weight_type: str | None
) -> tuple[Floats, Floats | None]:
    """Return the weights, and how many equal rows each row is (None: 1, or sampling weights)."""
    if weight_type is not None:
        check_option("weight_type", weight_type, ("frequency", "sampling"))
    weight = read_sampling(frame, weights)
    if weights is None:
        return weight, None
    whole = bool((weight == np.round(weight)).all())
    if weight_type == "frequency" and not whole:
        raise CallError(
            f"Weights {weights!r} are not whole numbers", fix="use weight_type='sampling'"
        )
    return weight, weight if whole and weight_type != "sampling" else None


def read_cluster(frame: pl.DataFrame, cluster: str | None) -> tuple[Ints | None, list[str]]:
    """Return the clusters as numbers, and what to warn of."""
    if cluster is None:
        return None, []
    require_columns(frame, cluster)
    require_no_nulls(frame, cluster)
    codes = cluster_codes(frame[cluster])
    count = int(codes.max()) + 1
    check_clusters(count, cluster)
    return codes, few_clusters(count, cluster)
