"""Where people are, month by month since something happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import OutsideCoverageError
from toolkit.frames import require_columns, require_no_nulls, require_rows
from toolkit.trajectories.calendar import Window, month_index, month_start
from toolkit.trajectories.panel import STATES, monthly_panel

if TYPE_CHECKING:
    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition


def states_since(
    register: Register,
    starts: pl.DataFrame,
    *,
    months: range,
    definition: Definition | None = None,
) -> pl.DataFrame:
    """Count the states of a cohort by month since its start.

    Parameters
    ----------
    register : Register
    starts : pl.DataFrame
        One row an exit (or other start): person, and month (a day in the month counted as 0).
    months : range
        Months since the start, as `range(25)` for 0 to 24.
    definition : Definition, optional
        What counts as work.

    Returns
    -------
    pl.DataFrame
        One row a month and state, states in the order of `panel.STATES`: month, state, n (of
        those observed), n_observed, share = n / n_observed. A month in which nobody is observed is
        not there; who is not observed in a month counts in no state. Died and emigrated people stay
        in the denominator, in states of their own.

    Raises
    ------
    EmptyCohortError
        When `starts` has no rows.
    OutsideCoverageError
        When nobody is observed in any of the months.

    Examples
    --------
    >>> states_since(register, exits.frame.select("person", month="exit_month"),
    ...              months=range(25))  # doctest: +SKIP
    """
    require_columns(starts, "person", "month", where="the starts")
    require_rows(starts, "the starts")
    require_no_nulls(starts, "person", "month")
    origin = starts.select("person", zero=month_index(pl.col("month")))
    span = origin.select(low=pl.col("zero").min(), high=pl.col("zero").max()).row(0)
    window = Window(month_start(span[0] + months.start), month_start(span[1] + months.stop))
    panel = monthly_panel(
        register, window=window, persons=origin["person"], definition=definition
    ).select("person", "state", at=month_index(pl.col("month")))
    counts = (
        origin.join(panel, on="person", how="inner")
        .with_columns(month=pl.col("at") - pl.col("zero"))
        .filter(
            pl.col("month").is_between(months.start, months.stop - 1), pl.col("state").is_not_null()
        )
        .group_by("month", "state")
        .agg(n=pl.len().cast(pl.Int64))
    )
    if counts.height == 0:
        raise OutsideCoverageError(
            "Nobody is observed in any of these months",
            where=f"months {months.start} to {months.stop - 1} since the start",
            fix="choose earlier starts or fewer months",
        )
    present = [state for state in STATES if (counts["state"] == state).any()]
    grid = counts.select("month").unique().join(
        pl.DataFrame({"state": present}, schema={"state": counts.schema["state"]}), how="cross"
    )  # fmt: skip
    return (
        grid.join(counts, on=["month", "state"], how="left")
        .with_columns(pl.col("n").fill_null(0))
        .with_columns(n_observed=pl.col("n").sum().over("month"))
        .with_columns(share=pl.col("n") / pl.col("n_observed"))
        .sort("month", "state")
    )
