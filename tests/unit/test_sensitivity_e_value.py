"""E-values: the published examples, and confounders that do what they say."""

import math

import numpy as np
import polars as pl
import pytest

from toolkit.effects.sensitivity import bounding_factor, e_value, e_value_of
from toolkit.effects.sensitivity.e_value_ratios import e_value_of_ratio, fieller_limits
from toolkit.errors import CallError, InputError, UnknownOptionError

ANNALS = "VanderWeele and Ding (2017), Annals of Internal Medicine 167"


def numbers(found):
    return [found.e_value, found.e_value_limit]


def test_published_risk_ratios(agree):
    agree("Sensitivity", "E-value, breastfeeding: RR 3.9 (1.8, 8.7)",
          numbers(e_value(3.9, conf_low=1.8, conf_high=8.7)), [7.26, 3.0], tolerance=5e-3,
          source=ANNALS, reason="printed to two digits")  # fmt: skip
    agree("Sensitivity", "E-value, RR 0.80 (0.71, 0.91)",
          numbers(e_value(0.8, conf_low=0.71, conf_high=0.91)), [1.81, 1.43], tolerance=5e-3,
          source=ANNALS, reason="printed to two digits")  # fmt: skip
    agree("Sensitivity", "E-value, smoking: RR 10.73 (8.02, 14.36)",
          numbers(e_value(10.73, conf_low=8.02, conf_high=14.36)), [20.94777, 15.52336],
          tolerance=5e-6, source="R EValue", reason="printed to seven digits")  # fmt: skip


def test_published_risk_difference(agree):
    """Hammond and Horn (1958): 397 of 78,954 smokers, 51 of 108,829 others."""
    people = pl.DataFrame(
        {
            "smoker": [1, 1, 0, 0],
            "cancer": [1, 0, 1, 0],
            "count": [397, 78_557, 51, 108_778],
        }
    )
    found = e_value_of(
        people.select(pl.col("smoker", "cancer").repeat_by("count").explode()),
        outcome="cancer", treatment="smoker", correction="HC0",
    )  # fmt: skip
    agree("Sensitivity", "E-value, smoking: limit of the risk difference", found.e_value_limit,
          15.95703, tolerance=2e-3, source="Ding and VanderWeele (2016); R EValue, evalues.RD",
          reason="R looks along a grid of 1e-4")  # fmt: skip
    assert found.e_value == pytest.approx(e_value_of_ratio(397 / 78_954 / (51 / 108_829)))


def test_conversions_by_hand():
    assert e_value(1.5, measure="odds_ratio", rare=True).ratio == 1.5
    assert e_value(2.25, measure="odds_ratio", rare=False).ratio == 1.5
    assert e_value(1.5, measure="hazard_ratio", rare=True).ratio == 1.5
    # √4 = 2: (1 - ¼) / (1 - √½)
    assert e_value(4, measure="hazard_ratio", rare=False).ratio == pytest.approx(
        0.75 / (1 - math.sqrt(0.5))
    )
    assert e_value(0.1, measure="risk_difference", baseline=0.2).ratio == pytest.approx(1.5)
    assert e_value(3.0, measure="mean_difference", sd=2.0).ratio == pytest.approx(math.exp(1.365))


def test_halves_and_doubles_say_the_same():
    up = e_value(2.5, conf_low=1.2, conf_high=4.0)
    down = e_value(1 / 2.5, conf_low=1 / 4.0, conf_high=1 / 1.2)
    assert numbers(up) == pytest.approx(numbers(down))


def test_an_interval_that_holds_no_effect_needs_no_confounder():
    found = e_value(1.3, conf_low=0.9, conf_high=1.8)
    assert found.e_value_limit == 1
    assert e_value(1.0).e_value == 1
    assert e_value(1.3).e_value_limit is None
    assert e_value(1.3).tidy().height == 1


def test_against_another_effect(agree):
    ratio = 2.5 / 1.5
    assert e_value(2.5, against=1.5).e_value == pytest.approx(
        ratio + math.sqrt(ratio * (ratio - 1))
    )
    # beyond the estimate: the other side counts
    found = e_value(1.3, conf_low=1.1, conf_high=1.4, against=1.5)
    assert found.e_value_limit == pytest.approx(e_value_of_ratio(1.5 / 1.4))
    agree("Sensitivity", "E-value, RR 2.5 against 1.5", e_value(2.5, against=1.5).e_value,
          2.720759, tolerance=1e-6, source="R EValue, vignette")  # fmt: skip


def test_a_confounder_of_that_strength_explains_it_and_a_weaker_one_does_not():
    """A world without effect: U is a coin that RR_EU and RR_UD act through."""
    found = e_value(2.0)
    strength = found.e_value
    assert bounding_factor(strength, strength) == pytest.approx(2.0)
    # U in all of the treated and in 1 / E of the controls; with U the risk is E times as high
    risk_treated, risk_control = strength, strength / strength + (1 - 1 / strength)
    assert risk_treated / risk_control == pytest.approx(2.0)
    assert bounding_factor(strength - 0.01, strength - 0.01) < 2.0
    curve = found.curve(20)
    factors = [bounding_factor(a, b) for a, b in curve.iter_rows()]
    assert factors == pytest.approx([2.0] * 20)


def test_fieller_limits_solve_their_equation():
    vcov = np.array([[0.002, 0.0004], [0.0004, 0.001]])
    for treated, control in ((0.5, 0.3), (0.2, 0.4), (0.3, 0.3)):
        for limit in fieller_limits(treated, control, vcov, 1.96):
            spread = vcov[0, 0] - 2 * limit * vcov[0, 1] + limit**2 * vcov[1, 1]
            assert abs(treated - limit * control) == pytest.approx(1.96 * math.sqrt(spread))
    low, high = fieller_limits(0.5, 0.05, vcov, 1.96)  # the controls' mean may be 0
    assert high == math.inf
    spread = vcov[0, 0] - 2 * low * vcov[0, 1] + low**2 * vcov[1, 1]
    assert 0.5 - low * 0.05 == pytest.approx(1.96 * math.sqrt(spread))
    assert fieller_limits(0.05, 0.05, vcov, 1.96) == (0.0, math.inf)


def test_of_a_sample_of_numbers():
    rng = np.random.default_rng(2)
    treated = rng.random(200) < 0.4
    y = rng.normal(size=200) * 3 + 2 * treated
    found = e_value_of(pl.DataFrame({"treated": treated, "y": y}), outcome="y", treatment="treated")
    square = sum(((y[who] - y[who].mean()) ** 2).sum() for who in (treated, ~treated))
    d = (y[treated].mean() - y[~treated].mean()) / math.sqrt(square / 200)
    assert found.ratio == pytest.approx(math.exp(0.91 * d))
    assert found.measure == "mean_difference"
    assert "naive" in found.design


def test_the_summary_says_that_it_is_gross():
    assert "GROSS" in e_value(2.0).summary()


def test_the_door():
    with pytest.raises(UnknownOptionError):
        e_value(2.0, measure="rr")
    with pytest.raises(CallError, match="rare"):
        e_value(2.0, measure="odds_ratio")
    with pytest.raises(InputError, match="above 0"):
        e_value(-0.1)
    with pytest.raises(CallError, match="risk it adds to"):
        e_value(0.1, measure="risk_difference")
    with pytest.raises(InputError, match="no risk"):
        e_value(0.5, measure="risk_difference", baseline=0.8)
    with pytest.raises(CallError, match="standard deviation"):
        e_value(0.5, measure="mean_difference")
    with pytest.raises(InputError, match="between its limits"):
        e_value(1.2, conf_low=1.3, conf_high=1.4)
    with pytest.raises(CallError, match="below 1"):
        bounding_factor(0.5, 2)
    with pytest.raises(CallError, match="no effect"):
        e_value(1.0).curve()
    nobody = pl.DataFrame({"t": [1, 1, 0, 0], "y": [1, 0, 0, 0]})
    with pytest.raises(InputError, match="controls"):
        e_value_of(nobody, outcome="y", treatment="t")


def test_an_estimate_is_a_number():
    with pytest.raises(CallError, match="no number"):
        e_value("2")
