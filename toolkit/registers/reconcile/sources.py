"""One layout: records held against each other, then reduced to the latest rows of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.codes import POSITION_SCHEME
from toolkit.registers.delivery import COUNTS
from toolkit.registers.reconcile.combine import Source
from toolkit.registers.reconcile.crosswalk import Crosswalk
from toolkit.registers.reconcile.latest import as_revisions, latest, without_repeats
from toolkit.registers.reconcile.measures import measure
from toolkit.registers.reconcile.positions import dated
from toolkit.registers.reconcile.programmes import trajects
from toolkit.registers.reconcile.relations import relate
from toolkit.registers.reconcile.rows import NATURAL_KEY, ORDER, columns_of, take
from toolkit.registers.reconcile.sentences import rule_id
from toolkit.registers.schema import PERSON_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.registers.layout import Layout, TableSpec
    from toolkit.registers.reconcile.work import Work


def add_layout(work: Work, staged: pl.DataFrame, layout: Layout, use: Mapping[str, str]) -> None:
    """Check the records of a layout against each other, and take what its tables need."""
    for table in layout.tables:
        if table.table == "programmes" and table.via in {"programmes", "provisions"}:
            work.measures.append(_measured(work, staged, layout, table))
            break
    related = relate(staged, layout)
    work.broken.append(related.broken)
    work.counts.append(related.counts)
    work.revisions.append(related.revisions)
    for table in layout.tables:
        if table.table not in PERSON_TABLES:
            continue
        if table.role == "base" and use.get(table.table, layout.name) != layout.name:
            continue
        _one_source(work, related.kept, layout, table)


def _measured(work: Work, staged: pl.DataFrame, layout: Layout, table: TableSpec) -> pl.DataFrame:
    """Measure a municipal layout; its positions are those of its table of positions."""
    spec = next((one for one in layout.tables if one.table == "positions"), None)
    names = [] if spec is None else [name for name in spec.columns if name.startswith("position")]
    extra = staged.with_columns(
        pl.sql_expr(spec.columns[name]).alias(f"_{name}") for name in names if spec is not None
    )
    positions = [f"_{name}" for name in names]
    records = take(extra, layout, table, renamed=work.renamed, also=positions)
    return measure(records, positions)


def _one_source(work: Work, kept: pl.DataFrame, layout: Layout, table: TableSpec) -> None:
    """Reduce the records of one table of a layout to the latest, and file the rows."""
    if table.via == "wage_rows":
        from toolkit.registers.wages.jobs import wage_rows_to_jobs

        jobs = wage_rows_to_jobs(kept, table, covered_until=work.until.get("jobs"))
        none = pl.lit(None, dtype=pl.Date)
        rows = jobs.with_columns(
            pl.lit(None, dtype=pl.UInt32).alias("_file"), pl.lit(None, dtype=pl.Int64).alias(ORDER),
            period_start=none, period_end=none, _wages=pl.lit(value=True),
        )  # fmt: skip
        changed = None
        key = NATURAL_KEY["jobs"]
    else:
        key = _key(layout, table)
        if table.via == "rows" and table.table != "programmes" and not table.merge:
            kept = without_repeats(kept, table, key)
        rows = take(kept, layout, table, renamed=work.renamed)
        if table.via == "programmes":
            rows, changed = trajects(rows, key=table.key)
        elif table.via == "positions":
            rows, changed = dated(rows, layout)
        elif table.table == "programmes" and table.via == "rows" and "programme" not in key:
            rows, changed = _programme_rows(rows, table)
        elif table.via == "provisions":
            work.provisions.append(Source(layout.name, layout.priority, rows, ()))
            return
        else:
            if table.table == "positions" and "scheme" not in rows.columns:
                scheme = pl.lit(layout.position_scheme, dtype=pl.Enum(POSITION_SCHEME))
                rows = rows.with_columns(scheme.alias("scheme"))
            if table.role == "adds":
                rows = rows.drop_nulls(list(key))
            rows, changed = latest(rows, key=key)
    if table.table == "positions" and isinstance(work.walk, Crosswalk):
        rows = _translate(work, rows, layout, work.walk)
    if changed is not None:
        work.revisions.append(as_revisions(changed, layout.name, table))
    if table.merge:
        work.pieces.add(table.table)
        rows = rows.with_columns(_pieces=pl.lit(value=True))
    where = work.adds if table.role == "adds" else work.bases
    where.setdefault(table.table, []).append(Source(layout.name, layout.priority, rows, key))


def _key(layout: Layout, table: TableSpec) -> tuple[str, ...]:
    """Return the key of a table's rows: its own, or what there is of the natural key."""
    if table.key is not None:
        return tuple(dict.fromkeys(("person", *table.key)))
    if table.table == "programmes" and "programme" in table.columns and table.role == "base":
        return ("person", "programme")
    there = {"person", "scheme", *columns_of(layout, table)} if table.via == "rows" else None
    natural = NATURAL_KEY[table.table]
    if there is None or table.table == "positions":
        return natural
    return tuple(name for name in natural if name in {*there} - ({"scheme"} - {*table.columns}))


def _programme_rows(rows: pl.DataFrame, table: TableSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reduce complete programme records as those of SRG are, or by the key of the table."""
    if table.role == "base" and table.key is None and {"offer", "start"} <= set(rows.columns):
        return trajects(rows)
    key = _key_of_rows(rows, table)
    return latest(rows.drop_nulls(list(key)) if table.role == "adds" else rows, key=key)


def _key_of_rows(rows: pl.DataFrame, table: TableSpec) -> tuple[str, ...]:
    if table.key is not None:
        return tuple(dict.fromkeys(("person", *table.key)))
    return tuple(name for name in NATURAL_KEY["programmes"] if name in rows.columns)


def _translate(work: Work, rows: pl.DataFrame, layout: Layout, walk: Crosswalk) -> pl.DataFrame:
    """Carry positions in one scheme, counted per file as indicative."""
    moved = walk.apply(rows)
    counts = (
        moved.filter("indicative")
        .group_by("_file")
        .agg(n=pl.len())
        .select("_file", rule=pl.lit(rule_id(layout.name, "CROSSWALK")), n="n")
    )
    work.counts.append(counts.cast(COUNTS))  # type: ignore[arg-type]
    return moved.drop("indicative", "lowest", "highest")
