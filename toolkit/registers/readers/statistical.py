"""SPSS and Stata: values as they are, user-missing codes among them; labels apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import polars_readstat

from toolkit.errors import InputError
from toolkit.registers.readers.columns import find_columns, own_names
from toolkit.registers.readers.spss_header import count_cases
from toolkit.registers.readers.typed import as_delivered, collect, cut_off, guarded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from toolkit.registers.layout import Layout
    from toolkit.registers.readers.columns import Columns

KINDS = {".sav": "SPSS", ".zsav": "SPSS", ".dta": "Stata"}


def read(
    path: Path, layout: Layout, *, where: str, only: Collection[str] | None, batch_rows: int
) -> Iterator[tuple[Columns, pl.DataFrame]]:
    """Read a .sav, .zsav or .dta file in batches.

    A user-missing code of SPSS stays the value it is. Stata's missing codes (`.a` … `.z`) are null
    like its `.`, except in a column whose field names such a code (`unknown = [".a"]`): that
    becomes text. A date that may be such a code becomes text `yyyymmdd`.

    Raises
    ------
    InputError
        When the file is cut off, or is none.
    """
    kind = KINDS[path.suffix.lower()]
    reader, metadata = _open(path, kind, where)
    columns = find_columns(layout, list(reader.schema), where=where, only=only)
    coded = _lettered(layout, columns) if kind == "Stata" else _with_codes(metadata)
    coded &= set(columns.used)
    lazy, schema = _scan(path, kind, where, coded)
    values = {
        name: _value(name, schema, where=where, stata=kind == "Stata") for name in columns.used
    }
    rows = metadata.get("row_count")
    seen = 0
    with guarded(where, kind):
        for batch in collect(lazy, columns, values, batch_rows=batch_rows):
            seen += batch.height
            yield columns, batch
    if rows is not None and rows >= 0 and seen != rows:
        raise cut_off(where, kind)


def whole(path: Path, rows: pl.Series, *, where: str) -> pl.DataFrame:
    """Return records as they are, missing codes among them (of Stata: numbers become text)."""
    kind = KINDS[path.suffix.lower()]
    _, metadata = _open(path, kind, where)
    lazy, schema = _scan(path, kind, where, _with_codes(metadata))
    values = [
        _value(name, schema, where=where, stata=kind == "Stata", strip=False).alias(own)
        for name, own in zip(schema, own_names(list(schema)), strict=True)
    ]
    numbered = lazy.select(values).with_row_index("_row", offset=1)
    with guarded(where, kind):
        return numbered.filter(pl.col("_row").is_in(rows.cast(pl.UInt32).implode())).collect(
            engine="streaming"
        )


def labels(path: Path, *, where: str) -> dict[str, dict[str, str]]:
    """Return the value labels: column → code → label."""
    _, metadata = _open(path, KINDS[path.suffix.lower()], where)
    return {
        variable["name"]: {str(code): str(said) for code, said in variable["value_labels"].items()}
        for variable in metadata["variables"]
        if variable.get("value_labels")
    }


def _open(
    path: Path, kind: str, where: str, coded: Collection[str] = ()
) -> tuple[polars_readstat.ScanReadstat, dict[str, Any]]:
    """Read the dictionary of a file. Columns in `coded` are read with their missing codes."""
    if kind == "SPSS":
        cases = count_cases(path)
        if cases is None:
            raise cut_off(where, kind)
        if cases < 0:  # polars-readstat would give none at all
            raise InputError(
                "An SPSS file does not say how many records it holds",
                where=where,
                fix="open it and save it again, which writes the number",
            )
    codes = {"columns": sorted(coded), "mode": "struct", "use_value_labels": False}
    with guarded(where, kind):
        reader = polars_readstat.ScanReadstat(
            str(path), preserve_order=True, informative_nulls=codes if coded else None
        )
        metadata: dict[str, Any] = reader.metadata
    return reader, metadata


def _scan(
    path: Path, kind: str, where: str, coded: Collection[str]
) -> tuple[pl.LazyFrame, pl.Schema]:
    reader, _ = _open(path, kind, where, coded)
    return polars_readstat.scan_readstat(str(path), reader=reader), reader.schema


def _value(name: str, schema: pl.Schema, *, where: str, stata: bool, strip: bool = True) -> pl.Expr:
    """Return a column; where it may hold missing codes, with those in the place of nulls."""
    dtype = schema[name]
    if not isinstance(dtype, pl.Struct):
        return as_delivered(name, dtype, where=where) if strip else pl.col(name)
    value = pl.col(name).struct.field(name)
    code = pl.col(name).struct.field("null_indicator").alias(name)
    inner = {field.name: field.dtype for field in dtype.fields}[name]
    if inner == pl.String:
        both = pl.coalesce(value, code)
        return both.str.strip_chars() if strip else both
    if inner.is_temporal():
        return pl.coalesce(value.dt.strftime("%Y%m%d"), code).alias(name)
    if stata:  # the codes are letters; whole numbers without ".0", as text files have them
        whole_number = value.cast(pl.Int64, strict=False)
        text = pl.when(whole_number == value).then(whole_number.cast(pl.String))
        return pl.coalesce(text.otherwise(value.cast(pl.String)), code).alias(name)
    return pl.coalesce(value, code.cast(inner, strict=False))


def _with_codes(metadata: dict[str, Any]) -> set[str]:
    """Variables that may hold missing codes: of SPSS where they are declared, of Stata numbers."""
    return {
        variable["name"]
        for variable in metadata["variables"]
        if variable.get("missing_doubles")
        or variable.get("missing_strings")
        or variable["type"].startswith("Numeric(")
    }


def _lettered(layout: Layout, columns: Columns) -> set[str]:
    """Columns whose field names one of Stata's missing codes."""
    named = {
        field.name
        for field in layout.fields
        for code in (*field.code_list, *field.open, *field.not_applicable, *field.unknown)
        if len(code) == 2 and code[0] == "." and code[1].isalpha()
    }
    return {
        column
        for part in columns.parts
        for name, column in part.items()
        if name in named and column is not None
    }
