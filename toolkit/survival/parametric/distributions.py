"""The distributions by name, and on which scale covariates work in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toolkit.errors import CallError, check_option
from toolkit.survival.parametric.baselines import Power, Spline, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.survival.parametric.baselines import Baseline
    from toolkit.survival.parametric.hazards import Link

Distribution = Literal["exponential", "weibull", "log_logistic", "lognormal", "piecewise", "spline"]
Metric = Literal["hazard", "odds", "probit", "time"]

DISTRIBUTIONS = ("exponential", "weibull", "log_logistic", "lognormal", "piecewise", "spline")
METRICS = ("hazard", "odds", "probit", "time")

#: The metrics of each distribution, the default first.
_METRICS: dict[str, tuple[Metric, ...]] = {
    "exponential": ("hazard", "time"),
    "weibull": ("hazard", "time"),
    "log_logistic": ("time", "odds"),
    "lognormal": ("time", "probit"),
    "piecewise": ("hazard",),
    "spline": ("hazard", "odds", "probit"),
}
_LINKS: dict[str, Link] = {
    "exponential": "hazard",
    "weibull": "hazard",
    "log_logistic": "odds",
    "lognormal": "probit",
}
#: What a covariate's coefficient is.
MEANING = {
    "hazard": "log hazard ratio",
    "odds": "log odds ratio of having had the event",
    "probit": "shift of the normal score of having had the event",
    "time": "log time ratio",
}


def choose_metric(distribution: str, metric: str | None) -> Metric:
    """Return the metric asked for, or the distribution's own."""
    check_option("distribution", distribution, DISTRIBUTIONS)
    known = _METRICS[distribution]
    if metric is None:
        return known[0]
    check_option("metric", metric, METRICS)
    if metric not in known:
        raise CallError(
            f"distribution={distribution!r} has no metric {metric!r}",
            fix=f"choose one of {', '.join(map(repr, known))}",
        )
    return metric


def make_baseline(
    distribution: str, metric: Metric, *, cuts: Sequence[float], knots: Sequence[float]
) -> Baseline:
    """Return the shape of the hazard."""
    if distribution == "piecewise":
        return Steps(cuts=tuple(cuts))
    if distribution == "spline" and metric != "time":
        return Spline(knots=tuple(knots), link=metric)
    return Power(
        link=_LINKS[distribution], stretch=metric == "time", fixed=distribution == "exponential"
    )
