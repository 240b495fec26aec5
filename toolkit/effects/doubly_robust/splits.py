"""Several splits into folds: the median of what each says, measure by measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.effects.contrast_table import Measure, measure_table
from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def median_vcov(values: Floats, vcovs: Floats) -> tuple[Floats, Floats]:
    """Return the median of means over R splits, (M,), and their variance, (M, M).

    Parameters
    ----------
    values : (R, M) array
    vcovs : (R, M, M) array

    Notes
    -----
    The variance of each is the median of σ² + (estimate - median)² (Chernozhukov et al. 2018,
    section 3.4). Medians of covariances make up no variance, so the correlations are those of the
    mean of these matrices.
    """
    if len(values) == 1:
        return values[0], vcovs[0]
    middle = np.median(values, axis=0)
    off = values - middle
    spread = vcovs + off[:, :, None] * off[:, None, :]
    each = np.median(np.diagonal(spread, axis1=1, axis2=2), axis=0)
    whole = spread.mean(axis=0)
    size = np.diag(whole)
    scale = np.sqrt(np.divide(each, size, out=np.zeros_like(each), where=size > 0))
    return middle, whole * np.outer(scale, scale)


def median_table(
    values: Floats, vcovs: Floats, labels: pl.DataFrame, *,
    measures: Sequence[Measure], conf_level: float,
) -> pl.DataFrame:  # fmt: skip
    """Return the table of means and how they differ, each the median over R splits.

    Parameters
    ----------
    values : (R, 2G) array
        Means of treated and of controls, as in `measure_table`.
    vcovs : (R, 2G, 2G) array

    Notes
    -----
    The median of differences is not the difference of medians, so each measure has its own, and
    its own variance; that of ratios is taken of their logarithms.
    """
    from scipy.special import ndtr

    each = [
        measure_table(value, vcov, labels, measures=measures, conf_level=conf_level)
        for value, vcov in zip(values, vcovs, strict=True)
    ]
    if len(each) == 1:
        return each[0]
    term = each[0]["term"].to_numpy()
    ratio, less = np.isin(term, ("ratio", "relative")), (term == "relative").astype(np.float64)
    found, error = (
        np.stack([one[name].fill_null(np.nan).to_numpy() for one in each])
        for name in ("estimate", "std_error")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(ratio, error / (found + less), error)
        found = np.where(ratio, np.log(found + less), found)
        middle = np.median(found, axis=0)
        spread = np.sqrt(np.median(error**2 + (found - middle) ** 2, axis=0))
        statistic = np.where(np.char.startswith(term.astype(str), "mean_"), np.nan, middle / spread)
        half = normal_quantile(conf_level) * np.where(spread > 0, spread, np.nan)
        numbers = {
            name: np.where(ratio, np.exp(np.where(ratio, one, 0.0)) - less, one)
            for name, one in (
                ("estimate", middle), ("conf_low", middle - half), ("conf_high", middle + half)
            )
        }  # fmt: skip
        # of the ratio itself (delta method), as in `measure_table`
        numbers["std_error"] = np.where(ratio, (numbers["estimate"] + less) * spread, spread)
        numbers["statistic"] = np.where(spread > 0, statistic, np.nan)
    numbers["p_value"] = 2 * ndtr(-np.abs(numbers["statistic"]))
    return each[0].with_columns(
        pl.Series(name, one).fill_nan(None) for name, one in numbers.items()
    )
