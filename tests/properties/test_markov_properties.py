"""What holds for any chain seen now and then: order, weights, names, and the sums of influences."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import survival
from toolkit.survival.markov.likelihood import value_and_slope
from toolkit.survival.markov.model import prepare

some = settings(max_examples=8, deadline=None)
EXITS = [(1, 2), (2, 1), (2, 3), (1, 3)]


@st.composite
def panels(draw, persons=14):
    """Persons on two steps with an exit; enough of each move that all intensities are inside."""
    rows = []
    for i in range(persons):
        state, time = 1 + i % 2, draw(st.integers(0, 2))
        for _ in range(draw(st.integers(4, 6))):
            rows.append((i, time, state, i % 3, 1 + i % 2 * draw(st.integers(0, 2)), i % 4))
            if state == 3:
                break
            time += draw(st.integers(1, 4))
            state = draw(st.sampled_from([state, state, state, 3 - state, 3 - state, 3]))
    rows += [(persons, t, s, 0, 1, 0) for t, s in enumerate([1, 1, 2, 2, 1, 1, 2, 2, 2, 1, 1, 1])]
    rows += [(persons + 1, t, s, 1, 1, 1) for t, s in enumerate([2, 2, 2, 1, 1, 1, 3])]
    rows += [(persons + 2, t, s, 1, 1, 1) for t, s in enumerate([1, 2, 2, 3])]
    return pl.DataFrame(
        rows, schema=["person", "time", "state", "x", "weight", "site"], orient="row"
    ).with_columns(weight=pl.col("weight").first().over("person"))


OPTIONS = [
    {},
    {"exact": 3},
    {"exact": 3, "formula": "x", "constraint": "equal"},
    {"exact": 3, "breaks": [4], "constraint": {"period": "equal"}},
    {"misclassification": [(1, 2)], "initial": {1: 0.5, 2: 0.5}, "exact": 3},
]


def ready(frame, **options):
    return prepare(frame, person="person", time="time", state="state", allowed=EXITS, **options)


def value(frame, **options):
    """The likelihood and its slope at a point that is nobody's optimum."""
    made = ready(frame, **options)
    theta = np.linspace(-1.6, -0.4, made.problem.layout.size)
    found, slope = value_and_slope(made.problem, theta)
    return np.append(slope, found)


def fit(frame, **options):
    return survival.markov(
        frame, person="person", time="time", state="state", allowed=EXITS, **options
    )


@some
@given(panels(), st.randoms(use_true_random=False), st.sampled_from(OPTIONS))
def test_the_order_of_rows_is_nothing(frame, random, options):
    order = list(range(frame.height))
    random.shuffle(order)
    assert value(frame[order], **options) == pytest.approx(value(frame, **options), rel=1e-9)


@some
@given(panels(), st.sampled_from(OPTIONS))
def test_a_weight_is_so_many_persons(frame, options):
    repeated = pl.concat(
        [
            frame.filter(pl.col("weight") > k).with_columns(person=pl.col("person") + 1000 * k)
            for k in range(3)
        ]
    )
    weighted = value(frame, weights="weight", **options)
    assert weighted == pytest.approx(value(repeated, **options), rel=1e-9, abs=1e-9)


def test_a_weight_is_so_many_persons_in_errors_too():
    frame = _fixed()
    repeated = pl.concat([frame, frame.with_columns(person=pl.col("person") + 1000)])
    twice = frame.with_columns(two=2)
    for robust in (False, True):
        one = fit(twice, exact=3, weights="two", robust=robust)
        other = fit(repeated, exact=3, robust=robust)
        assert one.vcov == pytest.approx(other.vcov, rel=1e-6)
    half = frame.with_columns(part=0.5)
    assert fit(half, exact=3, weights="part").robust
    assert fit(half, exact=3, weights="part").vcov == pytest.approx(
        fit(frame, exact=3, robust=True).vcov, rel=1e-6
    )


def _fixed(persons=60, seed=4):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(persons):
        state, time = 1 + i % 2, 0
        for _ in range(6):
            rows.append((i, time, state, i % 3, i % 7))
            if state == 3:
                break
            time += int(rng.integers(1, 4))
            state = int(rng.choice([state, state, 3 - state, 3], p=[0.5, 0.2, 0.22, 0.08]))
    return pl.DataFrame(rows, schema=["person", "time", "state", "x", "site"], orient="row")


@some
@given(panels(), st.sampled_from(OPTIONS[:3]))
def test_a_covariate_without_effect_changes_nothing(frame, options):
    # every person a pattern of her own: the work is done person by person, the sum is the same
    own = frame.with_columns(z=pl.col("person") * 0.37)
    formula = "x + z" if "formula" in options else "z"
    constraint = {"z": {}} | ({"x": "equal"} if "formula" in options else {})
    apart = value(own, **(options | {"formula": formula, "constraint": constraint}))
    assert apart == pytest.approx(value(frame, **options), rel=1e-9, abs=1e-9)


@some
@given(panels(), st.integers(1, 30))
def test_time_has_no_beginning_without_breaks(frame, shift):
    later = frame.with_columns(pl.col("time") + shift)
    assert value(later, exact=3) == pytest.approx(value(frame, exact=3), rel=1e-12)
    moved = value(later, exact=3, breaks=[4 + shift], constraint={"period": "equal"})
    assert moved == pytest.approx(
        value(frame, exact=3, breaks=[4], constraint={"period": "equal"}), rel=1e-12
    )


@some
@given(panels())
def test_a_break_without_effect_changes_nothing(frame):
    made = ready(frame, exact=3, breaks=[2, 3, 5], constraint={"period": "equal"})
    theta = np.array([-1.6, -1.2, -0.8, -0.4, 0, 0, 0])
    plain = ready(frame, exact=3)
    assert value_and_slope(made.problem, theta)[0] == pytest.approx(
        value_and_slope(plain.problem, theta[:4])[0], rel=1e-12
    )


@some
@given(panels(), st.floats(0.1, 20))
def test_the_unit_of_time_only_scales(frame, unit):
    made, other = ready(frame), ready(frame.with_columns(pl.col("time") * unit))
    theta = np.array([-1.6, -1.2, -0.8, -0.4])
    assert value_and_slope(other.problem, theta - np.log(unit))[0] == pytest.approx(
        value_and_slope(made.problem, theta)[0], rel=1e-9
    )


@pytest.mark.parametrize("options", OPTIONS)
def test_influences_add_up(options):
    frame = _fixed()
    chain = fit(frame, **options)
    influence = chain.influence()
    assert influence.shape == (frame.height, len(chain.theta))
    error = np.sqrt(np.diag(chain.vcov_model))
    assert np.abs(influence.sum(axis=0) / error).max() < 1e-6  # the slope at the top is zero
    sums = np.zeros((frame["person"].max() + 1, len(chain.theta)))
    np.add.at(sums, frame["person"].to_numpy(), influence)
    robust = fit(frame, robust=True, **options)
    assert robust.vcov == pytest.approx(sums.T @ sums, rel=1e-5, abs=1e-9)
    sites = np.zeros((7, len(chain.theta)))
    np.add.at(sites, frame["site"].to_numpy(), influence)
    clustered = fit(frame, cluster="site", **options)
    assert clustered.vcov == pytest.approx(sites.T @ sites, rel=1e-5, abs=1e-9)


def test_an_influence_is_what_leaving_out_does():
    frame = _fixed(200)
    chain = fit(frame, exact=3)
    sums = np.zeros((frame["person"].max() + 1, 4))
    np.add.at(sums, frame["person"].to_numpy(), chain.influence())
    for person in (3, 40, 77):
        without = fit(frame.filter(pl.col("person") != person), exact=3)
        assert chain.theta - without.theta == pytest.approx(sums[person], abs=0.004)


def test_a_fit_with_frequent_months_is_that_of_rare_ones():
    # the same intervals by the month and by the second decimal are other cells, not another answer
    frame = _fixed(200)
    jittered = frame.with_columns(pl.col("time") + pl.col("person") * 1e-9)
    assert fit(jittered, exact=3).theta == pytest.approx(fit(frame, exact=3).theta, abs=1e-6)
