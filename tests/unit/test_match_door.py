"""What matching refuses, and how it says so."""

import numpy as np
import polars as pl
import pytest

from toolkit.errors import (
    CallError,
    CollinearityError,
    DuplicateKeyError,
    EmptyCohortError,
    InputError,
    MissingValueError,
    UnknownCodeError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)
from toolkit.matching import match
from toolkit.matching import optimal as optimal_module

DATA = pl.DataFrame(
    {
        "t": [1, 1, 0, 0, 0, 0], "s": [0.5, 0.6, 0.5, 0.55, 0.7, 0.2], "x": [1.0, 2, 3, 4, 5, 6],
        "k": ["a", "b", "a", "b", "a", None], "flat": [1.0] * 6, "hole": [1.0, None, 1, 1, 1, 1],
        "w": [1.0, 1, 1, 1, 1, -1], "key": [1, 2, 3, 4, 5, 5], "when": [None] * 6,
    },
    schema_overrides={"when": pl.Date},
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"on": "scor"}, UnknownColumnError, "scor"),
        ({"on": None}, CallError, "on="),
        ({"on": []}, CallError, "names no column"),
        ({"on": "k"}, WrongTypeError, "not a number"),
        ({"on": "hole"}, MissingValueError, "missing"),
        ({"on": ["x", "hole"]}, MissingValueError, "hole"),
        ({"on": ["when"]}, MissingValueError, "when"),
        ({"on": ["flat"]}, CollinearityError, "varies"),
        ({"on": [0.5] * 6}, CallError, "strings"),
        ({"on": np.ones(3)}, CallError, "3 values for 6 rows"),
        ({"on": pl.Series([0.0, 0.5, 0.5, 0.5, 0.5, np.inf])}, InputError, "not finite"),
        ({"on": "x", "link": "logit"}, InputError, "between 0 and 1"),
        ({"on": ["x"], "link": "logit"}, CallError, "score"),
        ({"on": "s", "link": "probit"}, UnknownOptionError, "link"),
        ({"on": "s", "method": "nearst"}, UnknownOptionError, "did you mean 'nearest'"),
        ({"on": "s", "order": "biggest"}, UnknownOptionError, "order"),
        ({"on": "s", "distance": "manhattan"}, UnknownOptionError, "distance"),
        ({"on": "s", "missing": "drop"}, UnknownOptionError, "missing"),
        ({"on": "s", "estimand": "ATE"}, CallError, "partners for one group"),
        ({"on": "s", "order": "random"}, CallError, "seed"),
        ({"on": ["x"], "order": "largest"}, CallError, "by score"),
        ({"on": "s", "ratio": 0}, CallError, "ratio"),
        ({"on": "s", "ratio": 1.5}, CallError, "ratio"),
        ({"on": "s", "ratio": 2, "max_ratio": 1}, CallError, "do not rise"),
        ({"on": "s", "ratio": 2, "min_ratio": 1}, CallError, "do not rise"),
        ({"on": ["x"], "ratio": 2, "max_ratio": 3}, CallError, "variable ratio"),
        ({"on": "s", "replace": True, "order": "closest"}, CallError, "waits"),
        ({"on": "s", "caliper": -1}, CallError, "not a width"),
        ({"on": "s", "caliper": True}, CallError, "not a width"),
        ({"on": "s", "caliper": {"age": 1}}, UnknownColumnError, "age"),
        ({"on": "s", "caliper": {"k": 1}}, WrongTypeError, "not a number"),
        ({"on": "s", "caliper": 0.1, "caliper_unit": "meter"}, UnknownOptionError, "unit"),
        ({"on": "s", "exact": "k"}, MissingValueError, "k"),
        ({"on": "s", "exact": "q"}, UnknownColumnError, "q"),
        ({"on": "s", "antiexact": "q"}, UnknownColumnError, "q"),
        ({"on": "s", "ties": "key"}, DuplicateKeyError, "twice"),
        ({"on": "s", "ties": "nokey"}, UnknownColumnError, "nokey"),
        ({"on": "s", "weights": "w"}, InputError, "below 0"),
        ({"on": "s", "cluster": "person"}, UnknownColumnError, "person"),
        ({"on": "s", "covariates": ["age"]}, UnknownColumnError, "age"),
        ({"on": pl.Series([0.1] * 6), "method": "exact"}, CallError, "columns"),
        ({"method": "exact"}, CallError, "on="),
        ({"on": "s", "method": "subclass", "caliper": 0.1}, CallError, "does not know caliper="),
        ({"on": "s", "method": "optimal", "replace": True}, CallError, "does not know replace="),
        ({"on": "s", "cutpoints": 3}, CallError, "does not know cutpoints="),
        ({"on": ["x"], "method": "subclass"}, CallError, "score"),
        ({"on": "s", "method": "subclass", "subclasses": 0}, CallError, "below 1"),
        ({"on": "s", "method": "subclass", "subclasses": [2.0]}, CallError, "shares"),
        ({"on": "s", "method": "subclass", "min_subclass": 2}, EmptyCohortError, "cannot fill"),
        ({"on": "x", "method": "coarsened", "cutpoints": "thick"}, UnknownOptionError, "cutpoints"),
        ({"on": "x", "method": "coarsened", "cutpoints": -1}, CallError, "bins"),
        ({"on": "x", "method": "coarsened", "cutpoints": {"y": 2}}, UnknownColumnError, "y"),
        ({"on": ["k"], "method": "coarsened", "missing": "category", "grouping": {"k": [["z"]]}},
         UnknownCodeError, "no level 'z'"),
        ({"on": ["k"], "method": "coarsened", "missing": "category",
          "grouping": {"k": [["a"], ["a", "b"]]}}, CallError, "twice"),
    ],
)  # fmt: skip
def test_refused_with_what_to_do(options, error, words):
    with pytest.raises(error, match=words) as caught:
        match(DATA, treatment="t", **options)
    assert caught.value.fix or isinstance(caught.value, (UnknownColumnError, UnknownOptionError))


def test_nobody_in_reach_is_an_error_that_counts():
    with pytest.raises(EmptyCohortError, match="2 treated and 4 controls"):
        match(DATA, treatment="t", on="x", caliper=0.001)
    lonely = DATA.with_columns(cell=pl.col("t"))
    with pytest.raises(EmptyCohortError, match="6 rows in cells without the other group"):
        match(lonely, treatment="t", on="s", exact="cell")


def test_treatment_and_values_that_look_like_keys():
    with pytest.raises(UnknownCodeError) as caught:
        match(DATA.with_columns(t=pl.lit(123456789)), treatment="t", on="s")
    assert "123456789" not in str(caught.value)
    with pytest.raises(EmptyCohortError, match="untreated"):
        match(DATA.with_columns(t=pl.lit(1)), treatment="t", on="s")


def test_a_block_too_large_for_an_optimum_says_what_to_do(monkeypatch):
    monkeypatch.setattr(optimal_module, "LARGEST_BLOCK", 7)
    assert match(DATA, treatment="t", on="s", method="optimal").n_treated == 2  # a line: any size
    for method in ("optimal", "full"):
        with pytest.raises(CallError, match="2 × 4 distances"):
            match(DATA, treatment="t", on=["s", "x"], method=method)
    cut = match(
        DATA, treatment="t", on="s", method="optimal", caliper=0.051, caliper_unit="raw"
    )  # gaps wider than the caliper cut the line in blocks
    assert cut.n_treated == 2


def test_a_column_of_the_data_named_as_what_is_added():
    matched = match(DATA.with_columns(weight=1.0), treatment="t", on="s")
    with pytest.raises(CallError, match="weight"):
        _ = matched.data
