"""Days from numbers `yyyymmdd`, by looking them up: every day from 1880 to 2100 is in one list."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import polars as pl

FIRST_YEAR, LAST_YEAR = 1880, 2100
_ZERO = FIRST_YEAR * 10_000

Partial = Literal["reject", "first", "middle"]


@cache
def days(partial: Partial) -> pl.Series:
    """Return the day at each number `yyyymmdd - 18800000`; null where that is no date.

    Parameters
    ----------
    partial : {"reject", "first", "middle"}
        What a month or day 00 becomes. `first`: the first day of what is known. `middle`: the 15th
        of a known month, 1 July of a known year. A day without its month is a known year.
    """
    every = np.arange(np.datetime64(f"{FIRST_YEAR}-01-01"), np.datetime64(f"{LAST_YEAR + 1}-01-01"))
    month = every.astype("datetime64[M]")
    year = every.astype("datetime64[Y]")
    month_at = (month - year).astype(int) + 1
    day_at = (every - month).astype(int) + 1
    year_at = (year.astype(int) + 1970) * 10_000 - _ZERO
    found = np.full((LAST_YEAR + 1) * 10_000 - _ZERO, np.datetime64("NaT"), dtype="datetime64[D]")
    found[year_at + month_at * 100 + day_at] = every
    if partial != "reject":
        in_month, in_year = (1, 1) if partial == "first" else (15, 7)
        # of each month and each year, the day that stands for it
        here = day_at == in_month
        found[(year_at + month_at * 100)[here]] = every[here]
        here = (day_at == 1) & (month_at == in_year)
        found[(year_at[here][:, None] + np.arange(100)).ravel()] = np.repeat(every[here], 100)
    return pl.Series("days", found)


def day_of(number: pl.Expr, partial: Partial = "reject") -> pl.Expr:
    """Return the Date of an unsigned number `yyyymmdd`; null where it is none from 1880 to 2100."""
    # below the list the unsigned difference wraps to far beyond it
    place = number.cast(pl.UInt32) - pl.lit(_ZERO, pl.UInt32)
    return pl.lit(days(partial)).gather(place, null_on_oob=True)
