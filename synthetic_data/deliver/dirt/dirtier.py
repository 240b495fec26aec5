"""Puts errors into the sheets of a delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from synthetic_data.deliver.sheet import Sheet

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from synthetic_data.deliver.dirt.shares import Dirt
    from synthetic_data.deliver.ledger import Ledger
    from synthetic_data.deliver.periods import Period


class Dirtier:
    def __init__(self, dirt: Dirt, seed: int, ledger: Ledger, persons, municipalities) -> None:
        self.seed = seed

    def settings(self) -> str:
        return ""

    def plan_programmes(self, programmes: pl.DataFrame) -> None:
        pass

    def book(self, sheet: Sheet, typed: pl.DataFrame, period: Period) -> Sheet:
        return sheet

    def half_year(self, sheet: Sheet, typed: pl.DataFrame, period: Period, raw: Path) -> Sheet:
        return sheet

    def receipts(self, sheet: Sheet, period: Period) -> dict[str, date]:
        from synthetic_data.deliver.reference import on_time

        return {
            sheet.files[i]: on_time(period.end, 0.5)
            for i in sheet.frame["_file"].unique(maintain_order=True)
        }
