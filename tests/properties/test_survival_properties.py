"""What holds for any data: order, repetition, groups, and agreement between estimators."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit import errors, survival

some = settings(max_examples=12, deadline=None)


@st.composite
def spells(draw, least=1):
    n = draw(st.integers(least, 25))

    def column(low, high):
        return draw(st.lists(st.integers(low, high), min_size=n, max_size=n))

    entry = column(0, 5)
    return pl.DataFrame(
        {
            "entry": entry,
            "time": [a + b for a, b in zip(entry, column(1, 6), strict=True)],
            "cause": column(0, 2),
            "group": column(0, 2),
            "stratum": column(0, 1),
            "weight": column(0, 3),
        }
    ).with_columns(event=pl.col("cause") > 0, weight=pl.col("weight").replace({0: 1}))


def km(frame, **options):
    return survival.kaplan_meier(frame, time="time", event="event", **options)


def cif(frame, **options):
    if not frame["event"].any():
        frame = frame.with_columns(cause=pl.lit(1), event=pl.lit(value=True))
    return survival.cumulative_incidence(frame, time="time", event="cause", **options)


def logrank(frame, **options):
    return survival.logrank(frame, time="time", event="event", by="group", **options)


def either(function, *args, **options):
    """Return a test's numbers, or the error that it gives."""
    try:
        found = function(*args, **options)
    except errors.ToolkitError as error:
        return type(error)
    return found.statistic, found.df


@some
@given(spells(), st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(frame, random):
    rows = list(range(frame.height))
    random.shuffle(rows)
    other = frame[rows]
    options = {"by": "group", "entry": "entry", "weights": "weight"}
    assert_frame_equal(km(frame, **options).tidy(), km(other, **options).tidy(), check_exact=True)
    assert_frame_equal(cif(frame, **options).tidy(), cif(other, **options).tidy(), check_exact=True)
    assert either(logrank, frame) == either(logrank, other)


@some
@given(spells())
def test_a_weight_of_w_is_the_row_repeated_w_times(frame):
    longer = frame[np.repeat(np.arange(frame.height), frame["weight"].to_numpy())]
    for estimate in (km, cif):
        for options in ({}, {"entry": "entry"}, {"by": "group"}):
            ours = estimate(frame, weights="weight", **options).tidy()
            theirs = estimate(longer, **options).tidy().cast({"n_risk": float, "n_event": float})
            assert_frame_equal(ours, theirs, check_dtypes=False, abs_tol=1e-9)
    assert either(logrank, frame, weights="weight") == pytest.approx(either(logrank, longer))


@some
@given(spells())
def test_groups_are_estimated_apart(frame):
    for estimate in (km, cif):
        together = estimate(frame, by=["group", "stratum"], entry="entry").tidy()
        if estimate is cif:
            together = together.filter(
                pl.col("n_event").sum().over("group", "stratum", "cause") > 0
            )
        for key, part in frame.group_by("group", "stratum"):
            if estimate is cif and not part["event"].any():
                continue
            mine = together.filter(group=key[0], stratum=key[1]).drop("group", "stratum")
            assert_frame_equal(mine, estimate(part, entry="entry").tidy(), abs_tol=1e-12)


@some
@given(spells())
def test_survival_is_the_product_of_its_fractions(frame):
    ours = km(frame, entry="entry").tidy()
    people = frame.select("entry", "time", "event").rows()
    exact = Fraction(1)
    for row in ours.iter_rows(named=True):
        now = row["time"]
        risk = sum(entry < now <= time for entry, time, _ in people)
        events = sum(time == now and event for _, time, event in people)
        exact *= 1 - Fraction(events, risk)
        assert (row["n_risk"], row["n_event"]) == (risk, events)
        assert row["estimate"] == pytest.approx(float(exact), abs=1e-13)


@some
@given(spells())
def test_incidences_and_survival_add_up_to_one(frame):
    curves = cif(frame, entry="entry", by="group")
    np.testing.assert_allclose(curves.total()["estimate"], 1 - curves.event_free, atol=1e-12)


@some
@given(spells())
def test_one_cause_is_one_minus_kaplan_meier(frame):
    frame = frame.with_columns(cause=pl.col("event").cast(pl.Int64), event=pl.col("event"))
    if not frame["event"].any():
        return
    one, other = cif(frame, by="group"), km(frame, by="group")
    np.testing.assert_allclose(one.incidence[:, 0], 1 - other.survival, atol=1e-12)
    # without left truncation the jackknife is Greenwood's formula
    real = other.survival > 0
    np.testing.assert_allclose(one.std_error[real, 0], other.std_error[real], atol=1e-10)


@settings(max_examples=4, deadline=None)
@given(spells(least=4), st.booleans())
def test_the_jackknife_is_the_derivative_to_each_weight(frame, late):
    options = {"weights": "w", "weight_type": "sampling"} | ({"entry": "entry"} if late else {})
    weight = 0.5 + frame["weight"].to_numpy() / 3

    def estimates(w):
        data = frame.with_columns(w=pl.Series(w))
        curve, causes = km(data, **options), cif(data, **options)
        return curve, causes, curve.rmst(frame["time"].max() - 0.5)

    def numbers(found):
        curve, causes, area = found
        return np.concatenate([curve.survival, causes.incidence.ravel(), area["estimate"]])

    found = estimates(weight)
    total = 0.0
    for i in range(frame.height):
        step = np.zeros(frame.height)
        step[i] = 1e-5
        slope = (numbers(estimates(weight + step)) - numbers(estimates(weight - step))) / 2e-5
        total += (weight[i] * slope) ** 2
    curve, causes, area = found
    ours = np.concatenate([curve.std_error, causes.std_error.ravel(), area["std_error"]])
    np.testing.assert_allclose(ours, np.sqrt(total), atol=1e-6)


@some
@given(spells())
def test_equal_sampling_weights_change_no_test(frame):
    plain = either(logrank, frame, strata="stratum")
    frame = frame.with_columns(half=0.5)
    ours = either(logrank, frame, strata="stratum", weights="half", weight_type="sampling")
    assert ours == pytest.approx(plain, abs=1e-9)


@some
@given(spells())
def test_lazy_and_eager_and_any_number_type_agree(frame):
    eager = km(frame, by="group", entry="entry").tidy()
    assert_frame_equal(km(frame.lazy(), by="group", entry="entry").tidy(), eager)
    floats = frame.cast({"time": pl.Float64, "entry": pl.Float32, "event": pl.UInt8})
    assert_frame_equal(km(floats, by="group", entry="entry").tidy(), eager, check_dtypes=False)
    small = frame.cast({"time": pl.UInt8, "entry": pl.Int8, "group": pl.UInt64})
    assert_frame_equal(km(small, by="group", entry="entry").tidy(), eager, check_dtypes=False)
    big = frame.with_columns(pl.col("group") * 2**40 - 2**41)
    assert km(big, by="group", entry="entry").survival.tolist() == eager["estimate"].to_list()


@some
@given(spells())
def test_gray_and_logrank_do_not_mind_names_of_groups(frame):
    for test in (
        lambda data: either(logrank, data),
        lambda data: either(
            survival.gray, data, time="time", event="cause", cause=1, by="group", strata="stratum"
        ),
    ):
        renamed = frame.with_columns(2 - pl.col("group"))
        assert test(renamed) == pytest.approx(test(frame), abs=1e-9)
