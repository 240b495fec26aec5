"""Where a series breaks: changes of unit, scheme or system that a figure must name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError
from toolkit.registers.layout import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.registers.register import Register

_FILE = Path(__file__).with_name("series_breaks.toml")


@dataclass(frozen=True)
class SeriesBreak:
    """A day on which figures before and after stop being comparable.

    Attributes
    ----------
    name : str
        Short name.
    date : date
        First day of the new series.
    tables : tuple of str
        Canonical tables it concerns.
    words : Words
        What changed, in Dutch and English.
    certainty : str
        Whether the day was found in public text or inferred.
    """

    name: str
    date: date
    tables: tuple[str, ...]
    words: Words
    certainty: str


def series_breaks(
    start: date | str, end: date | str, *, table: str | None = None
) -> list[SeriesBreak]:
    """Return the breaks inside a period `[start, end)`, in order.

    A break on the first day is none: the whole period lies after it.

    Parameters
    ----------
    start, end : date or ISO string
        The period of a figure.
    table : str, optional
        Only breaks that concern this canonical table.

    Examples
    --------
    >>> [found.name for found in series_breaks("2012-01-01", "2016-01-01", table="programmes")]
    ['unit_2013', 'participation_act_2015']
    """
    low, high = _day(start), _day(end)
    return [
        found for found in _breaks()
        if low < found.date < high and (table is None or table in found.tables)
    ]  # fmt: skip


def breaks_of(
    register: Register,
    *,
    start: date | None = None,
    end: date | None = None,
    tables: Sequence[str] | None = None,
) -> list[SeriesBreak]:
    """Return the breaks inside what a register covers, in order.

    A break is one for a register when it lies inside the coverage of a table that it concerns.

    Parameters
    ----------
    register : Register
        Its coverage says which days each table was delivered about.
    start, end : date, optional
        Only breaks inside `[start, end)`, as for `series_breaks`: the period of a figure.
    tables : sequence of str, optional
        Only breaks that concern one of these canonical tables.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import registers
    >>> person = {"person": [1], "sex": ["female"], "birth_month": [date(1970, 5, 1)]}
    >>> covered = {"source": ["benefits"], "start": [date(2010, 1, 1)], "end": [date(2018, 1, 1)]}
    >>> register = registers.from_frames(
    ...     persons=pl.DataFrame(person), coverage=pl.DataFrame(covered))
    >>> [found.name for found in breaks_of(register)]
    ['participation_act_2015']
    """
    found: dict[str, SeriesBreak] = {}
    covered = register.coverage.select(pl.col("source").cast(pl.String), "start", "end").collect()
    for source, first, last in covered.iter_rows():
        if tables is not None and source not in tables:
            continue
        low = first if start is None else max(first, start)
        high = last if end is None else min(last, end)
        if low < high:
            found |= {one.name: one for one in series_breaks(low, high, table=source)}
    return sorted(found.values(), key=lambda one: one.date)


def _day(value: date | str) -> date:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise CallError(f"{value!r} is no day", fix="write it as 2013-01-01") from error


@cache
def _breaks() -> tuple[SeriesBreak, ...]:
    found = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    every = (
        SeriesBreak(
            name=name, date=one["date"], tables=tuple(one["tables"]),
            words=Words(nl=one["nl"], en=one["en"]), certainty=one["certainty"],
        )
        for name, one in found.items()
    )  # fmt: skip
    return tuple(sorted(every, key=lambda one: one.date))
