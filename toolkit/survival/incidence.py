"""Cumulative incidence of competing causes by Aalen and Johansen, by group."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.estimation.intervals import ConfType, check_interval, interval
from toolkit.frames import as_columns
from toolkit.survival.curve_family import TableCurves, table_curves
from toolkit.survival.curve_result import CurveResult
from toolkit.survival.curves import check_times, describe, last_rows, time_series
from toolkit.survival.influence import incidence_influence
from toolkit.survival.jackknife import incidence_variance
from toolkit.survival.restricted_mean_lost import restricted_mean_lost
from toolkit.survival.risk_table import RiskTable, make_risk_table
from toolkit.survival.segments import before, running_product, running_sum
from toolkit.survival.units import Units, clustered_variance, make_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]

VarianceType = Literal["jackknife", "aalen"]
VARIANCES = ("jackknife", "aalen")


@dataclass(frozen=True, kw_only=True)
class CumulativeIncidence(CurveResult):
    """Cumulative incidence by cause and group; made by `cumulative_incidence`.

    Attributes
    ----------
    table : RiskTable
        Counts at the R distinct times, all groups under one another.
    incidence, std_error : (R, K) arrays
        F_k(t) and its standard error, a column a cause.
    event_free : (R,) array
        S(t), nobody of whom any cause has happened: 1 - Σ F_k(t).
    conf_level, conf_type
        Of the intervals.
    units : Units or None
        What varies independently, where that is asked for by `cluster`.
    """

    table: RiskTable = field(repr=False)
    incidence: Floats = field(repr=False)
    std_error: Floats = field(repr=False)
    event_free: Floats = field(repr=False)
    units: Units | None = field(default=None, repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row per group, cause and distinct observed time.

        Columns: the `by` columns, `cause, time, n_risk, n_event, estimate, std_error, conf_low,
        conf_high`; `n_event` counts the cause's own events, `cause` keeps the user's type.
        """
        table = self.table
        order, cause = self._by_cause(table.group)
        group = table.group[order]
        return pl.DataFrame(
            {
                **table.labels(group),
                "cause": table.causes.gather(cause),
                "time": table.time[order],
                "n_risk": table.count(table.n_risk[order]),
                "n_event": table.count(table.n_event[order, cause]),
                **self._estimates(self.incidence[order, cause], self.std_error[order, cause]),
            }
        )

    def at(self, times: float | Sequence[float]) -> pl.DataFrame:
        """Return the curves at given times, as step functions.

        Past a group's largest observed time nothing is known: the row is there, its estimate null.
        """
        asked = check_times(times)
        table = self.table
        group = np.repeat(np.arange(table.n_groups), len(asked))
        order, cause = self._by_cause(group)
        group, time = group[order], np.tile(asked, table.n_groups)[order]
        row, known = last_rows(table, group, time)
        value, std_error = (
            np.where(known, np.where(row >= 0, x[row, cause], 0.0), np.nan)
            for x in (self.incidence, self.std_error)
        )
        return pl.DataFrame(
            {
                **table.labels(group),
                "cause": table.causes.gather(cause),
                "time": time_series(time),
                "n_risk": table.count(table.at_risk(group, time)),
                **self._estimates(value, std_error),
            }
        )

    def rmtl(self, horizon: float) -> pl.DataFrame:
        """Return the time lost to each cause up to `horizon`: the area under its incidence.

        With the time free of any event, `kaplan_meier(...).rmst(horizon)`, the times lost to all
        causes add up to the horizon. A row per group and cause; null for a group that is not
        observed up to the horizon (unless all of it has left). The interval is estimate ± z
        standard errors, those of the infinitesimal jackknife, by `cluster` where there is one.
        `difference(horizon=…, measure="rmtl")` compares groups.

        Raises
        ------
        toolkit.errors.HorizonError
            When no group is observed that long.
        """
        return restricted_mean_lost(self._curves(), horizon, self.conf_level)

    def total(self) -> pl.DataFrame:
        """Return the incidence of any cause, Σ F_k(t) = 1 - S(t): a row per group and time.

        Columns: the `by` columns, `time, n_risk, n_event, estimate`.
        """
        table = self.table
        return pl.DataFrame(
            {
                **table.labels(table.group),
                "time": table.time,
                "n_risk": table.count(table.n_risk),
                "n_event": table.count(table.events),
                "estimate": self.incidence.sum(axis=1),
            }
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: numbers of rows, events, censorings, groups and causes."""
        table = self.table
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": table.count(np.atleast_1d(table.events.sum())),
                "n_censor": table.count(np.atleast_1d(table.n_censor.sum())),
                "n_group": [table.n_groups],
                "n_cause": [len(table.causes)],
                "time_max": [table.time.max()],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, *, at_risk: bool = True, **options: Any) -> Axes:
        """Draw the curves with their bands; numbers at risk stand under the axis."""
        from toolkit.survival._plot import plot_curves

        return plot_curves(
            self.tidy(), by=(*self.table.cells.by, "cause"), ax=ax, start=0.0,
            at_risk=self.at if at_risk else None, ylabel="Cumulative incidence", **options,
        )  # fmt: skip

    def _curves(self) -> TableCurves:
        table = self.table
        return table_curves(
            table, values=self.incidence, std_errors=self.std_error, start=0.0,
            influences=incidence_influence(table, self.event_free, self.incidence),
            kinds={"cause": table.causes}, units=self.units,
            known_after=self.event_free[table.first[1:] - 1] <= 0, area_name="rmtl",
        )  # fmt: skip

    def _by_cause(self, group: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row numbers and cause numbers, sorted by group, cause and then row."""
        n_causes = len(self.table.causes)
        rows = np.tile(np.arange(len(group)), n_causes)
        cause = np.repeat(np.arange(n_causes), len(group))
        order = np.lexsort((rows, cause, group[rows]))
        return rows[order], cause[order]

    def _estimates(self, value: Floats, std_error: Floats) -> dict[str, pl.Series]:
        low, high = interval(value, std_error, conf_level=self.conf_level, conf_type=self.conf_type)
        numbers = {"estimate": value, "std_error": std_error, "conf_low": low, "conf_high": high}
        return {name: pl.Series(x).fill_nan(None) for name, x in numbers.items()}


def cumulative_incidence(
    data: Any,
    *,
    time: str,
    event: str,
    entry: str | None = None,
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    weight_type: Weighting = "frequency",
    cluster: str | None = None,
    variance: VarianceType = "jackknife",
    conf_level: float = 0.95,
    conf_type: ConfType = "log-log",
) -> CumulativeIncidence:
    """Estimate the probability of each cause by time t, in the presence of the others.

    Parameters
    ----------
    data : frame
        One row a spell: polars (eager or lazy), or anything narwhals can read.
    time : str
        Duration, a number ≥ 0. Ties between causes are exact: all causes at one time share the
        risk set of that time. Events come before censorings.
    event : str
        0/null = censored, else the cause: a positive integer or a string.
    entry : str, optional
        Left truncation: a row is at risk on (entry, time].
    by : str or sequence of str, optional
        Group columns: one set of curves each.
    weights : str, optional
        Column of weights ≥ 0; rows with weight 0 are left out and counted in `meta`.
    weight_type : {"frequency", "sampling"}
        ``frequency``: a row with weight w is w equal rows. ``sampling``: a row is one unit that
        stands for w (variance Σ w² influence², as R's `survfit` does).
    cluster : str, optional
        Column that tells which rows belong together, also across groups (see `kaplan_meier`).
    variance : {"jackknife", "aalen"}
        ``jackknife``: the infinitesimal jackknife (`toolkit.survival.jackknife`), R's `survfit`;
        without left truncation and sampling weights it is the delta method of Dinse and
        Larson (1986), and Greenwood's formula when there is one cause. ``aalen``: the martingale
        variance of Aalen (1978), as in `cmprsk`; a little larger, the same in large samples.
    conf_level : float
    conf_type : {"log-log", "log", "plain"}
        Scale of the intervals, see `toolkit.estimation.intervals.interval`. R's default for
        competing risks is ``log``.

    Returns
    -------
    CumulativeIncidence

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used.

    Notes
    -----
    F_k(t) = Σ_{s ≤ t} S(s-) d_k(s) / n(s), with S the Kaplan-Meier curve of any cause
    (Aalen and Johansen 1978, eq. 3.3).

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import survival
    >>> exits = pl.DataFrame({"months": [1, 2, 2, 4], "to": ["work", "work", "study", None]})
    >>> curves = survival.cumulative_incidence(exits, time="months", event="to")
    >>> curves.at(3).select("cause", "estimate")
    shape: (2, 2)
    ┌───────┬──────────┐
    │ cause ┆ estimate │
    │ ---   ┆ ---      │
    │ str   ┆ f64      │
    ╞═══════╪══════════╡
    │ study ┆ 0.25     │
    │ work  ┆ 0.5      │
    └───────┴──────────┘
    """
    begin = clock.perf_counter()
    check_interval(conf_level, conf_type)
    check_option("variance", variance, VARIANCES)
    if variance == "aalen" and weight_type == "sampling":
        raise CallError(
            "Aalen's variance counts events and cannot use sampling weights",
            fix="leave out variance='aalen'",
        )
    if variance == "aalen" and cluster is not None:
        raise CallError(
            "Aalen's variance counts single events and knows no clusters",
            fix="leave out variance='aalen'",
        )
    table = make_risk_table(
        data, time=time, event=event, entry=entry, by=as_columns(by), weights=weights,
        weighting=weight_type, competing=True,
    )  # fmt: skip
    if not len(table.causes):
        raise EmptyCohortError(
            f"Nobody in {event!r} had an event, so there is no cause to speak of",
            fix="check its coding: 0 or null is censored, anything else is a cause",
        )
    event_free, incidence = aalen_johansen(table)
    units = None
    if cluster is not None:
        units = make_units(table.cells, cluster)
        squared = np.column_stack(
            [
                clustered_variance(table, moved, units)
                for moved in incidence_influence(table, event_free, incidence)
            ]
        )
        how = f"infinitesimal jackknife over {units.count:,} clusters of {cluster}"
    elif variance == "jackknife":
        squared, how = incidence_variance(table, event_free, incidence), "infinitesimal jackknife"
    else:
        squared, how = aalen_variance(table, event_free, incidence), "Aalen"
    meta = describe(
        table,
        estimand=f"P({time} ≤ t, {event} = cause)",
        method="Aalen-Johansen",
        variance=how,
        curve=event_free,
    )
    if units is not None:
        meta["warnings"] = [*meta["warnings"], *units.notes(table.cells)]
    return CumulativeIncidence(
        meta=meta | {"wall_time": clock.perf_counter() - begin},
        table=table,
        incidence=incidence,
        std_error=np.sqrt(squared),
        event_free=event_free,
        conf_level=conf_level,
        conf_type=conf_type,
        units=units,
    )


def aalen_johansen(table: RiskTable) -> tuple[Floats, Floats]:
    """Return S(t), (R,), and F_k(t), (R, K), of a risk table."""
    event_free = running_product((table.n_risk - table.events) / table.n_risk, table.group)
    ahead = before(event_free, table.group, 1.0)
    steps = (ahead / table.n_risk)[:, None] * table.n_event
    return event_free, running_sum(steps, table.group)


def aalen_variance(table: RiskTable, event_free: Floats, incidence: Floats) -> Floats:
    """Return Aalen's (1978) variance of every F_k(t), (R, K).

    An error ε in the increment of cause j's hazard at s changes F_k(t) by
    ε (S(s-) [j = k] - g (F_k(t) - F_k(s))), with g = n / (n - d); the increments are independent,
    with variance d_j (n - d_j) / (n² (n - 1)) each. Written out as a square in F_k(t), so that
    running sums give all t at once.
    """
    n, d = table.n_risk[:, None], table.events[:, None]
    own = table.n_event
    ahead = before(event_free, table.group, 1.0)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        # no variance from a single person at risk; no change of F after all have left
        scale = np.where(n > 1, 1 / (n**2 * (n - 1)), 0.0)
        g = np.where(n > d, n / (n - d), 0.0)
    v_own, v_other = own * (n - own) * scale, (d - own) * (n - d + own) * scale
    at = g * incidence
    constant = running_sum((ahead + at) ** 2 * v_own + at**2 * v_other, table.group)
    linear = running_sum(g * ((ahead + at) * v_own + at * v_other), table.group)
    square = running_sum(g**2 * (v_own + v_other), table.group)
    return np.maximum(constant - 2 * incidence * linear + incidence**2 * square, 0.0)
