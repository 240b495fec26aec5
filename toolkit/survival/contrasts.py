"""Contrasts of two groups' curves on a scale, their errors, bands and tests, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.estimation.deviations import critical_value, largest_deviations, sup_p_value
from toolkit.estimation.intervals import normal_quantile
from toolkit.survival.bands import (
    DRAWS,
    spread_out,
)
from toolkit.survival.curves import time_series

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.survival.curve_family import Curves
    from toolkit.survival.units import Units

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A contrast: group numbers, its label, and the values of the other columns."""

    reference: int
    other: int
    label: str
    layer: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A contrast of one kind on its scale: T times.

    Attributes
    ----------
    time, estimate, std_error : (T,) arrays
    slopes : pair of (T,) arrays
        Derivatives of the contrast to the reference's and the other's value.
    """

    time: Floats
    estimate: Floats
    std_error: Floats
    slopes: tuple[Floats, Floats]


def compare_curves(
    curves: Curves, pair: Pair, kind: int, units: Units, scale: str, asked: Floats | None
) -> Compared:
    """Compare two curves at the times asked for, or at all where one of them has an event."""
    groups = (pair.reference, pair.other)
    times = np.union1d(*(curves.jumps(g) for g in groups)) if asked is None else asked
    values, errors = zip(*(curves.at(g, times) for g in groups), strict=True)
    if asked is None:  # where one of them is no longer observed there is nothing to compare
        seen = ~np.isnan(values[0][kind] + values[1][kind])
        times = times[seen]
        values, errors = (tuple(x[:, seen] for x in each) for each in (values, errors))
    estimate, slopes = _contrast(values[0][kind], values[1][kind], scale)
    if units.cluster is None and curves.independent:
        variance = sum((d * e[kind]) ** 2 for d, e in zip(slopes, errors, strict=True))
    else:
        known = np.isfinite(estimate)
        variance = np.full(len(times), np.nan)
        chosen, moved = _moved_at(curves, pair, kind, units, times[known],
                                  (slopes[0][known], slopes[1][known]))  # fmt: skip
        variance[known] = chosen.variance(int(known.sum()), moved)
        if _in_one_cluster(curves, pair, units):
            variance[:] = np.nan
    return Compared(time=times, estimate=estimate, std_error=np.sqrt(variance), slopes=slopes)


def compare_areas(
    curves: Curves, pair: Pair, kind: int, units: Units, scale: str, horizon: float,
    areas: tuple[Floats, Floats],
) -> Compared:  # fmt: skip
    """Compare the areas under two curves up to a horizon: `areas` of all, with their errors."""
    value, error = (x[:, kind] for x in areas)
    a, b = pair.reference, pair.other
    estimate, slopes = _contrast(value[[a]], value[[b]], scale)
    if units.cluster is None and curves.independent:
        variance = (slopes[0] * error[a]) ** 2 + (slopes[1] * error[b]) ** 2
    else:

        def moved(cells: Ints) -> Floats:
            each = [
                curves.area_moved(kind, group, horizon, cells) * slope
                for group, slope in zip((a, b), slopes, strict=True)
            ]
            return (each[0] + each[1])[:, None]

        variance = units.of_cells(curves.own(a, b)).variance(1, moved)
        if _in_one_cluster(curves, pair, units):
            variance = np.full(1, np.nan)
    return Compared(
        time=np.array([horizon]), estimate=estimate, std_error=np.sqrt(variance), slopes=slopes
    )


def _in_one_cluster(curves: Curves, pair: Pair, units: Units) -> bool:
    """Tell whether a group of the pair lies in one cluster: its variance is not known."""
    if units.cluster is None:
        return False
    each = (units.of_cells(curves.own(group)).unit for group in (pair.reference, pair.other))
    return any(not len(unit) or unit[0] == unit[-1] for unit in each)


def _contrast(a: Floats, b: Floats, scale: str) -> tuple[Floats, tuple[Floats, Floats]]:
    """Return h(b) - h(a) and its derivatives to a and b; NaN where h is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "plain":
            return b - a, (-np.ones(len(a)), np.ones(len(b)))
        if scale == "log":
            estimate, slopes = np.log(b) - np.log(a), (-1 / a, 1 / b)
        else:
            estimate = np.log(b / (1 - b)) - np.log(a / (1 - a))
            slopes = -1 / (a * (1 - a)), 1 / (b * (1 - b))
    real = np.isfinite(estimate)
    first, second = (np.where(real, slope, np.nan) for slope in slopes)
    return np.where(real, estimate, np.nan), (first, second)


def _moved_at(
    curves: Curves, pair: Pair, kind: int, units: Units, times: Floats,
    slopes: tuple[Floats, Floats],
) -> tuple[Units, Callable[[Ints], Floats]]:  # fmt: skip
    """Return the units of both groups, and how one unit of weight of a cell moves the contrast."""
    both = (pair.reference, pair.other)

    def moved(cells: Ints) -> Floats:
        first, second = (
            curves.moved(kind, group, times, cells) * slope
            for group, slope in zip(both, slopes, strict=True)
        )
        return first + second

    return units.of_cells(curves.own(*both)), moved


def contrast_band(
    curves: Curves, pair: Pair, kind: int, units: Units, one: Compared, *,
    between: tuple[float, float] | None, conf_level: float, seed: int,
) -> dict[str, Any] | None:  # fmt: skip
    """Return the critical value over the range of times, and the test; None without a range."""
    low, high = between or (0.0, np.inf)
    if between is None:
        ranges = [curves.trusted(g, kind) for g in (pair.reference, pair.other)]
        low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
    used = (one.time >= low) & (one.time <= high) & (one.std_error > 0) & np.isfinite(one.estimate)
    if not used.any():
        return None
    some = np.flatnonzero(used)[spread_out(one.time[used])]
    chosen, moved = _moved_at(
        curves, pair, kind, units, one.time[some], (one.slopes[0][some], one.slopes[1][some])
    )
    covariance = chosen.covariance(len(some), moved)
    deviations = largest_deviations(
        covariance, np.sqrt(np.diag(covariance)), draws=DRAWS, seed=seed
    )
    statistic = float(np.max(np.abs(one.estimate[used]) / one.std_error[used]))
    return {
        "from": float(one.time[used][0]),
        "to": float(one.time[used][-1]),
        "n_time": int(used.sum()),
        "critical": critical_value(deviations, conf_level),
        "statistic": statistic,
        "p_value": sup_p_value(deviations, statistic),
        "used": used,
    }


def contrast_tables(
    curves: Curves,
    made: list[tuple[Pair, int, Compared]],
    bands: list[dict[str, Any] | None],
    *,
    layers: tuple[str, ...],
    log: bool,
    conf_level: float,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the tidy table and that of the sup tests."""
    from scipy.special import ndtr

    lengths = np.array([len(one.time) for _, _, one in made])
    which = np.repeat(np.arange(len(made)), lengths)

    def labels(index: Ints) -> dict[str, Any]:
        groups = np.array([pair.other for pair, _, _ in made])[index]
        kinds = np.array([kind for _, kind, _ in made])[index]
        return {
            **{name: curves.groups[name].gather(groups) for name in layers},
            "contrast": pl.Series([made[i][0].label for i in index], dtype=pl.String),
            **{name: column.gather(kinds) for name, column in curves.kinds.items()},
        }

    time, estimate, std_error = (
        np.concatenate([getattr(one, name) for _, _, one in made])
        for name in ("time", "estimate", "std_error")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    # where nothing has happened in either group yet there is no interval rather than one of width 0
    half = normal_quantile(conf_level) * np.where(std_error > 0, std_error, np.nan)
    numbers = {
        "estimate": estimate, "std_error": std_error, "statistic": statistic,
        "p_value": 2 * ndtr(-np.abs(statistic)),
        "conf_low": estimate - half, "conf_high": estimate + half,
    }  # fmt: skip
    if any(found is not None for found in bands):
        wide = np.concatenate(
            [
                np.full(len(one.time), np.nan)
                if found is None
                else np.where(found["used"], found["critical"] * one.std_error, np.nan)
                for (_, _, one), found in zip(made, bands, strict=True)
            ]
        )
        numbers |= {"band_low": estimate - wide, "band_high": estimate + wide}
    if log:
        for name in numbers.keys() - {"std_error", "statistic", "p_value"}:
            numbers[name] = np.exp(numbers[name])
    table = pl.DataFrame(
        {
            **labels(which),
            "time": time_series(time),
            **{name: pl.Series(x).fill_nan(None) for name, x in numbers.items()},
        }
    )
    names = ("from", "to", "n_time", "critical", "statistic", "p_value")
    sup = pl.DataFrame(
        {
            **labels(np.arange(len(made))),
            **{name: [None if b is None else b[name] for b in bands] for name in names},
        },
        schema_overrides={name: pl.Int64 if name == "n_time" else pl.Float64 for name in names},
    )
    return table, sup
