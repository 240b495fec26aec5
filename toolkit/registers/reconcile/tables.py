"""One canonical table: its sources put together, pieces joined, holes filled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.reconcile.combine import Source, add, stack
from toolkit.registers.reconcile.latest import as_revisions
from toolkit.registers.reconcile.pieces import join_pieces, run_on
from toolkit.registers.reconcile.programmes import identify, number
from toolkit.registers.reconcile.provisions import bridge, programmes_from_provisions
from toolkit.registers.reconcile.rows import NATURAL_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from toolkit.registers.reconcile.work import Work


def make_table(work: Work, table: str, days: Sequence[date]) -> pl.DataFrame:
    """Put the sources of a table together."""
    bases = work.bases.get(table, [])
    natural = NATURAL_KEY[table]
    if table == "programmes":
        rows = _programmes(work, bases)
    else:
        if any("_wages" in source.rows.columns for source in bases):
            bases = _give_way(bases)  # before rows of one key become one
        rows, counts = stack(bases, key=[name for name in natural if _everywhere(name, bases)])
        work.counts.append(counts)
    if table in work.pieces:
        rows = rows.with_columns(pl.col("_pieces").fill_null(value=False))
        rows = run_on(join_pieces(rows, key=natural), work.until.get(table))
    if days and "municipality" in rows.columns and "start" in natural:
        rows = join_pieces(rows, key=natural, cuts=days)
    adds = work.adds.get(table, [])
    if adds:
        rows, counts = add(rows, adds)
        work.counts.append(counts)
    return number(rows) if table == "programmes" else rows


def _everywhere(name: str, bases: Sequence[Source]) -> bool:
    return all(name in source.rows.columns for source in bases)


def _give_way(bases: Sequence[Source]) -> list[Source]:
    """Start jobs from wage rows where the pieces of an earlier source of the same job stop.

    A wage row gives the begin of the job; the terms before the first wage row are not its own.
    """
    ends = [
        source.rows.select("person", "job", pl.col("end").fill_null(pl.date(9999, 12, 31)))
        for source in bases
        if "_wages" not in source.rows.columns
    ]
    if not ends:
        return list(bases)
    told = pl.concat(ends).group_by("person", "job").agg(_told=pl.col("end").max())
    return [
        replace(source, rows=_from_told(source.rows, told))
        if "_wages" in source.rows.columns
        else source
        for source in bases
    ]


def _from_told(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    joined = rows.join(told, on=["person", "job"], how="left", maintain_order="left")
    joined = joined.with_columns(start=pl.max_horizontal("start", "_told")).drop("_told")
    empty = (pl.col("end") <= pl.col("start")).fill_null(value=False)
    return joined.filter(~empty)


def _programmes(work: Work, bases: Sequence[Source]) -> pl.DataFrame:
    """Put trajects of all sources together, and bridge to provisions across the change of unit."""
    rows = None
    if bases:
        rows, counts = stack(bases, key=["_traject"], identify=identify)
        rows = rows.drop("_traject", strict=False)
        work.counts.append(counts)
    if not work.provisions:
        return rows if rows is not None else pl.DataFrame()
    found, changed = programmes_from_provisions(
        pl.concat((source.rows for source in work.provisions), how="diagonal_relaxed")
    )
    for source in work.provisions:
        spec = next(one for one in work.layouts[source.layout].tables if one.via == "provisions")
        mine = changed.filter(pl.col("file_new").is_in(source.rows["_file"].unique().implode()))
        work.revisions.append(as_revisions(mine, source.layout, spec))
    priority = min(source.priority for source in work.provisions)
    found = found.with_columns(_priority=pl.lit(priority, dtype=pl.Int32))
    return found if rows is None else bridge(rows, found)
