"""Influences, pseudo-values, contrasts and bands worked out as fractions."""

from fractions import Fraction
from itertools import product
from math import exp, log, pi, sqrt

import numpy as np
import polars as pl
import pytest

from toolkit import survival
from toolkit.survival.cox import cox

PAIRS = pl.DataFrame(
    {
        "arm": ["a", "a", "b", "b"],
        "person": [1, 2, 1, 2],
        "time": [1, 2, 1, 2],
        "event": [1, 0, 1, 0],
        "cause": [1, 0, 2, 0],
    }
)


def km(frame=PAIRS, **options):
    return survival.kaplan_meier(frame, time="time", event="event", **{"by": "arm"} | options)


def one(frame, column="estimate"):
    return frame[column].to_list()


def test_without_censoring_a_pseudo_value_is_whether_one_is_still_there():
    frame = pl.DataFrame({"time": [1, 2, 3, 4], "event": [1, 1, 0, 0]})
    curve = km(frame, by=None)
    assert curve.influence([1, 2]).T.tolist() == [
        [-3 / 16, 1 / 16, 1 / 16, 1 / 16],
        [-1 / 8, -1 / 8, 1 / 8, 1 / 8],
    ]
    for method in ("infinitesimal", "leave-one-out"):
        values = curve.pseudo_values([1, 2, 2.5], method=method)
        np.testing.assert_allclose(values.T, [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]], atol=1e-15)
        # months up to 3: 1, 2, and 3 for who is still there
        means = curve.pseudo_values(horizon=3, method=method)
        np.testing.assert_allclose(means, [1, 2, 3, 3], atol=1e-14)


def exact_incidence(rows, t):
    """Survival and incidences at t of (entry, time, cause, weight) rows, as fractions."""
    survival, incidence = Fraction(1), [Fraction(0), Fraction(0)]
    for now in sorted({time for _, time, _, _ in rows if time <= t}):
        risk = sum(w for entry, time, _, w in rows if entry < now <= time)
        if not risk:
            continue
        for k in (0, 1):
            events = sum(w for _, time, cause, w in rows if time == now and cause == k + 1)
            incidence[k] += survival * Fraction(events, risk)
        total = sum(w for _, time, cause, w in rows if time == now and cause)
        survival *= 1 - Fraction(total, risk)
    return survival, incidence


ROWS = [(0, 1, 1, 2), (0, 1, 0, 1), (1, 2, 2, 1), (0, 3, 1, 1), (2, 3, 2, 3), (3, 5, 0, 1)]
#: A first risk set of one: without that person the curve does not start with a fall to 0.
LONELY = [(0, 1, 1, 1), (1, 2, 2, 1), (1, 3, 1, 2), (2, 4, 0, 1)]
#: A risk set that would leave as a whole without the one who stays.
LAST = [(0, 2, 1, 3), (0, 4, 0, 1), (2, 3, 2, 1), (3, 5, 1, 1)]


@pytest.mark.parametrize("rows", [ROWS, LONELY, LAST])
def test_leaving_one_out_is_estimating_anew(rows):
    frame = pl.DataFrame(rows, schema=["entry", "time", "cause", "w"], orient="row")
    frame = frame.with_columns(event=pl.col("cause") > 0)
    times = [1, 2, 3]
    options = {"time": "time", "entry": "entry", "weights": "w"}
    curve = survival.kaplan_meier(frame, event="event", **options)
    causes = survival.cumulative_incidence(frame, event="cause", **options)
    ours = curve.pseudo_values(times, method="leave-one-out")
    by_cause = causes.pseudo_values(times, method="leave-one-out")
    area = curve.pseudo_values(horizon=3, method="leave-one-out")
    n = sum(w for *_, w in rows)

    def without(i):
        return [(*row[:3], row[3] - (j == i)) for j, row in enumerate(rows)]

    for i, (j, t) in product(range(len(rows)), enumerate(times)):
        everybody, less = exact_incidence(rows, t), exact_incidence(without(i), t)
        assert ours[i, j] == pytest.approx(float(n * everybody[0] - (n - 1) * less[0]), abs=1e-12)
        for k in (0, 1):
            value = n * everybody[1][k] - (n - 1) * less[1][k]
            assert by_cause[i, k, j] == pytest.approx(float(value), abs=1e-12)
    for i in range(len(rows)):
        both = [sum(exact_incidence(r, t)[0] for t in (0, 1, 2)) for r in (rows, without(i))]
        assert area[i] == pytest.approx(float(n * both[0] - (n - 1) * both[1]), abs=1e-12)


def test_the_same_person_in_both_groups_cancels_out():
    # S(1) is 1/2 in both, with influences -1/4 and +1/4 of the same two persons
    curves = km()
    apart = curves.difference(at=1).tidy()
    assert one(apart) == [0.0]
    assert one(apart, "std_error")[0] == pytest.approx(sqrt(Fraction(1, 8) + Fraction(1, 8)))
    together = curves.difference(at=1, cluster="person").tidy()
    assert one(together, "std_error") == [0.0]
    assert one(together, "conf_low") == [None]  # no interval of width 0
    # the other way round they add up: (1/4 + 1/4)² twice
    turned = PAIRS.with_columns(person=pl.Series([1, 2, 2, 1]))
    found = km(turned, cluster="person").difference(at=1).tidy()
    assert one(found, "std_error")[0] == pytest.approx(sqrt(Fraction(1, 2)))


def test_clusters_within_a_group_add_up():
    frame = pl.DataFrame({"time": [1, 1, 2, 2], "event": [1, 1, 0, 0], "site": [1, 1, 2, 2]})
    curve = km(frame, by=None, cluster="site")
    # influences ±1/8, so sums of ±1/4
    assert one(curve.at(1), "std_error")[0] == pytest.approx(sqrt(2) / 4)
    # and on the area up to 2 (3/2): the same, as the curve is 1 up to 1
    assert one(curve.rmst(2), "std_error")[0] == pytest.approx(sqrt(2) / 4)
    assert "2 clusters of site" in curve.meta["variance"]


def test_ratios_on_their_own_scale():
    curves = km()
    ratio = curves.difference(at=1, measure="ratio").tidy()
    # Var log S = d / (n (n - d)) = 1/2 in each
    assert ratio["contrast"].to_list() == ["b / a"]
    assert one(ratio) == [1.0]
    assert one(ratio, "std_error")[0] == pytest.approx(1.0)
    z = 1.959963984540054
    assert one(ratio, "conf_high")[0] == pytest.approx(exp(z))
    odds = curves.difference(at=1, measure="odds ratio").tidy()
    # Var logit = 1 / (n p (1 - p)) = 2 in each
    assert one(odds, "std_error")[0] == pytest.approx(2.0)


def test_areas():
    third = PAIRS.filter(arm="b").with_columns(arm=pl.lit("c"), time=pl.col("time") * 0 + 3)
    frame = pl.concat([PAIRS, third])
    curves = km(frame)
    # up to 2: 1 + 1/2 in a and b, 2 in c
    assert one(curves.difference(measure="rmst", horizon=2).tidy()) == [0.0, 0.5]
    lost = survival.cumulative_incidence(PAIRS, time="time", event="cause", by="arm")
    found = lost.difference(measure="rmtl", horizon=2).tidy()
    # a loses (2 - 1)/2 months to cause 1, b as much to cause 2
    assert found["cause"].to_list() == [1, 2]
    assert one(found) == [-0.5, 0.5]
    assert one(found, "std_error") == pytest.approx([sqrt(1 / 8)] * 2)


def test_contrasts_with_a_reference_and_within_other_groups():
    frame = pl.concat([PAIRS.with_columns(sex=pl.lit(s)) for s in ("f", "m")])
    frame = frame.filter(~((pl.col("arm") == "a") & (pl.col("sex") == "m")))
    curves = km(frame, by=["sex", "arm"])
    found = curves.difference(by="arm", reference="b", at=1)
    assert found.tidy().select("sex", "contrast").rows() == [("f", "a - b")]
    assert "1 contrasts are left out" in found.meta["warnings"][0]
    every = curves.difference(at=1).tidy()
    assert every["contrast"].to_list() == ["f, b - f, a", "m, b - f, a"]


def test_groups_are_compared_while_both_are_observed():
    frame = pl.concat([PAIRS, pl.DataFrame({"arm": ["b"], "person": [3], "time": [9], "event": [1],
                                            "cause": [1]})])  # fmt: skip
    curves = km(frame)
    assert one(curves.difference().tidy(), "time") == [1]
    late = curves.difference(at=[1, 5]).tidy()
    assert one(late)[1] is None


def test_a_band_at_one_time_is_an_interval():
    frame = pl.DataFrame(
        {"arm": ["a"] * 40 + ["b"] * 40, "time": [1, 2] * 40, "event": [1, 0] * 20 + [1, 1] * 20}
    )
    found = km(frame).difference(at=1, simultaneous=True)
    test = found.sup_test().row(0, named=True)
    assert (test["from"], test["to"], test["n_time"]) == (1.0, 1.0, 1)
    assert test["critical"] == pytest.approx(1.96, abs=0.04)
    row = found.tidy().row(0, named=True)
    assert test["p_value"] == pytest.approx(row["p_value"], abs=0.02)
    assert row["band_high"] - row["estimate"] == pytest.approx(test["critical"] * row["std_error"])


def test_critical_values_of_textbooks():
    n = 300
    frame = pl.DataFrame({"time": np.arange(1, n + 1), "event": [1] * n})
    curve = km(frame, by=None)
    # Kolmogorov's 1.358, as the whole of a curve without censoring is a Brownian bridge
    found = curve.band(kind="hall-wellner", between=(1, n)).critical()["critical"][0]
    assert found == pytest.approx(1.358, abs=0.05)
    # equal precision over 0.1 … 0.9: Miller and Siegmund's tail, 4φ(c)/c + φ(c)(c - 1/c) log 81
    c = curve.band(between=(n / 10, 9 * n / 10)).critical()["critical"][0]
    phi = exp(-c * c / 2) / sqrt(2 * pi)
    assert 4 * phi / c + phi * (c - 1 / c) * log(81) == pytest.approx(0.05, abs=0.015)


def test_bands_start_with_ten_events_and_end_with_ten_at_risk():
    n = 60
    frame = pl.DataFrame({"time": np.arange(1, n + 1), "event": [1] * n})
    found = km(frame, by=None).band().critical().row(0, named=True)
    assert (found["from"], found["to"]) == (10.0, 51.0)


def test_standardised_survival_by_hand():
    # nobody differs: both levels have the Breslow survival exp(-Σ d/n) of all
    frame = pl.DataFrame(
        {"time": [1, 1, 2, 2, 3, 3], "event": [1, 1, 1, 1, 0, 0], "x": [0, 1, 0, 1, 0, 1]}
    )
    model = cox("x", frame, time="time", event="event", ties="breslow")
    found = model.standardise({"x": [0, 1]}).tidy()
    expected = [exp(-1 / 3), exp(-1 / 3 - 1 / 2)] * 2
    assert one(found) == pytest.approx(expected)
    # whoever the population is: only x matters, and it is set
    other = pl.DataFrame({"x": [0]})
    assert one(model.standardise({"x": [0, 1]}, data=other).tidy()) == pytest.approx(expected)
    area = model.standardise(by="x").rmst(2.5)
    assert one(area) == pytest.approx([1 + exp(-1 / 3) + exp(-5 / 6) / 2] * 2)


def test_standardising_over_strata_keeps_everybodys_own_baseline():
    frame = pl.DataFrame(
        {
            "time": [1, 2, 3, 3, 2, 3, 3, 3],
            "event": [1, 1, 0, 0, 1, 0, 1, 0],
            "x": [0, 1, 1, 0, 0, 1, 1, 0],
            "s": [0, 0, 0, 0, 1, 1, 1, 1],
        }
    )
    model = cox("x", frame, time="time", event="event", strata="s")
    found = model.standardise({"x": 0}, times=[1, 2]).tidy()["estimate"].to_list()
    base = model.baseline().select("s", "time", "estimate")

    def hazard(s, t):
        steps = base.filter(s=s).filter(pl.col("time") <= t)["estimate"]
        return steps[-1] if len(steps) else 0.0

    for t, value in zip((1, 2), found, strict=True):
        assert value == pytest.approx((exp(-hazard(0, t)) + exp(-hazard(1, t))) / 2)
    # and where the stratum is what is set, everybody has that one's
    moved = model.standardise({"s": [1], "x": 0}, times=[2]).tidy()
    assert one(moved) == pytest.approx([exp(-hazard(1, 2))])
