"""Matching within risk sets: small cases whose answer is worked out by hand."""

from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from toolkit.matching import match_risk_sets

# Months at risk: A 1-2 (starts in 2), B 1-4 (starts in 4), C 1-2 (leaves), D 1-9, E 3-7.
SPELLS = pl.DataFrame(
    {
        "person": ["A", "B", "C", "D", "E"],
        "s": [1.0, 1.2, 1.1, 3.0, 1.25],
        "entry": [1, 1, 1, 1, 3],
        "until": [10, 6, 3, 10, 8],
        "treated_at": [2, 4, None, None, None],
    }
)
FORM = {"person": "person", "entry": "entry", "until": "until", "treated_at": "treated_at"}


def panel_of(spells):
    stop = pl.min_horizontal("until", pl.col("treated_at") + 1)
    return spells.with_columns(time=pl.int_ranges("entry", stop)).explode("time").drop(
        "entry", "until"
    )  # fmt: skip


def named(matched):
    """Return month, treated and control of each pair, by name."""
    who = matched.frame["person"]
    return [
        (time, who[i], who[j]) for time, i, j in
        matched.pairs.select("time", "treated_row", "control_row").iter_rows()
    ]  # fmt: skip


def weight_of(matched, since=0):
    """Return the weights of the controls in use by month and name."""
    rows = matched.frame.with_columns(w=matched.weights_at(since)).filter(
        ~pl.col("treated") & (matched.weights > 0)
    )
    return {(t, who): w for t, who, w in rows.select("time", "person", "w").iter_rows()}


@pytest.fixture(params=["spells", "panel"])
def match(request):
    """Match the same people, given as spells or as a panel."""

    def call(spells=SPELLS, **options):
        if request.param == "spells":
            return match_risk_sets(spells, **FORM, **options)
        return match_risk_sets(
            panel_of(spells), person="person", time="time", treated_at="treated_at", **options
        )

    return call


def test_the_nearest_still_at_risk_and_not_yet_treated(match):
    # month 2: A (1.0) has B .2, C .1, D 2.0; month 4: B (1.2) has D 1.8, E .05 (C left)
    matched = match(on="s")
    assert named(matched) == [(2, "A", "C"), (4, "B", "E")]
    assert matched.pairs["distance"].to_list() == pytest.approx([0.1, 0.05], abs=1e-12)
    assert matched.sets().rows() == [
        (2, 4, 1, 1, 0, 0, 0, 1, 0),
        (4, 3, 1, 1, 0, 0, 0, 1, 0),
    ]
    # at risk: 2 + 4 + 2 + 9 + 5 = 22 person-months, 2 of them starts; in months 2 and 4: 3 + 2
    assert matched.attrition.rows() == [
        ("at risk", 2, 20), ("in a month with starts to match", 2, 5), ("matched", 2, 2),
    ]  # fmt: skip
    assert matched.glance().select("used_treated", "used_control").row(0) == (2, 2)
    assert matched.cluster == "person"
    assert matched.meta["design"] == "risk_sets"


def test_a_control_may_start_later(match):
    matched = match(on="s", ratio=2)
    assert named(matched) == [(2, "A", "C"), (2, "A", "B"), (4, "B", "E"), (4, "B", "D")]
    later = matched.frame.filter((pl.col("time") == 2) & (pl.col("person") == "B"))
    assert later["starts_after"].to_list() == [2]
    assert set(weight_of(matched).values()) == {0.5}
    assert matched.sets()["n_treated_later"].to_list() == [1, 0]
    assert "now against not now" in matched.meta["warnings"][0]
    # B stands for A in month 2 and is treated in month 4: two rows of one person
    assert matched.data.filter(pl.col("person") == "B")["treated"].to_list() == [False, True]


def test_who_is_censored_is_stood_in_for(match):
    # starts: 1 of 4 in month 2, 1 of 3 in month 4; nobody in months 1, 3, 5 …
    matched = match(on="s", ratio=3, control="censor", censor_on="1", window=(2, 2))
    third = Fraction(1, 3)
    now = {(2, "C"): third, (2, "B"): third, (2, "D"): third}
    assert weight_of(matched) == pytest.approx({k: float(w) for k, w in now.items()}, abs=1e-12)
    assert weight_of(matched, 1) == pytest.approx(weight_of(matched), abs=1e-12)
    # month 4: B starts and is censored; D was at risk of starting and weighs 1 / (1 - 1/3) more;
    # C left in month 3, after which nobody starts
    then = now | {(2, "B"): Fraction(0), (2, "D"): third / (1 - third)}
    for since in (2, 3, 30):
        assert weight_of(matched, since) == pytest.approx(
            {k: float(w) for k, w in then.items()}, abs=1e-9
        )
    assert matched.weights_at(30).to_list()[0] == 1.0
    glance = matched.glance().row(0, named=True)
    assert (glance["control"], glance["share_later"]) == ("censor", pytest.approx(1 / 3))
    assert "33.3% of the controls start later themselves: they are censored" in matched.summary()


def test_a_panel_cut_before_a_control_starts_says_so():
    # B starts in month 4: with rows until month 3 nobody is seen beside whom B starts
    form = {"person": "person", "time": "time", "treated_at": "treated_at", "on": "s", "ratio": 3,
            "control": "censor", "censor_on": "1", "window": (2, 2)}  # fmt: skip
    panel = panel_of(SPELLS)
    whole = match_risk_sets(panel, **form)
    cut = match_risk_sets(panel.filter(pl.col("time") <= 3), **form)
    assert not any("weighted up" in text for text in whole.meta["warnings"])
    (said,) = [text for text in cut.meta["warnings"] if "weighted up" in text]
    assert said.startswith("1 of 3 controls (33.3%) start after their last month at risk")
    assert weight_of(whole, 30)[2, "D"] == pytest.approx(1 / 2)
    assert weight_of(cut, 30)[2, "D"] == pytest.approx(1 / 3)
    assert cut.glance()["share_later"].item() == pytest.approx(1 / 3)


def test_outcomes_by_months_since_the_reference_month(match):
    outcomes = pl.DataFrame(
        {
            "person": [who for who in "ABCDE" for _ in range(8)],
            "time": list(range(8)) * 5,
            "y": [10 * i + t for i in range(5) for t in range(8)],
        }
    ).filter(pl.col("time") != 7)
    matched = match(on="s", ratio=3, control="censor", censor_on="1", window=(2, 2))
    found = matched.follow(outcomes, outcome="y", months=[-1, 0, 2, 5])
    controls = found.filter(pl.col("month") == 2, ~pl.col("treated"))
    assert controls.select("person", "y").rows() == [("C", 24), ("D", 34)]
    assert controls["weight"].to_list() == pytest.approx([1 / 3, 1 / 2], abs=1e-9)
    assert found.filter(person="A").select("month", "y").rows() == [
        (-1, 1),
        (0, 2),
        (2, 4),
        (5, None),
    ]


def test_calipers_and_cells_leave_out_and_count(match):
    tight = match(on="s", caliper=0.06, caliper_unit="raw")
    assert named(tight) == [(4, "B", "E")]
    assert tight.sets()["n_outside_caliper"].to_list() == [1, 0]
    assert tight.unmatched().rows() == [(2, "none within the caliper", 1)]
    assert tight.meta["dropped"] == {"starters: none within the caliper": 1}
    assert tight.weights.to_list()[0] == 0.0
    assert tight.attrition.rows()[2] == ("left out: none within the caliper", 1, 5)

    regions = SPELLS.with_columns(region=pl.Series(["x", "y", "y", "x", "x"]))
    apart = match(regions, on="s", exact="region")
    assert named(apart) == [(2, "A", "D")]
    assert apart.unmatched().rows() == [(4, "y", "no control in the cell", 1)]

    column = match(on="s", caliper={"s": 0.06}, caliper_unit="raw")
    assert named(column) == [(4, "B", "E")]
    other = SPELLS.with_columns(age=pl.Series([30, 40, 50, 31, 45]))
    assert named(match(other, on="s", caliper={"age": 5}, caliper_unit="raw")) == [
        (2, "A", "D"), (4, "B", "E"),
    ]  # fmt: skip


def test_a_standard_deviation_is_that_within_risk_sets(match):
    # month 2: 1.0 1.2 1.1 3.0, mean 1.575; month 4: 1.2 3.0 1.25, mean 5.45 / 3
    squares = sum((s - 1.575) ** 2 for s in (1.0, 1.2, 1.1, 3.0))
    squares += sum((s - 5.45 / 3) ** 2 for s in (1.2, 3.0, 1.25))
    sd = (squares / 7) ** 0.5
    assert match(on="s", caliper=0.1).meta["options"]["width"] == pytest.approx(0.1 * sd, rel=1e-12)


def test_controls_used_up_and_used_again(match):
    # B and D start in month 1; A is the only other at risk, and the nearest to both
    spells = SPELLS.with_columns(
        until=pl.Series([3, 6, 2, 10, 9]), entry=pl.Series([1, 1, 2, 1, 3]).cast(pl.Int64),
        treated_at=pl.Series([None, 1, None, 1, None]),
    ).filter(pl.col("person") != "C")  # fmt: skip
    once = match(spells, on="s")
    assert named(once) == [(1, "D", "A")]  # the largest score chooses first
    assert once.sets()["n_used_up"].to_list() == [1]
    assert named(match(spells, on="s", order="smallest")) == [(1, "B", "A")]
    assert named(match(spells, on="s", order="closest")) == [(1, "B", "A")]
    again = match(spells, on="s", replace=True)
    assert sorted(named(again)) == [(1, "B", "A"), (1, "D", "A")]
    assert again.subclass is None
    assert weight_of(again) == {(1, "A"): 2.0}
    assert again.n_control == 1


def test_in_all_months_once_or_month_after_month(match):
    # D is the only control of A in month 2 and of B in month 4
    spells = SPELLS.filter(pl.col("person").is_in(["A", "B", "D"])).with_columns(
        exact=pl.Series([1, 1, 1])
    )
    both = match(spells.with_columns(s=pl.Series([1.0, 9.0, 3.0])), on="s")
    assert named(both) == [(2, "A", "D"), (4, "B", "D")]
    once = match(spells.with_columns(s=pl.Series([1.0, 9.0, 3.0])), on="s", reuse=False)
    assert named(once) == [(2, "A", "D")]
    assert once.unmatched()["reason"].to_list() == ["no control in the cell"]


def test_calendar_quarters_must_be_equal():
    # month 2 of A is November 2005; that of C is December 2005, of B February 2006, of D October
    spells = SPELLS.with_columns(
        begin=pl.Series([date(2005, 10, 1), date(2006, 1, 1), date(2005, 11, 1), date(2005, 9, 1),
                         date(2006, 6, 1)])
    )  # fmt: skip
    options = {"on": "s", "calendar": "begin", "window": (2, 2), "ratio": 3}
    matched = match_risk_sets(spells, **FORM, **options)
    assert named(matched) == [(2, "A", "C"), (2, "A", "D")]
    assert matched.frame["reference"].head(3).to_list() == [
        date(2005, 11, 1), date(2005, 12, 1), date(2005, 10, 1),
    ]  # fmt: skip
    with_month = match_risk_sets(spells, **FORM, **options | {"calendar_unit": "year"})
    assert len(with_month.pairs) == 2
    free = match_risk_sets(spells, **FORM, **options | {"calendar_unit": "none"})
    assert len(free.pairs) == 3
    outcomes = pl.DataFrame({"person": ["A", "C"], "month": [date(2006, 1, 1)] * 2, "y": [7, 8]})
    found = matched.follow(outcomes, outcome="y", month="month", months=[1, 2])
    assert found.filter(pl.col("y").is_not_null()).select("person", "month").rows() == [
        ("A", 2), ("C", 1),
    ]  # fmt: skip


def test_nobody_serves_for_themselves():
    # A's first spell starts in month 1, when their second is at risk too; D is far away
    spells = pl.DataFrame(
        {
            "person": ["A", "A", "D"], "nr": [1, 2, 1], "s": [1.0, 1.0, 5.0],
            "entry": [1, 1, 1], "until": [4, 4, 4], "treated_at": [1, None, None],
        }
    )  # fmt: skip
    for options in ({}, {"replace": True}, {"reuse": False}, {"order": "closest"}):
        matched = match_risk_sets(spells, **FORM, on="s", spell="nr", **options)
        assert named(matched) == [(1, "A", "D")]


def test_sampling_weights_pass_to_the_controls(match):
    heavy = SPELLS.with_columns(w=pl.Series([3.0, 2.0, 1.0, 1.0, 1.0]))
    matched = match(heavy, on="s", ratio=2, weights="w")
    assert weight_of(matched) == {(2, "C"): 1.5, (2, "B"): 1.5, (4, "E"): 1.0, (4, "D"): 1.0}


def test_a_distance_of_covariates(match):
    # one covariate by twice the other: the distance is that of one line, and so are the pairs
    rows = SPELLS.with_columns(z=pl.Series([0.0, 5.0, 9.0, 1.0, 2.0]))
    matched = match(rows, on=["s", "z"], ratio=1)
    # month 2: from A (1.0, 0): D is (2.0, 1), C (0.1, 9), B (0.2, 5), whitened by hand below
    import numpy as np

    at_risk = {2: [0, 1, 2, 3], 4: [1, 3, 4]}
    x = rows.select("s", "z").to_numpy()
    off = np.concatenate([x[rows_] - x[rows_].mean(axis=0) for rows_ in at_risk.values()])
    inverse = np.linalg.inv(off.T @ off / 7)
    for (time, treated, control), distance in zip(
        named(matched), matched.pairs["distance"], strict=True
    ):
        own = x["ABCDE".index(treated)]
        away = {
            "ABCDE"[i]: float(np.sqrt((x[i] - own) @ inverse @ (x[i] - own)))
            for i in at_risk[time] if "ABCDE"[i] != treated
        }  # fmt: skip
        assert control == min(away, key=away.get)
        assert distance == pytest.approx(min(away.values()), rel=1e-9)
