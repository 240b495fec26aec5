"""From a frame to spells: states as numbers, and one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, NegativeTimeError, UnknownCodeError, WrongTypeError
from toolkit.frames import (
    require_at_least,
    require_columns,
    require_no_nulls,
    require_numeric,
    require_rows,
    rows_where,
    to_lazy,
)
from toolkit.survival.joined_times import join_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Spells:
    """N spells of U persons in S states, sorted by person and start.

    Attributes
    ----------
    states : Series
        The S states in the user's type, sorted (an Enum in its own order).
    row : (N,) array
        Row of the data each spell comes from.
    person : (N,) array
        0 … U-1, in steps of at most one.
    start, stop : (N,) arrays
        The spell is (start, stop].
    origin : (N,) array
        State during the spell.
    target : (N,) array
        State moved to at `stop`; -1 = none. A move into the same state stands here as such.
    others : DataFrame
        N rows: the columns of groups, weights and clusters, in the order of the spells.
    """

    states: pl.Series
    row: Ints
    person: Ints
    start: NDArray[Any]
    stop: NDArray[Any]
    origin: Ints
    target: Ints
    others: pl.DataFrame

    @property
    def n_persons(self) -> int:
        """Number of persons."""
        return int(self.person[-1]) + 1

    @property
    def first(self) -> Bools:
        """Whether a spell is its person's first, (N,)."""
        first = np.ones(len(self.person), dtype=bool)
        first[1:] = self.person[1:] != self.person[:-1]
        return first


def read_spells(
    data: Any,
    *,
    person: str,
    start: str,
    stop: str,
    from_state: str,
    to_state: str,
    others: Sequence[str] = (),
) -> Spells:
    """Read the columns of a frame of spells and check each by itself; keep the order of rows."""
    lazy = to_lazy(data)
    named = [person, start, stop, from_state, to_state]
    require_columns(lazy, *named, *others)
    if len(set(named)) < len(named):
        raise CallError("A column is named for two things", fix="each of the five is its own")
    frame = lazy.select(*dict.fromkeys([*named, *others])).collect()
    require_rows(frame)
    require_no_nulls(frame, person, start, stop, from_state, *others)
    require_numeric(frame, start, stop)
    frame = join_times(frame, start, stop)
    _check_times(frame, start, stop)
    states, origin, target = _code_states(frame, from_state, to_state)
    who = _numbers(frame[person])
    begin, end = _times(frame[start], frame[stop])
    order = _order(who, begin, end)
    kept = frame.select(*dict.fromkeys(others))
    if order is not None:
        who, begin, end, origin, target = (x[order] for x in (who, begin, end, origin, target))
        kept = kept[pl.Series(order)] if kept.width else kept
    changed = np.ones(len(who), dtype=bool)
    changed[1:] = who[1:] != who[:-1]
    return Spells(
        states=states,
        row=np.arange(len(who)) if order is None else order,
        person=np.cumsum(changed) - 1,
        start=begin,
        stop=end,
        origin=origin,
        target=target,
        others=kept,
    )


def _check_times(frame: pl.DataFrame, start: str, stop: str) -> None:
    require_at_least(frame, start)
    require_at_least(frame, stop)
    count, where = rows_where(frame, pl.col(start) >= pl.col(stop))
    if count:
        raise NegativeTimeError(
            f"Start {start!r} is at or after {stop!r}",
            where=where,
            fix="a spell is (start, stop]; leave out spells that last no time",
        )


def _times(start: pl.Series, stop: pl.Series) -> tuple[NDArray[Any], NDArray[Any]]:
    whole = start.dtype.is_integer() and stop.dtype.is_integer()
    kind = pl.Int64 if whole else pl.Float64
    return start.cast(kind).to_numpy(), stop.cast(kind).to_numpy()


def _numbers(person: pl.Series) -> Ints:
    """Return whole numbers that tell persons apart."""
    if person.dtype.is_integer() and person.dtype != pl.UInt64:
        return person.cast(pl.Int64).to_numpy()
    if person.dtype.is_float():
        raise WrongTypeError(
            f"Column {person.name!r} is {person.dtype}, which names nobody",
            fix="cast it to an integer or to text",
        )
    return person.rank("dense").cast(pl.Int64).to_numpy()


def _order(person: Ints, start: NDArray[Any], stop: NDArray[Any]) -> Ints | None:
    """Return the rows in order of person, start and stop; None where they are in it already."""
    same = person[1:] == person[:-1]
    later = (start[1:] > start[:-1]) | ((start[1:] == start[:-1]) & (stop[1:] >= stop[:-1]))
    if bool(np.all((person[1:] > person[:-1]) | (same & later))):
        return None
    keys = pl.DataFrame({"person": person, "start": start, "stop": stop})
    found = keys.select(pl.arg_sort_by("person", "start", "stop", maintain_order=True))
    return found.to_series().cast(pl.Int64).to_numpy()


def _code_states(frame: pl.DataFrame, origin: str, target: str) -> tuple[pl.Series, Ints, Ints]:
    """Return the states, and both columns as their numbers (-1 for null)."""
    columns = [frame[origin], frame[target]]
    if columns[1].dtype == pl.Null:
        columns[1] = columns[1].cast(columns[0].dtype)
    for column in columns:
        if not (column.dtype.is_integer() or _is_text(column)):
            raise WrongTypeError(
                f"Column {column.name!r} is {column.dtype}, not a state",
                fix="code states as text or whole numbers; null in the state moved to is censored",
            )
    if _is_text(columns[0]) != _is_text(columns[1]):
        raise WrongTypeError(
            f"Column {origin!r} is {columns[0].dtype} and {target!r} is {columns[1].dtype}",
            fix="code the same states in both",
        )
    if not _is_text(columns[0]):
        return _code_numbers(*(column.cast(pl.Int64) for column in columns))
    enum = columns[0].dtype
    if not (isinstance(enum, pl.Enum) and columns[1].dtype == enum):
        texts = [column.cast(pl.String) for column in columns]
        names = pl.concat([text.unique().drop_nulls() for text in texts]).unique().sort()
        enum = pl.Enum(names)
        columns = [text.cast(enum) for text in texts]
    codes = [
        column.to_physical().cast(pl.Int64).fill_null(-1).to_numpy().copy() for column in columns
    ]
    known = enum.categories
    used = np.flatnonzero(
        np.bincount(np.concatenate([code + 1 for code in codes]), minlength=len(known) + 1)[1:]
    )
    states = known.gather(used)
    if states.is_in([""]).any():
        where = rows_where(frame, pl.any_horizontal(pl.col(origin, target).cast(pl.String) == ""))
        raise UnknownCodeError(
            "A state is empty text, which is no name of a state",
            where=where[1],
            fix="make it null where that means censored, else give the state a name",
        )
    place = np.full(len(known) + 1, -1)
    place[used] = np.arange(len(used))
    return states.alias("state"), place[codes[0]], np.where(codes[1] < 0, -1, place[codes[1]])


def _code_numbers(origin: pl.Series, target: pl.Series) -> tuple[pl.Series, Ints, Ints]:
    states = pl.concat([origin.unique(), target.unique().drop_nulls()]).unique().sort()
    known = states.to_numpy()
    moved = np.searchsorted(known, target.fill_null(known[0]).to_numpy())
    return (
        states.alias("state"),
        np.searchsorted(known, origin.to_numpy()),
        np.where(target.is_null().to_numpy(), -1, moved),
    )


def _is_text(column: pl.Series) -> bool:
    return isinstance(column.dtype, (pl.String, pl.Categorical, pl.Enum))
