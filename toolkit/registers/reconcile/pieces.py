"""Pieces of one spell that were cut where a delivery's period ends are joined again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.reconcile.packing import arrange
from toolkit.registers.reconcile.rows import FACTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

#: Reasons stand at the outer ends of a spell, not at a cut.
_REASONS = ("start_reason", "end_reason")


def join_pieces(
    rows: pl.DataFrame, *, key: Sequence[str], cuts: Sequence[date] | None = None
) -> pl.DataFrame:
    """Join rows that are equal but for their dates and meet where a delivery was cut.

    Two pieces are one when the first ends, without a reason, on the last day of its file's period,
    or the second starts on the first day of its file's, and the second starts the day the first
    stops.

    Parameters
    ----------
    rows : pl.DataFrame
        Rows with start, end (first day it no longer holds), period_start and period_end. A column
        `_pieces` (boolean), where there, says which rows may be pieces.
    key : sequence of str
        The natural key; all but `start` sort the pieces.
    cuts : sequence of date, optional
        Join at these days instead (days on which municipalities merged, for instance), whatever the
        reason of the end.

    Returns
    -------
    pl.DataFrame
        As `rows`; a joined spell starts as its first piece and ends as its last.
    """
    if rows.is_empty():
        return rows
    ids = [name for name in key if name not in {"start", "end"}]
    others = [
        name for name in rows.columns
        if name not in {"start", "end", *_REASONS, *ids, *FACTS} and not name.startswith("_")
    ]  # fmt: skip
    at, same, tied = arrange(rows, ids, ["start"])
    by = [*ids, "start", "end", *others]
    nulls_last = [name == "end" for name in by]
    sorted_ = rows.sort(by, nulls_last=nulls_last) if tied.any() else rows[at]
    day, before = pl.col("start"), pl.col("end").shift()
    if cuts is None:
        cut = (pl.col("period_end").shift() == day) | (pl.col("period_start") == day)
        if "end_reason" in rows.columns:
            cut &= pl.col("end_reason").shift().is_null()
        if "_pieces" in rows.columns:
            cut &= pl.col("_pieces").shift() | pl.col("_pieces")
    else:
        cut = day.is_in(pl.Series(list(cuts), dtype=pl.Date).implode())
    meets = sorted_.select((before == day) & cut).to_series().fill_null(value=False) & same
    for name in others:
        if not meets.any():
            return rows
        meets &= sorted_[name].eq_missing(sorted_[name].shift())
    first = ~meets
    if first.all():
        return rows
    last = first.shift(-1, fill_value=True)
    from_last = ["end", *(name for name in ("end_reason", "period_end") if name in rows.columns)]
    return sorted_.filter(first).with_columns(sorted_.filter(last).select(from_last).get_columns())


def run_on(rows: pl.DataFrame, until: date | None) -> pl.DataFrame:
    """Let pieces run on that end with the last period that was delivered: they were cut there."""
    if until is None or rows.is_empty():
        return rows
    end = pl.col("end")
    cut = (end == until) & (pl.col("period_end") == until)
    if "end_reason" in rows.columns:
        cut &= pl.col("end_reason").is_null()
    if "_pieces" in rows.columns:
        cut &= pl.col("_pieces")
    return rows.with_columns(end=pl.when(cut.fill_null(value=False).not_()).then(end))
