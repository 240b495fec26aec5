"""The mean cumulative function as a result: looking it up, comparing groups, testing, drawing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import polars as pl

from toolkit.errors import check_option
from toolkit.estimation.intervals import normal_quantile
from toolkit.result import Result
from toolkit.survival.curves import check_times, last_rows, time_series
from toolkit.survival.difference import make_difference
from toolkit.survival.influence import Area
from toolkit.survival.recurrent.mean_contrast import curves_of
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.difference import Difference
    from toolkit.survival.influence import CurveInfluence
    from toolkit.survival.rank_tests import RankTest
    from toolkit.survival.recurrent.mean_influence import MeanParts
    from toolkit.survival.recurrent.mean_test import TestVariance
    from toolkit.survival.units import Units

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ConfType = Literal["log", "plain"]
CONF_TYPES = ("log", "plain")
MeanMeasure = Literal["difference", "ratio", "area", "area ratio"]
MEASURES = ("difference", "ratio", "area", "area ratio")


def check_conf_type(conf_type: str) -> None:
    """Raise unless the scale of the intervals is known."""
    check_option("conf_type", conf_type, CONF_TYPES)


@dataclass(frozen=True, kw_only=True)
class MeanCumulative(Result):
    """Mean cumulative functions by group; made by `mean_cumulative`.

    Attributes
    ----------
    parts : MeanParts
        Counts at the R distinct times of all groups, and μ there.
    std_error : (R,) array
    moved : CurveInfluence
        What one unit of weight in each cell moves.
    units : Units
        The persons.
    has_death : bool
    conf_level, conf_type
        Of the intervals.
    """

    parts: MeanParts = field(repr=False)
    std_error: Floats = field(repr=False)
    moved: CurveInfluence = field(repr=False)
    units: Units = field(repr=False)
    has_death: bool
    conf_level: float
    conf_type: ConfType

    @property
    def mean(self) -> Floats:
        """μ at the table's rows, (R,)."""
        return self.parts.mean

    def tidy(self) -> pl.DataFrame:
        """Return a row per group and distinct time at which a row of the data stops.

        Columns: the `by` columns, `time, n_risk, n_event`, `n_death` (where there is one),
        `estimate, std_error, conf_low, conf_high`.
        """
        table, parts = self.parts.table, self.parts
        deaths = {"n_death": table.count(parts.n_death)} if self.has_death else {}
        return pl.DataFrame(
            {
                **table.labels(table.group),
                "time": table.time,
                "n_risk": table.count(table.n_risk),
                "n_event": table.count(parts.n_event),
                **deaths,
                **self._estimates(self.mean, self.std_error),
            }
        )

    def at(self, times: float | Sequence[float]) -> pl.DataFrame:
        """Return the means at given times, as step functions.

        Past a group's largest observed time nothing is known: the row is there, its estimate null.
        """
        asked = check_times(times)
        table = self.parts.table
        group = np.repeat(np.arange(table.n_groups), len(asked))
        time = np.tile(asked, table.n_groups)
        row, known = last_rows(table, group, time)
        value, error = (
            np.where(known, np.where(row >= 0, x[row], 0.0), np.nan)
            for x in (self.mean, self.std_error)
        )
        return pl.DataFrame(
            {
                **table.labels(group),
                "time": time_series(time),
                "n_risk": table.count(table.at_risk(group, time)),
                **self._estimates(value, error),
            }
        )

    def area(self, horizon: float) -> pl.DataFrame:
        """Return the area under the mean up to `horizon`: events × the time since they happened.

        The number of events together with how early they came (Claggett and others 2022). A row
        per group; null for one that is not observed up to `horizon`.
        """
        asked = check_times(horizon)
        table, cells = self.parts.table, self.parts.table.cells
        group = np.arange(table.n_groups)
        time = np.full(table.n_groups, asked[0])
        _, known = last_rows(table, group, time)
        area = Area(table, self.mean[:, None], np.zeros(1)).until(group, time)[:, 0]
        variance = self.units.group_variance(self.moved.area(float(asked[0])), cells)
        error = np.sqrt(variance)
        return pl.DataFrame(
            {
                **table.labels(group),
                "time": time_series(time),
                **self._estimates(np.where(known, area, np.nan), np.where(known, error, np.nan)),
            }
        )

    def difference(
        self,
        *,
        by: str | Sequence[str] | None = None,
        at: float | Sequence[float] | None = None,
        horizon: float | None = None,
        measure: MeanMeasure = "difference",
        reference: Any = None,
        simultaneous: bool = False,
        between: tuple[float, float] | None = None,
        conf_level: float | None = None,
        seed: int = 1,
    ) -> Difference:
        """Compare the groups: differences or ratios of means, or of the areas under them.

        Parameters
        ----------
        by, at, horizon, reference, simultaneous, between, conf_level, seed
            As in `KaplanMeier.difference`.
        measure : {"difference", "ratio", "area", "area ratio"}
            The last two are of areas up to the horizon. Intervals of ratios are made on the log
            scale.

        Returns
        -------
        Difference

        Notes
        -----
        Persons are the units, also those who have rows in both groups.
        """
        check_option("measure", measure, MEASURES)
        return make_difference(
            curves_of(self), self.meta, by=by, at=at, horizon=horizon,
            measure=cast("Any", measure), reference=reference, simultaneous=simultaneous,
            between=between, conf_level=self.conf_level if conf_level is None else conf_level,
            seed=seed,
        )  # fmt: skip

    def test(self, variance: TestVariance | None = None) -> RankTest:
        """Test whether groups have the same mean; see `mean_test.compare_means`."""
        from toolkit.survival.recurrent.mean_test import compare_means

        return compare_means(self, variance)

    def influence(self, times: float | Sequence[float]) -> Floats:
        """Return by how much each row of the data moves its group's mean at the times, (N, T).

        The row's weight is included. What a person moves is the sum over its rows; with sampling
        weights, or none, the variance is the sum of their squares.
        """
        asked = check_times(times)
        table, cells = self.parts.table, self.parts.table.cells
        cell, weight = cells.cell_of_row(), cells.counted_from.row_weights()
        out = np.zeros((len(cell), len(asked)))
        for group in range(table.n_groups):
            rows, known = last_rows(table, np.full(len(asked), group), asked)
            mine = np.flatnonzero(cells.group == group)
            moved = np.where(known, self.moved.at(rows, mine), np.nan)
            place = np.full(len(cells.group), -1)
            place[mine] = np.arange(len(mine))
            chosen = (cell >= 0) & (cells.group[cell] == group)
            out[chosen] = moved[place[cell[chosen]]] * weight[chosen, None]
        return out

    def glance(self) -> pl.DataFrame:
        """Return one row: numbers of rows, persons, events, deaths and groups."""
        table = self.parts.table
        deaths = table.count(np.atleast_1d(self.parts.n_death.sum())) if self.has_death else [None]
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_person": [self.meta["n_person"]],
                "n_event": [self.meta["n_event"]],
                "n_death": deaths,
                "n_group": [table.n_groups],
                "time_max": [table.time.max()],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, *, at_risk: bool = True, **options: Any) -> Axes:
        """Draw the means with their bands; numbers at risk stand under the axis."""
        from toolkit.survival._plot import plot_curves

        return plot_curves(
            self.tidy(), by=self.parts.table.cells.by, ax=ax, start=0.0,
            at_risk=self.at if at_risk else None, ylabel="Mean number of events", **options,
        )  # fmt: skip

    def persons(self) -> Floats:
        """Return how many persons have rows in each group, (G,)."""
        table, units = self.parts.table, self.units
        group = table.cells.group[units.cell]
        pairs = np.unique(units.unit * table.n_groups + group)
        return add_up(np.ones(len(pairs)), pairs % table.n_groups, table.n_groups)

    def _estimates(self, value: Floats, std_error: Floats) -> dict[str, pl.Series]:
        low, high = positive_interval(
            value, std_error, conf_level=self.conf_level, conf_type=self.conf_type
        )
        numbers = {"estimate": value, "std_error": std_error, "conf_low": low, "conf_high": high}
        return {name: pl.Series(x).fill_nan(None) for name, x in numbers.items()}


def positive_interval(
    value: Floats, std_error: Floats, *, conf_level: float, conf_type: ConfType
) -> tuple[Floats, Floats]:
    """Return bounds of numbers above 0; NaN where the estimate is 0 and the scale is ``log``."""
    half = normal_quantile(conf_level) * std_error
    if conf_type == "plain":
        return np.maximum(value - half, 0.0), value + half
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = np.exp(half / value)
        low, high = value / factor, value * factor
    nowhere = ~(value > 0)
    return np.where(nowhere, np.nan, low), np.where(nowhere, np.nan, high)
