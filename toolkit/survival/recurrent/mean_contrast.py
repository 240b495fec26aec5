"""Differences and ratios of mean cumulative functions, with persons as the units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.survival.curves import last_rows, time_series
from toolkit.survival.intervals import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.recurrent.mean_curve import Contrast, MeanCumulative

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def contrast_means(
    curve: MeanCumulative, times: Floats, contrast: Contrast, reference: int
) -> pl.DataFrame:
    """Return a row per group other than the reference, and time."""
    table = curve.parts.table
    others = np.array([g for g in range(table.n_groups) if g != reference])
    values, rows = _look_up(curve, np.arange(table.n_groups), times)
    base = values[reference]
    estimate = np.full((len(others), len(times)), np.nan)
    error = estimate.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / values if contrast == "ratio" else np.ones_like(values)
        for i, group in enumerate(others):
            value = values[group]
            estimate[i] = value / base if contrast == "ratio" else value - base
            known = np.isfinite(estimate[i]) & np.isfinite(scale[group])
            estimate[i, ~known] = np.nan
            pair = (group, reference)
            error[i, known] = _error(curve, pair, rows[:, known], scale[:, known])
        middle = np.log(estimate) if contrast == "ratio" else estimate
        statistic = middle / error
    half = normal_quantile(curve.conf_level) * error
    low, high = middle - half, middle + half
    if contrast == "ratio":
        low, high = np.exp(low), np.exp(high)
    from scipy.special import ndtr

    numbers = {
        "estimate": estimate, "std_error": error, "statistic": statistic,
        "p_value": 2 * ndtr(-np.abs(statistic)), "conf_low": low, "conf_high": high,
    }  # fmt: skip
    return pl.DataFrame(
        {
            **table.labels(np.repeat(others, len(times))),
            "time": time_series(np.tile(times, len(others))),
            **{name: pl.Series(x.ravel()).fill_nan(None) for name, x in numbers.items()},
        }
    )


def _look_up(curve: MeanCumulative, groups: Ints, times: Floats) -> tuple[Floats, Ints]:
    """Return μ, NaN past the last observed time, and the table's rows: both (G, T)."""
    table = curve.parts.table
    shape = (len(groups), len(times))
    row, known = last_rows(table, np.repeat(groups, len(times)), np.tile(times, len(groups)))
    value = np.where(known, np.where(row >= 0, curve.mean[row], 0.0), np.nan)
    return value.reshape(shape), row.reshape(shape)


def _error(curve: MeanCumulative, pair: tuple[int, int], rows: Ints, scale: Floats) -> Floats:
    """Return the standard error of scale₁ μ₁ - scale₀ μ₀ at some rows, (T,)."""
    cells, width = curve.parts.table.cells, rows.shape[1]
    if not width:
        return np.zeros(0)

    def moved(chosen: Ints) -> Floats:
        out = np.zeros((len(chosen), width))
        for group, sign in zip(pair, (1.0, -1.0), strict=True):
            mine = cells.group[chosen] == group
            out[mine] = sign * scale[group] * curve.moved.at(rows[group], chosen[mine])
        return out

    units = curve.units.of_cells(np.isin(cells.group, pair))
    return np.sqrt(units.variance(width, moved))
