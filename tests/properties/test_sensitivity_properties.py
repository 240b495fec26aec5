"""What holds for every sensitivity analysis, whatever the data."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from toolkit.effects.sensitivity import (
    e_value,
    omitted_variable_bounds,
    robustness_value,
    rosenbaum_bounds,
)
from toolkit.effects.sensitivity.systematic_error import fit_error
from toolkit.effects.sensitivity.walsh import walsh_averages
from toolkit.errors import InputError

few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def matched_sets(draw):
    """Sets of 2 to 5 rows with a treated and a control in each, outcomes whole numbers or 0/1."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pairs, binary = draw(st.booleans()), draw(st.booleans())
    rows = []
    for number in range(draw(st.integers(3, 15))):
        size = 2 if pairs or not binary else int(rng.integers(2, 6))
        treated = 1 if size == 2 else int(rng.integers(1, size))
        rows += [
            {"set": number, "t": i < treated,
             "y": int(rng.integers(0, 2 if binary else 8)) + (i < treated and not binary)}
            for i in range(size)
        ]  # fmt: skip
    return pl.DataFrame(rows)


def bounds(frame, **options):
    try:
        return rosenbaum_bounds(frame, outcome="y", treatment="t", subclass="set", **options)
    except InputError:
        assume(False)
        raise


@few
@given(matched_sets(), st.sampled_from(["two-sided", "greater", "less"]))
def test_more_bias_is_a_wider_range(frame, side):
    table = bounds(frame, alternative=side, gammas=[1, 1.3, 2, 5]).tidy()
    assert (table["p_high"].diff().drop_nulls() >= -1e-12).all()
    assert (table["p_low"].diff().drop_nulls() <= 1e-12).all()
    assert table["p_low"][0] == pytest.approx(table["p_high"][0], rel=1e-9)
    for low, high in (("estimate_low", "estimate_high"), ("conf_low", "conf_high")):
        if low in table.columns:
            assert (table[low] <= table[high]).all()
            assert table[low].is_sorted(descending=True)
            assert table[high].is_sorted()


@few
@given(matched_sets(), st.randoms())
def test_order_of_rows_and_names_of_sets_do_not_matter(frame, random):
    order = list(range(frame.height))
    random.shuffle(order)
    other = frame[order].with_columns(set=100 - pl.col("set"), t=pl.col("t").cast(pl.Int8))
    one, two = bounds(frame).tidy(), bounds(other).tidy()
    for name in one.columns:
        assert one[name].to_list() == pytest.approx(two[name].to_list(), rel=1e-12)


@few
@given(matched_sets())
def test_treated_and_controls_swapped_is_the_other_side(frame):
    swapped = frame.with_columns(t=~pl.col("t"))
    one = bounds(frame, alternative="greater", gammas=[1.5]).tidy()
    two = bounds(swapped, alternative="less", gammas=[1.5]).tidy()
    assert one["p_high"][0] == pytest.approx(two["p_high"][0], rel=1e-9)
    assert one["p_low"][0] == pytest.approx(two["p_low"][0], rel=1e-9)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.booleans())
def test_ranks_of_walsh_averages(seed, n, tied):
    rng = np.random.default_rng(seed)
    d = rng.integers(-3, 4, n).astype(float) if tied else rng.normal(size=n)
    brute = np.sort([(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)])[::-1]
    averages = walsh_averages(d)
    for rank in {1, len(brute), len(brute) // 2 + 1, int(rng.integers(1, len(brute) + 1))}:
        assert averages.largest(rank) == pytest.approx(brute[rank - 1], abs=1e-7)


@few
@given(st.floats(0.05, 20), st.floats(0.05, 20))
def test_e_values_rise_with_the_effect_and_mirror(one, other):
    assert e_value(one).e_value == pytest.approx(e_value(1 / one).e_value)
    near, far = sorted((one, other), key=lambda ratio: abs(math.log(ratio)))
    assert e_value(near).e_value <= e_value(far).e_value + 1e-12
    assert e_value(one).e_value >= max(one, 1 / one)


@few
@given(st.floats(0.01, 30), st.integers(3, 5000))
def test_robustness_values_are_ordered_shares(t, df):
    full, half = robustness_value(t, df), robustness_value(t, df, q=0.5)
    level = robustness_value(t, df, alpha=0.05)
    assert 0 <= half <= full <= 1
    assert 0 <= level <= full
    assert robustness_value(-t, df) == full


@few
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(-50, 50))
def test_units_and_shifts_do_not_make_an_effect_robust(seed, scale, shift):
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {"t": np.arange(60) % 2, "x": rng.normal(size=60), "y": rng.normal(size=60)}
    )
    call = {"outcome": "y", "treatment": "t", "covariates": ["x"]}
    one = omitted_variable_bounds(frame, **call)
    moved = frame.with_columns(y=pl.col("y") * scale + shift, x=pl.col("x") * 7 - 3)
    two = omitted_variable_bounds(moved.sample(fraction=1, shuffle=True, seed=1), **call)
    assert two.estimate == pytest.approx(one.estimate * scale, rel=1e-6, abs=1e-9 * scale)
    assert two.robustness_value == pytest.approx(one.robustness_value, rel=1e-6, abs=1e-9)
    for name in ("r2_treatment", "r2_outcome"):
        assert two.bounds[name].to_list() == pytest.approx(
            one.bounds[name].to_list(), rel=1e-6, abs=1e-10
        )


@few
@given(st.integers(0, 2**32 - 1), st.floats(-2, 2))
def test_a_shift_of_negative_controls_is_a_shift_of_their_mean(seed, shift):
    rng = np.random.default_rng(seed)
    error = rng.uniform(0.05, 0.5, 12)
    estimate = rng.normal(0, np.hypot(0.2, error))
    one, two = fit_error(estimate, error), fit_error(estimate + shift, error)
    assert two.mean == pytest.approx(one.mean + shift, abs=1e-6)
    assert two.sd == pytest.approx(one.sd, abs=1e-6)
