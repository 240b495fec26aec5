"""Columns of a panel or of spells, checked and read into arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import (
    EmptyCohortError,
    InputError,
    MissingValueError,
    WrongTypeError,
)
from toolkit.estimation.patterns import find_patterns
from toolkit.frames import require_columns, require_no_nulls, require_rows, rows_where
from toolkit.matching.risk_sets.runs import NEVER
from toolkit.matching.sample import read_sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of the data are called.

    Attributes
    ----------
    person, treated_at : str
    spell, time, entry, until, calendar, weights : str or None
        `time` in a panel, `entry` and `until` in a frame of spells.
    exact, watched : tuple of str
        What must be equal, and what the score or the distance is made of.
    """

    person: str
    treated_at: str
    spell: str | None = None
    time: str | None = None
    entry: str | None = None
    until: str | None = None
    calendar: str | None = None
    weights: str | None = None
    exact: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """What names a spell."""
        return [self.person, *([self.spell] if self.spell else [])]

    @property
    def values(self) -> list[str]:
        """What makes a new run when it changes."""
        return list(dict.fromkeys([*self.exact, *self.watched, *given(self.weights)]))


def given(name: str | None) -> list[str]:
    """Return a column that may be there as a list."""
    return [name] if name else []


def named(name: str | None) -> str:
    """Return a column that must be there."""
    if name is None:
        raise AssertionError
    return name


def with_weight(frame: pl.DataFrame, weights: str | None) -> tuple[pl.DataFrame, int]:
    """Return the rows of a weight above 0, and how many others there were."""
    if weights is None or not frame.height:
        return frame, 0
    there = pl.Series(read_sampling(frame, weights) > 0)
    if not there.any():
        raise EmptyCohortError(
            f"No row has a weight above 0 in {weights!r}", fix="look at the column of weights"
        )
    return (frame, 0) if there.all() else (frame.filter(there), int((~there).sum()))


def check_columns(frame: pl.DataFrame, names: Columns, *times: str) -> list[str]:
    """Check the columns; return those that are needed, once each."""
    needed = [
        *names.keys, *times, names.treated_at, *given(names.calendar), *names.values,
    ]  # fmt: skip
    require_columns(frame, *needed)
    require_rows(frame)
    complete = [name for name in needed if name != names.treated_at]
    for name in (names.until, names.calendar):
        if name and frame[name].null_count():
            fix = "for who is still at risk at the end of the data, the first month after them"
            _, where = rows_where(frame, pl.col(name).is_null())
            raise MissingValueError(
                f"Column {name!r} has missing values", where=where,
                fix=fix if name == names.until else "every row has its calendar month",
            )  # fmt: skip
    require_no_nulls(frame, *complete)
    return list(dict.fromkeys(needed))


def sort_rows(
    frame: pl.DataFrame, keys: Sequence[str], columns: Sequence[str]
) -> tuple[Ints | None, pl.DataFrame]:
    """Return the columns sorted by the keys, and from which rows; None where they came so."""
    rising = pl.lit(value=True)
    for name in reversed(keys):
        own, before = pl.col(name), pl.col(name).shift(1)
        rising = (own > before) | ((own == before) & rising)
    if frame.select(rising.slice(1).all()).item():
        return None, frame.select(columns)
    order = frame.select(pl.arg_sort_by(list(keys), maintain_order=True)).to_series()
    return order.cast(pl.Int64).to_numpy(), frame.select(pl.col(columns).gather(order))


def elapsed_months(frame: pl.DataFrame, name: str) -> NDArray[np.int32]:
    """Return whole elapsed months, (N,)."""
    column = frame[name]
    if not column.dtype.is_numeric():
        raise WrongTypeError(
            f"Column {name!r} is {column.dtype}, not a number of elapsed months",
            fix="count months since the spell began; dates of the calendar go into calendar=",
        )
    if not column.dtype.is_integer():
        odd = pl.col(name).is_finite().not_() | (pl.col(name) != pl.col(name).round())
        count, _ = rows_where(frame, odd)
        if count:
            raise WrongTypeError(
                f"Column {name!r} is not in whole months", where=f"{count:,} rows",
                fix="months are whole: round them down to the month in which something happened",
            )  # fmt: skip
    count, _ = rows_where(frame, pl.col(name).cast(pl.Float64).abs() >= NEVER // 2)
    if count:
        raise WrongTypeError(
            f"Column {name!r} holds no elapsed months", where=f"{count:,} rows beyond half a "
            "thousand million", fix="count months since the spell began",
        )  # fmt: skip
    return column.cast(pl.Int32).to_numpy()


def start_months(frame: pl.DataFrame, name: str) -> NDArray[np.int32]:
    """Return the month of the start, `NEVER` where there is none."""
    column = frame[name]
    if column.dtype.is_float() and column.is_nan().any():
        frame = frame.with_columns(pl.col(name).fill_nan(None))
        column = frame[name]
    if column.dtype == pl.Null or column.null_count() == len(column):
        raise EmptyCohortError(
            f"Nobody starts: {name!r} is null in every row",
            fix="check how it was made: the elapsed month of the first start",
        )
    known = elapsed_months(frame.filter(pl.col(name).is_not_null()), name)
    out = np.full(frame.height, NEVER, dtype=np.int32)
    out[column.is_not_null().to_numpy()] = known
    return out


def begins(frame: pl.DataFrame, names: Columns) -> tuple[Bools, Bools]:
    """Return where a new person and a new spell begin in the sorted rows."""
    persons = changes(frame, [names.person])
    units = persons | changes(frame, [names.spell]) if names.spell else persons
    return persons, units


def changes(frame: pl.DataFrame, columns: Sequence[str]) -> Bools:
    """Return the rows in which a column differs from the row before; the first does."""
    new = np.zeros(frame.height, dtype=bool)
    for name in columns:  # one by one: a mask at a time in memory
        new |= (
            frame.select((pl.col(name) != pl.col(name).shift(1)).fill_null(value=True))
            .to_series()
            .to_numpy()
        )
    new[0] = True
    return new


def month_number(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a date as a number of months, year * 12 + month - 1; whole numbers as they are.

    Raises
    ------
    toolkit.errors.WrongTypeError
        For a column of another type.
    """
    own = pl.col(name)
    if isinstance(dtype, (pl.Date, pl.Datetime)):
        own = own.dt.year().cast(pl.Int32) * 12 + own.dt.month().cast(pl.Int32) - 1
    elif not dtype.is_integer():
        raise WrongTypeError(
            f"Month {name!r} is {dtype}, not a date or a whole number of months",
            fix="give the month as a date, or as year * 12 + month - 1",
        )
    return own.cast(pl.Int32)


def calendar_months(frame: pl.DataFrame, name: str | None) -> NDArray[np.int32] | None:
    """Return calendar months as numbers of months, (N,)."""
    if name is None:
        return None
    if frame.schema[name].is_integer():
        count, where = rows_where(frame, pl.col(name).cast(pl.Float64).abs() >= NEVER // 2)
        if count:
            raise WrongTypeError(
                f"Column {name!r} holds no calendar months", where=where,
                fix="give the month as a date, or as year * 12 + month - 1",
            )  # fmt: skip
    return frame.select(month_number(name, frame.schema[name])).to_series().to_numpy()


def cell_codes(frame: pl.DataFrame, at: Ints, exact: Sequence[str]) -> NDArray[np.int32]:
    """Return the code of the combination of exact columns of each run."""
    if not exact:
        return np.zeros(len(at), dtype=np.int32)
    names = list(dict.fromkeys(exact))
    _, code = find_patterns(frame.select(pl.col(names).gather(pl.Series(at))), names)
    return code.astype(np.int32)


def run_weights(frame: pl.DataFrame, at: Ints, names: Columns) -> NDArray[np.float64]:
    """Return the weights of the runs, of length 1 where there are none."""
    if names.weights is None:
        return np.ones(1)
    out: NDArray[np.float64] = frame[names.weights].cast(pl.Float64).to_numpy()[at]
    # a lone run has a length-1 array as well, and it is its weight
    return out


def refuse_rows(
    bad: Ints, order: Ints | None, n: int, kind: type[InputError], what: str, fix: str
) -> None:
    """Raise for rows of the sorted frame, naming them as they were handed in."""
    if len(bad):
        rows = np.sort(bad if order is None else order[bad])
        named = ", ".join(str(row) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        raise kind(what, where=f"{len(rows):,} of {n:,} rows; first rows {named}", fix=fix)
