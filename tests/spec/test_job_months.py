"""Wage rows to job months and jobs: each rule as a table of a few rows."""

from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from synthetic_data import make_register
from toolkit.errors import (
    CallError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    UnknownCodeError,
    UnknownColumnError,
    WrongTypeError,
)
from toolkit.registers import schema
from toolkit.registers.layout import TableSpec
from toolkit.registers.wages.job_months import FLAGS, job_months
from toolkit.registers.wages.jobs import wage_rows_to_jobs
from toolkit.registers.wages.person_months import person_months
from toolkit.registers.wages.stream import stream_job_months

FROM, UNTIL = date(2010, 1, 1), date(2012, 1, 1)
COLUMNS = {
    "job": "IKVID",
    "employer": "SBEID",
    "start": "SDATUMAANVANGIKO",
    "end": "SDATUMEINDEIKO + INTERVAL '1d'",
    "wage": "SBASISLOON",
    "hours": "SBASISUREN",
    "kind": "SSOORTBAAN",
    "contract": "SCONTRACTSOORT",
    "job_start": "SDATUMAANVANGIKV",
    "job_end": "SDATUMEINDEIKV + INTERVAL '1d'",
    "period": "STIJDVAKTYPE",
}
SPOLIS = TableSpec(table="jobs", via="wage_rows", columns=COLUMNS)
NAMES = {  # ours → SPOLISBUS
    "job": "IKVID", "employer": "SBEID", "start": "SDATUMAANVANGIKO", "end": "SDATUMEINDEIKO",
    "wage": "SBASISLOON", "hours": "SBASISUREN", "kind": "SSOORTBAAN",
    "contract": "SCONTRACTSOORT", "job_start": "SDATUMAANVANGIKV", "job_end": "SDATUMEINDEIKV",
    "period": "STIJDVAKTYPE",
}  # fmt: skip


def month_cuts(*, four_weekly):
    """Days on which a new wage row starts: months, and four-week periods from 4 January 2010."""
    months = pl.date_range(FROM, UNTIL, "1mo", eager=True)
    weeks = pl.date_range(date(2009, 12, 7), UNTIL, "4w", eager=True)
    days = pl.concat([months, weeks]) if four_weekly else months
    return days.filter(days.is_between(FROM, UNTIL)).unique().sort()


def wage_rows(jobs):
    """Rows as SPOLISBUS has them, in cents and hundredths of hours, last days included."""
    job_bounds = jobs.group_by("job").agg(
        pl.col("start").min().alias("job_start"),
        pl.when(pl.col("end").is_null().any()).then(None).otherwise(pl.col("end").max())
        .alias("job_end"),
    )  # fmt: skip
    seen = jobs.filter(
        (pl.col("start") < UNTIL) & (pl.col("end").is_null() | (pl.col("end") > FROM))
    )
    parts = []
    for four_weekly in (False, True):
        cuts = month_cuts(four_weekly=four_weekly)
        periods = pl.DataFrame({"from": cuts[:-1], "until": cuts[1:]})
        mine = seen.filter((pl.col("employer") % 5 == 0) == four_weekly)
        rows = mine.join_where(
            periods,
            pl.col("start") < pl.col("until"),
            pl.col("end").fill_null(UNTIL) > pl.col("from"),
        )
        parts.append(
            rows.with_columns(
                start=pl.max_horizontal("start", "from"),
                end=pl.min_horizontal(pl.col("end").fill_null(UNTIL), "until"),
                period=pl.lit("four_weekly" if four_weekly else "month"),
            )
        )
    rows = pl.concat(parts).join(job_bounds, on="job")
    days = (pl.col("end") - pl.col("start")).dt.total_days()
    return (
        rows.with_columns(
            wage=(pl.col("wage").cast(pl.Float64) * days / pl.col("start").dt.days_in_month())
            .round(2),
            hours=(pl.col("hours").cast(pl.Float64) * days / 7).round(2),
            end=pl.col("end").dt.offset_by("-1d"),
            job_end=pl.col("job_end").dt.offset_by("-1d"),
        )
        .rename(NAMES)
        .with_columns(pl.col("SSOORTBAAN", "SCONTRACTSOORT").cast(pl.String))
        .select("person", *NAMES.values())
        .sample(fraction=1.0, shuffle=True, seed=1)
    )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    jobs = make_register(2000).jobs
    return jobs.collect() if isinstance(jobs, pl.LazyFrame) else jobs


def in_window(jobs):
    return jobs.filter(pl.col("end").is_null() | (pl.col("end") > FROM))


def test_jobs_of_the_world_come_back_from_monthly_and_four_weekly_wage_rows(world):
    rows = wage_rows(world)
    assert rows.filter(pl.col("STIJDVAKTYPE") == "four_weekly").height > 1000
    expected = in_window(world).with_columns(pl.col("start").clip(lower_bound=FROM))
    found = wage_rows_to_jobs(rows, SPOLIS, covered_from=FROM, covered_until=UNTIL)
    assert found.schema == pl.Schema(schema.dtypes("jobs"))
    order = [*schema.sort_key("jobs")]
    assert found.sort(order).equals(expected.select(found.columns).sort(order))


def test_a_job_of_one_row_that_began_before_the_window_keeps_its_start(world):
    once = world.filter(pl.len().over("job") == 1)
    found = wage_rows_to_jobs(wage_rows(once), SPOLIS)
    order = [*schema.sort_key("jobs")]
    expected = in_window(once).select(found.columns).sort(order)
    assert (expected["start"] < FROM).sum() > 100
    assert found.sort(order).equals(expected)


def test_with_the_bounds_of_the_window_pieces_join_those_of_an_earlier_source(world):
    running = world.filter(
        (pl.col("start") < FROM) & (pl.col("end").is_null() | (pl.col("end") > FROM))
    )
    assert running.height > 500
    after = wage_rows_to_jobs(wage_rows(world), SPOLIS, covered_from=FROM, covered_until=UNTIL)
    terms = ["person", "job", "employer", "kind", "contract", "hours", "wage"]
    # what an earlier source holds of them ends on that day: one piece of ours starts there, equal
    # but for the dates
    ours = after.filter(pl.col("start") == FROM)
    assert running.join(ours, on=terms, how="anti").is_empty()


# --- job months, case by case --------------------------------------------------------------------


def row(start, end, wage, hours, **other):
    """One wage row; days as (month, day) of 2010, `end` the first day after."""
    base = {
        "person": 1, "job": 7, "employer": 3, "start": date(2010, *start), "end": date(2010, *end),
        "wage": wage, "hours": hours, "kind": "regular", "contract": "permanent",
        "period": "month",
    }  # fmt: skip
    return base | other


def frame(*rows):
    types = {
        "wage": pl.Float64, "hours": pl.Float64, "contract": pl.String, "start": pl.Date,
        "end": pl.Date,
    }  # fmt: skip
    return pl.DataFrame(list(rows), schema_overrides=types).lazy()


def months(*rows, **options):
    return job_months(frame(*rows), **options).collect().sort("person", "job", "month")


def flags(found):
    return {name for name in FLAGS if found[name].any()}


def test_a_whole_month_is_its_own_rate():
    found = months(row((1, 1), (2, 1), 1550.0, 159.43))
    assert found.select("days", "hours", "wage", "hours_paid", "wage_paid").row(0) == (
        31, 36.0, 1550.0, 159.43, 1550.0,
    )  # fmt: skip
    assert found["month"].item() == date(2010, 1, 1)
    assert found["month"].item() == found["start"].item()
    assert found["end"].item() == date(2010, 2, 1)
    assert not flags(found)


def test_part_of_a_month_is_a_rate_over_the_days_it_covers():
    # 16–30 June: 15 of 30 days
    found = months(row((6, 16), (7, 1), 900.0, 75.0))
    assert found["wage"].item() == 900 * Fraction(30, 15)
    assert found["hours"].item() == 75 * Fraction(7, 15)
    assert found.select("start", "end").row(0) == (date(2010, 6, 16), date(2010, 7, 1))


def test_four_weekly_rows_cut_at_the_month_add_up():
    found = months(
        row((1, 1), (1, 4), 150.0, 15.43, period="four_weekly"),
        row((1, 4), (2, 1), 1400.0, 144.0, period="four_weekly"),
    )
    assert found.select("days", "hours", "wage", "n_rows").row(0) == (31, 36.0, 1550.0, 2)
    assert flags(found) == {"four_weekly"}


def test_a_four_weekly_row_that_was_not_cut_is_spread_by_days():
    # 18 January – 14 February: 14 days in each
    found = months(row((1, 18), (2, 15), 1400.0, 144.0, period="four_weekly"))
    assert found["days"].to_list() == [14, 14]
    assert found["wage_paid"].to_list() == [700.0, 700.0]
    assert found["hours_paid"].to_list() == [72.0, 72.0]
    assert found["wage"].to_list() == [700 * Fraction(31, 14), 700 * Fraction(28, 14)]
    assert found["hours"].to_list() == [36.0, 36.0]
    assert found["start"].to_list() == [date(2010, 1, 18), date(2010, 2, 1)]


def test_a_half_year_row_reaches_every_month_of_it():
    found = months(row((7, 1), (7, 2), 1840.0, 184.0) | {"end": date(2011, 1, 1)})
    assert found["wage_paid"].to_list() == pytest.approx([310, 310, 300, 310, 300, 310])
    assert found["hours"].to_list() == [7.0] * 6


def test_the_last_day_may_be_in_the_row():
    exclusive = months(row((1, 1), (2, 1), 1550.0, 159.43))
    inclusive = months(row((1, 1), (1, 31), 1550.0, 159.43), last_day="included")
    assert inclusive.equals(exclusive)


def test_days_that_two_rows_cover_count_once():
    found = months(row((1, 1), (1, 21), 600.0, 60.0), row((1, 11), (2, 1), 950.0, 95.0))
    assert found["days"].item() == 31
    assert found["wage"].item() == 1550.0


def test_a_correction_nets_against_its_month():
    found = months(
        row((3, 1), (4, 1), 1700.0, 170.0),
        row((3, 1), (4, 1), -150.0, -15.0),
        row((4, 1), (5, 1), 1500.0, 150.0),
    )
    assert found["wage"].to_list() == [1550.0, 1500.0]
    assert found["hours_paid"].to_list() == [155.0, 150.0]
    assert not flags(found)


def test_a_month_below_zero_after_corrections_is_unknown_and_says_so():
    found = months(
        row((3, 1), (4, 1), 100.0, 170.0), row((3, 1), (4, 1), -150.0, -15.0)
    )  # fmt: skip
    assert found.select("wage", "wage_paid", "hours_paid").row(0) == (None, None, 155.0)
    assert flags(found) == {"correction_below_zero"}


def test_a_correction_to_the_cent_is_nought_and_not_below():
    found = months(
        row((3, 1), (4, 1), 0.1, 1.0), row((3, 1), (4, 1), 0.2, 1.0),
        row((3, 1), (4, 1), -0.3, -2.0),
    )  # fmt: skip
    # 0.1 + 0.2 - 0.3 is 5.6e-17, and in another order -2.8e-17
    assert found["wage"].item() == 0.0
    assert found["wage_paid"].item() == pytest.approx(0, abs=1e-12)
    assert found["wage_paid"].item() >= 0
    assert not flags(found)


@pytest.mark.parametrize("nines", [99999.0, 99999.99, 9999999.0, 999999999.99, None, float("nan")])
def test_all_nines_are_unknown_not_a_wage(nines):
    found = months(row((1, 1), (2, 1), nines, 100.0), row((1, 1), (2, 1), 500.0, 10.0))
    assert found.select("wage", "wage_paid", "hours_paid").row(0) == (None, None, 110.0)
    assert flags(found) == {"unknown_wage"}


@pytest.mark.parametrize("nines", [999.0, 9999.0, 99999.99, None])
def test_all_nines_are_unknown_not_hours_and_not_capped(nines):
    found = months(row((1, 1), (2, 1), 1550.0, nines))
    assert found.select("wage", "hours", "hours_paid").row(0) == (1550.0, None, None)
    assert flags(found) == {"unknown_hours"}


def test_amounts_that_merely_look_large_are_amounts():
    found = months(row((1, 1), (2, 1), 99998.0, 399.0))
    assert found.select("wage", "hours_paid").row(0) == (99998.0, 399.0)


def test_more_than_400_hours_in_a_month_are_no_hours():
    found = months(
        row((1, 1), (2, 1), 1550.0, 400.0),
        row((2, 1), (3, 1), 1550.0, 250.0),
        row((2, 1), (3, 1), 1550.0, 150.01),
    )
    assert found["hours_paid"].to_list() == [400.0, None]
    assert found["hours"].to_list() == [pytest.approx(400 * 7 / 31, abs=0.05), None]
    assert found["wage"].to_list() == [1550.0, 3100.0]
    assert found["capped_hours"].to_list() == [False, True]
    assert months(row((1, 1), (2, 1), 1.0, 300.0), hours_cap=250)["hours"].item() is None


def test_kind_and_contract_are_those_of_most_days_corrections_last():
    found = months(
        row((1, 1), (1, 11), 500.0, 50.0, kind="trainee", contract="temporary"),
        row((1, 11), (2, 1), 1050.0, 100.0, contract="agency"),
        row((1, 1), (2, 1), -10.0, 0.0, kind="director", contract="on_call"),
    )
    assert found.select("kind", "contract").row(0) == ("regular", "agency")
    # as many days: the later
    found = months(
        row((2, 15), (3, 1), 500.0, 50.0, contract="agency"),
        row((2, 1), (2, 15), 500.0, 50.0, contract=None),
    )
    assert found["contract"].item() == "agency"
    assert months(row((2, 1), (3, 1), 1.0, 1.0, contract=None))["contract"].item() is None


def test_jobs_employers_and_persons_are_apart():
    found = months(
        row((1, 1), (2, 1), 100.0, 10.0),
        row((1, 1), (2, 1), 200.0, 20.0, job=8),
        row((1, 1), (2, 1), 300.0, 30.0, employer=4),
        row((1, 1), (2, 1), 400.0, 40.0, person=2),
    )
    assert sorted(found["wage"].to_list()) == [100.0, 200.0, 300.0, 400.0]


@pytest.mark.parametrize("dates", [{"end": None}, {"start": None}, {"end": date(2010, 1, 1)}])
def test_rows_without_usable_dates_are_kept_as_unknown(dates):
    found = months(row((1, 1), (2, 1), 100.0, 10.0) | dates)
    assert found.select("days", "wage", "hours", "n_rows").row(0) == (0, None, None, 1)
    assert flags(found) == {"unknown_wage", "unknown_hours"}


def test_bad_calls_are_refused_with_the_nearest_name():
    rows = frame(row((1, 1), (2, 1), 100.0, 10.0))
    with pytest.raises(UnknownColumnError, match="did you mean 'wage'"):
        job_months(rows, wage="wages")
    with pytest.raises(CallError, match="last_day"):
        job_months(rows, last_day="in")
    with pytest.raises(CallError, match="hours_cap"):
        job_months(rows, hours_cap=0)
    with pytest.raises(WrongTypeError, match="not a date"):
        job_months(rows.with_columns(start=pl.lit("20100101")))
    with pytest.raises(WrongTypeError, match="not a number"):
        job_months(rows.with_columns(wage=pl.lit("100")))


# --- person months -------------------------------------------------------------------------------


def persons(*rows, **options):
    found = person_months(job_months(frame(*rows)), **options).collect()
    return found.sort("person", "month")


def test_person_months_average_over_the_month_and_name_the_main_job():
    found = persons(
        row((6, 1), (6, 16), 900.0, 75.0, kind="trainee"),
        row((6, 16), (7, 1), 800.0, 76.0, job=8, employer=4),
    )
    assert found["hours"].item() == pytest.approx(float(151 * Fraction(7, 30)))
    assert found.select("wage", "n_jobs", "job", "employer", "kind").row(0) == (
        1700.0, 2, 8, 4, "regular",
    )  # fmt: skip


def test_the_main_job_on_a_tie_earns_most_then_has_the_lowest_number():
    found = persons(
        row((6, 1), (7, 1), 900.0, 75.0, job=9), row((6, 1), (7, 1), 901.0, 75.0, job=8),
        row((7, 1), (8, 1), 900.0, 75.0, job=9), row((7, 1), (8, 1), 900.0, 75.0, job=8),
        row((8, 1), (9, 1), 0.0, 0.0, job=8), row((8, 1), (9, 1), 0.0, 0.01, job=9),
    )  # fmt: skip
    assert found["job"].to_list() == [8, 8, 9]


def test_an_unknown_job_makes_the_total_unknown_or_a_lower_bound():
    rows = [
        row((6, 1), (7, 1), 900.0, 75.0), row((6, 1), (7, 1), None, 15.0, job=8),
        row((7, 1), (8, 1), 900.0, None),
    ]  # fmt: skip
    strict, bound = persons(*rows), persons(*rows, unknown="leave_out")
    assert strict["wage"].to_list() == [None, 900.0]
    assert strict["hours"].to_list() == [21.0, None]
    assert bound["wage"].to_list() == [900.0, 900.0]
    assert bound["hours"].to_list() == [21.0, None]
    assert strict["unknown_wage"].to_list() == [True, False]


def test_person_months_are_refused_without_job_months():
    with pytest.raises(UnknownColumnError):
        person_months(frame(row((1, 1), (2, 1), 1.0, 1.0)))
    text = job_months(frame(row((1, 1), (2, 1), 1.0, 1.0))).with_columns(pl.col("job").cast(str))
    with pytest.raises(WrongTypeError, match="integer"):
        person_months(text)


# --- streaming -----------------------------------------------------------------------------------


def test_streaming_refuses_a_folder_in_use_and_leaves_nothing_after_a_failure(tmp_path):
    rows = frame(row((1, 1), (2, 1), 1.0, 1.0)).collect()
    out = tmp_path / "out"

    def cut_off():
        yield rows
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        stream_job_months(cut_off(), out, rows_in_memory=1)
    assert list(out.iterdir()) == []
    with pytest.raises(EmptyCohortError):
        stream_job_months(iter([rows.clear()]), out)
    assert stream_job_months(iter([rows, rows]), out).collect()["n_rows"].item() == 2
    with pytest.raises(CallError, match="already"):
        stream_job_months(iter([rows]), out)
    with pytest.raises(CallError, match="buckets"):
        stream_job_months(iter([rows]), tmp_path, buckets=0)


# --- jobs, case by case --------------------------------------------------------------------------

OWN = TableSpec(
    table="jobs",
    via="wage_rows",
    columns={name: f'"{name}"' for name in NAMES},
)
BARE = OWN.model_copy(
    update={"columns": {k: v for k, v in OWN.columns.items() if not k.startswith("job_")}}
)


def jobs(*rows, table=OWN, **options):
    types = {
        "wage": pl.Float64, "hours": pl.Float64, "contract": pl.String, "job_start": pl.Date,
        "job_end": pl.Date, "kind": pl.String,
    }  # fmt: skip
    base = {"job_start": date(2009, 5, 1), "job_end": None}
    staged = pl.DataFrame([base | one for one in rows], schema_overrides=types)
    return wage_rows_to_jobs(staged, table, **options)


def spells(found):
    return found.select("start", "end", "wage").rows()


def test_new_terms_start_a_row_on_the_day_they_start():
    found = jobs(
        row((1, 1), (2, 1), 1550.0, 155.0),
        row((2, 1), (3, 1), 1550.0, 140.0),
        row((3, 1), (3, 11), 500.0, 50.0),
        row((3, 11), (4, 1), 1260.0, 105.0, contract="temporary"),
        row((4, 1), (5, 1), 1860.0, 150.0, contract="temporary"),
    )
    assert spells(found) == [
        (date(2009, 5, 1), date(2010, 3, 11), 1550.0),
        (date(2010, 3, 11), None, 1860.0),
    ]
    assert found["hours"].to_list() == [35.0, 35.0]
    assert found["contract"].to_list() == ["permanent", "temporary"]


def test_a_month_without_a_wage_row_is_no_gap_where_the_job_has_bounds():
    rows = [row((1, 1), (2, 1), 1550.0, 155.0), row((3, 1), (4, 1), 1550.0, 155.0)]
    assert spells(jobs(*rows)) == [(date(2009, 5, 1), None, 1550.0)]
    # without them, days without a row are a gap, and the last covered day is no end
    assert spells(jobs(*rows, table=BARE)) == [
        (date(2010, 1, 1), date(2010, 2, 1), 1550.0),
        (date(2010, 3, 1), date(2010, 4, 1), 1550.0),
    ]
    found = jobs(*rows, table=BARE, covered_until=date(2010, 4, 1))
    assert found["end"].to_list() == [date(2010, 2, 1), None]


def test_the_latest_row_says_when_the_job_began_and_ended():
    found = jobs(
        row((2, 1), (3, 1), 1400.0, 140.0, job_start=date(2009, 6, 1)),
        row((1, 1), (2, 1), 1550.0, 155.0, job_end=date(2010, 2, 1)),
    )
    assert spells(found) == [
        (date(2009, 6, 1), date(2010, 2, 1), 1550.0),
        (date(2010, 2, 1), None, 1400.0),
    ]


def test_back_pay_after_the_end_sets_no_terms():
    end = {"job_end": date(2010, 2, 15)}
    found = jobs(
        row((1, 1), (2, 1), 1550.0, 155.0, **end),
        row((2, 1), (2, 15), 700.0, 70.0, **end),
        row((4, 1), (5, 1), 312.5, 0.0, **end),
    )
    assert spells(found) == [
        (date(2009, 5, 1), date(2010, 2, 1), 1550.0),
        (date(2010, 2, 1), date(2010, 2, 15), 1400.0),
    ]
    only = jobs(row((4, 1), (5, 1), 312.5, 0.0, **end))
    assert spells(only) == [(date(2009, 5, 1), date(2010, 2, 15), None)]


def test_an_unknown_month_is_no_change_of_terms():
    found = jobs(
        row((1, 1), (2, 1), 9999999.0, 155.0),
        row((2, 1), (3, 1), 1400.0, 140.0),
        row((3, 1), (4, 1), None, 155.0, contract=None),
        row((4, 1), (5, 1), -20.0, 150.0),
        row((5, 1), (6, 1), 1400.0, 500.0),
        row((6, 1), (7, 1), 1500.0, 150.0),
    )
    assert spells(found) == [
        (date(2009, 5, 1), date(2010, 2, 1), None),
        (date(2010, 2, 1), date(2010, 6, 1), 1400.0),
        (date(2010, 6, 1), None, 1500.0),
    ]
    assert found["hours"].to_list() == [35.0, 35.0, 35.0]
    assert found["contract"].to_list() == ["permanent"] * 3


def test_a_correction_belongs_to_the_terms_of_its_month():
    found = jobs(
        row((1, 1), (2, 1), 1700.0, 170.0),
        row((1, 1), (2, 1), -150.0, -15.0, kind="trainee", contract="on_call"),
        row((2, 1), (3, 1), 1550.0, 140.0),
    )
    assert spells(found) == [(date(2009, 5, 1), None, 1550.0)]


def test_a_correction_stays_with_the_contract_it_names_where_the_month_has_it():
    # 1–10 March on one contract, from 11 March on another; 100 too much was paid on the first
    march = [
        row((3, 1), (3, 11), 600.0, 60.0),
        row((3, 11), (4, 1), 1260.0, 105.0, contract="temporary"),
        row((3, 1), (3, 11), -100.0, -10.0),
    ]
    found = jobs(*march)
    assert spells(found) == [
        (date(2009, 5, 1), date(2010, 3, 11), 1550.0),  # 500 · 31 / 10
        (date(2010, 3, 11), None, 1860.0),  # 1260 · 31 / 21
    ]
    assert found["contract"].to_list() == ["permanent", "temporary"]


def test_a_correction_over_the_whole_month_makes_no_days():
    end = {"job_end": date(2010, 6, 16)}
    found = jobs(
        row((6, 1), (6, 16), 1000.0, 75.0, **end),
        row((6, 1), (7, 1), -100.0, -7.5, **end),
    )
    assert spells(found) == [(date(2009, 5, 1), date(2010, 6, 16), 1800.0)]  # 900 · 30 / 15
    assert found["hours"].to_list() == [31.5]  # 67.5 · 7 / 15


def test_the_grid_says_which_terms_are_the_same():
    rows = [row((m, 1), (m + 1, 1), w, 30.0 * 30) for m, w in ((1, 1551.0), (2, 1549.0))]
    assert len(jobs(*rows)) == 2
    assert jobs(*rows, wage_step=50.0)["wage"].to_list() == [1550.0]


def test_what_lies_outside_the_covered_window_is_cut_off():
    rows = [row((m, 1), (m + 1, 1), 1000.0 + m, 100.0) for m in range(1, 5)]
    found = jobs(*rows, covered_from=date(2010, 2, 1), covered_until=date(2010, 4, 1))
    # what begins on the first day that is not covered ends nothing
    assert spells(found) == [
        (date(2010, 2, 1), date(2010, 3, 1), 1002.0),
        (date(2010, 3, 1), None, 1003.0),
    ]
    ended = [row((1, 1), (2, 1), 1000.0, 100.0, job_end=date(2010, 4, 1))]
    assert jobs(*ended, covered_until=date(2010, 4, 1))["end"].item() == date(2010, 4, 1)
    assert jobs(*ended, covered_until=date(2010, 3, 1))["end"].item() is None


def test_tables_that_do_not_name_their_columns_are_refused():
    one = row((1, 1), (2, 1), 1000.0, 100.0)
    wrong = OWN.model_copy(update={"columns": OWN.columns | {"wages": "wage"}})
    with pytest.raises(InputError, match="did you mean 'wage'"):
        jobs(one, table=wrong)
    few = OWN.model_copy(update={"columns": {"job": "job"}})
    with pytest.raises(InputError, match="needs employer"):
        jobs(one, table=few)
    with pytest.raises(UnknownCodeError, match="'9' is no kind"):
        jobs(one | {"kind": "9"})
    with pytest.raises(MissingValueError, match="no kind"):
        jobs(one | {"kind": None})
    assert jobs(one | {"kind": "9"}, table=OWN.model_copy(update={"where": "job > 9"})).is_empty()
