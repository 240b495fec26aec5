"""Discrete-time hazards: the chance to leave in a month (or week), given covariates."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.estimation.intervals import ConfType, check_interval, interval, normal_quantile
from toolkit.survival.curves import time_series
from toolkit.survival.discrete.likelihood import LINKS, Link
from toolkit.survival.discrete.model import MonthlyModel, as_frame, at_months, fit_model
from toolkit.survival.discrete.predict import Newcomers, course, hazard_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting
    from toolkit.survival.discrete.baseline import Kind
    from toolkit.survival.discrete.units import Heterogeneity, Origin
    from toolkit.survival.predicted import Predicted

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DiscreteHazard(MonthlyModel):
    """A discrete-time hazard model; made by `discrete_hazard`.

    `tidy()` has the covariates (log hazard ratios under cloglog, log odds ratios under logit);
    `baseline()` the months.
    """

    def baseline(self) -> pl.DataFrame:
        """Return the hazard by month for a row whose terms and offset are all 0.

        Columns: the strata, `time, n_risk, n_event, estimate, std_error, conf_low, conf_high`.
        Where no event happened the hazard is 0 without an error; months in which nobody was at
        risk are left out.
        """
        months, zero = self.fit.months, self._zero()
        table = self._hazards(zero, self._months(None)).drop("row")
        counts = pl.DataFrame(
            {"n_risk": self._count(months.at_risk), "n_event": self._count(months.events[:, 0])}
        )
        front = [*zero.labels.columns, "time", "n_risk", "n_event"]
        table = pl.concat([table, counts], how="horizontal").filter(pl.col("n_risk") > 0)
        return table.select(*front, pl.exclude(*front))

    def predict_hazard(self, new: Any, times: float | Sequence[float] | None = None) -> Predicted:
        """Return the hazard by month of each row of `new`, with intervals made on the link's scale.

        Columns as in `predict_survival`.
        """
        newcomers = self._read(new)
        table = self._hazards(newcomers, self._months(times))
        return self._predicted(table, newcomers, "hazard", "h(t)", start=None)

    def standardise(
        self,
        by: str,
        times: float | Sequence[float] | None = None,
        *,
        levels: Sequence[Any] | None = None,
        difference: bool = False,
        conf_type: ConfType = "log-log",
    ) -> pl.DataFrame:
        """Return the survival curves of all rows of the data, if each had the same level of `by`.

        Parameters
        ----------
        by : str
            A variable of the formula, or a stratum.
        times : number or sequence of numbers, optional
            Months; all of them by default.
        levels : sequence, optional
            Those found in the data by default.
        difference : bool
            Curves minus that of the first level (plain intervals), with the covariance between
            them, instead of the curves.

        Notes
        -----
        The mean of S(t) over the rows (the g-formula for a fixed `by`). Standard errors hold the
        coefficients' part, by the delta method, and that of the covariates of those who were drawn.
        Columns: `by, time, estimate, std_error, conf_low, conf_high`.
        """
        from toolkit.survival.discrete.standardise import standardise

        check_interval(self.conf_level, conf_type)
        asked = self._months(times)
        month = np.floor(asked).astype(np.int64)
        if month[0] < 1 or month[-1] > self.fit.months.n_month:
            raise CallError(
                f"Months run from 1 to {self.fit.months.n_month} here", fix="ask for those"
            )
        level, curve, vcov = standardise(self, by, levels, month)
        n_time = len(month)
        if difference:
            take = np.kron(np.eye(len(level))[1:] - np.eye(len(level))[0], np.eye(n_time))
            curve, vcov, level = curve[1:] - curve[0], take @ vcov @ take.T, level[1:]
        error = np.sqrt(np.maximum(np.diag(vcov), 0))
        value = curve.ravel()
        if difference:
            half = normal_quantile(self.conf_level) * error
            low, high = value - half, value + half
        else:
            low, high = interval(value, error, conf_level=self.conf_level, conf_type=conf_type)
        numbers = {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high}
        return pl.DataFrame(
            {
                by: level.gather(np.repeat(np.arange(len(level)), n_time)),
                "time": time_series(np.tile(asked, len(level))),
                **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
            }
        )

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
            columns = [at_months(asked, v, v, start=np.nan)[0] for v in (hazard, error, low, high)]
            parts.append(as_frame(row, newcomers.labels, asked, *columns))
        return pl.concat(parts)


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
    heterogeneity: Heterogeneity | None = None,
    person: str | None = None,
    origin: Origin = "start",
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
    heterogeneity : {"gamma", "normal"}, optional
        Unseen differences between persons that last: a frailty that multiplies the hazard of
        cloglog, gamma with mean 1 (Meyer 1990), or a normal random intercept (either link).
    person : str, optional
        Column that says which rows share the heterogeneity: those of one spell, or (``normal``)
        of all spells of a person. Without it each row is a spell of its own.
    origin : {"start", "entry"}
        Of spells seen from later than their start (`entry` above 0, and no earlier row of the
        spell): ``start``, the heterogeneity is that of month 0, and those still there at entry are
        the ones with a low hazard (their likelihood is divided by the chance to be there, with the
        covariates of the row at entry); ``entry``, the heterogeneity is that of those who entered.
    conf_level : float

    Returns
    -------
    DiscreteHazard
        With heterogeneity a `MixedHazard`.

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
    │ x    ┆ 0.1586   │
    └──────┴──────────┘
    """
    begin = clock.perf_counter()
    check_option("link", link, LINKS)
    fields = fit_model(
        formula, data, link=link, baseline=baseline, knots=knots, cuts=cuts, df=df, time=time,
        event=event, entry=entry, weights=weights, weight_type=weight_type, strata=strata,
        cluster=cluster, robust=robust, offset=offset, conf_level=conf_level,
    )  # fmt: skip
    fields["meta"] |= {
        "estimand": "log hazard ratio (proportional hazards, seen by months)"
        if link == "cloglog"
        else "log odds ratio of the event in a month",
        "method": "Discrete-time hazard, "
        + {"cloglog": "complementary log-log link", "logit": "logit link"}[link],
        "wall_time": clock.perf_counter() - begin,
    }
    if heterogeneity is None:
        if person is not None or origin != "start":
            raise CallError(
                "person= and origin= say how heterogeneity is shared, and there is none",
                fix="add heterogeneity='gamma' or 'normal', or use cluster= for the variance",
            )
        return DiscreteHazard(**fields)
    from toolkit.survival.discrete.mixed import with_heterogeneity

    model = with_heterogeneity(fields, heterogeneity, person=person, origin=origin)
    return replace(model, meta=dict(model.meta) | {"wall_time": clock.perf_counter() - begin})
