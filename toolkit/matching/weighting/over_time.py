"""Weights for a treatment that may start at any time: marginal structural models."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.estimation.formula import variables_of
from toolkit.frames import require_columns, require_rows, to_frame
from toolkit.matching.sample import Sample, attrition_of, first_step, read_sampling
from toolkit.matching.treatment import ESTIMANDS, read_treatment
from toolkit.matching.weighting.over_time_models import (
    Part,
    fit_rows,
    gather_nuisance,
    quantile_pair,
    read_censored,
)
from toolkit.matching.weighting.panel import at_risk_of_start, read_panel
from toolkit.matching.weighting.trim import upper_quantile
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from toolkit.matching.propensity.missing import Missing
    from toolkit.matching.propensity.model import Propensity

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class WeightedOverTime(Sample):
    """Rows of persons over time, with the weight of having got there as they did.

    Attributes
    ----------
    time : str
    models : Mapping
        The fitted scores: ``treatment``, ``treatment, stabilising``, ``censoring``,
        ``censoring, stabilising``; those that were asked for.
    truncated : int
        Rows whose weight was cut.
    bounds : tuple or None
        What they were cut to.
    """

    time: str
    models: Mapping[str, Propensity] = field(repr=False)
    truncated: int = 0
    bounds: tuple[float, float] | None = None

    def tidy(self) -> pl.DataFrame:
        """Return how the weights lie at each time: stabilised ones have a mean near 1.

        Columns: the time, `n, n_treated, mean, sd, smallest, largest, ess`.
        """
        taken = {"n", "n_treated", "mean", "sd", "smallest", "largest", "ess"} & {self.time}
        if taken:
            raise CallError(f"Time is called {self.time!r}, as a column here", fix="rename it")
        w = pl.col("\0w")
        return (
            self.frame.select(pl.col(self.time))
            .with_columns(pl.Series("\0w", self.weights), pl.Series("\0t", self.treated))
            .filter(w > 0)
            .group_by(self.time)
            .agg(
                n=pl.len().cast(pl.Int64), n_treated=pl.col("\0t").sum().cast(pl.Int64),
                mean=w.mean(), sd=w.std(ddof=0), smallest=w.min(), largest=w.max(),
                ess=w.sum() ** 2 / (w**2).sum(),
            )
            .sort(self.time)
        )  # fmt: skip


def weigh_over_time(
    panel: Any,
    *,
    person: str,
    time: str,
    treatment: str,
    on_history: str,
    on_baseline: str = "1",
    censored: str | None = None,
    weights: str | None = None,
    stabilise: bool = True,
    truncate: float | tuple[float, float] | None = None,
    missing: Missing = "refuse",
    errors: bool = True,
) -> WeightedOverTime:
    """Weigh person-months by the inverse probability of the treatment history they had.

    For covariates that change over time, tell who starts, and are changed by having started: no
    regression on them is right, and no matching at the first month.

    Parameters
    ----------
    panel : frame
        One row a person and time, without gaps.
    person, time : str
        Columns; time is a whole number.
    treatment : str
        True/false or 1/0: has started, now or before. Once started it stays.
    on_history : str
        Formula of what tells who starts now: covariates as they were just before, lagged outcomes,
        and what is in `on_baseline`.
    on_baseline : str
        Formula of what does not change: it stabilises the weights, and must then stand in the
        model of the outcome too.
    censored : str, optional
        True/1 in a person's last row when the next is not there although it could have been; null
        where that cannot be (the end of the study, death); false otherwise.
    weights : str, optional
        Column of sampling weights ≥ 0.
    stabilise : bool
        False: 1 over the probability, with no numerator.
    truncate : float or (float, float), optional
        Cut weights to these quantiles; 0.99 is (0.01, 0.99).
    missing : {"refuse", "indicator"}
        As in `propensity`.
    errors : bool
        Keep what standard errors need to know that the weights were estimated: two numbers per row
        and coefficient.

    Returns
    -------
    WeightedOverTime
        With `person` as cluster.

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family: treatment that stops, gaps, double rows, separation by name.

    Notes
    -----
    Robins, Hernán and Brumback (2000): the weight of a row is the product over the person's rows up
    to it of f(A | baseline, A before) / f(A | history, A before); after the start the factor is 1.
    Censoring works likewise, on the rows before: a row is there because the person was not lost
    before it; its models have the treatment as a covariate. Both are pooled logits (D'Agostino et
    al. 1990). A formula that does not name `time` gets its first three powers.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import matching
    >>> month = pl.DataFrame(
    ...     {"id": range(8), "low": [0] * 4 + [1] * 4, "course": [0, 0, 1, 1, 0, 0, 0, 1]}
    ... ).with_columns(month=1)
    >>> found = matching.weigh_over_time(
    ...     month, person="id", time="month", treatment="course", on_history="low"
    ... )
    >>> found.weights.round(4).to_list()
    [1.25, 1.25, 0.75, 0.75, 0.8333, 0.8333, 0.8333, 1.5]
    """
    begin = clock.perf_counter()
    frame = to_frame(panel)
    require_columns(frame, person, time, treatment)
    require_rows(frame)
    rows = read_panel(frame, person, time)
    treated = read_treatment(frame, treatment)
    sampling = read_sampling(frame, weights)
    risk = at_risk_of_start(rows, treated, treatment)
    quantiles = quantile_pair(truncate)
    seen = None if censored is None else read_censored(frame, rows, censored)
    formulas = {"": (on_history, -1), ", stabilising": (on_baseline, 1)}
    if not stabilise:
        del formulas[", stabilising"]
    models: dict[str, Propensity] = {}
    parts: list[Part] = []

    def add(name: str, some: Bools, outcome: str, more: str = "") -> None:
        for extra, (formula, sign) in formulas.items():
            models[name + extra] = fit_rows(
                formula + more, frame, some, outcome, time=time, weights=weights, missing=missing
            )
            parts.append(
                Part(model=models[name + extra], some=some, sign=sign, lagged=name == "censoring")
            )

    add("treatment", risk, treatment)
    if censored is not None and seen is not None:
        add("censoring", seen, censored, f" + `{treatment}`")
    log_weight = np.zeros(frame.height)
    for part in parts:
        log_weight += part.log_factor(rows)
    weight = np.exp(rows.running_sum(log_weight))
    cut = np.zeros(frame.height, dtype=bool)
    said = list(dict.fromkeys(text for part in parts for text in part.model.meta["warnings"]))
    if stabilise:
        said += _not_in_history(on_history, on_baseline, frame)
    bounds = None
    if quantiles is not None:
        used = sampling > 0
        low, high = (upper_quantile(weight[used], sampling[used], q) for q in quantiles)
        bounds = low, high
        cut = (weight < bounds[0]) | (weight > bounds[1])
        weight = np.clip(weight, *bounds)
        said.append(
            f"{int(cut.sum()):,} rows had weights outside {bounds[0]:.4g} to {bounds[1]:.4g}, "
            "which are cut to that: biased, less variable"
        )
    nuisance = None
    if errors:
        nuisance = gather_nuisance(parts, rows, np.where(cut, 0.0, weight * sampling))
    else:
        said.append("standard errors take the weights as known (errors=False)")
    variables = variables_of(f"{on_history} + {on_baseline}", frame.columns)
    return WeightedOverTime(
        meta={
            "estimand": ESTIMANDS["ATE"],
            "method": "Weights of a marginal structural model"
            + (", stabilised" if stabilise else "")
            + (", with censoring" if censored else ""),
            "design": "weighting",
            "n": frame.height,
            "n_person": len(rows.first),
            "dropped": {},
            "warnings": said,
            "seed": None,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        frame=frame, treatment=treatment, treated=treated,
        weights=pl.Series("weight", weight * sampling), sampling=sampling, estimand="ATE",
        covariates=tuple(name for name in variables if name not in {time, treatment}),
        cluster=person, attrition=attrition_of([first_step(treated)]), nuisance=nuisance,
        time=time, models=models, truncated=int(cut.sum()), bounds=bounds,
    )  # fmt: skip


def _not_in_history(history: str, baseline: str, frame: pl.DataFrame) -> list[str]:
    """Tell of what stabilises the weights but is not in the model of who starts."""
    known = set(variables_of(history, frame.columns))
    lacking = [name for name in variables_of(baseline, frame.columns) if name not in known]
    return [
        f"{name} stands in on_baseline and not in on_history: who starts is taken not to depend "
        "on it"
        for name in lacking
    ]
