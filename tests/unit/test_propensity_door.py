"""What propensity refuses, and what it says then."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from toolkit import matching
from toolkit.errors import (
    CallError,
    CollinearityError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    SeparationError,
    UnknownCodeError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)


def people(n=200, seed=1):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "treated": rng.random(n) < 0.4,
            "age": rng.normal(40, 10, n),
            "educ": rng.integers(0, 4, n),
            "region": rng.choice(["n", "e", "s"], n),
        }
    )


PEOPLE = people()


@pytest.mark.parametrize(
    ("formula", "options", "error", "says"),
    [
        ("agee", {"treatment": "treated"}, UnknownColumnError, "did you mean 'age'"),
        ("age", {"treatment": "treat"}, UnknownColumnError, "did you mean 'treated'"),
        ("age", {}, CallError, "does not say what the treatment is"),
        ("treated ~ age", {"treatment": "educ"}, CallError, "left side"),
        ("treated + educ ~ age", {}, CallError, "more than one column"),
        ("treated ~ age + treated", {}, CallError, "itself"),
        ("educ ~ age", {}, UnknownCodeError, "other values than 0 and 1"),
        ("region ~ age", {}, WrongTypeError, "not true/false"),
        ("treated ~ age", {"model": "cauchit"}, CallError, "'logit', 'probit'"),
        ("treated ~ age", {"model": LogisticRegression}, CallError, "classifier"),
        ("treated ~ age", {"cross_fit": 1}, CallError, "folds"),
        ("treated ~ age", {"cross_fit": 300}, CallError, "folds"),
        ("treated ~ age", {"missing": "mean"}, UnknownOptionError, "refuse"),
        ("treated ~ age", {"weights": "region"}, WrongTypeError, "not a number"),
        ("treated ~ age", {"conf_level": 95}, CallError, "between 0 and 1"),
        ("treated ~ age + I(2 * age)", {}, CollinearityError, "made up of 'age'"),
        ("treated ~ age +", {}, CallError, "cannot be read"),
        ("treated ~ age", {"by": "regio"}, UnknownColumnError, "region"),
        ("treated ~ age", {"model": KNeighborsClassifier(), "weights": "educ"}, CallError,
         "takes no weights"),
    ],
)  # fmt: skip
def test_wrong_calls(formula, options, error, says):
    with pytest.raises(error, match=says):
        matching.propensity(formula, PEOPLE, **options)


def test_missing_covariates_are_refused_and_counted():
    frame = PEOPLE.with_columns(age=pl.when(pl.col("age") > 50).then(None).otherwise("age"))
    with pytest.raises(MissingValueError, match=r"'age' has missing values.*rows"):
        matching.propensity("treated ~ age", frame)
    taken = frame.with_columns(age_missing=pl.lit(1))
    with pytest.raises(CallError, match="'age_missing'"):
        matching.propensity("treated ~ age", taken, missing="indicator")


@pytest.mark.parametrize("model", ["logit", "probit"])
@pytest.mark.parametrize(
    "bad",
    [
        pl.col("treated") & (pl.col("age") > 40),  # only treated have it
        pl.col("treated").cast(pl.Float64) + pl.col("age") / 1000,  # tells them apart
        pl.when(pl.col("treated")).then(pl.lit("x")).otherwise("region"),
    ],
)
def test_separation_is_named(bad, model):
    frame = PEOPLE.with_columns(bad=bad)
    with pytest.raises(SeparationError, match="'bad"):
        matching.propensity("treated ~ age + bad", frame, model=model)


def test_separation_by_two_columns_together_names_one_of_them():
    side = np.where(PEOPLE["treated"], 1.0, -1.0) * (1 + np.arange(200) % 7)
    noise = np.random.default_rng(3).normal(size=200) * 20
    frame = PEOPLE.with_columns(one=pl.Series(side + noise), two=pl.Series(noise))
    with pytest.raises(SeparationError, match=r"'(one|two)'"):
        matching.propensity("treated ~ age + one + two", frame)


def test_scores_of_exactly_one_are_refused_not_clipped():
    rng = np.random.default_rng(5)
    far = rng.normal(size=200)
    treated = rng.random(200) < 1 / (1 + np.exp(-2 * far))
    far[:3], treated[:3] = 100.0, True
    frame = PEOPLE.with_columns(far=pl.Series(far), treated=pl.Series(treated))
    with pytest.raises(SeparationError, match=r"exactly 0 or 1.*'far'.*3 of 200 rows"):
        matching.propensity("treated ~ age + far", frame)
    with pytest.raises(SeparationError, match="RandomForestClassifier gives scores of exactly"):
        matching.propensity("treated ~ age", PEOPLE, model=RandomForestClassifier(10), seed=1)


def test_infinite_and_constant_columns_are_named():
    frame = PEOPLE.with_columns(
        much=pl.when(pl.col("age") > 55).then(float("inf")).otherwise("age"), one=pl.lit(7.0)
    )
    with pytest.raises(InputError, match="'much' is not a finite number"):
        matching.propensity("treated ~ much", frame)
    with pytest.raises(CollinearityError, match="'one' has the same value"):
        matching.propensity("treated ~ age + one", frame)
    # also where nothing repeats and the formula's columns are read as they are
    large = people(6000).with_columns(much=pl.lit(float("inf")), one=pl.lit(7.0))
    with pytest.raises(InputError, match="'much' is not a finite number"):
        matching.propensity("treated ~ age + much", large)
    with pytest.raises(CollinearityError, match="'one' has the same value"):
        matching.propensity("treated ~ age + one", large)


def test_a_group_or_fold_without_treated_is_named():
    frame = PEOPLE.with_columns(treated=pl.col("treated") & (pl.col("region") != "e"))
    with pytest.raises(EmptyCohortError, match=r"Nobody is treated in \{'region': 'e'\}"):
        matching.propensity("treated ~ age", frame, by="region")
    with pytest.raises(EmptyCohortError, match="outside fold"):
        matching.propensity("treated ~ age", frame.with_columns(
            treated=pl.int_range(pl.len()) == 5), cross_fit=3)  # fmt: skip


def test_scores_without_coefficients_say_so():
    found = matching.propensity("treated ~ age", PEOPLE, cross_fit=4, seed=2)
    with pytest.raises(CallError, match="cross-fitted have no coefficients"):
        found.influence()
    assert found.tidy()["term"].to_list() == ["mean score, treated", "mean score, controls"]
    assert "loglik" not in found.glance().columns
    learned = matching.propensity("treated ~ age", PEOPLE, model=LogisticRegression())
    with pytest.raises(CallError, match="of LogisticRegression have no coefficients"):
        learned.gradient(np.ones(200))
    assert "too sure" in learned.summary()
