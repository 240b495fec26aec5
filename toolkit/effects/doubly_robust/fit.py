"""Doubly robust effects: two models, cross-fitted, and the scores that join them."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.contrast_table import Measure, read_measures
from toolkit.effects.doubly_robust.folds import (
    check_arms,
    check_folds,
    make_folds,
    require_arms,
    row_marks,
)
from toolkit.effects.doubly_robust.models import (
    Table,
    foretell,
    foretell_linear,
    foretell_logit,
)
from toolkit.effects.doubly_robust.overlap import (
    arm_weights,
    beyond,
    bound,
    check_bounds,
    headline,
    heaviest,
)
from toolkit.effects.doubly_robust.read import (
    Model,
    Outcomes,
    read_cluster,
    read_models,
    read_outcomes,
    read_weights,
)
from toolkit.effects.doubly_robust.result import DoublyRobust
from toolkit.effects.doubly_robust.scores import SPARE, Scores, average, make_scores, score_vcov
from toolkit.effects.doubly_robust.splits import median_vcov
from toolkit.errors import CallError, EstimationError, check_option
from toolkit.estimation.intervals import check_interval
from toolkit.frames import require_columns, to_frame
from toolkit.matching.treatment import ESTIMANDS, read_treatment
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.matching.treatment import Estimand

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def doubly_robust(
    data: Any,
    *,
    treatment: str,
    outcome: str | Sequence[str],
    on: str | Sequence[str] | None = None,
    outcome_model: Any = None,
    treatment_model: Any = None,
    estimand: Estimand = "ATE",
    link: Literal["linear", "logit"] | None = None,
    cross_fit: int = 5,
    repeats: int = 1,
    seed: int = 0,
    weights: str | None = None,
    weight_type: Literal["frequency", "sampling"] | None = None,
    cluster: str | None = None,
    clip: float | None = None,
    trim: float | None = None,
    measure: Measure | Sequence[Measure] = ("difference", "ratio"),
    missing: Literal["error", "drop"] = "error",
    conf_level: float = 0.95,
) -> DoublyRobust:
    """Estimate an effect by a model of treatment and one of the outcome: one of them must be right.

    Parameters
    ----------
    data : frame
        One row a person (or spell, with `cluster`).
    treatment : str
        Column of true/false or 1/0.
    outcome : str or sequence of str
        Columns of numbers or true/false; several share the model of treatment, and the folds.
    on : str or sequence of str, optional
        Covariates of both models: a formula, or columns.
    outcome_model, treatment_model : str or estimator, optional
        A formula of its own; or an estimator of scikit-learn, on the columns that `on` makes.
    estimand : {"ATE", "ATT", "ATC", "ATO"}
    link : {"linear", "logit"}, optional
        Of the outcome's formula; by default logit for outcomes of 0 and 1. Linear is right as well
        when the treatment's model is, and fits sixty outcomes in the time of one.
    cross_fit : int
        Folds: each is foretold by models fitted on the others, so that flexible models do not
        foretell what they have seen. 1 = none, for small formulas.
    repeats : int
        Splits into folds; each number is its median over them (Chernozhukov et al. 2018, 3.4).
    seed : int
        Of the folds (which do not depend on the order of rows) and of estimators that draw.
    weights : str, optional
    weight_type : {"frequency", "sampling"}, optional
        Whether weights count equal rows, or say how many others a row stands for; by default
        frequency when all are whole.
    cluster : str, optional
        Column whose rows belong together: in one fold, and summed in the variance.
    clip : float, optional
        Takes chances of treatment outside [clip, 1 - clip] to be that. Never done unasked.
    trim : float, optional
        Leaves out rows with chances outside [trim, 1 - trim]: the effect is for the others.
    measure : {"difference", "ratio", "relative"} or several
    missing : {"error", "drop"}
        Of outcomes that are not known; each outcome then has its own rows.
    conf_level : float

    Returns
    -------
    DoublyRobust

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns or values that cannot be used, models that the data do not determine, and
        rows that had no chance at all of the arm they are in.

    Notes
    -----
    Augmented inverse probability weighting; the scores are in `make_scores`. Their mean is the
    effect, their spread its variance (Chernozhukov et al. 2018). With several splits each measure
    is its own median, and its variance the median of σ² + (estimate - median)².

    Where one row decides, or a mean lies outside what outcomes can be, the summary begins with it;
    `effects.gate(…, sample=found)` judges support and effective size.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame(
    ...     {
    ...         "t": [1, 0, 1, 0, 1, 1, 0, 0],
    ...         "y": [3.0, 1, 4, 2, 8, 9, 7, 6],
    ...         "old": [0, 0, 0, 0, 1, 1, 1, 1],
    ...     }
    ... )
    >>> found = effects.doubly_robust(people, treatment="t", outcome="y", on="old", cross_fit=1)
    >>> round(float(found.estimate[0]), 6)
    2.0
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "log")
    check_option("estimand", estimand, tuple(ESTIMANDS))
    if link is not None:
        check_option("link", link, ("linear", "logit"))
    measures = read_measures(measure)
    check_folds(cross_fit, repeats, seed)
    check_bounds(clip, trim)
    frame = to_frame(data)
    treated = read_treatment(frame, treatment)
    require_columns(frame, *([cluster] if cluster else []))
    outcomes = read_outcomes(frame, outcome, missing)
    weight, counts = read_weights(frame, weights, weight_type)
    codes, said = read_cluster(frame, cluster)
    require_arms(treated.astype(np.int64), 2, weight, outcomes.known)
    of_treatment, of_outcome = read_models(
        frame, on, treatment_model, outcome_model, weight, outcomes.names
    )
    columns = [treated, *outcomes.y.T, *of_treatment.table.x.T, weight]
    if of_outcome.table is not of_treatment.table:
        columns += list(of_outcome.table.x.T)

    made: list[Scores] = []
    chances: list[Floats] = []
    modelled: list[Floats] = []
    dropped: dict[str, int] = {}
    first: Ints = np.zeros(frame.height, np.int64)
    for split in range(repeats):
        marks = row_marks(columns, seed + split)
        fold = make_folds(marks, treated.astype(np.int64), cross_fit, codes)
        for there in _different(outcomes.known):
            check_arms(fold, treated.astype(np.int64), cross_fit, there & (weight > 0))
        first = fold if split == 0 else first
        chance = _chances(of_treatment, treated, weight, fold, cross_fit, seed)
        bounded = bound(chance, treated, estimand, clip, trim)
        dropped |= bounded.dropped
        said += [one for one in bounded.said if one not in said]
        predicted = foretell_outcomes(
            of_outcome, outcomes, treated.astype(np.int64), weight, fold, cross_fit, seed,
            link=link, spare=SPARE.get(estimand),
        )  # fmt: skip
        inside = weight * bounded.inside
        whole = outcomes.known.all()
        used = inside[:, None] if whole else inside[:, None] * outcomes.known
        made.append(
            make_scores(
                estimand,
                outcomes.y,
                treated,
                np.where(bounded.inside, bounded.chance, 0.5),
                predicted[1],
                predicted[0],
                used,
            )
        )
        chances.append(bounded.chance)
        modelled.append(predicted)
    values = np.stack([one.means() for one in made])
    vcovs = np.stack(
        [
            score_vcov(one.influence(value), counts, codes)
            for one, value in zip(made, values, strict=True)
        ]
    )
    value, vcov = median_vcov(values, vcovs)
    scores = average(made)
    predicted = np.mean(modelled, axis=0)
    # of each split: where one chance is next to 0 the mean of chances is not
    own = np.mean(
        [
            arm_weights(chance, treated, estimand, one.weight.max(axis=1))
            for chance, one in zip(chances, made, strict=True)
        ],
        axis=0,
    )
    chance = np.mean(chances, axis=0)
    inside = scores.weight.max(axis=1) > 0
    heavy = heaviest(own, {"treated": treated, "controls": ~treated}, counts)
    size = np.ones(frame.height) if counts is None else counts
    return DoublyRobust(
        meta={
            "estimand": ESTIMANDS[estimand],
            "target": estimand,
            "method": "Doubly robust (augmented inverse probability weighting)",
            "definition": f"{', '.join(outcomes.names)} by {treatment}; treatment: "
            f"{of_treatment.words}; outcome: {of_outcome.words}",
            "design": "doubly_robust",
            "n": int(size[inside].sum()),
            "n_treated": int(size[inside & treated].sum()),
            "n_control": int(size[inside & ~treated].sum()),
            "n_cluster": None if codes is None else int(codes.max()) + 1,
            "cross_fit": cross_fit,
            "repeats": repeats,
            "dropped": dropped | outcomes.dropped,
            "warnings": [*said, *heavy],
            "headline": headline(heavy, beyond(outcomes, weight, value)),
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        frame=frame, treatment=treatment, treated=treated, outcomes=outcomes.names,
        value=value, vcov=vcov, split_values=values, split_vcovs=vcovs, scores=scores,
        propensity=pl.Series("propensity", chance),
        effects=predicted[1] - predicted[0], fold=first, n_fold=cross_fit, cluster=codes,
        counts=counts, weights=weight, arm_weights=own,
        errors=_errors(outcomes, treated, weight, predicted), measures=measures,
        conf_level=conf_level,
    )  # fmt: skip


def _different(known: Bools) -> Bools:
    """Return the different columns of a table, (D, N); most outcomes are known of the same rows."""
    return known[:, :1].T if known.all() else np.unique(known.T, axis=0)


def _chances(
    model: Model, treated: Bools, weight: Floats, fold: Ints, n_fold: int, seed: int
) -> Floats:
    y = treated.astype(np.float64)
    if model.estimator is None:
        return foretell_logit(model.table, y, weight, fold, n_fold, "treatment")
    plain = None if (weight == weight[0]).all() else weight
    learned = foretell(model.estimator, model.table.x, y, plain, weight > 0, fold, n_fold, seed)
    return np.ascontiguousarray(learned[:, 1])


def foretell_outcomes(
    model: Model,
    outcomes: Outcomes,
    arm: Ints,
    weight: Floats,
    fold: Ints,
    n_fold: int,
    seed: int,
    *,
    link: Literal["linear", "logit"] | None,
    spare: int | None = None,
    labels: Sequence[str] = ("of the controls", "of the treated"),
) -> Floats:
    """Return what each outcome would be in each arm, foretold outside the fold, (A, N, K).

    The arm `spare` plays no part in the estimate; `labels` say who is in each, for the messages.
    """
    n_arm = int(arm.max()) + 1
    y, known = outcomes.y, outcomes.known
    out = np.empty((n_arm, *y.shape))
    binary = [bool(np.isin(y[known[:, k], k], (0.0, 1.0)).all()) for k in range(y.shape[1])]
    if link == "logit" and not all(binary):
        name = outcomes.names[binary.index(False)]
        raise CallError(f"link='logit' is for outcomes of 0 and 1, and {name!r} is not that")
    if model.estimator is not None:
        plain = None if (weight == weight[0]).all() else weight
        for one in range(n_arm):
            for k in range(y.shape[1]):
                learn = (arm == one) & known[:, k] & (weight > 0)
                found = foretell(
                    model.estimator, model.table.x, y[:, k], plain, learn, fold, n_fold, seed
                )
                out[one, :, k] = _as_mean(found, y[learn, k])
        return out
    logits = [k for k in range(y.shape[1]) if link == "logit" or (link is None and binary[k])]
    linear = [k for k in range(y.shape[1]) if k not in logits]
    together = [k for k in linear if known[:, k].all()]
    for group in ([together] if together else []) + [[k] for k in linear if k not in together]:
        learn = np.where(known[:, group[0]], weight, 0.0)
        out[:, :, group] = foretell_linear(
            model.table, y[:, group], learn, arm, n_arm, fold, n_fold, spare=spare, labels=labels
        )
    for k in logits:
        for one in range(n_arm):
            learn = np.where((arm == one) & known[:, k], weight, 0.0)
            try:
                out[one, :, k] = _logit(
                    model.table, y[:, k], learn, fold, n_fold, outcomes.names[k], labels[one]
                )
            except EstimationError:
                if one != spare:
                    raise
                linear_one = foretell_linear(
                    model.table, y[:, [k]], learn, np.zeros_like(arm), 1, fold, n_fold, spare=0
                )
                out[one, :, k] = np.clip(linear_one[0, :, 0], 0.0, 1.0)
    return out


def _logit(
    table: Table, y: Floats, learn: Floats, fold: Ints, n_fold: int, name: str, rows: str
) -> Floats:
    """Return the chances of a yes; the same for all where all outside a fold said the same."""
    said = np.zeros((n_fold, 2))
    np.add.at(said, (fold, y.astype(np.int64)), learn)
    outside = said.sum(axis=0) - said if n_fold > 1 else said
    same = {f: float(outside[f, 0] <= 0) for f in range(n_fold) if outside[f].min() <= 0}
    if len(same) == n_fold:
        return np.array([same[f] for f in range(n_fold)])[fold]
    chance = foretell_logit(table, y, learn, fold, n_fold, f"{name}, {rows}", skip=same, rows=rows)
    for f, value in same.items():
        chance[fold == f] = value
    return chance


def _as_mean(found: Floats, y: Floats) -> Floats:
    """Return the mean that a classifier's chances make."""
    return found if found.ndim == 1 else np.asarray(found @ np.unique(y))


def _errors(outcomes: Outcomes, treated: Bools, weight: Floats, predicted: Floats) -> pl.DataFrame:
    """Return how well the outcome is foretold in each arm, outside the folds."""
    rows = []
    for k, name in enumerate(outcomes.names):
        for label, arm in (("treated", 1), ("control", 0)):
            who = (treated == bool(arm)) & outcomes.known[:, k] & (weight > 0)
            y, w = outcomes.y[who, k], weight[who]
            off = float(w @ (y - predicted[arm, who, k]) ** 2 / w.sum())
            spread = float(w @ (y - w @ y / w.sum()) ** 2 / w.sum())
            rows.append(
                {"outcome": name, "arm": label, "n": int(who.sum()), "rmse": off**0.5,
                 "r_squared": 1 - off / spread if spread > 0 else None}
            )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"r_squared": pl.Float64})
