"""Hold the ledger of a dirty delivery against what intake found: what was missed, what wronged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from synthetic_data.deliver.ledger import LEDGER
from toolkit.errors import CallError
from toolkit.registers import facts
from toolkit.registers.intake.closed import closed_folder

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.registers import Register

_RECORD = ["file", "row"]


@dataclass(frozen=True)
class Audit:
    """What became of the injected errors.

    Attributes
    ----------
    kinds : pl.DataFrame
        `kind, outcome, injected, found`.
    missed : pl.DataFrame
        Rows of the ledger that were not found; of warnings and revisions, which are counted by
        file and not by record, one row a file.
    false_alarms : pl.DataFrame
        `file, row, rules` of records that were rejected or set aside and should not be.
    """

    kinds: pl.DataFrame
    missed: pl.DataFrame
    false_alarms: pl.DataFrame

    @property
    def perfect(self) -> bool:
        """Whether everything was found, and nothing else."""
        return self.missed.is_empty() and self.false_alarms.is_empty()


def audit(ledger: pl.DataFrame, register: Register) -> Audit:
    """Hold a ledger against the register that was made from the delivery.

    Parameters
    ----------
    ledger : pl.DataFrame
        Of `deliver`.
    register : Register
        What `registers.ingest` made of it, opened.

    Raises
    ------
    CallError
        When the register is not on disk.
    """
    if register.path is None:
        raise CallError("A register in memory has no record of its intake", fix="ingest it")
    files = facts(register, "files").select(
        "name", "received", number=pl.col("file").cast(pl.UInt32)
    )
    rejected = _rejected(closed_folder(register.path) / "rejected")
    parts = {
        "record": _records(ledger, rejected),
        "counted": _counted(ledger, register, files),
        "files": _files(ledger, files),
    }
    judged = pl.concat(parts.values(), how="diagonal")
    kinds = (
        judged.group_by("kind", "outcome")
        .agg(injected=pl.col("n").sum(), found=pl.col("found").sum())
        .sort("kind", "outcome")
    )
    missed = judged.filter(pl.col("found") < pl.col("n")).select(
        name for name in (*LEDGER, "n", "found") if name in judged.columns
    )
    meant = ledger.filter(pl.col("outcome").is_in(["rejected", "set_aside"])).select(_RECORD)
    return Audit(kinds, missed, rejected.join(meant, on=_RECORD, how="anti"))


def _rejected(folder: Path) -> pl.DataFrame:
    """Read which records were not accepted, and the rules they broke."""
    found = [pl.DataFrame(schema={"file": pl.String, "row": pl.UInt32, "rules": pl.String})]
    for path in sorted(folder.rglob("*.*")):
        if not path.is_file() or "_tables" in path.parts:
            continue
        frame = (
            pl.read_csv(path, separator=";", infer_schema=False)
            if path.suffix == ".csv"
            else pl.read_parquet(path)
        )
        found.append(frame.select("file", pl.col("row").cast(pl.UInt32), "rules"))
    return pl.concat(found)


def _records(ledger: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    """Judge errors that reject a record, and oddities that should not."""
    away = pl.col("outcome").is_in(["rejected", "set_aside"])
    mine = ledger.filter(away | (pl.col("outcome") == "absorbed")).join(
        rejected, on=_RECORD, how="left", maintain_order="left"
    )
    named = pl.col("rules").str.split(" ").list.contains(pl.col("expected"))
    found = pl.when(away).then(named.fill_null(value=False)).otherwise(pl.col("rules").is_null())
    return mine.with_columns(n=pl.lit(1), found=found.cast(pl.Int32)).drop("rules")


def _counted(ledger: pl.DataFrame, register: Register, files: pl.DataFrame) -> pl.DataFrame:
    """Judge warnings and revisions: as many in the file as were put there."""
    numbered = files.select("number", file="name")
    rules = facts(register, "rules").select(
        "n", number=pl.col("file").cast(pl.UInt32), expected="rule"
    )
    warned = _by_file(ledger, "warning", "expected").join(
        rules.join(numbered, on="number").drop("number"), on=["file", "expected"], how="left"
    )
    revised = (
        facts(register, "revisions")
        .group_by(number=pl.col("file_old").cast(pl.UInt32), field="field")
        .agg(n=pl.len())
        .join(numbered, on="number")
        .drop("number")
    )
    changed = _by_file(ledger, "revision", "field").join(revised, on=["file", "field"], how="left")
    return pl.concat([warned, changed], how="diagonal").with_columns(
        found=pl.min_horizontal(pl.col("n").fill_null(0), pl.col("injected")).cast(pl.Int32),
        n=pl.col("injected").cast(pl.Int32),
    ).drop("injected")  # fmt: skip


def _by_file(ledger: pl.DataFrame, outcome: str, what: str) -> pl.DataFrame:
    mine = ledger.filter(pl.col("outcome") == outcome)
    return mine.group_by("kind", "outcome", "file", what).agg(injected=pl.len())


def _files(ledger: pl.DataFrame, files: pl.DataFrame) -> pl.DataFrame:
    """Judge files: missing ones are not there, late ones have their day."""
    mine = ledger.filter(pl.col("outcome").is_in(["missing", "late"])).join(
        files.with_columns(there=pl.lit(value=True)), left_on="file", right_on="name", how="left"
    )
    late = pl.col("received").dt.strftime("%Y%m%d") == pl.col("became")
    found = pl.when(pl.col("outcome") == "missing").then(pl.col("there").is_null()).otherwise(late)
    return mine.with_columns(
        n=pl.lit(1), found=found.fill_null(value=False).cast(pl.Int32)
    ).drop("received", "number", "there")  # fmt: skip
