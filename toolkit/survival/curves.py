"""What survival and incidence curves share: looking up times, quantiles, and their description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, NegativeTimeError
from toolkit.provenance import versions
from toolkit.survival.segments import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: How close S must come to 1 - p to count as equal to it, as in R's quantile.survfit.
_EQUAL = float(np.sqrt(np.finfo(float).eps))


def check_times(times: float | Sequence[float]) -> Floats:
    """Return the times asked for as a sorted array without doubles."""
    try:
        asked = np.unique(np.atleast_1d(np.asarray(times, dtype=np.float64)))
    except (TypeError, ValueError) as error:
        raise CallError(
            "The times asked for are not numbers", fix="for instance 12, or [6, 12]"
        ) from error
    if asked.size == 0:
        raise CallError("No time was asked for", fix="name at least one, for instance at([6, 12])")
    if not np.isfinite(asked).all() or asked[0] < 0:
        raise NegativeTimeError(
            f"A time asked for is below zero or not finite: {asked[~(asked >= 0)][:1]}",
            fix="ask for finite times from 0 on",
        )
    return asked


def check_horizon(horizon: float) -> None:
    """Raise unless `horizon` is a time above 0."""
    try:
        usable = bool(np.isfinite(horizon)) and horizon > 0
    except TypeError:  # no number at all
        usable = False
    if not usable:
        raise CallError(f"horizon={horizon!r} is not a time above 0", fix="for instance 12")


def time_series(time: Floats) -> pl.Series:
    """Return times as integers where all of them are whole."""
    whole = bool(np.all(time == np.rint(time)))
    return pl.Series("time", time.astype(np.int64) if whole else time)


def last_rows(table: RiskTable, group: Ints, time: Floats) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the table's row at or before each (group, time), -1 before a group's first row.

    The second array tells whether the group is still observed then.
    """
    row = Steps(table.group, table.time).last(group, time)
    row = np.where(row >= table.first[group], row, -1)
    return row, time <= table.time[table.first[group + 1] - 1]


def quantile_of(
    table: RiskTable, curve: Floats, low: Floats, high: Floats, probability: float | Sequence[float]
) -> pl.DataFrame:
    """Return the times at which a falling curve and its bounds come to 1 - p."""
    asked = np.unique(np.atleast_1d(np.asarray(probability, dtype=np.float64)))
    if asked.size == 0 or not ((asked > 0) & (asked < 1)).all():
        raise CallError(
            f"probability={probability!r} is not between 0 and 1", fix="0.5 asks for the median"
        )
    found = {
        name: np.array([first_below(table, values, 1 - p) for p in asked]).T.ravel()
        for name, values in (("estimate", curve), ("conf_low", low), ("conf_high", high))
    }
    group = np.repeat(np.arange(table.n_groups), len(asked))
    return pl.DataFrame(
        {
            **table.labels(group),
            "probability": np.tile(asked, table.n_groups),
            **{name: pl.Series(x).fill_nan(None) for name, x in found.items()},
        }
    )


def first_below(table: RiskTable, curve: Floats, level: float) -> Floats:
    """Return per group the time at which a falling curve comes to `level`, NaN if it does not.

    Where the curve lies at `level` for a while, the middle of that while is returned.
    """
    at_or_below = curve <= level + _EQUAL  # False for NaN: a bound that does not exist
    below = curve < level - _EQUAL
    rows = np.arange(len(curve))
    end = table.first[1:]

    def first(hit: NDArray[np.bool_]) -> Ints:
        return np.minimum.reduceat(np.where(hit, rows, len(curve)), table.first[:-1])

    reached, passed = first(at_or_below), first(below)
    time = np.append(table.time.astype(np.float64), np.nan)
    start = time[np.where(reached < end, reached, len(curve))]
    # the curve stays at the level until the next fall, or until the last observed time
    stop = time[np.where(passed < end, passed, end - 1)]
    flat = (reached < end) & (reached < passed)
    return np.where(flat, (start + stop) / 2, start)


def describe(
    table: RiskTable, *, estimand: str, method: str, variance: str, curve: Floats | None
) -> dict[str, Any]:
    """Return the `meta` of an estimate made from a risk table."""
    cells = table.cells
    warnings = []
    if table.entered is not None and curve is not None:
        warnings = _thin_risk_sets(table, curve)
    dropped = {"weight is zero": cells.zero_weight} if cells.zero_weight else {}
    total = float(table.events.sum())
    return {
        "estimand": estimand,
        "method": method,
        "variance": variance,
        "n": int(cells.rows.sum()),
        "n_event": total if cells.weighted else round(total),
        "n_group": table.n_groups,
        "weighted": cells.weighted,
        "left_truncated": table.entered is not None,
        "dropped": dropped,
        "warnings": warnings,
        "versions": versions(),
    }


def _thin_risk_sets(table: RiskTable, survival: Floats) -> list[str]:
    """Say where left truncation leaves nobody at risk although others are still to come."""
    last = np.zeros(len(table.group), dtype=bool)
    last[table.first[1:] - 1] = True
    left = table.events + table.n_censor
    empty = (table.n_risk <= left) & ~last
    said = []
    if empty.any():
        groups = len(np.unique(table.group[empty]))
        said.append(
            f"in {groups:,} of {table.n_groups:,} groups nobody is at risk for a while, before "
            "later entries: the curve is carried over the gap"
        )
    if (empty & (survival <= 0)).any():
        groups = len(np.unique(table.group[empty & (survival <= 0)]))
        said.append(
            f"in {groups:,} of {table.n_groups:,} groups an early risk set is used up, so that "
            "the curve is 0 from there on: start it later, or from a time when more are at risk"
        )
    return said
