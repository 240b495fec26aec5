"""Standardised survival curves of a Cox model: what if everybody had this value (g-formula)."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, WrongTypeError, unknown_column
from toolkit.estimation.intervals import check_interval, interval, normal_quantile
from toolkit.frames import as_columns, require_at_least, require_columns, require_no_nulls, to_frame
from toolkit.provenance import versions
from toolkit.survival.bands import spread_out
from toolkit.survival.cox.curves import new_rows
from toolkit.survival.cox.residuals import refuse_exact
from toolkit.survival.cox.standardise_curves import Level, StandardisedCurves, refuse_levels
from toolkit.survival.curve_result import CurveResult
from toolkit.survival.curves import check_horizon, check_times, time_series
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.estimation.intervals import ConfType
    from toolkit.survival.cox.model import CoxModel
    from toolkit.survival.pseudo import PseudoMethod

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Standardised(CurveResult):
    """Mean survival of a population with a variable set; made by `CoxModel.standardise`.

    Attributes
    ----------
    curves : StandardisedCurves
        The population at the L levels.
    time : (T,) array
        Times of `tidy()`.
    survival, std_error : (L, T) arrays
    """

    curves: StandardisedCurves = field(repr=False)
    time: Floats = field(repr=False)
    survival: Floats = field(repr=False)
    std_error: Floats = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row per level and time: the variables set, `time, estimate, std_error, …`."""
        return self._table(self.time, self.survival, self.std_error)

    def at(self, times: float | Sequence[float]) -> pl.DataFrame:
        """Return the curves at given times; null past the follow-up of a stratum."""
        asked = check_times(times)
        return self._table(asked, *_values(self.curves, asked))

    def rmst(self, horizon: float) -> pl.DataFrame:
        """Return the mean survival time up to `horizon` at each level, with its interval.

        For the contrast between levels: `difference(measure="rmst", horizon=…)`.
        """
        check_horizon(horizon)
        value, std_error = (x[:, 0] for x in self.curves.areas(horizon))
        half = normal_quantile(self.conf_level) * std_error
        numbers = {"estimate": value, "std_error": std_error,
                   "conf_low": value - half, "conf_high": value + half}  # fmt: skip
        return pl.DataFrame(
            {
                **self._labels(1),
                "time": time_series(np.full(len(value), horizon)),
                **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
            }
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: counts of the fit, the population and the levels."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": [self.meta["n_event"]],
                "n_population": [self.meta["n_population"]],
                "n_level": [len(self.curves.levels)],
                "conf_level": [self.conf_level],
            }
        )

    def influence(
        self, times: float | Sequence[float] | None = None, *, horizon: float | None = None
    ) -> Floats:
        """Return how far every row of the data moves the curves, (N, L, T), or areas, (N, L).

        A row's weight is counted in; 0 at weight 0.
        """
        if (times is None) == (horizon is None):
            raise CallError("Either times or a horizon is asked for", fix="for instance [6, 12]")
        curves = self.curves
        every = np.arange(len(curves.model.design.time))
        groups = range(len(curves.levels))
        if horizon is not None:
            check_horizon(horizon)
            moved = [curves.area_moved(0, g, horizon, every) for g in groups]
        else:
            asked = check_times(times if times is not None else ())
            moved = [curves.moved(0, g, asked, every) for g in groups]
        cell, weight = curves.cell_of_row()
        found = np.stack(moved, axis=1)[cell]
        weight = np.where(cell >= 0, weight, 0.0)
        scaled: Floats = found * weight.reshape(-1, *[1] * (found.ndim - 1))
        return scaled

    def pseudo_values(
        self,
        times: float | Sequence[float] | None = None,
        *,
        horizon: float | None = None,
        method: PseudoMethod = "infinitesimal",
    ) -> Floats:
        """Refuse: a level is not a group of rows."""
        del times, horizon, method
        refuse_levels()
        raise AssertionError  # pragma: no cover

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the curves with their bands."""
        from toolkit.survival._plot import plot_curves

        return plot_curves(
            self.tidy(), by=self.curves.by, ax=ax, start=1.0, at_risk=None,
            ylabel="Standardised survival", **options,
        )  # fmt: skip

    def _curves(self) -> StandardisedCurves:
        return self.curves

    def _labels(self, times: int) -> dict[str, pl.Series]:
        groups = np.repeat(np.arange(len(self.curves.levels)), times)
        return {name: self.curves.groups[name].gather(groups) for name in self.curves.by}

    def _table(self, time: Floats, survival: Floats, std_error: Floats) -> pl.DataFrame:
        value, error = survival.ravel(), std_error.ravel()
        low, high = interval(value, error, conf_level=self.conf_level, conf_type=self.conf_type)
        numbers = {"estimate": value, "std_error": error, "conf_low": low, "conf_high": high}
        return pl.DataFrame(
            {
                **self._labels(len(time)),
                "time": time_series(np.tile(time, len(survival))),
                **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
            }
        )


def standardise(
    model: CoxModel,
    at: Mapping[str, Any] | None,
    *,
    by: str | Sequence[str] | None,
    data: Any,
    weights: str | None,
    times: float | Sequence[float] | None,
    cluster: str | None,
    conf_level: float,
    conf_type: ConfType,
) -> Standardised:
    """Average predicted curves over a population; see `CoxModel.standardise`."""
    begin = clock.perf_counter()
    check_interval(conf_level, conf_type)
    if model.ties == "exact":
        refuse_exact("dfbeta")
    design = model.design
    population, weight = _population(model, data, weights)
    groups = _levels(model, population, at, by)
    levels = []
    for values in groups.iter_rows(named=True):
        x, offset, stratum, _ = new_rows(design, _set(population, values), what="the population")
        x = x - model.fitted.centre
        ratio = np.exp(x @ model.coefficients + offset - model.fitted.offset_centre)
        levels.append(Level(x=x, ratio=ratio, stratum=stratum))
    rows = design.n_rows if data is None else population.height
    n_levels = len(levels)
    curves = StandardisedCurves(
        groups=groups, by=tuple(groups.columns), kinds={}, n_kinds=1,
        rows=np.full(n_levels, float(rows)), totals=np.full(n_levels, weight.sum()), start=1.0,
        area_name="rmst", independent=False, model=model, levels=tuple(levels), weight=weight,
        random=data is None, cluster=cluster or model.cluster,
    )  # fmt: skip
    asked = _times(curves) if times is None else check_times(times)
    survival, std_error = _values(curves, asked)
    units = curves.units(None)
    part = "baseline, coefficients" + (" and the sampling of covariates" if data is None else "")
    meta = {key: model.meta[key] for key in ("n", "n_event", "dropped", "weight_type")}
    warnings = list(model.meta["warnings"])
    if times is None and len(asked) < len(curves.jumps(0)):
        warnings.append(f"{len(asked):,} of {len(curves.jumps(0)):,} event times are shown")
    return Standardised(
        meta=meta
        | {
            "estimand": f"mean survival of the population had all this {', '.join(groups.columns)}",
            "method": f"{model.meta['method']}: standardised survival (g-formula)",
            "definition": model.meta["definition"],
            "population": "the estimation sample" if data is None else "the data given, as it is",
            "n_population": rows,
            "variance": f"influence functions: {part}"
            + (f"; {units.count:,} clusters of {units.cluster}" if units.cluster else ""),
            "warnings": warnings,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        curves=curves,
        time=asked,
        survival=survival,
        std_error=std_error,
        conf_level=conf_level,
        conf_type=conf_type,
    )


def _values(curves: StandardisedCurves, times: Floats) -> tuple[Floats, Floats]:
    found = [curves.at(group, times) for group in range(len(curves.levels))]
    return np.concatenate([x for x, _ in found]), np.concatenate([x for _, x in found])


def _times(curves: StandardisedCurves) -> Floats:
    times = np.unique(np.concatenate([curves.jumps(g) for g in range(len(curves.levels))]))
    return times[spread_out(times)]


def _population(model: CoxModel, data: Any, weights: str | None) -> tuple[pl.DataFrame, Floats]:
    """Return the units that are averaged over, and their weights."""
    design = model.design
    if data is not None:
        frame = to_frame(data)
        if weights is None:
            return frame, np.ones(frame.height)
        require_columns(frame, weights)
        require_no_nulls(frame, weights)
        require_at_least(frame, weights)
        return frame, frame[weights].cast(pl.Float64).to_numpy()
    if weights is not None:
        raise CallError(
            "The estimation sample has the weights of the fit", fix="leave out weights="
        )
    if design.entry is not None and (design.entry > 0).any():
        raise CallError(
            "The model was fitted on rows that begin late, or are parts of a person's time: their "
            "mean is one of no population",
            fix="data= a frame with one row a person, as they are at the start",
        )
    names = [name for name in design.patterns.columns if name]
    return design.patterns.select(names), add_up(design.n, design.pattern, len(design.x))


def _levels(
    model: CoxModel, population: pl.DataFrame, at: Mapping[str, Any] | None,
    by: str | Sequence[str] | None,
) -> pl.DataFrame:  # fmt: skip
    """Return the values that are set, a row a level."""
    design = model.design
    layers = [name for name in design.strata.columns if name]
    known = list(dict.fromkeys([*design.covariates.variables, *layers]))
    if (at is None) == (by is None):
        raise CallError(
            "Either at= or by= says which variable is set",
            fix="for instance at={'programme': [0, 1]}, or by='programme' for all its values",
        )
    if at is not None and not isinstance(at, Mapping):
        raise CallError(
            f"at is a {type(at).__name__}, not a mapping",
            fix="for instance at={'programme': [0, 1]}",
        )
    values: dict[str, Any] = dict(at) if at is not None else dict.fromkeys(as_columns(by))
    if not values:
        raise CallError("at= or by= names no variable", fix="for instance at={'programme': [0, 1]}")
    for name in values:
        if name not in known:
            raise unknown_column(name, known, where="the model's variables and strata")
    columns: dict[str, pl.Series] = {}
    for name, asked in values.items():
        require_columns(population, name, where="the population")
        column = population[name]
        if by is not None:
            columns[name] = column.unique().sort()
            continue
        listed = [asked] if isinstance(asked, str) or not hasattr(asked, "__iter__") else [*asked]
        if not listed or any(value is None for value in listed):
            raise CallError(f"at={{{name!r}: …}} names no value, or a missing one")
        try:
            columns[name] = _as(column.dtype, pl.Series(name, listed))
        except (TypeError, pl.exceptions.PolarsError) as error:
            raise WrongTypeError(
                f"{name!r} is {column.dtype} and cannot be set to {listed!r}",
                fix="name values of its own type",
            ) from error
    rows = list(product(*columns.values()))
    groups = pl.DataFrame(
        {
            name: pl.Series(name, [row[i] for row in rows], dtype=column.dtype)
            for i, (name, column) in enumerate(columns.items())
        }
    )
    if groups.n_unique() < groups.height:
        raise CallError("A level is named twice", fix="name each value once")
    return groups


def _set(population: pl.DataFrame, values: Mapping[str, Any]) -> pl.DataFrame:
    return population.with_columns(
        _as(population.schema[name], pl.Series(name, [value]))
        .new_from_index(0, population.height)
        .alias(name)
        for name, value in values.items()
    )


def _as(dtype: pl.DataType, values: pl.Series) -> pl.Series:
    """Return values in the type of their column; a whole number may be set to a fraction."""
    return values if dtype.is_numeric() and values.dtype.is_numeric() else values.cast(dtype)
