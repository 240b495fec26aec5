"""Days as numbers, and the calendar as tables: month arithmetic on millions of dates by look-up.

Day number = days since 1970-01-01 + 2^16. Dates from 1881 to 2148 lie in [2^15, 2^17); a spell
that still runs ends on day `OPEN`. Month numbers are those of `calendar.month_index`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import MissingValueError, WrongTypeError
from toolkit.frames import rows_where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]

ZERO = 1 << 16
LOW, HIGH = 1 << 15, 1 << 17
#: The day (or month) a running spell "ends" in: past every date.
OPEN = HIGH + (1 << 15)


def day_numbers(days: pl.Series, *, open_end: bool = False) -> pl.Series:
    """Return Int64 day numbers of a Date column; with `open_end` a null is a running spell."""
    if days.dtype != pl.Date:
        raise WrongTypeError(
            f"Column {days.name!r} is {days.dtype}, not a date", fix="cast it to pl.Date"
        )
    if not open_end and days.null_count():
        _, where = rows_where(days.to_frame(), pl.col(days.name).is_null())
        raise MissingValueError(
            f"Column {days.name!r} has missing dates", where=where, fix="every spell has a start"
        )
    number = days.to_physical().cast(pl.Int64) + ZERO
    low, high = number.min(), number.max()
    if (isinstance(low, int) and low < LOW) or (isinstance(high, int) and high >= HIGH):
        raise WrongTypeError(
            f"Column {days.name!r} has dates outside 1881 to 2148",
            fix="use null, not a far date, for a spell that still runs",
        )
    return number.fill_null(OPEN) if open_end else number


def numbers(days: pl.Series, *, open_end: bool = False) -> IntArray:
    """Return day numbers as an array."""
    out: IntArray = day_numbers(days, open_end=open_end).to_numpy()
    return out


def day_number(day: Any) -> int:
    """Return the day number of one date."""
    return int(day_numbers(pl.Series("day", [day], dtype=pl.Date))[0])


def to_dates(number: pl.Series | IntArray) -> pl.Series:
    """Turn day numbers back into dates; `OPEN` and beyond become null."""
    series = number if isinstance(number, pl.Series) else pl.Series(number)
    days = (series - ZERO).cast(pl.Int32).cast(pl.Date)
    if len(series) and series.max() >= OPEN:  # type: ignore[operator]
        return days.to_frame("day").select(pl.when(series < OPEN).then("day")).to_series()
    return days


@cache
def _tables() -> tuple[IntArray, IntArray, IntArray, int]:
    """Month number and day of the month by day; first day by month, from month `base` on."""
    days = (np.arange(LOW, HIGH) - ZERO).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    month = months.astype(np.int64) + 1970 * 12
    base = int(month[0])
    starts = np.arange(base - 1970 * 12, int(month[-1]) + 700 - 1970 * 12)
    first = starts.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + ZERO
    return month, day, first, base


def months(number: IntArray) -> IntArray:
    """Return the month number of each day number; `OPEN` for running ends."""
    month = _tables()[0]
    if len(number) and number.max() >= HIGH:
        running = number >= HIGH
        return np.where(running, OPEN, month[np.where(running, LOW, number) - LOW])
    plain: IntArray = month[number - LOW]
    return plain


def first_days(month: IntArray) -> IntArray:
    """Return the day number of the first day of each month."""
    _, _, first, base = _tables()
    out: IntArray = first[month - base]
    return out


def month_days(number: IntArray) -> IntArray:
    """Return the day of the month, 1 to 31."""
    out: IntArray = _tables()[1][np.minimum(number, HIGH - 1) - LOW]
    return out


def plus_months(number: IntArray, count: int) -> IntArray:
    """Add calendar months; a day the month does not have becomes its last day."""
    month = months(number) + count
    day: IntArray = np.minimum(first_days(month) + month_days(number), first_days(month + 1))
    return day - 1


def months_to(start: IntArray, day: IntArray) -> IntArray:
    """Return the smallest h with ``day <= start + h months``; see `calendar.months_until`."""
    late: NDArray[np.bool_] = month_days(day) > month_days(start)
    return months(day) - months(start) + late


def months_gone(start: IntArray, day: IntArray) -> IntArray:
    """Return the largest k with ``start + k months <= day``; see `calendar.months_since`."""
    month = months(day)
    length = first_days(month + 1) - first_days(month)
    early: NDArray[np.bool_] = month_days(day) < np.minimum(month_days(start), length)
    return month - months(start) - early
