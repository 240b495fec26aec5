"""Inflow, stock, the panel and starts of support: their rules on registers of a few persons."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from toolkit import registers, trajectories
from toolkit.errors import (
    CallError,
    EmptyCohortError,
    FollowUpWarning,
    HorizonError,
    OutsideCoverageError,
)

FIRST, LAST = date(2004, 1, 1), date(2008, 1, 1)
D = trajectories.Definition(name="rule", denominator="all_exits")


def spells(rows, **columns):
    schema = {"person": pl.Int64, "start": pl.Date, "end": pl.Date, **columns}
    return pl.DataFrame(rows, schema=schema, orient="row")


def register(*, people=3, born=date(1970, 1, 1), died=None, ends=None, **tables):
    """Make a register; `benefits` and `jobs` are rows, other tables frames."""
    text = pl.String
    benefits = spells(tables.pop("benefits", []), scheme=text)
    jobs = spells(tables.pop("jobs", []), kind=text)
    sources = {"benefits", "jobs", *tables}
    ends = {**dict.fromkeys(sources, LAST), **(ends or {})}
    return registers.from_frames(
        persons=pl.DataFrame({
            "person": range(1, people + 1),
            "sex": ["male"] * people,
            "origin": ["native"] * people,
            "birth_month": [born] * people,
            "death_date": pl.Series([died] + [None] * (people - 1), dtype=pl.Date),
        }),
        benefits=benefits.with_columns(claim=pl.lit(1), role=pl.lit("head")),
        jobs=jobs.with_columns(job=pl.lit(1), employer=pl.lit(1), hours=pl.lit(32.0)),
        coverage=pl.DataFrame({
            "source": list(ends), "start": [FIRST] * len(ends), "end": list(ends.values())
        }),
        **tables,
    )  # fmt: skip


def test_inflow_counts_months_from_the_start_and_censors_at_the_last_exit_that_could_be_known():
    found = register(
        benefits=[
            (1, date(2006, 1, 15), date(2006, 2, 15), "wwb"),
            (2, date(2006, 1, 15), date(2006, 2, 16), "wwb"),
            (3, date(2006, 1, 1), None, "wwb"),
        ],
        jobs=[(1, date(2006, 2, 15), None, "regular")],
    )
    frame = trajectories.inflow(found, D, window="2006Q1").frame
    # The data end on 1 January 2008; with the gap of 31 days and the month after an exit, one on
    # 30 November 2007 is the last that is known with its destination: 22 whole months.
    assert frame.select("person", "entry", "time", "event", "cause").rows() == [
        (1, 0, 1, 1, "work"),
        (2, 0, 2, 1, "other"),
        (3, 0, 22, 0, None),
    ]


def test_a_spell_is_censored_where_its_destination_could_not_be_seen():
    rows = [(1, date(2006, 1, 1), date(2007, 6, 1), "wwb"), (2, date(2006, 1, 1), None, "wwb")]
    found = register(benefits=rows, ends={"jobs": date(2007, 7, 1)})
    # Jobs are covered up to June 2007: an exit in May is the last whose month after is seen.
    frame = trajectories.inflow(found, D, window="2006").frame
    assert frame.select("time", "event", "cause").rows() == [(16, 0, None)] * 2
    earlier = [(1, date(2006, 1, 1), date(2007, 5, 31), "wwb"), rows[1]]
    frame = trajectories.inflow(
        register(benefits=earlier, ends={"jobs": date(2007, 7, 1)}), D, window="2006"
    ).frame
    assert frame.select("time", "event", "cause").rows() == [(17, 1, "other"), (16, 0, None)]


def test_inflow_takes_a_persons_first_start_or_all():
    found = register(
        benefits=[
            (1, date(2006, 1, 1), date(2006, 3, 1), "wwb"),
            (1, date(2006, 6, 1), date(2006, 9, 1), "wwb"),
        ]
    )
    assert trajectories.inflow(found, D, window="2006").frame["time"].to_list() == [2]
    every = trajectories.inflow(found, D, window="2006", spells="all")
    assert every.frame["time"].to_list() == [2, 3]
    assert every.glance()["months_followed"].item() == 5
    assert every.tidy().rows() == [("other", 2, 1.0)]


def test_a_start_too_close_to_the_begin_of_the_data_is_not_known_to_be_new():
    found = register(benefits=[(1, date(2004, 2, 2), None, "wwb")])
    with pytest.raises(OutsideCoverageError, match="cannot be told from older ones"):
        trajectories.inflow(found, D, window=("2004-02-01", "2004-03-01"))
    assert trajectories.inflow(found, D, window=("2004-02-02", "2004-03-01")).frame.height == 1


def test_stock_enters_with_the_months_already_gone():
    found = register(
        benefits=[
            (1, date(2003, 6, 1), date(2006, 3, 1), "wwb"),
            (2, date(2005, 12, 31), None, "wwb"),
            (3, date(2005, 1, 1), date(2005, 12, 31), "wwb"),
        ]
    )
    frame = trajectories.stock(found, D, date=date(2005, 12, 31)).frame
    assert frame.select("person", "entry", "time", "event").rows() == [
        (1, 31, 33, 1),  # the 31st month is begun: only its last day is seen
        (2, 0, 23, 0),
    ]


def test_stock_leaves_out_who_leaves_in_the_month_already_begun():
    found = register(
        benefits=[
            (1, date(2005, 1, 1), date(2006, 2, 20), "wwb"),  # leaves in month 14, begun on 1 Feb
            (2, date(2005, 1, 1), date(2006, 3, 1), "wwb"),  # leaves at the end of it
            (3, date(2005, 1, 1), date(2006, 3, 2), "wwb"),  # leaves in month 15
        ]
    )
    cohort = trajectories.stock(found, D, date=date(2006, 2, 10))
    assert cohort.frame.select("person", "entry", "time").rows() == [(3, 14, 15)]
    assert cohort.steps[-2:] == [("running on 2006-02-10", 3), ("at risk for at least a month", 1)]


def test_a_benefit_still_open_at_pension_age_ends_there():
    running = [(1, date(2006, 1, 1), None, "wwb")]
    found = register(benefits=running, born=date(1941, 7, 1))
    frame = trajectories.inflow(found, D, window="2006").frame
    assert frame.select("time", "event", "cause").rows() == [(6, 1, "pension")]


def test_death_on_benefit_ends_a_spell_and_loss_censors_it():
    running = [(1, date(2006, 1, 1), None, "wwb")]
    frame = trajectories.inflow(
        register(benefits=running, died=date(2006, 4, 10)), D, window="2006"
    ).frame
    assert frame.select("time", "event", "cause").rows() == [(4, 1, "died")]
    homes = spells([(1, FIRST, date(2006, 4, 1), "moved")], end_reason=pl.String).with_columns(
        municipality=pl.lit("gm0001")
    )
    ended = [(1, date(2006, 1, 1), date(2006, 4, 1), "wwb")]
    frame = trajectories.inflow(register(benefits=ended, residences=homes), D, window="2006").frame
    # Lost on 1 April: the last exit that could be confirmed lies 31 days earlier, on 28 February.
    assert frame.select("time", "event").rows() == [(1, 0)]


def test_empty_cohorts_and_days_outside_the_data_are_refused():
    found = register(benefits=[(1, date(2006, 1, 1), None, "wwb")])
    with pytest.raises(EmptyCohortError, match="started in the window: 0"):
        trajectories.inflow(found, D, window="2005")
    with pytest.raises(OutsideCoverageError):
        trajectories.stock(found, D, date=date(2009, 1, 1))
    with pytest.raises(EmptyCohortError):
        trajectories.stock(found, D, date=date(2005, 1, 1))
    assert trajectories.inflow(found, D, window="2005", allow_empty=True).frame.height == 0
    with pytest.raises(CallError, match="spells='each'"):
        trajectories.inflow(found, D, window="2006", spells="each")


def states(found, window="2006-01/2006-06", **options):
    panel = trajectories.monthly_panel(found, window=window, **options)
    return panel.filter(pl.col("person") == 1)["state"].to_list()


def test_states_by_month_in_their_order():
    whole = (FIRST, None)
    base = {
        "benefits": [(1, date(2006, 2, 28), date(2006, 4, 1), "ioaw")],
        "jobs": [
            (1, date(2006, 3, 31), date(2006, 4, 2), "regular"),
            (1, date(2006, 5, 1), None, "subsidised"),
        ],
    }
    assert states(register(**base)) == [
        "other", "wwb", "work_and_benefit", "work", "subsidised_work", "subsidised_work",
    ]  # fmt: skip
    studying = spells([(1, *whole)]).with_columns(level=pl.lit("higher"))
    assert states(register(**base, enrolments=studying))[0] == "student"
    nug = register(**base, enrolments=studying, registrations=spells([(1, *whole)]))
    assert states(nug)[:2] == ["nug", "wwb"]
    assert (
        states(register(**base, died=date(2006, 4, 30)))[2:] == ["work_and_benefit"] + ["dead"] * 3
    )
    away = spells([(1, FIRST, date(2006, 4, 30)), (1, date(2006, 6, 30), None)]).with_columns(
        municipality=pl.lit("gm0001")
    )
    assert states(register(**base, residences=away)) == [
        "other", "wwb", "work_and_benefit", "emigrated", "emigrated", "subsidised_work",
    ]  # fmt: skip
    assert states(register(**base), pension_age=36) == ["pension"] * 6


def test_a_panel_is_null_where_a_source_does_not_cover_the_month():
    found = register(
        benefits=[(1, date(2006, 1, 1), None, "wwb")],
        jobs=[(1, date(2006, 1, 1), None, "regular")],
        ends={"jobs": date(2006, 2, 28)},
    )
    panel = trajectories.monthly_panel(found, window="2006-01/2006-02", persons=[1])
    assert panel.rows() == [
        (1, date(2006, 1, 1), "work_and_benefit", True, True, None, True),
        (1, date(2006, 2, 1), None, None, True, None, False),
    ]
    with pytest.raises(OutsideCoverageError, match="No month"):
        trajectories.monthly_panel(found, window="2007")


def test_a_panel_counts_programmes_and_the_work_a_definition_counts():
    programmes = pl.DataFrame({
        "person": [1], "programme": [1], "instrument": ["training"], "aim": ["work"],
        "target_group": ["wwb"], "offer": [date(2006, 1, 1)], "start": [date(2006, 2, 1)],
        "end": [date(2006, 3, 1)],
    })  # fmt: skip
    found = register(jobs=[(1, date(2006, 1, 1), None, "regular")], programmes=programmes)
    panel = trajectories.monthly_panel(
        found, window="2006Q1", persons=[1], definition=D.replace(min_hours=36.0)
    )
    assert panel["in_programme"].to_list() == [False, True, False]
    assert panel["in_work"].to_list() == [False] * 3
    assert panel["state"].to_list() == ["other"] * 3


def programmes(*rows):
    return pl.DataFrame(
        [(person, number, start) for number, (person, start) in enumerate(rows)],
        schema={"person": pl.Int64, "programme": pl.Int64, "start": pl.Date},
        orient="row",
    ).with_columns(
        instrument=pl.lit("training"), aim=pl.lit("work"), target_group=pl.lit("wwb"),
        offer=pl.col("start").fill_null(date(2005, 1, 1)),
    )  # fmt: skip


def test_support_counts_from_the_first_start_and_leaves_out_who_works_already():
    target = trajectories.recipe("reintegration_24_months")
    found = register(
        people=5,
        jobs=[
            (1, date(2007, 1, 15), None, "regular"),
            (2, date(2005, 2, 1), None, "subsidised"),
            (3, date(2004, 6, 1), None, "regular"),
            (4, date(2007, 1, 16), None, "regular"),
        ],
        programmes=programmes(
            (1, date(2005, 1, 15)), (1, date(2005, 6, 1)), (2, date(2005, 1, 15)),
            (3, date(2005, 1, 15)), (4, date(2005, 1, 15)), (5, None),
        ),
    )  # fmt: skip
    made = trajectories.reintegration_outcome(found, target, window="2005")
    assert made.frame.select("person", "work_within_24", "work_time", "work_event").rows() == [
        (1, True, 24, 1),
        (2, False, 35, 0),
        (4, False, 25, 1),
    ]
    row = made.tidy().row(0, named=True)
    assert (row["measure"], row["horizon"], row["n"], row["n_yes"]) == ("work_within", 24, 3, 1)
    assert row["denominator"].startswith("first starts of support")
    assert made.meta["dropped"] == {"in such work on the day of start": 1}


def test_support_too_recent_is_missing_and_never_no():
    target = trajectories.recipe("reintegration_24_months")
    found = register(programmes=programmes((1, date(2005, 12, 31)), (2, date(2006, 1, 1))))
    with pytest.warns(FollowUpWarning, match="1 of 2 starts"):
        made = trajectories.reintegration_outcome(found, target, window="2005-12/2006-01")
    assert made.frame["work_within_24"].to_list() == [False, None]
    with pytest.raises(HorizonError, match="past the data"):
        trajectories.reintegration_outcome(found, target, window="2006")
    with pytest.raises(CallError, match="event='programme_start'"):
        trajectories.reintegration_outcome(found, D, window="2005")
    with pytest.raises(EmptyCohortError, match="No start of support"):
        trajectories.reintegration_outcome(found, target, window="2004")
