"""Who delivers when: missing and late municipalities, small ones more often; mergers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data.deliver.keys import chance

if TYPE_CHECKING:
    from synthetic_data.deliver.dirt.shares import Dirt

#: How much more often than the mean a municipality of a size fails: not at random.
FAILS = {"small": 1.10, "middle": 0.60, "large": 0.30, "g4": 0.15}
#: Days on which municipalities merge.
MERGER_DAYS = (date(2007, 1, 1), date(2009, 1, 1))
_MISSING, _LATE, _DELIMITED, _MERGED, _RECEIPT, _DELAY = range(101, 107)


@dataclass(frozen=True)
class Deliverers:
    """What goes wrong with whole files.

    Attributes
    ----------
    table : pl.DataFrame
        `municipality`, `fails` (factor by size), `delimited`, one row each, sorted.
    mergers : pl.DataFrame
        `old`, `new`, `date`.
    missing, late : float
        Mean shares of municipality and half-year.
    key : int
        Of the draws.
    """

    table: pl.DataFrame
    mergers: pl.DataFrame
    missing: float
    late: float
    key: int

    def _draw(self, stream: int, number: int) -> np.ndarray:
        codes = self.table["municipality"].str.slice(2).cast(pl.Int64).to_numpy()
        return chance(codes * 10_000 + number, self.key * 1_000 + stream)

    def is_missing(self, number: int) -> pl.Series:
        """Tell which municipalities do not deliver in a half-year (by its number)."""
        chances = self.table["fails"].to_numpy() * self.missing
        return pl.Series(self._draw(_MISSING, number) < chances)

    def days_after(self, number: int) -> pl.Series:
        """Return days from the end of the half-year to the receipt: up to 28 on time."""
        late = self._draw(_LATE, number) < self.table["fails"].to_numpy() * self.late
        u = self._draw(_DELAY, number)
        on_time = 3 + (self._draw(_RECEIPT, number) * 25).astype(np.int64)
        # most come within weeks, a few after half a year
        delay = 29 + (150 * u**3).astype(np.int64)
        return pl.Series(np.where(late, delay, on_time))

    def steady(self, numbers: range) -> list[str]:
        """Return who delivers in every half-year under the same code."""
        never = pl.Series(np.zeros(self.table.height, dtype=bool))
        for number in numbers:
            never |= self.is_missing(number)
        merged = [*self.mergers["old"], *self.mergers["new"]]
        keep = self.table.filter(~never & ~pl.col("municipality").is_in(merged))
        return keep["municipality"].to_list()


def draw_deliverers(municipalities: pl.DataFrame, dirt: Dirt, *, seed: int) -> Deliverers:
    """Draw who fails to deliver, who merges, and who sends what its own system exports."""
    size = pl.col("size_class").cast(pl.String)
    table = municipalities.sort("municipality").select(
        "municipality",
        "region",
        "size_class",
        fails=size.replace_strict(FAILS, return_dtype=pl.Float64),
    )
    codes = table["municipality"].str.slice(2).cast(pl.Int64).to_numpy()
    draw = {
        stream: pl.Series(chance(codes, seed * 1_000 + stream)) for stream in (_DELIMITED, _MERGED)
    }
    table = table.with_columns(delimited=draw[_DELIMITED] < dirt.delimited)
    struck = table.filter((draw[_MERGED] < dirt.merged) & (size == "small"))
    return Deliverers(
        table.select("municipality", "fails", "delimited"),
        _mergers(table, struck),
        dirt.missing,
        dirt.late,
        seed,
    )


def _mergers(table: pl.DataFrame, struck: pl.DataFrame) -> pl.DataFrame:
    """Let each struck municipality go up in the next of its region that stays."""
    stays = table.filter(~pl.col("municipality").is_in(struck["municipality"].implode()))
    rows = []
    for turn, (old, region) in enumerate(struck.select("municipality", "region").iter_rows()):
        near = stays.filter(pl.col("region") == region)["municipality"].to_list()
        if near:
            new = next((code for code in near if code > old), near[0])
            rows.append((old, new, MERGER_DAYS[turn % len(MERGER_DAYS)]))
    schema = {"old": pl.String, "new": pl.String, "date": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")
