"""Curves of a population if everyone had the same level of a covariate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, unknown_option
from toolkit.estimation.intervals import ConfType, interval, normal_quantile
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.parametric import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.parametric.model import ParametricModel

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Standardised:
    """Means over the rows of the data, with the covariance of all of them.

    Attributes
    ----------
    levels : Series
        The L levels.
    estimate : (L, K) array
        A number per level and time (or one area).
    vcov : (L K, L K) array
    """

    levels: pl.Series
    estimate: Floats
    vcov: Floats


def standardised_table(
    model: ParametricModel,
    by: str,
    times: float | Sequence[float] | None,
    horizon: float | None,
    levels: Sequence[Any] | None,
    *,
    difference: bool,
    conf_type: ConfType,
) -> pl.DataFrame:
    """Return what `ParametricModel.standardise` says: a row per level and time."""
    asked = check_times(times if times is not None else horizon or 0.0)
    found = standardise(model, by, levels, asked.astype(np.float64), area=horizon is not None)
    level, estimate, vcov = found.levels, found.estimate, found.vcov
    n = len(asked)
    if difference:
        take = np.kron(np.eye(len(level))[1:] - np.eye(len(level))[0], np.eye(n))
        vcov, estimate, level = take @ vcov @ take.T, estimate[1:] - estimate[0], level[1:]
    value = estimate.ravel()
    error = np.sqrt(np.maximum(np.diag(vcov), 0.0))
    if difference or horizon is not None:
        half = normal_quantile(model.conf_level) * error
        low, high = value - half, value + half
    else:
        low, high = interval(value, error, conf_level=model.conf_level, conf_type=conf_type)
        low, high = (np.where(error == 0, value, bound) for bound in (low, high))
    numbers = {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high}
    return pl.DataFrame(
        {
            by: level.gather(np.repeat(np.arange(len(level)), n)),
            "time": pl.concat([time_series(asked)] * len(level)),
            **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
        }
    )


def standardise(
    model: ParametricModel, by: str, levels: Sequence[Any] | None, times: Floats, *, area: bool
) -> Standardised:
    """Return the mean of S(t), or of the area under S up to t, with `by` set to each level.

    A row moves a mean by its own part, w (S_i - mean) / Σ w, and by how it moves the coefficients.
    The robust variance adds up the squares of both together; the model-based one takes the inverse
    information for the second and leaves out their product, whose mean is 0.
    """
    design = model.design
    known = _levels(model, by)
    asked = known if levels is None else pl.Series(by, levels, dtype=known.dtype, strict=False)
    for level in asked:
        if level not in known and not known.dtype.is_numeric():
            raise unknown_option("levels", level, [str(value) for value in known])
    weight = model.observed.pattern_weight / model.observed.n.sum()
    means, own, slopes = [], [], []
    for level in asked:
        frame = design.patterns.with_columns(pl.lit(level, dtype=known.dtype).alias(by))
        subjects = model.subjects(frame)
        each, slope = _each(model, subjects, weight, times, area=area)
        mean = weight @ each
        means.append(mean)
        own.append((each - mean) / model.observed.n.sum())
        slopes.append(slope)
    part, gradient = np.hstack(own)[design.pattern], np.vstack(slopes)
    if model.robust:
        moved = part + model.cell_influence() @ gradient.T
        vcov, _ = design.meat(moved, model.cluster)
    else:
        drawn, _ = design.meat(part)
        vcov = drawn + gradient @ model.vcov @ gradient.T
    return Standardised(levels=asked, estimate=np.array(means), vcov=vcov)


def _each(
    model: ParametricModel, subjects: predict.Subjects, weight: Floats, times: Floats, *, area: bool
) -> tuple[Floats, Floats]:
    """Return the numbers of each pattern, (P, K), and the derivatives of their mean, (K, m)."""
    if not area:
        return predict.curves_with_slope(model.fitted, subjects, weight, times)
    found = [predict.area(model.fitted, subjects, float(time)) for time in times]
    each = np.column_stack([estimate for estimate, _ in found])
    return each, np.array([weight @ moved for _, moved in found])


def _levels(model: ParametricModel, by: str) -> pl.Series:
    """Return the levels of `by` in the data."""
    names = model.variables
    if by not in names:
        raise CallError(
            f"by={by!r} is no variable of this model",
            fix=f"choose one of {', '.join(map(repr, names))}"
            if names
            else "add it to the formula",
        )
    return model.design.patterns[by].unique().sort()
