"""Placebos: outcomes before the programme, and pretended starts."""

import numpy as np
import polars as pl
import pytest

from toolkit.effects import contrast
from toolkit.effects.evidence import of_placebo
from toolkit.effects.sensitivity import placebo, placebo_starts
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    UnknownColumnError,
    WrongTypeError,
)
from toolkit.estimation.coefficients import wald_test
from toolkit.matching import match, plain_sample


def people(n=600, selected=0.0, seed=1):
    """Three months before the programme, going together; `selected` moves who is treated."""
    rng = np.random.default_rng(seed)
    able = rng.normal(size=n)
    treated = rng.random(n) < 1 / (1 + np.exp(-selected * able))
    before = {f"b{k}": able + rng.normal(size=n) > 0 for k in (1, 2, 3)}
    return pl.DataFrame({"person": range(n), "treated": treated, **before, "able": able})


def test_what_does_not_differ_passes_and_what_does_fails():
    call = {"outcome_before": ["b1", "b2", "b3"], "treatment": "treated"}
    fine, wrong = placebo(people(), **call), placebo(people(selected=0.8), **call)
    assert fine.verdict == "passed"
    assert fine.passed
    assert wrong.verdict == "failed"
    assert "THE PLACEBO FAILS" in wrong.summary()
    row = wrong.glance().row(0, named=True)
    assert row["placebo_max_abs"] == wrong.rows["estimate"].abs().max()
    assert row["placebo_estimate"] == pytest.approx(wrong.rows["estimate"].mean())


def test_the_joint_test_by_hand():
    frame = people(200, 0.3)
    found = placebo(frame, outcome_before=["b1", "b2"], treatment="treated")
    treated = frame["treated"].to_numpy()
    moved, estimate = [], []
    for name in ("b1", "b2"):
        y = frame[name].to_numpy().astype(float)
        mean = {arm: y[treated == arm].mean() for arm in (True, False)}
        estimate.append(mean[True] - mean[False])
        moved.append(
            np.where(
                treated, (y - mean[True]) / treated.sum(), -(y - mean[False]) / (~treated).sum()
            )
        )
    moved = np.array(moved).T
    raw = moved.T @ moved
    # as `contrast` corrects each standard error
    factor = [
        contrast(frame, outcome=name, treatment="treated", measure="difference")
        .tidy().filter(pl.col("term") == "difference")["std_error"][0] / raw[k, k] ** 0.5
        for k, name in enumerate(("b1", "b2"))
    ]  # fmt: skip
    statistic, p_value = wald_test(np.array(estimate), raw * np.outer(factor, factor))
    assert found.rows["estimate"].to_list() == pytest.approx(estimate)
    assert (found.statistic, found.p_value) == pytest.approx((statistic, p_value), rel=1e-10)


def test_the_joint_test_with_two_ways_of_clustering_by_hand():
    """Persons + pairs - both, off the diagonal as on it (Cameron, Gelbach and Miller 2011)."""
    rng = np.random.default_rng(5)
    person, pair = np.repeat(np.arange(60), 4), np.tile(np.arange(80), 3)
    # what goes together within a person goes the other way within a pair
    of_person, of_pair = rng.normal(size=60)[person], rng.normal(size=80)[pair]
    frame = pl.DataFrame(
        {
            "t": rng.random(240) < 0.5,
            "person": person,
            "pair": pair,
            "b1": of_person + of_pair + rng.normal(size=240),
            "b2": of_person - of_pair + rng.normal(size=240),
        }
    )
    call = {"treatment": "t", "cluster": ["person", "pair"]}
    names = ["b1", "b2"]
    found = placebo(frame, outcome_before=names, **call)
    alone = [contrast(frame, outcome=name, measure="difference", **call) for name in names]
    moved = np.hstack([one.influence for one in alone])

    def products(code):
        sums = np.zeros((code.max() + 1, 2))
        np.add.at(sums, code, moved)
        return sums.T @ sums

    both = products(person) + products(pair) - products(person * 80 + pair)
    size = np.sqrt(np.diag(both))
    error = found.rows["std_error"].to_numpy()
    vcov = both * np.outer(error / size, error / size)
    statistic, p_value = wald_test(found.rows["estimate"].to_numpy(), vcov)
    assert (found.statistic, found.p_value) == pytest.approx((statistic, p_value), rel=1e-9)


def test_a_pair_matched_sample_counts_pairs_as_one():
    frame = people(300, 0.5).with_columns(score=pl.col("able"))
    sample = match(frame, treatment="treated", on="score")
    found = placebo(sample, outcome_before=["b1", "b2"])
    alone = contrast(sample, outcome="b1", measure="difference").tidy()
    assert (
        found.rows["std_error"][0] == alone.filter(pl.col("term") == "difference")["std_error"][0]
    )
    assert found.design == "matching"
    again = match(frame, treatment="treated", on="score", replace=True)
    assert 0 <= placebo(again, outcome_before=["b1", "b2"]).p_value <= 1


def test_a_tolerance_asks_for_size_as_well():
    frame = people(4000, 0.15, seed=3)
    call = {"outcome_before": "b1", "treatment": "treated"}
    strict = placebo(frame, **call)
    size, reach = strict.largest, strict.rows.select("conf_low", "conf_high").to_numpy()
    assert strict.verdict == "failed"
    assert placebo(frame, **call, tolerance=size * 0.9).verdict == "failed"
    assert placebo(frame, **call, tolerance=size * 1.01).verdict == "undecided"
    assert placebo(frame, **call, tolerance=float(np.abs(reach).max())).verdict == "passed"


def long_panel(frame):
    return frame.unpivot(["b1", "b2", "b3"], index="person", value_name="work").select(
        "person", "work", month=-pl.col("variable").str.slice(1).cast(pl.Int64)
    )


def test_a_panel_says_what_its_columns_say():
    frame = people(150, 0.5)
    wide = placebo(frame, outcome_before=["b3", "b2", "b1"], treatment="treated")
    shuffled = long_panel(frame).sample(fraction=1, shuffle=True, seed=2)
    long = placebo(
        frame.drop("b1", "b2", "b3"), shuffled, outcome_before="work", person="person",
        month="month", treatment="treated",
    )  # fmt: skip
    assert long.rows["month"].to_list() == [-3, -2, -1]
    assert long.rows["estimate"].to_list() == pytest.approx(wide.rows["estimate"].to_list())
    assert long.p_value == pytest.approx(wide.p_value)
    assert long.tidy().columns[:2] == ["outcome", "month"]


def test_months_that_were_not_observed_are_counted():
    frame = people(150)
    panel = long_panel(frame).filter(~((pl.col("person") < 5) & (pl.col("month") == -2)))
    call = {"outcome_before": "work", "person": "person", "month": "month", "treatment": "treated"}
    with pytest.raises(MissingValueError, match="not observed"):
        placebo(frame, panel, **call)
    found = placebo(frame, panel, **call, missing="drop")
    assert found.meta["dropped"] == {"work at -2 not known": 5}


def test_what_was_matched_on_is_no_placebo():
    sample = plain_sample(people(), treatment="treated", covariates=["b1"])
    found = placebo(sample, outcome_before=["b1", "b2"])
    assert "matched on, and so no placebo: b1" in found.meta["warnings"]


def test_outcomes_that_make_up_each_other():
    frame = people().with_columns(twin=pl.col("b1"), never=pl.lit(value=False))
    found = placebo(frame, outcome_before=["b1", "twin", "b2"], treatment="treated")
    alone = found.rows["p_value"].min()
    assert found.p_value == pytest.approx(min(1, 3 * alone))
    assert found.statistic is None
    nothing = placebo(frame, outcome_before="never", treatment="treated")
    assert nothing.p_value == 1
    assert nothing.passed


def test_equal_rows_are_frequencies():
    frame = people(90, 0.5).with_columns(w=pl.int_range(90) % 3 + 1)
    repeated = frame.select(pl.all().repeat_by("w").explode())
    names = ["b1", "b2", "b3"]
    one = placebo(plain_sample(frame, treatment="treated", weights="w"), outcome_before=names)
    other = placebo(repeated, outcome_before=names, treatment="treated")
    assert one.p_value == pytest.approx(other.p_value, rel=1e-10)


def test_the_gate_takes_the_joint_test():
    found = placebo(people(selected=0.8), outcome_before=["b1", "b2"], treatment="treated")
    evidence = of_placebo(found.joint())
    assert evidence["placebo"].value == found.largest
    assert evidence["placebo_p"].value == found.p_value


def test_the_picture():
    import matplotlib.pyplot as plt

    axes = placebo(people(), outcome_before=["b1", "b2"], treatment="treated").plot()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["b1", "b2"]
    plt.close(axes.figure)


def test_the_door_of_placebo():
    frame = people(60)
    panel = long_panel(frame)
    call = {"outcome_before": "work", "person": "person", "month": "month", "treatment": "treated"}
    with pytest.raises(CallError, match="tolerance"):
        placebo(frame, outcome_before="b1", treatment="treated", tolerance=0)
    with pytest.raises(CallError, match="no column"):
        placebo(frame, outcome_before=[], treatment="treated")
    with pytest.raises(CallError, match="hand in the panel"):
        placebo(frame, outcome_before="b1", treatment="treated", month="month")
    with pytest.raises(UnknownColumnError):
        placebo(frame, outcome_before="b9", treatment="treated")
    with pytest.raises(InputError, match="no placebo"):
        placebo(frame, panel.with_columns(month=pl.col("month") + 1), **call)
    with pytest.raises(DuplicateKeyError):
        placebo(frame, pl.concat([panel, panel]), **call)
    with pytest.raises(WrongTypeError, match="whole number"):
        placebo(frame, panel.with_columns(month=pl.col("month") / 1), **call)
    with pytest.raises(CallError, match="who and when"):
        placebo(frame, panel, outcome_before="work", treatment="treated")


def months_at_risk():
    """1 starts in month 5; 2 leaves after month 3; 3 stays for 6 months; 4 starts in month 2."""
    last = {1: 5, 2: 3, 3: 6, 4: 2}
    start = {1: 5, 4: 2}
    rows = [
        {"person": who, "month": month, "start": start.get(who)}
        for who, until in last.items()
        for month in range(1, until + 1)
    ]
    return pl.DataFrame(rows)


def test_pretended_starts_by_hand():
    made = placebo_starts(
        months_at_risk(), person="person", time="month", treated_at="start", lead=2
    )
    # 2 is there in month 1 only (and in month 3, two later); 4 started too early to pretend
    assert made.panel.select("person", "month", "start", "placebo_treated").rows() == [
        (1, 1, 3, False), (1, 2, 3, False), (1, 3, 3, True),
        (2, 1, None, False),
        (3, 1, None, False), (3, 2, None, False), (3, 3, None, False), (3, 4, None, False),
    ]  # fmt: skip
    assert made.tidy().rows() == [(1, 0, 3), (2, 0, 2), (3, 1, 2), (4, 0, 1)]
    assert made.meta["dropped"] == {
        "rows less than the lead before a start": 4,
        "rows of who was no longer at risk after the lead": 4,
        "starts before which there is no such month": 1,
    }
    assert sum(made.meta["dropped"].values()) - 1 + made.panel.height == months_at_risk().height


def test_nobody_pretended_to_start_leaves_before_a_control_may():
    """Who is compared was still there after the lead: pretended treated and controls alike."""
    rng = np.random.default_rng(4)
    last = rng.geometric(0.1, 400)
    start = np.where(rng.random(400) < 0.5, rng.integers(1, 20, 400), 99)
    rows = pl.DataFrame({"person": range(400), "last": np.minimum(last, start), "at": start})
    panel = rows.select(
        "person", pl.int_ranges(1, pl.col("last") + 1).alias("month"),
        pl.when(pl.col("at") < 99).then("at").alias("start"),
    ).explode("month")  # fmt: skip
    made = placebo_starts(panel, person="person", time="month", treated_at="start", lead=4).panel
    later = made.select("person", month=pl.col("month") + 4)
    assert later.join(panel, on=["person", "month"], how="semi").height == made.height
    assert made.filter(pl.col("placebo_treated") != (pl.col("month") == pl.col("start"))).is_empty()


def test_the_door_of_pretended_starts():
    panel = months_at_risk()
    call = {"person": "person", "time": "month", "treated_at": "start"}
    for lead in (0, -1, 1.5, True):
        with pytest.raises(CallError, match="lead"):
            placebo_starts(panel, **call, lead=lead)
    with pytest.raises(EmptyCohortError, match="shorter lead"):
        placebo_starts(panel, **call, lead=12)
    with pytest.raises(DuplicateKeyError):
        placebo_starts(pl.concat([panel, panel]), **call)
    with pytest.raises(WrongTypeError):
        placebo_starts(panel.with_columns(month=pl.col("month") / 1), **call)
    with pytest.raises(MissingValueError):
        placebo_starts(panel.with_columns(month=pl.lit(None, pl.Int64)), **call)
