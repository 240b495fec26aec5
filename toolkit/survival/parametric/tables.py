"""Predictions as frames: a row per row of the new data and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def number_table(
    frame: pl.DataFrame, name: str, at: pl.Series, estimate: Floats, error: Floats,
    low: Floats, high: Floats,
) -> pl.DataFrame:  # fmt: skip
    """Return `row`, the columns of `frame`, `name` with the T values of `at`, and the numbers."""
    n_rows, n = estimate.size // len(at), len(at)
    row = pl.Series("row", np.repeat(np.arange(n_rows), n))
    own = frame.select(pl.exclude(name, "row"))
    numbers = {"estimate": estimate, "std_error": error, "conf_low": low, "conf_high": high}
    return pl.DataFrame(
        {
            "row": row,
            **{column: own[column].gather(row) for column in own.columns},
            name: pl.concat([at] * n_rows) if n_rows else at.clear(),
            **{key: pl.Series(x.ravel()).fill_nan(None) for key, x in numbers.items()},
        }
    )


def log_table(
    frame: pl.DataFrame, name: str, at: pl.Series, log: Floats, error: Floats, conf_level: float
) -> pl.DataFrame:
    """Return the same of numbers whose logs and their errors are given; null where not finite."""
    log = np.where(np.isfinite(log), log, np.nan)
    half = normal_quantile(conf_level) * error
    estimate = np.exp(log)
    return number_table(
        frame, name, at, estimate, estimate * error, np.exp(log - half), np.exp(log + half)
    )
