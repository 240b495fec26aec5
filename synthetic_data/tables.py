"""From rows of the kernel to the canonical tables."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data import layout
from synthetic_data.world import END, START
from toolkit.registers import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

_MONTHS_1970_TO_1999 = 29 * 12


def month_starts(first: int, last: int) -> np.ndarray:
    """Return the day since 1970 on which each month begins, 0 = January 1999."""
    months = np.arange(first + _MONTHS_1970_TO_1999, last + _MONTHS_1970_TO_1999)
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def coverage(position_first_month: int = 0) -> pl.DataFrame:
    """Return the coverage of every source: the whole window, for positions since their month."""
    first = date(
        START.year + (START.month - 1 + position_first_month) // 12,
        (START.month - 1 + position_first_month) % 12 + 1,
        1,
    )
    return pl.DataFrame(
        {
            "source": pl.Series(codes.SOURCE, dtype=pl.Enum(codes.SOURCE)),
            "start": [first if source == "positions" else START for source in codes.SOURCE],
            "end": [END] * len(codes.SOURCE),
        }
    )


def to_tables(rows: np.ndarray, municipalities: pl.Series) -> dict[str, pl.DataFrame]:
    """Build the canonical person tables from kernel rows.

    Parameters
    ----------
    rows : (n, ROW_WIDTH) int32
    municipalities : Series of codes, in the order of the country's table

    Returns
    -------
    dict of table name → frame, not sorted
    """
    kinds = [rows[rows[:, 0] == kind] for kind in range(int(layout.ROW_DEATH) + 1)]
    return {
        "persons": _persons(kinds[layout.ROW_PERSON], kinds[layout.ROW_DEATH]),
        "residences": _residences(kinds[layout.ROW_RESIDENCE], municipalities),
        "households": _households(kinds[layout.ROW_HOUSEHOLD]),
        "benefits": _benefits(_observed(kinds[layout.ROW_BENEFIT]), municipalities),
        "registrations": pl.DataFrame(_spell(kinds[layout.ROW_REGISTRATION])),
        "jobs": _jobs(_observed(kinds[layout.ROW_JOB])),
        "enrolments": _enrolments(kinds[layout.ROW_ENROLMENT]),
        "programmes": _programmes(kinds[layout.ROW_PROGRAMME], municipalities),
        "positions": _positions(kinds[layout.ROW_POSITION]),
    }


def to_participants(rows: np.ndarray) -> pl.DataFrame:
    """Return the first start of every participant in the rows, sorted by person."""
    found = rows[rows[:, 0] == layout.ROW_PARTICIPANT]
    return pl.DataFrame(
        {
            "person": _person(found),
            "programme": _person(found) * 100 + found[:, 6],
            "start": _day(found[:, 2]),
            "start_month": found[:, 3],
            "offer_month": found[:, 11],
            "instrument": _code(found[:, 4], codes.INSTRUMENT),
            "aim": _code(found[:, 5], codes.AIM),
            "target_group": _code(found[:, 10], codes.TARGET_GROUP),
            "months_on_benefit": found[:, 7],
            "position": found[:, 8].astype(np.int8),
            "age": found[:, 9].astype(np.int8),
        }
    ).sort("person")


def to_truth_persons(rows: np.ndarray) -> pl.DataFrame:
    """Return what no register sees: latent type (0 weak … 2 strong), health, true education."""
    found = rows[rows[:, 0] == layout.ROW_PERSON]
    return pl.DataFrame(
        {
            "person": _person(found),
            "latent_type": found[:, 9].astype(np.int8),
            "health": _code(found[:, 10], ("good", "moderate", "poor")),
            "education": _code(found[:, 11], codes.EDUCATION),
            "sex": _code(found[:, 4], codes.SEX),
        }
    ).sort("person")


def _observed(rows: np.ndarray) -> np.ndarray:
    """Leave out what ended before the first day of the window: no source saw it."""
    seen: np.ndarray = rows[rows[:, 3] > month_starts(0, 1)[0]]
    return seen


def _person(rows: np.ndarray) -> np.ndarray:
    person: np.ndarray = rows[:, 1].astype(np.int64)
    return person


def _day(days: np.ndarray) -> pl.Series:
    """Days as dates; what never happened or still runs is null."""
    series = pl.Series(np.ascontiguousarray(days, dtype=np.int32))
    return series.set(series.abs() >= layout.OPEN, None).cast(pl.Date)


def _code(values: np.ndarray, known: Sequence[str]) -> pl.Series:
    """Numbers as names; below zero is null."""
    index = pl.Series(np.ascontiguousarray(values, dtype=np.int32))
    index = index.set(index < 0, None).cast(pl.UInt32)
    return pl.Series(known, dtype=pl.Enum(known)).gather(index)


def _place(values: np.ndarray, municipalities: pl.Series) -> pl.Series:
    return municipalities.gather(pl.Series(np.ascontiguousarray(values), dtype=pl.UInt32))


def _spell(rows: np.ndarray) -> dict[str, np.ndarray | pl.Series]:
    return {"person": _person(rows), "start": _day(rows[:, 2]), "end": _day(rows[:, 3])}


def _persons(rows: np.ndarray, deaths: np.ndarray) -> pl.DataFrame:
    births = month_starts(-1000, 200)[rows[:, 5] + 1000]
    limited = pl.Series(np.ascontiguousarray(rows[:, 8]))
    persons = pl.DataFrame(
        {
            "person": _person(rows),
            "sex": _code(rows[:, 4], codes.SEX),
            "birth_month": _day(births),
            "origin": _code(rows[:, 6], codes.ORIGIN),
            "education": _code(rows[:, 7], codes.EDUCATION),
            "work_limited": limited.set(limited < 0, None).cast(pl.Boolean),
        }
    )
    died = pl.DataFrame({"person": _person(deaths), "death_date": _day(deaths[:, 2])})
    return persons.join(died, on="person", how="left")


def _residences(rows: np.ndarray, municipalities: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(
        {
            **_spell(rows),
            "municipality": _place(rows[:, 4], municipalities),
            "end_reason": _code(rows[:, 5], codes.RESIDENCE_END),
        }
    )


def _households(rows: np.ndarray) -> pl.DataFrame:
    person = _person(rows)
    return pl.DataFrame(
        {
            **_spell(rows),
            "household": person // 2 * 4 + rows[:, 4],
            "kind": _code(rows[:, 5], codes.HOUSEHOLD),
            "children": rows[:, 6].astype(np.int8),
        }
    )


def _benefits(rows: np.ndarray, municipalities: pl.Series) -> pl.DataFrame:
    place = _place(rows[:, 5], municipalities)
    return pl.DataFrame(
        {
            **_spell(rows),
            "scheme": _code(rows[:, 4], codes.SCHEME),
            # WW and disability are national schemes
            "municipality": place.set(pl.Series(rows[:, 4] != layout.SCHEME_WWB), None),
            "claim": _person(rows) // 2 * 1000 + rows[:, 6],
            "role": _code(rows[:, 7], codes.CLAIM_ROLE),
            "start_reason": _code(rows[:, 8], codes.BENEFIT_START),
            "end_reason": _code(rows[:, 9], codes.BENEFIT_END),
        }
    )


def _jobs(rows: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            **_spell(rows),
            "job": _person(rows) * 1000 + rows[:, 4],
            "employer": rows[:, 5].astype(np.int64),
            "kind": _code(rows[:, 6], codes.JOB_KIND),
            "contract": _code(rows[:, 7], codes.CONTRACT),
            "hours": rows[:, 8].astype(np.float32),
            "wage": rows[:, 9].astype(np.float32),
        }
    )


def _enrolments(rows: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({**_spell(rows), "level": _code(rows[:, 4], codes.ENROLMENT_LEVEL)})


def _programmes(rows: np.ndarray, municipalities: pl.Series) -> pl.DataFrame:
    start = _day(rows[:, 2])
    return pl.DataFrame(
        {
            "person": _person(rows),
            "programme": _person(rows) * 100 + rows[:, 10],
            "municipality": _place(rows[:, 4], municipalities),
            "instrument": _code(rows[:, 5], codes.INSTRUMENT),
            "aim": _code(rows[:, 6], codes.AIM),
            "target_group": _code(rows[:, 7], codes.TARGET_GROUP),
            "offer": _day(rows[:, 8]),
            "start": start,
            "end": _day(rows[:, 3]).set(start.is_null(), None),
            "end_reason": _code(rows[:, 9], codes.PROGRAMME_END),
        }
    )


def _positions(rows: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "person": _person(rows),
            "date": _day(rows[:, 2]),
            "position": rows[:, 4].astype(np.int8),
            "scheme": _code(np.zeros(len(rows), np.int32), codes.POSITION_SCHEME),
        }
    )
