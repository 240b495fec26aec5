"""Tables of coefficients, Wald tests, and errors too small to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import masked
from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Robust errors smaller than this share of those of the model are told.
_NARROW = 0.2


def wald_test(estimate: Floats, vcov: Floats) -> tuple[float | None, float | None]:
    """Return χ² that all of `estimate` is 0, and its p-value.

    None where there is nothing to test, or the variance is singular: a robust one of fewer clusters
    than coefficients.
    """
    from scipy.special import chdtrc

    scale = np.sqrt(np.diag(vcov))
    if not len(estimate) or not (scale > 0).all():
        return None, None
    values, vectors = np.linalg.eigh(vcov / np.outer(scale, scale))
    if values[0] <= 1e-10 * values[-1]:
        return None, None
    statistic = float(np.sum((vectors.T @ (estimate / scale)) ** 2 / values))
    return statistic, float(chdtrc(len(estimate), statistic))


def coefficient_table(
    terms: Sequence[str],
    estimate: Floats,
    vcov: Floats,
    *,
    robust: Floats | None = None,
    conf_level: float = 0.95,
    exponentiate: bool = False,
) -> pl.DataFrame:
    """Return broom's table of coefficients; Wald statistics and normal intervals."""
    from scipy.special import ndtr

    std_error = np.sqrt(np.diag(vcov))
    used = std_error if robust is None else np.sqrt(np.diag(robust))
    half = normal_quantile(conf_level) * used
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / used
    columns: dict[str, Any] = {"term": list(terms), "estimate": estimate, "std_error": std_error}
    if robust is not None:
        columns["robust_se"] = used
    columns |= {
        "statistic": statistic,
        "p_value": 2 * ndtr(-np.abs(statistic)),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }
    table = pl.DataFrame(columns, schema_overrides={"term": pl.String})
    if exponentiate:
        table = table.with_columns(pl.col("estimate", "conf_low", "conf_high").exp())
    return table.with_columns(pl.selectors.float().fill_nan(None))


def narrow_errors(vcov: Floats, vcov_model: Floats, terms: Sequence[str]) -> list[str]:
    """Name terms whose robust error is a fraction of the model's: few, equal rows tell of them.

    Rows that all had the event at once vary with nothing, and the sum of squares of what they move
    is nearly 0. (Not for sampling weights: these make the model's own error one of another unit.)
    """
    ratio = np.sqrt(np.diag(vcov) / np.diag(vcov_model))
    return [
        f"the robust standard error of {masked(name)!r} is {share:.2f} times that of the model: "
        "few rows, or very equal ones, tell of it; trust neither"
        for name, share in zip(terms, ratio, strict=True)
        if share < _NARROW
    ]
