"""Histories of persons in rows (start, stop]: what must hold before events can be counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    InputError,
    OverlappingSpellsError,
    UnknownCodeError,
    check_option,
)
from toolkit.frames import require_columns, require_no_nulls, rows_where
from toolkit.survival.checks import check_event_type, check_time_type
from toolkit.survival.counts import WEIGHTINGS, Weighting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Histories:
    """The N rows of P persons in the order of person and start.

    Attributes
    ----------
    order : (N,) array
        Row of the data at each place in that order.
    first : (N,) array of bool
        Whether the place is a person's first.
    hole : (N,) array of bool
        Whether the row starts later than the person's row before it stopped.
    """

    order: Ints
    first: NDArray[np.bool_]
    hole: NDArray[np.bool_]

    @property
    def person(self) -> Ints:
        """Number of each place's person, from 0, (N,)."""
        return np.cumsum(self.first) - 1

    @property
    def n_person(self) -> int:
        """P."""
        return int(self.first.sum())

    def to_rows(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values in this order, (N,), in that of the data."""
        out = np.empty_like(values)
        out[self.order] = values
        return out


def read_histories(data: pl.DataFrame, person: str, start: str, stop: str) -> Histories:
    """Sort the rows of each person, and raise where they overlap."""
    rows = data.select(
        person=pl.col(person), start=pl.col(start), stop=pl.col(stop)
    ).with_row_index("row")
    ordered = rows if is_sorted(rows) else rows.sort("person", "start", "stop")
    first = (ordered["person"] != ordered["person"].shift()).fill_null(value=True)
    past = ordered["stop"].shift()
    overlap = (~first & (ordered["start"] < past)).fill_null(value=False)
    if overlap.any():
        at = ordered["row"].filter(overlap).sort()
        named = ", ".join(map(str, at.head(5))) + (", …" if len(at) > 5 else "")
        raise OverlappingSpellsError(
            "Rows of a person overlap: it would be at risk twice",
            where=f"{len(at):,} of {data.height:,} rows start before the one before has stopped; "
            f"first rows {named}",
            fix=f"cut {start!r} and {stop!r} so that rows follow each other, (start, stop]",
        )
    hole = (~first & (ordered["start"] > past)).fill_null(value=False)
    return Histories(
        order=ordered["row"].to_numpy().astype(np.int64),
        first=first.to_numpy(),
        hole=hole.to_numpy(),
    )


def is_sorted(rows: pl.DataFrame) -> bool:
    """Tell whether rows are sorted by `person` and `start`."""
    past, start = pl.col("person").shift(), pl.col("start")
    later = (pl.col("person") > past) | ((pl.col("person") == past) & (start >= start.shift()))
    return bool(rows.select(later.all()).item())


def check_columns(data: pl.DataFrame, *, person: str, times: Sequence[str], flags: Sequence[str],
                  others: Sequence[str] = ()) -> None:  # fmt: skip
    """Raise unless the columns are there and of a kind that can be used."""
    require_columns(data, person, *times, *flags, *others)
    require_no_nulls(data, person, *times, *flags)
    for name in times:
        check_time_type(name, data.schema[name])
    for name in flags:
        check_event_type(name, data.schema[name], competing=False)


def check_counts(data: pl.DataFrame, name: str) -> None:
    """Raise unless a column holds true or false, or whole numbers of events."""
    dtype = data.schema[name]
    if dtype == pl.Boolean:
        return
    bad = (pl.col(name) < 0) | (pl.col(name) != pl.col(name).floor()) | (pl.col(name) > 1000)
    count, where = rows_where(data, bad)
    if count:
        raise UnknownCodeError(
            f"Event {name!r} is no number of events",
            where=where,
            fix="code it as true/false, or as how many events there were at the end of the row",
        )


def weighting_of_persons(
    data: pl.DataFrame, person: str, weights: str | None, weight_type: Weighting | None
) -> Weighting | None:
    """Return what weights mean; those that count persons may not change within one."""
    if weight_type is not None:
        check_option("weight_type", weight_type, WEIGHTINGS)
    if weights is None:
        return None
    require_columns(data, weights)
    check_time_type(weights, data.schema[weights])
    require_no_nulls(data, weights)
    if weight_type == "sampling":
        return "sampling"
    whole = bool((data[weights] == data[weights].floor()).all())
    if whole and not _changes(data, person, weights):
        return "frequency"
    if weight_type == "frequency":
        raise CallError(
            f"Weights {weights!r} do not count persons: they "
            + ("change within a person" if whole else "are not whole numbers"),
            fix="weight_type='sampling' for weights that say how many persons one stands for",
        )
    return "sampling"


def _changes(data: pl.DataFrame, person: str, name: str) -> bool:
    spread = data.group_by(person).agg(low=pl.col(name).min(), high=pl.col(name).max())
    return bool((spread["low"] != spread["high"]).any())


def check_deaths(data: pl.DataFrame, histories: Histories, death: str) -> None:
    """Raise where a death is no yes or no, or a person has rows after its death."""
    if data.schema[death] != pl.Boolean:
        count, where = rows_where(data, (pl.col(death) != 0) & (pl.col(death) != 1))
        if count:
            raise UnknownCodeError(
                f"Death {death!r} holds other values than 0 and 1",
                where=where,
                fix="code it as true/1 for those who died at the end of the row, else false/0",
            )
    died = data[death].cast(pl.Boolean).to_numpy()[histories.order]
    after = np.append(False, died[:-1]) & ~histories.first
    if after.any():
        raise InputError(
            f"A person has rows after {death!r}",
            where=f"{int(after.sum()):,} of {data.height:,} rows",
            fix="it ends the history: leave out what comes after, or mend the column",
        )
