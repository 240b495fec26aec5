"""Deliveries to one history: accepted records of some persons in, canonical tables out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError, nearest
from toolkit.registers.codes import POSITION_SCHEME
from toolkit.registers.delivery import BROKEN, COUNTS, REVISIONS, Assembled
from toolkit.registers.reconcile import crosswalk as schemes
from toolkit.registers.reconcile.combine import Source, add, stack
from toolkit.registers.reconcile.latest import as_revisions, latest, without_repeats
from toolkit.registers.reconcile.measures import MEASURES, measure
from toolkit.registers.reconcile.mergers import codes_as_of, merger_days
from toolkit.registers.reconcile.pieces import join_pieces, run_on
from toolkit.registers.reconcile.positions import dated
from toolkit.registers.reconcile.programmes import identify, number, trajects
from toolkit.registers.reconcile.provisions import bridge, programmes_from_provisions
from toolkit.registers.reconcile.residences import with_end_reason
from toolkit.registers.reconcile.rows import NATURAL_KEY, ORDER, columns_of, take
from toolkit.registers.reconcile.sentences import rule_id
from toolkit.registers.relations import relate
from toolkit.registers.schema import PERSON_TABLES, dtypes, sort_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from toolkit.registers.layout import Layout, TableSpec


@dataclass
class _Work:
    """What is under way for one group of persons."""

    layouts: Mapping[str, Layout]
    renamed: dict[str, str]
    until: Mapping[str, date]
    walk: schemes.Crosswalk | str | None
    bases: dict[str, list[Source]] = field(default_factory=dict)
    adds: dict[str, list[Source]] = field(default_factory=dict)
    provisions: list[Source] = field(default_factory=list)
    pieces: set[str] = field(default_factory=set)
    broken: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=BROKEN)])
    counts: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=COUNTS)])
    revisions: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=REVISIONS)])
    measures: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=MEASURES)])


def assemble(
    staged: Mapping[str, pl.DataFrame],
    layouts: Mapping[str, Layout],
    *,
    mergers: pl.DataFrame | None = None,
    as_of: date | None = None,
    use: Mapping[str, str] | None = None,
    crosswalk: schemes.Crosswalk | str | None = None,
    until: Mapping[str, date] | None = None,
) -> Assembled:
    """Reconcile the deliveries of some persons into canonical tables.

    Person-local: for a union of persons, the union of the tables. The order of files and of rows
    does not matter except through the period of a file.

    Parameters
    ----------
    staged : mapping of str to pl.DataFrame
        Layout → its accepted records: person, `_file`, `_row`, `_part`, period_start, period_end,
        delivered_by, and what `needed(layout)` names.
    layouts : mapping of str to Layout
        The layouts by name.
    mergers : pl.DataFrame, optional
        Concordance `old`, `new`, `date`.
    as_of : date, optional
        Every municipality is carried as it is on this day by the concordance, and spells that only
        a merger cut are joined. None: municipalities stay as delivered.
    use : mapping, optional
        Canonical table → the one layout whose base rows fill it.
    crosswalk : Crosswalk or str, optional
        How positions of two schemes meet: a crosswalk or its name, or ``"apart"``.
    until : mapping, optional
        Canonical table → end of its coverage. Pieces of a table with `merge` that end there
        were cut, and run on.

    Returns
    -------
    Assembled

    Raises
    ------
    CallError
        A layout or a column that does not exist.
    InputError
        Two schemes without a crosswalk; values that are no canonical ones.
    """
    chosen = dict(use or {})
    walk = _walk(crosswalk)
    present = {name: frame for name, frame in staged.items() if frame.height}
    for name in present:
        if name not in layouts:
            raise CallError(f"There is no layout {name!r}", fix="pass it in `layouts`")
    _check_use(chosen, layouts)
    schemes.check_schemes(
        (
            str(layouts[name].position_scheme)
            for name in present
            for table in layouts[name].tables
            if table.table == "positions" and chosen.get("positions", name) == name
        ),
        walk,
    )
    chosen_mergers = mergers if as_of is not None else None
    work = _Work(layouts, codes_as_of(chosen_mergers, as_of), dict(until or {}), walk)
    for name in sorted(present):
        _one_layout(work, present[name], layouts[name], chosen)
    tables = {
        table: _one_table(work, table, merger_days(chosen_mergers, as_of))
        for table in PERSON_TABLES
        if work.bases.get(table) or (table == "programmes" and work.provisions)
    }
    if "residences" in tables:
        tables["residences"] = with_end_reason(tables)
    return Assembled(
        tables={name: _finish(rows, name) for name, rows in tables.items()},
        broken=pl.concat(work.broken),
        counts=pl.concat(work.counts).group_by("_file", "rule").agg(pl.col("n").sum())
        .sort("_file", "rule"),
        revisions=pl.concat(work.revisions),
        measures=pl.concat(work.measures),
    )  # fmt: skip


def _walk(chosen: schemes.Crosswalk | str | None) -> schemes.Crosswalk | str | None:
    if isinstance(chosen, str) and chosen != schemes.APART:
        return schemes.crosswalk(chosen)
    return chosen


def _check_use(use: Mapping[str, str], layouts: Mapping[str, Layout]) -> None:
    for table, name in use.items():
        filling = [
            other.name for other in layouts.values()
            if any(spec.table == table and spec.role == "base" for spec in other.tables)
        ]  # fmt: skip
        if name not in filling:
            hint = nearest(name, filling)
            raise CallError(
                f"Layout {name!r} does not fill table {table!r}",
                fix=f"did you mean {hint!r}?"
                if hint
                else f"choose from {', '.join(filling) or 'none'}",
            )


def _one_layout(work: _Work, staged: pl.DataFrame, layout: Layout, use: Mapping[str, str]) -> None:
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


def _measured(work: _Work, staged: pl.DataFrame, layout: Layout, table: TableSpec) -> pl.DataFrame:
    """Measure a municipal layout; its positions are those of its table of positions."""
    spec = next((one for one in layout.tables if one.table == "positions"), None)
    names = [] if spec is None else [name for name in spec.columns if name.startswith("position")]
    extra = staged.with_columns(
        pl.sql_expr(spec.columns[name]).alias(f"_{name}") for name in names if spec is not None
    )
    positions = [f"_{name}" for name in names]
    records = take(extra, layout, table, renamed=work.renamed, also=positions)
    return measure(records, positions)


def _one_source(work: _Work, kept: pl.DataFrame, layout: Layout, table: TableSpec) -> None:
    """Reduce the records of one table of a layout to the latest, and file the rows."""
    if table.via == "wage_rows":
        from toolkit.registers.jobs import wage_rows_to_jobs

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
    if table.table == "positions" and isinstance(work.walk, schemes.Crosswalk):
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


def _one_table(work: _Work, table: str, days: Sequence[date]) -> pl.DataFrame:
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


def _programmes(work: _Work, bases: Sequence[Source]) -> pl.DataFrame:
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


def _translate(
    work: _Work, rows: pl.DataFrame, layout: Layout, walk: schemes.Crosswalk
) -> pl.DataFrame:
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


def _finish(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Give rows the columns and types of their table, in its order."""
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in dtypes(table).items()
    ).sort(*sort_key(table))
