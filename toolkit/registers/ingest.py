"""From a delivery to the store: whatever comes in, canonical tables come out or a clear refusal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError, EmptyCohortError
from toolkit.registers.canonical import is_canonical, read_canonical
from toolkit.registers.schema import PERSON_TABLES
from toolkit.registers.store import StoreWriter, open_store
from toolkit.registers.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.registers.register import Register

Progress = "Callable[[Sequence[Any]], Iterator[Any]]"


def ingest(
    source: str | Path,
    target: str | Path,
    *,
    layout: str = "auto",
    partition_size: int = 50_000,
    progress: Callable[[Sequence[Any]], Iterator[Any]] | None = None,
) -> Register:
    """Read a delivery, check it, and write it as a store."""
    if partition_size < 1:
        raise CallError(f"partition_size={partition_size} is below 1", fix="leave it out")
    folder = Path(source)
    if not folder.is_dir():
        raise CallError(
            f"There is no folder {folder.as_posix()!r}", fix="check the path of the delivery"
        )
    return _ingest_canonical(folder, Path(target), partition_size, progress)


def _ingest_canonical(
    folder: Path,
    target: Path,
    partition_size: int,
    progress: Callable[[Sequence[Any]], Iterator[Any]] | None,
) -> Register:
    """Write tables that are canonical already; the first broken rule refuses the delivery."""
    register = read_canonical(folder)
    validate(register)
    keys = register.persons.select("person").collect().to_series()
    if not len(keys):
        raise EmptyCohortError(
            "Table 'persons' has no rows",
            where=f"folder {folder.as_posix()!r}",
            fix="deliver the persons that the other tables are about",
        )
    cuts = keys.gather_every(partition_size).to_list()
    ends = [*cuts[1:], register.partitions[-1].high]
    pairs = list(zip(cuts, ends, strict=True))
    meta = {"source": register.meta.get("source", folder.name), "layout": "canonical"}
    with StoreWriter(
        target,
        municipalities=register.municipalities.collect(),
        coverage=register.coverage.collect(),
        meta=meta | {k: v for k, v in register.meta.items() if k == "ignored_columns"},
    ) as writer:
        for low, high in progress(pairs) if progress else pairs:
            inside = (pl.col("person") >= low) & (pl.col("person") < high)
            writer.write(
                low,
                high,
                {name: register.table(name).filter(inside).collect() for name in PERSON_TABLES},
            )
    return open_store(target)


_ = is_canonical
