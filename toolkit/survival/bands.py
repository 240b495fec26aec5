"""Bands that hold at all times at once: the largest deviation of a Gaussian process.

A curve's errors over time are, in large samples, a Gaussian process whose covariance is Σ of outer
products of the units' influences; drawing from it is the Gaussian multiplier bootstrap (Lin,
Fleming and Wei 1994), with all multipliers summed up beforehand. The quantile of the largest
standardised deviation takes the place of 1.96.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.estimation.deviations import critical_value, largest_deviations
from toolkit.estimation.intervals import check_interval, interval
from toolkit.provenance import versions
from toolkit.result import Result
from toolkit.survival.curves import time_series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.estimation.intervals import ConfType
    from toolkit.survival.curve_family import Curves

    Floats = NDArray[np.float64]

BandKind = Literal["equal precision", "hall-wellner"]
BAND_KINDS = ("equal precision", "hall-wellner")

#: Times at which the process is drawn; where a curve has more, as many are spread over them.
MOST_TIMES = 500
#: Draws of the process; the quantile's own error is then about 0.01.
DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Band(Result):
    """Simultaneous bands of curves; made by their `band` method.

    Attributes
    ----------
    table, ranges : DataFrame
        What `tidy()` and `critical()` return.
    kind : str
    conf_level : float
    by : tuple of str
        Columns that tell curves apart.
    start : float
        Where the curves begin.
    """

    table: pl.DataFrame = field(repr=False)
    ranges: pl.DataFrame = field(repr=False)
    kind: str
    conf_level: float
    by: tuple[str, ...]
    start: float

    def tidy(self) -> pl.DataFrame:
        """Return a row per curve and time within its range.

        Columns: the group columns (and `cause`), `time, estimate, std_error, conf_low, conf_high`.
        """
        return self.table

    def critical(self) -> pl.DataFrame:
        """Return a row per curve: `from, to` (the range of times), `n_time`, `critical`."""
        return self.ranges

    def glance(self) -> pl.DataFrame:
        """Return one row: counts, kind of band and level."""
        return pl.DataFrame(
            {
                "n": [self.meta["n"]],
                "n_event": [self.meta["n_event"]],
                "n_curve": [self.ranges.height],
                "kind": [self.kind],
                "conf_level": [self.conf_level],
            }
        )

    @property
    def _label(self) -> str:
        if self.start:
            return "Survival"
        return "Probability" if {"state", "to"} & set(self.by) else "Cumulative incidence"

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the curves with their bands."""
        from toolkit.survival._plot import plot_curves

        return plot_curves(
            self.table, by=self.by, ax=ax, start=self.start, at_risk=None,
            ylabel=self._label, **options,
        )  # fmt: skip


def make_band(
    curves: Curves,
    meta: Mapping[str, Any],
    *,
    conf_type: ConfType,
    conf_level: float,
    kind: BandKind = "equal precision",
    between: tuple[float, float] | None = None,
    seed: int = 1,
) -> Band:
    """Make the bands of all curves; the arguments are those of `CurveResult.band`."""
    begin = clock.perf_counter()
    check_interval(conf_level, conf_type)
    check_option("kind", kind, BAND_KINDS)
    check_between(between)
    check_seed(seed)
    if kind == "hall-wellner" and curves.start != 1:
        raise CallError(
            "Hall and Wellner's band is one of survival curves", fix="kind='equal precision'"
        )
    units = curves.units(None)
    parts, ranges = [], []
    for group in range(curves.groups.height):
        own = units.of_cells(curves.own(group))
        n = float(curves.rows[group])
        for k in range(curves.n_kinds):
            low, high = between or curves.trusted(group, k)
            times = curves.jumps(group)
            times = times[(times >= low) & (times <= high)]
            value, error = (x[k] for x in curves.at(group, times))
            used = (error > 0) & (value > 0) & (value < 1)
            times, value, error = times[used], value[used], error[used]
            label = {
                **{name: curves.groups[name].gather([group]) for name in curves.by},
                **{name: labels.gather([k]) for name, labels in curves.kinds.items()},
            }
            critical = None
            if len(times):
                some = spread_out(times)
                covariance = own.covariance(len(some), partial(curves.moved, k, group, times[some]))
                scale = error
                deviation = np.sqrt(np.diag(covariance))
                if kind == "hall-wellner":
                    scale = value * (1 + n * (error / value) ** 2) / np.sqrt(n)
                    deviation = scale[some]
                critical = critical_value(
                    largest_deviations(covariance, deviation, draws=DRAWS, seed=seed),
                    conf_level,
                )
                bounds = interval(
                    value, scale, conf_level=conf_level, conf_type=conf_type, z=critical
                )
                numbers = (value, error, *bounds)
                named = zip(
                    ("estimate", "std_error", "conf_low", "conf_high"), numbers, strict=True
                )
                parts.append(
                    pl.DataFrame(
                        {
                            **{
                                name: one.new_from_index(0, len(times))
                                for name, one in label.items()
                            },
                            "time": time_series(times),
                            **{name: pl.Series(x).fill_nan(None) for name, x in named},
                        }
                    )
                )
            ranges.append(
                pl.DataFrame(
                    {
                        **label,
                        "from": pl.Series([times[0] if len(times) else None], dtype=pl.Float64),
                        "to": pl.Series([times[-1] if len(times) else None], dtype=pl.Float64),
                        "n_time": [len(times)],
                        "critical": pl.Series([critical], dtype=pl.Float64),
                    }
                )
            )
    if not parts:
        raise EmptyCohortError(
            "No curve has a time with enough events and people at risk for a band",
            fix="name a range by between=",
        )
    found = pl.concat(ranges)
    none = found["critical"].null_count()
    said = f"{none:,} of {found.height:,} curves have no band: too few events or people at risk"
    facts = {key: meta[key] for key in ("n", "n_event", "estimand", "weighted") if key in meta}
    return Band(
        meta=facts
        | {
            "method": f"{kind.capitalize()} band of {meta.get('method', 'curves')}",
            "variance": meta.get("variance"),
            "band": f"largest of {DRAWS:,} draws",
            "warnings": [*meta.get("warnings", ()), *([said] if none else [])],
            "seed": seed,
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        table=pl.concat(parts, how="vertical_relaxed"),
        ranges=found,
        kind=kind,
        conf_level=conf_level,
        by=(*curves.by, *curves.kinds),
        start=curves.start,
    )


def spread_out(times: Floats) -> NDArray[np.int64]:
    """Return positions of at most `MOST_TIMES` times, evenly over them, with first and last."""
    if len(times) <= MOST_TIMES:
        return np.arange(len(times))
    return np.unique(np.linspace(0, len(times) - 1, MOST_TIMES).round().astype(np.int64))


def check_between(between: tuple[float, float] | None) -> None:
    """Raise unless a range of times is a pair, the first below the second."""
    if between is None:
        return
    try:
        low, high = between
        fine = 0 <= low <= high
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise CallError(
            f"between={between!r} is no range of times", fix="for instance between=(3, 24)"
        )


def check_seed(seed: int) -> None:
    """Raise unless the seed is a whole number."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise CallError(f"seed={seed!r} is no whole number from 0 on", fix="for instance seed=1")
