"""The door of all designs: columns as numbers, weights, clusters, and what `meta` begins with."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError, InputError, WrongTypeError
from toolkit.estimation.clusters import check_clusters, cluster_codes
from toolkit.frames import require_columns, require_no_nulls, require_rows, rows_where, to_frame
from toolkit.matching.sample import read_sampling
from toolkit.provenance import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass
class Rows:
    """The rows of a design that count, and the story of those that do not.

    Attributes
    ----------
    frame : DataFrame
        Rows of positive weight.
    weight : (N,) array
    cluster : (N,) array or None
    dropped : dict
        Reason → count.
    notes : list of str
        For `meta["warnings"]`.
    """

    frame: pl.DataFrame
    weight: Floats
    cluster: Ints | None
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    begin: float = field(default_factory=clock.perf_counter)

    def keep(self, rows: pl.Series, why: str) -> Rows:
        """Return only the rows that are true; the others are counted under `why`."""
        lost = int((~rows).sum())
        if not lost:
            return self
        mask = rows.to_numpy()
        return Rows(
            frame=self.frame.filter(rows), weight=self.weight[mask],
            cluster=None if self.cluster is None else renumbered(self.cluster[mask]),
            dropped=self.dropped | {why: lost}, notes=self.notes, begin=self.begin,
        )  # fmt: skip

    def meta(self, *, design: str, method: str, estimand: str, **more: Any) -> dict[str, Any]:
        """Return what every result of a design says of itself."""
        return {
            "design": design,
            "method": method,
            "estimand": estimand,
            "n": self.frame.height,
            "dropped": dict(self.dropped),
            "warnings": list(self.notes),
            "versions": versions(),
            "wall_time": clock.perf_counter() - self.begin,
            **more,
        }


def read_rows(
    data: Any, *columns: str, weights: str | None = None, cluster: str | None = None
) -> Rows:
    """Return the rows of `data` with positive weight; the columns named must be there."""
    begin = clock.perf_counter()
    frame = to_frame(data)
    require_columns(frame, *columns, *([cluster] if cluster else []))
    require_rows(frame)
    weight = read_sampling(frame, weights)
    codes = None
    if cluster is not None:
        require_no_nulls(frame, cluster)
        codes = cluster_codes(frame[cluster])
    rows = Rows(frame=frame, weight=weight, cluster=codes, begin=begin)
    rows = rows.keep(pl.Series(weight > 0), "weight 0")
    require_rows(rows.frame, "the data with a positive weight")
    if rows.cluster is not None:
        check_clusters(int(rows.cluster.max()) + 1, str(cluster))
    return rows


def renumbered(codes: Ints) -> Ints:
    """Return codes as numbers 0 … C-1 without holes."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def read_numbers(frame: pl.DataFrame, name: str) -> Floats:
    """Return a column of finite numbers, or of true and false, as floats (N,)."""
    require_columns(frame, name)
    dtype = frame.schema[name]
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        raise WrongTypeError(
            f"Column {name!r} is {dtype}, not a number", fix="cast it to a number or true/false"
        )
    require_no_nulls(frame, name)
    if dtype.is_float():
        count, where = rows_where(frame, ~pl.col(name).is_finite())
        if count:
            raise InputError(
                f"Column {name!r} holds infinite values", where=where, fix="look how they came"
            )
    return frame[name].cast(pl.Float64).to_numpy()


def require_variation(
    values: Floats, name: str, fix: str = "check its coding and the filters that made this frame"
) -> None:
    """Raise when a column does not vary."""
    if not len(values) or values.min() == values.max():
        raise EmptyCohortError(
            f"Column {name!r} has the same value in every row",
            where=f"{len(values):,} rows",
            fix=fix,
        )


def t_interval(
    estimate: Floats, std_error: Floats, df: Floats | float, conf_level: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return statistic, p-value and bounds by Student's t; normal where df is infinite.

    NaN without a standard error: no spread was seen, which does not make the estimate certain.
    """
    from scipy.special import stdtr, stdtrit

    freedom = np.minimum(np.broadcast_to(np.asarray(df, dtype=float), estimate.shape), 1e10)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(std_error > 0, estimate / std_error, np.nan)
    p_value = 2 * stdtr(freedom, -np.abs(statistic))
    half = stdtrit(freedom, 0.5 + conf_level / 2) * np.where(std_error > 0, std_error, np.nan)
    return statistic, p_value, estimate - half, estimate + half


def effect_table(
    terms: list[str],
    estimate: Floats,
    std_error: Floats,
    *,
    df: Floats | float = np.inf,
    conf_level: float = 0.95,
) -> pl.DataFrame:
    """Return broom's table; a number that cannot be given is null."""
    statistic, p_value, low, high = t_interval(estimate, std_error, df, conf_level)
    return pl.DataFrame(
        {
            "term": terms, "estimate": estimate, "std_error": std_error, "statistic": statistic,
            "p_value": p_value, "conf_low": low, "conf_high": high,
        }
    ).with_columns(pl.selectors.float().fill_nan(None))  # fmt: skip
