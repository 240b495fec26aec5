"""Who has not delivered, and what has followed: a pure function of dates.

The protocol of the letter to Parliament of 29 April 2010 (28719, no. 72): the statistical office
reports sooner to the ministry who does not deliver or delivers late, the ministry addresses them,
and from 2011 the monthly advance payment is suspended until the delivery is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import WrongTypeError
from toolkit.frames import require_columns, require_no_nulls, to_frame
from toolkit.registers.quality.standards import Protocol

if TYPE_CHECKING:
    from datetime import date

#: Where a municipality stands for a period, by how far it has come. Those delivered first.
STEPS = (
    "delivered", "delivered_late", "not_due", "due", "reminded", "reported", "addressed",
    "suspended",
)  # fmt: skip
_LADDER = ("reminded", "reported", "addressed", "suspended")


def escalation(table: Any, *, on: date, protocol: Protocol | None = None) -> pl.DataFrame:
    """Say where each municipality stands for each period on a day, and since when.

    What is received after `on` counts as not received yet, and so does what is incomplete (see
    `Protocol.incomplete`); an unknown day of receipt counts as on time (nothing can be held against
    it) and `received_unknown` says so.

    Parameters
    ----------
    table : frame
        `municipality`, `period_start`, `period_end`, `due` (last day on time), `received` (null:
        not received) and, where known, `delivered` and `complete`; other columns stay.
    on : date
        The day of reference.
    protocol : Protocol, optional
        Days after which each step is taken.

    Returns
    -------
    pl.DataFrame
        The rows of `table` with `step` (of `STEPS`), `since` (the day it came there), `days` (from
        then to `on`), `days_over` (since it was due, to receipt or `on`), `reached` (the furthest
        step there ever was, null where none) and `next_step`, `next_on` (null where none follows).

    Examples
    --------
    >>> from datetime import date
    >>> frame = pl.DataFrame({
    ...     "municipality": ["gm0003"], "period_start": [date(2010, 7, 1)],
    ...     "period_end": [date(2011, 1, 1)], "due": [date(2011, 1, 28)], "received": [None],
    ... }, schema_overrides={"received": pl.Date})
    >>> escalation(frame, on=date(2011, 3, 15)).select("step", "since").row(0)
    ('addressed', datetime.date(2011, 2, 25))
    """
    rules = protocol or Protocol()
    frame = to_frame(table)
    need = ("municipality", "period_start", "period_end", "due", "received")
    require_columns(frame, *need, where="the table of deliveries")
    for name in need[1:]:
        if frame.schema[name] != pl.Date:
            raise WrongTypeError(
                f"Column {name!r} is {frame.schema[name]}, not a date", fix="cast it to pl.Date"
            )
    require_no_nulls(frame, *need[:4])
    came = (
        pl.col("delivered").fill_null(value=False)
        if "delivered" in frame.columns
        else pl.col("received").is_not_null()
    )
    if rules.incomplete and "complete" in frame.columns:
        came &= pl.col("complete").fill_null(value=True)
    today = pl.lit(on)
    due = pl.col("due")
    unknown = came & pl.col("received").is_null()
    here = unknown | (came & (pl.col("received") <= today)).fill_null(value=False)
    late = here & (pl.col("received") > due).fill_null(value=False)
    # The day the steps stop: receipt, or today.
    until = pl.when(here).then(pl.col("received")).otherwise(today)
    dates = _dates(rules)
    marks = frame.with_columns(
        received_unknown=unknown, **{f"_{step}": day for step, day in dates.items()}
    )
    # A step falls on its day if the delivery is not there by then (on that day itself: it is).
    taken = {
        step: pl.when(
            ((pl.col(f"_{step}") < until) | (~here & (pl.col(f"_{step}") <= until))).fill_null(
                value=False
            )
            & ~unknown
        ).then(pl.col(f"_{step}"))
        for step in _LADDER
    }
    names = pl.Enum(STEPS)
    reached = pl.coalesce(
        pl.when(taken[step].is_not_null()).then(pl.lit(step)) for step in _LADDER[::-1]
    )
    return (
        marks.with_columns(reached=reached.cast(names), _here=here, _late=late)
        .with_columns(
            step=pl.when("_late").then(pl.lit("delivered_late"))
            .when("_here").then(pl.lit("delivered"))
            .when(today < pl.col("period_end")).then(pl.lit("not_due"))
            .when(today <= due).then(pl.lit("due"))
            .when(pl.col("reached").is_null()).then(pl.lit("due"))
            .otherwise(pl.col("reached").cast(pl.String))
            .cast(names)
        )
        .with_columns(
            since=pl.when("_here").then(pl.col("received"))
            .when(pl.col("step").cast(pl.String) == "not_due").then(pl.col("period_start"))
            .when(pl.col("step").cast(pl.String) == "due").then(pl.col("period_end"))
            .otherwise(_day_of("step")),
            days_over=pl.max_horizontal((until - due).dt.total_days(), pl.lit(0)),
            **_following(today),
        )
        .with_columns(days=(today - pl.col("since")).dt.total_days())
        .drop("_here", "_late", *(f"_{step}" for step in _LADDER))
    )  # fmt: skip


def _dates(rules: Protocol) -> dict[str, pl.Expr]:
    """Return the day of each step; null where it does not exist for the period."""
    due, start = pl.col("due"), pl.col("period_start")
    reported = due.dt.offset_by(f"{rules.report}d")
    protocol = start >= pl.lit(rules.report_from)
    return {
        "reminded": due.dt.offset_by(f"{rules.remind}d"),
        "reported": pl.when(protocol).then(reported),
        "addressed": pl.when(protocol).then(due.dt.offset_by(f"{rules.address}d")),
        "suspended": pl.when(start >= pl.lit(rules.suspend_from)).then(
            reported.dt.month_start().dt.offset_by("1mo")
        ),
    }


def _day_of(column: str) -> pl.Expr:
    """Return the day of the step named in a column."""
    return pl.coalesce(
        pl.when(pl.col(column).cast(pl.String) == step).then(pl.col(f"_{step}")) for step in _LADDER
    )


def _following(today: pl.Expr) -> dict[str, pl.Expr]:
    """Return the first step still ahead, and its day: none for who has delivered."""
    waiting = ~pl.col("_here")
    ahead = {
        step: waiting & (pl.col(f"_{step}") > today).fill_null(value=False) for step in _LADDER
    }
    # The step that comes first in time; suspension can come before being addressed.
    days = [pl.when(ahead[step]).then(pl.col(f"_{step}")) for step in _LADDER]
    first = pl.min_horizontal(days)
    return {
        "next_step": pl.coalesce(
            pl.when(ahead[step] & (pl.col(f"_{step}") == first)).then(pl.lit(step))
            for step in _LADDER
        ).cast(pl.Enum(STEPS)),
        "next_on": first,
    }
