"""What passes from hand to hand during intake: files, checked records, what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import polars as pl

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from toolkit.registers.layout import Format

#: What a delivered value says. `valid` has a value; in the other states the value is null.
STATUS = ("valid", "open", "not_applicable", "unknown", "invalid")
Status = Literal["valid", "open", "not_applicable", "unknown", "invalid"]

#: Record of a file: number of the file in the delivery, number of the record in it (from 1,
#: without the header), and which of the persons in the record.
RECORD = {"_file": pl.UInt32, "_row": pl.UInt32, "_part": pl.UInt8}
#: Records that break a rule, by name: one row a record and rule.
BROKEN = {"_file": pl.UInt32, "_row": pl.UInt32, "rule": pl.String}
#: How often each rule was broken in each file, warnings included.
COUNTS = {"_file": pl.UInt32, "rule": pl.String, "n": pl.UInt32}
#: What a later delivery changed: never a key, only the surrogate.
REVISIONS = {
    "person": pl.Int64, "layout": pl.String, "field": pl.String, "old": pl.String,
    "new": pl.String, "file_old": pl.UInt32, "file_new": pl.UInt32, "kept": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class DeliveredFile:
    """A file of a delivery, and what its name says.

    Attributes
    ----------
    path : Path
        Where it is.
    name : str
        Path from the delivery's folder, with `/`; of a member of a zip: `name.zip!member`.
    layout : str
        Name of its layout.
    format : str
        The form it is in, after unpacking.
    period_start, period_end : date or None
        The period `[start, end)` it is about; None for a file with the whole history.
    municipality : str or None
        Who delivered it (`gm0000`), where the name says so.
    version : int
        The `V` number; 1 without one.
    received : date or None
        When it came in, where that was recorded.
    member : str or None
        The file inside a zip.
    """

    path: Path
    name: str
    layout: str
    format: Format
    period_start: date | None = None
    period_end: date | None = None
    municipality: str | None = None
    version: int = 1
    received: date | None = None
    member: str | None = None


@dataclass(frozen=True)
class Checked:
    """Records of a batch after the checks within a record.

    Attributes
    ----------
    accepted : pl.DataFrame
        Decoded fields of the records that stay.
    broken : pl.DataFrame
        `BROKEN`: the records that do not, with each rule they break (severity error, set_aside).
    counts : pl.DataFrame
        `COUNTS`: every rule broken, warnings too.
    """

    accepted: pl.DataFrame
    broken: pl.DataFrame
    counts: pl.DataFrame


@dataclass(frozen=True)
class Assembled:
    """Canonical rows of a group of persons, after the checks between their records.

    Attributes
    ----------
    tables : dict of str to pl.DataFrame
        Canonical person tables.
    broken, counts : pl.DataFrame
        `BROKEN`, `COUNTS` of the rules between records.
    revisions : pl.DataFrame
        `REVISIONS`.
    measures : pl.DataFrame
        Per file: what the quality of a delivery is judged by.
    """

    tables: dict[str, pl.DataFrame]
    broken: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BROKEN))
    counts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=COUNTS))
    revisions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REVISIONS))
    measures: pl.DataFrame = field(default_factory=pl.DataFrame)
