"""The store: Parquet, sorted and partitioned by person, replaced whole or not at all.

`register.json` names the folder that holds the tables (`tables-1`, `tables-2`, …). A new
generation is written beside the old one; renaming the new index over the old is the one step in
which the store changes. A lock keeps two writers apart.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl
from filelock import FileLock, Timeout

from toolkit.errors import (
    CallError,
    InputError,
    MissingColumnError,
    MissingTableError,
    StorageError,
    WrongTypeError,
)
from toolkit.provenance import write_json
from toolkit.registers.register import Partition, Register, conform
from toolkit.registers.schema import PERSON_TABLES, REFERENCE_TABLES, TABLES, dtypes, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from toolkit.provenance import Manifest

INDEX = "register.json"
LOCK = ".lock"
FACTS = "intake"
FORMAT = 2


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
    return _register(root, root / str(facts.get("tables", "")), facts)


def is_store(path: str | Path) -> bool:
    """Tell whether a folder is a store."""
    return (Path(path) / INDEX).is_file()


def _register(root: Path, data: Path, facts: Mapping[str, Any]) -> Register:
    return Register(
        tables={name: _scan(data, name) for name in TABLES},
        partitions=tuple(Partition(*pair) for pair in facts.get("partitions", ())),
        meta=facts,
        path=root,
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Keep two writers of one store apart, and say in clear words when the disk is full.

    Raises
    ------
    StorageError
        When another process writes the store, or it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with FileLock(path / LOCK, timeout=0):
            try:
                yield
            finally:
                if {item.name for item in path.iterdir()} == {LOCK}:  # nothing was written
                    shutil.rmtree(path, ignore_errors=True)
    except Timeout:
        raise StorageError(
            "Another process is writing this register",
            where=path.as_posix(),
            fix="wait until it is done, or choose another folder",
        ) from None
    except OSError as error:
        raise no_room(error, path) from error
    except pl.exceptions.ComputeError as error:  # polars wraps what the disk says
        if "os error 28" in str(error):
            raise no_room(OSError(errno.ENOSPC, ""), path) from None
        raise


def no_room(error: OSError, path: Path) -> StorageError:
    """Build the error for a disk that does not take what is written."""
    # polars gives no number, only words
    full = error.errno in {errno.ENOSPC, errno.EDQUOT} or "os error 28" in str(error)
    return StorageError(
        "The disk is full" if full else f"Writing failed: {os.strerror(error.errno or errno.EIO)}",
        where=f"{path.as_posix()}; an older register there is as it was",
        fix="make room and run again" if full else "check the rights on that folder and run again",
    )


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
        self._part = self.path  # a folder of its own from `__enter__` on
        self._held = ExitStack()
        self._partitions: list[Partition] = []
        self._rows = dict.fromkeys(PERSON_TABLES, 0)

    def __enter__(self) -> Self:
        if self.path.exists() and not _is_ours(self.path):
            raise CallError(
                f"{self.path.as_posix()!r} is not a register and not an empty folder",
                fix="choose another folder, so that nothing of yours is overwritten",
            )
        self._held.enter_context(writing(self.path))
        generations = [_number(folder) for folder in self.path.glob("tables-*")]
        current = _current(self.path)
        for folder in self.path.glob("tables-*"):  # left by a process that was killed
            if folder.name != current:
                shutil.rmtree(folder, ignore_errors=True)
        self._part = self.path / f"tables-{max(generations, default=0) + 1}"
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

    def add_fact(self, name: str, frame: pl.DataFrame) -> None:
        """Keep a frame of facts about the intake beside the tables; `facts` reads it."""
        folder = self._part / FACTS
        folder.mkdir(exist_ok=True)
        frame.write_parquet(folder / f"{name}.parquet")

    def add_manifest(self, manifest: Manifest) -> None:
        """Keep the manifest of the intake beside the tables."""
        manifest.write(self._part / FACTS / "manifest.json")

    def written(self) -> Register:
        """Return what has been written so far as a register, before it takes its place."""
        return _register(self.path, self._part, self._facts())

    @property
    def rows(self) -> dict[str, int]:
        """Rows written of each table."""
        return dict(self._rows)

    def _facts(self) -> dict[str, Any]:
        return {
            **self._meta,
            "format": FORMAT,
            "tables": self._part.name,
            "partitions": [[p.low, p.high] for p in self._partitions],
            "rows": self._rows,
        }

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        done = False
        # whatever `writing` has to say about an error is said after cleaning up
        with self._held:
            try:
                if kind is None:
                    old = _current(self.path)
                    write_json(self.path / INDEX, self._facts())
                    done = True
                    if old:
                        shutil.rmtree(self.path / old, ignore_errors=True)
                elif error is not None:
                    raise error
            finally:
                if not done:
                    shutil.rmtree(self._part, ignore_errors=True)


def _current(path: Path) -> str | None:
    """Return the folder of tables that the index names."""
    try:
        return str(json.loads((path / INDEX).read_text(encoding="utf-8"))["tables"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix("tables-")
    return int(digits) if digits.isdigit() else 0


def _is_ours(path: Path) -> bool:
    """Tell whether `path` may be written: a store, an empty folder, or one left by a kill."""
    inside = {item.name for item in path.iterdir()} if path.is_dir() else {""}
    begun = {LOCK, f"{INDEX}.part"}
    return INDEX in inside or all(name in begun or name.startswith("tables-") for name in inside)
