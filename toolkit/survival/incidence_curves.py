"""Predicted incidence of given covariates, with intervals, as a result of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.result import Result
from toolkit.survival.curves import time_series
from toolkit.survival.intervals import normal_quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class IncidenceCurves(Result):
    """Predicted incidence of M rows at T times, of K causes.

    Attributes
    ----------
    labels : DataFrame
        M rows: number of the row, strata and covariates of the new data.
    causes : Series
    times : (T,) array
    incidence, std_error : (M, K, T) arrays
        NaN past the last observed time of a row's stratum.
    conf_level : float
    """

    labels: pl.DataFrame = field(repr=False)
    causes: pl.Series
    times: Floats = field(repr=False)
    incidence: Floats = field(repr=False)
    std_error: Floats = field(repr=False)
    conf_level: float

    def tidy(self) -> pl.DataFrame:
        """Return a row per row of the new data, cause and time.

        Columns: `row`, its strata and covariates, `cause, time, estimate, std_error, conf_low,
        conf_high`. Intervals are normal on the scale of log(-log(1 - F)), the model's own; where
        nothing can have happened yet they are 0 to 0.
        """
        m, k, t = self.incidence.shape
        f, error = self.incidence.ravel(), self.std_error.ravel()
        low, high = incidence_interval(f, error, self.conf_level)
        numbers = {"estimate": f, "std_error": error, "conf_low": low, "conf_high": high}
        return self.labels[np.repeat(np.arange(m), k * t)].with_columns(
            self.causes.gather(np.tile(np.repeat(np.arange(k), t), m)).alias("cause"),
            time_series(np.tile(self.times, m * k)),
            *(pl.Series(name, x).fill_nan(None) for name, x in numbers.items()),
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: counts of the fit, and how many curves."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": [self.meta["n_event"]],
                "n_curve": [self.labels.height * len(self.causes)],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the curves with their bands, each with what tells it from the others."""
        from toolkit.survival._plot import plot_curves

        names = [name for name in self.labels.columns[1:] if self.labels[name].n_unique() > 1]
        if self.labels.select(names).n_unique() < self.labels.height:
            names = ["row", *names]
        if len(self.causes) > 1:
            names = [*names, "cause"]
        return plot_curves(
            self.tidy().filter(pl.col("estimate").is_not_null()), by=names, ax=ax, start=0.0,
            at_risk=None, ylabel="Predicted cumulative incidence", **options,
        )  # fmt: skip


def incidence_interval(f: Floats, std_error: Floats, conf_level: float) -> tuple[Floats, Floats]:
    """Return the bounds 1 - (1 - F)^exp(±z s / ((1 - F) |log(1 - F)|)); 0 to 0 where F is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = -np.log1p(-f)
        half = normal_quantile(conf_level) * std_error / ((1 - f) * hazard)
        low, high = (-np.expm1(-hazard * np.exp(sign * half)) for sign in (-1, 1))
    low, high = (np.where(f == 0, 0.0, bound) for bound in (low, high))
    return np.where(f >= 1, np.nan, low), np.where(f >= 1, np.nan, high)
