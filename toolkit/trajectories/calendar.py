"""Months and windows. A month is a whole calendar month; its index counts months since year 0."""

from __future__ import annotations

import calendar as _calendar
import re
from dataclasses import dataclass
from datetime import date
from typing import overload

import polars as pl

from toolkit.errors import CallError

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_QUARTER = re.compile(r"(\d{4})Q([1-4])")
_YEAR = re.compile(r"(\d{4})")


@overload
def month_index(day: date) -> int: ...
@overload
def month_index(day: pl.Expr) -> pl.Expr: ...
@overload
def month_index(day: pl.Series) -> pl.Series: ...
def month_index(day: date | pl.Expr | pl.Series) -> int | pl.Expr | pl.Series:
    """Number the calendar month of a day: 12 × year + month − 1.

    Examples
    --------
    >>> month_index(date(2006, 4, 30)) - month_index(date(2006, 1, 1))
    3
    """
    if isinstance(day, date):
        return day.year * 12 + day.month - 1
    return day.dt.year().cast(pl.Int64) * 12 + day.dt.month() - 1


@overload
def month_start(index: int) -> date: ...
@overload
def month_start(index: pl.Expr) -> pl.Expr: ...
def month_start(index: int | pl.Expr) -> date | pl.Expr:
    """Return the first day of a month given by its index.

    Examples
    --------
    >>> month_start(month_index(date(2006, 4, 30)))
    datetime.date(2006, 4, 1)
    """
    if isinstance(index, int):
        return date(index // 12, index % 12 + 1, 1)
    return pl.date(index // 12, index % 12 + 1, 1)


@overload
def add_months(day: date, months: int) -> date: ...
@overload
def add_months(day: pl.Expr, months: int) -> pl.Expr: ...
def add_months(day: date | pl.Expr, months: int) -> date | pl.Expr:
    """Add calendar months; a day the month does not have becomes its last day.

    Examples
    --------
    >>> add_months(date(2006, 8, 31), 6)
    datetime.date(2007, 2, 28)
    """
    if isinstance(day, date):
        first = month_start(month_index(day) + months)
        last = _calendar.monthrange(first.year, first.month)[1]
        return first.replace(day=min(day.day, last))
    return day.dt.offset_by(f"{months}mo")


@overload
def months_until(start: date, day: date) -> int: ...
@overload
def months_until(start: pl.Expr, day: pl.Expr) -> pl.Expr: ...
def months_until(start: date | pl.Expr, day: date | pl.Expr) -> int | pl.Expr:
    """Return the smallest h with ``day <= add_months(start, h)``.

    With d the difference of the month numbers this is d, or d + 1 when the day of the month of
    `day` is past that of `start`: clamping at month ends never changes that comparison, because no
    day of `day`'s month lies past the clamped one.

    Examples
    --------
    >>> months_until(date(2006, 1, 31), date(2006, 2, 28))
    1
    >>> months_until(date(2006, 1, 15), date(2006, 2, 16))
    2
    """
    if isinstance(start, date) and isinstance(day, date):
        return month_index(day) - month_index(start) + int(day.day > start.day)
    if isinstance(start, pl.Expr) and isinstance(day, pl.Expr):
        late = (day.dt.day() > start.dt.day()).cast(pl.Int64)
        return month_index(day) - month_index(start) + late
    raise CallError(
        "months_until takes two dates or two expressions", fix="wrap the date in pl.lit(…)"
    )


@overload
def months_since(start: date, day: date) -> int: ...
@overload
def months_since(start: pl.Expr, day: pl.Expr) -> pl.Expr: ...
def months_since(start: date | pl.Expr, day: date | pl.Expr) -> int | pl.Expr:
    """Return the largest k with ``add_months(start, k) <= day``: whole months gone by.

    Examples
    --------
    >>> months_since(date(2006, 1, 31), date(2006, 2, 28))
    1
    >>> months_since(date(2006, 1, 31), date(2006, 2, 27))
    0
    """
    if isinstance(start, date) and isinstance(day, date):
        whole = month_index(day) - month_index(start)
        return whole - int(day < add_months(start, whole))
    if isinstance(start, pl.Expr) and isinstance(day, pl.Expr):
        clamped = pl.min_horizontal(start.dt.day(), day.dt.month_end().dt.day())
        early = (day.dt.day() < clamped).cast(pl.Int64)
        return month_index(day) - month_index(start) - early
    raise CallError(
        "months_since takes two dates or two expressions", fix="wrap the date in pl.lit(…)"
    )


@dataclass(frozen=True)
class Window:
    """A period `[start, end)` of days.

    Parameters
    ----------
    start : date
        First day inside.
    end : date
        First day after.

    Examples
    --------
    >>> Window.of("2006Q1")
    Window(start=datetime.date(2006, 1, 1), end=datetime.date(2006, 4, 1))
    >>> Window.of("2004-01/2006-06").months
    30
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise CallError(
                f"The window ends on {self.end}, not after its start {self.start}",
                fix="give [start, end) with end the first day after the window",
            )

    @classmethod
    def of(cls, value: Window | str | tuple[date | str, date | str]) -> Window:
        """Read a window: a Window, two dates (or ISO text) `(start, end)`, or text.

        Text is a year ``"2006"``, a quarter ``"2006Q1"``, a month ``"2006-03"``, or a first and
        a last of those, both inside: ``"2004-01/2006-06"``.

        Raises
        ------
        CallError
            When it is none of these, or ends before it starts.
        """
        if isinstance(value, Window):
            return value
        if isinstance(value, str):
            first, _, last = value.replace(" ", "").partition("/")
            return cls(_period(first)[0], _period(last or first)[1])
        try:
            start, end = value
        except (TypeError, ValueError) as error:
            raise _not_a_window(value) from error
        return cls(_day(start), _day(end))

    @property
    def months(self) -> int:
        """Calendar months the window touches."""
        return len(self.month_range)

    @property
    def month_range(self) -> range:
        """Indices of the calendar months the window touches."""
        last = month_index(self.end) + (1 if self.end.day > 1 else 0)
        return range(month_index(self.start), last)

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        return f"{self.start} to {self.end} (exclusive)"


def _not_a_window(value: object) -> CallError:
    return CallError(
        f"{value!r} is not a window",
        fix="write '2006', '2006Q1', '2006-03', '2004-01/2006-06' or a pair (start, end) of dates",
    )


def _day(value: date | str) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise _not_a_window(value) from error


def _period(text: str) -> tuple[date, date]:
    """First day of a year, quarter or month, and the first day after it."""
    if found := _MONTH.fullmatch(text):
        first, length = int(found[1]) * 12 + int(found[2]) - 1, 1
        if not 1 <= int(found[2]) <= 12:
            raise _not_a_window(text)
    elif found := _QUARTER.fullmatch(text):
        first, length = int(found[1]) * 12 + 3 * (int(found[2]) - 1), 3
    elif found := _YEAR.fullmatch(text):
        first, length = int(found[1]) * 12, 12
    else:
        raise _not_a_window(text)
    return month_start(first), month_start(first + length)
