"""From two means and their variance to differences and ratios with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Measure = Literal["difference", "ratio", "relative"]
MEASURES = ("difference", "ratio", "relative")
ARMS = ("mean_treated", "mean_control")


def read_measures(measure: Measure | Sequence[Measure]) -> tuple[Measure, ...]:
    """Return the measures asked for, checked."""
    named: Sequence[Any] = (measure,) if isinstance(measure, str) else tuple(measure)
    if not named:
        raise CallError("No measure is asked for", fix="for instance measure='difference'")
    for one in named:
        check_option("measure", one, MEASURES)
    return tuple(named)


def measure_table(
    value: Floats,
    vcov: Floats,
    labels: pl.DataFrame,
    *,
    measures: Sequence[Measure],
    conf_level: float,
    draws: Floats | None = None,
) -> pl.DataFrame:
    """Return the table of G groups: means, and how they differ.

    Parameters
    ----------
    value : (2G,) array
        Mean of treated and of controls, of group 0, of group 1, …
    vcov : (2G, 2G) array
    labels : DataFrame
        G rows: what each group is.
    measures : sequence of {"difference", "ratio", "relative"}
    draws : (R, 2G) array, optional
        Bootstrap replicates: intervals are then their quantiles.

    Notes
    -----
    The ratio's interval is made on the log scale, and so is its test (of a ratio of 1):
    Var log(a / b) = Var a / a² + Var b / b² - 2 Cov(a, b) / ab; its standard error is that of the
    ratio itself (delta method). ``relative`` is the ratio less 1: the effect as a share of what
    would have been without. Where one of the means is not above 0 there is no ratio.
    """
    n_group = len(value) // 2
    z = normal_quantile(conf_level)
    a, b = value[0::2], value[1::2]
    even = np.arange(n_group) * 2
    vaa, vbb, vab = (vcov[even + i, even + j] for i, j in ((0, 0), (1, 1), (0, 1)))
    parts = []
    for number, name in enumerate((*ARMS, *measures)):
        if name in ARMS:
            estimate, error = (a, np.sqrt(vaa)) if name == ARMS[0] else (b, np.sqrt(vbb))
            half = z * error
            low, high, statistic = estimate - half, estimate + half, np.full(n_group, np.nan)
        elif name == "difference":
            estimate = a - b
            error = np.sqrt(np.maximum(vaa + vbb - 2 * vab, 0.0))
            low, high = estimate - z * error, estimate + z * error
            statistic = _over(estimate, error)
        else:
            estimate, error, low, high, statistic = _ratio(a, b, vaa, vbb, vab, z)
            if name == "relative":
                estimate, low, high = estimate - 1, low - 1, high - 1
        if draws is not None:
            tail = (1 - conf_level) / 2
            low, high = _bounds(_of_draws(draws, name), tail)
        parts.append(_rows(labels, number, name, estimate, error, statistic, low, high))
    table = pl.concat(parts).sort("_group", "_term").drop("_group", "_term")
    return table.with_columns(pl.selectors.float().fill_nan(None))


def _rows(
    labels: pl.DataFrame, number: int, name: str,
    estimate: Floats, error: Floats, statistic: Floats, low: Floats, high: Floats,
) -> pl.DataFrame:  # fmt: skip
    from scipy.special import ndtr

    known = error > 0
    numbers = pl.DataFrame(
        {
            "term": [name] * len(estimate),
            "estimate": estimate,
            "std_error": error,
            "statistic": statistic,
            "p_value": 2 * ndtr(-np.abs(statistic)),
            "conf_low": np.where(known, low, np.nan),
            "conf_high": np.where(known, high, np.nan),
            "_group": np.arange(len(estimate)),
            "_term": np.full(len(estimate), number),
        }
    )
    return pl.concat([labels, numbers], how="horizontal") if labels.width else numbers


def _ratio(
    a: Floats, b: Floats, vaa: Floats, vbb: Floats, vab: Floats, z: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the ratio, its standard error, bounds, and z for a ratio of 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(b > 0, a / b, np.nan)
        both = (a > 0) & (b > 0)
        of_log = np.sqrt(np.maximum(vaa / a**2 + vbb / b**2 - 2 * vab / (a * b), 0.0))
        of_log = np.where(both, of_log, np.nan)
        low, high = ratio * np.exp(-z * of_log), ratio * np.exp(z * of_log)
        statistic = _over(np.log(np.where(both, ratio, np.nan)), of_log)
        return ratio, ratio * of_log, low, high, statistic


def _of_draws(draws: Floats, name: str) -> Floats:
    """Return the replicates of a measure, (R, G)."""
    a, b = draws[:, 0::2], draws[:, 1::2]
    if name in ARMS:
        return a if name == ARMS[0] else b
    if name == "difference":
        return a - b
    with np.errstate(divide="ignore", invalid="ignore"):
        # nobody in the denominator is a ratio beyond any bound, not one to leave out
        ratio = np.where(b > 0, a / b, np.where((b == 0) & (a > 0), np.inf, np.nan))
    return ratio - 1 if name == "relative" else ratio


def _bounds(draws: Floats, tail: float) -> tuple[Floats, Floats]:
    """Return the quantiles at `tail` and 1 - `tail`, (G,) each; ∞ where replicates are."""
    beyond = np.isposinf(draws)
    some = np.isfinite(draws) | beyond
    draws = np.where(some, draws, np.nan)
    most = np.max(np.where(np.isfinite(draws), draws, -np.inf), axis=0)
    # to interpolate between ∞ and ∞ is no number
    kept = np.where(beyond, np.where(np.isfinite(most), most, 0.0), draws)
    low, high = np.nanquantile(kept, [tail, 1 - tail], axis=0)
    share = beyond.sum(axis=0) / np.maximum(some.sum(axis=0), 1)
    return np.where(share > 1 - tail, np.inf, low), np.where(share > tail, np.inf, high)


def _over(estimate: Floats, error: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, estimate / error, np.nan)
