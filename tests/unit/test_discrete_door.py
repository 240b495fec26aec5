"""What discrete-time models refuse, and what they say then."""

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest

from toolkit import errors
from toolkit.survival.discrete import discrete_competing, discrete_hazard

RNG = np.random.default_rng(1)
N = 300
DATA = pl.DataFrame(
    {
        "months": RNG.integers(1, 9, N),
        "left": RNG.integers(0, 2, N),
        "x": RNG.integers(0, 3, N),
        "y": RNG.normal(size=N),
        "g": RNG.choice(["a", "b"], N),
        "person": np.arange(N) // 3,
        "part": RNG.random(N),
    }
).with_columns(
    twice=2 * pl.col("x"),
    never=((pl.col("left") == 0) & (pl.col("x") == 1)).cast(int),
    half=pl.col("months") + 0.5,
    zero=0 * pl.col("x"),
    late=pl.col("months") - 1,
    cause=pl.col("left") * (1 + pl.col("x") % 2),
)


def fit(formula="x + y", data=DATA, **options):
    return discrete_hazard(formula, data, **{"time": "months", "event": "left"} | options)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"time": "month"}, errors.UnknownColumnError, "months"),
        ({"formula": "x + z"}, errors.UnknownColumnError, "'z'"),
        ({"link": "probit"}, errors.UnknownOptionError, "'cloglog', 'logit'"),
        ({"baseline": "dummy"}, errors.UnknownOptionError, "did you mean 'dummies'"),
        ({"time": "half"}, errors.WrongTypeError, "not a whole number of months"),
        ({"time": "late"}, errors.InputError, "never at risk"),
        ({"event": "x"}, errors.UnknownCodeError, "other values than 0 and 1"),
        ({"conf_level": 95}, errors.CallError, "not between 0 and 1"),
        ({"baseline": "piecewise"}, errors.CallError, "needs its cuts"),
        ({"baseline": "piecewise", "cuts": [5, 3]}, errors.CallError, "not rising"),
        ({"cuts": [3]}, errors.CallError, "use baseline='piecewise'"),
        ({"df": 3}, errors.CallError, "use baseline='spline'"),
        ({"baseline": "spline", "df": 0}, errors.CallError, "no number of spline terms"),
        ({"baseline": "spline", "df": 30}, errors.CallError, "more than there are months"),
        ({"baseline": "spline", "knots": [1]}, errors.CallError, "between the first and last"),
        ({"baseline": "spline", "knots": [3], "df": 2}, errors.CallError, "give one of them"),
        ({"formula": "x + twice"}, errors.CollinearityError, "'twice' is made up of 'x'"),
        ({"formula": "x + zero"}, errors.CollinearityError, "'zero' has the same value"),
        ({"formula": "x + np.log(months)"}, errors.CollinearityError, "the baseline makes it up"),
        ({"formula": "x + C(g)", "strata": "g"}, errors.CollinearityError, "of a stratum"),
        ({"formula": "y + never"}, errors.SeparationError, "'never' runs off to infinity"),
        ({"person": "person"}, errors.CallError, "there is none"),
        ({"heterogeneity": "beta"}, errors.UnknownOptionError, "'gamma', 'normal'"),
        ({"heterogeneity": "gamma", "link": "logit"}, errors.CallError, "belongs to link"),
        ({"heterogeneity": "gamma", "person": "person"}, errors.CallError, "one event a person"),
        ({"heterogeneity": "normal", "entry": "late"}, errors.CallError, "person="),
        ({"heterogeneity": "normal", "person": "nobody"}, errors.UnknownColumnError, "nobody"),
        (
            {"heterogeneity": "normal", "person": "person", "origin": "birth"},
            errors.UnknownOptionError, "'start', 'entry'",
        ),
        (
            {"heterogeneity": "normal", "person": "person", "weights": "part"},
            errors.InputError, "weights differ",
        ),
        (
            {"heterogeneity": "normal", "person": "person", "cluster": "g"},
            errors.CallError, "in several clusters",
        ),
    ],
)  # fmt: skip
def test_refused_with_a_reason(options, error, said):
    with pytest.raises(error) as caught:
        fit(**options)
    assert said in str(caught.value)


def test_time_that_is_no_number_of_months():
    with pytest.raises(errors.InputError, match="no number of months"):
        fit(data=DATA.with_columns(months=pl.col("months") * 10_000))


def test_new_rows_are_checked():
    model = fit("x + g")
    assert model.predict_survival(pl.DataFrame({"x": [1], "g": ["a"]}), 3).tidy().height == 1
    with pytest.raises(errors.UnknownColumnError):
        model.predict_survival(pl.DataFrame({"x": [1]})).tidy()
    with pytest.raises(errors.UnknownCodeError, match="was not fitted on"):
        model.predict_survival(pl.DataFrame({"x": [1], "g": ["c"]})).tidy()
    with pytest.raises(errors.NegativeTimeError):
        model.predict_survival(DATA, -1).tidy()
    layered = fit("x", strata="g")
    with pytest.raises(errors.UnknownCodeError, match="stratum"):
        layered.predict_survival(pl.DataFrame({"x": [1], "g": ["c"]})).tidy()


def test_beyond_the_last_month_nothing_is_said():
    curve = fit("x").predict_survival(pl.DataFrame({"x": [1]}), [0, 8, 9]).tidy()
    assert curve["estimate"][0] == 1
    assert curve["estimate"].is_null().to_list() == [False, False, True]


def test_separation_names_the_column_with_several_exits():
    # who has x = 0 leaves to 1 only
    data = DATA.with_columns(rare=(pl.col("x") == 0).cast(int))
    with pytest.raises(errors.SeparationError, match=r"'rare \(2\)'"):
        discrete_competing("y + rare", data, time="months", event="cause", baseline="spline")


def test_many_causes_are_refused():
    data = DATA.with_columns(cause=pl.int_range(pl.len()) % 12)
    with pytest.raises(errors.CallError, match="too many"):
        discrete_competing("y", data, time="months", event="cause")


def test_results_present_themselves():
    for model in (
        fit(robust=True),
        fit(heterogeneity="gamma", baseline="spline"),
        discrete_competing("x", DATA, time="months", event="cause", baseline="spline"),
    ):
        said = model.summary()
        assert model.meta["method"] in said
        assert model.glance().height == 1
        assert {"n", "n_event", "loglik", "aic", "df_baseline", "deviance"} <= set(
            model.glance().columns
        )
        assert {"term", "estimate", "std_error", "conf_low"} <= set(model.tidy().columns)
        assert model.meta["wall_time"] > 0
    assert "robust_se" in fit(robust=True).tidy().columns
    ratios = fit().tidy(exponentiate=True)["estimate"].to_numpy()
    assert np.log(ratios) == pytest.approx(fit().coefficients)


def test_baselines_are_drawn():
    for model in (
        fit(strata="g", baseline="spline"),
        discrete_competing("x", DATA, time="months", event="cause"),
    ):
        ax = model.plot()
        assert len(ax.lines) == 2
        assert ax.get_ylabel() == "Hazard"
        plt.close(ax.figure)


def test_a_stratum_in_one_cluster_is_told():
    model = fit(strata="g", cluster="g", baseline="spline")
    assert any("lies in one cluster" in said for said in model.meta["warnings"])
    assert not fit(strata="g", cluster="person", baseline="spline").meta["warnings"]


def test_months_in_which_all_or_nobody_leaves_tell_nothing():
    for data in (pl.DataFrame({"months": [2], "left": [1]}), DATA.with_columns(months=3, left=1)):
        with pytest.raises(errors.EstimationError, match="nothing to model"):
            fit("1", data)
