"""Parametric models whose estimates can be written down: fractions, logs, least squares."""

from fractions import Fraction
from math import log, sqrt

import numpy as np
import polars as pl
import pytest

from toolkit.survival.parametric import parametric
from toolkit.survival.parametric.baselines import Power
from toolkit.survival.parametric.likelihood import Likelihood

SPELLS = pl.DataFrame(
    {
        "months": [2, 3, 3, 5, 8, 1],
        "left": [1, 1, 0, 1, 0, 1],
        "since": [0, 1, 0, 2, 5, 0],
        "sex": ["m", "f", "m", "f", "f", "m"],
        "weight": [1, 2, 3, 1, 0, 2],
        "known": [0.0, log(2), 0.0, log(3), 0.0, 0.0],
    }
)


def fit(formula="1", frame=SPELLS, **options):
    return parametric(formula, frame, **{"time": "months", "event": "left"} | options)


def exact(value):
    return pytest.approx(float(value), abs=1e-12)


def rates(model):
    return model.tidy(exponentiate=True)["estimate"].to_list()


def test_exponential_is_events_over_time():
    model = fit(distribution="exponential")
    rate = Fraction(4, 2 + 3 + 3 + 5 + 8 + 1)
    assert rates(model) == [exact(rate)]
    assert model.std_error[0] == exact(1 / sqrt(4))
    assert model.loglik == exact(4 * log(rate) - 4)
    assert model.loglik == model.loglik_null


def test_late_entries_shorten_the_time():
    model = fit(distribution="exponential", entry="since")
    assert rates(model) == [exact(Fraction(4, 2 + 2 + 3 + 3 + 3 + 1))]


def test_weights_count():
    model = fit(distribution="exponential", weights="weight")
    assert rates(model) == [exact(Fraction(1 + 2 + 1 + 2, 2 + 6 + 9 + 5 + 2))]
    assert model.meta["dropped"] == {"weight is zero": 1}
    robust = fit(distribution="exponential", weights="weight", weight_type="sampling")
    rate = 6 / 24
    moved = [w * (d - rate * t) / 6 for w, t, d in [(1, 2, 1), (2, 3, 1), (3, 3, 0), (1, 5, 1),
                                                    (2, 1, 1)]]  # fmt: skip
    assert robust.robust
    assert robust.std_error[0] == exact(sqrt(sum(x * x for x in moved)))
    assert robust.influence()[:, 0] == pytest.approx([*moved[:4], 0, moved[4]], abs=1e-12)


def test_groups_and_what_is_known():
    model = fit("sex", distribution="exponential")
    men, women = Fraction(2, 6), Fraction(2, 16)  # the first level is 'f'
    assert rates(model) == [exact(women), exact(men / women)]
    model = fit(distribution="exponential", offset="known")
    assert rates(model) == [exact(Fraction(4, 2 + 2 * 3 + 3 + 3 * 5 + 8 + 1))]
    stretched = fit(distribution="exponential", metric="time", offset="known")
    assert rates(stretched) == [exact(Fraction(2 * 6 + 3 * 3 + 3 * 6 + 5 * 2 + 8 * 6 + 6, 24))]


def test_clusters_are_added_up():
    frame = SPELLS.with_columns(person=pl.Series([1, 1, 2, 2, 3, 3]))
    model = fit(frame=frame, distribution="exponential", cluster="person")
    rate = 4 / 22
    moved = [(d - rate * t) / 4 for t, d in zip(frame["months"], frame["left"], strict=True)]
    pairs = [moved[0] + moved[1], moved[2] + moved[3], moved[4] + moved[5]]
    assert model.std_error[0] == exact(sqrt(sum(x * x for x in pairs)))
    assert model.meta["n_cluster"] == 3


def test_steps_are_events_over_time_in_each():
    model = fit(distribution="piecewise", cuts=[2, 4])
    # (0, 2]: all six, one leaves at 1 and one at 2; (2, 4]: four; (4, inf): two
    steps = [Fraction(2, 5 * 2 + 1), Fraction(1, 1 + 1 + 2 + 2), Fraction(1, 1 + 4)]
    assert rates(model) == [exact(rate) for rate in steps]
    assert model.terms == ("log(hazard) (0, 2]", "log(hazard) (2, 4]", "log(hazard) (4, inf)")
    late = fit(distribution="piecewise", cuts=[2, 4], entry="since")
    assert rates(late) == [
        exact(Fraction(2, 2 + 1 + 2 + 0 + 0 + 1)),
        exact(Fraction(1, 1 + 1 + 2)),
        exact(Fraction(1, 1 + 3)),
    ]
    new = pl.DataFrame({"": [0]})
    curve = model.predict_survival(new, [0, 2, 3, 10]).tidy()["estimate"].to_list()
    total = [0, 2 * steps[0], 2 * steps[0] + steps[1], 2 * steps[0] + 2 * steps[1] + 6 * steps[2]]
    assert curve == [exact(np.exp(-float(x))) for x in total]
    assert model.predict_hazard(new, [0, 2, 2.5]).tidy()["estimate"].to_list() == [
        exact(steps[0]), exact(steps[0]), exact(steps[1])
    ]  # fmt: skip
    half = model.predict_quantile(new, 0.5)["estimate"][0]
    rest = log(2) - 2 * float(steps[0])
    assert half == exact(2 + rest / float(steps[1]))


def test_event_at_time_zero_takes_no_time():
    frame = pl.DataFrame({"months": [0, 2, 4], "left": [1, 1, 0]})
    for options in ({"distribution": "exponential"}, {"distribution": "piecewise", "cuts": [1]}):
        model = fit(frame=frame, **options)
        wanted = [Fraction(2, 6)] if "cuts" not in options else [Fraction(1, 2), Fraction(1, 4)]
        assert rates(model) == [pytest.approx(float(rate), abs=1e-11) for rate in wanted]


def test_one_event():
    frame = pl.DataFrame({"months": [4, 6], "left": [1, 0]})
    assert rates(fit(frame=frame, distribution="exponential")) == [exact(Fraction(1, 10))]


def test_had_come_before_the_first_look():
    """3 of 8 had left by month 2, nothing else is known: S(2) = 5/8."""
    frame = pl.DataFrame({"low": [0] * 3 + [2] * 5, "high": [2] * 3 + [None] * 5})
    model = parametric("1", frame, time="low", upper="high", distribution="exponential")
    assert rates(model) == [exact(-log(Fraction(5, 8)) / 2)]
    assert model.loglik == exact(3 * log(3 / 8) + 5 * log(5 / 8))
    assert model.meta["interval_censored"] == 3
    # infinite says as much as missing
    endless = frame.with_columns(pl.col("high").cast(pl.Float64).fill_null(float("inf")))
    again = parametric("1", endless, time="low", upper="high", distribution="exponential")
    assert again.loglik == model.loglik


def test_two_looks():
    """Left in (0, 1], in (1, 2], or still there at 2: 4, 2 and 3 of 9.

    With q = exp(-rate) the likelihood is (1 - q)^4 (q - q²)^2 q^6, at its top for q = 8/14. With a
    hazard per look S(1) = 5/9 and S(2) = 3/9 exactly.
    """
    frame = pl.DataFrame(
        {"low": [0] * 4 + [1] * 2 + [2] * 3, "high": [1] * 4 + [2] * 2 + [None] * 3}
    )
    model = parametric("1", frame, time="low", upper="high", distribution="exponential")
    assert rates(model) == [exact(-log(Fraction(8, 14)))]
    free = parametric("1", frame, time="low", upper="high", distribution="piecewise", cuts=[1])
    found = free.predict_survival(pl.DataFrame({"": [0]}), [1, 2]).tidy()["estimate"].to_list()
    assert found == [exact(Fraction(5, 9)), exact(Fraction(3, 9))]
    # a Weibull curve goes through both as well
    model = parametric("1", frame, time="low", upper="high")
    found = model.predict_survival(pl.DataFrame({"": [0]}), [1, 2]).tidy()["estimate"].to_list()
    assert found == [exact(Fraction(5, 9)), exact(Fraction(3, 9))]


def test_looks_after_a_late_entry():
    """Of 5 who enter at 1, 2 left in (1, 2], 3 are there at 2: S(2)/S(1) = 3/5."""
    frame = pl.DataFrame(
        {"low": [1, 1, 2, 2, 2], "high": [2, 2, None, None, None], "since": [1] * 5}
    )
    model = parametric(
        "1", frame, time="low", upper="high", entry="since", distribution="exponential"
    )
    assert rates(model) == [exact(-log(Fraction(3, 5)))]


def test_interval_of_no_width_is_a_time():
    frame = SPELLS.with_columns(upper=pl.when(pl.col("left") == 1).then("months"))
    model = parametric("sex", frame, time="months", upper="upper")
    assert model.coefficients == pytest.approx(fit("sex").coefficients, abs=1e-12)
    assert model.meta["interval_censored"] == 0


def test_lognormal_without_censoring_is_least_squares():
    frame = pl.DataFrame({"months": [1, 2, 4, 8, 3], "left": [1] * 5, "x": [0, 1, 2, 3, 1]})
    model = fit("x", frame, distribution="lognormal")
    x = np.column_stack([np.ones(5), frame["x"].to_numpy()])
    y = np.log(frame["months"].to_numpy())
    b, _, _, _ = np.linalg.lstsq(x, y, rcond=None)
    s = sqrt(np.mean((y - x @ b) ** 2))
    assert model.coefficients == pytest.approx([*b, log(s)], abs=1e-10)
    errors = [*(s * np.sqrt(np.diag(np.linalg.inv(x.T @ x)))), 1 / sqrt(10)]
    assert model.std_error == pytest.approx(errors, abs=1e-10)


def test_straight_splines_are_the_distributions():
    pairs = {"hazard": ("weibull", "hazard"), "odds": ("log_logistic", "odds"),
             "probit": ("lognormal", "probit")}  # fmt: skip
    for metric, (distribution, own) in pairs.items():
        spline = fit("sex", distribution="spline", metric=metric, df=1)
        power = fit("sex", distribution=distribution, metric=own)
        assert spline.loglik == pytest.approx(power.loglik, abs=1e-10)
        assert spline.coefficients[:2] == pytest.approx(power.coefficients[:2], abs=1e-8)
        assert np.log(spline.coefficients[2]) == pytest.approx(power.coefficients[2], abs=1e-8)


def test_weibull_with_heterogeneity_of_variance_1_is_log_logistic():
    model = fit("sex", entry="since")
    point = np.array([-1.5, 0.4, 0.2])
    mixed = Likelihood(model.observed, Power(link="hazard", stretch=False))
    odds = Likelihood(model.observed, Power(link="odds", stretch=False))
    found, wanted = mixed(np.append(point, 0.0), frailty=True), odds(point)
    assert found.value == pytest.approx(wanted.value, abs=1e-12)
    assert found.score[:3] == pytest.approx(wanted.score, abs=1e-12)
    assert found.information[:3, :3] == pytest.approx(wanted.information, abs=1e-12)


def test_two_metrics_are_one_model():
    new = pl.DataFrame({"sex": ["f", "m"]})
    for distribution, other in (("weibull", "time"), ("log_logistic", "odds"),
                                ("lognormal", "probit"), ("exponential", "time")):  # fmt: skip
        one = fit("sex", distribution=distribution)
        two = fit("sex", distribution=distribution, metric=other)
        assert one.loglik == pytest.approx(two.loglik, abs=1e-10)
        for method, at in (("predict_survival", [1, 4]), ("predict_hazard", [1, 4]),
                           ("predict_quantile", 0.3), ("rmst", 6)):  # fmt: skip
            a, b = (getattr(model, method)(new, at) for model in (one, two))
            if method in {"predict_survival", "predict_hazard"}:
                a, b = a.tidy(), b.tidy()
            for name in ("estimate", "std_error", "conf_low", "conf_high"):
                assert a[name].to_list() == pytest.approx(b[name].to_list(), rel=1e-8)


def test_mean_and_median_of_the_exponential():
    model = fit(distribution="exponential")
    rate, new = 4 / 22, pl.DataFrame({"": [0]})
    median = model.predict_quantile(new, 0.5).row(0, named=True)
    assert median["estimate"] == exact(log(2) / rate)
    assert median["std_error"] == exact(log(2) / rate / 2)
    area = model.rmst(new, 6).row(0, named=True)
    assert area["estimate"] == exact((1 - np.exp(-6 * rate)) / rate)
    slope = 6 * np.exp(-6 * rate) - (1 - np.exp(-6 * rate)) / rate  # to the log rate
    assert area["std_error"] == exact(abs(slope) / 2)
    base = model.baseline([0, 5])
    assert base["hazard"].to_list() == [exact(rate), exact(rate)]
    assert base["cumulative_hazard"].to_list() == [pytest.approx(0, abs=1e-12), exact(5 * rate)]
    curve = model.predict_survival(new, [0, 5]).tidy()
    assert curve.row(0)[1:] == (0, 1.0, 0.0, 1.0, 1.0)
    assert model.baseline().height == 101


def test_no_heterogeneity_is_said():
    """Durations more alike than exponential ones leave nothing for a variance."""
    frame = pl.DataFrame({"months": [3, 4, 4, 5, 5, 5, 6, 6, 7], "left": [1] * 9})
    model = fit(frame=frame, distribution="exponential", heterogeneity="gamma")
    assert model.frailty_variance == 0
    assert "no heterogeneity was found" in model.meta["warnings"][0]
    assert "no heterogeneity was found" in model.summary()
    glance = model.glance().row(0, named=True)
    assert (glance["lr_frailty"], glance["p_frailty"]) == (0, 1)
    assert model.terms == ("Intercept",)


def test_heterogeneity_found_is_tested_one_sided():
    # half leave at once, half hardly ever: 1/S runs as 1 + θHt
    frame = pl.DataFrame({"months": [1, 1, 1, 2, 2, 30, 40, 60, 90, 150], "left": [1] * 10})
    model = fit(frame=frame, distribution="exponential", heterogeneity="gamma")
    glance = model.glance().row(0, named=True)
    assert model.frailty_variance == pytest.approx(np.exp(model.coefficients[-1]))
    assert glance["lr_frailty"] == pytest.approx(2 * (model.loglik - model.loglik_plain))
    from scipy.stats import chi2

    assert glance["p_frailty"] == pytest.approx(chi2.sf(glance["lr_frailty"], 1) / 2)
    assert glance["df"] == 2
    assert "for a person" in model.meta["estimand"]
    robust = fit(frame=frame, distribution="exponential", heterogeneity="gamma", robust=True)
    assert robust.glance()["p_frailty"].to_list() == [None]


def test_plot_draws_a_curve_a_row():
    import matplotlib.pyplot as plt

    model = fit("sex")
    ax = model.plot(new=pl.DataFrame({"sex": ["f", "m"]}))
    assert len(ax.lines) == 2
    assert [text.get_text() for text in ax.texts] == ["f", "m"]
    alone = model.plot()
    assert len(alone.lines) == 1
    plt.close("all")
