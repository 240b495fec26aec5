"""Jobs as they are delivered: pieces of a spell by year, and later wage rows by tax period."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data.deliver.keys import chance
from synthetic_data.deliver.periods import overlaps

if TYPE_CHECKING:
    from synthetic_data.deliver.periods import Period

#: Share of employers that file every four weeks (CBS files hold some two to three rows a month
#: for their people).
FOUR_WEEKLY = 0.15
_EMPLOYER = 23  # stream of random numbers


def spans(jobs: pl.LazyFrame) -> pl.LazyFrame:
    """Return first and last day bound of each job over all its terms: `job_start`, `job_end`."""
    running = pl.col("end").is_null().any()
    return jobs.group_by("job").agg(
        pl.col("start").min().alias("job_start"),
        pl.when(~running).then(pl.col("end").max()).alias("job_end"),
    )


def pieces(jobs: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Return what the year's file holds of each job: the part `[start, end)` within the year.

    A piece that reaches the last day of the year ends there, whether the job goes on or not.
    """
    return jobs.filter(overlaps(period)).with_columns(
        pl.max_horizontal("start", pl.lit(period.start)),
        pl.min_horizontal(pl.col("end").fill_null(period.end), pl.lit(period.end)),
    )


def files_four_weekly(employer: pl.Series) -> pl.Series:
    """Tell which employers file every four weeks."""
    return pl.Series(chance(employer.to_numpy(), _EMPLOYER) < FOUR_WEEKLY)


def wage_rows(jobs: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Return a year's wage rows: for each job the overlap of calendar month and tax period.

    Parameters
    ----------
    jobs : pl.DataFrame
        Canonical jobs with `job_start` and `job_end`.
    period : Period
        The year.

    Returns
    -------
    pl.DataFrame
        The columns of `jobs` with `start`, `end` of the row, `wage` (euro, cents) and `hours`
        (hundredths) as paid over it, and `four_weekly`.
    """
    within = pieces(jobs, period).with_columns(
        four_weekly=files_four_weekly(jobs.filter(overlaps(period))["employer"])
    )
    return pl.concat(
        _cut(within.filter(pl.col("four_weekly") == four), period, four_weekly=four)
        for four in (False, True)
    )


def _cut(jobs: pl.DataFrame, period: Period, *, four_weekly: bool) -> pl.DataFrame:
    """Cut jobs at the calendar's seams and share wage and hours out by days."""
    of_day, starts, ends = _segments(period, four_weekly=four_weekly)
    first_day = period.start.toordinal() - date(1970, 1, 1).toordinal()
    number = pl.col("start").to_physical() - first_day
    last = pl.col("end").to_physical() - 1 - first_day
    rows = (
        jobs.with_columns(
            _segment=pl.int_ranges(
                pl.lit(of_day).gather(number), pl.lit(of_day).gather(last) + 1, dtype=pl.Int32
            )
        )
        .explode("_segment", empty_as_null=False, keep_nulls=False)
        .with_columns(
            pl.max_horizontal("start", pl.lit(starts).gather("_segment")),
            pl.min_horizontal("end", pl.lit(ends).gather("_segment")),
        )
        .drop("_segment")
    )
    days = (pl.col("end") - pl.col("start")).dt.total_days()
    wage = pl.col("wage").cast(pl.Float64) * days / pl.col("start").dt.days_in_month()
    return rows.with_columns(
        wage=wage.round(2), hours=(pl.col("hours").cast(pl.Float64) * days / 7).round(2)
    )


def _segments(period: Period, *, four_weekly: bool) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return the number of the segment of each day, and start and end of each segment."""
    seams = {date(period.year, month, 1) for month in range(1, 13)}
    if four_weekly:
        # 13 tax periods of four weeks; the last takes the days that are left
        seams |= {period.start + timedelta(days=28 * turn) for turn in range(13)}
    starts = sorted(seams)
    ends = [*starts[1:], period.end]
    lengths = [(end - start).days for start, end in zip(starts, ends, strict=True)]
    of_day = np.repeat(np.arange(len(starts), dtype=np.int32), lengths)
    return pl.Series(of_day), pl.Series(starts), pl.Series(ends)
