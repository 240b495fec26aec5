"""Any delivered file → batches of records with one column a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from toolkit.errors import CallError, InputError
from toolkit.registers.delivery import RECORD
from toolkit.registers.readers import delimited, fixed_width, parquet, statistical
from toolkit.registers.readers.lines import TextFile, ready
from toolkit.registers.readers.text import look
from toolkit.registers.readers.unpack import is_packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.layout import Layout
    from toolkit.registers.readers.columns import Columns

#: Archives are unpacked so many bytes (as packed) at a time, so that the disk need not hold all.
_PORTION: Final = 128 << 20
#: A file is of another layout when more than half of its records, and at least so many, are broken.
_BROKEN_AT_LEAST: Final = 10


class Reading:
    """Batches of records; and, after the last one, what was seen on the way.

    Iterate over it once. `report()` then says what the files looked like.
    """

    def __init__(self, batches: Iterator[pl.DataFrame], seen: _Seen) -> None:
        self._batches = batches
        self._seen = seen

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return self

    def __next__(self) -> pl.DataFrame:
        return next(self._batches)

    def report(self) -> pl.DataFrame:
        """Return one row a file: `_file`, `rows`, `broken`, `encoding` (text), `extra` columns."""
        return self._seen.frame()


class _Seen:
    """Counts by file, and the refusal of files that are mostly broken."""

    def __init__(self, files: Sequence[DeliveredFile], numbers: Sequence[int]) -> None:
        self.names = {number: file.name for file, number in zip(files, numbers, strict=True)}
        self.rows = dict.fromkeys(numbers, 0)
        self.broken = dict.fromkeys(numbers, 0)
        self.kinds: dict[int, set[str]] = {number: set() for number in numbers}
        self.encoding: dict[int, str] = {}
        self.extra: dict[int, list[str]] = {}

    def add(self, batch: pl.DataFrame) -> list[int]:
        """Count a batch, and return its files in order."""
        runs = batch["_file"].rle().struct.unnest()
        for n, number in runs.iter_rows():
            self.rows[number] += n
        broken = batch.select("_file", "_broken").drop_nulls()
        for number, kind, n in broken.group_by("_file", "_broken").len().iter_rows():
            self.broken[number] += n
            self.kinds[number].add(kind)
        return list(dict.fromkeys(runs["value"]))

    def refuse_broken(self, numbers: Collection[int], layout: Layout) -> None:
        for number in numbers:
            n, broken = self.rows[number], self.broken[number]
            if broken < _BROKEN_AT_LEAST or 2 * broken <= n:
                continue
            why = {
                "width": f"are not {layout.width} characters wide",
                "fields": "have more or fewer fields than there are columns",
                "encoding": f"hold bytes that are no letters in {layout.encoding}",
            }
            found = " or ".join(why[kind] for kind in sorted(self.kinds[number]))
            raise InputError(
                f"{broken:,} of {n:,} records {found}: this is not layout {layout.name!r}",
                where=self.names[number],
                fix="`reintegratie layouts check FILE` says which layout fits",
            )

    def frame(self) -> pl.DataFrame:
        numbers = list(self.names)
        return pl.DataFrame(
            {
                "_file": numbers,
                "rows": [self.rows[number] for number in numbers],
                "broken": [self.broken[number] for number in numbers],
                "encoding": [self.encoding.get(number) for number in numbers],
                "extra": [self.extra.get(number, []) for number in numbers],
            },
            schema={
                "_file": RECORD["_file"], "rows": pl.UInt32, "broken": pl.UInt32,
                "encoding": pl.String, "extra": pl.List(pl.String),
            },
        )  # fmt: skip


def read(
    files: Sequence[DeliveredFile],
    layout: Layout,
    *,
    numbers: Sequence[int],
    columns: Collection[str] | None = None,
    batch_rows: int = 1_000_000,
    work: Path | None = None,
) -> Reading:
    """Read all files of one layout, in batches.

    Parameters
    ----------
    files : sequence of DeliveredFile
    layout : Layout
    numbers : sequence of int
        `numbers[i]` is the `_file` number of `files[i]`.
    columns : collection of str, optional
        Only these fields.
    batch_rows : int
        About so many records a batch; it bounds the memory.
    work : Path, optional
        Folder for copies while they are read; else that of the system.

    Returns
    -------
    Reading
        An iterator of frames with `_file`, `_row` (from 1), `_part` (which person of a record that
        holds two), `_broken` (null, or why the record cannot be read: `width`, `fields`,
        `encoding`), and one column a field, as delivered: text from text files, text or numbers
        from SPSS and Stata, anything from Parquet. Fields that may lack and do are null.

    Raises
    ------
    InputError
        When a file cannot be read, is mostly broken, or is of another kind.
    MissingColumnError
        When a column is absent that may not be.
    """
    if len(files) != len(numbers) or len(set(numbers)) != len(numbers):
        raise CallError("Every file has a number of its own", fix="pass numbers=range(len(files))")
    seen = _Seen(files, numbers)
    return Reading(
        _merged(_read(files, layout, numbers, columns, batch_rows, seen, work), batch_rows), seen
    )


def _read(
    files: Sequence[DeliveredFile],
    layout: Layout,
    numbers: Sequence[int],
    only: Collection[str] | None,
    batch_rows: int,
    seen: _Seen,
    work: Path | None,
) -> Iterator[pl.DataFrame]:
    fields = [field.name for field in layout.fields if only is None or field.name in only]
    for portion in _portions(list(zip(files, numbers, strict=True))):
        with unpacked([file for file, _ in portion], work=work) as (paths, folder):
            for columns, batch in _raw(portion, paths, folder, layout, only, batch_rows, seen):
                # the last file of a batch may go on in the next
                seen.refuse_broken(seen.add(batch)[:-1], layout)
                yield from _persons(batch, columns, layout, fields)
        seen.refuse_broken([number for _, number in portion], layout)


def _raw(
    portion: Sequence[tuple[DeliveredFile, int]],
    paths: Sequence[Path],
    folder: Path,
    layout: Layout,
    only: Collection[str] | None,
    batch_rows: int,
    seen: _Seen,
) -> Iterator[tuple[Columns, pl.DataFrame]]:
    """Batches of delivered columns, `_file`, `_row` and `_broken`."""
    fixed: list[TextFile] = []
    tables: list[delimited.Table] = []
    for (file, number), path in zip(portion, paths, strict=True):
        if file.format in {"fixed_width", "csv"}:
            text = ready(file, number, path, layout, folder, exact=False)
            seen.encoding[number] = text.facts.encoding
            if file.format == "fixed_width":
                fixed.append(text)
            else:
                tables.append(delimited.prepare(text, layout, folder))
                continue
    if fixed:
        yield from fixed_width.read(fixed, layout, only=only, batch_rows=batch_rows)
    for columns, batch in delimited.read(tables, layout, only=only, batch_rows=batch_rows):
        for number in batch["_file"].unique():
            seen.extra[number] = list(columns.extra)
        yield columns, batch
    for (file, number), path in zip(portion, paths, strict=True):
        if file.format in {"fixed_width", "csv"}:
            continue
        reader = parquet.read if file.format == "parquet" else statistical.read
        found = reader(path, layout, where=file.name, only=only, batch_rows=batch_rows)
        for columns, batch in found:
            seen.extra[number] = list(columns.extra)
            yield columns, batch.select(pl.lit(number, dtype=pl.UInt32).alias("_file"), pl.all())


def _persons(
    batch: pl.DataFrame, columns: Columns, layout: Layout, fields: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """One row a record and person, with the fields by their names."""
    record = ["_file", "_row"]
    for part, places in enumerate(columns.parts):
        rows = batch
        if part > 0:
            rows = batch.filter(pl.col("_broken").is_null() & _present(layout, places))
        yield rows.select(
            *record,
            pl.lit(part, dtype=pl.UInt8).alias("_part"),
            "_broken",
            *(_field(name, places[name]) for name in fields),
        )


def _field(name: str, column: str | None) -> pl.Expr:
    return (pl.lit(None) if column is None else pl.col(column)).alias(name)


def _present(layout: Layout, places: Mapping[str, str | None]) -> pl.Expr:
    """Whether a record names another person: some key is filled and is no 'does not apply'."""
    filled = pl.lit(value=False)
    for field in layout.fields:
        column = places.get(field.name)
        if field.type not in {"rin", "bsn", "client"} or column is None:
            continue
        nobody = {"", *field.open, *field.not_applicable, *field.unknown}
        for other in layout.fields:  # the partner's field says itself what 'nobody' is
            if other.name.lower() == column.lower():
                nobody |= {*other.open, *other.not_applicable, *other.unknown}
        filled |= ~pl.col(column).cast(pl.String).fill_null("").is_in(sorted(nobody))
    return filled


def _merged(batches: Iterator[pl.DataFrame], batch_rows: int) -> Iterator[pl.DataFrame]:
    """Join small batches of the same columns and types: many small files make few batches."""
    held: list[pl.DataFrame] = []
    for batch in batches:
        if batch.height == 0:
            continue
        height = sum(frame.height for frame in held)
        if held and (held[0].schema != batch.schema or height + batch.height > batch_rows):
            yield pl.concat(held)
            held = []
        held.append(batch)
    if held:
        yield pl.concat(held)


def _portions(
    files: Sequence[tuple[DeliveredFile, int]],
) -> Iterator[Sequence[tuple[DeliveredFile, int]]]:
    portion: list[tuple[DeliveredFile, int]] = []
    size = 0
    for file, number in files:
        more = file.path.stat().st_size if is_packed(file) else 0
        if portion and size + more > _PORTION:
            yield portion
            portion, size = [], 0
        portion.append((file, number))
        size += more
    if portion:
        yield portion


def extract(
    files: Sequence[DeliveredFile],
    layout: Layout,
    rows: pl.DataFrame,
    numbers: Sequence[int],
    *,
    batch_rows: int = 1_000_000,
    work: Path | None = None,
) -> Iterator[tuple[DeliveredFile, pl.DataFrame]]:
    """Read some records again, as they were delivered.

    Parameters
    ----------
    files, layout, numbers, work
        As for `read`.
    rows : pl.DataFrame
        `_file` and `_row` of the records.

    Yields
    ------
    (DeliveredFile, pl.DataFrame)
        For each file that has any: `_row`, and `record` (the whole line of a fixed-width file) or
        the delivered columns under their own names; of delimited text also `_rest`, the fields
        there were too many.
    """
    wanted = {
        number: group["_row"].unique().sort()
        for (number,), group in rows.select("_file", "_row").group_by("_file")
    }
    for file, number in zip(files, numbers, strict=True):
        chosen = wanted.get(number)
        if chosen is None:
            continue
        with unpacked([file], work=work) as ((path,), folder):
            if file.format == "parquet":
                found = parquet.whole(path, chosen, where=file.name)
            elif file.format in {"sav", "dta"}:
                found = statistical.whole(path, chosen, where=file.name)
            else:
                text = ready(file, number, path, layout, folder, exact=True)
                if file.format == "fixed_width":
                    found = fixed_width.whole(text, chosen, batch_rows=batch_rows)
                else:
                    table = delimited.prepare(text, layout, folder)
                    found = delimited.whole(table, chosen, layout.separator, batch_rows=batch_rows)
        yield file, found.sort("_row")


def labels(file: DeliveredFile, *, work: Path | None = None) -> dict[str, dict[str, str]]:
    """Return the value labels of an SPSS or Stata file: column → code → label; else nothing."""
    if file.format not in {"sav", "dta"}:
        return {}
    with unpacked([file], work=work) as ((path,), _):
        return statistical.labels(path, where=file.name)


def encoding_of(file: DeliveredFile, layout: Layout) -> str | None:
    """Return the encoding of a text file (`utf-8` or `windows-1252`); None for other files."""
    if file.format not in {"fixed_width", "csv"}:
        return None
    with unpacked([file]) as ((path,), _):
        return look(path, name=file.name, encoding=layout.encoding).encoding
