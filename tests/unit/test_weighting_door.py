"""What weigh refuses, and what it says then."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from toolkit import matching
from toolkit.errors import (
    CallError,
    ConvergenceError,
    EmptyCohortError,
    MissingValueError,
    SeparationError,
    UnknownColumnError,
    UnknownOptionError,
)

mpl.use("Agg")


def people(n=300, seed=1):
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, n)
    return pl.DataFrame(
        {
            "treated": rng.random(n) < 1 / (1 + np.exp(1 - (age - 40) / 10)),
            "age": age,
            "region": rng.choice(["n", "e", "s"], n),
            "zero": np.zeros(n),
        }
    )


PEOPLE = people()
ON = "treated ~ age + region"


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"method": "iptw"}, UnknownOptionError, "'ipw'"),
        ({"estimand": "LATE"}, UnknownOptionError, "'ATE'"),
        ({"method": "overlap", "estimand": "ATT"}, CallError, "ATO, not the ATT"),
        ({"method": "entropy", "estimand": "ATO"}, CallError, "'entropy' has no ATO"),
        ({"moments": 2}, CallError, r"moments= says nothing to method='ipw'"),
        ({"method": "entropy", "moments": 4}, CallError, "not 1, 2 or 3"),
        ({"base_weights": "age"}, CallError, "base_weights= says nothing"),
        ({"method": "entropy", "base_weights": "zero"}, CallError, "not all above 0"),
        ({"method": "cbps", "model": "probit"}, CallError, "model= says nothing"),
        ({"method": "ipt", "cross_fit": 3}, CallError, "cross_fit= says nothing"),
        ({"stabilise": True}, CallError, "stabilise= says nothing"),
        ({"trim": 0.3}, CallError, "not a quantile"),
        ({"trim": 0.9, "cap": 3}, CallError, "name one of them"),
        ({"cap": 0}, CallError, "not a weight above 0"),
        ({"support": "common"}, UnknownOptionError, "min-max"),
        ({"support": (0.9, 0.1)}, CallError, "no range of scores"),
        ({"support": 3}, CallError, "no range of scores"),
        ({"method": "entropy", "support": "min-max"}, CallError, "needs a propensity score"),
        ({"on": []}, CallError, "names no columns"),
        ({"on": ["aeg"], "treatment": "treated"}, CallError, "age"),
        ({"on": "age"}, CallError, "does not say what the treatment is"),
        ({"cluster": "person"}, UnknownColumnError, "person"),
        ({"support": (0.0001, 0.0002)}, EmptyCohortError, "Nobody is left"),
    ],
)  # fmt: skip
def test_wrong_calls(options, error, says):
    with pytest.raises(error, match=says):
        matching.weigh(PEOPLE, **{"on": ON, **options})


def test_scores_of_other_rows_and_other_treatments():
    score = matching.propensity(ON, PEOPLE)
    with pytest.raises(CallError, match="of other rows"):
        matching.weigh(PEOPLE.head(200), on=score)
    with pytest.raises(CallError, match="of other rows"):
        matching.weigh(PEOPLE.reverse(), on=score)
    with pytest.raises(CallError, match="those of 'treated'"):
        matching.weigh(PEOPLE, on=score, treatment="age")
    with pytest.raises(CallError, match="not made of a score"):
        matching.weigh(PEOPLE, on=score, method="entropy")
    for option in ({"model": LogisticRegression()}, {"by": "region"}, {"missing": "indicator"},
                   {"seed": 1}):  # fmt: skip
        with pytest.raises(CallError, match="scores that are there already"):
            matching.weigh(PEOPLE, on=score, **option)


def test_weights_that_a_score_was_fitted_with_go_on_to_count():
    frame = PEOPLE.with_columns(w=1 + pl.int_range(pl.len()) % 3)
    score = matching.propensity(ON, frame, weights="w")
    found = matching.weigh(frame, on=score)
    assert found.weights.equals(matching.weigh(frame, on=ON, weights="w").weights)
    assert found.sampling.tolist() == frame["w"].to_list()


@pytest.mark.parametrize("method", ["entropy", "cbps", "ipt"])
def test_a_mean_nobody_can_reach_is_named(method):
    far = pl.when(pl.col("treated")).then(pl.col("age") + 60).otherwise("age")
    frame = PEOPLE.with_columns(far=far)
    with pytest.raises(ConvergenceError, match=r"No weights above 0 give the controls .*'far'"):
        matching.weigh(frame, on="treated ~ region + far", method=method)
    # a level that no treated has: its controls would need a weight of 0
    only = pl.when(~pl.col("treated") & (pl.col("age") > 45)).then(pl.lit("x")).otherwise("region")
    with pytest.raises(ConvergenceError, match=r"'home\[T.x\]'"):
        matching.weigh(PEOPLE.with_columns(home=only), on="treated ~ home + age", method=method)


@pytest.mark.parametrize("method", ["entropy", "cbps", "ipt"])
def test_for_all_a_mean_nobody_can_reach_is_named_too(method):
    far = pl.when(pl.col("treated")).then(pl.col("age") + 60).otherwise("age")
    with pytest.raises(ConvergenceError, match="'far'"):
        matching.weigh(PEOPLE.with_columns(far=far), on="treated ~ region + far", method=method,
                       estimand="ATE")  # fmt: skip


def test_separation_and_missing_covariates_are_refused():
    frame = PEOPLE.with_columns(bad=pl.col("treated") & (pl.col("age") > 30))
    with pytest.raises(SeparationError, match="'bad"):
        matching.weigh(frame, on="treated ~ age + bad")
    gap = PEOPLE.with_columns(age=pl.when(pl.col("age") > 60).then(None).otherwise("age"))
    for method in ("ipw", "entropy"):
        with pytest.raises(MissingValueError, match="'age' has missing values"):
            matching.weigh(gap, on=ON, method=method)
        found = matching.weigh(gap, on=ON, method=method, missing="indicator")
        assert found.covariates == ("age", "region")
        assert "missing values of age are a level of their own" in found.summary()
        assert found.frame.equals(gap)


def test_a_picture_of_the_weights():
    ax = matching.weigh(PEOPLE, on=ON).plot(bins=12)
    assert sum(bar.get_height() for bar in ax.patches) == 300
    mpl.pyplot.close(ax.figure)


def panel():
    return pl.DataFrame(
        {
            "id": [1, 1, 1, 2, 2, 3, 3, 3],
            "month": [0, 1, 2, 0, 1, 0, 1, 2],
            "course": [0, 1, 1, 0, 0, 0, 0, 1],
            "lost": [0, 0, None, 0, 1, 0, 0, None],
            "low": [1, 0, 1, 0, 1, 1, 1, 0],
        }
    )


OVER_TIME = {"person": "id", "time": "month", "treatment": "course", "on_history": "low"}


@pytest.mark.parametrize(
    ("frame", "options", "says"),
    [
        (panel()[[0, 2, 3, 4, 5, 6, 7]], {}, "Times are missing .*1 gaps"),
        (panel()[[0, 1, 1, 2, 3, 4]], {}, "two rows at one 'month'"),
        (panel().with_columns(month=pl.col("month") + 0.5), {}, "not a whole number"),
        (panel().with_columns(course=1 - pl.col("course")), {}, "ends again"),
        (panel(), {"truncate": 0.3}, "no quantile above 0.5"),
        (panel(), {"truncate": (0.9, 0.1)}, "no quantile"),
        (panel(), {"truncate": "a"}, "no quantile"),
        (panel().with_columns(lost=1 - pl.col("lost")), {"censored": "lost"}, "has later rows"),
        (panel().with_columns(lost=0), {"censored": "lost"}, "Nobody is lost"),
        (panel().with_columns(lost=pl.lit("n")), {"censored": "lost"}, "not true/false"),
        (panel().rename({"low": "month^1"}), {"on_history": "1"}, "'month.1', which the models"),
        (panel(), {"person": "idd"}, "did you mean 'id'"),
        (panel(), {"on_history": "lowe"}, "did you mean 'low'"),
    ],
)
def test_panels_that_cannot_be_weighed(frame, options, says):
    with pytest.raises((CallError, ValueError), match=says):
        matching.weigh_over_time(frame, **{**OVER_TIME, **options})


@pytest.mark.parametrize("method", ["ipw", "overlap", "entropy", "cbps", "ipt"])
@pytest.mark.parametrize(
    "on", ["treated ~ age + treated", "treated ~ age:treated", ["age", "treated"]]
)
def test_the_treatment_is_not_balanced_by_itself(method, on):
    with pytest.raises(CallError, match="has the treatment 'treated' itself in it"):
        matching.weigh(PEOPLE, on=on, treatment="treated", method=method)
