"""The Cox model: coefficients by the partial likelihood."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError, check_option
from toolkit.estimation.clusters import few_clusters
from toolkit.estimation.coefficients import narrow_errors
from toolkit.estimation.intervals import check_interval
from toolkit.estimation.newton import inverse, maximise
from toolkit.provenance import versions
from toolkit.survival.cox.checks import check_information, check_separation
from toolkit.survival.cox.exact import ExactLikelihood
from toolkit.survival.cox.likelihood import TIES, PartialLikelihood, Ties
from toolkit.survival.cox.model import CoxModel
from toolkit.survival.cox.risk_sets import RiskSets, make_risk_sets
from toolkit.survival.cox.score import robust_variance
from toolkit.survival.design import Design, make_design

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]

_METHODS = {
    "efron": "Cox regression, ties by Efron",
    "breslow": "Cox regression, ties by Breslow",
    "exact": "Cox regression, exact (conditional) likelihood of ties",
}


def cox(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    robust: bool | None = None,
    ties: Ties = "efron",
    offset: str | None = None,
    conf_level: float = 0.95,
) -> CoxModel:
    """Fit a proportional hazards model by Cox's partial likelihood.

    Parameters
    ----------
    formula : str
        Right-hand side, as ``age + C(group) + age:sex``; the baseline takes the intercept's place.
    data : frame
        One row a spell: polars (eager or lazy), or anything narwhals can read. Somebody whose
        covariates change over time has a row for each stretch, (entry, time], and the event in the
        last; that needs no `cluster`, several events of a person do.
    time : str
        End of the row, a number ≥ 0. At equal times events come before censorings.
    event : str
        True/1 = the event, false/0 = censored at `time`.
    entry : str, optional
        Left truncation or start of the row: at risk on (entry, time].
    weights : str, optional
        Column of weights ≥ 0; rows with weight 0 are left out and counted in `meta`.
    weight_type : {"frequency", "sampling"}, optional
        ``frequency``: a row with weight w is w equal rows. ``sampling``: a row is one unit that
        stands for w; standard errors are robust. By default frequency when all weights are whole.
    strata : str or sequence of str, optional
        Columns; each combination has a baseline of its own.
    cluster : str, optional
        Column whose rows belong together: the robust variance adds them up first.
    robust : bool, optional
        Sandwich variance of Lin and Wei; by default with `cluster` or sampling weights.
    ties : {"efron", "breslow", "exact"}
        What tied event times are taken for; see Notes.
    offset : str, optional
        Column added to the linear predictor with coefficient 1.
    conf_level : float

    Returns
    -------
    CoxModel

    Raises
    ------
    toolkit.errors.CollinearityError, SeparationError, ConvergenceError
        Naming the column that the data do not determine.
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used.

    Notes
    -----
    At each time the log-likelihood compares the events with those at risk (Cox 1972, 1975).
    ``efron`` averages over the orders in which tied events may have happened (Efron 1977), and is
    close to the truth for months that were rounded; ``breslow`` lets every event see the whole
    risk set; ``exact`` is Cox's model for times that are discrete, a logit of the hazard: another
    model with another coefficient, not a better Efron. As in R's `coxph`, with sampling weights
    the d events of a time share their mean weight.

    The work grows with the distinct combinations of stratum, covariates, time and event, not with
    rows. The robust variance is Σ u u' over units or clusters, u = dfbeta, without a small-sample
    factor (Lin and Wei 1989).

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.cox import cox
    >>> spells = pl.DataFrame(
    ...     {"months": [2, 3, 3, 5, 7, 8], "left": [1, 1, 0, 1, 1, 0], "age": [3, 1, 2, 4, 2, 1]}
    ... )
    >>> model = cox("age", spells, time="months", event="left")
    >>> round(model.tidy()["estimate"][0], 4)
    0.4489
    """
    begin = clock.perf_counter()
    check_option("ties", ties, TIES)
    check_interval(conf_level, "log")
    design = make_design(
        formula, data, time=time, event=event, entry=entry, weights=weights,
        weight_type=weight_type, strata=strata, offset=offset, cluster=cluster,
    )  # fmt: skip
    if robust is None:
        robust = cluster is not None or design.sampling
    if cluster is not None and not robust:
        raise CallError(
            "robust=False leaves the clusters out of the variance",
            fix="leave out cluster=, or robust=",
        )
    model = fit_design(
        design, ties=ties, robust=robust, cluster=cluster, conf_level=conf_level,
        names={"time": time, "event": event},
    )  # fmt: skip
    return replace(model, meta={**model.meta, "wall_time": clock.perf_counter() - begin})


def fit_design(
    design: Design,
    *,
    ties: Ties = "efron",
    robust: bool = False,
    cluster: str | None = None,
    conf_level: float = 0.95,
    names: dict[str, str] | None = None,
) -> CoxModel:
    """Fit the model to a design made by `make_design`; the options are those of `cox`.

    For estimators that make their own designs: causes, transitions, several baselines.
    """
    if ties == "exact" and robust:
        raise CallError(
            "ties='exact' has no robust variance: its risk sets give no residual per row",
            fix="use ties='efron', or leave out cluster= and robust=",
        )
    sets = make_risk_sets(design)
    objective = (
        ExactLikelihood(design, sets) if ties == "exact" else PartialLikelihood(design, sets, ties)
    )
    partial = objective.breslow if isinstance(objective, ExactLikelihood) else objective
    p = design.x.shape[1]
    start = np.zeros(p)
    null = objective(start)
    spread = partial.spread()
    check_information(null[2], spread, partial.events.sum(), design, partial.centre)
    point, steps = start, 0
    if p:
        first = [null]  # not to be computed twice
        optimum = maximise(
            lambda b: first.pop() if first else objective(b), start, names=design.terms,
            spread=spread, tolerance=1e-8 / (1 + abs(null[0])),
        )  # fmt: skip
        check_separation(
            null[2], optimum.information, spread, float(sets.deaths.sum()), design.terms
        )
        # one step more squares what is left of the error, and costs an evaluation that is needed
        point = optimum.point + inverse(optimum.information) @ optimum.score
        steps = optimum.steps + 1
    fitted = partial.evaluate(point)
    loglik, information = fitted.loglik, fitted.information
    if ties == "exact":
        loglik, _, information = objective(point)
    bread = inverse(information)
    vcov, units = bread, None
    if robust:
        vcov, units = robust_variance(fitted, bread, cluster)
    outcome = names or {"time": "time", "event": "event"}
    facts: dict[str, Any] = {
        "estimand": f"log hazard ratios of {outcome['event']} by {outcome['time']}",
        "method": _METHODS[ties],
        "definition": f"{design.covariates.formula}; ties: {ties}",
        "ties": ties,
        "variance": _variance(cluster, robust=robust),
        "cluster": cluster,
        "n_cluster": units if cluster else None,
        "n_step": steps,
        "warnings": [
            *_warnings(sets, design, units, cluster),
            *(narrow_errors(vcov, bread, design.terms) if robust and not design.sampling else []),
        ],
        "versions": versions(),
    }
    return CoxModel(
        meta=design.describe() | facts,
        terms=design.terms,
        coefficients=point,
        vcov=vcov,
        vcov_model=bread,
        robust=robust,
        loglik=loglik,
        loglik_null=null[0],
        conf_level=conf_level,
        design=design,
        ties=ties,
        cluster=cluster,
        fitted=fitted,
        score_test=float(null[1] @ inverse(null[2]) @ null[1]),
    )


def _warnings(sets: RiskSets, design: Design, units: int | None, cluster: str | None) -> list[str]:
    """Say what makes the numbers less sure than they look."""
    said = few_clusters(units, cluster) if cluster is not None and units is not None else []
    if sets.before is not None:
        alone = sets.lonely(design)
        if alone:
            said.append(
                f"at {alone:,} of {len(sets):,} times of events all at risk have the event, before "
                "others enter: they say nothing of the coefficients, and the baseline leaps there"
            )
    return said


def _variance(cluster: str | None, *, robust: bool) -> str:
    if not robust:
        return "inverse information"
    return f"robust (Lin and Wei), clusters of {cluster}" if cluster else "robust (Lin and Wei)"
