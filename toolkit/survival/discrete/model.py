"""What models of person-months share: reading new rows, errors by the delta method, counts."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.estimation.intervals import ConfType, check_interval, interval
from toolkit.provenance import versions
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.discrete.baseline import Kind, make_baseline
from toolkit.survival.discrete.fit import Fit, fit_months
from toolkit.survival.discrete.months import check_heavy, count_months, find_design
from toolkit.survival.discrete.predict import (
    Course,
    Newcomers,
    course,
    read_new,
    survival_of,
    to_parameters,
)
from toolkit.survival.predicted import Predicted, describe_prediction
from toolkit.survival.regression import Regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.design import Covariates, Design
    from toolkit.survival.discrete.likelihood import Link

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MonthlyModel(Regression):
    """A model of what happens in the months at risk.

    Attributes
    ----------
    fit : Fit
        The numbers.
    covariates : Covariates
        The formula, learned.
    link : {"cloglog", "logit"}
    cluster, offset : str or None
        Columns.
    month : tuple of str
        The time column's name, where the formula uses the month at risk.
    """

    fit: Fit = field(repr=False)
    covariates: Covariates = field(repr=False)
    link: Link
    cluster: str | None = None
    month: tuple[str, ...] = ()
    offset: str | None = None

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, log-likelihoods, deviance and information criteria.

        `df` counts the covariates' coefficients, `df_baseline` the parameters of the baseline;
        `aic` and `bic` count both. `deviance` is that of the person-months, -2 loglik. `bic` takes
        the number of events, as for the other duration models.
        """
        df = len(self.terms) + self.fit.baseline.n_parameter
        return pl.DataFrame(
            self._fit_columns()
            | {
                "aic": 2 * df - 2 * self.loglik,
                "bic": df * float(np.log(max(self.meta["n_event"], 1))) - 2 * self.loglik,
                "df_baseline": self.fit.baseline.n_parameter,
                "deviance": -2 * self.loglik,
                "n_month": self.meta["n_month"],
            }
        )

    def influence(self) -> Floats:
        """Return how far each row of the data, with its weight, moves the coefficients, (N, p)."""
        own = self.fit.cell_influence[:, self.fit.column]
        return self.design.to_rows(own) * self.design.row_weights()[:, None]

    def predict_survival(
        self,
        new: Any,
        times: float | Sequence[float] | None = None,
        *,
        conf_type: ConfType = "log-log",
    ) -> Predicted:
        """Return the survival curve of each row of `new`: the share that is still there after t.

        S(t) = ∏ (1 - h), with the delta method's standard errors (all coefficients and months
        together) and intervals as those of `kaplan_meier`. All months without `times`.
        Columns of its `tidy()`: `row`, the strata and variables of the model, `time, estimate,
        std_error, conf_low, conf_high`; null where the data do not say.
        """
        check_interval(self.conf_level, conf_type)
        asked = self._months(times)
        newcomers = self._read(new)
        parts = []
        for row in range(len(newcomers.x)):
            way = course(self.fit, newcomers, row)
            curve, gradient = survival_of(way)
            value, error = at_months(asked, curve, self._errors(way, gradient), start=1.0)
            low, high = interval(value, error, conf_level=self.conf_level, conf_type=conf_type)
            parts.append(as_frame(row, newcomers.labels, asked, value, error, low, high))
        return self._predicted(pl.concat(parts), newcomers, "survival", "P(T > t)", start=1.0)

    def _predicted(
        self, table: pl.DataFrame, newcomers: Newcomers, quantity: str, estimand: str, *,
        start: float | None,
    ) -> Predicted:  # fmt: skip
        return Predicted(
            meta=describe_prediction(
                self.meta, estimand=f"{estimand} of units with these covariates",
                method=f"{self.meta['method']}: predicted {quantity}", variance="delta method",
            ),
            table=table,
            labels=tuple(newcomers.labels.columns),
            quantity=quantity,
            start=start,
            smooth=start is None,
            conf_level=self.conf_level,
        )  # fmt: skip

    @abstractmethod
    def baseline(self) -> pl.DataFrame:
        """Return the hazards by month for a row whose terms and offset are all 0."""

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the baseline hazards by month, with their intervals, a line a stratum and cause."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        table = self.baseline()
        by = [name for name in table.columns[: table.columns.index("time")] if name]
        for part in table.partition_by(by, maintain_order=True) if by else [table]:
            label = ", ".join(str(part[name][0]) for name in by)
            month, hazard, low, high = (
                part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
                for name in ("time", "estimate", "conf_low", "conf_high")
            )
            (line,) = ax.step(month, hazard, where="mid", label=label or None, **options)
            ax.fill_between(month, low, high, step="mid", alpha=0.15, color=line.get_color(), lw=0)
        if by:
            ax.legend(frameon=False)
        ax.set(xlabel="Month", ylabel="Hazard", ylim=(0, None))
        ax.spines[["top", "right"]].set_visible(False)
        return ax

    def _errors(self, way: Course, gradient: Floats) -> Floats:
        by_term, by_block, at = to_parameters(self.fit, way, gradient)
        design = self.design if self.robust else None
        variance = np.diag(
            self.fit.covariance(by_term, by_block, at, cluster=self.cluster, design=design)
        )
        known = ~np.isnan(gradient).any((1, 2))
        return np.where(known, np.sqrt(np.maximum(variance, 0)), np.nan)

    def _zero(self) -> Newcomers:
        """Return a row per stratum whose terms and offset are 0."""
        months = self.fit.months
        q, p = months.x.shape[1], len(months.order)
        return Newcomers(
            x=np.zeros((months.n_stratum, q)),
            z=np.zeros((months.n_stratum, months.n_month, p - q)),
            offset=np.zeros(months.n_stratum),
            stratum=np.arange(months.n_stratum),
            labels=self.design.strata.select(name for name in self.design.strata.columns if name),
        )

    def _months(self, times: float | Sequence[float] | None) -> Floats:
        if times is None:
            return np.arange(1, self.fit.months.n_month + 1.0)
        return check_times(times)

    def _read(self, new: Any) -> Newcomers:
        return read_new(self.fit, self.covariates, self.design, new, self.month, self.offset)

    def _count(self, values: Floats) -> pl.Series:
        return pl.Series(values if self.design.sampling else np.rint(values).astype(np.int64))


def at_months(
    asked: Floats, value: Floats, error: Floats, *, start: float
) -> tuple[Floats, Floats]:
    """Look up values by month, (M,): before the first it is `start`, after the last unknown."""
    place = np.floor(asked).astype(np.int64)
    last = np.minimum(place, len(value)) - 1
    known, first = place <= len(value), place == 0
    return (
        np.where(first, start, np.where(known, value[last], np.nan)),
        np.where(first, start * 0, np.where(known, error[last], np.nan)),
    )


def as_frame(
    row: int,
    labels: pl.DataFrame,
    time: Floats,
    value: Floats,
    error: Floats,
    low: Floats,
    high: Floats,
) -> pl.DataFrame:
    """Return one newcomer's numbers over time, behind what is known of it."""  # fmt: skip
    front: dict[str, Any] = {"row": np.full(len(time), row)}
    for name in labels.columns:
        front[name] = labels[name].gather([row] * len(time))
    numbers = {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high}
    return pl.DataFrame(
        front
        | {"time": time_series(time)}
        | {name: pl.Series(x).fill_nan(None) for name, x in numbers.items()}
    )


def fit_model(
    formula: str,
    data: Any,
    *,
    link: Link,
    baseline: Kind,
    knots: Sequence[float] | None,
    cuts: Sequence[float] | None,
    df: int | None,
    time: str,
    event: str,
    entry: str | None,
    weights: str | None,
    weight_type: Weighting | None,
    strata: str | Sequence[str] | None,
    cluster: str | None,
    robust: bool | None,
    offset: str | None,
    conf_level: float,
    competing: bool = False,
) -> dict[str, Any]:
    """Count, fit and describe; return the fields of a `MonthlyModel`. See `discrete_hazard`."""
    check_interval(conf_level, "log-log")
    design, month = find_design(
        formula, data, time=time, event=event, entry=entry, weights=weights, cluster=cluster,
        weight_type=weight_type, strata=strata, offset=offset, competing=competing,
    )  # fmt: skip
    months, covariates = count_months(design, formula, month)
    check_heavy(len(months.at_risk), len(covariates.terms) * months.n_cause**2)
    base = make_baseline(months, baseline, knots=knots, cuts=cuts, df=df)
    causes = [f" ({cause})" for cause in design.causes] if competing else [""]
    names = [covariates.terms[j] + cause for cause in causes for j in months.order]
    fit = fit_months(months, base, link, names)
    sandwich = (cluster is not None or design.sampling) if robust is None else robust
    meta = describe(fit, design, stratified=bool(strata))
    vcov = fit.vcov
    if sandwich:
        vcov, units = design.meat(fit.cell_influence[:, fit.column], cluster)
        unit = f"clusters of {cluster!r}" if cluster else "rows"
        meta |= {"variance": f"robust, {units:,} {unit}", "n_cluster": units}
        if cluster is not None and _in_one_cluster(design, cluster):
            meta["warnings"].append(
                f"a stratum lies in one cluster of {cluster!r}, whose scores for its baseline sum "
                "to 0: the errors of its baseline and predicted curves are too small"
            )
    return {
        "meta": meta,
        "terms": tuple(term + cause for cause in causes for term in covariates.terms),
        "coefficients": fit.coefficients,
        "vcov": vcov,
        "vcov_model": fit.vcov,
        "robust": sandwich,
        "loglik": fit.value,
        "loglik_null": fit.null,
        "conf_level": conf_level,
        "design": design,
        "fit": fit,
        "covariates": covariates,
        "link": link,
        "cluster": cluster,
        "month": month,
        "offset": offset,
    }


def _in_one_cluster(design: Design, cluster: str) -> bool:
    """Tell whether all rows of some stratum belong to one cluster."""
    strata = [name for name in design.strata.columns if name]
    rows = pl.DataFrame(
        [design.column(cluster).alias("cluster")]
        + [design.column(name).alias(f"s{i}") for i, name in enumerate(strata)]
    ).unique()
    per_stratum = rows.group_by(pl.exclude("cluster")).len()["len"] if strata else [rows.height]
    return int(min(per_stratum)) < 2


def describe(fit: Fit, design: Design, *, stratified: bool) -> dict[str, Any]:
    """Return the `meta` of a model of person-months."""
    base, months = fit.baseline, fit.months
    about = design.describe()
    dropped = dict(about["dropped"])
    piece = {"dummies": "a month", "piecewise": "a piece", "spline": "a stratum"}[base.kind]
    if stratified and base.kind != "spline":
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
    for k, cause in enumerate(design.causes if months.n_cause > 1 else []):
        rare = int((~base.known[:, k]).sum())
        if rare:
            kind = {"dummies": "months", "piecewise": "pieces", "spline": "strata"}[base.kind]
            said.append(f"the hazard of {cause} is 0 in {rare:,} {kind} without such an exit")
    return about | {
        "link": fit.link,
        "variance": "Fisher information",
        "baseline": base.kind,
        "knots": list(base.knots),
        "n_month": round(float(months.at_risk[base.used].sum())),
        "dropped": dropped,
        "warnings": said,
        "steps": fit.steps,
        "versions": versions(),
    }
