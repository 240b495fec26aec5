"""Competing exits in whole months: a multinomial logit, all causes and months together."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.estimation.intervals import ConfType, check_interval, interval, normal_quantile
from toolkit.survival.discrete.model import MonthlyModel, as_frame, at_months, fit_model
from toolkit.survival.discrete.predict import Course, Newcomers, course, hazard_of, incidence_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.discrete.baseline import Kind
    from toolkit.survival.predicted import Predicted

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DiscreteCompeting(MonthlyModel):
    """A multinomial logit for the exits of each month; made by `discrete_competing`.

    `coefficients` and `vcov` hold the causes one after the other.
    """

    @property
    def causes(self) -> pl.Series:
        """The K causes, sorted."""
        return self.design.causes

    def tidy(self, *, exponentiate: bool = False) -> pl.DataFrame:
        """Return a row per cause and term, with the columns of `Regression.tidy` behind `cause`."""
        table = super().tidy(exponentiate=exponentiate)
        own = self.covariates.terms
        k = len(self.causes)
        cause = self.causes.gather(np.repeat(np.arange(k), len(own))).alias("cause")
        names = pl.Series("term", list(own) * k, dtype=pl.String)
        return table.with_columns(cause, names).select("cause", "term", pl.exclude("cause", "term"))

    def baseline(self) -> pl.DataFrame:
        """Return the hazards by month for a row whose terms and offset are all 0.

        Columns: the strata, `cause, time, n_risk, n_event, estimate, std_error, conf_low,
        conf_high`.
        """
        months, zero = self.fit.months, self._zero()
        table = self._by_cause(zero, self._months(None), hazard_of_logit, "logit", np.nan)
        n_cause, n_month = months.n_cause, months.n_month
        events = months.events.reshape(-1, n_month, n_cause).transpose(0, 2, 1).ravel()
        at_risk = np.repeat(months.at_risk.reshape(-1, 1, n_month), n_cause, axis=1).ravel()
        counts = pl.DataFrame({"n_risk": self._count(at_risk), "n_event": self._count(events)})
        front = [*zero.labels.columns, "cause", "time", "n_risk", "n_event"]
        table = pl.concat([table.drop("row"), counts], how="horizontal")
        return table.filter(pl.col("n_risk") > 0).select(*front, pl.exclude(*front))

    def predict_hazard(self, new: Any, times: float | Sequence[float] | None = None) -> Predicted:
        """Return the hazard of each cause by month for each row of `new`; logit intervals."""
        newcomers = self._read(new)
        table = self._by_cause(newcomers, self._months(times), hazard_of_logit, "logit", np.nan)
        return self._predicted(table, newcomers, "hazard", "h(t, cause)", start=None)

    def predict_incidence(
        self,
        new: Any,
        times: float | Sequence[float] | None = None,
        *,
        conf_type: ConfType = "log-log",
    ) -> Predicted:
        """Return the cumulative incidence of each cause for each row of `new`.

        F_k(t) = Σ S(m - 1) h_k(m) over the months up to t; the standard errors are the delta
        method's, over all coefficients and months together. All months without `times`.
        Columns of its `tidy()`: `row`, the strata and variables of the model, `cause, time,
        estimate, std_error, conf_low, conf_high`; null where the data do not say.
        """
        check_interval(self.conf_level, conf_type)
        newcomers = self._read(new)
        table = self._by_cause(newcomers, self._months(times), incidence_of, conf_type, 0.0)
        return self._predicted(
            table, newcomers, "cumulative incidence", "P(T ≤ t, cause)", start=0.0
        )

    def _by_cause(
        self,
        newcomers: Newcomers,
        asked: Floats,
        what: Callable[[Course], tuple[Floats, Floats]],
        scale: Any,
        start: float,
    ) -> pl.DataFrame:
        parts = []
        n_cause = len(self.causes)
        for row in range(len(newcomers.x)):
            way = course(self.fit, newcomers, row)
            values, gradient = what(way)
            error = self._errors(way, gradient).reshape(-1, n_cause)
            for k, cause in enumerate(self.causes):
                value, own = at_months(asked, values[k::n_cause], error[:, k], start=start)
                if scale == "logit":
                    low, high = _logit_interval(value, own, normal_quantile(self.conf_level))
                else:
                    low, high = interval(value, own, conf_level=self.conf_level, conf_type=scale)
                table = as_frame(row, newcomers.labels, asked, value, own, low, high)
                label = pl.Series("cause", [cause] * len(asked), dtype=self.causes.dtype)
                at = table.columns.index("time")
                parts.append(table.insert_column(at, label))
        return pl.concat(parts)


def hazard_of_logit(way: Course) -> tuple[Floats, Floats]:
    """Return the hazards and their gradient, see `hazard_of`."""
    return hazard_of(way, cloglog=False)


def _logit_interval(value: Floats, error: Floats, z: float) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        eta, half = np.log(value / (1 - value)), z * error / (value * (1 - value))
        low, high = (1 / (1 + np.exp(-eta - side * half)) for side in (-1, 1))
    return low, high


def discrete_competing(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
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
) -> DiscreteCompeting:
    """Fit the monthly hazards of competing exits.

    Parameters
    ----------
    formula, data, time, entry, baseline, knots, cuts, df
        As in `discrete_hazard`; every cause has its own coefficients and its own baseline.
    event : str
        0 or null for censored, else the cause (whole number or text).
    weights, weight_type, strata, cluster, robust, offset, conf_level
        As in `discrete_hazard`.

    Returns
    -------
    DiscreteCompeting

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used, separation, collinearity.

    Notes
    -----
    h_k = exp(η_k) / (1 + Σ exp(η_l)), η_k = level of the month for k + x'β_k (Allison 1982, eq.
    26): β_k are log odds ratios of leaving to k against staying. All causes are fitted together,
    so that their covariance is there for cumulative incidences.

    A month without an exit to k says that its level for k is minus infinity: that hazard is 0,
    the month's persons still count for the other causes. Months in which nobody leaves, or
    everybody does, are left out and counted in ``meta["dropped"]``; where everybody left, who
    went where is not predicted.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.discrete import discrete_competing
    >>> spells = pl.DataFrame({
    ...     "months": [1, 1, 1, 2, 2, 2, 2, 2],
    ...     "exit": ["work", "study", None, "work", "work", "study", None, None],
    ...     "x": [1, 1, 0, 0, 1, 0, 1, 0],
    ... })
    >>> model = discrete_competing("x", spells, time="months", event="exit")
    >>> model.tidy().select("cause", "term", pl.col("estimate").round(3))
    shape: (2, 3)
    ┌───────┬──────┬──────────┐
    │ cause ┆ term ┆ estimate │
    │ ---   ┆ ---  ┆ ---      │
    │ str   ┆ str  ┆ f64      │
    ╞═══════╪══════╪══════════╡
    │ study ┆ x    ┆ 0.794    │
    │ work  ┆ x    ┆ 1.698    │
    └───────┴──────┴──────────┘
    """
    begin = clock.perf_counter()
    fields = fit_model(
        formula, data, link="logit", baseline=baseline, knots=knots, cuts=cuts, df=df, time=time,
        event=event, entry=entry, weights=weights, weight_type=weight_type, strata=strata,
        cluster=cluster, robust=robust, offset=offset, conf_level=conf_level, competing=True,
    )  # fmt: skip
    if len(fields["design"].causes) > 8:
        raise CallError(
            f"{len(fields['design'].causes)} causes are too many", fix="merge rare exits first"
        )
    fields["meta"] |= {
        "estimand": "log odds ratio of each exit in a month, against staying",
        "method": "Discrete-time competing exits, multinomial logit",
        "causes": fields["design"].causes.to_list(),
        "wall_time": clock.perf_counter() - begin,
    }
    return DiscreteCompeting(**fields)
