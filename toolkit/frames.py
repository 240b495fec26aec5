"""The door: any frame in, polars inside, and a clear word when something is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    MissingValueError,
    NegativeTimeError,
    WrongTypeError,
    unknown_column,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def to_lazy(data: Any) -> pl.LazyFrame:
    """Return `data` as a polars LazyFrame; accepts polars and anything narwhals can read."""
    if isinstance(data, pl.LazyFrame):
        return data
    if isinstance(data, pl.DataFrame):
        return data.lazy()
    import narwhals as nw

    try:
        frame = nw.from_native(data)
    except TypeError as error:
        raise WrongTypeError(
            f"A {type(data).__name__} is not a data frame",
            fix="pass a polars, pandas or pyarrow frame",
        ) from error
    except nw.exceptions.DuplicateError as error:
        raise WrongTypeError(
            "Two columns of the data have the same name", fix="rename or drop one of them"
        ) from error
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    odd = [name for name in eager.columns if not isinstance(name, str)]
    if odd:
        raise WrongTypeError(
            f"The data has {len(odd):,} columns whose names are no text, as {odd[0]!r}",
            fix="rename them: data.columns = data.columns.astype(str)",
        )
    return pl.DataFrame([_to_series(column) for column in eager.iter_columns()]).lazy()


def _to_series(column: Any) -> pl.Series:
    """Return a narwhals series as a polars one, by way of numpy: pyarrow need not be there."""
    values, missing = column.to_numpy(), column.is_null().to_numpy()
    if values.dtype == object:
        known = [None if gone else value for value, gone in zip(values, missing, strict=True)]
        try:
            return pl.Series(column.name, known)
        except (TypeError, pl.exceptions.PolarsError):
            if all(isinstance(value, (int, float)) for value in known if value is not None):
                return pl.Series(column.name, known, dtype=pl.Float64, strict=False)
            # of mixed kinds: the checks refuse it where it is used (and show no value of it)
            return pl.Series(column.name, known, dtype=pl.Object)
    series = pl.Series(column.name, values)
    if not missing.any():
        return series
    return (
        series.to_frame().select(pl.when(~pl.Series(missing)).then(pl.col(series.name))).to_series()
    )


def to_frame(data: Any) -> pl.DataFrame:
    """Return `data` as a polars DataFrame."""
    return data if isinstance(data, pl.DataFrame) else to_lazy(data).collect()


def as_columns(by: str | Sequence[str] | None) -> list[str]:
    """Return the names in `by` as a list: None is no column, a string is one."""
    if by is None:
        return []
    names = [by] if isinstance(by, str) else list(by) if isinstance(by, Iterable) else [by]
    for name in names:
        if not isinstance(name, str):
            raise CallError(
                f"Columns are named by strings, not by a value of type {type(name).__name__}",
                fix="for instance by='sex' or by=['sex', 'region']",
            )
    return names


def require_columns(
    frame: pl.LazyFrame | pl.DataFrame, *names: str, where: str = "the data"
) -> None:
    """Raise `UnknownColumnError`, with the nearest name, unless all columns are there."""
    known = frame.collect_schema().names()
    for name in names:
        if name not in known:
            raise unknown_column(name, known, where=where)


def rows_where(frame: pl.DataFrame, bad: pl.Expr, *, most: int = 5) -> tuple[int, str]:
    """Count the rows where `bad` holds and name the first few by number (0-based), never by key."""
    rows = frame.select(bad.fill_null(value=False).arg_true()).to_series()
    named = ", ".join(str(row) for row in rows.head(most)) + (", …" if len(rows) > most else "")
    return len(rows), f"{len(rows):,} of {frame.height:,} rows; first rows {named}"


def require_no_nulls(frame: pl.DataFrame, *names: str) -> None:
    """Raise `MissingValueError` where a column has nulls or NaN."""
    for name in names:
        bad = pl.col(name).is_null()
        if frame.schema[name].is_float():
            bad |= pl.col(name).is_nan()
        count, where = rows_where(frame, bad)
        if count:
            raise MissingValueError(
                f"Column {name!r} has missing values",
                where=where,
                fix="drop or fill these rows yourself, so that the choice is on record",
            )


def require_numeric(frame: pl.DataFrame, *names: str) -> None:
    """Raise `WrongTypeError` unless the columns are numbers (booleans are not)."""
    for name in names:
        dtype = frame.schema[name]
        if not dtype.is_numeric():
            raise WrongTypeError(
                f"Column {name!r} is {dtype}, not a number", fix="cast it to an integer or a float"
            )


def require_at_least(frame: pl.DataFrame, name: str, low: float = 0.0) -> None:
    """Raise `NegativeTimeError` where a column is below `low` or not finite."""
    bad = pl.col(name) < low
    if frame.schema[name].is_float():
        bad |= ~pl.col(name).is_finite()
    count, where = rows_where(frame, bad)
    if count:
        raise NegativeTimeError(
            f"Column {name!r} is below {low:g} or not finite",
            where=where,
            fix="durations and weights are finite and not negative; check how they were computed",
        )


def require_rows(frame: pl.DataFrame, what: str = "the data") -> None:
    """Raise `EmptyCohortError` when there is no row."""
    if frame.height == 0:
        raise EmptyCohortError(
            f"No rows in {what}", fix="check the filters and the window that made this frame"
        )
