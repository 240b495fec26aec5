"""One thing delivered several times: the latest delivery wins, and what it changed is logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from toolkit.registers.delivery import REVISIONS
from toolkit.registers.reconcile.packing import arrange
from toolkit.registers.reconcile.rows import FACTS, ORDER, delivery_order, roots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.registers.layout import TableSpec


#: The first day on which something no longer holds, from the last on which it does.
_DAY_AFTER = re.compile(r"\w+ *\+ *INTERVAL *'1 *d(ay)?'", re.IGNORECASE)


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
    content = [name for name in names if not name.startswith("_")]
    at, same, tied = arrange(rows, keys, [ORDER])
    if not same.any():
        return rows, no_changes()
    if tied.any():
        rest = rows.sort(*keys, ORDER, *content)
        rest = rest.with_columns(_same=same)
        last = pl.col("_same").shift(-1, fill_value=False).not_()
        return rest.filter(last).drop("_same"), changes(rest, content)
    last_at = at.filter(~same.shift(-1, fill_value=False))
    several = same | same.shift(-1, fill_value=False)
    rest = rows[at.filter(several)].with_columns(_same=same.filter(several))
    return rows[last_at], changes(rest, content)


def without_repeats(staged: pl.DataFrame, table: TableSpec, key: Sequence[str]) -> pl.DataFrame:
    """Leave out records that a later delivery repeats as they are.

    A yearly file holds a spell in every year it touches; only what changed need be decoded. Applies
    where the columns of the key are fields as delivered; the result of `latest` is the same.

    Parameters
    ----------
    staged : pl.DataFrame
        Records.
    table : TableSpec
        What they fill, via rows.
    key : sequence of str
        The key of the rows.
    """
    fields = []
    for name in key:
        sql = table.columns.get(name, name)
        used = roots(sql)
        if not used:
            continue  # the same in all records
        if used != {sql.strip()}:
            return staged
        fields.append(sql.strip())
    read = roots(table.where).union(*(roots(sql) for sql in table.columns.values()))
    if not set(fields) <= set(staged.columns) or read & {"period_start", "period_end"}:
        return staged
    ordered = staged.select(*fields, _order=delivery_order())
    at, same, _ = arrange(ordered, fields, [ORDER])
    if not same.any():
        return staged
    equal = same
    for name in sorted(read - set(fields)):
        values = staged[name].gather(at)
        equal &= values.eq_missing(values.shift())
    # the last of equal records stays: the one that no equal record follows
    return staged[at.filter(~equal.shift(-1, fill_value=False)).sort()]


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
    """Name changes by the delivered field a column comes from, where it comes from one.

    Codes are named as inside; days stand as delivered, also where the column is the day after.
    """
    fields: Mapping[str, str] = {
        column: next(iter(used))
        for column, sql in table.columns.items()
        if len(used := roots(sql)) == 1
    }
    after = [name for name, sql in table.columns.items() if _DAY_AFTER.fullmatch(sql.strip())]
    shifted = pl.col("field").is_in(after)
    return changes.select(
        "person",
        layout=pl.lit(layout),
        field=pl.col("field").replace(dict(fields)),
        **{
            name: pl.when(shifted)
            .then(pl.col(name).str.to_date(strict=False).dt.offset_by("-1d").cast(pl.String))
            .otherwise(name)
            for name in ("old", "new")
        },
        file_old="file_old",
        file_new="file_new",
        kept="kept" if "kept" in changes.columns else pl.lit("new"),
    )
