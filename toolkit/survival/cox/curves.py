"""Predicted survival and the baseline hazard, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.intervals import ConfType, interval, normal_quantile
from toolkit.frames import require_columns, require_no_nulls, require_rows
from toolkit.survival.cox.hazard import hazard_at, observed_until
from toolkit.survival.cox.hazard_spread import hazard_spread
from toolkit.survival.curves import check_times, time_series
from toolkit.survival.design.newcomers import check_labels, strata_of
from toolkit.survival.predicted import Predicted, describe_prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.cox.model import CoxModel
    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Largest log of a hazard ratio that still leaves a product with a hazard a number.
_MOST = 690.0


@dataclass(frozen=True, kw_only=True)
class Points:
    """Cumulative hazards of M units, each at its own times, under one another: K points.

    Attributes
    ----------
    unit : (K,) array
        Row of the new data.
    time, cumulative, std_error : (K,) arrays
        Λ(t | x) and its standard error; NaN past what is observed in the stratum.
    """

    unit: Ints
    time: Floats
    cumulative: Floats
    std_error: Floats


def new_rows(
    design: Design, new: pl.DataFrame, *, what: str = "the new data"
) -> tuple[Floats, Floats, Ints, pl.DataFrame]:
    """Return terms (M, p), offsets (M,), strata (M,) and labels of new data.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns that are not there, missing values, levels or strata the model does not know.
    """
    require_rows(new, what)
    layers = [name for name in design.strata.columns if name]
    offset = design.offset_name
    extra = [*layers, *([offset] if offset else [])]
    require_columns(new, *extra, where=what)
    require_no_nulls(new, *extra)
    x = design.covariates.matrix(new, where=what)
    shift = new[offset].cast(pl.Float64).to_numpy() if offset else np.zeros(new.height)
    names = list(dict.fromkeys([*layers, *design.covariates.variables, *extra]))
    check_labels(names)
    labels = new.select(names).with_row_index("row") if names else new.select(pl.row_index("row"))
    return x, shift, strata_of(design, new, where=what), labels


def hazard_points(
    model: CoxModel, x: Floats, offset: Floats, stratum: Ints, times: Floats | None
) -> Points:
    """Return Λ(t | x) with its standard error for M units, at `times` or all event times."""
    fitted = model.fitted
    sets = fitted.risk_sets
    if times is None:
        first = np.searchsorted(sets.stratum, stratum)
        count = np.searchsorted(sets.stratum, stratum, side="right") - first
        unit = np.repeat(np.arange(len(stratum)), count)
        row = np.arange(len(unit)) - np.repeat(np.cumsum(count) - count, count) + first[unit]
        time = sets.time[row].astype(np.float64)
    else:
        unit = np.repeat(np.arange(len(stratum)), len(times))
        time = np.tile(times, len(stratum))
    base = hazard_at(fitted, stratum[unit], time)
    middle = x - fitted.centre
    ratio = np.exp(np.minimum(middle @ model.coefficients + offset - fitted.offset_centre, _MOST))
    ratio = ratio[unit]
    v = middle[unit] * base.cumulative[:, None] - base.slope
    if model.robust:
        spread = hazard_spread(fitted, model.vcov_model, stratum[unit], time, model.cluster)
        variance = spread.variance(v, model.vcov)
    else:
        variance = base.variance + ((v @ model.vcov) * v).sum(axis=1)
    known = time <= observed_until(fitted)[stratum[unit]]
    return Points(
        unit=unit,
        time=time,
        cumulative=np.where(known, ratio * base.cumulative, np.nan),
        std_error=np.where(known, ratio * np.sqrt(np.maximum(variance, 0.0)), np.nan),
    )


def predict_survival(
    model: CoxModel,
    new: pl.DataFrame,
    times: float | Sequence[float] | None,
    *,
    conf_level: float,
    conf_type: ConfType,
) -> Predicted:
    """Return the survival curves of the rows of `new`; see `CoxModel.predict_survival`."""
    x, offset, stratum, labels = new_rows(model.design, new)
    asked = None if times is None else check_times(times)
    points = hazard_points(model, x, offset, stratum, asked)
    how = (
        "influence functions, as robust as the coefficients"
        if model.robust
        else "Tsiatis: baseline and coefficients"
    )
    return Predicted(
        meta=describe_prediction(
            model.meta,
            estimand="P(T > t) of units with these covariates",
            method=f"{model.meta['method']}: predicted survival exp(-Λ)",
            variance=how,
        ),
        table=survival_table(labels, points, conf_level, conf_type),
        labels=tuple(labels.columns[1:]),
        quantity="survival",
        start=1.0,
        conf_level=conf_level,
    )


def survival_table(
    labels: pl.DataFrame, points: Points, conf_level: float, conf_type: ConfType
) -> pl.DataFrame:
    """Return S = exp(-Λ) with its interval, a row a point; null where Λ is not known."""
    survival = np.exp(-points.cumulative)
    std_error = survival * points.std_error
    low, high = interval(survival, std_error, conf_level=conf_level, conf_type=conf_type)
    if conf_type != "plain":  # before the first event S is 1 for sure
        sure = points.cumulative == 0
        low, high = np.where(sure, 1.0, low), np.where(sure, 1.0, high)
    numbers = {"estimate": survival, "std_error": std_error, "conf_low": low, "conf_high": high}
    return labels[points.unit].with_columns(
        time_series(points.time),
        *(pl.Series(name, x).fill_nan(None) for name, x in numbers.items()),
    )


def baseline_table(model: CoxModel, *, centered: bool) -> pl.DataFrame:
    """Return the cumulative baseline hazard per stratum; see `CoxModel.baseline`."""
    fitted, design = model.fitted, model.design
    layers = design.strata.height
    p = design.x.shape[1]
    x = np.tile(fitted.centre if centered else np.zeros(p), (layers, 1))
    offset = np.full(layers, fitted.offset_centre if centered else 0.0)
    points = hazard_points(model, x, offset, np.arange(layers), None)
    half = np.exp(normal_quantile(model.conf_level) * points.std_error / points.cumulative)
    sets = fitted.risk_sets
    ratio = 1.0 if centered else 1 / fitted.scale
    labels = design.strata.select(name for name in design.strata.columns if name)
    return pl.DataFrame(
        {
            **{name: labels[name].gather(points.unit) for name in labels.columns},
            "time": time_series(points.time),
            "n_event": sets.weight if design.sampling else np.rint(sets.weight).astype(np.int64),
            "hazard": fitted.hazard * ratio,
            "estimate": points.cumulative,
            "std_error": points.std_error,
            "conf_low": points.cumulative / half,
            "conf_high": points.cumulative * half,
        }
    )
