"""Why a residence ended, where the delivery does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.schema import dtypes

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_end_reason(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return residences in which every end has a reason.

    A delivered reason stays (an emigration file adds `emigrated` on the day it starts). Else:
    `died` where the residence ends on the day of death, `moved` otherwise. A residence that still
    runs has none.

    Examples
    --------
    >>> from datetime import date
    >>> residences = pl.DataFrame({
    ...     "person": [1, 2], "start": date(2000, 1, 1), "end": [date(2005, 3, 2)] * 2})
    >>> persons = pl.DataFrame({"person": [1, 2], "death_date": [date(2005, 3, 2), None]})
    >>> with_end_reason({"residences": residences, "persons": persons})["end_reason"].to_list()
    ['died', 'moved']
    """
    rows = tables["residences"]
    dtype = dtypes("residences")["end_reason"]
    if "end_reason" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=dtype).alias("end_reason"))
    persons = tables.get("persons")
    if persons is None or "death_date" not in persons.columns:
        death = pl.lit(None, dtype=pl.Date)
    else:
        deaths = persons.filter(pl.col("death_date").is_not_null()).select(
            "person", _death="death_date"
        )
        rows = rows.join(deaths, on="person", how="left", maintain_order="left")
        death = pl.col("_death")
    reason = (
        pl.when(pl.col("end").is_null())
        .then(None)
        .when((pl.col("end") == death).fill_null(value=False))
        .then(pl.lit("died", dtype=dtype))
        .otherwise(pl.coalesce("end_reason", pl.lit("moved", dtype=dtype)))
    )
    delivered = pl.col("end_reason").is_not_null() & (pl.col("end_reason") != "emigrated")
    reason = pl.when(delivered).then("end_reason").otherwise(reason)
    return rows.with_columns(end_reason=reason).drop("_death", strict=False)
