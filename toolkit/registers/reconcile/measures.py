"""What the quality of a municipal delivery is judged by, per file."""

from __future__ import annotations

from datetime import date

import polars as pl

from toolkit.registers.reconcile.rows import ORDER

#: Columns of the measures: numbers of programmes (or provisions) in a file.
MEASURES = {
    "_file": pl.UInt32,
    "programmes": pl.UInt32,
    "started": pl.UInt32,
    "position_required": pl.UInt32,
    "position_usable": pl.UInt32,
    "compared": pl.UInt32,
    "agreed": pl.UInt32,
    "new": pl.UInt32,
}
#: The form asks for positions from the deliveries about 2009 on.
POSITIONS_SINCE = date(2009, 1, 1)
#: What a later delivery should say again, once it is known. An end may still come.
_LASTING = ("offer", "start", "target_group", "end", "end_reason")


def measure(records: pl.DataFrame, positions: list[str]) -> pl.DataFrame:
    """Count per file what was delivered and whether it agrees with the delivery before.

    Parameters
    ----------
    records : pl.DataFrame
        As `rows.take` gives them for a table via programmes or provisions, before any of them was
        set aside for a relation with another, with `_file`, `_order` and
        period_start.
    positions : list of str
        The columns of `records` (beginning with ``_position``) that hold positions.

    Returns
    -------
    pl.DataFrame
        `MEASURES`. A programme counts once a file:

        programmes
            Distinct programmes: person, municipality and offer (of provisions: number, or begin
            and kind).
        started
            Those with a begin date.
        position_required, position_usable
            Those that started, in deliveries about 2009 and later, and of them those with every
            position valid; both 0 where the layout has no positions.
        compared
            Those that an earlier delivery of the municipality held too, or one with the same
            begin.
        agreed
            Of these, those of the same offer in which nothing known then was changed or withdrawn.
        new
            The rest: `programmes = compared + new`.
    """
    if records.is_empty():
        return pl.DataFrame(schema=MEASURES)
    if "offer" in records.columns:
        same = ["person", "municipality", "offer"]
    elif "provision" in records.columns:
        same = ["person", "municipality", "provision"]
    else:
        same = ["person", "municipality", "start", "instrument"]
        same = [name for name in same if name in records.columns]
    lasting = [name for name in _LASTING if name in records.columns and name not in same]
    usable = pl.lit(value=bool(positions))
    for name in positions:
        usable &= pl.col(name).is_not_null()
    one = (
        records.lazy()
        .sort(*same, ORDER, *lasting, "_file", nulls_last=False)
        .group_by(*same, ORDER, "_file", maintain_order=True)
        .agg(pl.col(*lasting, "period_start").last(), _usable=usable.any())
        .collect()
    )
    before = _same_as_before(same)
    restated = pl.all_horizontal(
        pl.lit(value=True),
        *(
            pl.col(name).shift().is_null() | pl.col(name).eq_missing(pl.col(name).shift())
            for name in lasting
        ),
    )
    one = one.with_columns(_compared=before, _agreed=before & restated)
    started = pl.col("start").is_not_null() if "start" in one.columns else pl.lit(value=True)
    if "start" in lasting:  # another offer, the same begin: the same programme, changed
        begin = ["person", "municipality", "start"]
        one = one.sort(*begin, ORDER, "_file").with_columns(
            pl.col("_compared") | (_same_as_before(begin) & pl.col("start").is_not_null())
        )
    asked = pl.col("period_start") >= POSITIONS_SINCE
    required = started & bool(positions) & asked.fill_null(value=True)
    return (
        one.group_by("_file")
        .agg(
            programmes=pl.len(),
            started=started.sum(),
            position_required=required.sum(),
            position_usable=(required & pl.col("_usable")).sum(),
            compared=pl.col("_compared").sum(),
            agreed=pl.col("_agreed").sum(),
            new=(~pl.col("_compared")).sum(),
        )
        .cast(MEASURES)  # type: ignore[arg-type]
        .sort("_file")
    )


def _same_as_before(names: list[str]) -> pl.Expr:
    """Tell whether the row before is of the same group, and of an earlier delivery."""
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in names)
    return (same & (pl.col(ORDER) > pl.col(ORDER).shift())).fill_null(value=False)
