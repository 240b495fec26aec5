"""Columns of every type, weights of every size, covariates that say nothing."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import polars as pl
import pytest

from toolkit import matching
from toolkit.errors import (
    CallError,
    CollinearityError,
    EmptyCohortError,
    InputError,
    WrongTypeError,
)
from toolkit.matching import match, propensity
from toolkit.matching.distances import mean_ranks


def people(n=120, seed=3):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "treated": np.arange(n) % 3 == 0,
            "age": rng.integers(20, 60, n),
            "wage": rng.normal(size=n).round(2),
            "kind": rng.choice(["a", "b", "c"], n),
            "score": rng.uniform(0.1, 0.9, n),
            "w": rng.integers(1, 4, n),
            "day": [date(2020, 1, 1 + int(k)) for k in rng.integers(0, 28, n)],
        }
    )


PEOPLE = people()


def difference(found, column="wage"):
    weight, treated, y = found.weights.to_numpy(), found.treated, found.frame[column].to_numpy()
    means = [np.average(y[who], weights=weight[who]) for who in (treated, ~treated)]
    return means[0] - means[1]


WAYS = {
    "subclass": {"on": "score", "method": "subclass"},
    "coarsened": {"on": ["age", "wage"], "method": "coarsened"},
    "fifths": {"on": ["age"], "method": "coarsened", "cutpoints": "q5"},
    "caliper": {"on": "score", "caliper": 0.1, "replace": True},
    "mahalanobis": {"on": ["age", "wage"], "replace": True},
    "ranks": {"on": ["age", "wage"], "replace": True, "distance": "robust_mahalanobis"},
    "euclidean": {"on": ["age", "wage", "kind"], "replace": True, "distance": "euclidean"},
}


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["c", "b", "a"])])
@pytest.mark.parametrize("distance", ["mahalanobis", "euclidean"])
def test_categories_are_text(dtype, distance):
    options = {"treatment": "treated", "on": ["age", "kind"], "distance": distance}
    text = match(PEOPLE, **options)
    other = match(PEOPLE.with_columns(pl.col("kind").cast(dtype)), **options)
    assert other.pairs.equals(text.pairs)


@pytest.mark.parametrize("name", WAYS)
def test_the_unit_of_weights_says_nothing_but_whether_they_can_count_rows(name):
    # shares of 1 cannot: they are taken as weights with a mean of 1
    frame = PEOPLE.with_columns(
        share=pl.col("w") / pl.col("w").sum(), one=pl.col("w") / pl.col("w").mean()
    )
    by_share = match(frame, treatment="treated", weights="share", **WAYS[name])
    by_mean = match(frame, treatment="treated", weights="one", **WAYS[name])
    assert difference(by_share) == pytest.approx(difference(by_mean))
    assert by_share.effective_size() == pytest.approx(by_mean.effective_size())
    assert by_share.caliper == pytest.approx(by_mean.caliper)


@pytest.mark.parametrize("name", WAYS)
def test_rows_of_weight_zero_do_not_say_where_to_cut_nor_how_far_is_far(name):
    far = PEOPLE.head(9).with_columns(
        pl.col("age") * 10, pl.col("wage") * 50, w=pl.lit(0, dtype=pl.Int64)
    )
    with_them = match(pl.concat([far, PEOPLE]), treatment="treated", weights="w", **WAYS[name])
    without = match(PEOPLE, treatment="treated", weights="w", **WAYS[name])
    assert with_them.weights[9:].to_list() == pytest.approx(without.weights.to_list())
    assert with_them.weights[:9].sum() == 0


def test_ranks_count_weights_as_rows():
    values, weights = np.array([5.0, 1, 5, 2]), np.array([1.0, 2, 3, 1])
    rows = np.repeat(values, weights.astype(int))  # 1 1 | 2 | 5 5 5 5
    assert mean_ranks(values, weights).tolist() == [5.5, 1.5, 5.5, 3.0]
    assert mean_ranks(rows, np.ones(7)).tolist() == [5.5, 1.5, 1.5, 5.5, 5.5, 5.5, 3.0]


def test_weights_nobody_can_compute_with():
    for w, error, says in (
        (pl.lit(0), EmptyCohortError, "No treated row has a weight above 0"),
        (pl.when("treated").then(1).otherwise(0), EmptyCohortError, "No control row"),
        (pl.lit(1e308), InputError, "too large to be squared"),
    ):
        for way in WAYS.values():
            with pytest.raises(error, match=says):
                match(PEOPLE.with_columns(w=w), treatment="treated", weights="w", **way)
    tiny = matching.weigh(PEOPLE.with_columns(w=pl.lit(1e-300)), treatment="treated", on="age",
                          weights="w")  # fmt: skip
    assert tiny.effective_size()[0] == pytest.approx(40)


@pytest.mark.parametrize("distance", ["mahalanobis", "robust_mahalanobis", "euclidean"])
def test_what_does_not_vary_has_no_part_in_a_distance_and_that_is_said(distance):
    frame = PEOPLE.with_columns(
        tenth=pl.lit(0.1), arm=pl.when("treated").then(0.3).otherwise(0.7), one=pl.lit("x")
    )
    options = {"treatment": "treated", "distance": distance}
    with pytest.raises(CollinearityError, match="No covariate of the distance varies"):
        match(frame, on=["tenth", "one"], **options)
    found = match(frame, on=["tenth", "age", "one"], **options)
    assert found.pairs.equals(match(frame, on=["age"], **options).pairs)
    assert found.meta["warnings"] == ["no part in the distance, as they do not vary: tenth, one"]
    if distance != "robust_mahalanobis":  # within groups
        with pytest.raises(CollinearityError):
            match(frame, on=["arm"], **options)


def test_two_rows_cannot_say_how_far_is_far():
    two = pl.DataFrame({"treated": [1, 0], "age": [30, 40]})
    with pytest.raises(CollinearityError):
        match(two, treatment="treated", on=["age"])
    assert match(two, treatment="treated", on="age").pairs.height == 1


@pytest.mark.parametrize(
    "options",
    [
        {"on": ["treated", "age"]}, {"on": "treated + age"}, {"on": "score", "exact": "treated"},
        {"on": ["treated", "kind"], "method": "exact"}, {"on": "score", "antiexact": "treated"},
        {"on": "treated"}, {"on": "score", "caliper": {"treated": 1}},
    ],
)  # fmt: skip
def test_nobody_is_matched_on_the_treatment(options):
    frame = PEOPLE.with_columns(pl.col("treated").cast(pl.Int8))
    with pytest.raises(CallError, match="'treated' is the treatment"):
        match(frame, treatment="treated", **options)


def test_a_score_of_other_rows_is_refused():
    score = propensity("treated ~ age", PEOPLE)
    assert match(PEOPLE, treatment="treated", on=score).score.equals(score.scores)
    with pytest.raises(CallError, match="of other rows"):
        match(PEOPLE.reverse(), treatment="treated", on=score)
    weighted = propensity("treated ~ age", PEOPLE, weights="w")
    assert "fitted with weights" in match(PEOPLE, treatment="treated", on=weighted).summary()
    counted = match(PEOPLE, treatment="treated", on=weighted, weights="w")
    assert "fitted with weights" not in counted.summary()


def test_calipers_on_a_score_without_a_name_and_on_columns_at_once():
    score = propensity("treated ~ age", PEOPLE)
    found = match(PEOPLE, treatment="treated", on=score, caliper={"distance": 0.5, "wage": 1.0},
                  caliper_unit={"wage": "raw"})  # fmt: skip
    frame = PEOPLE.with_columns(e=score.scores)
    named = match(frame, treatment="treated", on="e", caliper={"e": 0.5, "wage": 1.0},
                  caliper_unit={"wage": "raw"})  # fmt: skip
    assert found.pairs.equals(named.pairs)
    assert found.caliper == named.caliper
    assert match(PEOPLE, treatment="treated", on="score", caliper=np.float32(0.25)).caliper


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"ratio": float("inf")}, CallError, "ratio=inf"),
        ({"ratio": float("nan")}, CallError, "ratio=nan"),
        ({"ratio": None}, CallError, "ratio=None"),
        ({"ratio": 2, "min_ratio": 1.5, "max_ratio": 3}, CallError, "min_ratio=1.5"),
        ({"ratio": "2", "min_ratio": 1, "max_ratio": 3}, CallError, "ratio='2'"),
        ({"caliper": {"far": 1.0}}, InputError, "'far' is not finite"),
        ({"caliper": {"age": 1}, "caliper_unit": {"wage": "raw"}}, CallError, "'wage'"),
        ({"method": "subclass", "min_subclass": 1.5}, CallError, "min_subclass=1.5"),
        ({"method": "coarsened", "on": ["age"], "cutpoints": ["x"]}, CallError, "are numbers"),
        ({"method": "coarsened", "on": ["day"], "cutpoints": {"day": [1, 2]}}, WrongTypeError,
         "'day' is Date, which cannot be cut"),
        ({"method": "coarsened", "on": ["age"], "cutpoints": {"wage": 4}}, CallError,
         "cutpoints= names 'wage', which is not matched on"),
        ({"method": "coarsened", "on": ["age"], "grouping": {"kind": [["a", "b"]]}}, CallError,
         "grouping= names 'kind'"),
        ({"method": "coarsened", "on": ["age", "kind"], "cutpoints": {"kind": 3},
          "grouping": {"kind": [["a", "b"]]}}, CallError, "both cutpoints= and grouping="),
    ],
)  # fmt: skip
def test_refused_at_the_door(options, error, says):
    frame = PEOPLE.with_columns(far=pl.when(pl.col("age") > 50).then(np.inf).otherwise(1.0))
    with pytest.raises(error, match=re.escape(says)):
        match(frame, **{"treatment": "treated", "on": "score", **options})


def test_one_covariate_may_be_named_without_a_list():
    assert match(PEOPLE, treatment="treated", on="score", covariates="age").covariates == ("age",)
    plain = matching.plain_sample(PEOPLE, treatment="treated", covariates="age")
    assert plain.covariates == ("age",)
