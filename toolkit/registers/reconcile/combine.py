"""Several sources for one table: base rows, what others add to them, and who comes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.delivery import COUNTS
from toolkit.registers.reconcile.packing import repeats
from toolkit.registers.reconcile.rows import FACTS
from toolkit.registers.reconcile.sentences import rule_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Source:
    """Rows of one layout for one table.

    Attributes
    ----------
    layout : str
        Where they come from.
    priority : int
        The lower number wins.
    rows : pl.DataFrame
        Canonical columns (some may lack), and the facts of the record.
    key : tuple of str
        Which columns say that two rows are about the same thing.
    """

    layout: str
    priority: int
    rows: pl.DataFrame
    key: tuple[str, ...]


def stack(
    bases: Sequence[Source],
    *,
    key: Sequence[str],
    identify: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put base rows under each other; rows of several layouts with the same key become one.

    Parameters
    ----------
    bases : sequence of Source
        In any order.
    key : sequence of str
        The natural key of the table.
    identify : callable, optional
        Adds the columns of the key to the rows of all bases.

    Returns
    -------
    rows : pl.DataFrame
        With `_priority`. Each column of a row that several layouts have is the first known one.
    counts : pl.DataFrame
        `COUNTS`: rows in which layouts contradict each other.
    """
    ordered = sorted(bases, key=lambda source: (source.priority, source.layout))
    frames = [
        source.rows.with_columns(
            _priority=pl.lit(source.priority, dtype=pl.Int32), _source=pl.lit(at, dtype=pl.Int32)
        )
        for at, source in enumerate(ordered)
    ]
    rows = pl.concat(frames, how="diagonal_relaxed") if len(frames) > 1 else frames[0]
    if len(frames) == 1:
        return rows.drop("_source"), pl.DataFrame(schema=COUNTS)
    if identify is not None:
        rows = identify(rows)
    several = repeats(rows, key)
    if several.any():
        several = rows.select(pl.col("_source").n_unique().over(*key) > 1).to_series()
    if not several.any():
        return rows.drop("_source"), pl.DataFrame(schema=COUNTS)
    names = [
        name for name in rows.columns
        if name not in {*key, *FACTS} and not name.startswith("_")
    ]  # fmt: skip
    one = (
        rows.filter(several)
        .sort("_source", maintain_order=True)
        .group_by(key, maintain_order=True)
        .agg(
            pl.col(names).drop_nulls().first(),
            pl.exclude(*names, *key).first(),
            _differs=pl.any_horizontal(
                pl.lit(value=False), *(pl.col(name).drop_nulls().n_unique() > 1 for name in names)
            ),
        )
    )
    counts = (
        one.filter("_differs")
        .group_by("_source", pl.col("_file"))
        .agg(n=pl.len().cast(pl.UInt32))
        .select(
            "_file",
            pl.col("_source")
            .replace_strict(
                {at: rule_id(source.layout, "DIFFERS") for at, source in enumerate(ordered)},
                return_dtype=pl.String,
            )
            .alias("rule"),
            "n",
        )
    )
    whole = pl.concat([rows.filter(~several), one.select(rows.columns)])
    return whole.drop("_source"), counts.cast(COUNTS)  # type: ignore[arg-type]


def add(rows: pl.DataFrame, adds: Sequence[Source]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fill columns of base rows from sources that only add.

    A value known on both sides comes from the lower priority number; on equal numbers the base
    comes first, then the layout's name.

    Parameters
    ----------
    rows : pl.DataFrame
        Base rows with `_priority`.
    adds : sequence of Source
        One row a key; rows with a missing value in their key match nothing.

    Returns
    -------
    rows : pl.DataFrame
        As they were, filled.
    counts : pl.DataFrame
        `COUNTS`: records that match no base row, and values that contradict it.
    """
    counts = [pl.DataFrame(schema=COUNTS)]
    ordered = sorted(adds, key=lambda source: (source.priority, source.layout))
    matched = []
    for source in ordered:
        names = [
            name for name in source.rows.columns
            if name not in {*source.key, *FACTS} and not name.startswith("_")
        ]  # fmt: skip
        rows = rows.with_columns(
            pl.lit(None, dtype=source.rows.schema[name]).alias(name)
            for name in (*names, *source.key)
            if name not in rows.columns
        )
        key = list(source.key)
        lonely = source.rows.join(rows, on=key, how="anti")
        counts.append(_count(lonely, source.layout, "UNMATCHED"))
        new = source.rows.select(
            *key, pl.col("_file").alias("_file_new"), pl.col(names).name.prefix("_new_")
        )
        if not names or lonely.height == source.rows.height:
            continue
        joined = rows.select(*key, *names).join(new, on=key, how="left", maintain_order="left")
        differs = pl.any_horizontal(
            (pl.col(f"_new_{name}") != pl.col(name)).fill_null(value=False) for name in names
        )
        wrong = joined.filter(differs).select(_file=pl.col("_file_new"))
        counts.append(_count(wrong, source.layout, "DIFFERS"))
        matched.append((source.priority, names, joined.select(f"_new_{name}" for name in names)))
    # what is missing is filled by the first that knows it …
    for priority, names, values in matched:
        rows = rows.with_columns(
            pl.when(pl.col("_priority") <= priority)
            .then(pl.coalesce(pl.col(name), values[f"_new_{name}"]))
            .otherwise(pl.col(name))
            .alias(name)
            for name in names
        )
    # … and what comes before the base is laid over it, the first last
    for priority, names, values in reversed(matched):
        rows = rows.with_columns(
            pl.when(pl.col("_priority") > priority)
            .then(pl.coalesce(values[f"_new_{name}"], pl.col(name)))
            .otherwise(pl.col(name))
            .alias(name)
            for name in names
        )
    return rows, pl.concat(counts)


def _count(rows: pl.DataFrame, layout: str, what: str) -> pl.DataFrame:
    return (
        rows.group_by("_file")
        .agg(n=pl.len())
        .select("_file", rule=pl.lit(rule_id(layout, what)), n="n")
        .cast(COUNTS)  # type: ignore[arg-type]
    )
