"""What the survival estimators refuse, and with which words; and what they accept."""

import traceback

import polars as pl
import pytest

from toolkit import errors, survival

GOOD = pl.DataFrame(
    {
        "months": [3, 1, 4, 1, 5],
        "left": [1, 0, 1, 1, 0],
        "to": ["work", None, "study", "work", None],
        "since": [0, 0, 2, 0, 1],
        "weight": [1.0, 2.0, 1.0, 1.0, 1.0],
        "sex": ["m", "f", "m", "f", "m"],
    }
)


def km(frame=GOOD, **options):
    return survival.kaplan_meier(frame, **{"time": "months", "event": "left", **options})


def cif(frame=GOOD, **options):
    return survival.cumulative_incidence(frame, **{"time": "months", "event": "to", **options})


def put(column, *values, dtype=None):
    return GOOD.with_columns(pl.Series(column, values, dtype=dtype))


REFUSED = [
    ("unknown column", {"time": "month"}, GOOD, errors.UnknownColumnError, "'months'"),
    ("unknown group", {"by": "gender"}, GOOD, errors.UnknownColumnError, "gender"),
    ("text time", {}, put("months", *"abcde"), errors.WrongTypeError, "not a number"),
    ("negative time", {}, put("months", 3, -1, 4, 1, 5), errors.NegativeTimeError, "rows 1"),
    ("missing time", {}, put("months", 3, None, 4, 1, 5), errors.MissingValueError, "rows 1"),
    (
        "NaN time",
        {},
        put("months", 3, float("nan"), 4, 1, 5, dtype=pl.Float64),
        errors.MissingValueError,
        "rows 1",
    ),
    (
        "infinite time",
        {},
        put("months", 3, float("inf"), 4, 1, 5, dtype=pl.Float64),
        errors.NegativeTimeError,
        "not finite",
    ),
    ("event 2", {}, put("left", 1, 0, 2, 1, 0), errors.UnknownCodeError, "0 and 1: 2"),
    ("text event", {"event": "sex"}, GOOD, errors.WrongTypeError, "true/false"),
    ("missing event", {}, put("left", 1, None, 1, 1, 0), errors.MissingValueError, "'left'"),
    (
        "NaN event",
        {},
        put("left", 1, float("nan"), 1, 1, 0, dtype=pl.Float64),
        errors.MissingValueError,
        "'left'",
    ),
    (
        "entry at exit",
        {"entry": "since"},
        put("since", 0, 1, 2, 0, 1),
        errors.NegativeTimeError,
        "first rows 1",
    ),
    (
        "missing entry",
        {"entry": "since"},
        put("since", 0, None, 2, 0, 1),
        errors.MissingValueError,
        "'since'",
    ),
    (
        "negative entry",
        {"entry": "since"},
        put("since", -1, 0, 2, 0, 1),
        errors.NegativeTimeError,
        "'since'",
    ),
    (
        "negative weight",
        {"weights": "weight"},
        put("weight", 1, 1, -1, 1, 1),
        errors.NegativeTimeError,
        "'weight'",
    ),
    (
        "missing weight",
        {"weights": "weight"},
        put("weight", 1, 1, None, 1, 1),
        errors.MissingValueError,
        "'weight'",
    ),
    ("zero weights", {"weights": "weight"}, put("weight", *[0] * 5), errors.InputError, "zero"),
    (
        "a group of zero weight",
        {"weights": "weight", "by": "sex"},
        put("weight", 1, 0, 1, 0, 1),
        errors.InputError,
        "1 of 2 groups",
    ),
    ("no rows", {}, GOOD.clear(), errors.EmptyCohortError, "No rows"),
    (
        "missing group",
        {"by": "sex"},
        put("sex", "m", None, "m", "f", "m"),
        errors.MissingValueError,
        "'sex'",
    ),
    ("group twice", {"by": ["sex", "sex"]}, GOOD, errors.CallError, "twice"),
    (
        "group named as a result",
        {"by": "estimate"},
        GOOD.rename({"sex": "estimate"}),
        errors.CallError,
        "estimate_group",
    ),
    ("interval", {"conf_type": "loglog"}, GOOD, errors.UnknownOptionError, "'log-log'"),
    ("level", {"conf_level": 95}, GOOD, errors.CallError, "0.95"),
    ("column by number", {"time": 5}, GOOD, errors.UnknownColumnError, "5"),
    ("group by expression", {"by": pl.col("sex")}, GOOD, errors.CallError, "by strings"),
    (
        "32-bit event",
        {},
        put("left", 1, 2, 1, 1, 0, dtype=pl.Float32),
        errors.UnknownCodeError,
        "2",
    ),
    ("weight type", {"weight_type": "robust"}, GOOD, errors.UnknownOptionError, "sampling"),
]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("options", "frame", "error", "says"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_refused(options, frame, error, says, lazy):
    with pytest.raises(error, match=says) as caught:
        km(frame.lazy() if lazy else frame, **options)
    assert caught.value.fix  # every refusal says what to do
    assert caught.value.exit_code in {2, 3}


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (put("to", 1, -1, 2, 0, 0), "negative code"),
        (put("to", 1.5, 0.0, 2.0, 0.0, 0.0), "1.5"),
        (put("to", 1.0, float("inf"), 2.0, 0.0, 0.0), "inf"),
        (put("to", "1", "0", "2", None, None), "no name of a cause"),
        (put("to", "work", "", "study", None, None), "rows 1"),
        (put("to", *[None] * 5, dtype=pl.String), "had an event"),
        (put("to", *[0] * 5), "had an event"),
    ],
)
def test_causes_refused(frame, says):
    with pytest.raises(errors.InputError, match=says):
        cif(frame)


def test_a_nan_cause_is_not_taken_for_censored():
    with pytest.raises(errors.MissingValueError, match="'to'"):
        cif(put("to", 1.0, float("nan"), 2.0, 0.0, None))


def test_aalens_variance_refuses_sampling_weights():
    with pytest.raises(errors.CallError, match="sampling"):
        cif(weights="weight", weight_type="sampling", variance="aalen")


def test_gray_names_the_causes_there_are():
    with pytest.raises(errors.UnknownOptionError, match="did you mean 'work'"):
        survival.gray(GOOD, time="months", event="to", cause="werk", by="sex")


def test_rank_tests_need_groups_that_meet():
    with pytest.raises(errors.CallError, match="single group"):
        survival.logrank(GOOD.filter(sex="m"), time="months", event="left", by="sex")
    with pytest.raises(errors.EmptyCohortError, match="had an event"):
        survival.logrank(GOOD.with_columns(left=0), time="months", event="left", by="sex")
    apart = GOOD.with_columns(apart=pl.col("sex"))
    with pytest.raises(errors.EmptyCohortError, match="never at risk together"):
        survival.logrank(apart, time="months", event="left", by="sex", strata="apart")


@pytest.mark.parametrize("horizon", [0, -1, float("nan"), "12"])
def test_rmst_refuses(horizon):
    with pytest.raises(errors.CallError, match="time above 0"):
        km().rmst(horizon)


@pytest.mark.parametrize("times", [[], -1, [3, float("nan")], float("inf")])
def test_at_refuses(times):
    with pytest.raises(errors.CallError if times == [] else errors.NegativeTimeError):
        km().at(times)


@pytest.mark.parametrize("probability", [0, 1, 50, []])
def test_quantile_refuses(probability):
    with pytest.raises(errors.CallError):
        km().quantile(probability)


def test_messages_show_no_values_of_other_columns():
    frame = GOOD.with_columns(person=pl.Series(["key-1", "key-2", "key-3", "key-4", "key-5"]))
    with pytest.raises(errors.NegativeTimeError) as caught:
        km(frame.with_columns(months=-pl.col("months")))
    assert "key-" not in str(caught.value)


def test_pandas_is_welcome():
    import pandas as pd

    theirs = pd.DataFrame(GOOD.to_dict(as_series=False))
    assert km(theirs, by="sex").tidy().equals(km(by="sex").tidy())
    assert cif(theirs).tidy().equals(cif().tidy())
    with pytest.raises(errors.MissingValueError, match="rows 1"):
        km(theirs.assign(months=[3, None, 4, 1, 5]))


def test_a_pandas_frame_may_have_odd_columns_elsewhere():
    import pandas as pd

    theirs = pd.DataFrame(GOOD.to_dict(as_series=False)).assign(odd=[1, "key-1", None, 2.5, b"x"])
    assert km(theirs).tidy().equals(km().tidy())
    mixed = pd.Series([3, 1.0, 4, 1, 5.0], dtype=object)
    assert km(theirs.assign(months=mixed)).tidy()["estimate"].equals(km().tidy()["estimate"])
    with pytest.raises(errors.WrongTypeError, match="'odd'") as caught:
        km(theirs, time="odd")
    assert "key-1" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(errors.WrongTypeError, match="same name"):
        km(pd.concat([theirs, theirs[["months"]]], axis=1))
    with pytest.raises(errors.WrongTypeError, match="no text"):
        km(theirs.rename(columns={"odd": 0}))


def test_events_of_any_number_or_boolean_type():
    for dtype in (pl.UInt8, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean):
        left = GOOD.with_columns(pl.col("left").cast(dtype))
        assert km(left).tidy().equals(km().tidy())
        assert cif(left, event="left").tidy()["estimate"].to_list() == pytest.approx(
            (1 - km().tidy()["estimate"]).to_list()
        )
    test = survival.gray(
        GOOD.with_columns(pl.col("left") == 1), time="months", event="left", cause=True, by="sex"
    )
    assert test.df == 1


def test_a_group_may_have_any_name():
    names = GOOD.rename({"sex": "row number"})
    test = survival.logrank(names, time="months", event="left", by="row number")
    assert test.statistic == survival.logrank(GOOD, time="months", event="left", by="sex").statistic


def test_columns_and_order():
    assert km(by="sex").tidy().columns == [
        "sex", "time", "n_risk", "n_event", "n_censor",
        "estimate", "std_error", "conf_low", "conf_high",
    ]  # fmt: skip
    assert cif(by="sex").tidy().columns == [
        "sex", "cause", "time", "n_risk", "n_event",
        "estimate", "std_error", "conf_low", "conf_high",
    ]  # fmt: skip
    assert km().tidy()["n_risk"].dtype == pl.Int64
    assert km(by="sex").tidy()["sex"].to_list() == ["f", "m", "m", "m"]


def test_what_a_result_tells():
    result = km(by="sex", weights="weight")
    assert result.meta["n"] == 5
    assert result.meta["variance"] == "Greenwood on weighted counts"
    assert result.glance().height == 1
    assert "Kaplan-Meier" in result.summary()
    assert "<table" in result._repr_html_()
    assert km().glance()["median"].item() == km().quantile(0.5)["estimate"].item()
    assert cif().glance()["n_cause"].item() == 2
    test = survival.logrank(GOOD, time="months", event="left", by="sex")
    assert test.summary().startswith("χ² = ")
    assert test.glance()["p_value"].item() == test.p_value


def test_a_summary_leaves_no_column_out():
    text = km(by=["sex", "weight"]).summary()
    assert "…" not in text
    assert all(name in text for name in km(by=["sex", "weight"]).tidy().columns)


def test_groups_are_counted_without_their_strata():
    test = survival.logrank(
        GOOD.with_columns(half=pl.Series([1, 1, 2, 2, 1])),
        time="months", event="left", by="sex", strata="half",
    )  # fmt: skip
    assert test.meta["n_group"] == test.glance()["n_group"].item() == 2
    assert test.meta["n_event"] == test.glance()["n_event"].item() == 3


def test_pictures():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(layout="constrained")
    assert km(by="sex").plot(ax) is ax
    texts = [text.get_text() for text in ax.texts]
    assert "At risk" in texts
    assert texts.count("2") >= 1  # two women at risk at the start
    assert ax.get_ylim()[0] == 0
    ax.figure.canvas.draw()
    plain = cif().plot(at_risk=False)
    assert [line.get_label() for line in plain.lines] == ["study", "work"]
    plt.close("all")


def test_groups_of_an_enum_come_out_as_themselves():
    kind = pl.Enum(["work", "none", "benefit"])
    frame = pl.DataFrame(
        {"months": [1, 2, 3, 4], "left": [1, 0, 1, 1], "state": ["benefit", "work"] * 2}
    ).with_columns(pl.col("state").cast(kind))
    eager = survival.kaplan_meier(frame, time="months", event="left", by="state").tidy()
    lazy = survival.kaplan_meier(frame.lazy(), time="months", event="left", by="state").tidy()
    assert eager.equals(lazy)
    assert eager["state"].dtype == kind
    assert eager["state"].unique(maintain_order=True).to_list() == ["work", "benefit"]
