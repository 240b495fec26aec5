"""Positions: from what records say at begin and end, to dated rows; and the position on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_columns
from toolkit.registers.codes import POSITION_SCHEME
from toolkit.registers.reconcile.latest import latest
from toolkit.registers.reconcile.rows import FACTS, ORDER

if TYPE_CHECKING:
    from toolkit.registers.layout import Layout

_KEY = ("person", "date", "scheme")
_NEVER = pl.date(9999, 12, 31)


def dated(records: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return positions from records: person, date, position, scheme, and the facts of the record.

    Records with `date` and `position` are rows as they stand. Those with `position_start` and
    `position_end` (SRG 2010) say the position at the begin of the traject or, where it began
    earlier, of the reporting period, and at its end or on the last day of the period. Such a row
    that only repeats the person's last position is no new row; a dated one is, as it was
    measured again.

    Parameters
    ----------
    records : pl.DataFrame
        As `rows.take` gives them for a table via positions.
    layout : Layout
        Gives the scheme.

    Returns
    -------
    rows, changes : pl.DataFrame

    Raises
    ------
    CallError
        When the layout does not say its scheme.

    Notes
    -----
    The latest delivery about a day holds; of one delivery, the highest position. Where a later
    delivery of a traject takes its end back or moves it, the position that was said of the earlier
    end goes: it is that of a day on which nothing ended.
    """
    if layout.position_scheme is None:
        raise CallError(
            "Positions need a scheme",
            where=f"layout {layout.name!r}",
            fix="set position_scheme; schemes share digits but not meaning",
        )
    scheme = pl.lit(layout.position_scheme, dtype=pl.Enum(POSITION_SCHEME)).alias("scheme")
    facts = [name for name in FACTS if name in records.columns]
    if "date" in records.columns:
        rows = records.filter(pl.col("date").is_not_null(), pl.col("position").is_not_null())
        return latest(rows.select("person", "date", "position", scheme, *facts), key=_KEY)
    records = _without_withdrawn_ends(records)
    # of a traject that had ended before the period the form can only mean the begin of the traject
    over = pl.lit(value=False)
    if "end" in records.columns:
        over = (pl.col("end") <= pl.col("period_start")).fill_null(value=False)
    begin = pl.when(over).then("start").otherwise(pl.max_horizontal("start", "period_start"))
    end = pl.min_horizontal("end", "period_end").dt.offset_by("-1d")
    moments = [
        records.lazy()
        .filter(pl.col("start").is_not_null(), pl.col(position).is_not_null())
        .select("person", day.alias("date"), pl.col(position).alias("position"), *facts)
        .filter(pl.col("date").is_not_null())
        for position, day in (("position_start", begin), ("position_end", end))
        if position in records.columns
    ]
    rows = pl.concat(moments).with_columns(scheme).collect()
    one, changed = latest(rows, key=_KEY)
    ordered = one.sort("person", "date", ORDER)
    again = (pl.col("person") == pl.col("person").shift()) & (
        pl.col("position") == pl.col("position").shift()
    )
    return ordered.filter(again.fill_null(value=False).not_()), changed


def _without_withdrawn_ends(records: pl.DataFrame) -> pl.DataFrame:
    """Blank the end position of records whose traject, as last delivered, ended on another day.

    Where the last delivery moves the end and says no position there, the earlier one stays.
    """
    if not {"start", "end", "position_end", ORDER} <= set(records.columns):
        return records
    group = ("person", "start")
    last = pl.col(ORDER) == pl.col(ORDER).max().over(group)
    lasting = pl.when(last).then(pl.col("end").fill_null(_NEVER))
    told = (last & (pl.col("end").is_null() | pl.col("position_end").is_not_null())).any()
    moved = (
        pl.col("end").is_not_null()
        & (pl.col("end") <= pl.col("period_end").fill_null(_NEVER))
        & ~last
        & (pl.col("end") != lasting.min().over(group))
        & (pl.col("end") != lasting.max().over(group))
        & told.over(group)
    )
    return records.with_columns(
        pl.when(moved.fill_null(value=False))
        .then(None)
        .otherwise("position_end")
        .alias("position_end")
    )


def positions_on(days: pl.DataFrame, positions: pl.DataFrame, *, on: str = "date") -> pl.DataFrame:
    """Add the position that held on a day: the last one dated on or before it.

    Parameters
    ----------
    days : pl.DataFrame
        person and the column `on` (Date): starts of provisions, moments of measurement.
    positions : pl.DataFrame
        Canonical positions.
    on : str
        The column of `days`.

    Returns
    -------
    pl.DataFrame
        `days`, in their order, with position, scheme and `position_date`; null where none held.

    Examples
    --------
    >>> from datetime import date
    >>> positions = pl.DataFrame({
    ...     "person": [1, 1], "date": [date(2013, 1, 1), date(2013, 5, 1)], "position": [2, 3],
    ...     "scheme": "reint2009",
    ... })
    >>> days = pl.DataFrame({"person": [1], "start": [date(2013, 4, 30)]})
    >>> positions_on(days, positions, on="start")["position"].to_list()
    [2]
    """
    require_columns(days, "person", on, where="the days")
    require_columns(positions, *_KEY, "position", where="the positions")
    known = positions.select("person", "position", "scheme", position_date="date").sort(
        "person", "position_date"
    )
    numbered = days.with_row_index("_n").with_columns(_day=pl.col(on))
    found = (
        numbered.filter(pl.col("_day").is_not_null())
        .sort("person", "_day")
        .join_asof(
            known, left_on="_day", right_on="position_date", by="person", strategy="backward",
            check_sortedness=False,
        )
        .select("_n", "position", "scheme", "position_date")
    )  # fmt: skip
    return numbered.join(found, on="_n", how="left", maintain_order="left").drop("_n", "_day")
