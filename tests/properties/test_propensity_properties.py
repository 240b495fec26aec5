"""What scores must not depend on: order, coding, units, rows counted or repeated."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import matching

FORMULA = "treated ~ age + region"


def people(n=300, seed=0):
    rng = np.random.default_rng(seed)
    age, region = rng.normal(40, 10, n).round(2), rng.choice(["n", "e", "s"], n)
    e = 1 / (1 + np.exp(0.5 - (age - 40) / 20 - 0.5 * (region == "s")))
    return pl.DataFrame(
        {"age": age, "region": region, "treated": rng.random(n) < e, "w": rng.integers(1, 4, n)}
    )


def glance(found):
    return np.array(found.glance().row(0)[2:])


def test_order_of_rows():
    frame = people()
    order = np.random.default_rng(1).permutation(300)
    one, other = matching.propensity(FORMULA, frame), matching.propensity(FORMULA, frame[order])
    assert one.scores.to_numpy()[order] == pytest.approx(other.scores.to_numpy(), abs=1e-12)
    assert glance(one) == pytest.approx(glance(other), rel=1e-10)
    assert one.common_support().equals(other.common_support()) or np.allclose(
        one.common_support().drop("rule").to_numpy(), other.common_support().drop("rule").to_numpy()
    )
    assert one.influence()[order] == pytest.approx(other.influence(), abs=1e-12)


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int64, pl.UInt32, pl.Float64])
def test_coding_of_the_treatment(dtype):
    frame = people()
    one = matching.propensity(FORMULA, frame)
    other = matching.propensity(FORMULA, frame.with_columns(pl.col("treated").cast(dtype)))
    assert one.scores.equals(other.scores)


@pytest.mark.parametrize("model", ["logit", "probit"])
def test_weights_are_repeated_rows(model):
    frame = people()
    one = matching.propensity(FORMULA, frame, weights="w", model=model)
    rows = np.repeat(np.arange(300), frame["w"].to_numpy())
    other = matching.propensity(FORMULA, frame[rows], model=model)
    assert one.scores.to_numpy()[rows] == pytest.approx(other.scores.to_numpy(), abs=1e-9)
    for column in ("estimate", "std_error"):
        assert one.tidy()[column].to_list() == pytest.approx(other.tidy()[column].to_list())
    for column in ("auc", "overlap", "outside_support", "loglik", "loglik_null"):
        assert one.glance()[column][0] == pytest.approx(other.glance()[column][0])


@pytest.mark.parametrize("unit", [1e-6, 1e9])
def test_unit_of_weights_and_of_covariates(unit):
    frame = people()
    one = matching.propensity(FORMULA, frame, weights="w")
    other = matching.propensity(FORMULA, frame.with_columns(w=pl.col("w") * unit), weights="w")
    assert one.scores.to_numpy() == pytest.approx(other.scores.to_numpy(), abs=1e-10)
    robust = one.tidy()["robust_se"].to_list()
    assert robust == pytest.approx(other.tidy()["robust_se"].to_list(), rel=1e-8)
    shifted = frame.with_columns(age=(pl.col("age") + 2000) * unit)
    other = matching.propensity(FORMULA, shifted)
    assert matching.propensity(FORMULA, frame).scores.to_numpy() == pytest.approx(
        other.scores.to_numpy(), abs=1e-8
    )


def test_a_row_of_weight_zero_has_a_score_and_no_say():
    frame = people().with_columns(w=(pl.int_range(pl.len()) % 3 > 0).cast(pl.Float64))
    one = matching.propensity(FORMULA, frame, weights="w")
    other = matching.propensity(FORMULA, frame.filter(pl.col("w") > 0))
    used = (frame["w"] > 0).to_numpy()
    assert one.scores.to_numpy()[used] == pytest.approx(other.scores.to_numpy(), abs=1e-10)
    assert one.scores.is_finite().all()
    assert (one.influence()[~used] == 0).all()


def test_patterns_columns_and_matrix_are_one_model():
    """The same values counted, read as columns, and made a matrix by formulaic."""
    rng = np.random.default_rng(4)
    frame = people(6000, seed=2).with_columns(fine=pl.Series(rng.normal(size=6000)))
    counted = matching.propensity("treated ~ region", frame)
    columns = matching.propensity("treated ~ region + fine + age", frame)
    matrix = matching.propensity("treated ~ region + fine + I(1.0 * age)", frame)
    assert counted.fits[0].climbed.design.n_patterns == 3
    assert columns.fits[0].climbed.design.pattern is None
    assert columns.scores.to_numpy() == pytest.approx(matrix.scores.to_numpy(), abs=1e-10)
    assert columns.influence() == pytest.approx(matrix.influence(), abs=1e-12)
    whole = frame.with_columns(
        age=(pl.col("age") / 10).round() * 10, fine=pl.lit(1.0) * pl.col("w")
    )
    few = matching.propensity("treated ~ age + fine", whole)
    noise = pl.Series(rng.normal(size=6000) * 1e-9)
    many = matching.propensity("treated ~ age + fine", whole.with_columns(pl.col("age") + noise))
    assert few.fits[0].climbed.design.n_patterns < 100 < many.fits[0].climbed.design.n_patterns
    assert few.scores.to_numpy() == pytest.approx(many.scores.to_numpy(), abs=1e-6)


def test_folds_keep_clusters_together_and_shares_even():
    frame = people().with_columns(id=pl.int_range(pl.len()) // 3)
    found = matching.propensity(FORMULA, frame, cross_fit=5, seed=1, cluster="id")
    again = matching.propensity(FORMULA, frame, cross_fit=5, seed=1, cluster="id")
    other = matching.propensity(FORMULA, frame, cross_fit=5, seed=2, cluster="id")
    assert found.scores.equals(again.scores)
    assert not found.scores.equals(other.scores)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=2, max_size=6))
def test_scores_of_cells_are_shares_for_any_counts(cells):
    rows = [
        (f"c{k}", j < n1) for k, (n1, n0) in enumerate(cells) for j in range(n1 + n0)
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["cell", "treated"], orient="row")
    share = frame.with_columns(pl.col("treated").mean().over("cell"))["treated"]
    found = matching.propensity("treated ~ cell", frame)
    assert found.scores.to_numpy() == pytest.approx(share.to_numpy(), abs=1e-10)
    # Σ over treated of 1 - e is Σ over controls of e: the likelihood's equation
    residual = found.treated - found.scores.to_numpy()
    assert residual.sum() == pytest.approx(0, abs=1e-9)
