"""Calibration by negative controls: closed cases, another optimiser, the door."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from toolkit.effects.sensitivity import negative_controls
from toolkit.effects.sensitivity.systematic_error import fit_error
from toolkit.errors import InputError, MissingValueError


def frame(estimate, error):
    return pl.DataFrame({"estimate": estimate, "std_error": error})


def test_equal_errors_have_a_closed_answer():
    """μ is the mean, τ² the variance less s², and 0 when that is negative."""
    found = fit_error(np.array([0.1, 0.25, -0.05, 0.2, 0.15]), np.full(5, 0.05))
    assert found.mean == pytest.approx(0.13)
    assert found.sd == pytest.approx(math.sqrt(0.0106 - 0.0025))
    assert found.mean_error == pytest.approx(math.sqrt(0.0106 / 5))
    # ½ n / (τ² + s²)² is the information of τ²
    assert found.sd_error == pytest.approx(math.sqrt(2 / 5) * 0.0106 / (2 * 0.09))
    none = fit_error(np.array([0.01, -0.01, 0.0]), np.full(3, 0.1))
    assert (none.sd, none.sd_error) == (0.0, None)


@pytest.mark.parametrize("seed", range(4))
def test_another_optimiser_finds_nothing_better(seed):
    rng = np.random.default_rng(seed)
    error = rng.uniform(0.02, 0.4, 40)
    estimate = rng.normal(0.1, np.hypot(0.15, error))

    def minus(at):
        return -norm.logpdf(estimate, at[0], np.sqrt(at[1] ** 2 + error**2)).sum()

    other = min(
        (minimize(minus, start, method="Nelder-Mead",
                  options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000})
         for start in ([0.0, 0.1], [0.2, 0.5])), key=lambda found: found.fun,
    )  # fmt: skip
    found = fit_error(estimate, error)
    assert found.loglik == pytest.approx(-other.fun, abs=1e-9)
    assert (found.mean, found.sd) == pytest.approx((other.x[0], abs(other.x[1])), abs=1e-5)


def test_calibration_by_hand():
    made = negative_controls(frame([0.1, 0.25, -0.05, 0.2, 0.15], [0.05] * 5))
    row = made.calibrate(
        pl.DataFrame({"what": ["effect"], "estimate": [0.4], "std_error": [0.12]})
    ).row(0, named=True)
    spread = math.sqrt(0.12**2 + 0.0081)
    assert row["what"] == "effect"
    assert row["estimate"] == pytest.approx(0.27)
    assert row["std_error"] == pytest.approx(spread) == pytest.approx(0.15)
    assert row["p_value"] == pytest.approx(2 * norm.sf(0.27 / 0.15))
    assert row["conf_low"] == pytest.approx(0.27 - 1.959964 * 0.15, abs=1e-6)
    assert (row["raw_estimate"], row["raw_std_error"]) == (0.4, 0.12)
    wider = made.calibrate(frame([0.4], [0.12]), uncertain=True)["std_error"][0]
    assert wider == pytest.approx(math.sqrt(0.15**2 + 0.0106 / 5))


def test_without_systematic_error_nothing_is_calibrated_away():
    made = negative_controls(frame([0.01, -0.01, 0.0, 0.0], [0.1] * 4))
    row = made.calibrate(frame([0.3], [0.1])).row(0, named=True)
    assert (row["estimate"], row["std_error"]) == pytest.approx((0.3, 0.1))


def test_each_control_is_judged_by_the_others():
    estimate, error = np.array([0.1, 0.3, 0.2, 0.9, 0.15]), np.array([0.1, 0.1, 0.2, 0.1, 0.05])
    made = negative_controls(frame(estimate, error))
    others = np.arange(5) != 3
    fit = fit_error(estimate[others], error[others])
    row = made.leave_one_out().row(3, named=True)
    assert row["estimate"] == pytest.approx(0.9 - fit.mean)
    assert not row["covered"]
    assert made.glance()["coverage_calibrated"][0] <= 0.8


def test_the_summary_the_picture_and_few_controls():
    import matplotlib.pyplot as plt

    made = negative_controls(frame([0.1, 0.25, -0.05], [0.05] * 3))
    assert "only 3 negative controls" in made.summary()
    axes = made.plot()
    assert axes.get_ylabel() == "Standard error"
    plt.close(axes.figure)


def test_the_door():
    with pytest.raises(InputError, match="at least 3"):
        negative_controls(frame([0.1, 0.2], [0.1, 0.1]))
    with pytest.raises(InputError, match="not above 0"):
        negative_controls(frame([0.1, 0.2, 0.3], [0.1, 0.0, 0.1]))
    with pytest.raises(MissingValueError):
        negative_controls(frame([0.1, None, 0.3], [0.1, 0.1, 0.1]))
