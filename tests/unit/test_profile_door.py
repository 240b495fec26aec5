"""The profile's door: what is refused, what is warned of, and where rows and months come from."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from toolkit import effects, matching, registers
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    ToolkitWarning,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)

ROWS = pl.DataFrame(
    {"person": [1, 2, 3, 4], "start": [100, 100, 101, 101], "treated": [1, 0, 1, 0]}
)
MONTHS = range(-2, 13)
PANEL = pl.DataFrame(
    [(p, m, (p + m) % 3 == 0) for p in (1, 2, 3, 4) for m in range(98, 114)],
    schema=["person", "month", "work"],
    orient="row",
)


def run(rows=ROWS, panel=PANEL, **more):
    options = {"outcome": "work", "months": MONTHS, "treatment": "treated"} | more
    return effects.profile(rows, panel, **options)


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"treatment": None}, CallError, "nobody knows who was treated"),
        ({"outcome": "wrok"}, UnknownColumnError, "did you mean 'work'"),
        ({"outcome": ()}, CallError, "No outcome"),
        ({"person": "persoon"}, UnknownColumnError, "did you mean 'person'"),
        ({"start": "begin"}, UnknownColumnError, "'begin'"),
        ({"months": []}, CallError, "no whole months"),
        ({"months": [0.5]}, CallError, "no whole months"),
        ({"months": 12}, CallError, "no whole months"),
        ({"conf_level": 95}, CallError, "conf_level"),
        ({"seed": -1}, CallError, "seed"),
        ({"design": "matchin"}, UnknownOptionError, "did you mean 'matching'"),
        ({"cluster": "town"}, UnknownColumnError, "'town'"),
        ({"definition": object()}, CallError, "for registers"),
    ],
)
def test_a_wrong_call_is_met_at_the_door(more, error, said):
    with pytest.raises(error, match=said):
        run(**more)


@pytest.mark.parametrize(
    ("panel", "error", "said"),
    [
        (pl.concat([PANEL, PANEL.head(3)]), DuplicateKeyError, "3 person-months stand twice"),
        (PANEL.with_columns(pl.lit("yes").alias("work")), WrongTypeError, "not true/false"),
        (PANEL.with_columns(month=pl.col("month").cast(pl.Float64)), WrongTypeError, "month"),
        (PANEL.with_columns(month=pl.lit(date(2006, 1, 1))), WrongTypeError, "whole number"),
        (PANEL.with_columns(pl.col("person").cast(pl.String)), WrongTypeError, "'person' is"),
        (PANEL.with_columns(pl.col("person") + 10), EmptyCohortError, "No rows in the panel"),
        (PANEL.with_columns(work=pl.lit(None, pl.Boolean)), EmptyCohortError, "In no month"),
        (
            PANEL.with_columns(work=1 / pl.col("work").cast(pl.Float64)),
            InputError, "infinite somewhere",
        ),
        (
            PANEL.with_columns(month=pl.when(pl.col("month") > 98).then("month")),
            MissingValueError, "'month' has missing",
        ),
    ],
)  # fmt: skip
def test_a_panel_that_cannot_be_used(panel, error, said):
    with pytest.raises(error, match=said):
        run(panel=panel)


def test_a_control_without_start_is_named():
    rows = ROWS.with_columns(start=pl.when(pl.col("person") != 4).then("start"))
    with pytest.raises(EmptyCohortError, match="1 rows that count have no 'start'"):
        run(rows)
    with pytest.raises(EmptyCohortError, match="No controls"):
        run(rows.with_columns(w=pl.col("treated")), weights="w")
    # without weight it is not asked for
    more = pl.concat([rows, ROWS.tail(1).with_columns(person=pl.lit(9, dtype=pl.Int64))])
    found = run(more.with_columns(w=pl.col("start").is_not_null().cast(pl.Int64)), weights="w")
    assert found.meta["dropped"] == {"rows without weight in the comparison": 1}


def test_not_observed_is_never_zero():
    """Person 3 is not in the panel, person 1 unknown in one month: neither counts as no work."""
    panel = PANEL.filter(pl.col("person") != 3).with_columns(
        work=pl.when((pl.col("person") != 1) | (pl.col("month") != 105)).then("work")
    )
    found = run(panel=panel)
    table = found.tidy()
    at = dict(zip(table["month"], table["n_treated"], strict=True))
    assert at[4] == 1
    assert at[5] == 0
    gone = table.filter(pl.col("month") == 5)
    for name in ("mean_treated", "estimate", "std_error", "conf_low", "band_high"):
        assert gone[name].to_list() == [None], name
    assert gone["mean_control"].item() is not None
    # of one person there is a mean, and no error
    assert table["std_error"].null_count() == table.height
    assert any("1 rows have no month in the panel" in said for said in found.meta["warnings"])
    assert any("0% of treated and 100% of controls are observed at month 5, 50% and 100% at most"
               in said for said in found.meta["warnings"])  # fmt: skip
    shares = found.observed().filter(pl.col("month") == 4)
    assert shares.select("share_treated", "share_control").row(0) == (0.5, 1.0)


def test_balanced_keeps_those_seen_throughout():
    panel = PANEL.filter((pl.col("person") != 3) | (pl.col("month") < 110))
    with pytest.raises(EmptyCohortError, match="one group"):
        run(panel=panel.filter((pl.col("person") != 1) | (pl.col("month") < 110)), balanced=True)
    found = run(panel=panel, balanced=True)
    assert found.tidy()["n_treated"].unique().to_list() == [1]
    assert found.meta["dropped"] == {"not observed in all months (balanced)": 1}
    assert not any("observed" in said for said in found.meta["warnings"])


def test_a_panel_of_working_months_only_is_suspected():
    found = run(panel=PANEL.with_columns(work=pl.lit(value=True)))
    assert any("were months without it left out" in said for said in found.meta["warnings"])


def test_a_control_is_not_looked_at_from_its_own_start_on():
    rows = ROWS.with_columns(own=pl.Series([None, 103, None, None], dtype=pl.Int64))
    table = run(rows, until="own").tidy()
    assert table["n_control"].to_list() == [2] * 5 + [1] * 10  # months -2 … 2, 3 … 12
    assert table["n_treated"].unique().to_list() == [2]


def test_a_profile_within_the_lock_in_warns():
    with pytest.warns(ToolkitWarning, match="month 6 is the last"):
        found = run(months=range(-2, 7))
    assert any("lock-in" in said for said in found.meta["warnings"])


def test_what_the_months_do_not_hold_cannot_be_asked():
    found = run(months=[-1, 0, 2, 12])
    with pytest.raises(CallError, match="no difference in 10 of the months 0 to 12"):
        found.break_even()
    with pytest.raises(CallError, match="Month 6"):
        found.gross_net((6, 12))
    with pytest.raises(CallError, match="Month 24"):
        found.cumulated(24)
    with pytest.raises(CallError, match="not months before"):
        found.pre_period([0])
    with pytest.raises(CallError, match="not months before"):
        run(months=range(13)).pre_period()
    with pytest.raises(CallError, match="No horizon"):
        found.gross_net(())


def test_it_says_what_it_is():
    found = run(weights=None, outcome="work")
    assert found.design == "naive"
    assert "GROSS" in found.summary()
    assert found.glance().row(0, named=True)["last_month"] == 12
    assert {"estimand", "method", "design", "n", "dropped", "warnings", "seed", "versions",
            "wall_time"} <= set(found.meta)  # fmt: skip
    experiment = run(design="experiment")
    assert "NET: the lottery" in experiment.summary()


def test_pictures_show_lock_in_and_bands():
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    random = np.random.default_rng(0)
    n = 400
    rows = pl.DataFrame({"person": range(n), "start": 100, "treated": np.arange(n) % 2})
    cells = [(p, 100 + m) for p in range(n) for m in range(-3, 25)]
    chance = [0.3 + (p % 2) * (m > 100) * (0.25 if m > 110 else -0.2) for p, m in cells]
    panel = pl.DataFrame(cells, schema=["person", "month"], orient="row").with_columns(
        work=pl.Series(random.random(len(cells)) < np.array(chance))
    )
    found = effects.profile(
        rows, panel, outcome="work", months=range(-3, 25), treatment="treated", design="matching"
    )
    lock_in = found.lock_in().row(0, named=True)
    assert 8 <= lock_in["length"] <= 12
    axes = found.plot()
    assert len(axes.collections) == 2
    assert len(axes.patches) == 2  # before the start, and lock-in
    assert len(found.plot(plt.subplots()[1], means=True).lines) == 2 + (
        found.break_even()["month"][0] is not None
    )
    bars = found.gross_net((6, 12, 24)).plot(plt.subplots()[1])
    assert len(bars.patches) == 6
    with pytest.raises(UnknownOptionError, match="outcome"):
        found.plot(outcome="wrok")
    plt.close("all")


FIRST, LAST = date(2004, 1, 1), date(2008, 1, 1)


def register():
    """Four people at work from May 2006 (1), never (2), always (3), from 2007 (4, who dies)."""
    jobs = [(1, date(2006, 5, 10), None), (3, date(2003, 1, 1), None), (4, date(2007, 1, 1), None)]
    return registers.from_frames(
        persons=pl.DataFrame(
            {
                "person": [1, 2, 3, 4], "sex": ["male"] * 4, "origin": ["native"] * 4,
                "birth_month": [date(1970, 1, 1)] * 4,
                "death_date": [None, None, None, date(2007, 3, 5)],
            },
            schema_overrides={"death_date": pl.Date},
        ),
        benefits=pl.DataFrame(
            {"person": [2], "start": [date(2005, 1, 1)], "end": [None], "scheme": ["wwb"],
             "claim": [1], "role": ["head"]},
            schema_overrides={"end": pl.Date},
        ),
        jobs=pl.DataFrame(
            jobs, schema={"person": pl.Int64, "start": pl.Date, "end": pl.Date}, orient="row"
        ).with_columns(kind=pl.lit("regular"), job=pl.lit(1), employer=pl.lit(1),
                       hours=pl.lit(32.0)),
        coverage=pl.DataFrame({"source": ["benefits", "jobs"], "start": [FIRST] * 2,
                               "end": [LAST] * 2}),
    )  # fmt: skip


def test_a_register_gives_its_own_months():
    rows = pl.DataFrame(
        {"client": [1, 2, 3, 4], "start": [date(2006, 3, 20)] * 4, "treated": [1, 0, 1, 0]}
    )
    options = {"outcome": ["in_work", "on_benefit"], "person": "client", "treatment": "treated"}
    found = effects.profile(rows, register(), months=range(-3, 31), **options)
    work = found.tidy().filter(pl.col("outcome") == "in_work")
    at = {row["month"]: row for row in work.rows(named=True)}
    assert (at[1]["mean_treated"], at[2]["mean_treated"]) == (0.5, 1.0)  # April, May 2006
    assert (at[9]["mean_control"], at[10]["mean_control"]) == (0.0, 0.5)  # December, January
    assert (at[11]["n_control"], at[12]["n_control"]) == (2, 1)  # dead: not seen, not 'no'
    assert at[22]["n_treated"] == 0  # January 2008 is past the sources
    assert at[22]["estimate"] is None
    with pytest.raises(UnknownOptionError, match="did you mean 'in_work'"):
        effects.profile(rows, register(), **(options | {"outcome": "work"}))
    numbered = rows.with_columns(start=24000)
    with pytest.raises(WrongTypeError, match="dates"):
        effects.profile(numbered, register(), **options)


def spells(n=400, seed=4):
    """People who wait for a programme while they leave: starts and exits by elapsed month."""
    random = np.random.default_rng(seed)
    until, start = random.geometric(0.06, n) + 1, random.geometric(0.04, n)
    return pl.DataFrame(
        {
            "person": np.arange(n), "x": random.normal(size=n), "entry": 1, "until": until,
            "treated_at": pl.Series(np.where(start < until, start, -1)).replace(-1, None),
        }
    )  # fmt: skip


@pytest.mark.parametrize("control", ["not_yet", "censor"])
def test_risk_sets_bring_their_own_months_and_weights(control):
    people = spells()
    sample = matching.match_risk_sets(
        people, person="person", entry="entry", until="until", treated_at="treated_at", on="x + 1",
        control=control,
    )  # fmt: skip
    months = pl.DataFrame({"time": np.arange(1, 90)})
    value = (pl.col("person") * 7 + pl.col("time") * 3) % 11
    panel = people.select("person").join(months, how="cross").with_columns(y=value * 1.0)
    found = effects.profile(sample, panel, outcome="y", month="time", months=range(25))
    assert found.design == "risk_sets"
    assert found.meta["cluster"] == "person and subclass"
    followed = sample.follow(panel, outcome="y", months=range(25)).with_columns(
        pl.col("treated").cast(pl.Boolean)
    )
    expected = followed.group_by("month", "treated").agg(
        mean=(pl.col("y") * pl.col("weight")).sum() / pl.col("weight").sum(), n=pl.len()
    )
    for group, mean, n in (
        (True, "mean_treated", "n_treated"),
        (False, "mean_control", "n_control"),
    ):
        own = expected.filter(pl.col("treated") == group).sort("month")
        np.testing.assert_allclose(found.tidy()[mean], own["mean"], rtol=1e-12)
        assert found.tidy()[n].to_list() == own["n"].to_list()
    if control == "censor":
        assert found.tidy()["n_control"][-1] < found.tidy()["n_control"][0]
        assert found.observed()["share_control"].to_list() == pytest.approx([1.0] * 25)


def test_pairs_are_clusters_and_crossed_with_people_who_return():
    random = np.random.default_rng(8)
    n = 300
    rows = pl.DataFrame({"person": np.arange(n), "start": 0, "treated": np.arange(n) % 3 == 0,
                         "score": random.random(n)})  # fmt: skip
    panel = pl.DataFrame({"person": np.arange(n), "month": 12, "y": rows["score"].to_numpy()
                          + random.normal(size=n) / 9})  # fmt: skip
    options = {"outcome": "y", "months": [12]}
    sample = matching.match(rows, treatment="treated", on="score")
    pairs = effects.profile(sample, panel, **options)
    assert pairs.meta["cluster"] == "subclass"
    alone = effects.profile(sample, panel, cluster=False, **options)
    assert alone.meta["cluster"] is None
    assert pairs.tidy()["std_error"][0] < alone.tidy()["std_error"][0]
    contrast = effects.contrast(
        matching.match(rows.join(panel, on="person"), treatment="treated", on="score"),
        outcome="y", correction="HC0",
    ).tidy()  # fmt: skip
    row = contrast.row(by_predicate=pl.col("term") == "difference", named=True)
    assert pairs.tidy()["estimate"][0] == pytest.approx(row["estimate"], rel=1e-12)
    assert pairs.tidy()["std_error"][0] == pytest.approx(row["std_error"], rel=1e-10)

    # every person twice: two ways, V = V_a + V_b - V_ab
    again = rows.with_columns(person=pl.col("person") // 2)
    both = effects.profile(
        matching.match(again, treatment="treated", on="score"), panel, cluster=None, **options
    )
    assert both.meta["cluster"] == "subclass and person"
    parts = [
        effects.profile(
            matching.match(again, treatment="treated", on="score"), panel, cluster=name, **options
        ).path("y").vcov[0, 0]
        for name in ("subclass", "person", False)
    ]  # fmt: skip
    assert both.path("y").vcov[0, 0] == pytest.approx(parts[0] + parts[1] - parts[2], rel=1e-9)


def test_nothing_of_a_person_is_shown():
    rows = ROWS.with_columns(person=pl.col("person") + 912345670)
    with pytest.raises(InputError) as caught:
        run(rows)
    assert "9123" not in str(caught.value)
