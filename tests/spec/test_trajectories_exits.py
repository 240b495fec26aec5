"""The rules of exits and of what becomes of them, each on a register of one or two persons."""

from __future__ import annotations

import warnings
from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from toolkit import registers, trajectories
from toolkit.errors import (
    EmptyCohortError,
    FollowUpWarning,
    HorizonError,
    MissingValueError,
    OutsideCoverageError,
)

FIRST, LAST = date(2004, 1, 1), date(2008, 1, 1)
D = trajectories.Definition(name="rule", denominator="all_exits", horizons=(1, 12))


def register(
    benefits,
    jobs=(),
    *,
    persons=(1, 2),
    born=date(1970, 1, 1),
    died=None,
    jobs_end=LAST,
    benefits_end=LAST,
    **others,
):
    """Make a register of benefits (person, start, end, scheme, reason, place) and jobs."""

    def rows(found, *columns):
        filled = [(*row, *[None] * (3 + len(columns) - len(row))) for row in found]
        schema = {"person": pl.Int64, "start": pl.Date, "end": pl.Date}
        return pl.DataFrame(
            filled, schema={**schema, **dict.fromkeys(columns, pl.String)}, orient="row"
        )

    sources = {"benefits": benefits_end, "jobs": jobs_end}
    sources |= {name: LAST for name in others if name != "municipalities"}
    return registers.from_frames(
        persons=pl.DataFrame({
            "person": list(persons),
            "sex": ["female"] * len(persons),
            "origin": ["native"] * len(persons),
            "birth_month": pl.Series([born] * len(persons), dtype=pl.Date),
            "death_date": pl.Series([died] * len(persons), dtype=pl.Date),
        }),
        benefits=rows(benefits, "scheme", "end_reason", "municipality").with_columns(
            pl.col("scheme").fill_null("wwb"), claim=pl.lit(1), role=pl.lit("head")
        ),
        jobs=rows(jobs, "kind", "contract").with_columns(
            pl.col("kind").fill_null("regular"),
            job=pl.lit(1),
            employer=pl.lit(1),
            hours=pl.lit(20.0),
        ),
        coverage=pl.DataFrame({
            "source": list(sources), "start": [FIRST] * len(sources), "end": list(sources.values())
        }),
        **others,
    )  # fmt: skip


def exits(found, definition=D, window="2006", **options):
    return trajectories.exits(found, definition, window=window, **options)


def outcome(found, definition=D, window="2006"):
    """Follow the one exit there is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FollowUpWarning)
        frame = trajectories.durability(exits(found, definition, window), found).frame
    assert frame.height == 1
    return frame.row(0, named=True)


ON = (1, date(2005, 1, 1), date(2006, 3, 1))


def test_the_exit_date_is_the_first_day_off_benefit_and_its_month_the_exit_month():
    row = exits(register([ON])).frame.row(0, named=True)
    assert row["exit_date"] == date(2006, 3, 1)
    assert row["exit_month"] == date(2006, 3, 1)
    assert row["entry_date"] == date(2005, 1, 1)
    assert row["months_on_benefit"] == 14
    last_day_on = D.replace(exit_month_of="last_day_on")
    assert exits(register([ON]), last_day_on).frame["exit_month"].to_list() == [date(2006, 2, 1)]


def test_a_window_holds_its_first_day_and_not_its_end():
    found = register([ON])
    assert exits(found, window=("2006-03-01", "2006-03-02")).frame.height == 1
    with pytest.raises(EmptyCohortError):
        exits(found, window=("2006-02-01", "2006-03-01"))


@pytest.mark.parametrize(("again", "count"), [(date(2006, 4, 1), 1), (date(2006, 4, 2), 2)])
def test_an_interruption_of_31_days_is_no_exit_and_one_of_32_is(again, count):
    found = exits(register([ON, (1, again, date(2006, 9, 1))]))
    assert found.frame.height == count


def test_a_move_between_municipalities_without_a_gap_is_no_exit():
    moved = [
        (*ON, "wwb", "moved", "gm0001"),
        (1, date(2006, 3, 1), date(2006, 9, 1), "wwb", "work", "gm0002"),
    ]
    row = exits(register(moved)).frame.row(0, named=True)
    assert (row["exit_date"], row["municipality"], row["end_reason"]) == (
        date(2006, 9, 1), "gm0002", "work",
    )  # fmt: skip


def test_passing_to_another_scheme_is_a_transition_or_an_exit_as_the_definition_says():
    found = register([ON, (1, date(2006, 3, 1), date(2006, 9, 1), "ioaw")])
    both = D.replace(schemes=("wwb", "ioaw"))
    one = exits(found, both).frame
    assert one.select("exit_date", "scheme").rows() == [(date(2006, 9, 1), "ioaw")]
    split = exits(found, both.replace(switch_is_exit=True)).frame
    assert split.select("exit_date", "scheme").rows() == [
        (date(2006, 3, 1), "wwb"), (date(2006, 9, 1), "ioaw"),
    ]  # fmt: skip
    alone = exits(found, D).frame.row(0, named=True)
    assert alone["destination"] == "other_benefit"


def test_the_end_must_be_followed_by_the_gap_within_the_data():
    # Data end on 1 January 2008: a new start up to 31 December can be seen. An end on 30 November
    # is known to be an exit (its gap ends on 31 December), one on 1 December is not.
    for end, count in ((date(2007, 11, 30), 1), (date(2007, 12, 1), 0)):
        found = exits(register([(1, date(2005, 1, 1), end)]), window="2007", allow_empty=True)
        assert found.frame.height == count
        assert dict(found.steps)["ended in the window"] == 1
        assert sum(found.meta["dropped"].values()) == 1 - count


def test_running_spells_are_counted():
    found = exits(register([ON, (2, date(2005, 1, 1), None)]))
    assert found.meta["running"] == 1
    assert found.glance()["n"].item() == 1


def test_nug_is_registered_without_any_benefit():
    registrations = pl.DataFrame({
        "person": [1], "start": [date(2005, 1, 1)], "end": [date(2006, 9, 1)],
    })  # fmt: skip
    nug = D.replace(schemes=("nug",), return_schemes=("nug",))
    rows = exits(register([ON], registrations=registrations), nug).frame.rows(named=True)
    assert [(r["scheme"], r["entry_date"], r["exit_date"]) for r in rows] == [
        ("nug", date(2006, 3, 1), date(2006, 9, 1))
    ]
    # Registration while on benefit is no nug; passing from WWB to nug is no exit from the two.
    both = nug.replace(schemes=("wwb", "nug"))
    assert exits(register([ON], registrations=registrations), both).frame.height == 1


@pytest.mark.parametrize(
    ("start", "end", "to_work"),
    [
        (date(2006, 4, 30), None, True),
        (date(2006, 5, 1), None, False),
        (date(2006, 3, 1), date(2006, 4, 2), True),
        (date(2006, 3, 1), date(2006, 4, 1), False),
    ],
)
def test_an_exit_is_to_work_with_a_job_on_any_day_of_the_month_after(start, end, to_work):
    row = exits(register([ON], [(1, start, end)])).frame.row(0, named=True)
    assert row["to_work"] is to_work
    assert row["destination"] == ("work" if to_work else "other")


def test_the_end_reason_can_decide_alone_or_beside_a_job():
    found = register([(*ON, "wwb", "work")])
    assert exits(found).frame["to_work"].to_list() == [False]
    for rule in ("end_reason", "either"):
        assert exits(found, D.replace(to_work=rule)).frame["to_work"].to_list() == [True]


def test_which_jobs_count_is_the_definitions_business():
    found = register([ON], [(1, date(2006, 3, 1), None, "subsidised", "agency")])
    assert exits(found).frame["to_work"].to_list() == [True]
    for choice in (
        {"work_kinds": ("regular",)},
        {"work_contracts": ("permanent",)},
        {"min_hours": 20.5},
    ):
        assert exits(found, D.replace(**choice)).frame["to_work"].to_list() == [False]


def test_hours_of_jobs_held_together_add_up():
    two = [(1, date(2006, 3, 1), date(2006, 4, 15)), (1, date(2006, 4, 14), None)]
    found = register([ON], two)
    full = D.replace(min_hours=40.0)
    assert exits(found, full).frame["to_work"].to_list() == [True]
    apart = register([ON], [(1, date(2006, 3, 1), date(2006, 4, 14)), two[1]])
    assert exits(apart, full).frame["to_work"].to_list() == [False]


def test_an_exit_with_benefit_in_the_month_after_can_be_no_exit_to_work():
    found = register([ON, (1, date(2006, 4, 15), None)], [(1, date(2006, 3, 1), None)])
    cbs = D.replace(max_gap_days=0)
    assert exits(found, cbs).frame["to_work"].to_list() == [True]
    off = cbs.replace(off_benefit_at_start=True)
    assert exits(found, off).frame["to_work"].to_list() == [False]


def test_destinations_in_order():
    enrolled = pl.DataFrame({
        "person": [1], "start": [date(2006, 3, 1)], "end": [None], "level": ["higher"],
    }, schema_overrides={"end": pl.Date})  # fmt: skip
    ww = (1, date(2006, 4, 1), None, "ww")
    job = (1, date(2006, 4, 1), None)
    abroad = pl.DataFrame({
        "person": [1], "start": [date(2004, 1, 1)], "end": [date(2006, 4, 15)],
        "municipality": ["gm0001"], "end_reason": ["emigrated"],
    })  # fmt: skip

    def where(benefits=(ON,), jobs=(), **options):
        return exits(register(benefits, jobs, **options)).frame["destination"].item()

    assert where() == "other"
    assert where(enrolments=enrolled) == "studies"
    assert where(benefits=((*ON, "wwb", "studies"),)) == "studies"
    assert where(benefits=(ON, ww), enrolments=enrolled) == "other_benefit"
    assert where(benefits=(ON, ww), jobs=(job,), enrolments=enrolled) == "work"
    assert where(benefits=((*ON, "wwb", "age"),), jobs=(job,)) == "pension"
    assert where(jobs=(job,), born=date(1941, 4, 1)) == "pension"
    assert where(jobs=(job,), born=date(1941, 5, 1)) == "work"
    assert where(jobs=(job,), residences=abroad) == "emigrated"
    assert where(jobs=(job,), residences=abroad, died=date(2006, 4, 10)) == "died"


def test_what_jobs_do_not_cover_is_no_destination():
    found = exits(register([ON], jobs_end=date(2006, 4, 30)))
    assert found.frame.select("to_work", "destination").row(0) == (None, None)
    assert found.tidy().rows() == [(None, 1, None)]
    assert found.glance()["n_not_observed"].item() == 1


def test_in_work_at_h_is_the_calendar_month_h_months_after_the_exit_month():
    exit_15 = (1, date(2005, 1, 1), date(2006, 3, 15))
    for start, end, at_12 in (
        (date(2007, 3, 31), None, True),
        (date(2007, 4, 1), None, False),
        (date(2006, 3, 15), date(2007, 3, 2), True),
        (date(2006, 3, 15), date(2007, 3, 1), False),
    ):
        assert outcome(register([exit_15], [(1, start, end)]))["in_work_at_12"] is at_12


def test_uninterrupted_needs_every_month_and_its_first_gap_is_the_event():
    gap = [(1, date(2006, 3, 1), date(2006, 8, 31)), (1, date(2006, 10, 1), None)]
    row = outcome(register([ON], gap))
    assert row["in_work_at_12"] is True
    assert row["uninterrupted_12"] is False
    # Out of work in September, the sixth month after March.
    assert (row["work_time"], row["work_event"]) == (6, trajectories.HAPPENED)
    closed = [gap[0], (1, date(2006, 9, 30), None)]
    row = outcome(register([ON], closed))
    assert row["uninterrupted_12"] is True
    # In work from April 2006 to December 2007, the last month of the data.
    assert (row["work_time"], row["work_event"]) == (21, trajectories.CENSORED)


def test_26_weeks_within_a_year_are_182_days_counted_once():
    weeks = trajectories.recipe("suwi_26_weeks").replace(denominator="all_exits")
    for last, enough in ((date(2006, 8, 30), True), (date(2006, 8, 29), False)):
        # 1 March up to and with 29 August is 182 days; the second job lies on the same days.
        jobs = [(1, date(2006, 3, 1), last), (1, date(2006, 4, 1), date(2006, 5, 1))]
        assert outcome(register([ON], jobs), weeks)["cumulative_12"] is enough


@pytest.mark.parametrize(
    ("end", "again", "within", "months"),
    [
        (date(2006, 3, 1), date(2006, 9, 1), True, 6),
        (date(2006, 3, 1), date(2006, 9, 2), False, 7),
        (date(2006, 8, 31), date(2007, 2, 28), True, 6),
        (date(2006, 8, 31), date(2007, 3, 1), False, 7),
        (date(2006, 3, 15), date(2006, 4, 16), True, 2),
    ],
)
def test_a_return_is_a_new_spell_up_to_and_on_exit_date_plus_h_months(end, again, within, months):
    row = outcome(register([(1, date(2005, 1, 1), end), (1, again, None)]))
    assert row["returned_within_6"] is within
    assert row["months_to_return"] == months
    assert (row["return_time"], row["return_event"]) == (months, trajectories.HAPPENED)


def test_a_benefit_already_running_at_the_exit_is_no_return_and_a_new_one_is():
    wide = D.replace(return_schemes=("wwb", "ww"))
    running = register([ON, (1, date(2006, 2, 1), date(2006, 12, 1), "ww")])
    assert outcome(running, wide)["returned_within_6"] is False
    new = register([ON, (1, date(2006, 3, 1), None, "ww")])
    row = outcome(new, wide)
    assert (row["returned_within_6"], row["months_to_return"]) == (True, 0)


def test_jobs_cut_six_months_early_leave_missing_outcomes_and_never_no():
    # Ten exits, one a month from March to December 2006, all in work ever after.
    many = [(n, date(2005, 1, 1), date(2006, 2 + n, 1)) for n in range(1, 11)]
    jobs = [(n, date(2006, 2 + n, 1), None) for n in range(1, 11)]

    def table(jobs_end):
        found = register(many, jobs, persons=range(1, 11), jobs_end=jobs_end)
        made = trajectories.durability(exits(found), found)
        return made, made.indicators().filter(measure="in_work", horizon=12).row(0, named=True)

    _, full = table(LAST)
    assert (full["n"], full["n_observed"], full["estimate"]) == (10, 10, 1.0)
    with pytest.warns(FollowUpWarning, match="in_work_at_12, uninterrupted_12: 6 of 10"):
        cut, row = table(date(2007, 7, 1))
    # Exits up to June 2006 have their 12th month in the data; the others are missing.
    assert (row["n"], row["n_observed"], row["n_yes"], row["estimate"]) == (10, 4, 4, 1.0)
    assert cut.frame["in_work_at_12"].to_list() == [True] * 4 + [None] * 6
    assert cut.meta["not_observed"]["in_work_at_12"] == {"coverage": 6}
    assert any("in_work_at_12" in note for note in cut.meta["warnings"])


def test_a_month_that_is_not_wholly_covered_is_not_observed():
    job = [(1, date(2006, 3, 1), None)]
    for end, seen in ((date(2007, 4, 1), True), (date(2007, 3, 31), None)):
        row = outcome(register([ON], job, jobs_end=end), window="2006Q1")
        assert row["in_work_at_12"] is seen


def test_a_return_horizon_is_observed_when_its_last_day_is():
    for end, seen in ((date(2006, 9, 2), False), (date(2006, 9, 1), None)):
        row = outcome(register([ON], benefits_end=end), D.replace(horizons=(1,)), "2006-01/2006-06")
        assert row["returned_within_6"] is seen


def test_a_return_before_an_unobserved_horizon_counts_in_time_but_not_as_a_share():
    back = [ON, (1, date(2006, 6, 1), None)]
    row = outcome(register(back, benefits_end=date(2006, 8, 1)), D, "2006-01/2006-06")
    assert row["returned_within_6"] is None
    assert (row["return_time"], row["return_event"]) == (3, trajectories.HAPPENED)


def test_death_ends_observation():
    row = outcome(
        register([ON], [(1, date(2006, 3, 1), date(2006, 6, 10))], died=date(2006, 6, 10))
    )
    assert row["in_work_at_1"] is True
    assert row["in_work_at_12"] is None
    assert row["returned_within_6"] is None
    # Seen in work in April and May; died in June, the third month; four months for the return.
    assert (row["work_time"], row["work_event"]) == (3, trajectories.DIED)
    assert (row["return_time"], row["return_event"]) == (4, trajectories.DIED)
    assert row["left_because"] == "died"


def test_a_benefit_from_the_day_of_death_on_is_no_return():
    back = [ON, (1, date(2006, 6, 10), date(2006, 7, 1))]
    row = outcome(register(back, died=date(2006, 6, 10)), window="2006-03")
    assert (row["months_to_return"], row["return_event"]) == (None, trajectories.DIED)


def test_weeks_in_work_are_observed_up_to_the_day_before_exit_date_plus_h_months():
    weeks = trajectories.recipe("suwi_26_weeks").replace(denominator="all_exits")
    last = [(1, date(2005, 1, 1), date(2006, 3, 15))]
    job = [(1, date(2006, 3, 15), None)]
    for end, seen in ((date(2007, 3, 15), True), (date(2007, 3, 14), None)):
        found = register(last, job, jobs_end=end)
        assert outcome(found, weeks, window=("2006-02-01", "2006-04-01"))["cumulative_12"] is seen


def homes(*rows):
    frame = pl.DataFrame(
        rows,
        schema={"person": pl.Int64, "start": pl.Date, "end": pl.Date, "end_reason": pl.String},
        orient="row",
    )
    return frame.with_columns(municipality=pl.lit("gm0001"))


def test_a_hole_between_residences_is_emigration_and_moving_is_not():
    stay = homes((1, FIRST, date(2005, 6, 1), "moved"), (1, date(2005, 6, 1), None, None))
    assert outcome(register([ON], residences=stay))["left_because"] is None
    away = homes((1, FIRST, date(2006, 6, 10), None), (1, date(2007, 6, 1), None, None))
    row = outcome(register([ON], residences=away))
    assert (row["left_because"], row["return_time"], row["return_event"]) == (
        "emigrated", 4, trajectories.EMIGRATED,
    )  # fmt: skip
    assert row["observed_until_benefits"] == date(2006, 6, 10)


def test_a_residence_that_ends_without_emigration_and_is_the_last_is_a_loss_and_censors():
    lost = homes((1, FIRST, date(2006, 6, 10), "moved"))
    row = outcome(register([ON], residences=lost))
    assert (row["left_because"], row["return_time"], row["return_event"]) == (
        "lost", 3, trajectories.CENSORED,
    )  # fmt: skip
    at_once = homes((1, FIRST, date(2006, 3, 1), "moved"))
    found = exits(register([ON], residences=at_once), allow_empty=True)
    assert found.frame.height == 0


def test_pension_age_censors_or_leaves_out():
    born = date(1941, 9, 1)
    row = outcome(register([ON], [(1, date(2006, 3, 1), None)], born=born))
    assert row["in_work_at_12"] is None
    assert (row["work_time"], row["work_event"]) == (5, trajectories.CENSORED)
    free = outcome(
        register([ON], [(1, date(2006, 3, 1), None)], born=born), D.replace(pension_age=None)
    )
    assert free["in_work_at_12"] is True
    # Follow-up runs to March 2007: who turns 65 in that month is left out, in April stays.
    for month, count in ((date(1942, 3, 1), 0), (date(1942, 4, 1), 1)):
        cut = D.replace(drop_if_reaching=65)
        assert exits(register([ON], born=month), cut, allow_empty=True).frame.height == count


def test_age_bounds_are_whole_years_at_exit():
    found = register([ON], born=date(1979, 3, 1))
    assert exits(found, D.replace(min_age=27, max_age=27)).frame.height == 1
    with pytest.raises(EmptyCohortError, match="aged 28 or over: 0"):
        exits(found, D.replace(min_age=28))
    with pytest.raises(MissingValueError, match="birth month"):
        exits(register([ON], born=None), D.replace(min_age=18))


def test_exits_for_some_reasons_can_be_left_out_and_are_counted():
    found = register([(*ON, "wwb", "relationship"), (2, date(2005, 1, 1), date(2006, 5, 1))])
    left = exits(found, D.replace(excluded_end_reasons=("relationship",)))
    assert left.frame["person"].to_list() == [2]
    assert left.meta["dropped"] == {"not: end reason not relationship": 1}


def test_the_denominator_is_exits_to_work_known_to_be_so():
    many = [(n, date(2005, 1, 1), date(2006, 3, 1)) for n in range(1, 5)]
    jobs = [(n, date(2006, 3, 1), None) for n in range(1, 4)]
    found = register([*many, (4, date(2006, 6, 1), None)], jobs, persons=range(1, 5))
    made = trajectories.durability(exits(found, D.replace(denominator="exits_to_work")), found)
    assert made.steps[-2:] == [("to work or not is observed", 4), ("to work", 3)]
    row = made.indicators().filter(measure="returned").row(0, named=True)
    assert (row["n"], row["n_yes"], row["estimate"]) == (3, 0, 0.0)
    assert row["denominator"].startswith("exits from wwb to work")
    everyone = trajectories.durability(exits(found), found)
    row = everyone.indicators().filter(measure="returned").row(0, named=True)
    assert Fraction(row["n_yes"], row["n_observed"]) == Fraction(1, 4)


def test_groups_and_wilson_intervals():
    many = [(n, date(2005, 1, 1), date(2006, 3, 1)) for n in range(1, 11)]
    back = [(n, date(2006, 6, 1), None) for n in (1, 2)]
    found = register([*many, *back], persons=range(1, 11))
    made = trajectories.durability(exits(found), found)
    row = made.tidy().filter(measure="returned").row(0, named=True)
    # Wilson 95% for 2 of 10, as in Newcombe (1998) by the formula: 0.0567 to 0.5098.
    assert row["conf_low"] == pytest.approx(0.0566822, abs=1e-6)
    assert row["conf_high"] == pytest.approx(0.5098375, abs=1e-6)
    grouped = trajectories.indicators(
        made.frame.with_columns(even=pl.col("person") % 2 == 0), D, by="even"
    ).filter(measure="returned")
    assert grouped.select("even", "n", "n_yes").rows() == [(False, 5, 1), (True, 5, 1)]


def test_another_definition_can_follow_the_same_exits():
    found = register([ON], [(1, date(2006, 3, 1), None, "subsidised")])
    made = exits(found)
    assert trajectories.durability(made, found).frame["in_work_at_12"].item() is True
    regular = D.replace(name="regular", work_kinds=("regular",))
    assert trajectories.durability(made, found, regular).frame["in_work_at_12"].item() is False


def test_a_horizon_past_the_data_of_everybody_is_refused():
    found = register([ON])
    with pytest.raises(HorizonError, match="Work at 24 months"):
        trajectories.durability(exits(found, D.replace(horizons=(24,))), found)
    with pytest.raises(HorizonError, match="return within 36 months"):
        trajectories.durability(exits(found, D.replace(return_horizons=(36,))), found)


def test_windows_outside_the_data_and_empty_cohorts_are_refused():
    found = register([ON])
    for window in ("2003", "2008", "2007-12/2008-01"):
        with pytest.raises(OutsideCoverageError, match="2004-01-01 to 2008-01-01"):
            exits(found, window=window)
    with pytest.raises(EmptyCohortError, match="ended in the window: 0"):
        exits(found, window="2005")
    with pytest.raises(EmptyCohortError, match="No exit to work"):
        trajectories.durability(exits(found, D.replace(denominator="exits_to_work")), found)


def test_summaries_name_the_definition_and_what_was_dropped():
    found = register([ON, (2, date(2005, 1, 1), date(2006, 12, 31))], benefits_end=date(2007, 1, 1))
    made = exits(found, D.replace(description="for a test"))
    text = made.summary()
    assert "rule: for a test" in text
    assert "Dropped: 1" in text
    assert "Definition" in made._repr_html_()


def test_traits_are_added_row_by_row_and_a_programme_is_looked_for_far_enough_back():
    programmes = pl.DataFrame({
        "person": [1, 2, 2],
        "programme": [1, 2, 3],
        "instrument": ["training", "work_first", "mediation"],
        "aim": ["work"] * 3,
        "target_group": ["wwb"] * 3,
        "offer": [date(2004, 2, 1)] * 3,
        "start": [date(2004, 2, 28), date(2004, 3, 1), None],
        "end": [date(2004, 6, 1), date(2004, 4, 1), None],
    })  # fmt: skip
    places = pl.DataFrame({
        "municipality": ["gm0001"], "name": ["A"], "region": [3], "population": [9],
        "size_class": ["g4"],
    })  # fmt: skip
    spells = [(*ON, "wwb", None, "gm0001"), (2, date(2005, 1, 1), date(2006, 3, 1))]
    found = register(spells, programmes=programmes, municipalities=places, born=date(1979, 4, 1))
    told = trajectories.describe(exits(found), found).frame
    assert told["size_class"].to_list() == ["g4", None]
    assert told["age_at_exit"].to_list() == [26, 26]
    # 24 months before 1 March 2006 is 1 March 2004: the data cover it, so 'without' is known.
    assert told["with_programme"].to_list() == [False, True]
    assert told["instrument"].to_list() == [None, "work_first"]
    far = trajectories.describe(exits(found).frame, found, programme_months=36)
    # Three years back lies before the data: unknown, also where a programme is seen, or the only
    # ones known would be those with one.
    assert far["with_programme"].to_list() == [None, None]
    assert far["instrument"].to_list() == ["training", "work_first"]
    nobody = register(spells, programmes=programmes.clear(), municipalities=places)
    told = trajectories.describe(exits(nobody).frame, nobody, programme_months=36)
    assert told["with_programme"].to_list() == [None, None]


def test_every_result_says_what_it_estimates_and_with_what():
    from synthetic_data import make_register

    made = make_register(persons=3_000, seed=1)
    definition = trajectories.recipe("iwi_2008")
    found = trajectories.exits(made, definition, window="2005/2006")
    for result in (
        found,
        trajectories.durability(found, made),
        trajectories.inflow(made, definition, window="2005"),
    ):
        for key in ("estimand", "definition", "n", "versions", "wall_time"):
            assert key in result.meta
        assert result.meta["wall_time"] >= 0
        assert "Estimand" in result.summary()
