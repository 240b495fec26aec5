"""Is the register what it says? Each rule is one scan; the first broken one speaks.

Rows are named by their number in the table sorted by person, never by a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import (
    DuplicateKeyError,
    InputError,
    MissingValueError,
    OrphanPersonError,
    OutsideCoverageError,
    OverlappingSpellsError,
    ReversedSpellError,
)
from toolkit.registers.schema import PERSON_TABLES, TABLES

if TYPE_CHECKING:
    from toolkit.registers.register import Register

#: Tables in which the spells of one person may not overlap, and within which columns.
NO_OVERLAP: dict[str, tuple[str, ...]] = {
    "residences": ("person",),
    "households": ("person",),
    "registrations": ("person",),
    "benefits": ("person", "scheme"),
    "enrolments": ("person",),
}
#: The date column of tables that are no spells.
_POINT = {"programmes": "offer", "positions": "date"}
#: Sources whose spells may have started before their coverage.
_MAY_PRECEDE = ("benefits", "jobs", "residences", "households", "registrations", "enrolments")


def validate(register: Register) -> None:
    """Check every table of a register, partition by partition; return nothing when all is well.

    Raises
    ------
    MissingValueError, ReversedSpellError, DuplicateKeyError, OrphanPersonError,
    OverlappingSpellsError, OutsideCoverageError
        The first rule that is broken: what, in which table and rows, and what to do.
    """
    for name in ("municipalities", "coverage"):
        _check_schema(register.table(name).collect(), name, 0)
    for name in PERSON_TABLES:
        _check_keys_there(register.table(name), name)
    rows = dict.fromkeys(PERSON_TABLES, 0)
    for index in range(len(register.partitions)):
        part = register.part(index)
        tables = {name: part.table(name).collect() for name in PERSON_TABLES}
        for name, frame in tables.items():
            _check_schema(frame, name, index)
            _check_persons_known(frame, tables["persons"], name, index)
            _check_overlap(frame, name, index)
            _check_coverage(frame, register, name, index)
            rows[name] += frame.height
    for name, n in rows.items():
        _check_all_seen(register, name, n)


def _check_keys_there(frame: pl.LazyFrame, table: str) -> None:
    """Rows without a person are in no partition: nobody would miss them."""
    try:
        missing = frame.select(pl.col("person").null_count()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"Table {table!r} cannot be read",
            where="one of its files",
            fix="make the register again; a file may have been cut off or changed",
        ) from error
    if missing:
        raise MissingValueError(
            "Column 'person' has missing values",
            where=f"table {table!r}, {missing:,} rows",
            fix="fill them or leave those rows out before ingesting",
        )


def _check_all_seen(register: Register, table: str, seen: int) -> None:
    there = register.table(table).select(pl.len()).collect().item()
    whole = len(register.meta.get("partitions", ())) == len(register.partitions)  # no single part
    written = register.meta.get("rows", {}).get(table, there) if whole else there
    if there != seen or there != written:
        raise InputError(
            f"Table {table!r} does not match the partitions of the register",
            where=f"{there:,} rows in its files, {written:,} when written, {seen:,} in partitions",
            fix="make the register again; a file may have been added, lost or changed",
        )


def _where(table: str, index: int, rows: pl.Series) -> str:
    shown = ", ".join(str(row) for row in rows.head(5)) + (", …" if len(rows) > 5 else "")
    return f"table {table!r}, partition {index}, {len(rows):,} rows (first: {shown})"


def _fail(
    kind: type[InputError], what: str, table: str, index: int, bad: pl.Series, fix: str
) -> None:
    rows = bad.fill_null(value=False).arg_true()
    if len(rows):
        raise kind(what, where=_where(table, index, rows), fix=fix)


def _check_schema(frame: pl.DataFrame, table: str, index: int) -> None:
    """Nulls, primary keys, spells the right way round, then every other rule of the schema."""
    for name, column in TABLES[table].columns().items():
        if not column.nullable:
            _fail(
                MissingValueError, f"Column {name!r} has missing values", table, index,
                frame[name].is_null(), "fill them or leave those rows out before ingesting",
            )  # fmt: skip
    if {"start", "end"} <= set(frame.columns):
        _fail(
            ReversedSpellError, "A spell ends on or before its start", table, index,
            frame["end"] <= frame["start"],
            "correct the dates; a spell is [start, end), with end the first day after it",
        )  # fmt: skip
    keys = TABLES[table].primary_key()
    if keys:
        _fail(
            DuplicateKeyError, f"{', '.join(keys)} stands more than once", table, index,
            frame.select(keys).is_duplicated(), "keep one row a key",
        )  # fmt: skip
    failure = TABLES[table].filter(frame).failure
    counts = failure.counts()
    if counts:
        broken = ", ".join(f"{rule} ({n:,}×)" for rule, n in counts.items())
        raise InputError(
            f"Table {table!r} breaks its rules: {broken}",
            where=f"partition {index}, {len(failure):,} of {frame.height:,} rows",
            fix="toolkit.registers.schema says what each rule means",
        )


def _check_persons_known(
    frame: pl.DataFrame, persons: pl.DataFrame, table: str, index: int
) -> None:
    if table != "persons":
        known = persons.select("person", known=pl.lit(value=True))
        _fail(
            OrphanPersonError, "A person is not in table 'persons'", table, index,
            frame.select("person")
            .join(known, on="person", how="left", maintain_order="left")
            .get_column("known")
            .is_null(),
            "deliver the person table for the same population",
        )  # fmt: skip


def _check_overlap(frame: pl.DataFrame, table: str, index: int) -> None:
    within = NO_OVERLAP.get(table)
    if within is None or frame.height < 2:
        return
    ordered = frame.with_row_index("row").sort(*within, "start")
    same = pl.all_horizontal(pl.col(column) == pl.col(column).shift() for column in within)
    before = pl.col("end").shift()
    bad = ordered.filter(same & (before.is_null() | (before > pl.col("start"))))["row"]
    if len(bad):
        raise OverlappingSpellsError(
            f"Spells overlap within {' and '.join(within)}",
            where=_where(table, index, bad.sort()),
            fix="merge them first (trajectories.merge_spells) or correct the dates",
        )


def _check_coverage(frame: pl.DataFrame, register: Register, table: str, index: int) -> None:
    if table == "persons" or frame.height == 0:
        return
    first, last = register.covers(table)
    start = frame[_POINT.get(table, "start")]
    late = start >= last
    early = start < first
    if table in _MAY_PRECEDE:  # known from its start date in the delivery, still running inside it
        early &= (frame["end"] <= first).fill_null(value=False)
    bad = late | early
    if table == "programmes":
        bad |= (frame["start"] >= last).fill_null(value=False)
    if "end" in frame.columns:
        bad |= (frame["end"] > last).fill_null(value=False)
    _fail(
        OutsideCoverageError,
        f"A date lies outside the coverage of its source, {first} to {last} (exclusive)",
        table, index, bad,
        "extend the source's row in table 'coverage', or cut the spells to it",
    )  # fmt: skip
