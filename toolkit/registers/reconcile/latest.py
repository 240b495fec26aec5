"""One thing delivered several times: the latest delivery wins, and what it changed is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.delivery import REVISIONS
from toolkit.registers.reconcile.rows import FACTS, ORDER, roots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.registers.layout import TableSpec


def latest(rows: pl.DataFrame, *, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep of rows with the same key the one of the latest delivery.

    Parameters
    ----------
    rows : pl.DataFrame
        Rows with `_file` and `_order`.
    key : sequence of str
        What makes rows be about the same thing. Missing values are equal.

    Returns
    -------
    rows : pl.DataFrame
        One row a key.
    changes : pl.DataFrame
        person, field, old, new, file_old, file_new: what a later delivery changed. A value that
        becomes known is no change; one that is withdrawn is.

    Notes
    -----
    Rows of one key and period (two files about the same half-year) are ordered by what they hold,
    so that the order of files and of rows does not matter.

    Examples
    --------
    >>> rows = pl.DataFrame({
    ...     "person": [1, 1], "start": [5, 5], "end": [8, 9], "_file": [0, 1], "_order": [0, 1],
    ... })
    >>> kept, changes = latest(rows, key=["person", "start"])
    >>> kept["end"].to_list(), changes.select("field", "old", "new").row(0)
    ([9], ('end', '8', '9'))
    """
    keys = list(key)
    names = [name for name in rows.columns if name not in {*keys, *FACTS}]
    several = rows.select(keys).is_duplicated()
    if not several.any():
        return rows, no_changes()
    content = [name for name in names if not name.startswith("_")]
    rest = rows.filter(several).sort(*keys, ORDER)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in keys)
    same = same & (pl.int_range(pl.len()) > 0)
    tied = rest.select((same & (pl.col(ORDER) == pl.col(ORDER).shift())).any()).item()
    if tied:
        rest = rest.sort(*keys, ORDER, *content)
    rest = rest.with_columns(_same=same)
    last = pl.col("_same").shift(-1, fill_value=False).not_()
    kept = pl.concat([rows.filter(~several), rest.filter(last).drop("_same")])
    return kept, changes(rest, content)


def changes(rest: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return what changed between rows and the ones before them, where `_same` says they belong."""
    found = [no_changes()]
    for name in names:
        before = pl.col(name).shift()
        other = pl.col("_same") & before.is_not_null() & pl.col(name).ne_missing(before)
        found.append(
            rest.lazy()
            .select(
                "person",
                field=pl.lit(name),
                old=before,
                new=pl.col(name),
                file_old=pl.col("_file").cast(pl.UInt32).shift(),
                file_new=pl.col("_file").cast(pl.UInt32),
                _other=other,
            )
            .filter("_other")
            .drop("_other")
            .with_columns(pl.col("old", "new").cast(pl.String))
            .collect()
        )
    return pl.concat(found)


def no_changes() -> pl.DataFrame:
    """Return an empty frame of changes."""
    names = ("person", "field", "old", "new", "file_old", "file_new")
    return pl.DataFrame(schema={name: REVISIONS[name] for name in names})


def as_revisions(changes: pl.DataFrame, layout: str, table: TableSpec) -> pl.DataFrame:
    """Name changes by the delivered field a column comes from, where it comes from one."""
    fields: Mapping[str, str] = {
        column: next(iter(used))
        for column, sql in table.columns.items()
        if len(used := roots(sql)) == 1
    }
    return changes.select(
        "person",
        layout=pl.lit(layout),
        field=pl.col("field").replace(dict(fields)),
        old="old",
        new="new",
        file_old="file_old",
        file_new="file_new",
        kept=pl.lit("new"),
    )
