"""What parametric models refuse, and with which words."""

import traceback

import polars as pl
import pytest

from toolkit import errors
from toolkit.survival.parametric import parametric

GOOD = pl.DataFrame(
    {
        "months": [2, 3, 3, 5, 8, 1, 4, 6],
        "left": [1, 1, 0, 1, 0, 1, 1, 1],
        "until": [3, 4, None, 6, None, 1, 5, 9],
        "since": [0, 1, 0, 2, 5, 0, 0, 1],
        "sex": ["m", "f", "m", "f", "f", "m", "m", "f"],
        "age": [30, 40, 50, 20, 60, 35, 44, 51],
        "twice": [60, 80, 100, 40, 120, 70, 88, 102],
        "one": [1] * 8,
        "known": [0.0, None, 0, 0, 0, 0, 0, 0],
        "weight": [1.0, 2.5, 1, 1, 1, 1, 1, 1],
    }
)


def put(column, *values, dtype=None):
    return GOOD.with_columns(pl.Series(column, values, dtype=dtype))


NO_EVENT = GOOD.with_columns(left=pl.lit(0))
#: Nobody of the third group ever leaves; or left before anybody looked.
STAYS = GOOD.with_columns(group=pl.Series([*"aabb", "c", *"abb"]))
GONE = pl.DataFrame(
    {
        "low": [0, 0, 0, 1, 1, 1, 0, 0],
        "high": [1, 1, 1, None, None, None, 1, 1],
        "group": ["a", "a", "b", "a", "b", "b", "c", "c"],
    }
)
EXACT = {"time": "months", "event": "left"}
LOOKS = {"time": "months", "upper": "until"}

REFUSED = [
    ("unknown column", "agee", GOOD, EXACT, errors.UnknownColumnError, "'age'"),
    ("unknown column of the shape", "1", GOOD, EXACT | {"ancillary": "sexe"},
     errors.UnknownColumnError, "'sex'"),
    ("unknown time", "1", GOOD, {"time": "month", "event": "left"}, errors.UnknownColumnError,
     "'months'"),
    ("unknown upper", "1", GOOD, {"time": "months", "upper": "untill"},
     errors.UnknownColumnError, "'until'"),
    ("neither event nor upper", "1", GOOD, {"time": "months"}, errors.CallError, "event="),
    ("both", "1", GOOD, EXACT | {"upper": "until"}, errors.CallError, "not both"),
    ("distribution", "1", GOOD, EXACT | {"distribution": "weibul"}, errors.UnknownOptionError,
     "'weibull'"),
    ("metric", "1", GOOD, EXACT | {"metric": "hazards"}, errors.UnknownOptionError, "'hazard'"),
    ("metric of another", "1", GOOD, EXACT | {"metric": "odds"}, errors.CallError,
     "'hazard', 'time'"),
    ("heterogeneity", "1", GOOD, EXACT | {"heterogeneity": "normal"},
     errors.UnknownOptionError, "'gamma'"),
    ("no cuts", "1", GOOD, EXACT | {"distribution": "piecewise"}, errors.CallError, "cuts=["),
    ("cuts without use", "1", GOOD, EXACT | {"cuts": [3]}, errors.CallError, "'piecewise'"),
    ("cuts fall", "1", GOOD, EXACT | {"distribution": "piecewise", "cuts": [3, 2]},
     errors.CallError, "do not increase"),
    ("cuts of text", "1", GOOD, EXACT | {"distribution": "piecewise", "cuts": "ab"},
     errors.CallError, "numbers above 0"),
    ("step without event", "1", GOOD, EXACT | {"distribution": "piecewise", "cuts": [3, 7]},
     errors.InputError, "No event between 7 and inf"),
    ("df", "1", GOOD, EXACT | {"distribution": "spline", "df": 0}, errors.CallError, "df=0"),
    ("df and knots", "1", GOOD, EXACT | {"distribution": "spline", "df": 2, "knots": [3]},
     errors.CallError, "not both"),
    ("knots outside", "1", GOOD, EXACT | {"distribution": "spline", "knots": [30]},
     errors.CallError, "from 1 to 6"),
    ("too many knots", "1", put("months", 1, 1, 1, 1, 1, 2, 2, 2),
     EXACT | {"distribution": "spline", "df": 4}, errors.InputError, "2 distinct event times"),
    ("df without use", "1", GOOD, EXACT | {"df": 3}, errors.CallError, "'spline'"),
    ("ancillary without use", "1", GOOD, EXACT | {"distribution": "spline", "ancillary": "sex"},
     errors.CallError, "'weibull'"),
    ("event at 0", "1", put("months", 0, 3, 3, 5, 8, 1, 4, 6), EXACT, errors.InputError,
     "0 for 1 events"),
    ("event at 0, seen by 0", "1", GOOD.with_columns(months=0, until=pl.Series([0, 4] * 4)),
     LOOKS, errors.InputError, "0 for 4 events"),
    ("negative time", "1", put("months", -1, 3, 3, 5, 8, 1, 4, 6), EXACT,
     errors.NegativeTimeError, "rows 0"),
    ("negative time between looks", "1", put("months", -1, 3, 3, 5, 8, 1, 4, 6), LOOKS,
     errors.NegativeTimeError, "rows 0"),
    ("upper below time", "1", put("until", 1, 4, None, 6, None, 1, 5, 9), LOOKS,
     errors.NegativeTimeError, "rows 0"),
    ("upper is NaN", "1",
     put("until", float("nan"), 4, None, 6, None, 1, 5, 9, dtype=pl.Float64), LOOKS,
     errors.MissingValueError, "'until'"),
    ("upper is text", "1", GOOD, {"time": "months", "upper": "sex"}, errors.WrongTypeError,
     "not a number"),
    ("missing time between looks", "1", put("months", None, 3, 3, 5, 8, 1, 4, 6), LOOKS,
     errors.MissingValueError, "'months'"),
    ("entry after the first look", "1", put("since", 3, 1, 0, 2, 5, 0, 0, 1),
     LOOKS | {"entry": "since"}, errors.NegativeTimeError, "rows 0"),
    ("entry at the censoring", "1", put("since", 0, 1, 3, 2, 5, 0, 0, 1),
     LOOKS | {"entry": "since"}, errors.NegativeTimeError, "rows 2"),
    ("entry at the exit", "1", put("since", 2, 1, 0, 2, 5, 0, 0, 1),
     EXACT | {"entry": "since"}, errors.NegativeTimeError, "rows 0"),
    ("missing covariate", "known", GOOD, EXACT, errors.MissingValueError, "'known'"),
    ("nobody leaves", "1", NO_EVENT, EXACT, errors.EmptyCohortError, "No event"),
    ("nobody seen to leave", "1", GOOD.with_columns(until=pl.lit(None, pl.Int64)), LOOKS,
     errors.EmptyCohortError, "No event"),
    ("no rows", "1", GOOD.clear(), EXACT, errors.EmptyCohortError, "No rows"),
    ("collinear", "age + twice", GOOD, EXACT, errors.CollinearityError, "'twice'"),
    ("constant", "one", GOOD, EXACT, errors.CollinearityError, "'one'"),
    ("collinear shape", "1", GOOD, EXACT | {"ancillary": "age + twice"},
     errors.CollinearityError, "'twice'"),
    ("fractions of rows", "1", GOOD, EXACT | {"weights": "weight", "weight_type": "frequency"},
     errors.CallError, "sampling"),
    ("level", "1", GOOD, EXACT | {"conf_level": 95}, errors.CallError, "0.95"),
    ("heterogeneity of steps alone", "1", GOOD,
     EXACT | {"distribution": "piecewise", "cuts": [3], "heterogeneity": "gamma"},
     errors.EstimationError, "cannot be told"),
    ("all leave at once", "1", GOOD.with_columns(months=4, left=1), EXACT,
     errors.EstimationError, "shape runs off to infinity"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "frame", "options", "error", "said"),
    [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED],
)  # fmt: skip
def test_refused(formula, frame, options, error, said):
    with pytest.raises(error) as caught:
        parametric(formula, frame, **options)
    assert said in str(caught.value)
    assert "\0" not in "".join(traceback.format_exception_only(caught.value))


MODELS = [
    {"distribution": name}
    for name in ("exponential", "weibull", "log_logistic", "lognormal", "spline")
] + [
    {"distribution": "piecewise", "cuts": [3]},
    {"distribution": "weibull", "metric": "time", "heterogeneity": "gamma"},
]


@pytest.mark.parametrize("model", MODELS)
def test_a_group_that_never_leaves_is_named(model):
    if model["distribution"] == "spline":
        model = model | {"df": 1}
    with pytest.raises(errors.SeparationError) as caught:
        parametric("age + group", STAYS, **EXACT, **model)
    assert "'group[T.c]'" in str(caught.value)


def test_a_group_that_had_always_left_is_named():
    with pytest.raises(errors.SeparationError) as caught:
        parametric("group", GONE, time="low", upper="high", distribution="exponential")
    assert "'group[T.c]'" in str(caught.value)
    kept = GONE.filter(pl.col("group") != "c")
    model = parametric("group", kept, time="low", upper="high", distribution="exponential")
    assert model.meta["interval_censored"] == 3


def test_a_rare_group_without_events_is_named_in_large_data():
    """Ten of a hundred thousand: their hazard runs to 0 long after the likelihood stands still."""
    many = pl.concat([GOOD.drop("known")] * 12_500).with_columns(
        rare=(pl.int_range(pl.len()) % 10_000 == 2).cast(pl.Int8)
    )  # rows 2 modulo 8 are censored
    with pytest.raises(errors.SeparationError) as caught:
        parametric("sex + rare", many, **EXACT)
    assert "'rare'" in str(caught.value)


def test_new_data_are_checked():
    model = parametric("sex", GOOD, **EXACT)
    with pytest.raises(errors.UnknownColumnError):
        model.predict_survival(pl.DataFrame({"gender": ["m"]}), 3).tidy()
    with pytest.raises(errors.UnknownCodeError):
        model.predict_survival(pl.DataFrame({"sex": ["x"]}), 3).tidy()
    new = pl.DataFrame({"sex": ["m"]})
    with pytest.raises(errors.NegativeTimeError):
        model.predict_survival(new, -1).tidy()
    with pytest.raises(errors.CallError):
        model.predict_quantile(new, 50)
    with pytest.raises(errors.HorizonError):
        model.rmst(new, 0)
    assert model.predict_hazard(new, [0, 1]).tidy()["estimate"][0] is None
    assert model.predict_survival(new.clear(), 3).tidy().height == 0
    with pytest.raises(errors.CallError):
        model.standardise("age", 3)
    with pytest.raises(errors.CallError):
        model.standardise("sex")
    with pytest.raises(errors.UnknownOptionError):
        model.standardise("sex", 3, levels=["x"])
    known = parametric("1", GOOD.with_columns(known=0.1), **EXACT, offset="known")
    with pytest.raises(errors.UnknownColumnError):
        known.predict_survival(new, 3).tidy()


def test_censored_at_zero_is_said():
    model = parametric("1", put("months", 2, 3, 0, 5, 8, 1, 4, 6), **EXACT)
    assert model.meta["warnings"] == ["1 rows are censored at time 0 and say nothing"]
    without = parametric("1", GOOD.filter(pl.int_range(pl.len()) != 2), **EXACT)
    assert model.loglik == pytest.approx(without.loglik, abs=1e-10)


def test_lazy_pandas_and_summary():
    eager = parametric("age + sex", GOOD, **EXACT)
    lazy = parametric("age + sex", GOOD.lazy(), **EXACT)
    assert lazy.coefficients == pytest.approx(eager.coefficients, abs=1e-12)
    import pandas as pd

    frame = GOOD.drop("known").to_dict(as_series=False)
    looks = parametric("age + sex", pd.DataFrame(frame), **LOOKS)
    assert looks.coefficients == pytest.approx(
        parametric("age + sex", GOOD, **LOOKS).coefficients, abs=1e-12
    )
    text = eager.summary()
    assert "weibull duration model" in text
    assert "Estimand: log hazard ratio of the covariates" in text
    assert eager.tidy().columns == [
        "term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"
    ]  # fmt: skip
    assert eager.glance()["df"].item() == 4
