"""Change one thing in chosen records, and mark what was and became for the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synthetic_data.deliver.sheet import MARKS


@dataclass(frozen=True)
class Change:
    """What an error does to a record.

    Attributes
    ----------
    field : str
        The field that is wrong afterwards.
    values : dict of str to pl.Expr
        New delivered strings; two fields where two are swapped.
    expected : str or None
        Id of the rule that should find it.
    outcome : str
        One of `ledger.OUTCOMES`.
    secret : bool
        The field is a key: the ledger does not say what it was.
    """

    field: str
    values: dict[str, pl.Expr]
    expected: str | None
    outcome: str = "rejected"
    secret: bool = False


def unmarked(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the columns for the ledger, empty."""
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in MARKS)


def changed(frame: pl.DataFrame, kind: str, change: Change, chosen: pl.Series) -> pl.DataFrame:
    """Change the chosen records of a frame with marks.

    Parameters
    ----------
    frame : pl.DataFrame
        Delivered strings, and marks.
    kind : str
        Name of the error.
    change : Change
    chosen : pl.Series of bool
    """
    if not chosen.any():
        return frame
    field, new = change.field, dict(change.values)
    hidden = pl.lit(None, dtype=pl.String)
    marks = {
        "_kind": pl.lit(kind),
        "_field": pl.lit(field),
        "_expected": pl.lit(change.expected, dtype=pl.String),
        "_outcome": pl.lit(change.outcome),
        "_was": hidden if change.secret else pl.col(field).cast(pl.String),
        "_became": hidden if change.secret else new[field].cast(pl.String),
    }
    return (
        frame.with_columns(_chosen=chosen)
        .with_columns(
            pl.when("_chosen").then(value).otherwise(pl.col(name)).alias(name)
            for name, value in (new | marks).items()
            if name in frame.columns
        )
        .drop("_chosen")
    )


def inserted(frame: pl.DataFrame, extra: pl.DataFrame) -> pl.DataFrame:
    """Put extra records after those of the same file; files stay in order."""
    if extra.height == 0:
        return frame
    both = pl.concat([frame, extra.select(frame.columns)])
    return both.sort("_file", maintain_order=True)
