"""The register in the hand: canonical tables as lazy frames, cut by person, with their coverage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import (
    CallError,
    MissingColumnError,
    MissingTableError,
    OutsideCoverageError,
    UnknownCodeError,
    WrongTypeError,
    masked,
    nearest,
)
from toolkit.frames import to_lazy
from toolkit.registers.schema import PERSON_TABLES, TABLES, dtypes, empty

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path


@dataclass(frozen=True)
class Partition:
    """A person range: `low <= person < high`."""

    low: int
    high: int


@dataclass(frozen=True)
class Register:
    """Canonical tables, sorted by person. Made by `registers.open` or `registers.from_frames`.

    Attributes
    ----------
    tables : Mapping[str, pl.LazyFrame]
        One lazy frame a table of `toolkit.registers.schema.TABLES`.
    partitions : tuple of Partition
        Person ranges that together hold every person once.
    meta : Mapping[str, Any]
        What the register is: source, seed, versions, row counts.
    path : Path or None
        The store it came from; None in memory.
    """

    tables: Mapping[str, pl.LazyFrame]
    partitions: tuple[Partition, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def __repr__(self) -> str:
        # the bounds of partitions are keys of persons
        where = "in memory" if self.path is None else f"at {self.path.as_posix()!r}"
        return f"<Register {where}, {len(self.partitions):,} partitions>"

    def table(self, name: str) -> pl.LazyFrame:
        """Return a table by name."""
        if name not in TABLES:
            hint = nearest(name, TABLES)
            raise MissingTableError(
                f"There is no canonical table {name!r}",
                fix=f"did you mean {hint!r}?" if hint else f"choose one of {', '.join(TABLES)}",
            )
        return self.tables[name]

    @property
    def persons(self) -> pl.LazyFrame:
        """One row a person."""
        return self.table("persons")

    @property
    def residences(self) -> pl.LazyFrame:
        """Spells of residence in a municipality."""
        return self.table("residences")

    @property
    def households(self) -> pl.LazyFrame:
        """Spells in a household."""
        return self.table("households")

    @property
    def benefits(self) -> pl.LazyFrame:
        """Spells on benefit by scheme."""
        return self.table("benefits")

    @property
    def registrations(self) -> pl.LazyFrame:
        """Spells of registration as jobseeker."""
        return self.table("registrations")

    @property
    def jobs(self) -> pl.LazyFrame:
        """Job spells."""
        return self.table("jobs")

    @property
    def enrolments(self) -> pl.LazyFrame:
        """Spells in full-time education."""
        return self.table("enrolments")

    @property
    def programmes(self) -> pl.LazyFrame:
        """Programmes offered."""
        return self.table("programmes")

    @property
    def positions(self) -> pl.LazyFrame:
        """Re-integration positions."""
        return self.table("positions")

    @property
    def municipalities(self) -> pl.LazyFrame:
        """Municipalities with region and size."""
        return self.table("municipalities")

    @property
    def coverage(self) -> pl.LazyFrame:
        """The period each source covers."""
        return self.table("coverage")

    def covers(self, source: str) -> tuple[date, date]:
        """Return the period `[start, end)` over which `source` was delivered.

        Raises
        ------
        OutsideCoverageError
            When the register has no coverage row for the source: nothing is known from it.
        """
        row = self.coverage.filter(pl.col("source").cast(pl.String) == source).collect()
        if row.height == 0:
            raise OutsideCoverageError(
                f"The register does not say over which period {source!r} was delivered",
                where="table 'coverage'",
                fix=f"add a row with source {source!r}, start and end (first day not covered)",
            )
        return row["start"][0], row["end"][0]

    def part(self, index: int) -> Register:
        """Return the register of one partition only; reference tables stay whole."""
        if not 0 <= index < len(self.partitions):
            raise CallError(
                f"There is no partition {index}",
                fix=f"choose 0 to {len(self.partitions) - 1}",
            )
        cut = self.partitions[index]
        inside = (pl.col("person") >= cut.low) & (pl.col("person") < cut.high)
        tables = {
            name: frame.filter(inside) if name in PERSON_TABLES else frame
            for name, frame in self.tables.items()
        }
        return Register(tables=tables, partitions=(cut,), meta=self.meta, path=self.path)


def from_frames(meta: Mapping[str, Any] | None = None, **tables: Any) -> Register:
    """Make a register in memory from frames named after the canonical tables.

    A table that is not given is empty; columns that may be null may be left out; strings are read
    as codes. `persons` and `coverage` are required. Validate with `registers.validate`.

    Parameters
    ----------
    meta : mapping, optional
        What the register is.
    **tables : frame
        Polars frames, or anything narwhals can read.

    Raises
    ------
    MissingTableError, MissingColumnError, WrongTypeError, UnknownCodeError
        When a table or column is not there or cannot be read as its schema says.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> from toolkit import registers
    >>> register = registers.from_frames(
    ...     persons=pl.DataFrame({
    ...         "person": [1], "sex": ["female"],
    ...         "birth_month": [date(1970, 5, 1)], "origin": ["native"],
    ...     }),
    ...     coverage=pl.DataFrame(
    ...         {"source": ["benefits"], "start": [date(2004, 1, 1)], "end": [date(2008, 1, 1)]}
    ...     ),
    ... )
    >>> register.persons.collect().height
    1
    """
    for name in tables:
        if name not in TABLES:
            hint = nearest(name, TABLES)
            raise MissingTableError(
                f"There is no canonical table {name!r}",
                fix=f"did you mean {hint!r}?" if hint else f"choose one of {', '.join(TABLES)}",
            )
    for required in ("persons", "coverage"):
        if required not in tables:
            raise MissingTableError(f"Table {required!r} is not there", fix=f"pass {required}=…")
    frames = {
        name: conform(to_lazy(tables[name]), name) if name in tables else empty(name)
        for name in TABLES
    }
    keys = pl.concat(frames[name]["person"] for name in PERSON_TABLES)
    span = keys.min(), keys.max()
    low, high = (
        (span[0], span[1] + 1) if isinstance(span[0], int) and isinstance(span[1], int) else (0, 0)
    )
    return Register(
        tables={
            name: (frame.sort("person") if name in PERSON_TABLES else frame).lazy()
            for name, frame in frames.items()
        },
        partitions=(Partition(low, high),),
        meta=dict(meta or {}),
    )


def conform(frame: pl.LazyFrame, table: str) -> pl.DataFrame:
    """Give a frame the columns, order and types of a canonical table, or say which cannot be."""
    wanted = dtypes(table)
    columns = TABLES[table].columns()
    known = frame.collect_schema()
    for name, column in columns.items():
        if name not in known and not column.nullable:
            raise MissingColumnError(
                f"Table {table!r} lacks column {name!r}",
                where=f"columns there: {masked(', '.join(known.names()))}",
                fix="add it; toolkit.registers.schema says what it means",
            )
    eager = (
        frame.with_columns(pl.lit(None).alias(name) for name in wanted if name not in known)
        .select(list(wanted))
        .collect()
    )
    out = []
    for name, dtype in wanted.items():
        series = eager[name]
        if isinstance(dtype, pl.Enum):
            series = series.cast(pl.String)
            outside = series.is_not_null() & ~series.is_in(dtype.categories.to_list())
            if outside.any():
                raise unknown_codes(table, name, series.filter(outside), dtype)
        read = _as(series, dtype)
        if read is None:
            raise WrongTypeError(
                f"Column {name!r} cannot be read as {dtype}",
                where=f"table {table!r}, where it is {known[name]}",
                fix="convert it first",
            )
        out.append(read)
    return pl.DataFrame(out)


def _as(series: pl.Series, dtype: pl.DataType) -> pl.Series | None:
    """Cast without loss; None where that cannot be (an error of polars would show the values)."""
    number = series.dtype.is_numeric()
    if number and dtype == pl.Date:  # 20060131 is no number of days
        return None
    try:
        read = series.cast(dtype)
        if number and (dtype.is_integer() or dtype == pl.Boolean):
            same = (series.cast(pl.Float64) == read.cast(pl.Float64)).all()
            return read if same else None
    except pl.exceptions.PolarsError:
        return None
    return read


def unknown_codes(table: str, column: str, codes: pl.Series, dtype: pl.Enum) -> UnknownCodeError:
    """Build the error for codes outside a code list."""
    found = codes.value_counts(sort=True, name="n")
    shown = ", ".join(f"{masked(code)!r} ({n:,}×)" for code, n in found.head(5).iter_rows())
    hint = nearest(str(found[column][0]), dtype.categories)
    return UnknownCodeError(
        f"Unknown code in column {column!r}: {shown}",
        where=f"table {table!r}, {len(codes):,} rows",
        fix=(f"did you mean {hint!r}? " if hint else "")
        + f"known codes: {', '.join(dtype.categories)}",
    )
