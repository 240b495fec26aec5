"""The store: Parquet, sorted and partitioned by person, replaced whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from toolkit.errors import (
    CallError,
    InputError,
    MissingColumnError,
    MissingTableError,
    WrongTypeError,
)
from toolkit.provenance import write_json
from toolkit.registers.register import Partition, Register, conform
from toolkit.registers.schema import PERSON_TABLES, REFERENCE_TABLES, TABLES, dtypes, sort_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

INDEX = "register.json"
FORMAT = 1


def open_store(path: str | Path) -> Register:
    """Open a store and check that every table and column is there with its type.

    The rows are not read; `registers.validate` reads them.

    Parameters
    ----------
    path : str or Path
        The folder that `StoreWriter` made.

    Raises
    ------
    CallError
        When there is no store at `path`.
    MissingTableError, MissingColumnError, WrongTypeError
        When a table is not as its schema says.
    """
    root = Path(path)
    index = root / INDEX
    if not index.is_file():
        raise CallError(
            f"There is no register at {root.as_posix()!r}",
            where=f"{INDEX} is not in that folder",
            fix="make one with `reintegratie simulate`, or check the path",
        )
    try:
        facts = json.loads(index.read_text(encoding="utf-8"))
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise InputError(
            f"{INDEX} cannot be read", where=root.as_posix(), fix="make the register again"
        )
    if facts.get("format") != FORMAT:
        raise CallError(
            f"The register at {root.as_posix()!r} has format {facts.get('format')!r}, not {FORMAT}",
            fix="make it again with this version of the toolkit",
        )
    partitions = tuple(Partition(*pair) for pair in facts.get("partitions", ()))
    tables = {name: _scan(root, name) for name in TABLES}
    return Register(tables=tables, partitions=partitions, meta=facts, path=root)


def _scan(root: Path, table: str) -> pl.LazyFrame:
    source = root / table if table in PERSON_TABLES else root / f"{table}.parquet"
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not files or not files[0].is_file():
        raise MissingTableError(
            f"Table {table!r} is not there",
            where=f"expected at {source.as_posix()}",
            fix="a table without rows must still be delivered, as an empty file",
        )
    frame = pl.scan_parquet(files)
    try:
        found = frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise WrongTypeError(
            f"Table {table!r} cannot be read as Parquet",
            where=source.as_posix(),
            fix="make the register again; the file may have been cut off",
        ) from error
    for name, dtype in dtypes(table).items():
        if name not in found:
            raise MissingColumnError(
                f"Table {table!r} lacks column {name!r}",
                where=f"columns there: {', '.join(found.names())}",
                fix="add it; toolkit.registers.schema says what it means",
            )
        if found[name] != dtype:
            raise WrongTypeError(
                f"Column {name!r} is {found[name]}, not {dtype}",
                where=f"table {table!r}",
                fix="write the table with StoreWriter, which sets the types",
            )
    return frame.select(list(dtypes(table)))


class StoreWriter:
    """Write a store partition by partition; it takes its place only when all went well.

    Parameters
    ----------
    path : str or Path
        Where the store goes; an older store there is replaced at the end.
    municipalities, coverage : pl.DataFrame
        The reference tables.
    meta : mapping, optional
        Facts to keep with the register (source, seed, versions).

    Examples
    --------
    >>> with StoreWriter(folder, municipalities=m, coverage=c) as writer:  # doctest: +SKIP
    ...     writer.write(0, 50_000, {"persons": persons, "benefits": benefits})
    """

    def __init__(
        self,
        path: str | Path,
        *,
        municipalities: pl.DataFrame,
        coverage: pl.DataFrame,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self._reference = {"municipalities": municipalities, "coverage": coverage}
        self._meta = dict(meta or {})
        self._part = self.path.with_name(f"{self.path.name}.part-{os.getpid()}")
        self._partitions: list[Partition] = []
        self._rows = dict.fromkeys(PERSON_TABLES, 0)

    def __enter__(self) -> Self:
        if self.path.exists() and not _is_ours(self.path):
            raise CallError(
                f"{self.path.as_posix()!r} is not a register and not an empty folder",
                fix="choose another folder, so that nothing of yours is overwritten",
            )
        shutil.rmtree(self._part, ignore_errors=True)
        self._part.mkdir(parents=True)
        for name in REFERENCE_TABLES:
            conform(self._reference[name].lazy(), name).write_parquet(
                self._part / f"{name}.parquet"
            )
        return self

    def write(self, low: int, high: int, tables: Mapping[str, pl.DataFrame]) -> None:
        """Write one partition: persons `low <= person < high`. Tables not given are empty."""
        if self._partitions and low < self._partitions[-1].high:
            raise CallError(
                f"Partition {len(self._partitions)} overlaps or precedes the one before",
                fix="write partitions in the order of person",
            )
        number = len(self._partitions)
        for name in PERSON_TABLES:
            given = tables.get(name, pl.DataFrame(schema=dtypes(name)))
            frame = conform(given.lazy(), name).sort(*sort_key(name))
            if (
                not frame["person"]
                .is_between(low, high, closed="left")
                .fill_null(value=False)
                .all()
            ):
                raise CallError(
                    f"Table {name!r} has persons outside partition {number}, or without a key",
                    fix="cut the tables by person first",
                )
            target = self._part / name / f"part-{number:05d}.parquet"
            target.parent.mkdir(exist_ok=True)
            frame.write_parquet(target, row_group_size=1 << 18)
            self._rows[name] += frame.height
        self._partitions.append(Partition(low, high))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            shutil.rmtree(self._part, ignore_errors=True)
            return
        write_json(
            self._part / INDEX,
            {
                **self._meta,
                "format": FORMAT,
                "partitions": [[p.low, p.high] for p in self._partitions],
                "rows": self._rows,
            },
        )
        old = self.path.with_name(f"{self.path.name}.old-{os.getpid()}")
        replaced = self.path.exists()
        if replaced:
            self.path.rename(old)
        try:
            self._part.rename(self.path)
        except OSError:
            if replaced:
                old.rename(self.path)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    """Tell whether `path` may be replaced: a store, or an empty folder."""
    return path.is_dir() and ((path / INDEX).is_file() or not any(path.iterdir()))
