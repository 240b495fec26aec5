"""Discrete-time hazards: the yearly, monthly or weekly chance to leave, given covariates."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import check_option
from toolkit.provenance import versions
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.discrete.baseline import Kind, make_baseline
from toolkit.survival.discrete.fit import Fit, fit_months
from toolkit.survival.discrete.likelihood import LINKS, Link
from toolkit.survival.discrete.months import check_heavy, count_months, find_design
from toolkit.survival.discrete.predict import (
    Newcomers,
    course,
    hazard_of,
    read_new,
    survival_of,
    to_parameters,
)
from toolkit.survival.intervals import ConfType, check_interval, interval, normal_quantile
from toolkit.survival.regression import Regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.design import Covariates

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DiscreteHazard(Regression):
    """A discrete-time hazard model; made by `discrete_hazard`.

    `tidy()` has the covariates (log hazard ratios under cloglog, log odds ratios under logit);
    `baseline()` the months.

    Attributes
    ----------
    fit : Fit
    link : {"cloglog", "logit"}
    """

    fit: Fit = field(repr=False)
    covariates: Covariates = field(repr=False)
    link: Link
    cluster: str | None = None
    month: tuple[str, ...] = ()
    offset: str | None = None

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, log-likelihoods, deviance and information criteria.

        `df` counts the covariates, `df_baseline` the parameters of the baseline; `aic` and `bic`
        count both. `deviance` is that of the person-months, -2 loglik. `bic` takes the number of
        events, as for the other duration models.
        """
        df = len(self.terms) + self.fit.baseline.n_parameter
        columns = self._fit_columns() | {
            "aic": 2 * df - 2 * self.loglik,
            "bic": df * float(np.log(max(self.meta["n_event"], 1))) - 2 * self.loglik,
        }
        return pl.DataFrame(
            columns
            | {
                "df_baseline": self.fit.baseline.n_parameter,
                "deviance": -2 * self.loglik,
                "n_month": self.meta["n_month"],
            }
        )

    def influence(self) -> Floats:
        """Return how far each row of the data, with its weight, moves the coefficients, (N, p)."""
        own = self.fit.cell_influence[:, self.fit.column]
        return self.design.to_rows(own) * self.design.row_weights()[:, None]

    def baseline(self) -> pl.DataFrame:
        """Return the hazard by month for a row whose terms and offset are all 0.

        Columns: the strata, `time, n_risk, n_event, estimate, std_error, conf_low, conf_high`.
        Where no event happened the hazard is 0 without an error; months in which nobody was at
        risk are left out.
        """
        months = self.fit.months
        p = len(months.order)
        zero = Newcomers(
            x=np.zeros((months.n_stratum, months.x.shape[1])),
            z=np.zeros((months.n_stratum, months.n_month, p - months.x.shape[1])),
            offset=np.zeros(months.n_stratum), stratum=np.arange(months.n_stratum),
            labels=self._strata(),
        )  # fmt: skip
        table = self._hazards(zero, np.arange(1, months.n_month + 1.0)).drop("row")
        counts = pl.DataFrame(
            {"n_risk": self._count(months.at_risk), "n_event": self._count(months.events[:, 0])}
        )
        front = [*zero.labels.columns, "time"]
        table = pl.concat([table, counts], how="horizontal").filter(pl.col("n_risk") > 0)
        return table.select(*front, "n_risk", "n_event", pl.exclude(*front, "n_risk", "n_event"))

    def predict_hazard(
        self, new: Any, times: float | Sequence[float] | None = None
    ) -> pl.DataFrame:
        """Return the hazard by month of each row of `new`, with intervals made on the link's scale.

        Columns: `row`, the strata and variables of the model, `time, estimate, std_error, conf_low,
        conf_high`. All months without `times`; null where the data do not say.
        """
        return self._hazards(self._read(new), self._months(times))

    def predict_survival(
        self,
        new: Any,
        times: float | Sequence[float] | None = None,
        *,
        conf_type: ConfType = "log-log",
    ) -> pl.DataFrame:
        """Return the survival curve of each row of `new`: the share that is still there after t.

        S(t) = ∏ (1 - h), with the delta method's standard errors (all coefficients and months
        together) and intervals as those of `kaplan_meier`. Columns as in `predict_hazard`.
        """
        check_interval(self.conf_level, conf_type)
        asked = self._months(times)
        newcomers = self._read(new)
        parts = []
        for row in range(len(newcomers.x)):
            way = course(self.fit, newcomers, row)
            curve, gradient = survival_of(way)
            value, error = self._at(asked, curve, self._errors(way, gradient), at_zero=1.0)
            low, high = interval(value, error, conf_level=self.conf_level, conf_type=conf_type)
            parts.append(_frame(row, newcomers.labels, asked, value, error, low, high))
        return pl.concat(parts)

    def _hazards(self, newcomers: Newcomers, asked: Floats) -> pl.DataFrame:
        z = normal_quantile(self.conf_level)
        parts = []
        for row in range(len(newcomers.x)):
            way = course(self.fit, newcomers, row)
            hazard, gradient = hazard_of(way, cloglog=self.link == "cloglog")
            error = self._errors(way, gradient)
            with np.errstate(divide="ignore", invalid="ignore"):
                if self.link == "cloglog":
                    eta = np.log(-np.log1p(-hazard))
                    half = z * error / ((1 - hazard) * np.exp(eta))
                    low, high = (-np.expm1(-np.exp(eta + s * half)) for s in (-1, 1))
                else:
                    eta = np.log(hazard / (1 - hazard))
                    half = z * error / (hazard * (1 - hazard))
                    low, high = (1 / (1 + np.exp(-eta - s * half)) for s in (-1, 1))
            certain = (hazard == 0) | (hazard == 1)
            error[certain], low[certain], high[certain] = np.nan, np.nan, np.nan
            columns = [self._at(asked, v, v, at_zero=np.nan)[0] for v in (hazard, error, low, high)]
            parts.append(_frame(row, newcomers.labels, asked, *columns))
        return pl.concat(parts)

    def _errors(self, way: Any, gradient: Floats) -> Floats:
        by_term, by_block, at = to_parameters(self.fit, way, gradient)
        variance = np.diag(
            self.fit.covariance(
                by_term,
                by_block,
                at,
                cluster=self.cluster,
                design=self.design if self.robust else None,
            )  # fmt: skip
        )
        known = ~np.isnan(gradient).any((1, 2))
        return np.where(known, np.sqrt(np.maximum(variance, 0)), np.nan)

    def _at(
        self, asked: Floats, value: Floats, error: Floats, *, at_zero: float
    ) -> tuple[Floats, Floats]:
        """Look months up; before the first is `at_zero`, after the last nothing is known."""
        place = np.floor(asked).astype(np.int64)
        last = np.minimum(place, len(value)) - 1
        known = place <= len(value)
        first = place == 0
        return (
            np.where(first, at_zero, np.where(known, value[last], np.nan)),
            np.where(first, at_zero * 0, np.where(known, error[last], np.nan)),
        )

    def _months(self, times: float | Sequence[float] | None) -> Floats:
        if times is None:
            return np.arange(1, self.fit.months.n_month + 1.0)
        return check_times(times)

    def _read(self, new: Any) -> Newcomers:
        return read_new(self.fit, self.covariates, self.design, new, self.month, self.offset)

    def _strata(self) -> pl.DataFrame:
        return self.design.strata.select(name for name in self.design.strata.columns if name)

    def _count(self, values: Floats) -> pl.Series:
        whole = np.rint(values)
        return pl.Series(values if self.design.sampling else whole.astype(np.int64))


def _frame(
    row: int, labels: pl.DataFrame, time: Floats, value: Floats, error: Floats,
    low: Floats, high: Floats,
) -> pl.DataFrame:  # fmt: skip
    front: dict[str, Any] = {"row": np.full(len(time), row)}
    for name in labels.columns:
        front[name] = labels[name].gather([row] * len(time))
    numbers = {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high}
    return pl.DataFrame(
        front
        | {"time": time_series(time)}
        | {name: pl.Series(x).fill_nan(None) for name, x in numbers.items()}
    )


def discrete_hazard(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    link: Link = "cloglog",
    baseline: Kind = "dummies",
    knots: Sequence[float] | None = None,
    cuts: Sequence[float] | None = None,
    df: int | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    robust: bool | None = None,
    offset: str | None = None,
    conf_level: float = 0.95,
) -> DiscreteHazard:
    """Fit a hazard model to whole months.

    Parameters
    ----------
    formula : str
        Right-hand side. It may name the `time` column: there it is the month at risk, so that
        ``x + x:np.log(months)`` lets the effect of x change with the duration.
    data : frame
        One row a spell, at risk in months ``entry + 1 … time`` and with its event in month
        `time`; several rows a spell where covariates change.
    time, event, entry
        As in `kaplan_meier`; whole numbers.
    link : {"cloglog", "logit"}
        ``cloglog``: log(-log(1 - h)) = level of the month + x'β: β are log hazard ratios of the
        proportional hazards model in continuous time, observed by months (Prentice and Gloeckler
        1978). ``logit``: log odds ratios.
    baseline : {"dummies", "spline", "piecewise"}
        A level for each month; a natural cubic spline (`knots` or `df`, 4 by default); or a level
        for each piece between `cuts` (its last months).
    weights, weight_type
        None: ``frequency`` when all weights are whole numbers (a row counts w times), else
        ``sampling`` (a row stands for w; robust standard errors by default).
    strata : str or sequence of str, optional
        Columns: a baseline for each of their combinations.
    cluster : str, optional
        Column of units (persons, municipalities) whose rows belong together: robust variance.
    robust : bool, optional
        None: where there are clusters or sampling weights.
    offset : str, optional
        Column added to the linear predictor.
    conf_level : float

    Returns
    -------
    DiscreteHazard

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used, separation, collinearity.

    Notes
    -----
    The likelihood is the binomial one of all months at risk (Allison 1982), which are counted, not
    written out. Under cloglog, with terms that do not change by month, a cell costs the same
    however long it lasts.

    Standard errors come from Fisher's information, as in R's `glm`. The robust ones add up scores
    of the clusters (or rows) around it, without small-sample factor (R's `sandwich`, type HC0).

    A month in which nobody left says that its level is minus infinity and nothing about β: its
    person-months are left out and counted in ``meta["dropped"]``; the hazard there is 0. The same
    goes for months in which everyone at risk left (hazard 1), and for pieces of that kind. A spline
    has no such months.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.discrete import discrete_hazard
    >>> spells = pl.DataFrame(
    ...     {"months": [1, 1, 2, 2, 3, 3], "left": [1, 0, 1, 1, 1, 0], "x": [0, 1, 0, 1, 1, 0]}
    ... )
    >>> model = discrete_hazard("x", spells, time="months", event="left")
    >>> model.tidy().select("term", pl.col("estimate").round(4))
    shape: (1, 2)
    ┌──────┬──────────┐
    │ term ┆ estimate │
    │ ---  ┆ ---      │
    │ str  ┆ f64      │
    ╞══════╪══════════╡
    │ x    ┆ -0.3129  │
    └──────┴──────────┘
    """
    begin = clock.perf_counter()
    check_option("link", link, LINKS)
    check_interval(conf_level, "log-log")
    design, month = find_design(
        formula, data, time=time, event=event, entry=entry, weights=weights,
        weight_type=weight_type, strata=strata, offset=offset, cluster=cluster,
    )  # fmt: skip
    months, covariates = count_months(design, formula, month)
    check_heavy(len(months.at_risk), len(covariates.terms))
    base = make_baseline(months, baseline, knots=knots, cuts=cuts, df=df)
    fit = fit_months(months, base, link, [covariates.terms[j] for j in months.order])
    sandwich = (cluster is not None or design.sampling) if robust is None else robust
    meta = describe(fit, design.describe(), strata=strata)
    meta["estimand"] = (
        "log hazard ratio by month" if link == "cloglog" else "log odds ratio of leaving in a month"
    )
    vcov = fit.vcov
    meta["variance"] = "Fisher information"
    if sandwich:
        vcov, units = design.meat(fit.cell_influence[:, fit.column], cluster)
        unit = f"clusters of {cluster!r}" if cluster else "rows"
        meta |= {"variance": f"robust, {units:,} {unit}", "n_cluster": units}
    return DiscreteHazard(
        meta=meta | {"wall_time": clock.perf_counter() - begin},
        terms=covariates.terms, coefficients=fit.coefficients, vcov=vcov, vcov_model=fit.vcov,
        robust=sandwich, loglik=fit.value, loglik_null=fit.null, conf_level=conf_level,
        design=design, fit=fit, covariates=covariates, link=link, cluster=cluster, month=month,
        offset=offset,
    )  # fmt: skip


def describe(fit: Fit, about: dict[str, Any], *, strata: Any = None) -> dict[str, Any]:
    """Return the `meta` of a model of person-months."""
    base, months = fit.baseline, fit.months
    dropped = dict(about["dropped"])
    piece = {"dummies": "a month", "piecewise": "a piece", "spline": "a stratum"}[base.kind]
    if strata and base.kind != "spline":
        piece += " of a stratum"
    said = []
    for hazard, why in ((0.0, "without an event"), (1.0, "in which everyone at risk left")):
        out = base.fixed == hazard
        if out.any():
            lost = round(float(months.at_risk[out].sum()))
            dropped[f"person-months in {piece} {why} (hazard {hazard:g})"] = lost
            which = np.unique(np.flatnonzero(out) % months.n_month + 1)
            named = ", ".join(map(str, which[:8])) + (", …" if len(which) > 8 else "")
            said.append(f"the hazard is {hazard:g} in months {named}, {piece} {why}")
    return about | {
        "method": "Discrete-time hazard"
        + {"cloglog": ", complementary log-log link", "logit": ", logit link"}[fit.link],
        "link": fit.link,
        "baseline": base.kind,
        "knots": list(base.knots),
        "n_month": round(float(months.at_risk[base.used].sum())),
        "dropped": dropped,
        "warnings": said,
        "steps": fit.steps,
        "versions": versions(),
    }
