"""The three ways from a plan to means and their variance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.effects.bootstrap import poisson_sums
from toolkit.effects.contrast_estimated import estimation_of_score
from toolkit.effects.contrast_influence import MeansInfluence, clustered_vcov
from toolkit.effects.contrast_means import (
    Means,
    adjusted_means,
    stratum_means,
    weighted_means,
)
from toolkit.effects.contrast_pairs import (
    BiasCorrection,
    PairMeans,
    conditional_variance,
    pair_means,
)
from toolkit.effects.contrast_sample import pairing_of, require_both, target_of
from toolkit.errors import CallError
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.formula import learn
from toolkit.estimation.newton import inverse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.effects.contrast_plan import Plan

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_POWER = {"HC0": 0.0, "HC1": 0.0, "HC2": 0.5, "HC3": 1.0}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Means of G groups and their variance; see `Contrast`."""

    value: Floats
    vcov: Floats = field(repr=False)
    n: Ints
    counts: tuple[Ints, Ints]
    n_cluster: int | None = None
    moved: MeansInfluence | None = field(default=None, repr=False)
    draws: Floats | None = field(default=None, repr=False)
    said: list[str] = field(default_factory=list)
    how: str = ""


def fit_means(plan: Plan) -> Found:
    """Return means with the variance of influence functions."""
    sample, group, weight = plan.sample, plan.group, plan.weight
    used = (weight > 0) & (group >= 0)
    counts = _arms(plan, used)
    made = list(_by_group(plan, used))
    own = np.zeros((len(group), 2))
    nuisance = sample.nuisance
    slopes = None if nuisance is None else np.zeros((nuisance.influence.shape[1], 2 * plan.n_group))
    size, parameters = np.zeros(plan.n_group), np.zeros(plan.n_group)
    for number, (rows, means) in enumerate(made):
        own[rows] = means.influence(_POWER[plan.correction])
        if slopes is not None and means.slopes is not None:
            slopes[:, 2 * number : 2 * number + 2] = means.slopes
        size[number] = len(rows) if plan.counts is None else plan.counts[rows].sum()
        parameters[number] = means.n_parameter
    moved = MeansInfluence(
        own=own, group=np.where(used, group, -1), n_group=plan.n_group,
        nuisance=None if nuisance is None else nuisance.influence, slopes=slopes,
        counts=plan.counts,
    )  # fmt: skip

    def factors(clusters: Floats | None) -> Floats | None:
        if plan.correction != "HC1":
            return None
        left = np.maximum(size - parameters, 1.0)
        if clusters is None:
            return size / left
        return clusters / np.maximum(clusters - 1, 1) * (size - 1) / left

    vcov, n_cluster, said = clustered_vcov(moved, plan.clustering, used, factors)
    value = np.concatenate([means.value for _, means in made])
    return Found(value=value, vcov=vcov, n=size.astype(np.int64), counts=counts,
                 n_cluster=n_cluster, moved=moved, said=said)  # fmt: skip


def fit_reused(plan: Plan) -> Found:
    """Return means of those for whom the effect is and of their matches, with replacement."""
    sample, y = plan.sample, plan.y
    pairs = pairing_of(sample)
    # a pair counts when both outcomes are known: weights are 0 where they are not
    kept = (plan.weight[pairs.focal] > 0) & (plan.weight[pairs.match] > 0)
    focal, match = pairs.focal[kept], pairs.match[kept]
    group = np.where(plan.weight > 0, plan.group, -1)
    bias = None
    if plan.adjust is not None:
        if plan.link != "linear":
            raise CallError(
                "The bias correction of matching with replacement is linear", fix="link='linear'"
            )
        bias = _bias_correction(plan, focal, match)
    inside = np.unique(match)
    spread = np.zeros(len(y))
    arm = np.flatnonzero(sample.treated == sample.treated[inside[0]])
    arm = arm[plan.known[arm]]  # neighbours may be people who were not matched
    place = np.searchsorted(arm, inside)
    spread[inside] = conditional_variance(
        (y if bias is None else y - bias.fitted)[arm],
        _space(plan)[arm],
        place,
        neighbours=plan.neighbours,
    )
    made = pair_means(
        focal, match, y, group=group, n_group=plan.n_group, sampling=sample.sampling,
        variance=spread, correction=bias,
    )  # fmt: skip
    counts = made.n_focal, made.n_match
    means, vcov = made.value, made.vcov
    extra, said = _of_estimated_score(plan, focal, made, bias)
    if extra is not None:
        vcov = vcov + extra
    if sample.estimand == "ATC":  # focal rows are the controls
        turn = np.arange(2 * plan.n_group).reshape(-1, 2)[:, ::-1].ravel()
        means, vcov, counts = means[turn], vcov[np.ix_(turn, turn)], counts[::-1]
    require_both(plan.groups, *counts)
    how = "" if extra is None else ", score estimated (Abadie and Imbens 2016)"
    return Found(value=means, vcov=vcov, n=counts[0] + counts[1], counts=counts, said=said, how=how)


def _of_estimated_score(
    plan: Plan, focal: Ints, made: PairMeans, bias: BiasCorrection | None
) -> tuple[Floats | None, list[str]]:
    """Return what the variance gains as the score was estimated, (2, 2), or why it is not known."""
    sample, y = plan.sample, plan.y
    model = getattr(sample, "propensity", None)
    if model is None:
        return None, []
    why = None
    if plan.n_group > 1:
        why = "of groups apart the score's part is not known"
    elif not getattr(sample, "score_only", False):
        why = "more than the score decided who is like whom"
    elif (sample.sampling != 1).any():
        why = "rows have weights"
    if why is not None:
        return None, [f"the score counts as known, though it was estimated: {why}"]
    extra = estimation_of_score(
        y, y if bias is None else y - bias.fitted,
        focal=sample.treated != (sample.estimand == "ATC"), used=np.unique(focal),
        known=plan.known, means=made.value, neighbours=plan.neighbours,
        **_chance(model, sample.estimand),
    )  # fmt: skip
    if np.linalg.eigvalsh(made.vcov + extra)[0] < 0:
        return None, ["the score counts as known, though it was estimated: too few rows to tell"]
    return extra, []


def _chance(model: Any, estimand: str) -> dict[str, Floats]:
    """Return the chance to be of those for whom the effect is, and what it is made of."""
    score = model.scores.to_numpy()
    slope = np.empty(len(score))
    for fit in model.fits:
        slope[slice(None) if fit.rows is None else fit.rows] = fit.slope()
    x = model.gradient(1 / slope)
    if estimand == "ATC":
        score, slope = 1 - score, -slope
    return {"score": score, "x": x, "slope": slope}


def fit_bootstrap(plan: Plan) -> Found:
    """Return means with the variance of Poisson bootstrap replicates."""
    found = fit_means(plan)
    weight, treated, sample = plan.weight, plan.sample.treated, plan.sample
    arms = [np.where(who, weight, 0.0) for who in (treated, ~treated)]
    columns = np.stack([arms[0] * plan.y, arms[0], arms[1] * plan.y, arms[1]], axis=1)
    unit = plan.clustering.codes[0] if plan.clustering else np.arange(len(weight))
    group = np.where(weight > 0, plan.group, -1)
    options: dict[str, Any] = {
        "unit": unit.astype(np.int64), "replicates": plan.replicates, "seed": plan.seed,
    }  # fmt: skip
    sums = poisson_sums(columns, group.astype(np.int64), plan.n_group, **options)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = (sums[:, :, 0::2] / sums[:, :, 1::2]).reshape(plan.replicates, -1)
    if sample.nuisance is not None and found.moved is not None and found.moved.slopes is not None:
        # θ of a replicate to first order: its influences drawn as often as the rows
        whole = np.zeros(len(weight), np.int64)
        theta = poisson_sums(sample.nuisance.influence, whole, 1, **options)[:, 0]
        draws = draws + (theta - sample.nuisance.influence.sum(axis=0)) @ found.moved.slopes
    lost = ~np.isfinite(draws).all(axis=1)
    said = list(found.said)
    if lost.any():
        said.append(f"{int(lost.sum()):,} replicates lack an arm of a group and are left out")
        draws = draws[~lost]
    if len(draws) < 2:
        raise CallError("No replicate has both arms in all groups", fix="merge groups")
    return Found(value=found.value, vcov=np.atleast_2d(np.cov(draws.T)), n=found.n,
                 counts=found.counts, n_cluster=found.n_cluster, moved=found.moved, draws=draws,
                 said=said)  # fmt: skip


def _by_group(plan: Plan, used: NDArray[np.bool_]) -> Sequence[tuple[Ints, Means]]:
    """Return the rows of each group and their means."""
    sample = plan.sample
    order = np.argsort(np.where(used, plan.group, plan.n_group), kind="stable")
    ends = np.searchsorted(np.where(used, plan.group, plan.n_group)[order],
                           np.arange(plan.n_group + 1))  # fmt: skip
    design = learn(plan.adjust, sample.frame) if plan.adjust is not None else None
    made = []
    for number in range(plan.n_group):
        rows = order[ends[number] : ends[number + 1]]
        y, treated, weight = plan.y[rows], sample.treated[rows], plan.weight[rows]
        gradient = None if sample.nuisance is None else sample.nuisance.gradient[rows]
        if plan.variance == "strata" and sample.subclass is not None:
            stratum = np.unique(sample.subclass[rows], return_inverse=True)[1]
            count = sample.sampling[rows]
            target = {"ATT": treated * count, "ATC": ~treated * count}.get(sample.estimand, count)
            means = stratum_means(y, treated, target, count, stratum)
        elif design is not None:
            if plan.link == "logit" and not np.isin(y, (0.0, 1.0)).all():
                raise CallError("link='logit' is for outcomes of 0 and 1", fix="link='linear'")
            target, target_gradient = target_of(
                sample.estimand, treated, weight, sample.sampling[rows], gradient
            )
            means = adjusted_means(
                y, treated, weight, design[1][rows], target, terms=design[0].terms,
                link=plan.link, interacted=plan.interacted, gradient=gradient,
                target_gradient=target_gradient,
                leverage=_POWER[plan.correction] > 0,
            )  # fmt: skip
        else:
            means = weighted_means(y, treated, weight, gradient)
        made.append((rows, means))
    return made


def _arms(plan: Plan, used: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the number of treated and of controls in each group."""
    size = np.ones(len(used)) if plan.counts is None else plan.counts
    treated = plan.sample.treated
    counts = [
        np.bincount(plan.group[used & who], size[used & who], minlength=plan.n_group)
        for who in (treated, ~treated)
    ]
    first, second = (np.round(count).astype(np.int64) for count in counts)
    require_both(plan.groups, first, second)
    return first, second


def _space(plan: Plan) -> Floats:
    """Return where each row lies: its score, or its covariates scaled to unit covariance."""
    sample = plan.sample
    if sample.score is not None:
        return sample.score.cast(float).to_numpy()[:, None]
    names = [f"`{name}`" for name in sample.covariates]
    _, matrix = learn(" + ".join(names), sample.frame)
    middle = matrix - matrix.mean(axis=0)
    values, vectors = np.linalg.eigh(middle.T @ middle / len(middle))
    keep = values > 1e-10 * values[-1]
    return np.asarray(middle @ vectors[:, keep] / np.sqrt(values[keep]))


def _bias_correction(plan: Plan, focal: Ints, match: Ints) -> BiasCorrection:
    """Return the regression among matches, each as often as it is used."""
    covariates, x = learn(str(plan.adjust), plan.sample.frame)
    rows, place = np.unique(focal, return_inverse=True)
    s = plan.sample.sampling
    share = (s[rows] / np.bincount(place, s[match]))[place] * s[match]
    weight = np.bincount(match, share, minlength=len(x)).astype(np.float64)
    inside = weight > 0
    check_collinearity(x[inside], covariates.terms, weight[inside])
    # from the middle of the matches: powers of a covariate are then less alike
    design = np.hstack([np.ones((len(x), 1)), x - (weight @ x) / weight.sum()])
    bread = inverse(design.T @ (design * weight[:, None]))
    fitted = design @ (bread @ (design.T @ (weight * plan.y)))
    return BiasCorrection(fitted=fitted, design=design, bread=bread, weight=weight)
