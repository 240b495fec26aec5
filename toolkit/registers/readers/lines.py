"""Text files as numbered lines: thousands of small ones go through one scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import InputError
from toolkit.registers.readers.text import TextFacts, look, to_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.layout import Layout

#: Letters in a line that stand for bytes that are none in its encoding.
_NO_LETTER = "\ufffd"


@dataclass(frozen=True)
class TextFile:
    """A text file that is ready to be scanned: in UTF-8, and known.

    `facts` are those of the delivered bytes, but for the lines, which are those of the copy.
    """

    file: DeliveredFile
    number: int
    path: Path
    facts: TextFacts


def ready(
    file: DeliveredFile, number: int, path: Path, layout: Layout, folder: Path, *, exact: bool
) -> TextFile:
    """Look at a file, and copy it into `folder` as UTF-8 where it is anything else.

    With `exact`, bytes that are no UTF-8 are kept as letters of Windows-1252, so that nothing of
    a record is lost; else they become U+FFFD, which breaks the record.
    """
    facts = look(path, name=file.name, encoding="auto" if exact else layout.encoding)
    if not facts.valid or (facts.encoding != "utf-8" and not facts.ascii_only):
        path = to_utf8(path, folder / f"{number}.utf8", facts.encoding)
    return TextFile(file=file, number=number, path=path, facts=facts)


def scan(
    files: Sequence[TextFile],
    columns: Sequence[pl.Expr],
    *,
    skip: int = 0,
    batch_rows: int,
    rows: pl.Series | None = None,
) -> Iterator[pl.DataFrame]:
    """Scan lines and give `_file`, `_row` and `columns`, which are expressions over `line`.

    Parameters
    ----------
    files : sequence of TextFile
    columns : sequence of pl.Expr
    skip : int
        Lines before the first record.
    batch_rows : int
        Lines in a batch.
    rows : pl.Series, optional
        Only these record numbers; with one file.
    """
    # a line's number in the whole scan, less that of its file's first line, is its place in it
    starts = np.cumsum([0, *(text.facts.lines for text in files)])
    numbers = np.array([text.number for text in files], dtype=np.uint32)
    ends = starts[:-1] + np.array([text.facts.records for text in files])
    line = pl.col("line")
    if any(text.facts.bom for text in files):
        line = line.str.strip_prefix("\ufeff")
    if any(text.facts.mark for text in files):
        line = line.str.strip_suffix("\x1a")
    lazy = pl.scan_lines(
        [text.path for text in files], name="line", row_index_name="_line", glob=False
    )
    if rows is not None:
        places = (rows.cast(pl.Int64) + (skip - 1)).cast(pl.UInt32)
        lazy = lazy.filter(pl.col("_line").is_in(places.implode()))
    seen = 0
    try:
        for batch in lazy.collect_batches(chunk_size=batch_rows):
            seen += batch.height
            place = batch["_line"].to_numpy()
            which = np.searchsorted(starts, place, side="right") - 1
            row = place.astype(np.int64) - starts[which] - skip + 1
            # cut here and not in the scan, which would do it file by small file
            yield (
                batch.select(
                    pl.Series("_file", numbers[which], dtype=pl.UInt32),
                    pl.Series("_row", row.clip(0), dtype=pl.UInt32),
                    line,
                )
                .filter(pl.Series((row >= 1) & (place < ends[which])))
                .select("_file", "_row", *columns)
            )
    except pl.exceptions.PolarsError as error:
        names = files[0].file.name + (f" … {files[-1].file.name}" if len(files) > 1 else "")
        raise InputError(
            "A text file could not be read as lines", where=names, fix="check that it is text"
        ) from error
    if rows is None and seen != starts[-1]:
        raise InputError(
            "A file changed while it was read",
            where=f"{files[0].file.name} … {files[-1].file.name}",
            fix="wait until the delivery is complete, and start again",
        )


def broken_letters(files: Sequence[TextFile]) -> pl.Expr:
    """Lines that hold bytes which are no letters in the encoding of their file."""
    if all(text.facts.valid for text in files):
        return pl.lit(value=False)
    return pl.col("line").str.contains(_NO_LETTER, literal=True)
