"""Wage rows to job months and jobs: each rule as a table of a few rows."""

from datetime import date

import polars as pl
import pytest

from synthetic_data import make_register
from toolkit.registers import schema
from toolkit.registers.jobs import wage_rows_to_jobs
from toolkit.registers.layout import TableSpec

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
