"""Parquet, with the types it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.readers.columns import find_columns, own_names
from toolkit.registers.readers.typed import as_delivered, collect, guarded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from toolkit.registers.layout import Layout
    from toolkit.registers.readers.columns import Columns


def read(
    path: Path, layout: Layout, *, where: str, only: Collection[str] | None, batch_rows: int
) -> Iterator[tuple[Columns, pl.DataFrame]]:
    """Read a Parquet file in batches."""
    lazy, schema = _scan(path, where)
    columns = find_columns(layout, list(schema), where=where, only=only)
    values = {name: as_delivered(name, schema[name], where=where) for name in columns.used}
    with guarded(where, "Parquet"):
        for batch in collect(lazy, columns, values, batch_rows=batch_rows):
            yield columns, batch


def whole(path: Path, rows: pl.Series, *, where: str) -> pl.DataFrame:
    """Return records as they are."""
    lazy, schema = _scan(path, where)
    named = lazy.select(
        pl.col(name).alias(own) for name, own in zip(schema, own_names(list(schema)), strict=True)
    )
    numbered = named.with_row_index("_row", offset=1)
    return numbered.filter(pl.col("_row").is_in(rows.cast(pl.UInt32).implode())).collect(
        engine="streaming"
    )


def _scan(path: Path, where: str) -> tuple[pl.LazyFrame, pl.Schema]:
    with guarded(where, "Parquet"):
        lazy = pl.scan_parquet(path, glob=False)
        return lazy, lazy.collect_schema()
