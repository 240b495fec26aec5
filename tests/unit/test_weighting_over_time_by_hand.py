"""Histories whose probabilities are shares of cells: weights as products of fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from toolkit import matching

# low at months 0 and 1, started at months 0 and 1 → persons
HISTORIES = {
    (0, 0, 0, 0): 4, (0, 0, 0, 1): 2, (0, 1, 0, 0): 1, (0, 1, 0, 1): 3, (0, 1, 1, 1): 2,
    (1, 0, 0, 0): 2, (1, 0, 0, 1): 2, (1, 1, 0, 0): 2, (1, 1, 0, 1): 4, (1, 0, 1, 1): 6,
}  # fmt: skip
OPTIONS = {"person": "id", "time": "month", "treatment": "course"}


def panel():
    rows, person = [], 0
    for (low0, low1, start0, start1), count in HISTORIES.items():
        for _ in range(count):
            rows += [(person, 0, low0, start0), (person, 1, low1, start1)]
            person += 1
    return pl.DataFrame(rows, schema=["id", "month", "low", "course"], orient="row")


def share(wanted, given):
    """Return the share with `wanted` among the histories with `given`."""
    there = [(key, n) for key, n in HISTORIES.items() if given(key)]
    return Fraction(sum(n for key, n in there if wanted(key)), sum(n for _, n in there))


def expected(*, stabilise):
    """Return each row's weight, from the shares of those like it who were still at risk."""
    weights = []
    for (low0, low1, start0, start1), count in HISTORIES.items():
        first = share(lambda k, s=start0: k[2] == s, lambda k, v=low0: k[0] == v)
        top = share(lambda k, s=start0: k[2] == s, lambda _: True)
        one = (top if stabilise else 1) / first
        two = one
        if not start0:  # at risk again, with the state of that month
            second = share(lambda k, s=start1: k[3] == s,
                           lambda k, v=low1: k[1] == v and not k[2])  # fmt: skip
            top = share(lambda k, s=start1: k[3] == s, lambda k: not k[2])
            two = one * (top if stabilise else 1) / second
        weights += [float(one), float(two)] * count
    return weights


@pytest.mark.parametrize("stabilise", [True, False])
def test_a_weight_is_the_product_of_what_happened_until_the_start(stabilise):
    found = matching.weigh_over_time(
        panel(), **OPTIONS, on_history="low * C(month)", on_baseline="C(month)",
        stabilise=stabilise,
    )  # fmt: skip
    assert found.weights.to_list() == pytest.approx(expected(stabilise=stabilise), rel=1e-9)
    assert (found.cluster, found.estimand) == ("id", "ATE")
    # two times have one power of time: the same model as dummies, where it is not named
    other = matching.weigh_over_time(panel(), **OPTIONS, on_history="low", on_baseline="1")
    terms = other.models["treatment"].tidy()["term"].to_list()
    assert terms == ["(Intercept)", "low", "month^1"]


def test_unstabilised_weights_make_everybody_count_as_if_all_had_each_state():
    """Σ of the weights of those started at month 0 is that of all persons, and so for the rest."""
    found = matching.weigh_over_time(
        panel(), **OPTIONS, on_history="low * C(month)", stabilise=False
    )
    now = found.frame.with_columns(found.weights).filter(month=0)
    assert now.group_by("course").agg(pl.col("weight").sum())["weight"].to_list() == pytest.approx(
        [28.0, 28.0]
    )


def test_being_lost_counts_from_the_next_month_on():
    """6 persons, 2 lost after month 0: the rest stand for 3 / 2 each from month 1."""
    frame = pl.DataFrame(
        {
            "id": [0, 0, 1, 1, 2, 2, 3, 3, 4, 5],
            "month": [0, 1, 0, 1, 0, 1, 0, 1, 0, 0],
            "course": [1, 1, 0, 0, 0, 1, 1, 1, 1, 0],
            "lost": [0, None, 0, None, 0, None, 0, None, 1, 1],
        }
    )
    options = {**OPTIONS, "on_history": "1", "censored": "lost"}
    found = matching.weigh_over_time(frame, **options, stabilise=False)
    # started at month 0: 3 of 6; at month 1, of those at risk: 1 of 2
    # lost: of 3 started 1, of 3 others 1
    kept = Fraction(3, 2)
    expected = [2, 2 * kept, 2, 2 * 2 * kept, 2, 2 * 2 * kept, 2, 2 * kept, 2, 2]
    assert found.weights.to_list() == pytest.approx([float(w) for w in expected])
    assert list(found.models) == ["treatment", "censoring"]
    stable = matching.weigh_over_time(frame, **options)
    assert stable.weights.to_list() == pytest.approx([1.0] * 10)


def test_the_gradient_of_a_weight_is_that_of_a_product():
    """A step in a coefficient, taken by hand, moves the cumulated weights as the gradient says."""
    frame = panel()
    found = matching.weigh_over_time(
        frame, **OPTIONS, on_history="low + C(month)", on_baseline="C(month)"
    )
    below, above = found.models["treatment"], found.models["treatment, stabilising"]
    risk = (
        pl.col("course").shift(1).over("id", order_by="month").fill_null(0) == 0
    )  # fmt: skip
    at = frame.select(risk).to_series().to_numpy()
    rows = frame.filter(pl.Series(at))
    z = np.column_stack([np.ones(rows.height), rows["low"], rows["month"]])
    order = below.tidy()["term"].to_list()
    z = z[:, [["(Intercept)", "low"].index(t) if t in {"(Intercept)", "low"} else 2 for t in order]]

    def weights(theta):
        e, top = 1 / (1 + np.exp(-z @ theta)), above.scores.to_numpy()
        t = rows["course"].to_numpy() == 1
        factor = np.ones(frame.height)
        factor[at] = np.where(t, top / e, (1 - top) / (1 - e))
        return factor.reshape(-1, 2).cumprod(axis=1).ravel()

    theta = below.tidy()["estimate"].to_numpy()
    assert weights(theta) == pytest.approx(found.weights.to_numpy(), rel=1e-9)
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        slope = (weights(theta + step) - weights(theta - step)) / 2e-6
        assert found.nuisance.gradient[:, k] == pytest.approx(slope, abs=1e-7)


def test_errors_may_be_left_out_and_that_is_said():
    found = matching.weigh_over_time(panel(), **OPTIONS, on_history="low", errors=False)
    assert found.nuisance is None
    assert "take the weights as known (errors=False)" in found.summary()
    told = matching.weigh_over_time(
        panel().with_columns(v=pl.col("id") % 2), **OPTIONS, on_history="low", on_baseline="v"
    )
    assert "v stands in on_baseline and not in on_history" in told.summary()
