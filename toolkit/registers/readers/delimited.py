"""Delimited text (CSV), quotes and all.

polars' own CSV reader pads a record with too few fields in silence, and its messages quote values.
So records are taken as lines and split here; a file in which a quoted field holds a separator or a
line break is first rewritten with separators that no text holds.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from toolkit.errors import InputError
from toolkit.registers.readers.columns import find_columns, own_names
from toolkit.registers.readers.lines import broken_letters, scan
from toolkit.registers.readers.text import look

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from toolkit.registers.layout import Layout
    from toolkit.registers.readers.columns import Columns
    from toolkit.registers.readers.lines import TextFile

SEPARATORS: Final = {";": "';'", ",": "','", "\t": "a tab", "|": "'|'"}
#: In a rewritten file: between fields, and for a line break within one.
_BETWEEN, _BREAK = "\x1f", "\x1e"
#: A quoted field over more lines than this was never closed.
_MOST_LINES = 100
_FIELDS = pl.col("fields")


@dataclass(frozen=True)
class Table:
    """A delimited file that is ready: how it is cut, and its columns by place."""

    text: TextFile
    separator: str
    skip: int
    names: tuple[str, ...]


def prepare(text: TextFile, layout: Layout, folder: Path) -> Table:
    """Read the header, find out about quotes, and rewrite the file where that is needed.

    Raises
    ------
    InputError
        For the wrong separator, a header where none should be or none where one should, and
        quotes that are not closed.
    """
    first = text.facts.first[0]
    marked = first.lower().startswith("sep=") and len(first) == 5  # as Excel writes it
    header = text.facts.first[1] if marked and len(text.facts.first) > 1 else first
    skip = int(marked) + int(layout.header)
    names = _names(_cells(header, layout.separator), layout, text)
    separator = layout.separator
    if text.facts.quotes and _needs_rewriting(text, separator):
        path = _rewritten(text, separator, folder / f"{text.number}.fields")
        facts = look(path, name=text.file.name, encoding="utf-8")
        text = replace(
            text,
            path=path,
            facts=replace(
                text.facts, lines=facts.lines, records=facts.records, bom=False, quotes=False
            ),
        )
        separator = _BETWEEN
    return Table(text=text, separator=separator, skip=skip, names=names)


def _cells(line: str, separator: str) -> list[str]:
    """Cells of a header."""
    try:
        return next(csv.reader([line.replace("\r", " ")], delimiter=separator), [])
    except csv.Error:  # a cell longer than csv takes
        return [line]


def _names(found: list[str], layout: Layout, text: TextFile) -> tuple[str, ...]:
    """Names of the columns by place, checked against the layout."""
    known = {name.lower() for field in layout.fields for name in (field.name, *field.aliases)}
    known |= {name.lower() for person in layout.persons for name in person.values()}

    def hits(cells: Sequence[str]) -> int:
        return sum(cell.strip().lower() in known for cell in cells)

    where = text.file.name
    line = text.facts.first[0]
    wanted = len(layout.fields)
    for other, called in SEPARATORS.items():
        if other == layout.separator:
            continue
        cells = _cells(line, other)
        better = hits(cells) > hits(found) if layout.header else len(found) != wanted == len(cells)
        if better and len(cells) > len(found):
            raise InputError(
                f"A delimited file looks as if its separator is {called}, and not "
                f"{SEPARATORS.get(layout.separator, repr(layout.separator))}",
                where=where,
                fix=f"set separator = {other!r} in a copy of layout {layout.name!r}",
            )
    if not layout.header:
        if hits(found) > wanted / 2:
            raise InputError(
                "The first line of a delimited file holds names of columns",
                where=where,
                fix=f"set header = true in a copy of layout {layout.name!r}",
            )
        return tuple(field.name for field in layout.fields)
    if hits(found) == 0 and any(any(letter.isdigit() for letter in cell) for cell in found):
        values = sum(cell.strip().replace(",", "").replace(".", "").isdigit() for cell in found)
        if 2 * values >= len(found):
            raise InputError(
                "The first line of a delimited file is no header: it looks like a record",
                where=where,
                fix=f"set header = false in a copy of layout {layout.name!r}, with its fields in "
                "the order of the columns",
            )
    while len(found) > 1 and not found[-1].strip():
        found = found[:-1]
    return tuple(found)


def _needs_rewriting(text: TextFile, separator: str) -> bool:
    """Whether a plain split cuts through quotes: some piece then has an odd number of them."""
    pieces = pl.col("line").str.split(separator)
    odd = pieces.list.eval(pl.element().str.count_matches('"', literal=True) % 2 == 1).list.any()
    lazy = pl.scan_lines(text.path, name="line", glob=False).select(odd.any())
    return bool(lazy.collect(engine="streaming").item())


def _rewritten(text: TextFile, separator: str, target: Path) -> Path:
    """Write one line a record, with separators that no text holds."""
    start, last_start, last = 0, 0, ""

    def unclosed() -> InputError:
        return InputError(
            "A quoted field is never closed",
            where=f"{text.file.name}, the record that starts at line {start + 1:,}",
            fix="have the quotes doubled inside fields, or taken out",
        )

    with (
        text.path.open(encoding="utf-8-sig", newline="") as stream,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        held: list[str] = []

        def lines() -> Iterator[str]:
            for line in stream:
                held.append(line)
                yield line

        reader = csv.reader(lines(), delimiter=separator)
        try:
            for cells in reader:
                if reader.line_num - start > _MOST_LINES:
                    raise unclosed()
                last_start, last = start, "".join(held)
                held.clear()
                start = reader.line_num
                clean = [cell.replace("\n", _BREAK) for cell in cells]
                out.write(_BETWEEN.join(clean) + "\n")
        except csv.Error as error:
            raise unclosed() from error
        if start - last_start > 1 and last.count('"') % 2:  # it ran on to the end of the file
            start = last_start
            raise unclosed()
    return target


def read(
    tables: Sequence[Table], layout: Layout, *, only: Collection[str] | None, batch_rows: int
) -> Iterator[tuple[Columns, pl.DataFrame]]:
    """Read delimited files; those cut the same way go through one scan.

    `_broken` is `fields` where a record has more or fewer fields than the header; an empty one
    after a last separator is let pass. Fields of a broken record are null.
    """
    alike: dict[tuple[object, ...], list[Table]] = {}
    for table in tables:
        facts = table.text.facts
        key = (table.separator, table.skip, table.names, facts.quotes, facts.valid)
        alike.setdefault(key, []).append(table)
    for group in alike.values():
        names, texts = group[0].names, [table.text for table in group]
        columns = find_columns(layout, names, where=texts[0].file.name, only=only)
        count = _FIELDS.list.len()
        fits = (count == len(names)) | (
            (count == len(names) + 1) & (_FIELDS.list.get(len(names), null_on_oob=True) == "")
        )
        broken = (
            pl.when(pl.col("_letters"))
            .then(pl.lit("encoding"))
            .when(~fits)
            .then(pl.lit("fields"))
            .otherwise(pl.lit(None, dtype=pl.String))
            .alias("_broken")
        )
        cells = [
            _cell(group[0], names.index(name))
            .str.replace_all("\r\n", "\n", literal=True)
            .str.strip_chars()
            .alias(name)
            for name in columns.used
        ]  # fmt: skip
        split = [
            pl.col("line").str.split(group[0].separator).alias("fields"),
            broken_letters(texts).alias("_letters"),
        ]
        for batch in scan(texts, split, skip=group[0].skip, batch_rows=batch_rows):
            whole_rows = pl.when(pl.col("_broken").is_null()).then(_FIELDS).alias("fields")
            cut = batch.with_columns(broken).with_columns(whole_rows)
            yield columns, cut.select("_file", "_row", "_broken", *cells)


def _cell(table: Table, place: int) -> pl.Expr:
    """Text of a field, without the quotes around it."""
    cell = _FIELDS.list.get(place, null_on_oob=True)
    if table.separator == _BETWEEN:
        return cell.str.replace_all(_BREAK, "\n", literal=True)
    if not table.text.facts.quotes:
        return cell
    bare = cell.str.strip_chars()
    quoted = bare.str.starts_with('"') & bare.str.ends_with('"') & (bare.str.len_bytes() > 1)
    inner = (
        bare.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    )
    return pl.when(quoted).then(inner).otherwise(cell)


def whole(table: Table, rows: pl.Series, separator: str, *, batch_rows: int) -> pl.DataFrame:
    """Return records as they are: the columns as delivered, fields too many in `_rest`."""
    names = table.names
    rest = _FIELDS.list.slice(len(names)).list.join(separator)
    if table.separator == _BETWEEN:
        rest = rest.str.replace_all(_BREAK, "\n", literal=True)
    split = [pl.col("line").str.split(table.separator).alias("fields")]
    found = pl.concat(
        list(scan([table.text], split, skip=table.skip, batch_rows=batch_rows, rows=rows))
    )
    return found.select(
        "_row",
        *(_cell(table, place).alias(name) for place, name in enumerate(own_names(names))),
        pl.when(_FIELDS.list.len() > len(names)).then(rest).alias("_rest"),
    )
