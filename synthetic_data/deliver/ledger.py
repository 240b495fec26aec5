"""The ledger: every injected error, where it stands, and what should find it. Never a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

#: What intake should do with a dirty record or file. `rejected` and `set_aside`: the record, under
#: the rule of `expected`. `warning`: the record stays, the rule is counted. `revision`: an earlier
#: delivery said otherwise; the later one holds. `absorbed`: it is odd but says the same, so that
#: nothing changes. `missing`, `late`: of a file.
OUTCOMES = ("rejected", "set_aside", "warning", "revision", "absorbed", "missing", "late")
LEDGER: dict[str, Any] = {
    "kind": pl.String,
    "file": pl.String,  # path below raw/
    "row": pl.UInt32,  # record of the file, from 1, header not counted; null: the whole file
    "field": pl.String,
    "expected": pl.String,  # id of a rule; null where the outcome is no rule's
    "outcome": pl.Enum(OUTCOMES),
    "was": pl.String,
    "became": pl.String,
}


@dataclass
class Ledger:
    """Collects what was injected, sheet by sheet."""

    parts: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows; columns that are not given are null."""
        if rows.height:
            self.parts.append(
                rows.select(
                    (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
                    for name, dtype in LEDGER.items()
                )
            )

    def table(self) -> pl.DataFrame:
        """Return everything, sorted by file and row."""
        if not self.parts:
            return pl.DataFrame(schema=LEDGER)
        return pl.concat(self.parts).sort("file", "row", "kind", "field", nulls_last=False)
