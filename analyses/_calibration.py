"""The synthetic register against its targets, as a chapter at the end of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from analyses._study import Study

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.reporting.document import Chapter
    from toolkit.reporting.language import Language
    from toolkit.reporting.tables import Format

NAME = "calibration"


def main(table: Path, out: Path, *, language: Language = "nl", chapter_number: int = 5) -> Chapter:
    """Write the chapter from the table that every simulation makes."""
    study = Study(NAME, out / NAME, language, chapter_number=chapter_number)
    moments = pl.read_parquet(table)
    held = moments.filter(pl.col("within").is_not_null())
    rows = held.select(
        moment=pl.col("moment").map_elements(
            lambda key: study.word(f"moment_{key}", key), return_dtype=pl.String
        ),
        target="target", simulated="simulated", allowed="allowed", n="n", source="source",
    )  # fmt: skip
    shares: dict[str, Format] = dict.fromkeys(("target", "simulated", "allowed"), "percent1")
    study.paragraph(study.text("text"))
    study.table("calibration", rows, title=study.text("table"), formats=shares)
    inside = int(held["within"].sum())
    return study.finish(
        title=study.text("title"),
        lead=study.text("lead", inside=study.count(inside), all=study.count(held.height)),
    )
