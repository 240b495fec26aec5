"""Months before the programme, from a panel to columns of the sample."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, InputError, WrongTypeError
from toolkit.frames import (
    require_columns,
    require_no_nulls,
    require_numeric,
    require_rows,
    to_frame,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.sample import Sample


def widen(
    sample: Sample,
    panel: Any,
    *,
    outcome: Sequence[str],
    person: Sequence[str],
    month: str | None,
) -> tuple[Sample, list[str], list[int]]:
    """Return the sample with a column for each month, their names, and the months.

    Raises
    ------
    toolkit.errors.ToolkitError
        Also for months that are not before the start, and two rows of one person and month.
    """
    if len(outcome) != 1 or not person or month is None:
        raise CallError(
            "A panel needs one outcome, and the columns that say who and when",
            fix="outcome_before='work', person='person', month='month'",
        )
    frame = to_frame(panel)
    require_columns(frame, outcome[0], *person, month, where="the panel")
    require_columns(sample.frame, *person)
    require_rows(frame, "the panel")
    require_no_nulls(frame, *person, month)
    if not frame.schema[month].is_integer():
        raise WrongTypeError(
            f"Column {month!r} is {frame.schema[month]}, not a whole number of months",
            fix="months since the start: -1 is the month before it",
        )
    if frame.schema[outcome[0]] != pl.Boolean:
        require_numeric(frame, outcome[0])
    late = int((frame[month] >= 0).sum())
    if late:
        raise InputError(
            f"The panel has months from the start on in {month!r}: those are no placebo",
            where=f"{late:,} of {frame.height:,} rows",
            fix=f"filter(pl.col({month!r}) < 0)",
        )
    keys = [*person, month]
    if frame.select(keys).is_duplicated().any():
        raise DuplicateKeyError(
            "The panel has two rows of one person and month",
            where=f"{int(frame.select(keys).is_duplicated().sum()):,} rows",
            fix="keep one row a person and month",
        )
    months = sorted(frame[month].unique().to_list())
    labels = {value: f"{outcome[0]} at {value}" for value in months}
    wide = (
        frame.select(*person, month, pl.col(outcome[0]).cast(pl.Float64))
        .with_columns(pl.col(month).replace_strict(labels, return_dtype=pl.String))
        .pivot(on=month, index=list(person), values=outcome[0])
    )
    names = list(labels.values())
    kept = sample.frame.drop(names, strict=False)
    joined = kept.join(wide, on=list(person), how="left", maintain_order="left")
    return replace(sample, frame=joined), names, months
