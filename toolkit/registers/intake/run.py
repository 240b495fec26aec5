"""The intake of raw files, step by step: discover, who is who, read and check, settle, write.

    raw files → records checked one by one → staged by person → settled per group → the store

What was found on the way stands beside the tables (`registers.facts`): `files` (what came in, and
what became of it), `rules` (how often each was broken), `revisions` (what later deliveries
changed), `measures` (what quality is judged by) and `unusable` (canonical rows set aside).
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CheckError, EmptyCohortError, MissingTableError
from toolkit.provenance import Manifest, hash_file
from toolkit.registers.delivery import BROKEN, COUNTS, REVISIONS
from toolkit.registers.intake.closed import RejectedWriter, closed_folder, make_closed
from toolkit.registers.intake.periods import coverage_of, coverage_table
from toolkit.registers.intake.population import find_population, reference_tables, seal_of
from toolkit.registers.intake.settings import read_settings
from toolkit.registers.intake.settle import UNUSABLE, Settler
from toolkit.registers.intake.staging import ROWS, Stager, fingerprint
from toolkit.registers.readers import extract
from toolkit.registers.readers.discovery import discover
from toolkit.registers.reconcile.sentences import rule_id as reconcile_rule
from toolkit.registers.reconcile.sentences import sentences
from toolkit.registers.rules import rules_of
from toolkit.registers.store import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.intake.settle import Settled
    from toolkit.registers.intake.staging import Staged
    from toolkit.registers.keys import KeyRing, PersonKeys
    from toolkit.registers.layout import Layout

_log = logging.getLogger(__name__)

KEYS = "keys.parquet"


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
        closed = closed_folder(self.target)
        manifest = Manifest(
            title="intake",
            parameters={"letters": self.letters, "layout": self.only or "auto",
                        "settings": settings.model_dump(mode="json")},
        )  # fmt: skip
        with StoreWriter(
            self.target,
            municipalities=municipalities,
            coverage=coverage_table(coverage),
            meta={"source": settings.source or self.folder.resolve().name, "layout": "raw"},
        ) as writer:
            make_closed(closed)
            seal = seal_of(self.files, self.layouts, self.secret)
            ring = find_population(
                self.files, self.layouts, seal=seal, letters=self.letters, earlier=closed / KEYS
            )
            if not ring.persons:
                raise EmptyCohortError(
                    "No person is in this delivery",
                    where=f"folder {self.folder.as_posix()!r}",
                    fix="look in the files that name the population: are their keys as they "
                    "should be?",
                )
            staging = self._staging(closed)
            rejected = RejectedWriter(closed)
            try:
                staged = self._stage(staging, ring, seal, progress)
                settler = Settler(
                    staged, self.layouts, self._periods(), coverage, settings, mergers
                )
                outcome = self._settle(settler, ring, writer, rejected, progress)
                facts = self._account(staged, outcome, rejected, manifest)
                for name, frame in facts.items():
                    writer.add_fact(name, frame)
                manifest.parameters["superseded"] = [file.name for file in found.superseded]
                manifest.parameters["ignored"] = list(found.ignored)
                writer.add_manifest(manifest)
                ring.save(closed / KEYS)
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

    def _staging(self, closed: Path) -> Path:
        """Return the folder for work under way; what another delivery left there goes."""
        used = {file.layout: self.layouts[file.layout] for file in self.files}
        options = {"letters": self.letters, "group_size": self.group_size}
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
        progress: Callable[..., Iterator[Any]] | None,
    ) -> list[Staged]:
        stager = Stager(
            folder, ring, group_size=self.group_size, letters=self.letters, seal=seal,
            periods=self._periods(),
        )  # fmt: skip
        names = [
            name
            for name in dict.fromkeys(file.layout for file in self.files)
            if self.layouts[name].unit not in {"reference", "link"}
        ]
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

    def _account(
        self,
        staged: list[Staged],
        outcome: Outcome,
        rejected: RejectedWriter,
        manifest: Manifest,
    ) -> dict[str, pl.DataFrame]:
        """Write what was rejected, and prove that every record went one way or the other."""
        rules = _rules(self.layouts, [part.layout for part in staged])
        broken = pl.concat([*(part.broken for part in staged), *outcome.broken]).unique()
        judged = broken.join(rules.select("rule", "severity").unique("rule"), on="rule", how="left")
        per_record = judged.group_by("_file", "_row").agg(
            rules=pl.col("rule").unique().sort().str.join(" "),
            error=(pl.col("severity") != "set_aside").fill_null(value=True).any(),
        )
        written = self._reject(staged, per_record, rejected)
        later = pl.concat([pl.DataFrame(schema=BROKEN), *outcome.broken]).unique(["_file", "_row"])
        files = (
            self._describe()
            .join(_sum_rows([part.rows for part in staged], "rows"), on="_file", how="left")
            .join(_sum_rows([part.accepted for part in staged], "staged"), on="_file", how="left")
            .join(later.group_by("_file").agg(late=pl.len()), on="_file", how="left")
            .join(
                per_record.group_by("_file").agg(
                    rejected=pl.col("error").sum(), set_aside=(~pl.col("error")).sum()
                ),
                on="_file", how="left",
            )
            .join(written, on="_file", how="left")
            .join(pl.concat([part.seen for part in staged]), on="_file", how="left")
            .with_columns(
                pl.col("rows", "staged", "late", "rejected", "set_aside", "written").fill_null(0)
            )
            .with_columns(accepted=pl.col("staged").cast(pl.Int64) - pl.col("late").cast(pl.Int64))
        )  # fmt: skip
        off = files.filter(
            (pl.col("accepted") + pl.col("written") != pl.col("rows"))
            | (pl.col("rejected") + pl.col("set_aside") != pl.col("written"))
        )
        if off.height:
            raise CheckError(
                f"Of {off.height:,} files accepted and rejected records do not add up",
                where=", ".join(off["name"].head(3)),
                fix="this is a fault of the toolkit: please report it with the layout's name",
            )
        manifest.inputs = {file.name: hash_file(file.path) for file in self.files}
        for step in ("rows", "accepted", "rejected", "set_aside"):
            manifest.count(f"records {step}", int(files[step].sum()))
        sums = pl.Series("sha256", [manifest.inputs[file.name] for file in self.files])
        columns = ["rows", "accepted", "rejected", "set_aside"]
        counts = pl.concat([*(part.counts for part in staged), *outcome.counts])
        return {
            "files": files.with_columns(sums).select(
                pl.col("_file").alias("file"), *self._describe().columns[1:],
                *(pl.col(name).cast(pl.Int64) for name in columns),
                "encoding", "extra", "sha256",
            ),
            "rules": counts.group_by("_file", "rule")
            .agg(pl.col("n").sum())
            .join(self._layout_of(), on="_file")
            .join(rules, on=["layout", "rule"], how="left")
            .rename({"_file": "file"})
            .sort("file", "rule"),
            "revisions": pl.concat([pl.DataFrame(schema=REVISIONS), *outcome.revisions]),
            "measures": pl.concat(outcome.measures, how="diagonal_relaxed")
            .group_by("_file")
            .agg(pl.all().sum())
            .rename({"_file": "file"})
            .sort("file")
            if outcome.measures
            else pl.DataFrame(schema={"file": pl.UInt32}),
            "unusable": outcome.unusable_counts(),
        }  # fmt: skip

    def _reject(
        self, staged: list[Staged], per_record: pl.DataFrame, rejected: RejectedWriter
    ) -> pl.DataFrame:
        """Read the rejected records again and write them unchanged; return how many a file."""
        counts: list[tuple[int, int]] = []
        concerned = set(per_record["_file"].unique().to_list())
        for part in staged:
            numbers = [
                i
                for i, file in enumerate(self.files)
                if file.layout == part.layout and i in concerned
            ]
            if not numbers:
                continue
            number_of = {self.files[i].name: i for i in numbers}
            rows = per_record.filter(pl.col("_file").is_in(numbers))
            for file, records in extract(
                [self.files[i] for i in numbers],
                self.layouts[part.layout],
                rows.select("_file", "_row"),
                numbers=numbers,
            ):
                number = number_of[file.name]
                why = rows.filter(pl.col("_file") == number).select("_row", "rules")
                counts.append((number, rejected.write(file, records, why)))
        return (
            pl.DataFrame(counts, schema={"_file": pl.UInt32, "written": pl.UInt32}, orient="row")
            .group_by("_file")
            .agg(pl.col("written").sum())
        )

    def _describe(self) -> pl.DataFrame:
        names = (
            "name", "layout", "format", "municipality", "period_start", "period_end", "version",
            "received",
        )  # fmt: skip
        return pl.DataFrame(
            {
                "_file": range(len(self.files)),
                **{name: [getattr(file, name) for file in self.files] for name in names},
            },
            schema={
                "_file": pl.UInt32, "name": pl.String, "layout": pl.String, "format": pl.String,
                "municipality": pl.String, "period_start": pl.Date, "period_end": pl.Date,
                "version": pl.Int64, "received": pl.Date,
            },
        )  # fmt: skip

    def _layout_of(self) -> pl.DataFrame:
        return self._describe().select("_file", "layout")


@dataclass
class Outcome:
    """What settling found, over all groups."""

    broken: list[pl.DataFrame] = field(default_factory=list)
    counts: list[pl.DataFrame] = field(default_factory=list)
    revisions: list[pl.DataFrame] = field(default_factory=list)
    measures: list[pl.DataFrame] = field(default_factory=list)
    unusable: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    clipped: dict[str, int] = field(default_factory=dict)

    def add(self, settled: Settled) -> None:
        """Take in a group."""
        found = settled.assembled
        self.broken.append(found.broken.select(list(BROKEN)))
        self.counts.append(found.counts.select(list(COUNTS)))
        self.revisions.append(found.revisions.select(list(REVISIONS)))
        if found.measures.width:
            self.measures.append(found.measures)
        for table, rows in settled.unusable.items():
            self.unusable.setdefault(table, []).append(rows)
        for table, n in settled.clipped.items():
            self.clipped[table] = self.clipped.get(table, 0) + n

    def unusable_counts(self) -> pl.DataFrame:
        """Return table, rule, n; spells cut at the end of coverage count as `…-CLIPPED`."""
        found = [
            pl.concat(rows)
            .group_by("rule")
            .agg(n=pl.len().cast(pl.UInt32))
            .select(pl.lit(table).alias("table"), "rule", "n")
            for table, rows in self.unusable.items()
        ]
        cut = pl.DataFrame(
            [(table, f"TABLE-{table.upper()}-CLIPPED", n) for table, n in self.clipped.items()],
            schema=UNUSABLE,
            orient="row",
        )
        return pl.concat([cut, *found]).sort("table", "rule")


def _sum_rows(frames: list[pl.DataFrame], name: str) -> pl.DataFrame:
    return (
        pl.concat([pl.DataFrame(schema=ROWS), *frames])
        .group_by("_file")
        .agg(pl.col("n").sum().alias(name))
    )


def _rules(layouts: Mapping[str, Layout], used: list[str]) -> pl.DataFrame:
    """Return the rules of the layouts: rule, layout, field, stage, severity, nl, en."""
    rows = [
        (rule.id, name, rule.field, rule.stage, rule.severity, rule.nl, rule.en)
        for name in used
        for rule in rules_of(layouts[name])
    ] + [
        (reconcile_rule(name, what), name, None, 2, "warning", words.nl, words.en)
        for name in used
        for what, words in sentences().items()
    ]
    return pl.DataFrame(
        rows,
        schema={
            "rule": pl.String, "layout": pl.String, "field": pl.String, "stage": pl.Int8,
            "severity": pl.String, "nl": pl.String, "en": pl.String,
        },
        orient="row",
    )  # fmt: skip
