"""Fixed-width records: fields are cut out of lines by place."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.readers.columns import find_columns
from toolkit.registers.readers.lines import broken_letters, scan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from toolkit.registers.layout import Layout
    from toolkit.registers.readers.columns import Columns
    from toolkit.registers.readers.lines import TextFile

_LINE = pl.col("line")


def read(
    files: Sequence[TextFile], layout: Layout, *, only: Collection[str] | None, batch_rows: int
) -> Iterator[tuple[Columns, pl.DataFrame]]:
    """Read fixed-width files: batches of the fields' places, `_broken` where a line is not as wide.

    Characters count, not bytes. Fields of a broken record are null: they would be cut wrongly.
    """
    names = [field.name for field in layout.fields]
    columns = find_columns(layout, names, where=f"layout {layout.name}", only=only)
    starts: dict[str, tuple[int, int]] = {}
    place = 0
    for field in layout.fields:
        width = field.width or 0
        starts[field.name] = (place, width)
        place += width
    # the few files with bytes that are no letters are scanned apart
    for _, group in groupby(files, key=lambda text: text.facts.valid):
        texts = list(group)
        broken = (
            pl.when(broken_letters(texts))
            .then(pl.lit("encoding"))
            .when(_LINE.str.len_chars() != layout.width)
            .then(pl.lit("width"))
            .otherwise(pl.lit(None, dtype=pl.String))
        )
        fields = [
            _LINE.str.slice(*starts[name]).str.strip_chars().alias(name) for name in columns.used
        ]
        for batch in scan(texts, [broken.alias("_broken"), _LINE], batch_rows=batch_rows):
            whole_lines = pl.when(pl.col("_broken").is_null()).then(_LINE).alias("line")
            cut = batch.with_columns(whole_lines)
            yield columns, cut.select("_file", "_row", "_broken", *fields)


def whole(text: TextFile, rows: pl.Series, *, batch_rows: int) -> pl.DataFrame:
    """Return records as they are, one column `record`."""
    found = scan([text], [_LINE.alias("record")], batch_rows=batch_rows, rows=rows)
    return pl.concat(list(found)).drop("_file")
