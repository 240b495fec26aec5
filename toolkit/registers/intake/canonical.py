"""A delivery that is already canonical: one Parquet or CSV file a canonical table."""

from __future__ import annotations

import csv
import logging
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import (
    CallError,
    MissingColumnError,
    MissingTableError,
    WrongTypeError,
    masked,
    nearest,
)
from toolkit.registers.register import Register, conform, from_frames
from toolkit.registers.schema import TABLES, dtypes
from toolkit.registers.store import INDEX, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)
_BOOLEAN = {"true": True, "false": False, "1": True, "0": False}


def is_canonical(folder: Path) -> bool:
    """Tell whether a folder holds canonical tables, or is a store."""
    return (folder / INDEX).is_file() or any(
        (folder / f"persons.{suffix}").is_file() for suffix in ("parquet", "csv")
    )


def read_canonical(folder: Path) -> Register:
    """Read a folder with `<table>.parquet` or `<table>.csv` for each canonical table, or a store.

    CSV: UTF-8, comma, header, dates as `2006-01-31`. A table may be left out when nothing was
    delivered of it; then it has no row in `coverage` either. Columns that may be null may be left
    out, but not the `end` of a spell.

    Raises
    ------
    InputError
        When a table or column is not there, misspelt, or cannot be read as its schema says.
    """
    if (folder / INDEX).is_file():
        return open_store(folder)
    tables, ignored = _files(folder)
    meta: dict[str, object] = {"source": folder.name}
    if ignored:
        meta["ignored_columns"] = ignored
        _log.warning(
            "columns that no table has were left out: %s",
            "; ".join(f"{table}: {', '.join(names)}" for table, names in ignored.items()),
        )
    return from_frames(meta, **tables)


def _files(folder: Path) -> tuple[dict[str, pl.DataFrame], dict[str, list[str]]]:
    """Return the tables, and the columns that were left out of each."""
    files = _by_table(folder)
    found, ignored = {}, {}
    for table, file in files.items():
        text = file.suffix == ".csv"
        frame = None if text else _read_parquet(file)
        names = _header(file) if frame is None else frame.collect_schema().names()
        _check_names(names, table, file)
        if frame is None:
            frame = _parse(_read_csv(file), table, file).lazy()
        found[table] = conform(frame, table)
        odd = [masked(name) for name in names if name not in TABLES[table].columns()]
        if odd:
            ignored[table] = odd
    if "coverage" in found:
        _check_delivered(found["coverage"], files, folder)
    return found, ignored


def _by_table(folder: Path) -> dict[str, Path]:
    """Return the file of each table; a data file that is no table's is a slip of the pen."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in {".parquet", ".csv"}:
            continue
        if file.stem not in TABLES or file.suffix not in {".parquet", ".csv"}:
            hint = nearest(file.stem, TABLES)
            raise MissingTableError(
                f"File {masked(file.name)!r} is no canonical table",
                where=f"folder {folder.as_posix()!r}",
                fix=f"is it {hint + file.suffix.lower()!r}? Else put it elsewhere"
                if hint
                else f"put it elsewhere, or name it after one of {', '.join(TABLES)}",
            )
        if file.stem in files:
            raise CallError(
                f"Table {file.stem!r} is there twice, as CSV and as Parquet",
                where=f"folder {folder.as_posix()!r}",
                fix="keep one of the two",
            )
        files[file.stem] = file
    if not files:
        raise MissingTableError(
            "No canonical table is there",
            where=f"folder {folder.as_posix()!r}",
            fix="deliver persons.parquet, coverage.parquet, benefits.parquet, … (or .csv)",
        )
    for table in ("persons", "coverage"):
        if table not in files:
            raise MissingTableError(
                f"Table {table!r} is not there",
                where=f"folder {folder.as_posix()!r}",
                fix=f"deliver {table}.parquet or {table}.csv",
            )
    return files


def _check_delivered(coverage: pl.DataFrame, files: dict[str, Path], folder: Path) -> None:
    """Not delivered is not 'none': an empty table under a coverage row would say so."""
    for source in coverage["source"].drop_nulls().cast(pl.String):
        if source not in files:
            raise MissingTableError(
                f"Table {source!r} is not there, but 'coverage' says that it was delivered",
                where=f"folder {folder.as_posix()!r}",
                fix=f"deliver {source}.parquet or {source}.csv (with its header only, if nobody "
                f"is in it), or leave the row {source!r} out of 'coverage'",
            )


def _check_names(names: Sequence[str], table: str, file: Path) -> None:
    """Check the header: a column misspelt must not become a column of nulls."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise WrongTypeError(
            f"Column {masked(twice[0])!r} stands twice", where=file.name, fix="keep one of them"
        )
    columns = TABLES[table].columns()
    absent = [name for name in columns if name not in names]
    odd = [name for name in names if name not in columns]
    there = f"{file.name}, columns there: {masked(', '.join(names))}"
    for name in absent:
        likely = nearest(name, odd)
        if columns[name].nullable and name != "end" and likely is None:
            continue
        fix = "add it; toolkit.registers.schema says what it means"
        if likely is not None:
            fix = f"is it the one named {masked(likely)!r}? Rename it"
        elif len(absent) == len(columns):
            fix = "is the separator a comma, the text UTF-8, and the first line a header?"
        raise MissingColumnError(f"Table {table!r} lacks column {name!r}", where=there, fix=fix)


def _read_parquet(file: Path) -> pl.LazyFrame:
    try:
        return pl.read_parquet(file).lazy()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise WrongTypeError(
            "A file cannot be read as Parquet", where=file.name, fix="write it again"
        ) from error


def _header(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines), [])
    except UnicodeDecodeError:
        raise _not_utf8(file) from None
    if not header:
        raise WrongTypeError(
            "A file is empty", where=file.name, fix="a table without rows is its header alone"
        )
    return header


def _read_csv(file: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(file, infer_schema=False, null_values="")
    except pl.exceptions.PolarsError as error:
        if "utf-8" in str(error):
            raise _not_utf8(file) from None
        raise WrongTypeError(  # the error of polars may show values
            "A file cannot be read as CSV",
            where=file.name,
            fix="give every line as many fields as the header, and quote fields that hold a comma",
        ) from None


def _not_utf8(file: Path) -> WrongTypeError:
    return WrongTypeError(
        "A file is not in UTF-8", where=file.name, fix=f"iconv -f latin1 -t utf-8 {file.name}"
    )


def _parse(text: pl.DataFrame, table: str, file: Path) -> pl.DataFrame:
    """Read CSV text as the schema's types; what cannot be read is an error, never null.

    Blank lines are no rows.
    """
    parsed = []
    for name, dtype in dtypes(table).items():
        if name not in text.columns:
            continue
        column = text[name]
        if dtype == pl.Date:
            read = column.str.to_date("%Y-%m-%d", strict=False)
        elif dtype == pl.Boolean:
            read = column.str.to_lowercase().replace_strict(_BOOLEAN, default=None)
        elif dtype.is_numeric():
            read = column.cast(dtype, strict=False)
        else:
            read = column
        bad = (column.is_not_null() & read.is_null()).arg_true()
        if len(bad):
            raise WrongTypeError(
                f"Column {name!r} has {len(bad):,} values that cannot be read as {dtype}",
                where=f"{file.name}, first at record {bad[0] + 1}",
                fix="dates are 2006-01-31, booleans true or false, numbers with a decimal point",
            )
        parsed.append(read)
    return pl.DataFrame(parsed).filter(
        text.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    )
