"""Monthly states as they come: one column a month, or one row a person and month."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    InputError,
    MissingValueError,
    WrongTypeError,
)
from toolkit.frames import require_columns, rows_where
from toolkit.trajectories.calendar import Window, month_index, month_start

if TYPE_CHECKING:
    from collections.abc import Sequence

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = re.compile(r"([a-z]{3})[a-z]*[. _-]?(\d{4}|\d{2})")
_NUMBERED = re.compile(r"[a-z]*[. _-]?(\d{4})[._-]?(\d{2})")


def _number_persons(data: pl.DataFrame, person: str) -> pl.DataFrame:
    """Add `person` as integers: the column itself, or numbers in order of appearance."""
    if person != "person" and "person" in data.columns:
        raise CallError(
            f"The data has a column 'person' beside {person!r}, and the result names persons so",
            fix="rename it, or drop it",
        )
    count, where = rows_where(data, pl.col(person).is_null())
    if count:
        raise MissingValueError(
            f"Column {person!r} has missing values", where=where, fix="drop them"
        )
    if data.schema[person].is_integer():
        return data.with_columns(_person=pl.col(person).cast(pl.Int64))
    names = data.select(person).unique(maintain_order=True).with_row_index("_person")
    return data.join(names, on=person, how="left", maintain_order="left").with_columns(
        pl.col("_person").cast(pl.Int64)
    )


def from_wide(
    data: pl.DataFrame, person: str, columns: list[str], start: str | date | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a panel with one column a month: person-months, and one row a person with the rest."""
    require_columns(data, *columns)
    if not columns:
        raise CallError("states names no column", fix="give the columns with the monthly states")
    if len(set(columns)) < len(columns):
        raise CallError("states names a column twice", fix="give each month once")
    first = _first_month(columns, start)
    keyed = _number_persons(data, person)
    twice, where = rows_where(keyed, pl.col("_person").is_duplicated())
    if twice:
        raise DuplicateKeyError(
            f"Column {person!r} has a person more than once",
            where=where,
            fix="keep one row a person",
        )
    dates = [month_start(first + step) for step in range(len(columns))]
    months = (
        keyed.select(
            pl.col("_person").alias("person"),
            *(pl.col(name).cast(pl.String).alias(str(step)) for step, name in enumerate(columns)),
        )
        .unpivot(index="person", variable_name="month", value_name="state")
        .with_columns(
            pl.col("month").replace_strict(
                dict(zip(map(str, range(len(columns))), dates, strict=True)), return_dtype=pl.Date
            )
        )
        .sort("person", "month")
    )
    return months, _covariates(keyed, person, columns)


def from_long(
    data: pl.DataFrame, person: str, state: str, month: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a panel with one row a person and month; columns constant within persons are kept."""
    if month is None:
        raise CallError(
            "A long panel needs its month column", fix="give month=…, or list the columns in states"
        )
    require_columns(data, state, month)
    keyed = _number_persons(data, person)
    dtype = keyed.schema[month]
    if dtype == pl.String:
        text = keyed[month].unique()
        read = {value: _read_month(value) for value in text.to_list()}
        wrong = [value for value, index in read.items() if index is None]
        if wrong:
            raise WrongTypeError(
                f"{wrong[0]!r} in column {month!r} is not a month", fix="write '2006-01'"
            )
        dates = {value: month_start(index) for value, index in read.items() if index is not None}
        keyed = keyed.with_columns(_month=pl.col(month).replace_strict(dates, return_dtype=pl.Date))
    elif dtype in {pl.Date, pl.Datetime}:
        keyed = keyed.with_columns(_month=pl.col(month).cast(pl.Date).dt.truncate("1mo"))
    else:
        raise WrongTypeError(f"Column {month!r} is {dtype}, not a month", fix="make it a date")
    count, where = rows_where(keyed, pl.col("_month").is_null())
    if count:
        raise MissingValueError(
            f"Column {month!r} has missing values", where=where, fix="drop them"
        )
    count, where = rows_where(keyed, pl.struct("_person", "_month").is_duplicated())
    if count:
        raise DuplicateKeyError(
            "A person's month stands twice", where=where, fix="keep one state a month"
        )
    months = keyed.select(
        pl.col("_person").alias("person"),
        pl.col("_month").alias("month"),
        pl.col(state).cast(pl.String).alias("state"),
    ).sort("person", "month")
    step = month_index(months["month"]).diff()
    holes = ((step != 1) & (months["person"].diff() == 0)).fill_null(value=False)
    if holes.any():
        raise InputError(
            "Months are missing between a person's first and last",
            where=f"{int(holes.sum()):,} holes",
            fix="add the rows; leave the state null where it was not observed",
        )
    constant = [
        name
        for name in data.columns
        if name not in {person, state, month}
        and keyed.group_by("_person").agg(pl.col(name).n_unique())[name].max() == 1
    ]
    one = keyed.unique("_person", keep="first", maintain_order=True)
    full = _fill_ends(months)
    return full, _covariates(one.select("_person", person, *constant), person, [])


def _fill_ends(months: pl.DataFrame) -> pl.DataFrame:
    """Give every person all months of the panel; those before or after are not observed."""
    window = months_window(months)
    every = pl.DataFrame({"month": [month_start(i) for i in window.month_range]})
    return (
        months.select("person")
        .unique()
        .join(every, how="cross")
        .join(months, on=["person", "month"], how="left")
        .sort("person", "month")
    )


def months_window(months: pl.DataFrame) -> Window:
    """Return the window from the first to the last month, both inside."""
    first, last = months.select(
        first=pl.col("month").min(), last=pl.col("month").max().dt.offset_by("1mo")
    ).row(0)
    return Window(first, last)


def _covariates(keyed: pl.DataFrame, person: str, columns: Sequence[str]) -> pl.DataFrame:
    """Return one row a person: its number, its own name if that is no number, and the rest."""
    drop = {*columns, "_person", "_month", "person"}
    if keyed.schema[person].is_integer():
        drop.add(person)
    rest = [name for name in keyed.columns if name not in drop]
    return keyed.select(pl.col("_person").alias("person"), *rest).sort("person")


def _first_month(columns: list[str], start: str | date | None) -> int:
    """Month number of the first column, from `start` or from the names."""
    read = [_read_month(name) for name in columns]
    named = [index for index in read if index is not None]
    if len(named) == len(columns):
        for before, after, name in zip(named, named[1:], columns[1:], strict=False):
            if after != before + 1:
                what = (
                    "stands twice or out of order" if after <= before else "follows a missing month"
                )
                raise InputError(
                    f"Column {name!r} {what}",
                    where="states",
                    fix="list all months in order of time",
                )
    if start is None:
        if len(named) < len(columns):
            raise CallError(
                "The columns are not named after months", fix="give start, such as start='1993-07'"
            )
        return named[0]
    first = month_index(start) if isinstance(start, date) else _read_month(start)
    if first is None:
        raise CallError(f"start={start!r} is not a month", fix="write it as '1993-07'")
    if len(named) == len(columns) and named[0] != first:
        raise CallError(
            f"start={start!r}, but the first column is {columns[0]!r}", fix="leave start out"
        )
    return first


def _read_month(text: str) -> int | None:
    """Read "Jul.93", "July 1993", "1993-07" or "199307" as a month number; None when it is none."""
    lower = text.strip().lower()
    if (found := _NAMED.fullmatch(lower)) and found[1] in _MONTHS:
        year = int(found[2])
        if len(found[2]) == 2:  # two digits mean 1950–2049, as there is no century to go by
            year += 1900 if year >= 50 else 2000
        return year * 12 + _MONTHS.index(found[1])
    if (found := _NUMBERED.fullmatch(lower)) and 1 <= int(found[2]) <= 12:
        return int(found[1]) * 12 + int(found[2]) - 1
    return None
