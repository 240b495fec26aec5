"""Discrete-time models on cases small enough to do by hand."""

from fractions import Fraction
from math import comb, exp, log, sqrt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import integrate, stats

from toolkit import errors, survival
from toolkit.survival.discrete import discrete_competing, discrete_hazard

TWO = pl.DataFrame(  # month 1: 1 of 4 leaves with x = 0, 1 of 2 with x = 1
    {"x": [0, 0, 0, 0, 1, 1], "months": [1] * 6, "left": [1, 0, 0, 0, 1, 0]}
)
SPELLS = pl.DataFrame(
    {
        "months": [1, 2, 2, 3, 4, 4, 4, 5, 6, 6],
        "cause": [1, 2, 0, 1, 1, 2, 0, 1, 1, 0],
        "entry": [0, 0, 1, 0, 2, 0, 3, 1, 0, 4],
        "w": [1, 2, 3, 1, 1, 2, 1, 1, 4, 2],
    }
).with_columns(left=pl.col("cause") > 0)


def fit(formula, data, **options):
    return discrete_hazard(formula, data, time="months", event="left", **options)


def test_one_month_two_groups():
    logit = fit("x", TWO, link="logit")
    assert logit.coefficients[0] == pytest.approx(log(3), abs=1e-12)  # odds 1 against 1/3
    # 1 / (n h (1 - h)): 1 / (4 · 3/16) + 1 / (2 · 1/4)
    assert logit.vcov[0, 0] == pytest.approx(float(Fraction(4, 3) + 2), abs=1e-10)
    cloglog = fit("x", TWO)
    mu = log(4 / 3), log(2)
    assert cloglog.coefficients[0] == pytest.approx(log(mu[1] / mu[0]), abs=1e-12)
    # Fisher's information of a group is n times μ² times the odds of staying
    expected = (1 / 4) / (4 * mu[0] ** 2 * (3 / 4)) + 1 / (2 * mu[1] ** 2)
    assert cloglog.vcov[0, 0] == pytest.approx(expected, abs=1e-10)
    for model in (logit, cloglog):
        likelihood = Fraction(1, 4) * Fraction(3, 4) ** 3 * Fraction(1, 4)
        assert model.loglik == pytest.approx(log(likelihood), abs=1e-12)
        assert model.loglik_null == pytest.approx(log(Fraction(1, 3) ** 2 * Fraction(2, 3) ** 4))
        hazard = model.predict_hazard(pl.DataFrame({"x": [0, 1]})).tidy()
        assert hazard["estimate"].to_list() == pytest.approx([1 / 4, 1 / 2], abs=1e-12)
        # the binomial variance of a share
        assert hazard["std_error"].to_list() == pytest.approx([sqrt(3 / 64), sqrt(1 / 8)])


def test_robust_variance_by_hand():
    # scores y - h around 1 / (n h (1 - h)): Σ (y - h)² = n h (1 - h), so nothing changes …
    plain = fit("x", TWO, link="logit")
    robust = fit("x", TWO, link="logit", robust=True)
    assert robust.vcov[0, 0] == pytest.approx(plain.vcov[0, 0], abs=1e-10)
    # … but with pairs as clusters: (3/4 - 1/4), (-1/4 - 1/4) for x = 0 and (1/2 - 1/2) for x = 1
    pairs = TWO.with_columns(pair=pl.Series([0, 0, 1, 1, 2, 2]))
    clustered = fit("x", pairs, link="logit", cluster="pair")
    by_hand = 2 * Fraction(1, 2) ** 2 * Fraction(4, 3) ** 2
    assert clustered.vcov[0, 0] == pytest.approx(float(by_hand), abs=1e-10)
    assert clustered.meta["n_cluster"] == 3


@pytest.mark.parametrize("options", [{}, {"entry": "entry"}, {"entry": "entry", "weights": "w"}])
@pytest.mark.parametrize("link", ["cloglog", "logit"])
def test_without_covariates_it_is_kaplan_meier(link, options):
    model = fit("1", SPELLS, link=link, **options)
    curve = survival.kaplan_meier(SPELLS, time="months", event="left", **options)
    names = ["estimate", "std_error", "conf_low", "conf_high"]
    months = [1, 2, 3, 4, 5, 6]
    ours = model.predict_survival(pl.DataFrame({"any": [1]}), months).tidy()
    theirs = curve.at(months)
    gone = theirs["estimate"] == 0
    assert_frame_equal(
        ours.filter(~gone).select(names), theirs.filter(~gone).select(names), abs_tol=1e-10
    )
    counts = model.baseline().select("time", "n_risk", "n_event", "estimate")
    assert counts["estimate"].to_list() == pytest.approx(
        (counts["n_event"] / counts["n_risk"]).to_list(), abs=1e-12
    )


@pytest.mark.parametrize("entry", [None, "entry"])
def test_without_covariates_competing_is_aalen_johansen(entry):
    asked = {"time": "months", "event": "cause", "entry": entry}
    model = discrete_competing("1", SPELLS, robust=True, **asked)
    curve = survival.cumulative_incidence(SPELLS, **asked)
    months = [1, 2, 3, 4, 5]
    ours = model.predict_incidence(pl.DataFrame({"any": [1]}), months).tidy()
    names = ["cause", "time", "estimate", "std_error"]
    theirs = curve.at(months).select(names).sort("cause", "time")
    assert_frame_equal(ours.select(names), theirs, abs_tol=1e-10)


def test_months_that_settle_themselves():
    data = pl.DataFrame(
        {"months": [1, 1, 2, 3, 3, 4, 4], "left": [1, 0, 0, 1, 0, 1, 1], "x": [0, 1, 0, 1, 0, 1, 0]}
    )
    model = fit("x", data)
    # month 2: 5 at risk and none leaves; month 4: both at risk leave
    assert model.meta["dropped"] == {
        "person-months in a month without an event (hazard 0)": 5,
        "person-months in a month in which everyone at risk left (hazard 1)": 2,
    }
    assert model.meta["n_month"] == 7 + 4
    assert any("hazard is 0 in months 2" in said for said in model.meta["warnings"])
    base = model.baseline()
    assert base["estimate"].to_list()[1::2] == [0.0, 1.0]
    assert base["std_error"].to_list()[1::2] == [None, None]
    curve = model.predict_survival(pl.DataFrame({"x": [0]})).tidy()["estimate"].to_list()
    assert curve[1] == curve[0]
    assert curve[3] == 0
    # the others are as if those months were not there
    short = pl.DataFrame(
        {"months": [1, 1, 1, 2, 2, 2, 2], "left": [1, 0, 0, 1, 0, 0, 0], "x": [0, 1, 0, 1, 0, 1, 0]}
    )
    assert model.coefficients == pytest.approx(fit("x", short).coefficients, abs=1e-9)


def test_pieces_share_a_level():
    data = SPELLS.filter(pl.col("months") < 6)
    model = fit("1", data, baseline="piecewise", cuts=[2])
    base = model.baseline()
    counted = data.height, 2  # months 1 and 2: 8 + 7 at risk, 2 leave
    assert counted[1] == 2
    at_risk = base["n_risk"].to_list()
    events = base["n_event"].to_list()
    first = Fraction(sum(events[:2]), sum(at_risk[:2]))
    later = Fraction(sum(events[2:]), sum(at_risk[2:]))
    assert base["estimate"].to_list() == pytest.approx(
        [float(first)] * 2 + [float(later)] * 3, abs=1e-12
    )
    assert model.glance()["df_baseline"].item() == 2


def test_one_event():
    model = fit("1", pl.DataFrame({"months": [2, 2, 2], "left": [0, 1, 0]}))
    assert model.baseline()["estimate"].to_list() == pytest.approx([0, 1 / 3])
    assert model.glance()["n_event"].item() == 1


def test_strata_have_baselines_of_their_own():
    data = TWO.with_columns(g=pl.col("x")).vstack(TWO.with_columns(g=1 - pl.col("x")))
    model = fit("x", data, strata="g", link="logit")
    # the strata are copies of one another, with the groups' hazards in both
    assert model.coefficients[0] == pytest.approx(log(3), abs=1e-12)
    assert model.baseline()["g"].to_list() == [0, 1]


def test_gamma_frailty_in_one_month():
    # one month says nothing about a frailty; several rows of months do, by Meyer's likelihood
    rng = np.random.default_rng(3)
    n = 4000
    frailty = rng.gamma(0.5, 2.0, n)
    stay = np.exp(-0.25 * frailty)
    drawn = 1 + np.floor(np.log(rng.random(n)) / np.log(stay))
    data = pl.DataFrame({"months": np.minimum(drawn, 6).astype(int), "left": drawn <= 6})
    model = fit("1", data, baseline="piecewise", cuts=[], heterogeneity="gamma")
    theta = model.heterogeneity()["estimate"].item()
    base = model.baseline()["estimate"][0]
    mu = -log(1 - base)

    def value(theta, mu):
        def left(t):
            return (1 + theta * mu * t) ** (-1 / theta)

        counts = data.group_by("months", "left").len().rows()
        return sum(k * log(left(t - 1) - left(t) if gone else left(t)) for t, gone, k in counts)

    assert value(theta, mu) == pytest.approx(model.loglik, abs=1e-8)
    for d in (-1e-3, 1e-3):  # it is the top
        assert value(theta * (1 + d), mu) < model.loglik
        assert value(theta, mu * (1 + d)) < model.loglik
    marginal = (
        model.predict_survival(pl.DataFrame({"any": [0]}), [1, 5]).tidy()["estimate"].to_list()
    )
    assert marginal == pytest.approx([(1 + theta * mu * t) ** (-1 / theta) for t in (1, 5)])
    row = model.heterogeneity().row(0, named=True)
    assert row["statistic"] == pytest.approx(2 * (model.loglik - model.loglik_homogeneous))
    assert row["p_value"] == pytest.approx(stats.chi2(1).sf(row["statistic"]) / 2, rel=1e-8)


@pytest.mark.parametrize("link", ["cloglog", "logit"])
def test_random_intercept_by_integration(link):
    # four months each: k of them with an event, as separate spells of one month
    k = np.repeat([0, 1, 2, 3, 4], [30, 12, 8, 9, 15])
    data = pl.DataFrame(
        {
            "person": np.repeat(np.arange(len(k)), 4),
            "months": np.ones(4 * len(k), int),
            "left": (np.arange(4)[None, :] < k[:, None]).ravel(),
        }
    )
    model = fit("1", data, link=link, heterogeneity="normal", person="person")
    sd = sqrt(model.heterogeneity()["estimate"].item())
    h = model.baseline()["estimate"].item()
    level = log(h / (1 - h)) if link == "logit" else log(-log(1 - h))

    def chance(z, sd, level):
        e = exp(level + sd * z)
        return e / (1 + e) if link == "logit" else 1 - exp(-e)

    def value(sd, level):
        total = 0.0
        for left, persons in zip(*np.unique(k, return_counts=True), strict=True):

            def f(z, left=left):
                p = chance(z, sd, level)
                return p**left * (1 - p) ** (4 - left) * exp(-z * z / 2) / sqrt(2 * np.pi)

            area = integrate.quad(f, -12, 12, epsabs=1e-14, epsrel=1e-12, limit=400)[0]
            total += persons * log(area)
        return total

    assert comb(4, 2) == 6  # orders are not counted: the months are told apart
    assert value(sd, level) == pytest.approx(model.loglik, abs=1e-7)
    for d in (-1e-3, 1e-3):
        assert value(sd * (1 + d), level) < model.loglik
        assert value(sd, level + d) < model.loglik


def test_everyone_censored():
    with pytest.raises(errors.EmptyCohortError, match="No event"):
        fit("x", TWO.with_columns(left=pl.lit(value=False)))
