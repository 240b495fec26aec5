"""What holds for any data: order, repetition, sums and derivatives of influences."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit import survival
from toolkit.survival.cox import cox

some = settings(max_examples=4, deadline=None)
few = settings(max_examples=2, deadline=None)


@st.composite
def spells(draw, n=30):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    entry = rng.integers(0, 4, n)
    return pl.DataFrame(
        {
            "entry": entry,
            "time": entry + rng.integers(1, 6, n),
            "cause": rng.integers(0, 3, n),
            "group": rng.permutation(np.arange(n) % 2),
            "layer": rng.integers(0, 2, n),
            "x": rng.integers(0, 3, n),
            "site": rng.integers(0, 6, n),
            "weight": rng.integers(1, 4, n),
            "part": rng.random(n) + 0.3,
        }
    ).with_columns(event=pl.col("cause") > 0)


TIMES = [1, 2, 3]


def km(frame, **options):
    return survival.kaplan_meier(frame, time="time", event="event", by="group", **options)


def cif(frame, **options):
    return survival.cumulative_incidence(frame, time="time", event="cause", by="group", **options)


def standard(frame, **options):
    options.pop("entry", None)
    model = cox("group + x", frame, time="time", event="event", **options)
    return model.standardise({"group": [0, 1]}, times=TIMES)


MAKERS = pytest.mark.parametrize("make", [km, cif, standard])


def tables(result, **options):
    measure = result._curves().area_name
    return [
        result.difference(at=TIMES, **options).tidy(),
        result.difference(at=TIMES, measure="ratio", **options).tidy(),
        result.difference(measure=measure, horizon=2, **options).tidy(),
        result.difference(
            at=TIMES, simultaneous=True, between=(0, 3), **options
        ).sup_test(),
    ]  # fmt: skip


def same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert_frame_equal(one, other, abs_tol=1e-9)


@MAKERS
@some
@given(spells())
def test_influences_add_up_to_nothing_and_their_squares_to_the_variance(make, frame):
    result = make(frame, entry="entry", weights="part", weight_type="sampling")
    moved, at = result.influence(TIMES), result.at(TIMES)
    np.testing.assert_allclose(moved.sum(axis=0), 0, atol=1e-12)
    if make is standard:
        squares = (moved**2).sum(axis=0).ravel()
    else:
        mine = [frame["group"].to_numpy() == g for g in (0, 1)]
        squares = np.concatenate([(moved[g] ** 2).sum(axis=0).ravel() for g in mine])
    known = at["estimate"].is_not_null().to_numpy()
    np.testing.assert_allclose(
        at["std_error"].to_numpy()[known] ** 2, squares[known], rtol=1e-9, atol=1e-12
    )


@MAKERS
@some
@given(spells(), st.booleans())
def test_the_order_of_rows_only_orders_the_influences(make, frame, clustered):
    options = {"entry": "entry", "weights": "part", "weight_type": "sampling"}
    options |= {"cluster": "site"} if clustered else {}
    order = np.random.default_rng(1).permutation(frame.height)
    ours, other = make(frame, **options), make(frame[order], **options)
    np.testing.assert_allclose(ours.influence(TIMES)[order], other.influence(TIMES), atol=1e-9)
    np.testing.assert_allclose(
        ours.influence(horizon=2)[order], other.influence(horizon=2), atol=1e-9
    )
    same(tables(ours), tables(other))


@MAKERS
@some
@given(spells(), st.booleans())
def test_a_weight_of_w_is_the_row_repeated_w_times(make, frame, clustered):
    longer = frame[np.repeat(np.arange(frame.height), frame["weight"].to_numpy())]
    options = {"cluster": "site"} if clustered else {}
    ours = make(frame, weights="weight", **options)
    theirs = make(longer, **options)
    same(tables(ours), tables(theirs))
    each = np.repeat(np.arange(frame.height), frame["weight"].to_numpy())
    moved = np.zeros_like(ours.influence(TIMES))
    np.add.at(moved, each, theirs.influence(TIMES))
    np.testing.assert_allclose(ours.influence(TIMES), moved, atol=1e-10)
    if make is not standard:
        for method in ("infinitesimal", "leave-one-out"):
            np.testing.assert_allclose(
                ours.pseudo_values(TIMES, method=method)[each],
                theirs.pseudo_values(TIMES, method=method), atol=1e-9,
            )  # fmt: skip


@MAKERS
@some
@given(spells())
def test_clusters_of_one_row_are_rows(make, frame):
    numbered = frame.with_row_index("row").with_columns(half=0.5)
    options = {"weights": "half", "weight_type": "sampling"}
    single, apart = make(numbered, cluster="row", **options), make(numbered, **options)
    same(tables(single), tables(apart))
    assert_frame_equal(single.at(TIMES), apart.at(TIMES), abs_tol=1e-9)


@MAKERS
@some
@given(spells())
def test_a_contrast_over_clusters_is_that_of_its_influences(make, frame):
    result = make(frame, cluster="site")
    moved = result.influence(TIMES)
    group = frame["group"].to_numpy()
    if make is standard:
        signed = moved[:, 1] - moved[:, 0]
    else:
        sign = np.where(group == 1, 1.0, -1.0)
        signed = moved * sign.reshape(-1, *[1] * (moved.ndim - 1))
    sums = np.zeros((6, *signed.shape[1:]))
    np.add.at(sums, frame["site"].to_numpy(), signed)
    expected = np.sqrt((sums**2).sum(axis=0)).ravel()
    ours = result.difference(at=TIMES).tidy()["std_error"].to_numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@few
@given(spells(), st.sampled_from(["efron", "breslow"]), st.booleans(), st.booleans())
def test_the_influence_on_a_standardised_curve_is_the_derivative(frame, ties, strata, late):
    def fit(weight):
        data = frame.with_columns(w=pl.Series(weight))
        model = cox(
            "group * x", data, time="time", event="event", weights="w", weight_type="sampling",
            ties=ties, strata="layer" if strata else None, entry="entry" if late else None,
        )  # fmt: skip
        population = {"data": frame, "weights": "part"} if late else {}
        return model.standardise({"group": [0, 1]}, times=TIMES, **population)

    weight = frame["part"].to_numpy()
    result = fit(weight)
    moved, area = result.influence(TIMES), result.influence(horizon=2)
    for i in range(0, frame.height, 7):
        step = np.zeros(frame.height)
        step[i] = 1e-5
        above, below = fit(weight + step), fit(weight - step)
        slope = (above.survival - below.survival) / 2e-5
        np.testing.assert_allclose(moved[i], slope * weight[i], atol=1e-8)
        gap = (above.curves.areas(2)[0] - below.curves.areas(2)[0])[:, 0] / 2e-5
        np.testing.assert_allclose(area[i], gap * weight[i], atol=1e-8)


@few
@given(spells(n=60))
def test_patterns_and_rows_give_the_same_standardised_curves(frame):
    # a covariate that never repeats, though it says the same: one row a pattern
    wide = frame.with_columns(y=pl.col("x") + pl.int_range(pl.len()) * 1e-13)
    ours = cox("group + x", frame, time="time", event="event", cluster="site")
    theirs = cox("group + y", wide, time="time", event="event", cluster="site")
    assert len(theirs.design.x) == frame.height
    same(tables(ours.standardise(by="group")), tables(theirs.standardise(by="group")))
