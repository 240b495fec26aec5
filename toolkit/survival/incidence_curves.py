"""Predicted incidence of given covariates, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.intervals import normal_quantile
from toolkit.survival.curves import time_series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def incidence_table(
    labels: pl.DataFrame,
    causes: pl.Series,
    times: Floats,
    incidence: Floats,
    std_error: Floats,
    conf_level: float,
) -> pl.DataFrame:
    """Return a row per unit, cause and time, of (M, K, T) numbers; null where these are NaN.

    Intervals are normal on the scale of log(-log(1 - F)), the models' own; where nothing can have
    happened yet they are 0 to 0.
    """
    m, k, t = incidence.shape
    f, error = incidence.ravel(), std_error.ravel()
    low, high = incidence_interval(f, error, conf_level)
    numbers = {"estimate": f, "std_error": error, "conf_low": low, "conf_high": high}
    return labels[np.repeat(np.arange(m), k * t)].with_columns(
        causes.gather(np.tile(np.repeat(np.arange(k), t), m)).alias("cause"),
        time_series(np.tile(times, m * k)),
        *(pl.Series(name, x).fill_nan(None) for name, x in numbers.items()),
    )


def incidence_interval(f: Floats, std_error: Floats, conf_level: float) -> tuple[Floats, Floats]:
    """Return the bounds 1 - (1 - F)^exp(±z s / ((1 - F) |log(1 - F)|)); 0 to 0 where F is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = -np.log1p(-f)
        half = normal_quantile(conf_level) * std_error / ((1 - f) * hazard)
        low, high = (-np.expm1(-hazard * np.exp(sign * half)) for sign in (-1, 1))
    low, high = (np.where(f == 0, 0.0, bound) for bound in (low, high))
    return np.where(f >= 1, np.nan, low), np.where(f >= 1, np.nan, high)
