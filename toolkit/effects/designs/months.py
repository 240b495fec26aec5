"""Months as whole numbers, whether they come as dates or as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import WrongTypeError
from toolkit.trajectories.calendar import month_index

if TYPE_CHECKING:
    from datetime import date


def read_months(frame: pl.DataFrame, name: str) -> tuple[pl.Series, bool]:
    """Return a column of months as whole numbers, and whether it held dates.

    Raises
    ------
    toolkit.errors.WrongTypeError
        For text, and numbers that are not whole.
    """
    column = frame[name]
    if column.dtype in {pl.Date, pl.Datetime}:
        return frame.select(month_index(pl.col(name))).to_series().cast(pl.Int64), True
    if column.dtype.is_float():
        known = column.drop_nulls()
        if known.is_finite().all() and (known == known.floor()).all():
            return column.cast(pl.Int64), False
    if not column.dtype.is_integer():
        raise WrongTypeError(
            f"Column {name!r} is {column.dtype}, not a date or a whole number",
            fix="null stands for persons without a start; months are dates or numbers",
        )
    return column.cast(pl.Int64), False


def month_of(value: date | float, *, dates: bool, name: str) -> int:
    """Return one month as a number of the same kind as the column."""
    from datetime import date as day

    if isinstance(value, day) != dates:
        raise WrongTypeError(
            f"{name}={value!r} is not of the kind of the column: one is a date, the other a number"
        )
    return month_index(value) if isinstance(value, day) else int(value)
