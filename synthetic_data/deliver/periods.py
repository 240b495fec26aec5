"""Periods of deliveries, and what of a spell a file of a period holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl


@dataclass(frozen=True)
class Period:
    """A year or half-year `[start, end)`.

    Attributes
    ----------
    year : int
    half : int or None
        1, 2, or None for a year.
    """

    year: int
    half: int | None = None

    @property
    def start(self) -> date:
        """First day."""
        return date(self.year, 7 if self.half == 2 else 1, 1)

    @property
    def end(self) -> date:
        """First day after it."""
        return date(self.year, 7, 1) if self.half == 1 else date(self.year + 1, 1, 1)


def years(first: int, last: int) -> list[Period]:
    """Return the years `first` … `last`."""
    return [Period(year) for year in range(first, last + 1)]


def half_years(first: int, last: int) -> list[Period]:
    """Return the half-years of the years `first` … `last`."""
    return [Period(year, half) for year in range(first, last + 1) for half in (1, 2)]


def overlaps(period: Period, *, start: str = "start", end: str = "end") -> pl.Expr:
    """Tell which spells `[start, end)` hold on some day of the period."""
    return (pl.col(start) < period.end) & (pl.col(end).is_null() | (pl.col(end) > period.start))


def as_known(period: Period, *, end: str = "end") -> pl.Expr:
    """Return the end as it was known when the period ended: null while the spell ran on."""
    return pl.when(pl.col(end) <= period.end).then(pl.col(end))


def last_day(end: str | pl.Expr = "end") -> pl.Expr:
    """Return the last day of a spell, as deliveries write it, from the first day after it."""
    return (pl.col(end) if isinstance(end, str) else end).dt.offset_by("-1d")
