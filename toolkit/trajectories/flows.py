"""Stock, inflow and outflow of a benefit by calendar month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.trajectories.benefits import benefit_coverage, merged_spells
from toolkit.trajectories.calendar import Window, month_index, month_start

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition


def flows(
    register: Register,
    definition: Definition,
    *,
    window: Window | str | tuple[date | str, date | str],
) -> pl.DataFrame:
    """Count who is on benefit, who comes in and who leaves, month by month.

    The spells of `definition.schemes` are merged over gaps of at most `max_gap_days`, so that an
    interruption is neither outflow nor inflow, nor a change of municipality.

    Parameters
    ----------
    register : Register
    definition : Definition
    window : Window, text or pair of dates
        Months to count, all those it touches.

    Returns
    -------
    pl.DataFrame
        One row a month: date (its first day); inflow (spells that start in it); outflow (first
        days off benefit in it); stock (spells that hold on its last day). Inflow is null in months
        before `max_gap_days` of data, where a start may be an interruption's end; outflow and
        stock are null in months before the data, and where these end too early to tell an exit
        from an interruption.
    """
    period = Window.of(window)
    first, last = benefit_coverage(register, definition.schemes)
    spells, _ = merged_spells(
        register,
        definition.schemes,
        max_gap_days=definition.max_gap_days,
        by_scheme=definition.switch_is_exit,
    )
    begun = _by_month(spells["start"], "inflow")
    ended = _by_month(spells["end"].drop_nulls(), "outflow")
    low = min(period.month_range.start, month_index(first))
    months = pl.DataFrame({"month": pl.Series(range(low, period.month_range.stop), dtype=pl.Int64)})
    before = spells.filter(
        month_index(pl.col("start")) < low,
        pl.col("end").is_null() | (month_index(pl.col("end")) >= low),
    ).height
    gap = pl.duration(days=definition.max_gap_days)
    past = pl.col("date").dt.offset_by("1mo")
    known_in = pl.col("date") > pl.lit(first) + gap
    known_out = (pl.col("date") >= pl.lit(first)) & (past + gap <= pl.lit(last))
    return (
        months.join(begun, on="month", how="left")
        .join(ended, on="month", how="left")
        .with_columns(pl.col("inflow", "outflow").fill_null(0))
        .with_columns(
            stock=before + pl.col("inflow").cum_sum() - pl.col("outflow").cum_sum(),
            date=month_start(pl.col("month")),
        )
        .with_columns(
            inflow=pl.when(known_in & (past <= pl.lit(last))).then("inflow"),
            outflow=pl.when(known_out).then("outflow"),
            stock=pl.when(known_out).then("stock"),
        )
        .filter(pl.col("month").is_in(list(period.month_range)))
        .select("date", "inflow", "outflow", "stock")
    )


def _by_month(days: pl.Series, name: str) -> pl.DataFrame:
    return (
        days.to_frame("day")
        .select(month=month_index(pl.col("day")).cast(pl.Int64))
        .group_by("month")
        .agg(pl.len().cast(pl.Int64).alias(name))
    )
