"""Doubly robust means of several arms: which instrument, against none."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.effects.contrast_table import Measure, measure_table, read_measures
from toolkit.effects.doubly_robust.fit import foretell_outcomes
from toolkit.effects.doubly_robust.folds import (
    check_arms,
    check_folds,
    make_folds,
    require_arms,
    row_marks,
)
from toolkit.effects.doubly_robust.models import foretell, foretell_logit
from toolkit.effects.doubly_robust.overlap import (
    NEAR,
    beyond,
    check_bounds,
    effective,
    headline,
    heaviest,
)
from toolkit.effects.doubly_robust.read import (
    Model,
    read_cluster,
    read_models,
    read_outcomes,
    read_weights,
)
from toolkit.effects.doubly_robust.scores import score_vcov
from toolkit.effects.result import EffectResult
from toolkit.errors import CallError, SeparationError, unknown_option
from toolkit.estimation.intervals import check_interval
from toolkit.frames import require_columns, require_no_nulls, require_rows, to_frame
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ArmScores(EffectResult):
    """Mean outcome had all been in each of A arms, and the scores it is the mean of.

    Attributes
    ----------
    frame : DataFrame
        The N rows as they were handed in.
    treatment, outcome : str
    arms : tuple
        Values of the treatment; first the reference.
    scores : (N, A) array
        Doubly robust scores: what `policy_tree` chooses by.
    arm : (N,) array of int
        In which arm each row is.
    chances : (N, A) array
        Of each arm, foretold outside the fold.
    weights : (N,) array
        What each row stands for; 0 = trimmed.
    """

    frame: pl.DataFrame = field(repr=False)
    treatment: str
    outcome: str
    arms: tuple[Any, ...]
    scores: Floats = field(repr=False)
    arm: Ints = field(repr=False)
    chances: Floats = field(repr=False)
    weights: Floats = field(repr=False)
    fold: Ints = field(repr=False)
    n_fold: int
    cluster: Ints | None = field(default=None, repr=False)
    counts: Floats | None = field(default=None, repr=False)
    measures: tuple[Measure, ...] = ("difference",)
    conf_level: float = 0.95

    @property
    def value(self) -> Floats:
        """Mean outcome had all been in each arm, (A,)."""
        return np.asarray(self.weights @ self.scores / self.weights.sum())

    @property
    def influence(self) -> Floats:
        """By how much each row moves each mean, (N, A)."""
        share = (self.weights / self.weights.sum())[:, None]
        return np.asarray(share * (self.scores - self.value))

    def tidy(self) -> pl.DataFrame:
        """Return arm, term, estimate, …: each arm against the reference.

        `mean_treated` is the mean had all been in the arm, `mean_control` in the reference.
        """
        vcov = score_vcov(self.influence, self.counts, self.cluster)
        pairs = np.array([[a, 0] for a in range(1, len(self.arms))]).ravel()
        labels = pl.DataFrame({"arm": list(self.arms[1:])})
        return measure_table(
            self.value[pairs], vcov[np.ix_(pairs, pairs)], labels,
            measures=self.measures, conf_level=self.conf_level,
        )  # fmt: skip

    def glance(self) -> pl.DataFrame:
        """Return a row an arm: `arm, n, mean, std_error, chance_min, chance_max, ess`.

        The chances are those of all rows to be in the arm; `ess` is what the weights leave of `n`.
        """
        vcov = score_vcov(self.influence, self.counts, self.cluster)
        used = self.weights > 0
        size = np.ones(len(used)) if self.counts is None else self.counts
        number = np.bincount(self.arm[used], size[used], minlength=len(self.arms))
        return pl.DataFrame(
            {
                "arm": list(self.arms),
                "n": np.round(number).astype(np.int64),
                "mean": self.value,
                "std_error": np.sqrt(np.diag(vcov)),
                "chance_min": self.chances[used].min(axis=0),
                "chance_max": self.chances[used].max(axis=0),
                "ess": list(self.effective_size()),
            }
        )

    def effective_size(self) -> tuple[float, ...]:
        """Return what the weights leave of the rows of each arm."""
        own = [self.arm == a for a in range(len(self.arms))]
        return tuple(effective(np.where(who, self.arm_weights, 0.0), self.counts) for who in own)

    @property
    def arm_weights(self) -> Floats:
        """The weight each row's own outcome has in the mean of its arm, (N,)."""
        return own_weights(self.weights, self.chances, self.arm)

    def headline(self) -> str:
        """Say where one row decides, or a mean is none that outcomes can have."""
        return str(self.meta.get("headline", ""))


def own_weights(weight: Floats, chances: Floats, arm: Ints) -> Floats:
    """Return what each row weighs divided by the chance of its own arm, (N,)."""
    own = chances[np.arange(len(arm)), arm]
    return np.asarray(np.where(weight > 0, weight / np.where(own > 0, own, 1.0), 0.0))


def doubly_robust_arms(
    data: Any,
    *,
    treatment: str,
    outcome: str,
    reference: Any,
    on: str | Sequence[str] | None = None,
    outcome_model: Any = None,
    treatment_model: Any = None,
    link: Literal["linear", "logit"] | None = None,
    cross_fit: int = 5,
    seed: int = 0,
    weights: str | None = None,
    weight_type: Literal["frequency", "sampling"] | None = None,
    cluster: str | None = None,
    clip: float | None = None,
    trim: float | None = None,
    measure: Measure | Sequence[Measure] = "difference",
    missing: Literal["error", "drop"] = "error",
    conf_level: float = 0.95,
) -> ArmScores:
    """Estimate what the mean outcome would be, had all been in each of several arms.

    Parameters
    ----------
    treatment : str
        Column of two or more values: which instrument, or none.
    reference : value of `treatment`
        What the others are compared with.
    clip : float, optional
        Takes chances below it to be that. Never done unasked.
    trim : float, optional
        Leaves out rows of whom the chance of any arm is below it: the effect is for the others.
    data, outcome, on, …
        As in `doubly_robust`.

    Returns
    -------
    ArmScores

    Raises
    ------
    toolkit.errors.ToolkitError
        As `doubly_robust`.

    Notes
    -----
    s_a = m_a + [in a] (y - m_a) / e_a (Cattaneo 2010). The chances are those of a multinomial
    logit, whose coefficients are fitted arm by arm against the reference (Begg and Gray 1984), or
    those of a classifier.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> people = pl.DataFrame(
    ...     {
    ...         "arm": ["none", "job", "course"] * 4,
    ...         "y": [1.0, 3, 2, 2, 4, 3, 5, 8, 5, 6, 9, 6],
    ...         "old": [0] * 6 + [1] * 6,
    ...     }
    ... )
    >>> found = effects.doubly_robust_arms(
    ...     people, treatment="arm", outcome="y", reference="none", on="old", cross_fit=1
    ... )
    >>> found.tidy().filter(pl.col("term") == "difference")["estimate"].round(6).to_list()
    [0.5, 2.5]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "log")
    measures = read_measures(measure)
    check_folds(cross_fit, 1, seed)
    check_bounds(clip, trim)
    frame = to_frame(data)
    require_rows(frame)
    require_columns(frame, treatment, *([cluster] if cluster else []))
    arms, arm = _read_arms(frame, treatment, reference)
    outcomes = read_outcomes(frame, [outcome], missing)
    weight, counts = read_weights(frame, weights, weight_type)
    require_arms(arm, len(arms), weight, outcomes.known)
    weight = np.where(outcomes.known[:, 0], weight, 0.0)
    codes, said = read_cluster(frame, cluster)
    of_treatment, of_outcome = read_models(
        frame, on, treatment_model, outcome_model, weight, outcomes.names
    )
    columns = [arm, outcomes.y[:, 0], *of_treatment.table.x.T, weight]
    if of_outcome.table is not of_treatment.table:
        columns += list(of_outcome.table.x.T)
    fold = make_folds(row_marks(columns, seed), arm, cross_fit, codes)
    check_arms(fold, arm, cross_fit, weight > 0)
    chances = _chances(of_treatment, arm, len(arms), weight, fold, cross_fit, seed, arms)
    chances, inside, dropped, bounded = _bound(chances, clip, trim, arm)
    predicted = foretell_outcomes(
        of_outcome,
        outcomes,
        arm,
        weight,
        fold,
        cross_fit,
        seed,
        link=link,
        labels=[f"of arm {value}" for value in arms],
    )[:, :, 0].T
    y = outcomes.y[:, :1]
    own = arm[:, None] == np.arange(len(arms))
    scores = predicted + np.where(own, (y - predicted) / chances, 0.0)
    weight = np.where(inside, weight, 0.0)
    heavy = heaviest(
        own_weights(weight, chances, arm),
        {f"arm {value}": arm == a for a, value in enumerate(arms)},
        counts,
    )
    outside = beyond(
        outcomes, weight, weight @ scores / weight.sum(), [f"in arm {a}" for a in arms]
    )
    size = (np.ones(len(weight)) if counts is None else counts) * (weight > 0)
    return ArmScores(
        meta={
            "estimand": "mean effect on all, of each arm",
            "target": "ATE",
            "method": "Doubly robust means of several arms",
            "definition": f"{outcome} by {treatment}, reference {reference}; treatment: "
            f"{of_treatment.words}; outcome: {of_outcome.words}",
            "design": "doubly_robust",
            "n": int(size.sum()),
            "n_cluster": None if codes is None else int(codes.max()) + 1,
            "cross_fit": cross_fit,
            "dropped": dropped | outcomes.dropped,
            "warnings": [*said, *bounded, *heavy],
            "headline": headline(heavy, outside),
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        frame=frame, treatment=treatment, outcome=outcome, arms=arms, scores=scores, arm=arm,
        chances=chances, weights=weight, fold=fold, n_fold=cross_fit, cluster=codes,
        counts=counts, measures=measures, conf_level=conf_level,
    )  # fmt: skip


def _read_arms(frame: pl.DataFrame, treatment: str, reference: Any) -> tuple[tuple[Any, ...], Ints]:
    """Return the arms, the reference first, and in which each row is."""
    require_no_nulls(frame, treatment)
    values = frame[treatment].unique().sort().to_list()
    if reference not in values:
        raise unknown_option("reference", reference, [str(value) for value in values])
    if len(values) < 2:
        raise CallError(f"{treatment!r} has one value, so nothing to compare", fix="look at it")
    arms = (reference, *(value for value in values if value != reference))
    place = pl.DataFrame({treatment: pl.Series(list(arms), dtype=frame.schema[treatment])})
    code = frame.select(treatment).join(
        place.with_row_index("_arm"), on=treatment, how="left", maintain_order="left"
    )["_arm"]
    return arms, code.cast(pl.Int64).to_numpy()


def _chances(
    model: Model, arm: Ints, n_arm: int, weight: Floats, fold: Ints, n_fold: int, seed: int,
    arms: tuple[Any, ...],
) -> Floats:  # fmt: skip
    """Return the chance of each arm, (N, A)."""
    if model.estimator is not None:
        plain = None if (weight == weight[0]).all() else weight
        return foretell(model.estimator, model.table.x, arm.astype(np.float64), plain,
                        weight > 0, fold, n_fold, seed)  # fmt: skip
    odds = np.ones((len(arm), n_arm))
    for one in range(1, n_arm):
        learn = np.where((arm == one) | (arm == 0), weight, 0.0)
        own = (arm == one).astype(np.float64)
        chance = foretell_logit(model.table, own, learn, fold, n_fold, f"arm {arms[one]}",
                               rows=f"of arms {arms[one]} and {arms[0]}")  # fmt: skip
        odds[:, one] = chance / np.maximum(1 - chance, 1e-300)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _bound(
    chances: Floats, clip: float | None, trim: float | None, arm: Ints
) -> tuple[Floats, NDArray[np.bool_], dict[str, int], list[str]]:
    """Return chances that can be divided by, who is left in, and what was done."""
    least = chances.min(axis=1)
    inside, said, dropped = np.ones(len(least), bool), [], {}
    if trim is not None and (least < trim).any():
        inside = least >= trim
        dropped[f"chance of an arm below {trim:g}"] = int((~inside).sum())
        said.append(
            f"{int((~inside).sum()):,} rows whose chance of an arm is below {trim:g} are left out: "
            "the effect is that for the others"
        )
    if clip is not None and (chances[inside] < clip).any():
        said.append(
            f"{int((chances[inside] < clip).any(axis=1).sum()):,} rows have a chance of an arm "
            f"below {clip:g}, taken to be that: their weights are too small, effects are biased"
        )
        chances = np.maximum(chances, clip)
    own = chances[np.arange(len(arm)), arm]
    if not (own[inside] > 1e-12).all():
        raise SeparationError(
            "Some rows had no chance at all of the arm they are in, by the model",
            fix="trim=0.01 leaves such people out, clip=0.01 keeps them with a smaller weight",
        )
    near = inside & (own < NEAR)
    if near.any():
        said.append(f"{int(near.sum()):,} rows had a chance below {NEAR:g} of the arm they are in")
    chances = np.where(inside[:, None], chances, np.maximum(chances, 1e-12))
    return chances, inside, dropped, said
