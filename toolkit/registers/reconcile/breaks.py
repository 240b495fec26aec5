"""Where a series breaks: changes of unit, scheme or system that a figure must name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from toolkit.errors import CallError
from toolkit.registers.layout import Words

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
