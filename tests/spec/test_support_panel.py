"""Months in which a programme might start, on a register small enough to read."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from toolkit import registers
from toolkit.errors import CallError, EmptyCohortError, OutsideCoverageError
from toolkit.trajectories import recipe, support_panel

D = date

#: person, WWB from, to (first day off)
BENEFITS = [
    (1, D(2003, 1, 10), None),  # long on benefit; starts on 15 April 2004
    (2, D(2004, 2, 1), D(2004, 4, 1)),  # two months, no programme
    (3, D(2004, 2, 20), D(2004, 5, 1)),  # a subsidised job on the first day off
    (4, D(2004, 1, 1), None),  # a programme shortly before: left out
    (5, D(2001, 1, 1), None),  # reaches 65 in March 2004
    (6, D(2003, 2, 1), D(2003, 6, 1)),  # before the window, on and off
    (6, D(2004, 3, 1), D(2004, 5, 20)),
]
#: person, offer, start, end, instrument
PROGRAMMES = [
    (1, D(2004, 3, 20), D(2004, 4, 15), D(2004, 9, 1), "training"),
    (1, D(2004, 8, 1), D(2004, 10, 1), None, "mediation"),
    (3, D(2004, 4, 28), D(2004, 5, 1), None, "wage_subsidy"),
    (4, D(2003, 1, 1), D(2003, 2, 1), D(2003, 8, 1), "training"),
    (6, D(2004, 3, 1), None, None, "training"),  # offered, never taken up
]
JOBS = [(6, D(2003, 6, 1), D(2004, 2, 15)), (2, D(2002, 1, 1), D(2003, 8, 20))]
BORN = {5: D(1939, 3, 1)}


FIRST, LAST = D(2001, 1, 1), D(2005, 1, 1)


def spells(rows: list[tuple[int, date, date | None]], until: date) -> pl.DataFrame:
    """Return the spells as they are known on the day `until`."""
    kept = [
        (person, start, end if end and end <= until else None)
        for person, start, end in rows
        if start < until
    ]
    return pl.DataFrame(
        kept, schema={"person": pl.Int64, "start": pl.Date, "end": pl.Date}, orient="row"
    )


def register(start: date = FIRST, end: date = LAST) -> registers.Register:
    people = range(1, 7)
    return registers.from_frames(
        persons=pl.DataFrame(
            {
                "person": people,
                "sex": ["male", "female"] * 3,
                "birth_month": [BORN.get(p, D(1970, 1, 1)) for p in people],
                "origin": "native",
            }
        ),
        benefits=spells(BENEFITS, end).with_columns(
            scheme=pl.lit("wwb"), claim=pl.lit(1), role=pl.lit("head"),
            municipality=pl.lit("gm0001"),
        ),
        jobs=spells(JOBS, end).with_columns(
            job=pl.lit(1), employer=pl.lit(1), kind=pl.lit("regular"), hours=pl.lit(32.0)
        ),
        programmes=pl.DataFrame(
            [row for row in PROGRAMMES if (row[2] or row[1]) < end],
            schema={"person": pl.Int64, "offer": pl.Date, "start": pl.Date, "end": pl.Date,
                    "instrument": pl.String},
            orient="row",
        ).with_row_index("programme").with_columns(target_group=pl.lit("wwb")),
        households=spells(
            [(1, D(2000, 1, 1), D(2004, 3, 15)), (1, D(2004, 3, 15), None)], LAST
        ).with_columns(
            household=pl.lit(1), kind=pl.Series(["single", "couple"]), children=pl.Series([0, 1])
        ),
        positions=pl.DataFrame(
            {"person": [1, 1], "date": [D(2001, 6, 1), D(2004, 3, 1)], "position": [2, 3],
             "scheme": "reint2009"}
        ),
        coverage=pl.DataFrame(
            {"source": ["benefits", "jobs", "programmes"], "start": start, "end": end}
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return support_panel(register(), recipe("iwi_2008"), window="2004-01/2004-06").frame


def rows(frame: pl.DataFrame, person: int) -> pl.DataFrame:
    return frame.filter(person=person)


def test_a_row_a_month_on_benefit_until_the_programme_starts(frame: pl.DataFrame) -> None:
    one = rows(frame, 1)
    assert one["month"].dt.month().to_list() == [1, 2, 3, 4]
    assert one["duration"].to_list() == [11, 12, 13, 14]  # whole months since 10 January 2003
    assert one["starts"].to_list() == [False, False, False, True]
    assert one["treated_at"].to_list() == [14] * 4
    assert one["instrument"].cast(str).to_list() == ["training"] * 4
    assert one["offered"].to_list() == [False, False, False, True]


def test_who_leaves_without_a_programme_stays_in_until_then(frame: pl.DataFrame) -> None:
    two = rows(frame, 2)
    assert two["month"].dt.month().to_list() == [2, 3]
    assert two["duration"].to_list() == [0, 1]
    assert two["treated_at"].null_count() == 2


def test_a_subsidised_job_on_the_first_day_off_is_a_start(frame: pl.DataFrame) -> None:
    three = rows(frame, 3)
    assert three["month"].dt.month().to_list() == [3, 4]
    assert three["starts"].to_list() == [False, True]


def test_who_is_left_out(frame: pl.DataFrame) -> None:
    assert rows(frame, 4).height == 0  # a programme within the washout
    assert rows(frame, 5)["month"].dt.month().to_list() == [1, 2]  # until the pension
    longer = support_panel(register(), recipe("iwi_2008"), window="2004-01/2004-06", washout=2)
    assert rows(longer.frame, 4).height == 6


def test_history_is_that_of_the_months_before(frame: pl.DataFrame) -> None:
    six = rows(frame, 6)
    assert six["month"].dt.month().to_list() == [3, 4, 5]
    # March 2004: six months back are September to February, all in work (February until the 15th)
    assert six["worked_1_6"].to_list() == [6, 5, 4]
    assert six["worked_7_12"].to_list() == [3, 4, 5]
    # on benefit February to May 2003, and from March 2004 on
    assert six["benefit_1_6"].to_list() == [0, 1, 2]
    assert six["benefit_7_12"].to_list() == [3, 2, 1]
    assert six["benefit_13_24"].to_list() == [1, 2, 3]
    assert six["spells_24"].to_list() == [1, 2, 2]
    assert six["treated_at"].null_count() == 3  # an offer alone is no start


def test_what_was_known_on_the_first_day(frame: pl.DataFrame) -> None:
    one = rows(frame, 1)
    assert one["household"].cast(str).to_list() == ["single"] * 3 + ["couple"]
    assert one["children"].to_list() == [0, 0, 0, 1]
    assert one["position"].to_list() == [None, None, 3, 3]  # that of 2001 is too old
    assert one["age"].to_list() == [34] * 4
    assert rows(frame, 2)["household"].null_count() == 2


def test_nothing_of_the_future_moves_a_row(frame: pl.DataFrame) -> None:
    """What is not known yet on 1 April changes no row before it, but for what will come."""
    early = support_panel(
        register(end=D(2004, 4, 1)), recipe("iwi_2008"), window="2004-01/2004-03"
    ).frame
    ahead = {"spell", "treated_at", "instrument", "aim", "offered"}
    columns = [name for name in frame.columns if name not in ahead]
    same = frame.filter(pl.col("month") < D(2004, 4, 1)).select(columns)
    assert early.select(columns).equals(same)


def test_what_is_not_covered() -> None:
    with pytest.raises(OutsideCoverageError, match="do not cover"):
        support_panel(register(D(2003, 6, 1)), recipe("iwi_2008"), window="2004-01/2004-06")
    other = recipe("iwi_2008").replace(schemes=("ioaw",))
    with pytest.raises(EmptyCohortError, match="Nobody on ioaw"):
        support_panel(register(), other, window="2004-01/2004-06")


@pytest.mark.parametrize("option", [{"washout": -1}, {"washout": 1.5}, {"pension_age": "65"}])
def test_months_and_years_are_whole(option):
    with pytest.raises(CallError, match="no whole number from 0"):
        support_panel(register(), recipe("iwi_2008"), window="2004-01/2004-06", **option)
