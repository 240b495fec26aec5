"""The intake of raw files, step by step: discover, who is who, read and check, settle, write.

    raw files → records checked one by one → staged by person → settled per group → the store

What was found on the way stands beside the tables (`registers.facts`): `files` (what came in, and
what became of it), `rules` (how often each was broken), `revisions` (what later deliveries
changed), `measures` (what quality is judged by), `mergers` (the concordance of municipalities,
where one was delivered), `labels` (value labels of SPSS and Stata files) and `unusable` (canonical
rows set aside).
"""

from __future__ import annotations

import logging
import shutil
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import EmptyCohortError, MissingTableError, ToolkitWarning
from toolkit.provenance import Manifest
from toolkit.registers.intake.books import Outcome, balance
from toolkit.registers.intake.closed import RejectedWriter, closed_folder, make_closed, opened
from toolkit.registers.intake.periods import coverage_of, coverage_table
from toolkit.registers.intake.population import (
    earlier_ring,
    find_population,
    reference_tables,
    save_ring,
    seal_of,
)
from toolkit.registers.intake.settings import read_settings
from toolkit.registers.intake.settle import Settler
from toolkit.registers.intake.staging import Stager, fingerprint
from toolkit.registers.readers.discovery import discover
from toolkit.registers.store import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.intake.staging import Staged
    from toolkit.registers.keys import KeyRing, PersonKeys
    from toolkit.registers.layout import Layout

_log = logging.getLogger(__name__)


@dataclass
class Intake:
    """One intake.

    Attributes
    ----------
    folder, target : Path
        The delivery and the store.
    layouts : mapping of str to Layout
    only : str or None
        The one layout to read.
    secret : bytes, str, Path or None
    letters : tuple of str
    group_size : int
        Persons that are settled at one time.
    """

    folder: Path
    target: Path
    layouts: Mapping[str, Layout]
    only: str | None = None
    secret: bytes | str | Path | None = None
    letters: tuple[str, ...] = ("R",)
    group_size: int = 50_000
    files: list[DeliveredFile] = field(init=False, default_factory=list)

    def run(self, progress: Callable[..., Iterator[Any]] | None = None) -> None:
        """Go all the way; the store is replaced at the end, or stays as it was."""
        found = discover(self.folder, self.layouts, only=self.only)
        self.files = list(found.files)
        settings = read_settings(self.folder)
        self._has_persons()
        coverage = coverage_of(self.files, self.layouts, settings)
        municipalities, mergers = reference_tables(self.files, self.layouts)
        if mergers is not None and settings.municipalities_as_of is None:
            warnings.warn(
                "mergers of municipalities were delivered, but delivery.toml does not say as of "
                "which day they are to be carried (municipalities_as_of): none was merged",
                ToolkitWarning,
                stacklevel=3,
            )
        seal = seal_of(self.files, self.layouts, self.secret)
        closed = closed_folder(self.target)
        manifest = Manifest(
            title="intake",
            parameters={"letters": self.letters, "layout": self.only or "auto",
                        "settings": settings.model_dump(mode="json")},
        )  # fmt: skip
        with (
            StoreWriter(
                self.target,
                municipalities=municipalities,
                coverage=coverage_table(coverage),
                meta={"source": settings.source or self.folder.resolve().name, "layout": "raw"},
            ) as writer,
            opened(closed) as work,
        ):
            earlier = earlier_ring(closed, seal)
            ring = find_population(
                self.files, self.layouts,
                seal=seal, letters=self.letters, earlier=earlier, work=work,
            )  # fmt: skip
            if not ring.persons:
                raise EmptyCohortError(
                    "No person is in this delivery",
                    where=f"folder {self.folder.as_posix()!r}",
                    fix="look in the files that name the population: are their keys as they "
                    "should be?",
                )
            staging = self._staging(closed, ring)
            rejected = RejectedWriter(closed)
            try:
                staged = self._stage(staging, ring, seal, work, progress)
                settler = Settler(
                    staged, self.layouts, self._periods(), coverage, settings, mergers
                )
                outcome = self._settle(settler, ring, writer, rejected, progress)
                facts = balance(
                    self.files, self.layouts, staged, outcome, rejected, manifest,
                    superseded=found.superseded, work=work,
                )  # fmt: skip
                _someone_stays(writer, facts["unusable"])
                if mergers is not None:
                    facts["mergers"] = mergers
                for name, frame in facts.items():
                    writer.add_fact(name, frame)
                manifest.parameters["superseded"] = [file.name for file in found.superseded]
                manifest.parameters["ambiguous links"] = ring.ambiguous
                manifest.parameters["ignored"] = list(found.ignored)
                writer.add_manifest(manifest)
                save_ring(ring, closed, seal)
                rejected.finish()
            except Exception:
                rejected.drop()
                shutil.rmtree(staging, ignore_errors=True)
                raise
        shutil.rmtree(staging, ignore_errors=True)

    def _has_persons(self) -> None:
        if not any(
            table.table == "persons" and table.role == "base"
            for file in self.files
            for table in self.layouts[file.layout].tables
        ):
            seen = sorted({file.layout for file in self.files})
            raise MissingTableError(
                "No file says who the population is",
                where=f"layouts found: {', '.join(seen) or 'none'}",
                fix="deliver a file whose layout fills table 'persons' (such as GBAPERSOON), or "
                "let a layout of your own do so; `reintegratie layouts` lists them",
            )

    def _staging(self, closed: Path, ring: KeyRing) -> Path:
        """Return the folder for work under way; what another delivery left there goes."""
        used = {file.layout: self.layouts[file.layout] for file in self.files}
        options = {
            "letters": self.letters, "group_size": self.group_size, "ring": ring.fingerprint(),
        }  # fmt: skip
        staging = closed / f"staging-{fingerprint(self.files, used, options)}"
        for other in closed.glob("staging-*"):
            if other != staging:
                shutil.rmtree(other, ignore_errors=True)
        return make_closed(staging)

    def _stage(
        self,
        folder: Path,
        ring: KeyRing,
        seal: PersonKeys | None,
        work: Path,
        progress: Callable[..., Iterator[Any]] | None,
    ) -> list[Staged]:
        stager = Stager(
            folder, ring, group_size=self.group_size, letters=self.letters, seal=seal,
            periods=self._periods(), work=work,
        )  # fmt: skip
        names = list(dict.fromkeys(file.layout for file in self.files))
        done = []
        for name in progress(names, title="reading") if progress else names:
            numbers = [i for i, file in enumerate(self.files) if file.layout == name]
            done.append(stager.stage([self.files[i] for i in numbers], self.layouts[name], numbers))
            _log.info("read layout %s", name)
        return done

    def _periods(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "_file": range(len(self.files)),
                "period_start": [file.period_start for file in self.files],
                "period_end": [file.period_end for file in self.files],
                "delivered_by": [file.municipality for file in self.files],
            },
            schema={
                "_file": pl.UInt32, "period_start": pl.Date, "period_end": pl.Date,
                "delivered_by": pl.String,
            },
        )  # fmt: skip

    def _settle(
        self,
        settler: Settler,
        ring: KeyRing,
        writer: StoreWriter,
        rejected: RejectedWriter,
        progress: Callable[..., Iterator[Any]] | None,
    ) -> Outcome:
        groups = list(range(-(-ring.numbers // self.group_size)))
        outcome = Outcome()
        for group in progress(groups, title="settling") if progress else groups:
            settled = settler.group(group)
            low = group * self.group_size
            writer.write(low, min(low + self.group_size, ring.numbers), settled.tables)
            outcome.add(settled)
        for table, rows in outcome.unusable.items():
            rejected.write_table(table, pl.concat(rows))
        return outcome


def _someone_stays(writer: StoreWriter, unusable: pl.DataFrame) -> None:
    if not writer.rows["persons"]:
        raise EmptyCohortError(
            "No record of a person could stay",
            where="; ".join(
                f"{row['rule']} ({row['n']:,}×): {row['en']}"
                for row in unusable.iter_rows(named=True)
            ),
            fix="look at what the layouts fill in table 'persons'",
        )
