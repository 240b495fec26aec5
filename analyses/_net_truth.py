"""The truth of the synthetic register, for the starts of a few years; a real register has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.registers import Register

#: Groupings of the truth, by the columns of the study.
GROUPS = {
    "instrument": "instrument_year", "duration_group": "months_on_benefit_year",
    "age_group": "age_year", "education": "education_year", "position": "position_year",
    "sex": "sex_year",
}  # fmt: skip
COLUMNS = {
    "by": pl.String, "level": pl.String, "month": pl.Int64, "truth": pl.Float64,
    "truth_gross": pl.Float64,
}  # fmt: skip


def read_truth(register: Register, years: Sequence[int]) -> pl.DataFrame | None:
    """Return the true effect on work by group, level and month since start; None where unknown.

    Columns: `by` (a column of the study, or ``all``), `level, month, truth, truth_gross`. Of first
    starts in `years`; against a life without any programme.
    """
    if register.path is None:
        return None
    file = register.path.parent / "truth" / "net_effect.parquet"
    if not file.is_file():
        return None
    rows = pl.read_parquet(file).filter(pl.col("outcome") == "in_work")
    wanted = {str(year) for year in years}
    parts = [
        _over_years(rows.filter(pl.col("group") == group), name, wanted)
        for name, group in ({"all": "year"} | GROUPS).items()
    ]
    found = pl.concat(parts)
    return None if found.is_empty() else found


def _over_years(rows: pl.DataFrame, name: str, years: set[str]) -> pl.DataFrame:
    """Return the mean over starts of the years: rows are of a level and a year each."""
    split = pl.col("level").str.split(" ")
    own = pl.lit("all") if name == "all" else split.list.get(0)
    weight = pl.col("n").cast(pl.Float64)
    return (
        rows.with_columns(level=own, year=split.list.last())
        .filter(pl.col("year").is_in(years))
        .group_by("level", "month", maintain_order=True)
        .agg(
            truth=(pl.col("effect") * weight).sum() / weight.sum(),
            truth_gross=(pl.col("mean_factual") * weight).sum() / weight.sum(),
        )
        .select(
            pl.lit(name).alias("by"), "level", pl.col("month").cast(pl.Int64), "truth",
            "truth_gross",
        )
    )  # fmt: skip
