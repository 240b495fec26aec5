"""Cox models small enough to do on paper, as exact fractions."""

from fractions import Fraction
from math import log, sqrt

import numpy as np
import polars as pl
import pytest

from toolkit.errors import EmptyCohortError
from toolkit.survival.cox import cox
from toolkit.survival.cox.hazard import hazard_at, hazard_influence
from toolkit.survival.cox.ties import breslow_sums, efron_sums

F = Fraction
THREE = pl.DataFrame({"time": [1, 2, 3], "event": [1, 1, 0], "x": [1.0, 0.0, 1.0]})


def fit(frame, formula="x", **options):
    return cox(formula, frame, time="time", event="event", **options)


def test_two_events_among_three():
    # θ/(2θ + 1) · 1/(1 + θ) is highest where θ² = 1/2
    model = fit(THREE)
    assert model.coefficients[0] == pytest.approx(-log(2) / 2, abs=1e-12)
    assert model.loglik_null == pytest.approx(log(F(1, 3) * F(1, 2)), abs=1e-14)
    theta = 1 / sqrt(2)
    assert model.loglik == pytest.approx(log(theta / (2 * theta + 1) / (1 + theta)), abs=1e-14)
    # score at 0: (1 - 2/3) + (0 - 1/2) = -1/6, information 2/9 + 1/4 = 17/36
    assert model.score_test == pytest.approx(float(F(1, 36) / F(17, 36)), abs=1e-14)
    share = [2 * theta / (2 * theta + 1), theta / (1 + theta)]  # of x = 1 in the two risk sets
    information = sum(p * (1 - p) for p in share)
    assert model.vcov[0, 0] == pytest.approx(1 / information, rel=1e-12)


TIED = pl.DataFrame({"time": [1, 1, 2, 3], "event": [1, 1, 0, 1], "x": [1.0, 0.0, 0.0, 1.0]})


@pytest.mark.parametrize(
    ("ties", "likelihood", "hazard"),
    [
        ("efron", F(1, 4) * F(1, 3), F(1, 4) + F(1, 3)),
        ("breslow", F(1, 4) * F(1, 4), F(1, 4) + F(1, 4)),
        ("exact", F(1, 6), F(1, 2)),  # one of the six pairs of four
    ],
)
def test_two_tied_events_among_four(ties, likelihood, hazard):
    null = fit(TIED, "1", ties=ties)
    assert null.loglik == null.loglik_null == pytest.approx(log(likelihood), abs=1e-14)
    assert fit(TIED, ties=ties).loglik_null == pytest.approx(log(likelihood), abs=1e-14)
    base = null.baseline()
    assert base["time"].to_list() == [1, 3]
    assert base["hazard"].to_list() == pytest.approx([float(hazard), 1.0], abs=1e-14)
    # the variance with nothing to estimate: Σ 1/S²
    wide = {"efron": F(1, 16) + F(1, 9), "breslow": F(1, 8), "exact": F(1, 8)}[ties]
    assert base["std_error"][0] == pytest.approx(sqrt(wide), abs=1e-14)


def test_martingale_residuals_of_tied_events_by_efron():
    residual = fit(TIED, "1").residuals("martingale")
    # the dying live through 1/4 + (1/2)(1/3), the others through 1/4 + 1/3
    lived = F(1, 4) + F(1, 6)
    stay = F(1, 4) + F(1, 3)
    assert residual.tolist() == pytest.approx(
        [float(1 - lived), float(1 - lived), float(-stay), float(1 - stay - 1)], abs=1e-14
    )
    assert residual.sum() == pytest.approx(0, abs=1e-14)


def test_sampling_weights_share_their_mean_among_tied_events():
    frame = TIED.with_columns(w=pl.Series([2.5, 1.5, 1.0, 1.0]))
    model = fit(frame, "1", weights="w")
    # at time 1 the risk set weighs 6, the dying 4, each w̄ = 2: 2/6 + 2/(6 - 2)
    assert model.baseline()["hazard"][0] == pytest.approx(float(F(2, 6) + F(2, 4)), abs=1e-14)
    assert model.loglik == pytest.approx(2 * log(F(1, 6) * F(1, 4)), abs=1e-13)


def test_left_truncation_and_a_gap_in_which_nobody_is_at_risk():
    frame = pl.DataFrame(
        {
            "entry": [0, 0, 5, 5, 6],
            "time": [2, 3, 7, 8, 8],
            "event": [1, 1, 1, 1, 0],
            "x": [0.0, 1.0, 1.0, 0.0, 0.0],
        }
    )
    model = fit(frame, entry="entry", ties="efron")
    # risk sets: {1, 2}, {2}, {3, 4, 5}, {4, 5}
    assert model.loglik_null == pytest.approx(log(F(1, 2) * F(1, 3) * F(1, 2)), abs=1e-14)
    # 1/(1 + θ) · 1 · θ/(θ + 2) · 1/2 is highest where θ² = 2
    assert model.coefficients[0] == pytest.approx(log(2) / 2, abs=1e-10)


def test_who_enters_at_the_time_of_an_event_is_not_yet_at_risk():
    frame = pl.DataFrame(
        {"entry": [0, 0, 1], "time": [1, 2, 2], "event": [1, 1, 0], "x": [0, 1, 1]}
    )
    assert fit(frame, "1", entry="entry").loglik == pytest.approx(log(F(1, 2) * F(1, 2)))


def test_strata_have_risk_sets_of_their_own():
    frame = pl.concat([THREE.with_columns(s=pl.lit("a")), THREE.with_columns(s=pl.lit("b"))])
    one, two = fit(THREE), fit(frame, strata="s")
    assert two.loglik_null == pytest.approx(2 * one.loglik_null)
    assert two.coefficients == pytest.approx(one.coefficients, abs=1e-12)
    assert two.baseline()["s"].to_list() == ["a", "a", "b", "b"]


def test_one_event():
    frame = pl.DataFrame({"time": [2, 3, 4], "event": [1, 0, 0], "x": [0.0, 1.0, -1.0]})
    model = fit(frame)  # 1/(1 + θ + 1/θ) is highest at θ = 1
    assert model.coefficients[0] == pytest.approx(0, abs=1e-12)
    assert model.vcov[0, 0] == pytest.approx(float(F(3, 2)))
    assert fit(frame, "1").baseline()["hazard"].to_list() == pytest.approx([float(F(1, 3))])


def test_everyone_censored_is_refused():
    with pytest.raises(EmptyCohortError, match="no event"):
        fit(THREE.with_columns(event=0))


def test_an_event_of_somebody_alone_at_risk_says_nothing():
    more = pl.concat([THREE, pl.DataFrame({"time": [9], "event": [1], "x": [5.0]})])
    # the last to leave: with them at risk the others' risk sets are larger, so compare at 0
    assert fit(more, "1").loglik == pytest.approx(log(F(1, 4) * F(1, 3) * 1))


def test_schoenfeld_residuals_are_what_is_left_of_the_covariates():
    model = fit(THREE)
    theta = 1 / sqrt(2)
    mean = [2 * theta / (2 * theta + 1), theta / (1 + theta)]
    residual = model.residuals("schoenfeld")[:, 0]
    assert residual[:2] == pytest.approx([1 - mean[0], 0 - mean[1]], abs=1e-12)
    assert np.isnan(residual[2])


def test_concordance_counts_pairs_by_hand():
    frame = pl.DataFrame(
        {"time": [1, 2, 2, 3, 4], "event": [1, 1, 0, 1, 0], "x": [3.0, 1.0, 2.0, 2.0, 2.0]}
    )
    model = fit(frame)
    c = model.concordance
    higher = np.sign(model.coefficients[0])
    # 1 beats all four; 2 (x = 1) loses to 3, 4 and 5; 4 ties with 5
    expected = (4, 3, 1) if higher > 0 else (3, 4, 1)
    assert (c.concordant, c.discordant, c.tied_risk) == expected
    assert c.estimate == pytest.approx(float(F(expected[0] * 2 + 1, 16)))


def test_expected_survival_of_the_null_model_is_that_of_nelson_and_aalen():
    curve = fit(TIED, "1", ties="breslow").predict_survival(
        pl.DataFrame({"any": [1]}), [0, 1, 2, 3]
    )
    tidy = curve.tidy()
    assert tidy["estimate"].to_list() == pytest.approx(
        [1.0, np.exp(-0.5), np.exp(-0.5), np.exp(-1.5)]
    )
    assert tidy["std_error"][0] == 0


def test_past_the_last_observed_time_nothing_is_known():
    tidy = fit(THREE).predict_survival(THREE[:1], [3, 4]).tidy()
    assert tidy["estimate"][0] is not None
    assert tidy["estimate"][1] is None
    assert tidy["conf_low"][1] is None


@pytest.mark.parametrize("deaths", [1, 2, 47, 48, 49, 60, 1_000])
@pytest.mark.parametrize("ratio", [1.0, 1.01, 2.0, 1e3])
def test_sums_over_many_deaths_are_their_sums(deaths, ratio):
    dying = 2.5 * deaths
    risk = dying * ratio
    share = [F(j, deaths) for j in range(deaths)]
    left = [F(risk) - f * F(dying) for f in share]
    found = efron_sums(np.array([risk]), np.array([dying]), np.array([float(deaths)]))
    pairs = {
        "first": sum(1 / s for s in left),
        "second": sum(1 / s**2 for s in left),
        "own_first": sum((1 - f) / s for f, s in zip(share, left, strict=True)),
        "own_second": sum((1 - f) / s**2 for f, s in zip(share, left, strict=True)),
    }
    for name, exact in pairs.items():
        assert getattr(found, name)[0] == pytest.approx(float(exact), rel=2e-12)
    assert found.log[0] == pytest.approx(sum(log(s) for s in left), rel=1e-12)


def test_breslows_sums_take_the_whole_risk_set():
    found = breslow_sums(np.array([4.0]), np.array([2.0]))
    assert (found.first[0], found.second[0], found.own_first[0]) == (0.5, 0.125, 0.5)


def _many(n=40):
    i = np.arange(1, n + 1)
    time = 1 + (((i * 7919) % 997) * (1 + i % 3)) % 12
    return pl.DataFrame(
        {
            "time": time,
            "entry": np.minimum(time - 1, ((i * 271) % 97) % 4),
            "event": ((i * 104729) % 101) % 3 > 0,
            "x": ((i * 37) % 101) / 25,
            "layer": ((i * 613) % 89) % 2,
        }
    )


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("entry", [None, "entry"])
def test_influences_are_derivatives_in_the_weights(ties, entry):
    frame, times, x = _many(), np.array([2.0, 6.0, 11.0]), 3.2
    weight = np.linspace(0.5, 1.7, 40)

    def refit(w):
        model = fit(frame.with_columns(w=pl.Series(w)), weights="w", weight_type="sampling",
                    ties=ties, entry=entry, strata="layer")  # fmt: skip
        ratio = np.exp((x - model.fitted.centre) @ model.coefficients)
        hazard = hazard_at(model.fitted, np.zeros(3, dtype=int), times).cumulative
        return model, ratio * hazard

    model, _ = refit(weight)
    fitted, cell = model.fitted, model.design.cell_of_row()
    base = hazard_at(fitted, np.zeros(3, dtype=int), times)
    own = hazard_influence(fitted, times)[cell] * (frame["layer"] == 0).to_numpy()[:, None]
    middle = x - fitted.centre
    ratio = np.exp(middle @ model.coefficients)
    slope = middle * base.cumulative[:, None] - base.slope
    ours = ratio * (own + model.residuals("dfbeta") @ slope.T)
    # one more unit anywhere: together they leave the estimate where it is
    assert (ours * weight[:, None]).sum(axis=0) == pytest.approx(0, abs=1e-12)
    for row in (0, 7, 23, 39):
        step = np.zeros(40)
        step[row] = 1e-5
        (up, high), (down, low) = refit(weight + step), refit(weight - step)
        moved = (up.coefficients - down.coefficients) / 2e-5
        assert model.residuals("dfbeta")[row] == pytest.approx(moved, abs=1e-7)
        assert ours[row] == pytest.approx((high - low) / 2e-5, abs=1e-7)


def test_robust_errors_of_predictions_are_the_root_of_the_squared_influences():
    frame = _many().with_columns(
        w=pl.Series(np.linspace(0.5, 1.7, 40)), site=pl.Series(range(40)) // 4
    )
    new = pl.DataFrame({"x": [3.2], "layer": [1]})
    for cluster in (None, "site"):
        model = fit(frame, weights="w", strata="layer", entry="entry", cluster=cluster)
        curve = model.predict_survival(new, [6.0]).tidy()
        fitted, cell = model.fitted, model.design.cell_of_row()
        base = hazard_at(fitted, np.array([1]), np.array([6.0]))
        own = hazard_influence(fitted, np.array([6.0]))[cell, 0] * frame["layer"].to_numpy()
        middle = 3.2 - fitted.centre
        slope = middle * base.cumulative[0] - base.slope[0]
        ratio = float(np.exp(middle @ model.coefficients))
        moved = ratio * (own * frame["w"].to_numpy() + model.influence() @ slope)
        if cluster:
            moved = np.add.reduceat(moved, np.arange(0, 40, 4))
        error = np.sqrt((moved**2).sum()) * curve["estimate"][0]
        assert curve["std_error"][0] == pytest.approx(error, rel=1e-10)


def test_influence_squares_to_the_robust_variance():
    model = fit(_many(), robust=True)
    assert model.influence().T @ model.influence() == pytest.approx(model.vcov, rel=1e-10)
    assert model.residuals("dfbetas") == pytest.approx(
        model.residuals("dfbeta") / model.std_error, rel=1e-12
    )
