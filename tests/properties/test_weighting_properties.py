"""What weights must not depend on, and what they always do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit import matching
from toolkit.effects.contrast import contrast

ON = "treated ~ age + region"
ALL = [
    ("ipw", "ATT"), ("ipw", "ATE"), ("overlap", "ATO"), ("entropy", "ATT"), ("entropy", "ATE"),
    ("cbps", "ATC"), ("cbps", "ATE"), ("ipt", "ATE"),
]  # fmt: skip
BALANCING = [case for case in ALL if case[0] != "ipw"]


def people(n=400, seed=0):
    rng = np.random.default_rng(seed)
    age, region = rng.normal(40, 10, n), rng.choice(["n", "e", "s"], n)
    e = 1 / (1 + np.exp(0.7 - (age - 40) / 20 - 0.5 * (region == "s")))
    treated = rng.random(n) < e
    return pl.DataFrame(
        {
            "age": age, "region": region, "treated": treated, "w": rng.integers(1, 4, n),
            "y": treated + age / 10 + rng.normal(size=n),
        }
    )  # fmt: skip


@pytest.mark.parametrize(("method", "estimand"), ALL)
def test_order_coding_and_units(method, estimand):
    frame = people()
    options = {"on": ON, "method": method, "estimand": estimand}
    one = matching.weigh(frame, **options)
    order = np.random.default_rng(1).permutation(400)
    other = matching.weigh(frame[order], **options)
    assert one.weights.to_numpy()[order] == pytest.approx(other.weights.to_numpy(), rel=1e-8)
    number = matching.weigh(frame.with_columns(pl.col("treated").cast(pl.Int8)), **options)
    assert one.weights.equals(number.weights)
    moved = matching.weigh(frame.with_columns(age=(pl.col("age") + 1990) * 365.25), **options)
    assert one.weights.to_numpy() == pytest.approx(moved.weights.to_numpy(), rel=1e-7)


@pytest.mark.parametrize(("method", "estimand"), ALL)
def test_weights_are_repeated_rows_and_their_scale_is_theirs(method, estimand):
    frame = people()
    options = {"on": ON, "method": method, "estimand": estimand}
    one = matching.weigh(frame, weights="w", **options)
    count = frame["w"].to_numpy()
    rows = np.repeat(np.arange(400), count)
    other = matching.weigh(frame[rows], **options)
    assert (one.weights.to_numpy() / count)[rows] == pytest.approx(
        other.weights.to_numpy(), rel=1e-7
    )
    half = matching.weigh(frame.with_columns(w=pl.col("w") / 7), weights="w", **options)
    assert one.weights.to_numpy() / 7 == pytest.approx(half.weights.to_numpy(), rel=1e-7)
    errors = [
        contrast(x, outcome="y", weight_type="sampling").tidy()["std_error"].to_list()
        for x in (one, half)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)


@pytest.mark.parametrize("treatment", [0, 1])
@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps", "ipt"])
def test_the_effect_on_those_not_treated_is_that_on_the_treated_turned_round(method, treatment):
    frame = people(seed=treatment)
    turned = frame.with_columns(treated=~pl.col("treated"))
    one = matching.weigh(frame, on=ON, method=method, estimand="ATC")
    other = matching.weigh(turned, on=ON, method=method, estimand="ATT")
    assert one.weights.to_numpy() == pytest.approx(other.weights.to_numpy(), rel=1e-8)


@pytest.mark.parametrize(("method", "estimand"), BALANCING)
def test_means_are_equal_where_they_are_made_equal(method, estimand):
    found = matching.weigh(people(), on=ON, method=method, estimand=estimand, weights="w")
    x = pl.DataFrame(found.frame).select(
        "age", e=pl.col("region") == "e", s=pl.col("region") == "s"
    )
    x, weight, t = x.cast(pl.Float64).to_numpy(), found.weights.to_numpy(), found.treated
    means = [np.average(x[who], axis=0, weights=weight[who]) for who in (t, ~t)]
    assert means[0] == pytest.approx(means[1], abs=1e-8)
    target = {"ATT": t, "ATC": ~t}.get(estimand)
    if method == "entropy" or target is not None:
        who = np.ones(400, bool) if target is None else target
        aim = np.average(x[who], axis=0, weights=found.sampling[who])
        assert means[0] == pytest.approx(aim, abs=1e-8)


@pytest.mark.parametrize(("method", "estimand"), ALL)
def test_influences_add_up_to_nothing_and_are_what_a_little_weight_moves(method, estimand):
    frame = people(seed=5)
    options = {"on": ON, "method": method, "estimand": estimand}
    whole = matching.weigh(frame, **options)
    assert np.abs(whole.nuisance.influence.sum(axis=0)).max() < 1e-7
    row, little = 17, 1e-4
    more = frame.with_columns(w=1 + little * (pl.int_range(pl.len()) == row))
    other = matching.weigh(more, weights="w", **options)
    others = np.arange(400) != row
    before, after = whole.weights.to_numpy()[others], other.weights.to_numpy()[others]
    foretold = before + little * whole.nuisance.gradient[others] @ whole.nuisance.influence[row]
    if method == "entropy":  # of its scale the gradient says nothing
        arms = (whole.treated[others], ~whole.treated[others])
        before, after, foretold = (_unit(weight, arms) for weight in (before, after, foretold))
    assert np.abs(after - foretold).max() < 1e-3 * np.abs(after - before).max()


def _unit(weight, arms):
    out = weight.copy()
    for who in arms:
        out[who] /= out[who].sum()
    return out


def test_a_panel_in_any_order():
    rng = np.random.default_rng(3)
    frame = panel(300, rng)
    options = {
        "person": "id", "time": "month", "treatment": "course", "on_history": "low + v",
        "on_baseline": "v", "censored": "lost",
    }  # fmt: skip
    one = matching.weigh_over_time(frame, **options)
    order = rng.permutation(frame.height)
    other = matching.weigh_over_time(frame[order], **options)
    assert one.weights.to_numpy()[order] == pytest.approx(other.weights.to_numpy(), rel=1e-8)
    assert one.nuisance.gradient[order] == pytest.approx(other.nuisance.gradient, abs=1e-7)
    # a stabilised weight has a mean of about 1 at every month, an unstabilised one has not
    assert one.tidy()["mean"].to_list() == pytest.approx([1] * 4, abs=0.1)
    raw = matching.weigh_over_time(frame, **options, stabilise=False)
    assert raw.tidy()["mean"].min() > 1.3
    assert set(raw.models) == {"treatment", "censoring"}
    cut = matching.weigh_over_time(frame, **options, truncate=0.95)
    assert 0 < cut.truncated <= 0.1 * frame.height
    assert cut.weights.max() == cut.bounds[1] < one.weights.max()
    assert f"{cut.truncated:,} rows had weights outside" in cut.summary()


def panel(n, rng):
    v, low = rng.random(n) < 0.5, rng.normal(size=n)
    course, here, rows = np.zeros(n, bool), np.ones(n, bool), []
    for month in range(4):
        low = 0.5 * low + 0.4 * v - 0.5 * course + rng.normal(size=n)
        course |= rng.random(n) < 1 / (1 + np.exp(1.5 - 0.6 * low))
        lost = rng.random(n) < 1 / (1 + np.exp(2.5 - 0.4 * low))
        month_rows = pl.DataFrame(
            {"id": np.arange(n), "month": month, "low": low, "v": v, "course": course,
             "lost": lost if month < 3 else [None] * n}, schema_overrides={"lost": pl.Boolean},
        ).filter(pl.Series(here))  # fmt: skip
        rows.append(month_rows)
        here &= ~lost
    return pl.concat(rows)
