"""The checks at the door, made on the counted cells; rows are only looked up for the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import (
    InputError,
    NegativeTimeError,
    UnknownCodeError,
    WrongTypeError,
    masked,
)
from toolkit.frames import require_at_least, require_no_nulls, require_rows, rows_where

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Text that looks like a code for censored; taken for a cause it would give wrong curves.
_BLANK = ["", "0", "censored", "censor", "cens", "na", "nan", "none", "null", "gecensureerd"]


def check_time_type(name: str, dtype: pl.DataType) -> None:
    """Raise unless a time, entry or weight column is a number."""
    if not dtype.is_numeric():
        raise WrongTypeError(
            f"Column {name!r} is {dtype}, not a number",
            fix="pass a number; turn dates into months or days since a start first",
        )


def check_event_type(name: str, dtype: pl.DataType, *, competing: bool) -> None:
    """Raise unless an event column can hold 0/1, or causes when they compete."""
    if dtype == pl.Boolean or dtype.is_integer() or dtype.is_float():
        return
    if competing and isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return
    wanted = "0/null or a cause (integer or string)" if competing else "true/false or 0/1"
    raise WrongTypeError(f"Column {name!r} is {dtype}, not an event", fix=f"code it as {wanted}")


def check_cells(
    cells: pl.DataFrame,
    data: pl.LazyFrame,
    *,
    time: str,
    event: str,
    entry: str | None,
    by: Sequence[str],
    weights: str | None,
    competing: bool,
    curves: bool = True,
) -> None:
    """Raise for the first thing in `cells` that no estimator can use; name rows of `data`."""
    if cells.height == 0:
        require_rows(data.collect())
    for i, name in enumerate(by):
        if _has_missing(cells[f"by_{i}"]):
            require_no_nulls(data.collect(), name)
    for key, name in (("time", time), *((("entry", entry),) if entry is not None else ())):
        column = cells[key]
        if _has_missing(column):
            require_no_nulls(data.collect(), name)
        low, high = column.min(), column.max()
        if low < 0 or high == float("inf"):
            require_at_least(data.collect(), name)
    if entry is not None and cells.select((pl.col("entry") >= pl.col("time")).any()).item():
        _, where = rows_where(data.collect(), pl.col(entry) >= pl.col(time))
        raise NegativeTimeError(
            f"Entry {entry!r} is at or after {time!r}",
            where=where,
            fix="a row is at risk on (entry, time]; leave out rows that are never at risk",
        )
    _check_events(cells["event"], data, event, competing=competing)
    if weights is not None:
        _check_weights(cells, data, weights, per_group=curves)


def _has_missing(column: pl.Series) -> bool:
    return column.null_count() > 0 or (column.dtype.is_float() and bool(column.is_nan().any()))


def _check_events(found: pl.Series, data: pl.LazyFrame, name: str, *, competing: bool) -> None:
    if competing:
        if found.dtype.is_float():
            if found.is_nan().any():
                require_no_nulls(data.filter(pl.col(name).is_not_null()).collect(), name)
            odd = found.filter(~((found == found.round()) & (found.abs() < 2**53)))
            if len(odd):
                raise UnknownCodeError(
                    f"Event {name!r} holds {masked(repr(odd[0]))}, which is no cause",
                    fix="code causes as whole numbers or strings, 0 or null for censored",
                )
        blank = _blank_among(found)
        if blank is not None:
            _, where = rows_where(data.collect(), pl.col(name).cast(pl.String) == blank)
            raise UnknownCodeError(
                f"Event {name!r} holds {blank!r} as text, which is no name of a cause",
                where=where,
                fix="make it null where that means censored, else give the cause a name",
            )
        if found.dtype.is_numeric() and bool((found < 0).any()):
            _, where = rows_where(data.collect(), pl.col(name) < 0)
            raise UnknownCodeError(
                f"Event {name!r} holds a negative code",
                where=where,
                fix="code causes as positive whole numbers or strings, 0 or null for censored",
            )
        return
    if _has_missing(found):
        require_no_nulls(data.collect(), name)
    if found.dtype == pl.Boolean:
        return
    odd = found.filter((found != 0) & (found != 1)).unique().sort()
    if len(odd):
        _, where = rows_where(data.collect(), (pl.col(name) != 0) & (pl.col(name) != 1))
        listed = masked(", ".join(str(value) for value in odd.head(3)))
        raise UnknownCodeError(
            f"Event {name!r} holds other values than 0 and 1: {listed}",
            where=where,
            fix="code an event as true/1 and a censoring as false/0; for several causes use "
            "cumulative_incidence",
        )


def _blank_among(found: pl.Series) -> str | None:
    """Return the first text among causes that means there was none, as it is written."""
    if not isinstance(found.dtype, (pl.String, pl.Categorical, pl.Enum)):
        return None
    texts = found.unique().cast(pl.String).drop_nulls().sort()
    odd = texts.filter(texts.str.strip_chars().str.to_lowercase().is_in(_BLANK))
    return odd[0] if len(odd) else None


def _check_weights(cells: pl.DataFrame, data: pl.LazyFrame, name: str, *, per_group: bool) -> None:
    if cells["bad"].sum():
        frame = data.collect()
        require_no_nulls(frame, name)
        require_at_least(frame, name)
    keys = [column for column in cells.columns if per_group and column.startswith("by_")]
    total = cells.group_by(keys).agg(pl.col("n").sum()) if keys else cells.select(pl.col("n").sum())
    empty = int((total["n"] <= 0).sum())
    if empty:
        raise InputError(
            f"Weights {name!r} sum to zero",
            where=f"{empty:,} of {total.height:,} groups",
            fix="leave such groups out, so that the choice is on record",
        )
