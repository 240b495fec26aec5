"""The books of an intake: every record went one way or the other, and every rule is counted."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CheckError
from toolkit.provenance import hash_file
from toolkit.registers.delivery import BROKEN, COUNTS, REVISIONS
from toolkit.registers.intake.settle import UNUSABLE
from toolkit.registers.intake.staging import ROWS
from toolkit.registers.readers import extract, labels
from toolkit.registers.reconcile.sentences import rule_id as reconcile_rule
from toolkit.registers.reconcile.sentences import sentences
from toolkit.registers.rules import rules_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.provenance import Manifest
    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.intake.closed import RejectedWriter
    from toolkit.registers.intake.settle import Settled
    from toolkit.registers.intake.staging import Staged
    from toolkit.registers.layout import Layout

#: What became of records.
_FATE = ("rows", "accepted", "rejected", "set_aside")
_FILE = {
    "name": pl.String, "layout": pl.String, "format": pl.String, "municipality": pl.String,
    "period_start": pl.Date, "period_end": pl.Date, "version": pl.Int64, "received": pl.Date,
}  # fmt: skip


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
        """Return table, rule, n, severity, nl, en; spells cut at the end of coverage too."""
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
        counted = pl.concat([cut, *found]).sort("table", "rule")
        said = [_said(table, rule) for table, rule, _ in counted.iter_rows()]
        words = pl.DataFrame(said, schema=dict.fromkeys(("severity", "nl", "en"), pl.String))
        return counted.hstack(words)


@cache
def _sentences() -> dict[str, dict[str, str]]:
    file = Path(__file__).with_name("sentences.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _said(table: str, rule: str) -> dict[str, str]:
    """Return severity and sentences of a rule of a canonical table."""
    words = _sentences()[rule.rpartition("-")[2].lower()]
    return {name: text.format(table=table) for name, text in words.items()}


def balance(
    files: Sequence[DeliveredFile],
    layouts: Mapping[str, Layout],
    staged: Sequence[Staged],
    outcome: Outcome,
    rejected: RejectedWriter,
    manifest: Manifest,
    *,
    superseded: Sequence[DeliveredFile] = (),
    work: Path | None = None,
) -> dict[str, pl.DataFrame]:
    """Write what was rejected, prove that nothing is lost, and return the facts to keep.

    Three counts are made apart: records read, records that reached the register (read back from
    where they were staged, less those refused later), and records written to `rejected/`.

    Parameters
    ----------
    files, layouts
        The delivery; a file's number is its place.
    staged, outcome
        What the two halves of intake found.
    rejected : RejectedWriter
        Takes the rejected records.
    manifest : Manifest
        Gets the hash of every file, and the sums.
    superseded : sequence of DeliveredFile
        Older versions that were not read; they stand in `files` with `superseded` true.
    work : Path, optional
        Folder for copies while they are read.

    Raises
    ------
    CheckError
        When the counts of a file do not add up: a fault of the toolkit.
    """
    rules = _rules(layouts, [part.layout for part in staged])
    broken = pl.concat([*(part.broken for part in staged), *outcome.broken]).unique()
    judged = broken.join(rules.select("rule", "severity").unique("rule"), on="rule", how="left")
    per_record = judged.group_by("_file", "_row").agg(
        rules=pl.col("rule").unique().sort().str.join(" "),
        error=(pl.col("severity") != "set_aside").fill_null(value=True).any(),
    )
    written = _reject(files, layouts, staged, per_record, rejected, work)
    table = _fates(files, staged, outcome, per_record, written)
    manifest.inputs = {file.name: hash_file(file.path) for file in files}
    for step in _FATE:
        manifest.count(f"records {step}", int(table[step].sum()))
    counts = pl.concat([*(part.counts for part in staged), *outcome.counts])
    hashes = pl.Series("sha256", list(manifest.inputs.values()), dtype=pl.String)
    older = _describe(superseded, first=len(files)).with_columns(superseded=pl.lit(value=True))
    return {
        "files": pl.concat(
            [table.with_columns(hashes, superseded=pl.lit(value=False)), older],
            how="diagonal_relaxed",
        ).select(
            pl.col("_file").alias("file"), *_FILE,
            *(pl.col(name).cast(pl.Int64).fill_null(0) for name in _FATE),
            "superseded", "encoding", "extra", "sha256",
        ),
        "rules": counts.group_by("_file", "rule")
        .agg(pl.col("n").sum())
        .join(table.select("_file", "layout"), on="_file")
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
        "labels": _labels(files, layouts, work),
    }  # fmt: skip


def _fates(
    files: Sequence[DeliveredFile],
    staged: Sequence[Staged],
    outcome: Outcome,
    per_record: pl.DataFrame,
    written: pl.DataFrame,
) -> pl.DataFrame:
    """Return one row a file: what came in and what became of it."""
    later = pl.concat([pl.DataFrame(schema=BROKEN), *outcome.broken]).unique(["_file", "_row"])
    counted = ("rows", "staged", "late", "rejected", "set_aside", "written")
    table = (
        _describe(files)
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
        .with_columns(pl.col(counted).cast(pl.Int64).fill_null(0))
        .with_columns(accepted=pl.col("staged") - pl.col("late"))
    )  # fmt: skip
    off = table.filter(
        (pl.col("accepted") + pl.col("written") != pl.col("rows"))
        | (pl.col("rejected") + pl.col("set_aside") != pl.col("written"))
    )
    if off.height:
        raise CheckError(
            f"Of {off.height:,} files accepted and rejected records do not add up",
            where=", ".join(off["name"].head(3)),
            fix="this is a fault of the toolkit: please report it with the layout's name",
        )
    return table


def _reject(
    files: Sequence[DeliveredFile],
    layouts: Mapping[str, Layout],
    staged: Sequence[Staged],
    per_record: pl.DataFrame,
    rejected: RejectedWriter,
    work: Path | None,
) -> pl.DataFrame:
    """Read the rejected records again and write them unchanged; return how many a file."""
    counts: list[tuple[int, int]] = []
    by_file = per_record.select("_file", "_row", "rules").partition_by("_file", as_dict=True)
    for part in staged:
        numbers = [
            i for i, file in enumerate(files) if file.layout == part.layout and (i,) in by_file
        ]
        if not numbers:
            continue
        number_of = {files[i].name: i for i in numbers}
        found = extract(
            [files[i] for i in numbers],
            layouts[part.layout],
            pl.concat([by_file[i,] for i in numbers]).select("_file", "_row"),
            numbers=numbers,
            work=work,
        )
        for file, records in found:
            number = number_of[file.name]
            why = by_file[number,].select("_row", "rules")
            counts.append((number, rejected.write(file, records, why)))
    return (
        pl.DataFrame(counts, schema={"_file": pl.UInt32, "written": pl.UInt32}, orient="row")
        .group_by("_file")
        .agg(pl.col("written").sum())
    )


def _describe(files: Sequence[DeliveredFile], first: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "_file": range(first, first + len(files)),
            **{name: [getattr(file, name) for file in files] for name in _FILE},
        },
        schema={"_file": pl.UInt32, **_FILE},
    )


def _labels(
    files: Sequence[DeliveredFile], layouts: Mapping[str, Layout], work: Path | None
) -> pl.DataFrame:
    """Return the value labels that SPSS and Stata files carry, of the last file of each layout.

    Only of fields that hold codes or numbers: a label on any other column could name a person.
    """
    kept = {
        (layout.name, name.lower())
        for layout in layouts.values()
        for field in layout.fields
        if field.type in {"code", "integer"}
        for name in (field.name, *field.aliases)
    }
    last = {file.layout: file for file in sorted(files, key=lambda file: file.name)}
    rows = [
        (layout, column, code, label)
        for layout, file in last.items()
        for column, said in labels(file, work=work).items()
        if (layout, column.lower()) in kept
        for code, label in said.items()
    ]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("layout", "column", "code", "label"), pl.String), orient="row"
    )


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
