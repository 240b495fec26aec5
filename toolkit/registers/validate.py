"""Is the register what it says? Each rule is one scan; the first broken one speaks.

Rows are named by their number in the table sorted by person, never by a key.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    from collections.abc import Iterator
    from datetime import date

    from toolkit.registers.register import Register

#: Tables in which the spells of one person may not overlap, and within which columns.
NO_OVERLAP: dict[str, tuple[str, ...]] = {
    "residences": ("person",),
    "households": ("person",),
    "registrations": ("person",),
    "benefits": ("person", "scheme"),
    "enrolments": ("person",),
}
#: Tables without a primary key in which no row may stand twice.
NO_REPEAT = ("jobs", "programmes", "positions")
#: The date column of tables that are no spells.
_POINT = {"programmes": "offer", "positions": "date"}
#: Sources whose spells may have started before their coverage.
_MAY_PRECEDE = ("benefits", "jobs", "residences", "households", "registrations", "enrolments")


@dataclass(frozen=True)
class Violation:
    """Rows of one table that break one rule.

    Attributes
    ----------
    rule : str
        Name of the rule: `missing`, `reversed`, `duplicate`, `schema`, `orphan`, `overlap`,
        `coverage`.
    error : type of InputError
    what, fix : str
        What is wrong, and what to do about it.
    rows : pl.Series
        True where a row breaks it, in the order of the frame.
    """

    rule: str
    error: type[InputError]
    what: str
    fix: str
    rows: pl.Series

    def raised(self, table: str, index: int) -> InputError:
        """Build the error that names table, partition and row numbers."""
        return self.error(self.what, where=_where(table, index, self.rows.arg_true()), fix=self.fix)


def validate(register: Register) -> None:
    """Check every table of a register, partition by partition; return nothing when all is well.

    Raises
    ------
    MissingValueError, ReversedSpellError, DuplicateKeyError, OrphanPersonError,
    OverlappingSpellsError, OutsideCoverageError
        The first rule that is broken: what, in which table and rows, and what to do.
    """
    for name in ("municipalities", "coverage"):
        for found in _own_rules(register.table(name).collect(), name):
            raise found.raised(name, 0)
    for name in PERSON_TABLES:
        _check_keys_there(register.table(name), name)
        _check_written(register, name)
    rows = dict.fromkeys(PERSON_TABLES, 0)
    for index in range(len(register.partitions)):
        part = register.part(index)
        tables = {name: part.table(name).collect() for name in PERSON_TABLES}
        for name, frame in tables.items():
            covered = register.covers(name) if name != "persons" and frame.height else None
            for found in violations(frame, name, tables["persons"], covered):
                raise found.raised(name, index)
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


def _check_written(register: Register, table: str) -> None:
    whole = len(register.meta.get("partitions", ())) == len(register.partitions)  # no single part
    there = register.table(table).select(pl.len()).collect().item()
    written = register.meta.get("rows", {}).get(table, there) if whole else there
    if there != written:
        raise _changed(table, f"{there:,} rows in its files, {written:,} when written")


def _check_all_seen(register: Register, table: str, seen: int) -> None:
    there = register.table(table).select(pl.len()).collect().item()
    if there != seen:
        raise _changed(table, f"{there:,} rows in its files, {seen:,} in partitions")


def _changed(table: str, where: str) -> InputError:
    return InputError(
        f"Table {table!r} does not match the partitions of the register",
        where=where,
        fix="make the register again; a file may have been added, lost or changed",
    )


def _where(table: str, index: int, rows: pl.Series) -> str:
    shown = ", ".join(str(row) for row in rows.head(5)) + (", …" if len(rows) > 5 else "")
    return f"table {table!r}, partition {index}, {len(rows):,} rows (first: {shown})"


def violations(
    frame: pl.DataFrame,
    table: str,
    persons: pl.DataFrame,
    covered: tuple[date, date] | None,
) -> Iterator[Violation]:
    """Yield each broken rule of a person table, with the rows that break it.

    Parameters
    ----------
    frame : pl.DataFrame
        Rows of a canonical table, of some persons.
    table : str
        Its name.
    persons : pl.DataFrame
        Table `persons` of the same persons.
    covered : tuple of date or None
        The period `[start, end)` of its source; None: not checked.
    """
    yield from _own_rules(frame, table)
    if table != "persons":
        yield from _orphans(frame, persons)
    yield from _overlaps(frame, table)
    if table in NO_REPEAT and frame.height > 1:
        yield from _broken(
            "duplicate", DuplicateKeyError, "A row stands twice",
            ~frame.select(first=pl.struct(pl.all()).is_first_distinct()).to_series(),
            "keep one of them",
        )  # fmt: skip
    if covered is not None:
        yield from _uncovered(frame, table, covered)


def _broken(
    rule: str, error: type[InputError], what: str, rows: pl.Series, fix: str
) -> Iterator[Violation]:
    rows = rows.fill_null(value=False)
    if rows.any():
        yield Violation(rule, error, what, fix, rows)


def _own_rules(frame: pl.DataFrame, table: str) -> Iterator[Violation]:
    """Nulls, primary keys, spells the right way round, then every other rule of the schema."""
    for name, column in TABLES[table].columns().items():
        if not column.nullable:
            yield from _broken(
                "missing", MissingValueError, f"Column {name!r} has missing values",
                frame[name].is_null(), "fill them or leave those rows out before ingesting",
            )  # fmt: skip
    if {"start", "end"} <= set(frame.columns):
        yield from _broken(
            "reversed", ReversedSpellError, "A spell ends on or before its start",
            frame["end"] <= frame["start"],
            "correct the dates; a spell is [start, end), with end the first day after it",
        )  # fmt: skip
    keys = TABLES[table].primary_key()
    if keys:
        yield from _broken(
            "duplicate", DuplicateKeyError, f"{', '.join(keys)} stands more than once",
            frame.select(keys).is_duplicated(), "keep one row a key",
        )  # fmt: skip
    failure = TABLES[table].filter(frame).failure
    counts = failure.counts()
    if counts:
        words = "; ".join(f"{_sentence(table, rule)} ({n:,}×)" for rule, n in counts.items())
        bad = frame.with_row_index("_row").join(
            failure.invalid().unique(), on=frame.columns, how="semi", nulls_equal=True
        )
        rows = pl.Series([False]).new_from_index(0, frame.height)
        yield Violation(
            "schema", InputError, f"Table {table!r} breaks its rules: {words}",
            "toolkit.registers.schema says what each column may hold",
            rows.scatter(bad["_row"].to_list(), values=True),
        )  # fmt: skip


def _sentence(table: str, rule: str) -> str:
    """Say what a rule of a schema asks: by the column it is about, or by the name of the rule."""
    column, _, _ = rule.partition("|")
    if column in TABLES[table].columns():
        return f"column {column!r} is outside what it may hold"
    return f"must hold: {rule.replace('_', ' ')}"


def _orphans(frame: pl.DataFrame, persons: pl.DataFrame) -> Iterator[Violation]:
    known = persons.select("person", known=pl.lit(value=True)).unique()
    yield from _broken(
        "orphan", OrphanPersonError, "A person is not in table 'persons'",
        frame.select("person")
        .join(known, on="person", how="left", maintain_order="left")
        .get_column("known")
        .is_null(),
        "deliver the person table for the same population",
    )  # fmt: skip


def _overlaps(frame: pl.DataFrame, table: str) -> Iterator[Violation]:
    """Spells that start before an earlier one of the same person has ended."""
    within = NO_OVERLAP.get(table)
    if within is None or frame.height < 2:
        return
    ordered = frame.with_row_index("_row").sort(*within, "start", "_row")
    end = pl.col("end").fill_null(pl.date(9999, 1, 1))
    before = end.cum_max().shift().over(*within)
    rows = ordered.select("_row", bad=before > pl.col("start")).sort("_row")["bad"]
    yield from _broken(
        "overlap", OverlappingSpellsError, f"Spells overlap within {' and '.join(within)}",
        rows, "merge them first (trajectories.merge_spells) or correct the dates",
    )  # fmt: skip


def _uncovered(frame: pl.DataFrame, table: str, covered: tuple[date, date]) -> Iterator[Violation]:
    if table == "persons" or frame.height == 0:
        return
    first, last = covered
    start = frame[_POINT.get(table, "start")]
    early = start < first
    if table in _MAY_PRECEDE:  # known from its start date in the delivery, still running inside it
        early &= (frame["end"] <= first).fill_null(value=False)
    bad = (start >= last) | early
    if table == "programmes":  # offered before, but begun and not yet ended when the source began
        bad |= (frame["start"] >= last).fill_null(value=False)
        bad &= ~(
            early & (frame["start"] < last) & ((frame["end"] > first).fill_null(value=True))
        ).fill_null(value=False)
    if "end" in frame.columns:
        bad |= (frame["end"] > last).fill_null(value=False)
    yield from _broken(
        "coverage", OutsideCoverageError,
        f"A date lies outside the coverage of its source, {first} to {last} (exclusive)",
        bad, "extend the source's row in table 'coverage', or cut the spells to it",
    )  # fmt: skip
