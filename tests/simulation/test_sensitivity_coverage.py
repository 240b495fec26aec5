"""Sensitivity analyses hold what they say when the world is as they assume."""

import os

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from toolkit.effects.sensitivity import (
    negative_controls,
    omitted_variable_bounds,
    placebo,
    rosenbaum_bounds,
)

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "200"))


def test_calibrated_intervals_cover_and_raw_ones_do_not(covers):
    rng = np.random.default_rng(11)
    low, high, raw = [], [], []
    for _ in range(REPLICATES):
        error = rng.uniform(0.05, 0.2, 41)
        estimate = rng.normal(0.1, np.hypot(0.15, error))  # systematic N(0.1, 0.15²), no effects
        found = negative_controls(pl.DataFrame({"estimate": estimate[1:], "std_error": error[1:]}))
        one = pl.DataFrame({"estimate": estimate[:1] + 0.3, "std_error": error[:1]})
        made = found.calibrate(one, uncertain=True).row(0, named=True)
        low.append(made["conf_low"])
        high.append(made["conf_high"])
        raw.append(abs(estimate[0]) <= 1.96 * error[0])
    covers("Sensitivity", "effect calibrated by 40 negative controls", low, high, 0.3, slack=0.015,
           note="τ is estimated; without calibration about half")  # fmt: skip
    assert np.mean(raw) < 0.75


@pytest.mark.parametrize("kind", ["yes and no", "numbers"])
def test_a_hidden_bias_of_gamma_is_bounded_by_it(kind):
    """No effect, but in each pair who is better off is treated with odds Γ = 2."""
    rng = np.random.default_rng(7)
    n, true = 80, 2.0
    frame = pl.DataFrame({"pair": np.repeat(np.arange(n), 2), "t": np.tile([1, 0], n)})
    bounded, naive = [], []
    for _ in range(REPLICATES // 2):
        both = rng.normal(size=(n, 2)) if kind == "numbers" else rng.random((n, 2)) < 0.4
        both = np.sort(both.astype(float), axis=1)[:, ::-1]
        better = rng.random(n) < true / (1 + true)
        y = np.where(better[:, None], both, both[:, ::-1]).ravel()
        table = rosenbaum_bounds(
            frame.with_columns(y=pl.Series(y)), outcome="y", treatment="t", subclass="pair",
            alternative="greater", gammas=[1.0, true],
        ).tidy()  # fmt: skip
        naive.append(table["p_high"][0] < 0.05)
        bounded.append(table["p_high"][1] < 0.05)
    assert np.mean(naive) > 0.5
    assert np.mean(bounded) <= 0.05 + 4 * (0.05 * 0.95 / len(bounded)) ** 0.5


def test_the_joint_placebo_test_has_its_level():
    rng = np.random.default_rng(3)
    refused = []
    for _ in range(REPLICATES // 2):
        able = rng.normal(size=400)
        frame = pl.DataFrame(
            {"t": rng.random(400) < 0.4, **{f"b{k}": able + rng.normal(size=400) for k in range(4)}}
        )
        found = placebo(frame, outcome_before=["b0", "b1", "b2", "b3"], treatment="t")
        refused.append(not found.passed)
    assert abs(np.mean(refused) - 0.05) <= 4 * (0.05 * 0.95 / len(refused)) ** 0.5


def test_an_omitted_variable_as_strong_as_its_benchmark_is_bounded():
    """Two covariates of equal strength, one of them not observed: once it, the truth is inside."""
    rng = np.random.default_rng(5)
    seen, hidden = rng.normal(size=(2, 20_000))
    treated = rng.random(20_000) < ndtr(0.4 * seen + 0.4 * hidden)
    y = 0.5 * treated + seen + hidden + rng.normal(size=20_000)
    frame = pl.DataFrame({"t": treated, "seen": seen, "y": y})
    found = omitted_variable_bounds(
        frame, outcome="y", treatment="t", covariates=["seen"], times=[1]
    )
    row = found.bounds.row(0, named=True)
    assert found.estimate > 0.9  # far from the true 0.5
    assert row["estimate"] == pytest.approx(0.5, abs=0.1)
