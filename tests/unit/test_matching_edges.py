"""What propensity, balance and weigh_over_time make of hard columns and odd options."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from toolkit import matching
from toolkit.errors import (
    CallError,
    EmptyCohortError,
    InputError,
    UnknownCodeError,
    WrongTypeError,
)


def people(n=90, seed=4):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "id": np.arange(n),
            "treated": rng.random(n) < 0.4,
            "age": rng.normal(40, 10, n),
            "wage": rng.normal(size=n),
            "kind": rng.choice(["a", "b", "c"], n),
        }
    )


PEOPLE = people()


def test_columns_that_miss_the_same_rows_are_told_apart_once():
    # who is in none of the registers misses all that is in them
    gone = pl.col("id") % 5 == 0
    frame = PEOPLE.with_columns(
        pl.when(~gone).then(pl.col("age", "wage", "kind")), no=gone.cast(pl.Float64)
    )
    found = matching.propensity("treated ~ age + wage + kind", frame, missing="indicator")
    assert found.meta["missing"] == {"age": 18, "wage": 18, "kind": 18}
    filled = frame.with_columns(
        pl.col("age", "wage").fill_null(strategy="mean"), pl.col("kind").fill_null("b")
    )
    by_hand = matching.propensity("treated ~ age + wage + kind + no", filled)
    assert found.scores.to_list() == pytest.approx(by_hand.scores.to_list(), abs=1e-8)
    balanced = matching.weigh(frame, on="treated ~ age + kind", method="entropy",
                              missing="indicator")  # fmt: skip
    assert len(balanced.meta["warnings"]) == 2


def month(k, *, last):
    rng = np.random.default_rng(k)
    return pl.DataFrame({"id": np.arange(60), "k": k, "x": rng.normal(size=60)}).with_columns(
        course=(pl.col("id") % 3 == 0) | ((pl.col("id") % 7 == 0) & last),
        lost=pl.lit(None, dtype=pl.Boolean) if last else pl.col("id") % 5 == 0,
    )


PANEL = pl.concat([month(0, last=False), month(1, last=True).filter(pl.col("id") % 5 != 0)])
OVER_TIME = {"person": "id", "time": "k", "treatment": "course", "on_history": "x"}


def test_missing_values_of_a_panel_are_told():
    some = PANEL.with_columns(x=pl.when(pl.col("id") % 4 > 0).then("x"))
    found = matching.weigh_over_time(some, **OVER_TIME, missing="indicator")
    assert any("missing values of x" in text for text in found.meta["warnings"])


@pytest.mark.parametrize(
    ("frame", "options", "error", "says"),
    [
        (PANEL.head(0), {}, EmptyCohortError, "No rows"),
        (PANEL.with_columns(pl.col("lost").fill_null(value=False)), {"censored": "lost"},
         CallError, "Last rows of persons are said not to be lost"),
        (PANEL.with_columns(pl.col("lost").cast(pl.Int8) * 2), {"censored": "lost"},
         UnknownCodeError, "other values than true/false"),
    ],
)  # fmt: skip
def test_panels_that_do_not_say_what_they_must(frame, options, error, says):
    with pytest.raises(error, match=says):
        matching.weigh_over_time(frame, **OVER_TIME, **options)


def test_a_time_called_as_a_column_of_the_table():
    found = matching.weigh_over_time(PANEL.rename({"k": "mean"}), **OVER_TIME | {"time": "mean"})
    with pytest.raises(CallError, match="'mean', as a column here"):
        found.tidy()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"bins": 2.5}, CallError, "bins=2.5"),
        ({"thresholds": 0.1}, CallError, "thresholds=0.1"),
        ({"thresholds": {"smd": "a"}}, CallError, "threshold of smd is 'a'"),
        ({"score": "none"}, EmptyCohortError, "No row has a score"),
        ({"score": "far"}, InputError, "'far' is not finite"),
        ({"covariates": ["huge"]}, InputError, "'huge' has values too large"),
        ({"history": pl.DataFrame({"id": ["1"], "month": [-1], "value": [0]})}, WrongTypeError,
         "Key 'id' is String in the history"),
        ({"history": pl.DataFrame({"id": [1], "month": [-1.5], "value": [0]})}, CallError,
         "not whole"),
    ],
)  # fmt: skip
def test_balance_refuses(options, error, says):
    frame = PEOPLE.with_columns(
        none=pl.lit(None, dtype=pl.Float64), huge=pl.col("age") * 1e200,
        far=pl.when(pl.col("id") == 3).then(np.inf).otherwise(0.5),
    )  # fmt: skip
    with pytest.raises(error, match=re.escape(says)):
        matching.balance(frame, **{"covariates": ["age"], "treatment": "treated", **options})


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"seed": "a", "cross_fit": 2}, CallError, "seed='a'"),
        ({"seed": -1, "cross_fit": 2}, CallError, "seed=-1"),
        ({"by": "term"}, CallError, "'term', which is a column of tidy"),
        ({"formula": "treated ~ day", "missing": "indicator"}, WrongTypeError, "'day' is Date"),
    ],
)
def test_propensity_refuses(options, error, says):
    day = pl.when(pl.col("id") > 3).then(pl.lit("2020-01-01").str.to_date())
    frame = PEOPLE.with_columns(day=day, term=pl.col("kind"))
    with pytest.raises(error, match=re.escape(says)):
        matching.propensity(**{"formula": "treated ~ age", "data": frame, **options})


def test_moments_are_a_whole_number():
    with pytest.raises(CallError, match=r"moments=2\.0"):
        matching.weigh(PEOPLE, on="treated ~ age", method="entropy", moments=2.0)
