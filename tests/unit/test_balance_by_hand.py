"""Balance of a handful of rows, by hand as fractions; the door; what is noted."""

from __future__ import annotations

import pickle
from datetime import date
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from toolkit import matching
from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    ToolkitError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)
from toolkit.matching.sample import Sample, attrition_of

#: Four treated, four controls; the last control has no like and is left out afterwards.
PEOPLE = pl.DataFrame({
    "t": [1, 1, 1, 1, 0, 0, 0, 0],
    "age": [20, 30, 30, 40, 30, 30, 50, 50],
    "woman": [True, True, True, False, True, False, False, False],
    "school": ["low", "low", "high", "high", "low", "low", "low", "high"],
    "w": [1, 1, 1, 1, 2, 1, 1, 0],
})  # fmt: skip


def rows(found, sample="after"):
    frame = found.tidy().filter(pl.col("sample") == sample)
    return {row["covariate"]: row for row in frame.iter_rows(named=True)}


def matched(**fields):
    """Return PEOPLE as a method of matching would."""
    given = {
        "meta": {"method": "by hand", "design": "matching"}, "frame": PEOPLE, "treatment": "t",
        "treated": PEOPLE["t"].to_numpy() == 1, "weights": PEOPLE["w"].cast(pl.Float64),
        "sampling": np.ones(8), "estimand": "ATT", "covariates": ("age", "woman"),
        "attrition": attrition_of([]),
    }  # fmt: skip
    return Sample(**{**given, **fields})


def test_means_variances_ks_and_overlap_as_fractions():
    found = matching.balance(PEOPLE, ["age", "woman", "school"], treatment="t", balancing="w")
    before, after = rows(found, "before"), rows(found)
    # treated: 20 30 30 40, mean 30, variance 200 / 3; controls: mean 40, variance 400 / 3
    sd = float(Fraction(200, 3)) ** 0.5
    assert before["age"]["smd"] == pytest.approx(-10 / sd)
    assert before["age"]["variance_ratio"] == pytest.approx(float(Fraction(1, 2)))
    # F₁(20) − F₀(20) = 1/4, at 30: 3/4 − 1/2 = 1/4, at 40: 1 − 1/2 = 1/2
    assert before["age"]["ks"] == pytest.approx(0.5)
    assert before["age"]["overlap"] == pytest.approx(0.5)  # both have half at 30
    # afterwards controls have 30: 3/4, 50: 1/4; the denominator stays
    assert after["age"]["mean_control"] == pytest.approx(35)
    assert after["age"]["smd"] == pytest.approx(-5 / sd)
    # Σ p (x − m)² / (1 − Σ p²) = (3/4 · 25 + 1/4 · 225) / (1 − 6/16) = 75 / (5/8) = 120
    assert after["age"]["variance_ratio"] == pytest.approx(float(Fraction(200, 3) / 120))
    assert after["age"]["ks"] == pytest.approx(0.25)
    assert after["age"]["overlap"] == pytest.approx(0.5)
    assert after["age"]["n_control"] == 3
    # shares: 3/4 against 1/4 and, afterwards, 2/4; √(3/4 · 1/4) = √3 / 4
    assert before["woman"]["smd"] == pytest.approx(0.5 / (3**0.5 / 4))
    assert after["woman"]["smd"] == pytest.approx(0.25 / (3**0.5 / 4))
    assert after["woman"]["variance_ratio"] is None
    assert after["woman"]["ks"] == after["woman"]["difference"] == pytest.approx(0.25)
    assert after["woman"]["overlap"] == pytest.approx(0.75)
    # levels: low 2/4 against 3/4, afterwards all that are left
    assert before["school[low]"]["mean_control"] == pytest.approx(0.75)
    assert after["school[high]"]["mean_control"] == 0
    assert after["school[high]"]["smd"] == pytest.approx(0.5 / 0.5)


@pytest.mark.parametrize(
    ("estimand", "standardise", "variance"),
    [
        ("ATT", None, Fraction(200, 3)), ("ATC", None, Fraction(400, 3)),
        ("ATE", None, Fraction(100)),
        ("ATT", "control", Fraction(400, 3)), ("ATE", "treated", Fraction(200, 3)),
        # all: mean 35, Σ (x − 35)² = 800, over 7
        ("ATT", "all", Fraction(800, 7)),
        # weighted: treated 1/2, controls 1/2 with 30 30 50 as 2 1 1: mean 32.5,
        # Σ p (x − m)² = (156.25 + 6.25·2 + 56.25 + 6.25·3 + 306.25) / 8 = 550 / 8,
        # over 1 − Σ p² = 1 − 10/64
        ("ATO", None, Fraction(550, 8) / Fraction(54, 64)),
    ],
)  # fmt: skip
def test_by_whose_standard_deviation(estimand, standardise, variance):
    found = matching.balance(
        PEOPLE, ["age"], treatment="t", balancing="w", estimand=estimand, standardise=standardise
    )
    assert rows(found)["age"]["smd"] == pytest.approx(-5 / float(variance) ** 0.5)
    assert rows(found, "before")["age"]["smd"] == pytest.approx(-10 / float(variance) ** 0.5)


def test_shares_may_stay_as_they_are():
    found = matching.balance(PEOPLE, ["woman", "age"], treatment="t", balancing="w", binary="raw")
    after = rows(found)
    assert (after["woman"]["smd"], after["woman"]["scale"]) == (pytest.approx(0.25), "raw")
    assert (after["age"]["scale"], after["age"]["difference"]) == ("std", pytest.approx(-5))


def test_glance_says_who_is_worst_and_how_many_count():
    found = matching.balance(matched(), ["age", "woman", "school"])
    line = found.glance().row(0, named=True)
    assert line["sample"] == "after"
    assert (line["n_treated"], line["n_control"]) == (4, 3)
    assert line["ess_control"] == pytest.approx(
        float(Fraction(16, 6))
    )  # (2 + 1 + 1)² / (4 + 1 + 1)
    assert line["worst"] in {"school[high]", "school[low]"}
    assert line["max_smd"] == pytest.approx(1.0)
    assert line["n_covariates"] == 4
    assert line["share_above"] == 1.0
    assert not line["balanced"]
    easy = matching.balance(matched(), thresholds={"smd": 2.0, "variance_ratio": 3.0})
    assert easy.glance()["balanced"].item()
    assert not matching.balance(matched(), thresholds={"ks": 0.1}).glance()["balanced"].item()
    assert not matching.balance(
        matched(), ["age"], thresholds={"variance_ratio": 1.5}
    ).glance()["balanced"].item()  # fmt: skip


def test_where_nothing_was_done_there_is_no_after():
    found = matching.balance(PEOPLE, ["age"], treatment="t")
    assert found.tidy()["sample"].to_list() == ["before"]
    assert found.glance()["sample"].item() == "before"
    assert found.glance()["max_smd"].item() == found.glance()["max_smd_before"].item()
    plain = matching.plain_sample(PEOPLE, treatment="t", covariates=["age"])
    assert matching.balance(plain).tidy().equals(found.tidy())


def test_covariates_and_score_come_from_the_sample():
    found = matching.balance(matched(score=pl.Series("score", [0.5, 0.5, 0.6, 1.0] * 2)))
    assert found.tidy()["covariate"].unique(maintain_order=True).to_list() == [
        "score", "age", "woman",
    ]  # fmt: skip
    bins = found.score_overlap.filter(pl.col("sample") == "after")
    assert bins.height == 20
    # 0.5 and 0.6 open a bin, 1.0 stands in the last; the control of 1.0 is left out
    seen = bins.filter(pl.col("n_treated") > 0)
    assert seen["low"].to_list() == pytest.approx([0.5, 0.6, 0.95])
    assert seen["n_control"].to_list() == [2, 1, 0]
    assert seen["share_control"].to_list() == pytest.approx([0.75, 0.25, 0.0])
    assert found.glance()["n_covariates"].item() == 2  # the score is none


def test_a_score_outside_zero_and_one_has_bins_over_its_range():
    logit = matching.balance(
        PEOPLE.with_columns(z=pl.Series([-2.0, -1, 0, 2, -2, 0, 1, 2])), ["age"], treatment="t",
        score="z", bins=4,
    )  # fmt: skip
    assert logit.score_overlap["low"].to_list() == [-2, -1, 0, 1]
    assert logit.score_overlap["n_treated"].to_list() == [1, 1, 1, 1]
    assert logit.score_overlap["n_control"].to_list() == [1, 0, 1, 2]


def test_missing_values_are_refused_or_compared():
    gone = PEOPLE.with_columns(
        age=pl.Series([None, 30, 30, 40, 30, None, None, 50]).cast(pl.Float64),
        school=pl.Series([None, "low", "high", "high", "low", "low", "low", "high"]),
    )
    for name in ("age", "school"):
        with pytest.raises(MissingValueError, match="missing='indicator'"):
            matching.balance(gone, [name], treatment="t")
    found = matching.balance(
        gone, ["age", "school"], treatment="t", balancing="w", missing="indicator"
    )
    before, after = rows(found, "before"), rows(found)
    assert before["age[missing]"]["difference"] == pytest.approx(-0.25)
    assert after["age[missing]"]["mean_control"] == pytest.approx(0.5)  # 1 and 1 of 4
    assert (before["age"]["n_treated"], after["age"]["n_control"]) == (3, 1)
    assert before["age"]["mean_treated"] == pytest.approx(float(Fraction(100, 3)))
    assert after["age"]["mean_control"] == 30
    assert before["school[low]"]["mean_treated"] == pytest.approx(float(Fraction(1, 3)))
    assert before["school[missing]"]["mean_treated"] == 0.25
    nan = gone.with_columns(pl.col("age").fill_null(float("nan")))
    again = matching.balance(
        nan, ["age", "school"], treatment="t", balancing="w", missing="indicator"
    )
    assert again.tidy().equals(found.tidy())


def test_known_in_one_group_only_is_noted_and_not_balanced():
    gone = PEOPLE.with_columns(
        age=pl.when(pl.col("t") == 1).then("age"), other=pl.col("age").cast(pl.Float64)
    )
    found = matching.balance(gone, ["age"], treatment="t", balancing="w", missing="indicator")
    row = rows(found)["age"]
    assert row["mean_control"] is row["smd"] is row["ks"] is None
    assert not row["balanced"]
    assert "Not known for one of the groups" in found.summary()


def test_constants_and_no_spread_are_noted():
    flat = PEOPLE.with_columns(
        same=pl.lit(0.1), split=pl.col("t").cast(pl.Float64),
        some=pl.Series([3.0] * 4 + [1.0, 2, 3, 4]),
        level=pl.Series(["x"] * 8, dtype=pl.Enum(["x", "never"])),
    )  # fmt: skip
    found = matching.balance(flat, ["same", "split", "some", "level"], treatment="t")
    before = rows(found, "before")
    assert before["same"]["smd"] == before["level[x]"]["smd"] == 0.0
    assert "level[never]" not in before
    # nobody treated differs: divided by the spread of all, √(50/256 · …) by hand: p = 1/2
    assert before["split"]["smd"] == pytest.approx(1 / 0.5)
    # 3 3 3 3 1 2 3 4: mean 2.75, Σ² = 4/16 + 49/16 + 9/16 + 1/16 + 25/16 = 88/16, over 7
    assert before["some"]["smd"] == pytest.approx(0.5 / (88 / 16 / 7) ** 0.5)
    assert before["some"]["variance_ratio"] == 0.0
    first, second = found.meta["warnings"]
    assert first == "The same in every row, so balanced by nature: same, level[x]"
    assert second.endswith("divided by the spread of all: split, some")


def test_what_all_of_a_group_have_has_no_spread_whatever_the_rounding():
    """Shares of a group that add up to 1 − 1e-16 are no standard deviation to divide by."""
    frame = pl.DataFrame({
        "t": [True] * 3 + [False] * 3, "level": ["c"] * 4 + ["b", "a"],
        "w": [0.1, 0.2, 0.3, 0.1, 0.7, 0.3],
    })  # fmt: skip
    for seed in range(6):
        mixed = frame.sample(fraction=1, shuffle=True, seed=seed)
        before = rows(matching.balance(mixed, ["level"], treatment="t", weights="w"), "before")
        assert before["level[c]"]["mean_treated"] == 1.0
        assert 0 < before["level[c]"]["smd"] < 5
        assert -5 < before["level[b]"]["smd"] < 0


def test_squares_and_interactions_on_request():
    found = matching.balance(
        PEOPLE, ["age", "woman", "school"], treatment="t", squares=True,
        interactions=[("age", "woman"), ("woman", "school")],
    )  # fmt: skip
    before = rows(found, "before")
    assert before["age^2"]["mean_treated"] == pytest.approx((400 + 900 + 900 + 1600) / 4)
    assert "woman^2" not in before
    assert before["age:woman"]["mean_treated"] == pytest.approx(80 / 4)
    assert before["woman:school[low]"]["difference"] == pytest.approx(0.5 - 0.25)
    assert before["woman:school[low]"]["variance_ratio"] is None  # a share
    every = matching.balance(PEOPLE, ["age", "woman", "school"], treatment="t", interactions=True)
    kinds = every.tidy()["kind"].value_counts()
    assert dict(kinds.rows())["interaction"] == 1 + 2 + 2


def test_the_calendar_is_compared_by_quarter():
    days = [date(2006, 1, 2), date(2006, 3, 31), date(2006, 4, 1), date(2007, 1, 1)] * 2
    found = matching.balance(
        PEOPLE.with_columns(start=pl.Series(days)), ["age"], treatment="t", balancing="w",
        calendar="start",
    )  # fmt: skip
    part = found.tidy().filter(pl.col("kind") == "calendar", pl.col("sample") == "after")
    assert part["covariate"].to_list() == ["start[2006Q1]", "start[2006Q2]", "start[2007Q1]"]
    assert part["mean_treated"].to_list() == [0.5, 0.25, 0.25]
    assert part["mean_control"].to_list() == [0.75, 0.25, 0.0]
    text = PEOPLE.with_columns(start=pl.lit("2006Q1"))
    assert rows(
        matching.balance(text, ["age"], treatment="t", calendar="start"), "before"
    )["start[2006Q1]"]["mean_control"] == 1.0  # fmt: skip
    with pytest.raises(WrongTypeError, match="not a date"):
        matching.balance(PEOPLE, ["age"], treatment="t", calendar="age")


def test_history_by_columns_or_in_long_form_is_one():
    wide = PEOPLE.with_columns(
        person=pl.int_range(8), m2=pl.Series([1, 0, 0, 1, 0, 0, None, 1]),
        m1=pl.Series([1, 1, 0, 1, 0, None, 1, 1]),
    )  # fmt: skip
    options = {"treatment": "t", "balancing": "w"}
    by_column = matching.balance(wide, ["age"], history=["m2", "m1"], **options)
    table = by_column.history.filter(pl.col("sample") == "after")
    assert table["month"].to_list() == [-2, -1]
    assert table["mean_treated"].to_list() == [0.5, 0.75]
    # weights 2 1 1 0: in month −2 known of the first two, in month −1 of the first and third
    assert table["mean_control"].to_list() == pytest.approx([0.0, float(Fraction(1, 3))])
    assert table["n_control"].to_list() == [2, 2]
    assert by_column.glance()["max_smd_history"].item() == pytest.approx(0.5 / 0.5)
    assert "not observed for everybody" in by_column.meta["warnings"][0]
    long = (
        wide.select("person", "m2", "m1").unpivot(["m2", "m1"], index="person")
        .with_columns(month=pl.col("variable").replace_strict({"m2": -2, "m1": -1}))
        .drop_nulls("value").sample(fraction=1, shuffle=True, seed=1)
    )  # fmt: skip
    for history in (
        long,
        {-1: "m1", -2: "m2"},
        long.lazy(),
        long.with_columns(pl.col("value") > 0),
    ):
        again = matching.balance(wide, ["age"], history=history, **options)
        assert again.history.equals(by_column.history)
    with pytest.raises(DuplicateKeyError, match="stands twice"):
        matching.balance(wide, ["age"], history=pl.concat([long, long]), **options)
    with pytest.raises(CallError, match="no key"):
        matching.balance(wide, ["age"], history=long.rename({"person": "who"}), **options)
    with pytest.raises(EmptyCohortError, match="no value"):
        matching.balance(
            wide, ["age"], history=long.with_columns(pl.col("person") + 100), **options
        )


def test_history_of_a_person_in_several_rows_follows_its_keys():
    twice = pl.DataFrame({
        "person": [1, 1, 2, 3], "start": [5, 9, 5, 9], "t": [0, 1, 1, 0], "age": [30, 30, 40, 50],
    })  # fmt: skip
    history = pl.DataFrame({
        "person": [1, 1, 2, 3], "start": [5, 9, 5, 9], "month": [-1] * 4, "value": [0, 1, 1, 1],
    })  # fmt: skip
    found = matching.balance(twice, ["age"], treatment="t", history=history).history
    assert (found["mean_treated"].item(), found["mean_control"].item()) == (1.0, 0.5)


def test_subclasses_are_looked_at_one_by_one():
    # 20 30 30 40 | 30 30 50 50 in strata 0 0 1 1 | 0 1 1 -
    strata = np.array([0, 0, 1, 1, 0, 1, 1, -1])
    found = matching.balance(matched(subclass=strata, covariates=("age", "school")))
    inside = found.subclasses.filter(pl.col("covariate") == "age")
    assert inside["mean_treated"].to_list() == [25, 35]
    assert inside["mean_control"].to_list() == [30, 40]
    assert inside["n_control"].to_list() == [1, 2]
    sd = rows(found, "before")["age"]["sd"]
    assert inside["smd"].to_list() == pytest.approx([-5 / sd, -5 / sd])
    assert found.subclasses["covariate"].unique().sort().to_list() == [
        "age", "school[high]", "school[low]",
    ]  # fmt: skip
    one = np.array([0, 0, 1, 1, 0, 0, 0, -1])  # nobody to compare with in stratum 1
    alone = matching.balance(matched(subclass=one, covariates=("age",))).subclasses
    assert alone["smd"].to_list()[1] is None
    assert alone["n_control"].to_list() == [3, 0]
    assert matching.balance(matched()).subclasses is None
    with pytest.raises(CallError, match="no subclasses"):
        matching.balance(matched(), by_subclass=True)
    many = np.where(strata < 0, -1, strata * 60)
    with pytest.raises(CallError, match="no strata"):
        matching.balance(matched(subclass=many), by_subclass=True)
    assert matching.balance(matched(subclass=many)).subclasses is None


def test_the_picture_is_hollow_before_and_filled_after():
    found = matching.balance(matched())
    ax = found.plot()
    before, after = ax.collections
    assert len(before.get_offsets()) == len(after.get_offsets()) == 2
    assert not len(before.get_facecolors())
    assert len(after.get_facecolors())
    assert found.plot(ax=ax) is ax


def test_a_result_can_be_printed_and_sent_to_another_process():
    found = matching.balance(matched())
    assert "treated before" in found.summary()
    assert "<table" in found._repr_html_()
    assert pickle.loads(pickle.dumps(found)).tidy().equals(found.tidy())  # noqa: S301


BAD = {
    "no treatment": ({"treatment": None}, CallError, "does not say who was treated"),
    "no covariates": ({"covariates": []}, CallError, "No covariates"),
    "unknown": ({"covariates": ["agee"]}, UnknownColumnError, "did you mean 'age'"),
    "twice": ({"covariates": ["age", "age"]}, CallError, "named twice"),
    "treatment itself": ({"covariates": ["t"]}, CallError, "is the treatment"),
    "a date": ({"covariates": ["day"]}, WrongTypeError, "calendar="),
    "infinite": ({"covariates": ["much"]}, InputError, "infinite"),
    "nothing": ({"covariates": ["none"]}, EmptyCohortError, "no value"),
    "standardise": ({"standardise": "treate"}, UnknownOptionError, "treated"),
    "binary": ({"binary": "sd"}, UnknownOptionError, "std"),
    "missing": ({"missing": "drop"}, UnknownOptionError, "indicator"),
    "estimand": ({"estimand": "LATE"}, UnknownOptionError, "ATT"),
    "threshold": ({"thresholds": {"smdd": 0.1}}, UnknownOptionError, "smd"),
    "low threshold": ({"thresholds": {"variance_ratio": 0.5}}, CallError, "at least 1"),
    "bins": ({"bins": 1}, CallError, "bins"),
    "pair": ({"interactions": [("age", "school")]}, CallError, "not a pair"),
    "score": ({"score": "school"}, WrongTypeError, "not a number"),
    "negative weight": ({"balancing": "minus"}, ToolkitError, "below 0"),
    "nobody left": ({"balancing": "nobody"}, EmptyCohortError, "No control row has weight after"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_calls_are_refused_with_a_word(case):
    options, error, words = BAD[case]
    frame = PEOPLE.with_columns(
        day=pl.lit(date(2006, 1, 1)), much=pl.col("age") / 0.0, none=pl.lit(None, pl.Float64),
        minus=pl.lit(-1.0), nobody=pl.col("t").cast(pl.Float64),
    )  # fmt: skip
    call = {"treatment": "t", "covariates": ["age"], **options}
    with pytest.raises(error, match=words):
        matching.balance(frame, call.pop("covariates"), **call)


@pytest.mark.parametrize("name", ["treatment", "weights", "estimand", "balancing"])
def test_a_sample_brings_its_own(name):
    with pytest.raises(CallError, match="plain frame"):
        matching.balance(matched(), **{name: "t"})


def test_a_key_is_no_covariate_and_is_not_shown():
    many = pl.DataFrame({
        "t": [True, False] * 600, "key": [f"{index:09d}" for index in range(1200)],
    })  # fmt: skip
    with pytest.raises(CallError, match="1,200 levels") as caught:
        matching.balance(many, ["key"], treatment="t")
    assert "000000001" not in str(caught.value)
    few = matching.balance(many.head(10), ["key"], treatment="t")
    assert "000000001" not in few.summary()
