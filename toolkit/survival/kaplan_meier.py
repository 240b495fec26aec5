"""The Kaplan-Meier curve, by group, with Greenwood's standard error."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.estimation.intervals import ConfType, check_interval, interval, normal_quantile
from toolkit.frames import as_columns
from toolkit.survival.curve_family import TableCurves, table_curves
from toolkit.survival.curve_result import CurveResult
from toolkit.survival.curves import check_times, describe, last_rows, quantile_of, time_series
from toolkit.survival.influence import survival_influence
from toolkit.survival.jackknife import survival_variance
from toolkit.survival.restricted_mean import restricted_mean
from toolkit.survival.risk_table import RiskTable, make_risk_table
from toolkit.survival.segments import running_product, running_sum
from toolkit.survival.units import Units, clustered_variance, make_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class KaplanMeier(CurveResult):
    """Kaplan-Meier curves by group; made by `kaplan_meier`.

    Attributes
    ----------
    table : RiskTable
        Counts at the R distinct times, all groups under one another.
    survival, std_error : (R,) arrays
        S(t) and its standard error; the latter is NaN where it does not exist (S = 0).
    conf_level, conf_type
        Of the intervals.
    robust : bool
        Standard errors are the infinitesimal jackknife's, for sampling weights or clusters.
    units : Units or None
        What varies independently, where that is asked for by `cluster`.
    """

    table: RiskTable = field(repr=False)
    survival: Floats = field(repr=False)
    std_error: Floats = field(repr=False)
    robust: bool = False
    units: Units | None = field(default=None, repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row per group and distinct observed time.

        Columns: the `by` columns, `time, n_risk, n_event, n_censor, estimate, std_error,
        conf_low, conf_high`. `n_risk` is just before `time`.
        """
        table = self.table
        return pl.DataFrame(
            {
                **table.labels(table.group),
                "time": table.time,
                "n_risk": table.count(table.n_risk),
                "n_event": table.count(table.events),
                "n_censor": table.count(table.n_censor),
                **self._estimates(self.survival, self.std_error),
            }
        )

    def at(self, times: float | Sequence[float]) -> pl.DataFrame:
        """Return the curves at given times, as a step function.

        Past a group's largest observed time nothing is known: the row is there, its estimate null.
        `n_risk` is the number at risk just before the time.

        Raises
        ------
        toolkit.errors.NegativeTimeError
            For a time below zero or not finite.
        """
        asked = check_times(times)
        table = self.table
        group = np.repeat(np.arange(table.n_groups), len(asked))
        time = np.tile(asked, table.n_groups)
        row, known = last_rows(table, group, time)
        started = row >= 0
        survival = np.where(started, self.survival[row], 1.0)
        std_error = np.where(started, self.std_error[row], 0.0)
        return pl.DataFrame(
            {
                **table.labels(group),
                "time": time_series(time),
                "n_risk": table.count(table.at_risk(group, time)),
                **self._estimates(
                    np.where(known, survival, np.nan), np.where(known, std_error, np.nan)
                ),
            }
        )

    def quantile(self, probability: float | Sequence[float] = 0.5) -> pl.DataFrame:
        """Return the times by which a share `probability` has had the event, with intervals.

        The time is the first at which S(t) ≤ 1 - p; where S equals 1 - p over a stretch of time,
        the middle of that stretch (up to the last observed time if no event follows). The
        interval holds the times at which the bands of the curve do so (Brookmeyer and Crowley
        1982). Null where a curve does not come that far. This is what R's `quantile.survfit`
        does; its printed medians differ from it only for a stretch that lasts until the end.
        """
        return quantile_of(
            self.table, self.survival, *self._bounds(self.survival, self.std_error), probability
        )

    def rmst(self, horizon: float) -> pl.DataFrame:
        """Return the restricted mean survival time: the area under the curve up to `horizon`.

        Null for a group that is not observed up to `horizon` (unless its curve has come to 0,
        after which the area is known). The interval is estimate ± z standard errors.

        Raises
        ------
        toolkit.errors.HorizonError
            When no group is observed that long.

        Notes
        -----
        With A(t) the area from t to the horizon, the variance is Σ A(t)² d / (n (n - d)) over the
        event times up to the horizon (Klein and Moeschberger 2003, eq. 4.5.2); with sampling
        weights or clusters it is the infinitesimal jackknife's.
        """
        table = self.table
        area, std_error = self._area(horizon)
        half = normal_quantile(self.conf_level) * std_error
        numbers = {"estimate": area, "std_error": std_error,
                   "conf_low": area - half, "conf_high": area + half}  # fmt: skip
        return pl.DataFrame(
            {
                **table.labels(np.arange(table.n_groups)),
                "time": time_series(np.full(table.n_groups, horizon)),
                **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
            }
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, and the median where there is one group (see `quantile`)."""
        table = self.table
        middle = self.quantile(0.5).row(0, named=True) if table.n_groups == 1 else {}
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": table.count(np.atleast_1d(table.events.sum())),
                "n_censor": table.count(np.atleast_1d(table.n_censor.sum())),
                "n_group": [table.n_groups],
                "time_max": [table.time.max()],
                "median": pl.Series([middle.get("estimate")], dtype=pl.Float64),
                "conf_low": pl.Series([middle.get("conf_low")], dtype=pl.Float64),
                "conf_high": pl.Series([middle.get("conf_high")], dtype=pl.Float64),
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, *, at_risk: bool = True, **options: Any) -> Axes:
        """Draw the curves with their bands; numbers at risk stand under the axis."""
        from toolkit.survival._plot import plot_curves

        return plot_curves(
            self.tidy(), by=self.table.cells.by, ax=ax, start=1.0,
            at_risk=self.at if at_risk else None, ylabel="Survival", **options,
        )  # fmt: skip

    def _area(self, horizon: float) -> tuple[Floats, Floats]:
        units = self.units or (make_units(self.table.cells) if self.robust else None)
        return restricted_mean(self.table, self.survival, horizon, units=units)

    def _curves(self) -> TableCurves:
        table = self.table
        return table_curves(
            table, values=self.survival[:, None], std_errors=self.std_error[:, None], start=1.0,
            influences=[survival_influence(table, self.survival)], kinds={}, units=self.units,
            known_after=self.survival[table.first[1:] - 1] <= 0, area_name="rmst",
            mean=self._area,
        )  # fmt: skip

    def _bounds(self, survival: Floats, std_error: Floats) -> tuple[Floats, Floats]:
        low, high = interval(
            survival, std_error, conf_level=self.conf_level, conf_type=self.conf_type
        )
        return low, high

    def _estimates(self, survival: Floats, std_error: Floats) -> dict[str, pl.Series]:
        low, high = self._bounds(survival, std_error)
        numbers = {"estimate": survival, "std_error": std_error, "conf_low": low, "conf_high": high}
        return {name: pl.Series(x).fill_nan(None) for name, x in numbers.items()}


def kaplan_meier(
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    weight_type: Weighting = "frequency",
    cluster: str | None = None,
    conf_level: float = 0.95,
    conf_type: ConfType = "log-log",
) -> KaplanMeier:
    """Estimate survival curves by Kaplan and Meier's product limit.

    Parameters
    ----------
    data : frame
        One row a spell: polars (eager or lazy), or anything narwhals can read.
    time : str
        Duration, a number ≥ 0. At equal times events come before censorings.
    event : str
        True/1 = the event, false/0 = censored at `time`.
    entry : str, optional
        Left truncation: a row is at risk on (entry, time].
    by : str or sequence of str, optional
        Group columns: one curve each.
    weights : str, optional
        Column of weights ≥ 0; rows with weight 0 are left out and counted in `meta`.
    weight_type : {"frequency", "sampling"}
        ``frequency``: a row with weight w is w equal rows (Greenwood's variance on weighted
        counts, also for fractions). ``sampling``: a row is one unit that stands for w
        (the robust variance of the infinitesimal jackknife, Σ w² influence²).
    cluster : str, optional
        Column that tells which rows belong together (a person, a municipality), also across
        groups: the variance is that of the sums of their influences, as in R's
        `survfit(cluster=)`.
    conf_level : float
    conf_type : {"log-log", "log", "plain"}
        Scale of the intervals, see `toolkit.estimation.intervals.interval`.

    Returns
    -------
    KaplanMeier

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used.

    Notes
    -----
    S(t) = ∏ (1 - d/n) over times up to t, with variance S(t)² Σ d / (n (n - d))
    (Kaplan and Meier 1958; Greenwood 1926). As in R's `survfit`, S = 0 has no standard error.

    Times are equal when they are the same number; R also merges floats a rounding error apart
    (`timefix`), so round computed durations before.

    With left truncation the risk set may be empty for a while. The curve then goes on from where
    it was; if it had come to 0 it stays there, whoever enters later. `meta` warns of both.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import survival
    >>> spells = pl.DataFrame({"months": [2, 3, 3, 5], "left": [1, 1, 0, 1]})
    >>> curve = survival.kaplan_meier(spells, time="months", event="left")
    >>> curve.at([3]).select("time", "estimate")
    shape: (1, 2)
    ┌──────┬──────────┐
    │ time ┆ estimate │
    │ ---  ┆ ---      │
    │ i64  ┆ f64      │
    ╞══════╪══════════╡
    │ 3    ┆ 0.5      │
    └──────┴──────────┘
    """
    begin = clock.perf_counter()
    check_interval(conf_level, conf_type)
    table = make_risk_table(
        data, time=time, event=event, entry=entry, by=as_columns(by), weights=weights,
        weighting=weight_type,
    )  # fmt: skip
    survival, greenwood = product_limit(table.n_risk, table.events, table.group)
    robust = cluster is not None or (table.cells.weighted and weight_type == "sampling")
    units = None
    if cluster is not None:
        units = make_units(table.cells, cluster)
        variance = clustered_variance(table, survival_influence(table, survival), units)
        how = f"infinitesimal jackknife over {units.count:,} clusters of {cluster}"
    elif robust:
        variance = survival_variance(table, survival)
        how = "infinitesimal jackknife (sampling weights)"
    else:
        variance = np.where(survival > 0, survival, np.nan) ** 2 * greenwood
        how = "Greenwood" + (" on weighted counts" if table.cells.weighted else "")
    meta = describe(
        table,
        estimand=f"P({time} > t)",
        method="Kaplan-Meier",
        variance=how,
        curve=survival,
    )
    if units is not None:
        meta["warnings"] = [*meta["warnings"], *units.notes(table.cells)]
    return KaplanMeier(
        meta=meta | {"wall_time": clock.perf_counter() - begin},
        table=table,
        survival=survival,
        std_error=np.sqrt(variance),
        conf_level=conf_level,
        conf_type=conf_type,
        robust=robust,
        units=units,
    )


def product_limit(
    n_risk: Floats, n_event: Floats, group: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return S(t) and Greenwood's sum Σ d / (n (n - d)), both (R,), anew in every group."""
    stay = n_risk - n_event
    survival = running_product(stay / n_risk, group)
    with np.errstate(divide="ignore"):
        greenwood = running_sum(n_event / (n_risk * stay), group)
    return survival, greenwood
