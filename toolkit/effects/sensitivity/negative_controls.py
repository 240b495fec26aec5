"""Calibration by negative controls: what estimates scatter where there is no effect."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.result import EffectResult
from toolkit.effects.sensitivity.systematic_error import ErrorFit, fit_error
from toolkit.errors import CallError, InputError
from toolkit.estimation.intervals import check_interval, normal_quantile
from toolkit.frames import (
    require_columns,
    require_no_nulls,
    require_numeric,
    require_rows,
    to_frame,
)
from toolkit.provenance import versions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Below this many controls the scatter is a guess.
_FEW = 15


@dataclass(frozen=True, kw_only=True)
class SystematicError(EffectResult):
    """The distribution of systematic error, N(μ, τ²), and what it makes of other estimates.

    Attributes
    ----------
    fit : ErrorFit
        `mean, sd` and their standard errors.
    estimate, std_error : (n,) arrays
        Of the negative controls.
    conf_level : float
    """

    fit: ErrorFit
    estimate: Floats = field(repr=False)
    std_error: Floats = field(repr=False)
    conf_level: float

    def tidy(self) -> pl.DataFrame:
        """Return the mean and the standard deviation of systematic error, with standard errors.

        The standard error of a standard deviation of 0 is not known.
        """
        return pl.DataFrame(
            {
                "term": ["mean", "sd"],
                "estimate": [self.fit.mean, self.fit.sd],
                "std_error": [self.fit.mean_error, self.fit.sd_error],
            },
            schema_overrides={"std_error": pl.Float64},
        )

    def glance(self) -> pl.DataFrame:
        """Return one row, with how many intervals hold no effect before and after calibration.

        `coverage_calibrated` leaves out the control it judges.
        """
        z = normal_quantile(self.conf_level)
        left_out = self.leave_one_out()
        return pl.DataFrame(
            {
                "n": [len(self.estimate)],
                "mean": [self.fit.mean],
                "sd": [self.fit.sd],
                "loglik": [self.fit.loglik],
                "coverage": [float(np.mean(np.abs(self.estimate) <= z * self.std_error))],
                "coverage_calibrated": [float(left_out["covered"].mean())],  # type: ignore[arg-type]
                "conf_level": [self.conf_level],
            }
        )

    def calibrate(
        self, data: Any, *, estimate: str = "estimate", std_error: str = "std_error",
        uncertain: bool = False,
    ) -> pl.DataFrame:  # fmt: skip
        """Return estimates less the mean error, with intervals that know of its scatter.

        Parameters
        ----------
        data : frame
            Columns `estimate, std_error`, on the scale of the negative controls; others are kept.
        uncertain : bool
            Whether the standard error of the mean error counts too; Schuemie e.a. leave it out.

        Returns
        -------
        DataFrame
            `estimate, std_error, statistic, p_value, conf_low, conf_high` calibrated, and
            `raw_estimate, raw_std_error` as they came.
        """
        frame = _read(data, estimate, std_error)
        raw, error = (frame[name].cast(pl.Float64).to_numpy() for name in (estimate, std_error))
        made = calibrated(raw, error, self.fit, self.conf_level, uncertain=uncertain)
        replaced = {estimate, std_error, *made.columns, "raw_estimate", "raw_std_error"}
        kept = frame.select(pl.exclude(*replaced))
        return pl.concat(
            [kept, made, pl.DataFrame({"raw_estimate": raw, "raw_std_error": error})],
            how="horizontal",
        )

    def leave_one_out(self) -> pl.DataFrame:
        """Return each control calibrated by the others: a check that uses nothing twice.

        Returns
        -------
        DataFrame
            The calibrated columns, and `covered`: whether the interval holds no effect.
        """
        rows = []
        everyone = np.arange(len(self.estimate))
        for i in everyone:
            others = everyone != i
            fit = fit_error(self.estimate[others], self.std_error[others])
            one = slice(i, i + 1)
            rows.append(calibrated(self.estimate[one], self.std_error[one], fit, self.conf_level))
        return pl.concat(rows).with_columns(
            covered=(pl.col("conf_low") <= 0) & (pl.col("conf_high") >= 0)
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the controls by standard error, with where calibration puts the border of p."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        ax.plot(self.estimate, self.std_error, "o", ms=3, **options)
        error = np.linspace(0, 1.1 * float(self.std_error.max()), 50)
        z = normal_quantile(self.conf_level)
        for side in (-1, 1):
            ax.plot(side * z * error, error, color="0.5", lw=0.8, ls="--")
            border = self.fit.mean + side * z * np.hypot(self.fit.sd, error)
            ax.plot(border, error, color="C1", lw=0.8)
        ax.set(xlabel="Estimate where there is no effect", ylabel="Standard error", ylim=(0, None))
        return ax


def negative_controls(
    data: Any,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    conf_level: float = 0.95,
    design: str = "naive",
) -> SystematicError:
    """Estimate systematic error from estimates of effects that are known to be none.

    The same design applied to outcomes the programme cannot have changed, or to programmes that
    cannot have worked on the outcome, should find nothing. How much it finds, beyond chance, is
    systematic error; it widens and moves the intervals of the effects of interest.

    Parameters
    ----------
    data : frame
        A row a negative control.
    estimate, std_error : str
        Columns, on a scale on which no effect is 0: differences, or logarithms of ratios.
    conf_level : float
    design : str
        The method of all of them, a key of `effects.methods`.

    Returns
    -------
    SystematicError
        `.calibrate(data)` for the effects of interest.

    Raises
    ------
    toolkit.errors.ToolkitError
        For fewer than 3 controls, and values that cannot be used.

    Notes
    -----
    Estimate i is N(μ, τ² + s_i²) (Schuemie, Ryan, DuMouchel, Suchard and Madigan 2014), fitted by
    maximum likelihood; an estimate of interest is then θ - μ with variance τ² + s², and p-values
    and intervals follow (Schuemie, Hripcsak, Ryan, Madigan and Suchard 2018, with an error that
    does not grow with the effect). It takes the controls to be exchangeable with the effect of
    interest: choose them before looking, alike in what is selected on.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> found = pl.DataFrame(
    ...     {"estimate": [0.10, 0.25, -0.05, 0.20, 0.15], "std_error": [0.05] * 5}
    ... )
    >>> error = effects.negative_controls(found)
    >>> error.tidy()["estimate"].round(3).to_list()
    [0.13, 0.09]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "plain")
    frame = _read(data, estimate, std_error)
    if frame.height < 3:
        raise InputError(
            f"{frame.height:,} negative controls tell nothing of their scatter",
            fix="find at least 3, rather 30",
        )
    values, errors = (frame[name].cast(pl.Float64).to_numpy() for name in (estimate, std_error))
    said = []
    if frame.height < _FEW:
        said.append(
            f"only {frame.height:,} negative controls: their scatter is not well known, and "
            "calibrated intervals are too narrow (uncertain=True helps)"
        )
    return SystematicError(
        fit=fit_error(values, errors), estimate=values, std_error=errors, conf_level=conf_level,
        meta={
            "design": design,
            "method": "Calibration by negative controls",
            "estimand": "distribution of systematic error, normal",
            "n": frame.height,
            "warnings": said,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
    )  # fmt: skip


def calibrated(
    estimate: Floats,
    std_error: Floats,
    fit: ErrorFit,
    conf_level: float,
    *,
    uncertain: bool = False,
) -> pl.DataFrame:
    """Return calibrated estimates, (n,) of them, as broom's columns."""
    from scipy.special import ndtr

    variance = std_error**2 + fit.sd**2 + (fit.mean_error**2 if uncertain else 0.0)
    middle, error = estimate - fit.mean, np.sqrt(variance)
    half = normal_quantile(conf_level) * error
    return pl.DataFrame(
        {
            "estimate": middle,
            "std_error": error,
            "statistic": middle / error,
            "p_value": 2 * ndtr(-np.abs(middle / error)),
            "conf_low": middle - half,
            "conf_high": middle + half,
        }
    )


def _read(data: Any, estimate: str, std_error: str) -> pl.DataFrame:
    frame = to_frame(data.tidy() if hasattr(data, "tidy") else data)
    require_columns(frame, estimate, std_error)
    require_rows(frame)
    require_numeric(frame, estimate, std_error)
    require_no_nulls(frame, estimate, std_error)
    numbers = frame.select(pl.col(estimate, std_error).cast(pl.Float64))
    bad = ~numbers[estimate].is_finite() | ~numbers[std_error].is_finite()
    bad |= numbers[std_error] <= 0
    if bad.any():
        raise InputError(
            "An estimate is not finite, or a standard error not above 0",
            where=f"{int(bad.sum()):,} of {frame.height:,} rows",
            fix="leave out what was not estimated, and say so",
        )
    if estimate == std_error:
        raise CallError("estimate and std_error are one column", fix="name both")
    return frame
