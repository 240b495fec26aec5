"""A sheet: the records of one or many files of a layout, as strings, and what was done to them.

Columns that begin with `_` are never delivered:

_file : number of the file in `files`
_kind, _field, _expected, _outcome, _was, _became : for the ledger, null where a record is clean
_person, … : facts by which errors are chosen
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from synthetic_data.raw_files import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from synthetic_data.deliver.books import Form
    from synthetic_data.deliver.ledger import Ledger
    from toolkit.registers.layout import Layout

#: A column that no layout names, with a letter that is not ASCII.
REMARK = "geëxporteerd"
#: What the ledger knows of a record.
MARKS = ("_kind", "_field", "_expected", "_outcome", "_was", "_became")


@dataclass(frozen=True)
class Sheet:
    """Records of one layout on their way to files.

    Attributes
    ----------
    layout : Layout
    files : tuple of str
        Where they go, below the delivery's folder; `name.zip!member` in a zip.
    frame : pl.DataFrame
        The records, in the order of their file.
    """

    layout: Layout
    files: tuple[str, ...]
    frame: pl.DataFrame

    def having(self, frame: pl.DataFrame) -> Sheet:
        """Return the sheet with other records."""
        return replace(self, frame=frame)


def note(sheet: Sheet, ledger: Ledger) -> None:
    """Write in the ledger where the errors of a sheet stand: as `_row` says, else in their order.

    Call it when no record moves any more.
    """
    frame = sheet.frame
    if "_row" not in frame.columns:
        row = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("_file")
        frame = frame.select("_file", *MARKS, _row=row)
    found = frame.filter(pl.col("_kind").is_not_null())
    names = pl.Series(sheet.files, dtype=pl.String)
    ledger.add(
        found.select(
            kind="_kind",
            file=names.gather(found["_file"]),
            row="_row",
            field="_field",
            expected="_expected",
            outcome="_outcome",
            was="_was",
            became="_became",
        )
    )


def delivered(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that are delivered."""
    return frame.select(name for name in frame.columns if not name.startswith("_"))


def write_part(sheet: Sheet, folder: Path, form: Form, *, part: int | None = None) -> None:
    """Write a sheet of one file, packed as its name says, or a part of it, to be joined later."""
    path = folder / sheet.files[0].partition("!")[0]
    if part is not None:
        path = path.with_name(f"{path.name}.{part:04d}")
    write(delivered(sheet.frame), sheet.layout, path, form)


def join_parts(path: Path) -> None:
    """Join the parts of a Parquet file, a piece at a time."""
    parts = sorted(path.parent.glob(f"{path.name}.[0-9]*"))
    pl.scan_parquet(parts, glob=False).sink_parquet(path)
    for part in parts:
        part.unlink()


def write_small(sheet: Sheet, folder: Path, files: Iterable[str]) -> None:
    """Write a sheet of many small files: lines are joined once and cut once.

    `files` are those that come in, also without records: those hold a header only. A name in
    `.csv` is delimited, with semicolons and in Latin-1, as a municipality's own system exports it.
    """
    fields = [field.name for field in sheet.layout.fields]
    fixed = pl.concat_str(fields)
    if "_line" in sheet.frame.columns:  # cut off
        fixed = pl.coalesce("_line", fixed)
    delimited = pl.Series([name.endswith(".csv") for name in sheet.files])
    line = pl.when(pl.lit(delimited).gather("_file")).then(
        pl.concat_str([*fields, pl.lit(REMARK)], separator=sheet.layout.separator)
    ).otherwise(fixed)  # fmt: skip
    texts = dict(
        sheet.frame.select("_file", _line=line)
        .group_by("_file", maintain_order=True)
        .agg(pl.col("_line").str.join("\n"))
        .iter_rows()
    )
    header = sheet.layout.separator.join([*fields, "OPMERKING"]) + "\n"
    number = {name: place for place, name in enumerate(sheet.files)}
    for name in files:
        text = texts.get(number[name]) if name in number else None
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        body = "" if text is None else f"{text}\n"
        head = header if path.suffix == ".csv" else ""
        path.write_bytes(f"{head}{body}".encode("latin-1"))
