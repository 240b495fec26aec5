"""Not observed is not 'no': a source cut short leaves results as they were, or null."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from toolkit import registers, survival, trajectories
from toolkit.errors import OutsideCoverageError

FIRST, LAST = date(2004, 1, 1), date(2008, 1, 1)
D = trajectories.Definition(name="rule", denominator="all_exits", horizons=(1, 12))


def spells(rows, **columns):
    schema = {"person": pl.Int64, "start": pl.Date, "end": pl.Date, **columns}
    return pl.DataFrame(rows, schema=schema, orient="row")


def register(benefits, jobs_=(), *, people=10, died=(), homes=None, **coverage):
    """Make a register; `coverage` names sources with their end, or start and end."""
    sources = {"benefits": LAST, "jobs": LAST, **({} if homes is None else {"residences": LAST})}
    sources |= coverage
    periods = [v if isinstance(v, tuple) else (FIRST, v) for v in sources.values()]
    deaths = dict(died)
    tables = {}
    if homes is not None:
        tables["residences"] = spells(homes, end_reason=pl.String).with_columns(
            municipality=pl.lit("gm0001")
        )
    return registers.from_frames(
        persons=pl.DataFrame({
            "person": range(1, people + 1),
            "sex": ["male"] * people,
            "origin": ["native"] * people,
            "birth_month": [date(1970, 1, 1)] * people,
            "death_date": pl.Series([deaths.get(n) for n in range(1, people + 1)], dtype=pl.Date),
        }),
        benefits=spells(benefits).with_columns(
            scheme=pl.lit("wwb"), claim=pl.lit(1), role=pl.lit("head")
        ),
        jobs=spells(jobs_).with_columns(
            kind=pl.lit("regular"), job=pl.lit(1), employer=pl.lit(1), hours=pl.lit(32.0)
        ),
        coverage=pl.DataFrame({
            "source": list(sources),
            "start": [first for first, _ in periods],
            "end": [last for _, last in periods],
        }),
        **tables,
    )  # fmt: skip


#: Exits on the first of February to November 2006, one a month; all but the last at work at once.
MONTHLY = [(n, date(2005, 1, 1), date(2006, 1 + n, 1)) for n in range(1, 11)]
AT_WORK = [(n, date(2006, 1 + n, 1), None) for n in range(1, 10)]


def test_the_dead_are_not_all_that_is_seen_after_the_jobs_end():
    died = {1: date(2006, 5, 10)}
    starts = pl.DataFrame({"person": range(1, 11), "month": [date(2006, 3, 1)] * 10})
    whole, cut = (
        trajectories.states_since(
            register(MONTHLY, AT_WORK, died=died, jobs=end), starts, months=range(8)
        )
        for end in (LAST, date(2006, 7, 1))
    )
    assert cut["month"].unique().sort().to_list() == [0, 1, 2, 3]
    seen = cut.filter(pl.col("n") > 0)
    assert seen.equals(whole.filter(pl.col("month") < 4, pl.col("n") > 0))


def test_destinations_after_the_jobs_end_are_null_for_the_dead_too():
    died = {10: date(2006, 11, 20)}
    whole = trajectories.exits(register(MONTHLY, AT_WORK, died=died), D, window="2006")
    assert dict(whole.tidy().select("destination", "n").iter_rows()) == {"work": 9, "died": 1}
    cut = trajectories.exits(
        register(MONTHLY, AT_WORK, died=died, jobs=date(2006, 7, 1)), D, window="2006"
    )
    # The month after is seen up to June: exits of February to May.
    assert cut.tidy().rows() == [("work", 4, 1.0), (None, 6, None)]


def test_an_exit_that_cannot_be_confirmed_is_left_out_for_the_dead_too():
    late = [(n, date(2005, 1, 1), date(2007, 12, 15)) for n in (1, 2)]
    found = trajectories.exits(
        register(late, died={1: date(2007, 12, 15)}), D, window="2007", allow_empty=True
    )
    assert found.frame.height == 0


def test_an_end_reason_does_not_make_exits_to_work_after_the_jobs_end():
    found = register(MONTHLY, jobs=date(2006, 7, 1))
    reasons = found.benefits.with_columns(
        end_reason=pl.lit("work", found.benefits.collect_schema()["end_reason"])
    )
    told = registers.Register(
        tables={**found.tables, "benefits": reasons}, partitions=found.partitions, meta={}
    )
    either = trajectories.exits(told, D.replace(to_work="either"), window="2006").frame
    assert either["to_work"].to_list() == [True] * 4 + [None] * 6
    alone = trajectories.exits(told, D.replace(to_work="end_reason"), window="2006").frame
    assert alone["to_work"].to_list() == [True] * 10
    assert alone["destination"].to_list() == ["work"] * 10


@pytest.mark.filterwarnings("ignore::toolkit.errors.FollowUpWarning")
def test_who_may_have_emigrated_after_the_residences_end_is_censored():
    homes = [(1, FIRST, None, None)]
    one = [(1, date(2005, 1, 1), date(2006, 3, 1))]
    found = register(one, homes=homes, residences=date(2006, 6, 1))
    made = trajectories.exits(found, D, window="2006Q1")
    row = trajectories.durability(made, found).frame.row(0, named=True)
    assert row["in_work_at_1"] is False
    assert row["in_work_at_12"] is None
    assert row["returned_within_6"] is None
    assert (row["return_time"], row["return_event"]) == (2, trajectories.CENSORED)
    assert row["left_because"] is None
    meta = trajectories.durability(made, found).meta["not_observed"]
    assert meta["in_work_at_12"] == {"coverage": 1}
    # Of the inflow, exits are followed up to the last month after which residence is seen.
    cohort = trajectories.inflow(found, D, window="2005").frame
    assert cohort.select("time", "event", "cause").row(0) == (14, 1, "other")
    short = register(one, homes=homes, residences=date(2006, 4, 1))
    cohort = trajectories.inflow(short, D, window="2005").frame
    assert cohort.select("time", "event", "cause").row(0) == (13, 0, None)


def test_inflow_is_refused_where_the_jobs_begin_too_late_for_its_causes():
    started = [(n, date(2005, 1, 1), date(2005, 2 + n, 1)) for n in range(1, 7)]
    jobs = [(n, date(2005, 2 + n, 1), None) for n in range(1, 7)]
    whole = trajectories.inflow(register(started, jobs), D, window="2005").frame
    assert whole["cause"].to_list() == ["work"] * 6
    late = register(started, jobs, jobs=(date(2005, 7, 1), LAST))
    for follow in (
        lambda: trajectories.inflow(late, D, window="2005"),
        lambda: trajectories.stock(late, D, date=date(2005, 1, 31)),
    ):
        with pytest.raises(OutsideCoverageError, match="a source begins on 2005-07-01"):
            follow()
    # Who leaves on 1 July does so at the end of the month begun by then: not at risk.
    assert trajectories.stock(late, D, date=date(2005, 6, 15)).frame["cause"].to_list() == ["work"]


COLUMNS = [f"2006-{m:02d}" for m in range(1, 7)]


def panel(*rows, months=6):
    frame = pl.DataFrame(
        [[number, *row[:months]] for number, row in enumerate(rows)],
        schema=["id", *COLUMNS[:months]], orient="row",
    )  # fmt: skip
    return trajectories.from_sequences(
        frame, person="id", states=COLUMNS[:months], benefit=["j"], work=["w"]
    )


def test_a_run_that_may_have_ended_with_the_panel_does_not_count_as_going_on():
    rows = ["sjjjww"] * 3 + ["sjjwww"]

    def curve(months):
        runs = trajectories.runs(panel(*rows, months=months), ["j"])
        return survival.cumulative_incidence(runs, time="time", event="cause").tidy()

    whole = curve(6).select("time", "n_risk", "n_event", "estimate")
    assert whole.rows() == [(2, 4, 1, 0.25), (3, 3, 3, 1.0)]
    # Cut after the third month of the run: whether it ended with that month is not seen.
    assert curve(4).select("time", "n_risk", "n_event", "estimate").rows() == whole.rows()[:1]


def test_a_month_not_observed_in_a_panel_is_not_a_stay_abroad():
    found = panel([None, "j", "w", "w", "w", "w"], ["j", "j", None, "w", "w", "w"], [None] * 6)
    definition = found.definition(
        horizons=(1,), return_horizons=(1,), month_after=0, denominator="all_exits"
    )
    made = trajectories.exits(found.register, definition, window=found.window)
    # Person 1 was on benefit when last seen: no exit is known.
    assert made.frame.select("person", "destination").rows() == [(0, "work")]
    months = trajectories.monthly_panel(found.register, window=found.window)
    states = months.group_by("person", maintain_order=True).agg("state")["state"].to_list()
    assert states == [
        [None, "wwb", "work", "work", "work", "work"],
        ["wwb", "wwb", None, "work", "work", "work"],
        [None] * 6,
    ]
