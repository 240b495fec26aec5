"""What designs refuse or say, in words that help and hold no key."""

import sys
from datetime import date

import numpy as np
import polars as pl
import pytest

from toolkit import effects
from toolkit.errors import (
    CallError,
    CollinearityError,
    DuplicateKeyError,
    EmptyCohortError,
    EstimationError,
    InputError,
    MissingValueError,
    ToolkitError,
    UnknownCodeError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)

RNG = np.random.default_rng(1)
TRIAL = pl.DataFrame(
    {
        "d": [True, False] * 20,
        "y": RNG.normal(size=40),
        "x": RNG.normal(size=40),
        "s": [1, 1, 2, 2] * 10,
        "one": [1] * 40,
        "text": ["a"] * 40,
        "gone": [None] + [1.0] * 39,
    }
)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"outcome": "z"}, UnknownColumnError, "did you mean|name one"),
        ({"outcome": "text"}, WrongTypeError, "not a number"),
        ({"outcome": "one"}, EmptyCohortError, "same value"),
        ({"outcome": "gone"}, MissingValueError, "missing='attrition'"),
        ({"assigned": "s"}, UnknownCodeError, "other values than 0 and 1"),
        ({"assigned": "one"}, EmptyCohortError, "Nobody is untreated"),
        ({"within": "both"}, UnknownOptionError, "fixed_effects"),
        ({"cluster": "one"}, InputError, "same value in every row"),
        ({"taken_up": "one"}, EmptyCohortError, "only the effect of assignment"),
        ({"adjust": "x + I(2 * x)"}, CollinearityError, "made up of"),
        ({"strata": "x"}, EmptyCohortError, "nobody in one of the arms"),
        ({"conf_level": 95}, CallError, "between 0 and 1"),
        ({"balance": ["one"]}, EmptyCohortError, "balance="),
    ],
)
def test_experiment_refuses(options, error, said):
    call = {"assigned": "d", "outcome": "y"} | options
    with pytest.raises(error, match=said):
        effects.experiment(TRIAL, **call)


def test_one_person_in_an_arm_asks_for_fixed_effects():
    frame = pl.DataFrame({"d": [1, 0] * 4, "y": range(8), "s": [0, 0, 1, 1, 2, 2, 3, 3]})
    with pytest.raises(EmptyCohortError, match="fixed_effects"):
        effects.experiment(frame, assigned="d", outcome="y", strata="s")


def test_an_arm_of_one_person_or_cluster_has_no_error():
    alone = TRIAL.with_columns(d=pl.int_range(40) == 0)
    with pytest.raises(EmptyCohortError, match="assigned arm is one person"):
        effects.experiment(alone, assigned="d", outcome="y")
    with pytest.raises(EmptyCohortError, match="arm is one cluster"):
        effects.experiment(TRIAL, assigned="d", outcome="y", cluster="d")


def test_no_spread_is_no_certainty():
    found = effects.experiment(TRIAL.with_columns(y="d"), assigned="d", outcome="y")
    row = found.tidy().row(0, named=True)
    assert (row["estimate"], row["std_error"]) == (1, 0)
    assert row["p_value"] is row["conf_low"] is row["conf_high"] is None


def test_few_clusters_are_said():
    frame = TRIAL.with_columns(c=pl.int_range(40) % 4)
    found = effects.experiment(frame, assigned="d", outcome="y", cluster="c")
    assert any("degrees of freedom" in line for line in found.meta["warnings"])


def test_hardly_any_take_up_leaves_no_end():
    frame = TRIAL.with_columns(t=pl.Series([1, 0, 0, 1] * 10))
    found = effects.experiment(frame, assigned="d", outcome="y", taken_up="t")
    row = found.tidy().filter(pl.col("term") == "local_effect")
    assert row["conf_low"].item() is None
    assert row["conf_high"].item() is None
    assert any("weak instrument" in line for line in found.meta["warnings"])


# -- lists and power -------------------------------------------------------------------------------

PEOPLE = pl.DataFrame({"person": [123456789 + i for i in range(20)], "sex": ["f", "m"] * 10})


@pytest.mark.parametrize(
    ("data", "options", "error", "said"),
    [
        (PEOPLE.vstack(PEOPLE), {}, DuplicateKeyError, "20 rows too many"),
        (PEOPLE.with_columns(pl.col("person").cast(float)), {}, WrongTypeError, "whole numbers"),
        (PEOPLE.with_columns(person=None), {}, MissingValueError, "missing"),
        (PEOPLE, {"shares": (0.5, 0.6)}, CallError, "add up to 1"),
        (PEOPLE, {"shares": (0.61234, 0.38766)}, InputError, "rounder"),
        (PEOPLE, {"block": 3}, CallError, "multiple"),
        (PEOPLE, {"arms": ("a",)}, CallError, "two or more"),
        (PEOPLE, {"seed": "x"}, CallError, "whole number"),
    ],
)
def test_randomise_refuses(data, options, error, said):
    with pytest.raises(error, match=said) as caught:
        effects.randomise(data, **({"key": "person", "seed": 1} | options))
    assert "12345" not in str(caught.value)


def test_no_key_is_shown():
    drawn = effects.randomise(PEOPLE, key="person", strata="sex", seed=1)
    shown = f"{drawn!r}{drawn.summary()}{drawn._repr_html_()}{drawn.glance()}{drawn.meta}"
    assert "12345" not in shown


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n": 100, "effect": 0.1, "sd": 1},
        {"n": 100},
        {"n": 100, "sd": 1, "baseline": 0.2},
        {"n": 100, "baseline": 20},
        {"n": -1, "sd": 1},
        {"effect": 0, "sd": 1},
        {"effect": 0.9, "baseline": 0.25},
        {"n": 4, "baseline": 0.25},
        {"n": 100, "sd": 1, "r2": 1},
        {"n": 100, "sd": 1, "take_up": 0},
        {"n": 100, "sd": 1, "icc": 2},
        {"n": 100, "sd": 1, "share": 1},
        {"n": "100", "sd": 1},
        {"n": True, "sd": 1},
        {"n": 100, "baseline": float("nan")},
        {"n": 100, "sd": 1, "cluster_size": 0.5},
    ],
)
def test_power_refuses(options):
    with pytest.raises(ToolkitError):
        effects.minimum_detectable_effect(**options)


# -- panels ----------------------------------------------------------------------------------------


def panel(start=(2, 2, None, None), months=4):
    people = len(start)
    return pl.DataFrame(
        {
            "who": np.repeat(np.arange(people), months),
            "month": np.tile(np.arange(months), people),
            "y": np.arange(people * months) % 5 * 1.0,
            "start": np.repeat(np.array(start, dtype=object), months).tolist(),
        },
        schema_overrides={"start": pl.Int64},
    )


NAMES = {"person": "who", "month": "month", "outcome": "y", "treated_at": "start"}


@pytest.mark.parametrize(
    ("frame", "options", "error", "said"),
    [
        (panel().slice(1), {}, MissingValueError, "1 of 4 persons"),
        (panel().vstack(panel()), {}, DuplicateKeyError, "16 rows too many"),
        (panel((2, 2, 2, 2)), {}, EmptyCohortError, "No group has controls"),
        (panel((2, 2, 3, 3)), {"control": "never"}, EmptyCohortError, "not_yet"),
        (panel((0, 0, 0, 0)), {}, EmptyCohortError, "No person is left"),
        (panel((None,) * 4), {}, EmptyCohortError, "No group has controls"),
        (panel(months=1), {}, EmptyCohortError, "fewer than two months"),
        (
            panel().with_columns(start=pl.when(month=1).then(3).otherwise("start")),
            {},
            InputError,
            "changes within a person",
        ),
        (panel().with_columns(c=1), {"cluster": "c"}, InputError, "same value in every row"),
        (panel().with_columns(pl.col("month") + 0.5), {}, WrongTypeError, "whole number"),
        (
            panel().with_columns(pl.date(2010, 1 + pl.col("month"), 1).alias("month")),
            {},
            WrongTypeError,
            "not of one kind",
        ),
        (panel(), {"anticipation": -1}, CallError, "anticipation"),
        (panel(), {"control": "all"}, UnknownOptionError, "not_yet"),
        (panel(), {"on": "1"}, CallError, "no covariates"),
    ],
)
def test_difference_in_differences_refuses(frame, options, error, said):
    with pytest.raises(error, match=said):
        effects.difference_in_differences(frame, **NAMES, **options)


def test_incomplete_persons_can_be_dropped_and_are_counted():
    frame = panel((2, 2, 2, None, None)).slice(1)
    found = effects.difference_in_differences(frame, **NAMES, incomplete="drop")
    assert found.meta["dropped"]["persons not observed in every month"] == 1
    assert found.meta["n"] == 4


def test_starts_without_controls_later_are_counted():
    found = effects.difference_in_differences(panel((2, 2, 3, 3)), **NAMES)
    assert found.meta["dropped"]["group-months with fewer than two controls"] > 0
    assert found.tidy("group")["group"].to_list() == [2]


def test_a_person_who_starts_alone_is_left_out_and_counted():
    rng = np.random.default_rng(5)
    start = (2,) + (3,) * 20 + (None,) * 20
    frame = panel(start, months=5).with_columns(y=pl.Series(rng.normal(size=41 * 5)))
    found = effects.difference_in_differences(frame, **NAMES)
    assert found.tidy("group")["group"].to_list() == [3]
    (alone,) = [why for why in found.meta["dropped"] if "start alone" in why]
    assert found.meta["dropped"][alone] == 1
    with pytest.raises(EmptyCohortError, match="two persons or more"):
        effects.difference_in_differences(panel((2, None, None)), **NAMES)


def test_a_window_without_anything_is_refused():
    frame = panel((2, 2, None, None))
    for options in ({"window": (5, 9)}, {"window": (1, -1)}, {"balanced": 40}, {"balanced": 0.5}):
        with pytest.raises(CallError, match=r"window="):
            effects.difference_in_differences(frame, **NAMES, **options)


def test_leads_without_spread_refute_as_well():
    start = (3,) * 4 + (None,) * 4
    rise = pl.when(pl.col("start") == 3).then(pl.col("month")).otherwise(0) * 1.0
    found = effects.difference_in_differences(panel(start, months=5).with_columns(y=rise), **NAMES)
    assert found.lead_test.p_value == 0
    assert any("refuted" in line for line in found.meta["warnings"])
    row = found.tidy().filter(pl.col("time") == 1).row(0, named=True)
    assert row["p_value"] is row["conf_low"] is row["band_low"] is None


def test_one_cluster_an_arm_gives_no_certainty():
    rng = np.random.default_rng(6)
    frame = panel((3,) * 9 + (None,) * 9, months=5)
    frame = frame.with_columns(y=pl.Series(rng.normal(size=90)), c=pl.col("start").is_null())
    row = effects.difference_in_differences(frame, **NAMES, cluster="c").tidy().row(0, named=True)
    assert row["std_error"] == 0
    assert row["p_value"] is row["conf_low"] is row["band_high"] is None


def test_groups_told_apart_by_covariates_are_left_out_and_said():
    frame = panel((2,) * 6 + (None,) * 6 + (3,) * 6, months=4)
    who = pl.col("who")
    frame = frame.with_columns(
        x=pl.when(who < 6).then(1).when(who < 12).then(who % 2).otherwise((who + 1) % 2) * 1.0,
        y=(who * 7 % 11 + pl.col("month") * (who % 3)) * 1.0,
    ).with_columns(x=pl.when(who < 6).then(5.0 + who).otherwise("x"))
    found = effects.difference_in_differences(frame, **NAMES, on="x", estimator="ipw")
    assert any("overlap" in reason for reason in found.meta["dropped"])
    assert any("summaries are of the others" in line for line in found.meta["warnings"])


def test_pre_trends_are_flagged():
    rng = np.random.default_rng(2)
    start = np.where(np.arange(400) < 200, 6, 0)
    month = np.arange(10)
    y = rng.normal(size=(400, 10)) + 0.5 * month * (start[:, None] > 0)
    frame = pl.DataFrame(
        {"who": np.repeat(np.arange(400), 10), "month": np.tile(month, 400), "y": y.ravel(),
         "start": np.repeat(start, 10)}
    ).with_columns(pl.col("start").replace(0, None))  # fmt: skip
    found = effects.difference_in_differences(frame, **NAMES)
    assert any("pre-trends" in line for line in found.meta["warnings"])
    assert found.lead_test.largest_p_value < 0.001


def test_dates_come_back_as_dates():
    frame = panel().with_columns(
        pl.date(2010, 1 + pl.col("month"), 1).alias("month"),
        pl.date(2010, 1 + pl.col("start"), 1).alias("start"),
    )
    found = effects.difference_in_differences(frame, **NAMES)
    assert found.tidy("group")["group"].to_list() == [date(2010, 3, 1)]
    assert found.tidy()["time"].to_list() == [-2, -1, 0, 1]


def test_before_after_says_gross_and_shows_the_dip():
    rng = np.random.default_rng(4)
    rows = [(i, m, 12, 1.0 - (0.6 if 9 <= m < 12 else 0) + rng.normal(0, 0.2))
            for i in range(100) for m in range(24)]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["who", "month", "start", "y"], orient="row")
    found = effects.before_after(
        frame, person="who", month="month", outcome="y", started_at="start", before=12, after=12,
        dip=3,
    )  # fmt: skip
    said = " ".join(found.meta["warnings"])
    assert "GROSS" in said
    assert "Ashenfelter" in said
    assert found.path.height == 24
    with pytest.raises(MissingValueError, match="100 of 100 persons"):
        effects.before_after(
            frame, person="who", month="month", outcome="y", started_at="start", before=24
        )
    with pytest.raises(InputError, match="changes within a person"):
        effects.before_after(
            frame.with_columns(c=pl.col("month") % 2), person="who", month="month", outcome="y",
            started_at="start", before=12, after=12, cluster="c",
        )  # fmt: skip
    with pytest.raises(CallError, match="whole numbers"):
        effects.before_after(
            frame, person="who", month="month", outcome="y", started_at="start", before="4"
        )
    with pytest.raises(CallError, match="no trend"):
        effects.before_after(
            frame, person="who", month="month", outcome="y", started_at="start", before=3, dip=2
        )


def test_natural_experiment_refuses_an_empty_corner():
    frame = pl.DataFrame(
        {"x": [1, 1, 1, 1, 0, 0], "m": [1, 1, 2, 2, 1, 1], "y": [0, 1, 0, 1, 0, 1]}
    )
    with pytest.raises(EmptyCohortError, match="not exposed came in after"):
        effects.natural_experiment(frame, outcome="y", exposed="x", month="m", since=2)
    one = frame.filter(pl.Series([True, True, True, False, True, True]))
    with pytest.raises(EmptyCohortError, match="One person exposed came in after"):
        effects.natural_experiment(one, outcome="y", exposed="x", month="m", since=2)
    with pytest.raises(WrongTypeError, match="one is a date"):
        effects.natural_experiment(
            frame, outcome="y", exposed="x", month="m", since=date(2010, 1, 1)
        )


# -- borders and instruments -----------------------------------------------------------------------


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdrobust", None)
    with pytest.raises(CallError, match=r"reintegration-toolkit\[rd\]"):
        effects.regression_discontinuity(TRIAL, running="x", cutoff=0, outcome="y")


def test_a_border_outside_the_data_is_refused():
    with pytest.raises(EmptyCohortError, match="one side"):
        effects.regression_discontinuity(TRIAL, running="x", cutoff=50, outcome="y")
    with pytest.raises(CallError, match="degree"):
        effects.regression_discontinuity(TRIAL, running="x", cutoff=0, outcome="y", degree=7)


def test_whole_months_are_said_and_not_printed(capsys):
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"x": rng.integers(-20, 20, 2000), "y": rng.normal(size=2000)})
    found = effects.regression_discontinuity(frame, running="x", cutoff=0, outcome="y")
    assert any("bridges a gap" in line for line in found.meta["warnings"])
    assert capsys.readouterr().out == ""
    assert found.density().bin_width == int(found.density().bin_width)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"instruments": "one"}, EmptyCohortError, "same value"),
        ({"instruments": ["x", "x"]}, CallError, "twice"),
        ({"instruments": []}, CallError, "no column"),
        ({"instruments": "gone"}, MissingValueError, "missing"),
        ({"instruments": "x", "on": "x"}, CollinearityError, "made up of"),
        ({"instruments": "x", "cluster": "one"}, InputError, "same value"),
        ({"instruments": "x", "method": "ols"}, UnknownOptionError, "2sls"),
        ({"instruments": ["x", "s"], "cluster": "d"}, CallError, "2 clusters tell nothing"),
        ({"instruments": "x", "outcome": "d"}, EstimationError, "without anything left over"),
    ],
)
def test_instruments_refuse(options, error, said):
    with pytest.raises(error, match=said):
        effects.instrumental_variables(TRIAL, **{"outcome": "y", "treatment": "d"} | options)


def test_a_border_that_all_obey_is_no_weak_instrument():
    rng = np.random.default_rng(2)
    x = rng.normal(size=600)
    frame = pl.DataFrame({"x": x, "d": x >= 0, "y": x + rng.normal(size=600)})
    found = effects.regression_discontinuity(
        frame, running="x", cutoff=0, outcome="y", treatment="d"
    )
    assert not any("weak" in line for line in found.meta["warnings"])
    assert found.tidy().filter(pl.col("term") == "take_up")["statistic"].item() is None


def test_weak_instruments_are_flagged():
    found = effects.instrumental_variables(TRIAL, outcome="y", treatment="d", instruments="x")
    assert any("weak instruments" in line for line in found.meta["warnings"])
    row = found.tidy().filter(pl.col("term") == "anderson_rubin")
    assert row["conf_low"].item() is None


def test_leave_one_out_refuses():
    frame = TRIAL.with_columns(i=pl.int_range(40))
    with pytest.raises(EmptyCohortError, match="two cases"):
        effects.leave_one_out(frame, treatment="d", decider="i")
    with pytest.raises(CallError, match="already"):
        effects.leave_one_out(frame, treatment="d", decider="s", name="x")
