"""The R-indicator: how much those who deliver look like all who should.

Schouten, Cobben and Bethlehem (2009), "Indicators for the representativeness of survey response",
Survey Methodology 35(1), 101–113: R = 1 − 2·S(ρ), with S the standard deviation of the response
propensities ρ; 1 is representative. Bias and variance of S² by the delta method after Shlomo,
Skinner and Schouten (2012), Journal of Statistical Planning and Inference 142(1), 201–211; partial
indicators after Schouten, Shlomo and Skinner (2011), Journal of Official Statistics 27(2), 231–253.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, WrongTypeError
from toolkit.frames import (
    as_columns,
    require_at_least,
    require_columns,
    require_no_nulls,
    require_numeric,
    require_rows,
    to_frame,
)
from toolkit.registers.quality.logit import Fit, Floats, fit_logit
from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Z = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Representativity(Result):
    """An R-indicator with its interval and its partial indicators.

    Attributes
    ----------
    estimate : float or None
        R, adjusted for bias; None where nobody delivered.
    unadjusted : float or None
        R of the fitted propensities as they are: too low, since they also vary by chance.
    std_error : float or None
        Of R; None where R is 1 (the delta method ends there, the interval does not).
    conf_low, conf_high : float or None
        95% interval, made for S² and taken to R: it holds near 1 too.
    partial : pl.DataFrame
        `term`, `level` (null: the variable), `n`, `n_response`, `rate` (mean propensity),
        `estimate`: unconditional partial indicator, of a variable adjusted for chance like R;
        `unadjusted`: as fitted.
    propensities : pl.Series
        Fitted probability of each unit, in row order.
    """

    estimate: float | None
    unadjusted: float | None
    std_error: float | None
    conf_low: float | None
    conf_high: float | None
    n: int
    n_response: int
    partial: pl.DataFrame
    propensities: pl.Series

    def tidy(self) -> pl.DataFrame:
        """Return the partial indicators, one row a variable and one a category.

        A variable's indicator is the standard deviation of ρ between its categories, less what
        chance adds to it: many small categories differ without any reason. A category's is its
        share in it, √(n_k / n)·(ρ̄_k − ρ̄): below 0 it is underrepresented.
        """
        return self.partial

    def glance(self) -> pl.DataFrame:
        """Return R, its interval, and what it rests on."""
        return pl.DataFrame(
            {
                "n": [self.n], "n_response": [self.n_response], "estimate": [self.estimate],
                "std_error": [self.std_error], "conf_low": [self.conf_low],
                "conf_high": [self.conf_high],
                "unadjusted": [self.unadjusted],
            },
            schema_overrides=dict.fromkeys(
                ("estimate", "std_error", "conf_low", "conf_high", "unadjusted"), pl.Float64
            ),
        )  # fmt: skip


def r_indicator(
    data: Any,
    *,
    response: str,
    by: str | Sequence[str] = ("size_class", "region"),
    weights: str | None = None,
) -> Representativity:
    """Measure how representative those who respond are of all, by some categories.

    The propensities come from a logit on the categories of `by`, main effects only. All units are
    there (no sample): what is uncertain is the fitted ρ. Its chance variation adds
    tr(cov(z)·Σ) to S², with z = ∂ρ/∂β and Σ = cov(β̂); that is taken off. The variance of S² is
    4aᵀΣa + 2tr(BΣBΣ), with a = cov(ρ, z) and B = cov(z), and that of R is it over S².

    Parameters
    ----------
    data : frame
        One row a unit, such as a municipality.
    response : str
        Boolean column: responded.
    by : str or sequence of str
        Columns with categories; numbers too are taken as categories.
    weights : str, optional
        Column with positive weights; with the caseload, R is about clients, not municipalities.

    Raises
    ------
    UnknownColumnError, WrongTypeError, MissingValueError, EmptyCohortError, CallError
        A column is missing, no boolean, or has missing values; no rows; no categories.

    Examples
    --------
    >>> frame = pl.DataFrame({
    ...     "size_class": ["small"] * 10 + ["large"] * 10,
    ...     "usable": [True] * 6 + [False] * 4 + [True] * 9 + [False],
    ... })
    >>> found = r_indicator(frame, response="usable", by="size_class")
    >>> round(found.unadjusted, 3)
    0.692
    """
    names = as_columns(by)
    frame = to_frame(data)
    if not names:
        raise CallError("An R-indicator needs categories", fix="name at least one column in by=")
    extra = [] if weights is None else [weights]
    require_columns(frame, response, *names, *extra)
    require_rows(frame)
    require_no_nulls(frame, response, *names, *extra)
    if frame.schema[response] != pl.Boolean:
        raise WrongTypeError(
            f"Column {response!r} is {frame.schema[response]}, not true or false",
            fix="compare it with something first",
        )
    w = np.ones(frame.height)
    if weights is not None:
        require_numeric(frame, weights)
        require_at_least(frame, weights)
        w = frame[weights].cast(pl.Float64).to_numpy()
    answered = frame[response].cast(pl.Float64).to_numpy()
    inside = w > 0  # a municipality without caseload weighs nothing
    used = frame.filter(pl.Series(inside))
    require_rows(used, "the data with a weight above zero")
    r, w = answered[inside], w[inside]
    fit = fit_logit(_design(used, names), r, w)
    nobody = not r.any()
    numbers = dict.fromkeys(("estimate", "unadjusted", "std_error", "conf_low", "conf_high"))
    return Representativity(
        **(numbers if nobody else _r(fit, w)),
        n=used.height,
        n_response=int(r.sum()),
        partial=_partials(used, names, response, fit, w),
        propensities=pl.Series("propensity", fit.fitted),
        meta=_meta(fit, names, frame.height - used.height, nobody=nobody, weights=weights),
    )


def _design(frame: pl.DataFrame, names: Sequence[str]) -> Floats:
    dummies = frame.select(pl.col(name).cast(pl.String) for name in names).to_dummies()
    columns = dummies.to_numpy().astype(float)
    return np.column_stack([np.ones(frame.height), columns])


def _r(fit: Fit, w: Floats) -> dict[str, float | None]:
    """Return R as fitted and adjusted, its standard error and interval."""
    n, rho, z, sigma = len(w), fit.fitted, fit.gradient, fit.covariance
    share = w / w.sum()
    rho0, z0 = rho - share @ rho, z - share @ z
    finite = n / max(n - 1, 1)  # S² has n − 1 below it
    spread = float(share @ rho0**2) * finite
    b = z0.T @ (share[:, None] * z0)
    a = z0.T @ (share * rho0)
    chance = float(np.trace(b @ sigma)) * finite
    variance = float(4 * a @ sigma @ a + 2 * np.trace(b @ sigma @ b @ sigma)) * finite**2
    left = max(spread - chance, 0.0)
    reach = _Z * float(np.sqrt(variance))
    return {
        "unadjusted": _from_variance(spread),
        "estimate": _from_variance(left),
        # var(1 − 2√v) = var(v) / v
        "std_error": float(np.sqrt(variance / left)) if left > 0 else None,
        "conf_low": _from_variance(spread - chance + reach),
        "conf_high": _from_variance(spread - chance - reach),
    }


def _from_variance(variance: float) -> float:
    """Return R, within 0 to 1."""
    return max(1 - 2 * float(np.sqrt(max(variance, 0.0))), 0.0)


def _partials(
    frame: pl.DataFrame, names: Sequence[str], response: str, fit: Fit, w: Floats
) -> pl.DataFrame:
    rho = fit.fitted
    known = frame.select(
        pl.col(response).alias("_response"), *(pl.col(name).cast(pl.String) for name in names)
    ).with_columns(_rho=pl.Series(rho), _w=pl.Series(w))
    whole, mean = w.sum(), float(rho @ w / w.sum())
    parts = []
    for name in names:
        levels = (
            known.group_by(level=pl.col(name))
            .agg(
                n=pl.len().cast(pl.Int64),
                n_response=pl.col("_response").sum().cast(pl.Int64),
                rate=(pl.col("_rho") * pl.col("_w")).sum() / pl.col("_w").sum(),
                share=pl.col("_w").sum() / whole,
            )
            .with_columns(estimate=pl.col("share").sqrt() * (pl.col("rate") - mean))
            .sort("level")
        )
        levels = levels.with_columns(unadjusted="estimate")
        between = float((levels["estimate"] ** 2).sum())
        left = max(between - _chance_between(frame[name], fit, w), 0.0)
        total = pl.DataFrame(
            {
                "level": [None], "n": [levels["n"].sum()],
                "n_response": [levels["n_response"].sum()],
                "rate": [mean], "estimate": [float(np.sqrt(left))],
                "unadjusted": [float(np.sqrt(between))],
            },
            schema_overrides={"level": pl.String},
        )  # fmt: skip
        parts.append(
            pl.concat([total, levels.drop("share")]).insert_column(
                0, pl.lit(name, dtype=pl.String).alias("term")
            )
        )
    return pl.concat(parts)


def _chance_between(categories: pl.Series, fit: Fit, w: Floats) -> float:
    """Return what chance adds to the variance of ρ between categories.

    Σ (w_k / w)·dᵀΣd, with d = z̄_k − z̄ the gradient of ρ̄_k − ρ̄.
    """
    share = w / w.sum()
    z0 = fit.gradient - share @ fit.gradient
    member = categories.cast(pl.String).to_frame().to_dummies().to_numpy().astype(float)
    size = member.T @ share
    d = (member.T @ (share[:, None] * z0)) / size[:, None]
    return float(size @ ((d @ fit.covariance) * d).sum(axis=1))


def _meta(
    fit: Fit, names: Sequence[str], weightless: int, *, nobody: bool, weights: str | None
) -> Mapping[str, Any]:
    warnings = []
    separated = int(fit.separated.sum())
    if nobody:
        warnings.append("nobody delivered: there is nothing to be representative")
    elif separated == len(fit.fitted) and fit.fitted.all():
        warnings.append("everybody delivered: R is 1 by definition")
    elif separated:
        warnings.append(
            f"{separated:,} units are in groups that all deliver or all do not: their propensity "
            "is 1 or 0, and counted as certain"
        )
    return {
        "method": "R-indicator (Schouten, Cobben and Bethlehem 2009), logit on "
        + " + ".join(names)
        + (f", weighted by {weights}" if weights else ""),
        "estimand": "1 − 2·S(ρ) over all units",
        "n": len(fit.fitted),
        "dropped": {"weight zero": weightless} if weightless else {},
        "separated": separated,
        "warnings": warnings,
    }
