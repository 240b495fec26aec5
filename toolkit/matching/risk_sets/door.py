"""The door: a panel of months at risk, or spells that imply them, checked and packed into runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import (
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    NegativeTimeError,
    WrongTypeError,
)
from toolkit.frames import require_columns, require_no_nulls, require_rows, rows_where
from toolkit.matching.risk_sets.runs import NEVER, Runs
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
        return list(dict.fromkeys([*self.exact, *self.watched, *_given(self.weights)]))


def read_panel(frame: pl.DataFrame, names: Columns) -> Runs:
    """Pack a panel, one row a person and month at risk.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types or missing values; for two rows of one person in a month, for rows after
        the start of the programme, and for a start that is not the same in all rows of a spell.
    """
    time = _named(names.time)
    own = _read(frame, names, time)
    order, sorted_ = _sorted(frame, [*names.keys, time], own)
    month = _months(sorted_, time)
    treated_at = _starts(sorted_, names.treated_at)
    fresh_person, fresh = _fresh(sorted_, names)
    same = ~fresh[1:]
    _refuse(
        np.flatnonzero(same & (np.diff(month) == 0)) + 1, order, len(month), DuplicateKeyError,
        "A person has two rows in one elapsed month",
        "name what tells them apart with spell=, or keep one row a month",
    )  # fmt: skip
    _refuse(
        np.flatnonzero(same & (np.diff(treated_at) != 0)) + 1, order, len(month), InputError,
        f"Column {names.treated_at!r} changes within a spell",
        "it is the elapsed month of the first start, the same in all rows: take it from all "
        "that is known of the person; who is at risk follows from it",
    )  # fmt: skip
    _refuse(
        np.flatnonzero(month > treated_at), order, len(month), InputError,
        "Rows after the start of the programme: who has started is not at risk of starting",
        f"keep the rows up to and with the month of the start: pl.col({time!r}) <= "
        f"pl.col({names.treated_at!r}), or null; a start before the first month is no start "
        "of this spell",
    )  # fmt: skip
    gap = same & (np.diff(month) != 1)
    new = fresh.copy()
    new[1:] |= gap
    new |= _changes(sorted_, names.values)
    calendar = _calendar(sorted_, names.calendar)
    if calendar is not None:
        new[1:] |= np.diff(calendar) != 1
    at = np.flatnonzero(new)
    last = np.append(at[1:], len(month)) - 1
    end = np.append(fresh[1:], True)
    starts = treated_at[last] == month[last]
    codes = np.cumsum(fresh) - 1
    return Runs(
        person=(np.cumsum(fresh_person) - 1)[at].astype(np.int32),
        unit=codes[at].astype(np.int32), first=month[at], last=month[last], starts=starts,
        treated_at=treated_at[at], cell=_cells(sorted_, at, names.exact),
        calendar=None if calendar is None else calendar[at],
        weight=_weight(sorted_, at, names), place=at, order=order, step=1,
        n_late=int(((treated_at != NEVER) & (month != treated_at))[end].sum()),
        n_gap=int(gap.sum()),
    )  # fmt: skip


def read_spells(frame: pl.DataFrame, names: Columns) -> Runs:
    """Pack spells: at risk from `entry` until (not with) `until`, or until the start.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types or missing values; for two rows of one spell, for spells that end on or
        before their entry, and for starts before it.
    """
    entry, until = _named(names.entry), _named(names.until)
    own = _read(frame, names, entry, until)
    order, sorted_ = _sorted(frame, names.keys, own)
    first, stop = _months(sorted_, entry), _months(sorted_, until)
    treated_at = _starts(sorted_, names.treated_at)
    fresh_person, fresh = _fresh(sorted_, names)
    _refuse(
        np.flatnonzero(~fresh), order, len(first), DuplicateKeyError,
        "Two rows are of one spell",
        "name what tells them apart with spell=, or keep one row a spell",
    )  # fmt: skip
    _refuse(
        np.flatnonzero(stop <= first), order, len(first), NegativeTimeError,
        f"Spells end ({until!r}) on or before their entry ({entry!r})",
        "until is the first month no longer at risk: at least entry + 1",
    )  # fmt: skip
    _refuse(
        np.flatnonzero(treated_at < first), order, len(first), InputError,
        f"The programme starts ({names.treated_at!r}) before the entry ({entry!r})",
        "who has started is not at risk of starting: leave these spells out, and say so",
    )  # fmt: skip
    last = np.minimum(stop - 1, treated_at).astype(np.int32)
    at = np.arange(len(first))
    starts = treated_at == last
    return Runs(
        person=(np.cumsum(fresh_person) - 1).astype(np.int32), unit=at.astype(np.int32),
        first=first, last=last, starts=starts, treated_at=treated_at,
        cell=_cells(sorted_, at, names.exact),
        calendar=_calendar(sorted_, names.calendar), weight=_weight(sorted_, at, names),
        place=at, order=order, step=0,
        n_late=int(((treated_at != NEVER) & ~starts).sum()), n_gap=0,
    )  # fmt: skip


def _given(name: str | None) -> list[str]:
    return [name] if name else []


def _named(name: str | None) -> str:
    if name is None:
        raise AssertionError
    return name


def _read(frame: pl.DataFrame, names: Columns, *times: str) -> list[str]:
    """Check the columns; return those that are needed, once each."""
    needed = [
        *names.keys, *times, names.treated_at, *_given(names.calendar), *names.values,
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
    if names.weights:
        read_sampling(frame, names.weights)
    return list(dict.fromkeys(needed))


def _sorted(
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


def _months(frame: pl.DataFrame, name: str) -> NDArray[np.int32]:
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


def _starts(frame: pl.DataFrame, name: str) -> NDArray[np.int32]:
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
    known = _months(frame.filter(pl.col(name).is_not_null()), name)
    out = np.full(frame.height, NEVER, dtype=np.int32)
    out[column.is_not_null().to_numpy()] = known
    return out


def _fresh(frame: pl.DataFrame, names: Columns) -> tuple[Bools, Bools]:
    """Return where a new person and a new spell begin in the sorted rows."""
    persons = _changes(frame, [names.person])
    units = persons | _changes(frame, [names.spell]) if names.spell else persons
    return persons, units


def _changes(frame: pl.DataFrame, columns: Sequence[str]) -> Bools:
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


def _calendar(frame: pl.DataFrame, name: str | None) -> NDArray[np.int32] | None:
    """Return calendar months as numbers of months, (N,)."""
    if name is None:
        return None
    return frame.select(month_number(name, frame.schema[name])).to_series().to_numpy()


def _cells(frame: pl.DataFrame, at: Ints, exact: Sequence[str]) -> NDArray[np.int32]:
    """Return the code of the combination of exact columns of each run."""
    if not exact:
        return np.zeros(len(at), dtype=np.int32)
    names = list(dict.fromkeys(exact))
    rows = frame.select(pl.col(names).gather(pl.Series(at)))
    known = rows.unique().sort(names).with_row_index("__cell")
    joined = rows.join(known, on=names, how="left", maintain_order="left")
    return joined["__cell"].cast(pl.Int32).to_numpy()


def _weight(frame: pl.DataFrame, at: Ints, names: Columns) -> NDArray[np.float64]:
    if names.weights is None:
        return np.ones(1)
    out: NDArray[np.float64] = frame[names.weights].cast(pl.Float64).to_numpy()[at]
    # a lone run has a length-1 array as well, and it is its weight
    return out


def _refuse(
    bad: Ints, order: Ints | None, n: int, kind: type[InputError], what: str, fix: str
) -> None:
    """Raise for rows of the sorted frame, naming them as they were handed in."""
    if len(bad):
        rows = np.sort(bad if order is None else order[bad])
        named = ", ".join(str(row) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        raise kind(what, where=f"{len(rows):,} of {n:,} rows; first rows {named}", fix=fix)
