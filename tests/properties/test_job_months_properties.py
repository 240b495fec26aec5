"""What must hold for any wage rows: sums, order, persons, batches, and the way back to jobs."""

from collections import defaultdict
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.registers import codes, schema
from toolkit.registers.layout import TableSpec
from toolkit.registers.wages.job_months import job_months
from toolkit.registers.wages.jobs import wage_rows_to_jobs
from toolkit.registers.wages.person_months import person_months
from toolkit.registers.wages.stream import stream_job_months

QUICK = settings(max_examples=30, deadline=None)
FIRST = date(2010, 1, 1)
WAGES = st.integers(-40_000, 400_000)
NAMES = (
    "job", "employer", "start", "end", "wage", "hours", "kind", "contract", "job_start", "job_end",
    "period",
)  # fmt: skip
TABLE = TableSpec(table="jobs", via="wage_rows", columns={name: f'"{name}"' for name in NAMES})
TYPES = {
    "person": pl.Int64, "job": pl.Int64, "employer": pl.Int64, "start": pl.Date, "end": pl.Date,
    "wage": pl.Float64, "hours": pl.Float64, "kind": pl.String, "contract": pl.String,
    "period": pl.String, "job_start": pl.Date, "job_end": pl.Date,
}  # fmt: skip


def day(number):
    return FIRST + timedelta(days=number)


@st.composite
def wage_row(draw):
    start = draw(st.integers(0, 120))
    return {
        "person": (person := draw(st.integers(1, 4))),
        "job": person * 10 + draw(st.integers(0, 1)),
        "employer": draw(st.sampled_from((3, 3, 3, 4))),
        "start": day(start),
        "end": day(start + draw(st.sampled_from((1, 3, 28, 28, 31, 90)))),
        "wage": draw(st.one_of(st.none(), *[WAGES] * 4)),
        "hours": draw(st.one_of(st.none(), *[st.integers(-2_000, 30_000)] * 4)),
        "kind": draw(st.sampled_from(codes.JOB_KIND[:3])),
        "contract": draw(st.sampled_from((*codes.CONTRACT, None))),
        "period": draw(st.sampled_from(("month", "four_weekly", None))),
        "job_start": day(draw(st.integers(-50, 60))),
        "job_end": draw(st.one_of(st.none(), st.integers(40, 300).map(day))),
    }


ROWS = st.lists(wage_row(), min_size=1, max_size=25)


def in_units(rows):
    """Cents and hundredths of hours as euro and hours."""
    return [
        one | {k: None if one[k] is None else one[k] / 100 for k in ("wage", "hours")}
        for one in rows
    ]  # fmt: skip


def frame(rows):
    return pl.DataFrame(in_units(rows), schema=TYPES)


def sort(found):
    return found.sort("person", "job", "employer", "month")


@QUICK
@given(ROWS)
def test_sums_days_and_flags_equal_a_plain_count_by_the_day(rows):
    sums = defaultdict(lambda: [Fraction(0), Fraction(0), set(), set(), set()])
    for number, one in enumerate(rows):
        length = (one["end"] - one["start"]).days
        for step in range(length):
            at = one["start"] + timedelta(days=step)
            cell = sums[one["person"], one["job"], one["employer"], at.replace(day=1)]
            for place, name in ((0, "wage"), (1, "hours")):
                if one[name] is None:
                    cell[place] = None
                elif cell[place] is not None:
                    cell[place] += Fraction(one[name], 100 * length)
            corrects = any(one[name] is not None and one[name] < 0 for name in ("wage", "hours"))
            cell[4 if corrects else 2].add(at)
            cell[3].add(number)
    found = sort(job_months(frame(rows).lazy()).collect())
    assert len(found) == len(sums)
    for one in found.iter_rows(named=True):
        cell = sums[one["person"], one["job"], one["employer"], one["month"]]
        wage, hours, worked, numbers, corrected = cell
        days = worked or corrected
        assert one["n_rows"] == len(numbers)
        assert one["days"] == len(days)
        assert one["start"] == min(days)
        assert one["end"] == max(days) + timedelta(days=1)
        assert one["unknown_wage"] == (wage is None)
        assert one["unknown_hours"] == (hours is None)
        below_wage = wage is not None and wage < Fraction(-1, 200)
        below_hours = hours is not None and hours < Fraction(-1, 200)
        assert one["correction_below_zero"] == (below_wage or below_hours)
        assert one["capped_hours"] == (hours is not None and hours > 400)
        if wage is None or below_wage:
            assert one["wage"] is None
            assert one["wage_paid"] is None
        else:
            assert abs(one["wage_paid"] - max(wage, 0)) < Fraction(1, 100)
            rate = max(wage, 0) * _length(one["month"]) / len(days)
            assert abs(one["wage"] - rate) <= 0.5 + 1e-6
            assert one["wage"] == round(one["wage"])
        if hours is None or below_hours or hours > 400:
            assert one["hours"] is None
        else:
            assert abs(one["hours"] - max(hours, 0) * 7 / len(days)) <= 0.05 + 1e-6


def _length(month):
    return ((month + timedelta(days=31)).replace(day=1) - month).days


@QUICK
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    mixed = rows.copy()
    random.shuffle(mixed)
    one, other = (sort(job_months(frame(r).lazy()).collect()) for r in (rows, mixed))
    assert one.equals(other)


@settings(QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(ROWS, st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_streaming_in_batches_and_buckets_gives_the_same(
    tmp_path_factory, rows, buckets, size, held
):
    whole = frame(rows)
    found = stream_job_months(
        whole.iter_slices(size),
        tmp_path_factory.mktemp("months"),
        buckets=buckets,
        rows_in_memory=held,
    ).collect()
    assert sort(found).equals(sort(job_months(whole.lazy()).collect()))


@QUICK
@given(ROWS)
def test_each_person_stands_alone(rows):
    whole = frame(rows)
    parts = whole.partition_by("person")
    months = [job_months(part.lazy()).collect() for part in parts]
    assert sort(pl.concat(months)).equals(sort(job_months(whole.lazy()).collect()))
    order = ["person", "month"]
    one = pl.concat([person_months(part.lazy()).collect() for part in months]).sort(order)
    other = person_months(pl.concat(months).lazy()).collect().sort(order)
    assert one.equals(other)
    window = {"covered_from": day(10), "covered_until": day(150)}
    key = schema.sort_key("jobs")
    jobs = [wage_rows_to_jobs(part, TABLE, **window) for part in parts]
    assert pl.concat(jobs).sort(key).equals(wage_rows_to_jobs(whole, TABLE, **window))


@QUICK
@given(ROWS, st.booleans(), st.booleans())
def test_jobs_are_canonical_and_change_where_they_are_cut(rows, bounded, covered):
    columns = {k: v for k, v in TABLE.columns.items() if bounded or not k.startswith("job_")}
    found = wage_rows_to_jobs(
        frame(rows),
        TABLE.model_copy(update={"columns": columns}),
        covered_from=day(10) if covered else None,
        covered_until=day(150) if covered else None,
    )
    schema.TABLES["jobs"].validate(found)
    ordered = found.sort("person", "job", "start")
    previous = pl.all().exclude("person", "job").shift().over("person", "job").name.prefix("_")
    beside = ordered.with_columns(previous).filter(pl.col("_start").is_not_null())
    # one after the other: only the last row of a job runs on
    assert beside["_end"].null_count() == 0
    assert (beside["_end"] <= beside["start"]).all()
    if bounded:
        assert (beside["_end"] == beside["start"]).all()
    joined = beside.filter(pl.col("_end") == pl.col("start"))
    terms = ("employer", "kind", "contract", "hours", "wage")
    assert joined.select(
        pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"_{n}")) for n in terms).all()
    ).item()


@st.composite
def job_history(draw):
    """Canonical rows of one job, each on other terms than the one before."""
    starts = sorted(draw(st.sets(st.integers(-200, 330), min_size=2, max_size=5)))
    kinds = draw(st.permutations([(k, c) for k in codes.JOB_KIND[:2] for c in codes.CONTRACT]))
    running = draw(st.booleans())
    rows = [
        {
            "person": 1, "start": day(a), "end": day(b), "job": 11, "employer": 3, "kind": kind,
            "contract": contract, "hours": float(draw(st.integers(0, 48))),
            "wage": float(draw(st.integers(0, 9000))),
        }
        for (a, b), (kind, contract) in zip(pairwise(starts), kinds,
                                            strict=False)
    ]  # fmt: skip
    if running:
        rows[-1]["end"] = None
    return pl.DataFrame(rows, schema=schema.dtypes("jobs"))


@QUICK
@given(job_history(), st.sets(st.integers(1, 364), max_size=20), st.randoms())
def test_any_job_comes_back_from_its_wage_rows_however_they_are_cut(jobs, seams, random):
    until = date(2011, 1, 1)
    firsts = {date(2010, month, 1) for month in range(1, 13)} | {until}
    cuts = sorted(firsts | {day(seam) for seam in seams})
    bounds = {"job_start": jobs["start"].min(), "job_end": jobs["end"][-1]}
    rows = []
    for job in jobs.iter_rows(named=True):
        for low, high in pairwise(cuts):
            start, end = max(job["start"], low), min(job["end"] or until, high)
            if start >= end:
                continue
            days = (end - start).days
            rows.append(
                job | bounds
                | {"start": start, "end": end, "period": "four_weekly",
                   "wage": round(job["wage"] * days / _length(low.replace(day=1)), 2),
                   "hours": round(job["hours"] * days / 7, 2)}
            )  # fmt: skip
    random.shuffle(rows)
    staged = pl.DataFrame(rows, schema={n: TYPES[n] for n in TYPES})
    found = wage_rows_to_jobs(staged, TABLE, covered_from=FIRST, covered_until=until)
    expected = jobs.with_columns(pl.col("start").clip(lower_bound=FIRST)).filter(
        pl.col("end").is_null() | (pl.col("end") > FIRST)
    )
    assert found.equals(expected.sort(schema.sort_key("jobs")))
