"""Parametric duration models by maximum likelihood on counted cells."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import check_option
from toolkit.estimation.intervals import check_interval
from toolkit.provenance import versions
from toolkit.survival.parametric.baselines import Spline
from toolkit.survival.parametric.checks import (
    check_arguments,
    check_columns,
    check_identified,
    check_shape,
    check_zero,
)
from toolkit.survival.parametric.distributions import (
    MEANING,
    Distribution,
    Metric,
    choose_metric,
    make_baseline,
)
from toolkit.survival.parametric.likelihood import Observed, scores
from toolkit.survival.parametric.model import ParametricModel
from toolkit.survival.parametric.observations import Seen, check_cuts, knots_of, observe
from toolkit.survival.parametric.optimum import fit
from toolkit.survival.parametric.predict import Fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.parametric.baselines import Baseline

    Floats = NDArray[np.float64]

HETEROGENEITY = ("gamma",)


def parametric(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str | None = None,
    upper: str | None = None,
    entry: str | None = None,
    distribution: Distribution = "weibull",
    metric: Metric | None = None,
    cuts: Sequence[float] | None = None,
    df: int | None = None,
    knots: Sequence[float] | None = None,
    ancillary: str | None = None,
    heterogeneity: Literal["gamma"] | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    cluster: str | None = None,
    robust: bool | None = None,
    offset: str | None = None,
    conf_level: float = 0.95,
) -> ParametricModel:
    """Fit a duration model whose hazard has a given shape.

    With η = intercept + covariates (+ offset), k = exp(log shape), σ = exp(log scale):

    ================  =========  =========================================================
    distribution      metric     model
    ================  =========  =========================================================
    ``exponential``   hazard *   h(t) = exp(η)
    ..                time       log T = η + W, W extreme value: h(t) = exp(-η)
    ``weibull``       hazard *   h(t) = k t^(k - 1) exp(η); S(t) = exp(-exp(η) t^k)
    ..                time       log T = η + σ W, W extreme value; k = 1/σ
    ``log_logistic``  time *     log T = η + σ W, W logistic
    ..                odds       odds of the event by t: (1 - S)/S = exp(η) t^k
    ``lognormal``     time *     log T = η + σ W, W standard normal
    ..                probit     S(t) = Φ(-(η + k log t))
    ``piecewise``     hazard *   h(t) = exp(γ_j + η) in the j-th interval, no intercept
    ``spline``        hazard *   log(-log S) = η + s(log t), s a natural cubic spline
    ..                odds       log((1 - S)/S) = η + s(log t)
    ..                probit     -Φ⁻¹(S) = η + s(log t)
    ================  =========  =========================================================

    (* the default.) So a positive coefficient means a higher hazard, a higher odds, or, in the
    metric of time, a longer duration.

    Parameters
    ----------
    formula : str
        Right-hand side: ``"age + C(region)"``, ``"1"`` for no covariates.
    data : frame
        One row a spell: polars (eager or lazy), or anything narwhals can read.
    time : str
        Duration, a number ≥ 0.
    event : str, optional
        True/1 = the event came at `time`, false/0 = censored at `time`.
    upper : str, optional
        Instead of `event`, for events whose time is known to lie between two looks: the event lies
        in (time, upper]. Null or infinite: not seen by `time`, censored there. Equal to `time`:
        exactly then. A `time` of 0: it had come before the first look, at `upper`.
    entry : str, optional
        Left truncation: a row is at risk on (entry, time]; it is there only because the event had
        not come by `entry`. With `upper` an interval may begin at the entry.
    distribution, metric
        See the table.
    cuts : sequence of float, optional
        For ``piecewise``: the hazard is constant on (0, c1], (c1, c2], … and after the last.
    df : int, optional
        For ``spline``: parameters of s beside the intercept (default 3); its df - 1 inner knots lie
        at quantiles of the log event times, the outer ones at the first and last event. An event in
        an interval counts at its middle. df=1 is a straight line: Weibull, log-logistic, lognormal.
    knots : sequence of float, optional
        For ``spline``: the inner knots, as times, instead of `df`.
    ancillary : str, optional
        A formula for the log shape (or log scale): a shape that differs between groups.
    heterogeneity : {"gamma"}, optional
        Every person's hazard is multiplied by an unobserved factor, gamma distributed with mean 1
        and variance θ among those who start. Coefficients are then a person's, curves the
        population's: S = (1 + θH)^(-1/θ), h = h₀ / (1 + θH).
    weights, weight_type, offset
        As in `cox`: frequency weights are repeated rows, sampling weights give robust errors.
    cluster : str, optional
        Rows of one cluster may depend on each other: robust standard errors.
    robust : bool, optional
        None: with clusters or sampling weights.
    conf_level : float

    Returns
    -------
    ParametricModel

    Raises
    ------
    toolkit.errors.SeparationError, toolkit.errors.CollinearityError
        They name the column.
    toolkit.errors.ConvergenceError
        When no top is found.
    toolkit.errors.ToolkitError
        Another of the family, for columns, values or options that cannot be used.

    Notes
    -----
    Full maximum likelihood: an event adds log h(t) + log S(t), a censoring log S(t), an interval
    log(S(time) - S(upper)), a late entry -log S(entry); counted cells instead of rows, exact first
    and second derivatives, Newton's method. `loglik` is that of the times themselves, as in R's
    `survreg`.

    Heterogeneity shows in how the hazard falls, so that it takes up rounding as well: with times
    in whole months, where an event at 3 means between 2 and 3, say so with `upper`.

    A θ of 0 lies at the edge of what is possible: where no θ > 0 betters the likelihood, the model
    without heterogeneity is returned and `meta` says so.

    Sources: Lancaster (1979) for the Weibull model with gamma heterogeneity; Royston and Parmar
    (2002) for the splines; Kalbfleisch and Prentice (2002), ch. 3, for the others.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.parametric import parametric
    >>> spells = pl.DataFrame({"months": [2, 3, 3, 5], "left": [1, 1, 0, 1]})
    >>> model = parametric("1", spells, time="months", event="left", distribution="exponential")
    >>> model.tidy(exponentiate=True).select("term", "estimate")
    shape: (1, 2)
    ┌───────────┬──────────┐
    │ term      ┆ estimate │
    │ ---       ┆ ---      │
    │ str       ┆ f64      │
    ╞═══════════╪══════════╡
    │ Intercept ┆ 0.230769 │
    └───────────┴──────────┘
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "log-log")
    metric = choose_metric(distribution, metric)
    check_arguments(distribution, cuts=cuts, df=df, knots=knots, ancillary=ancillary)
    if heterogeneity is not None:
        check_option("heterogeneity", heterogeneity, HETEROGENEITY)
    seen = observe(
        formula, data, time=time, event=event, upper=upper, entry=entry, ancillary=ancillary,
        weights=weights, weight_type=weight_type, offset=offset, cluster=cluster,
    )  # fmt: skip
    design = seen.design
    baseline = make_baseline(
        distribution, metric,
        cuts=check_cuts(seen, cuts) if distribution == "piecewise" else (),
        knots=knots_of(seen, df=df, knots=knots) if distribution == "spline" else (),
    )  # fmt: skip
    observed = _observed(seen, intercept=baseline.intercept)
    check_zero(seen, observed, distribution, time=time)
    check_shape(observed, baseline, time=time)
    check_columns(seen, observed)
    check_identified(observed, baseline, distribution, heterogeneity=heterogeneity is not None)
    terms = _terms(seen, baseline)
    top, null = fit(observed, baseline, terms, heterogeneity=heterogeneity is not None)
    names = (*terms, "log(frailty variance)") if top.frailty else terms
    vcov_model = top.optimum.inverse
    use_robust = (cluster is not None or design.sampling) if robust is None else robust
    vcov, n_unit = vcov_model, None
    if use_robust:
        moved = scores(observed, baseline, top.optimum.point, frailty=top.frailty)
        vcov, n_unit = design.meat(moved @ vcov_model, cluster)
    fitted = Fitted(baseline=baseline, parameters=top.optimum.point, vcov=vcov, frailty=top.frailty)
    variance = None if heterogeneity is None else (fitted.variance or 0.0)
    how = "inverse information"
    if use_robust:
        how = "robust" + (f", by cluster of {cluster!r}" if cluster is not None else "")
    meta = design.describe() | {
        "estimand": f"{MEANING[metric]} of the covariates" + (" for a person" if variance else ""),
        "method": f"{distribution} duration model"
        + (", gamma heterogeneity" if heterogeneity else ""),
        "distribution": distribution,
        "metric": metric,
        "cuts": list(cuts) if cuts is not None else None,
        "knots": [float(k) for k in baseline.breaks()] if distribution == "spline" else None,
        "variance": how,
        "n_cluster": n_unit if cluster is not None else None,
        "interval_censored": int(design.rows[~np.isnan(seen.lower)].sum()),
        "steps": top.optimum.steps,
        "warnings": _warnings(seen, observed, fitted, variance),
        "versions": versions(),
    }
    meta.pop("n_stratum")  # keys of the interval and the shape, no strata of the model
    if upper is not None or ancillary is not None:
        meta.pop("n_pattern")
    return ParametricModel(
        meta=meta | {"wall_time": clock.perf_counter() - begin},
        terms=names,
        coefficients=top.optimum.point,
        vcov=vcov,
        vcov_model=vcov_model,
        robust=use_robust,
        loglik=top.optimum.value,
        loglik_null=null,
        conf_level=conf_level,
        design=design,
        distribution=distribution,
        metric=metric,
        fitted=fitted,
        shape=seen.shape,
        cluster=cluster,
        frailty_variance=variance,
        loglik_plain=top.plain,
        observed=observed,
    )


def _observed(seen: Seen, *, intercept: bool) -> Observed:
    design = seen.design
    ones = np.ones((len(design.x), int(intercept)))
    n_cell = len(design.time)
    return Observed(
        x=np.hstack([ones, design.x]),
        offset=design.offset,
        ancillary=seen.ancillary,
        pattern=design.pattern,
        end=design.time.astype(np.float64),
        event=design.event > 0,
        lower=seen.lower,
        entry=np.zeros(n_cell) if design.entry is None else design.entry.astype(np.float64),
        n=design.n,
    )


def _terms(seen: Seen, baseline: Baseline) -> tuple[str, ...]:
    location = (("Intercept",) if baseline.intercept else ()) + seen.design.terms
    if seen.shape is None:
        return location + baseline.terms
    name = baseline.terms[0]
    return (*location, name, *(f"{name}: {term}" for term in seen.shape.terms))


def _warnings(seen: Seen, observed: Observed, fitted: Fitted, variance: float | None) -> list[str]:
    said = []
    if variance == 0:
        said.append(
            "no heterogeneity was found: the likelihood is highest at a variance of 0, so the "
            "model without it is given"
        )
    nothing = ~observed.event & (observed.end == 0)
    if nothing.any():
        said.append(
            f"{int(seen.design.rows[nothing].sum()):,} rows are censored at time 0 and say nothing"
        )
    if isinstance(fitted.baseline, Spline):
        falling = fitted.baseline.falling(
            fitted.inner[observed.x.shape[1] :], float(observed.end.max())
        )
        if falling:
            low, high = falling
            said.append(
                f"between {low:g} and {high:g} the spline falls, which a cumulative hazard cannot: "
                "choose fewer or other knots"
            )
    return said
