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

from toolkit.provenance import versions, write_json
from toolkit.registers.delivery import BROKEN, COUNTS, Checked
from toolkit.registers.readers import read
from toolkit.registers.reconcile import needed
from toolkit.registers.rules import check_records
from toolkit.registers.values import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.keys import KeyRing, PersonKeys
    from toolkit.registers.layout import Layout

_log = logging.getLogger(__name__)

#: Records of one layout that are in memory at one time.
BATCH_ROWS = 1_000_000
ROWS = {"_file": pl.UInt32, "n": pl.UInt32}
#: Records of these are used before (who is who, municipalities); here they are only counted.
_READ_BEFORE = {"reference", "link"}
_PARTS = ("rows", "accepted", "seen", "broken", "counts")


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
    seen : pl.DataFrame
        `_file`, `encoding`, `extra`: what the reader saw, and the columns no field names.
    broken, counts : pl.DataFrame
        As in `toolkit.registers.delivery`.
    """

    layout: str
    folder: Path
    rows: pl.DataFrame
    accepted: pl.DataFrame
    seen: pl.DataFrame
    broken: pl.DataFrame
    counts: pl.DataFrame

    def group(self, number: int) -> pl.DataFrame | None:
        """Return the records of one group of persons, in the order of file and row."""
        files = sorted(self.folder.glob(f"{number:06d}-*.arrow"))
        if not files:
            return None
        return pl.concat([pl.read_ipc(file) for file in files])


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
    seal : PersonKeys or None
        Hashes citizen service numbers.
    periods : pl.DataFrame
        `_file`, `period_start`, `period_end`, `delivered_by`.
    work : Path, optional
        Folder for copies while they are read.
    """

    def __init__(
        self,
        folder: Path,
        ring: KeyRing,
        *,
        group_size: int,
        letters: tuple[str, ...],
        seal: PersonKeys | None,
        periods: pl.DataFrame,
        work: Path | None = None,
    ) -> None:
        self.folder = folder
        self.ring = ring
        self.seal = seal
        self.periods = periods
        self.group_size = group_size
        self.letters = letters
        self.work = work

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
        reading = read(files, layout, numbers=numbers, batch_rows=BATCH_ROWS, work=self.work)
        for batch, raw in enumerate(reading):
            rows.append(_count(raw))
            checked = self.check(raw, layout, wanted)
            if layout.unit not in _READ_BEFORE:
                checked = self._settle_keys(checked)
                self._spill(checked.accepted, folder, batch)
            broken.append(checked.broken)
            counts.append(checked.counts)
            accepted.append(_count(checked.accepted))
            if progress is not None:
                progress(raw.height)
        staged = Staged(
            layout.name,
            folder,
            rows=_sum(rows, ROWS, ["_file"]),
            accepted=_sum(accepted, ROWS, ["_file"]),
            seen=reading.report().select("_file", "encoding", "extra"),
            broken=pl.concat([pl.DataFrame(schema=BROKEN), *broken]),
            counts=_sum(counts, COUNTS, ["_file", "rule"]),
        )
        for name in _PARTS:
            getattr(staged, name).write_parquet(folder / f"{name}.parquet")
        write_json(done, {"layout": layout.name})
        return staged

    def check(self, raw: pl.DataFrame, layout: Layout, wanted: Sequence[str]) -> Checked:
        """Decode a batch and check its records."""
        return check_records(
            parse(raw.lazy(), layout), layout,
            letters=self.letters, files=self.periods, columns=wanted,
        )  # fmt: skip

    def _settle_keys(self, checked: Checked) -> Checked:
        """Put persons in the place of keys."""
        records = checked.accepted if self.seal is None else self.seal.seal(checked.accepted)
        linked = self.ring.link(records)
        return Checked(
            linked.accepted,
            pl.concat([checked.broken, linked.broken]),
            pl.concat([checked.counts, linked.counts]),
        )

    def _spill(self, frame: pl.DataFrame, folder: Path, batch: int) -> None:
        cut = frame.with_columns(_group=pl.col("person") // self.group_size)
        for (group,), part in cut.partition_by("_group", as_dict=True, include_key=False).items():
            part.write_ipc(folder / f"{group:06d}-{batch:06d}.arrow", compression="lz4")


def _count(frame: pl.DataFrame) -> pl.DataFrame:
    """Count the records of each file (a record of two persons is one)."""
    if frame.height and frame["_part"].max() != 0:
        frame = frame.select("_file", "_row").unique()
    return frame.group_by("_file").agg(n=pl.len().cast(pl.UInt32))


def _sum(frames: list[pl.DataFrame], schema: Mapping[str, object], by: list[str]) -> pl.DataFrame:
    empty = pl.DataFrame(schema=schema)  # type: ignore[arg-type]
    return (
        pl.concat([empty, *(frame.select(empty.columns) for frame in frames)])
        .group_by(by)
        .agg(pl.col("n").sum())
        .sort(by)
    )


def _load(name: str, folder: Path) -> Staged:
    found = {part: pl.read_parquet(folder / f"{part}.parquet") for part in _PARTS}
    return Staged(name, folder, **found)


def fingerprint(
    files: Sequence[DeliveredFile], layouts: Mapping[str, Layout], options: Mapping[str, object]
) -> str:
    """Return what a staging folder was made from: files by name, size and time, layouts, versions.

    Who is who goes into `options`: with another key for hashing the same person has another number.
    """
    import hashlib

    facts = {
        "files": [
            (file.name, file.path.stat().st_size, file.path.stat().st_mtime_ns) for file in files
        ],
        "layouts": {name: layout.model_dump_json() for name, layout in layouts.items()},
        "options": dict(options),
        "versions": versions(),
    }
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
