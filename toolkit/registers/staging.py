"""The first half of intake: files are read once, checked record by record, and cut by person.

Decoded records that pass wait on disk, per layout and per group of persons, for the second half.
What is done is marked, so that a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from toolkit.provenance import write_json
from toolkit.registers.delivery import BROKEN, COUNTS
from toolkit.registers.readers import read
from toolkit.registers.reconcile import needed
from toolkit.registers.rules import check_records
from toolkit.registers.values import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from toolkit.registers.delivery import Checked, DeliveredFile
    from toolkit.registers.keys import KeyRing
    from toolkit.registers.layout import Layout

_log = logging.getLogger(__name__)

#: Records of one layout that are in memory at one time.
BATCH_ROWS = 1_000_000
ROWS = {"_file": pl.UInt32, "n": pl.UInt32}


@dataclass(frozen=True)
class Staged:
    """What reading one layout gave.

    Attributes
    ----------
    layout : str
    folder : Path
        Records that passed: `<group>-<batch>.arrow`.
    rows : pl.DataFrame
        `_file`, `n`: records read in each file.
    accepted : pl.DataFrame
        `_file`, `n`: records that passed.
    broken, counts : pl.DataFrame
        As in `toolkit.registers.delivery`.
    """

    layout: str
    folder: Path
    rows: pl.DataFrame
    accepted: pl.DataFrame
    broken: pl.DataFrame
    counts: pl.DataFrame

    def group(self, number: int) -> pl.DataFrame | None:
        """Return the records of one group of persons, in the order of file and row."""
        files = sorted(self.folder.glob(f"{number:06d}-*.arrow"))
        if not files:
            return None
        return pl.concat([pl.read_ipc(file, memory_map=False) for file in files])


class Stager:
    """Read layouts into a staging folder.

    Parameters
    ----------
    folder : Path
        The staging folder.
    ring : KeyRing
        Who is who.
    group_size : int
        Persons a group.
    letters : tuple of str
        RINPERSOONS that are kept.
    """

    def __init__(
        self, folder: Path, ring: KeyRing, *, group_size: int, letters: tuple[str, ...]
    ) -> None:
        self.folder = folder
        self.ring = ring
        self.group_size = group_size
        self.letters = letters

    def stage(
        self,
        files: Sequence[DeliveredFile],
        layout: Layout,
        numbers: Sequence[int],
        progress: Callable[[int], None] | None = None,
    ) -> Staged:
        """Read, check and cut all files of one layout; what was done before is not done again."""
        folder = self.folder / layout.name
        done = folder / "done.json"
        if done.is_file():
            _log.info("layout %s was read before the interruption", layout.name)
            return _load(layout.name, folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows, accepted, broken, counts = [], [], [], []
        wanted = sorted(needed(layout))
        for batch, raw in enumerate(read(files, layout, numbers=numbers, batch_rows=BATCH_ROWS)):
            rows.append(_count(raw))
            checked = self.check(raw, layout)
            broken.append(checked.broken)
            counts.append(checked.counts)
            accepted.append(_count(checked.accepted))
            self._spill(checked.accepted, wanted, folder, batch)
            if progress is not None:
                progress(raw.height)
        staged = Staged(
            layout.name,
            folder,
            rows=_sum(rows, ROWS, ["_file"]),
            accepted=_sum(accepted, ROWS, ["_file"]),
            broken=pl.concat([pl.DataFrame(schema=BROKEN), *broken]),
            counts=_sum(counts, COUNTS, ["_file", "rule"]),
        )
        for name in ("rows", "accepted", "broken", "counts"):
            getattr(staged, name).write_parquet(folder / f"{name}.parquet")
        write_json(done, {"layout": layout.name})
        return staged

    def check(self, raw: pl.DataFrame, layout: Layout) -> Checked:
        """Decode a batch, check its records, and put persons in the place of keys."""
        checked = check_records(parse(raw.lazy(), layout), layout, letters=self.letters)
        return self.ring.settle(checked, layout)

    def _spill(self, frame: pl.DataFrame, wanted: list[str], folder: Path, batch: int) -> None:
        kept = frame.select(
            "person", "_file", "_row", "_part", *(name for name in wanted if name in frame.columns),
            (pl.col("person") // self.group_size).alias("_group"),
        )  # fmt: skip
        for (group,), part in kept.partition_by("_group", as_dict=True, include_key=False).items():
            part.write_ipc(folder / f"{group:06d}-{batch:06d}.arrow", compression="lz4")


def _count(frame: pl.DataFrame) -> pl.DataFrame:
    """Count the records of each file (a record of two persons is one)."""
    first = frame.filter(pl.col("_part") == 0) if "_part" in frame.columns else frame
    return first.group_by("_file").agg(n=pl.len().cast(pl.UInt32))


def _sum(frames: list[pl.DataFrame], schema: Mapping[str, object], by: list[str]) -> pl.DataFrame:
    empty = pl.DataFrame(schema=schema)  # type: ignore[arg-type]
    return (
        pl.concat([empty, *(frame.select(empty.columns) for frame in frames)])
        .group_by(by)
        .agg(pl.col("n").sum())
        .sort(by)
    )


def _load(name: str, folder: Path) -> Staged:
    found = {
        part: pl.read_parquet(folder / f"{part}.parquet")
        for part in ("rows", "accepted", "broken", "counts")
    }
    return Staged(name, folder, **found)


def fingerprint(
    files: Sequence[DeliveredFile], layouts: Mapping[str, Layout], options: Mapping[str, object]
) -> str:
    """Return what a staging folder was made from: files by name, size and time, and the layouts."""
    import hashlib

    facts = {
        "files": [
            (file.name, file.path.stat().st_size, file.path.stat().st_mtime_ns) for file in files
        ],
        "layouts": {name: layout.model_dump_json() for name, layout in layouts.items()},
        "options": dict(options),
    }
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
