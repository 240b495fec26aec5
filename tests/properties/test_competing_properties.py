"""What holds for every competing-risks model, whatever the data."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from toolkit import survival
from toolkit.errors import EstimationError
from toolkit.survival.design import cells

few = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
NEW = pl.DataFrame({"x": [0.5, -1.0], "y": [1, 0], "layer": [0, 1]})
TIMES = [2, 4]


@st.composite
def spells(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(40, 80))
    time = rng.integers(1, draw(st.integers(4, 12)), n)
    return pl.DataFrame(
        {
            "time": time,
            "entry": np.minimum(time - 1, rng.integers(0, 3, n)),
            "cause": rng.integers(0, 3, n),
            "x": rng.integers(-2, 3, n) / 2,
            "y": rng.integers(0, 2, n),
            "layer": rng.integers(0, 2, n),
            "year": rng.integers(0, 2, n),
            "count": rng.integers(1, 4, n),
            "site": rng.integers(0, 9, n),
        }
    )


def fine_gray(frame, options):
    model = ask(survival.fine_gray, frame, {"cause": 1} | options)
    curves = model.predict_incidence(NEW, TIMES).tidy()
    return [
        model.coefficients, model.vcov, model.vcov_model, [model.loglik, model.loglik_null],
        model.baseline()["estimate"], curves["estimate"], curves["std_error"],
    ]  # fmt: skip


def all_causes(frame, options):
    model = ask(survival.cause_specific, frame, options)
    curves = model.predict_incidence(NEW, TIMES).tidy()
    return [model.coefficients, model.vcov, model.baseline()["estimate"], curves["estimate"],
            curves["std_error"], model.equal_effects()["statistic"]]  # fmt: skip


def ask(estimator, frame, options):
    try:
        return estimator("x + y", frame, time="time", event="cause", **options)
    except EstimationError:
        assume(False)
        raise


def same(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-8, atol=1e-9)


OPTIONS = [
    (fine_gray, {}),
    (fine_gray, {"censoring": "with-events", "ties": "breslow", "strata": "layer"}),
    (fine_gray, {"entry": "entry", "censoring_by": "year", "variance": "fine-gray"}),
    (fine_gray, {"entry": "entry", "strata": "layer", "cluster": "site"}),
    (all_causes, {"entry": "entry", "strata": "layer"}),
    (all_causes, {"cluster": "site", "ties": "breslow"}),
]
every = pytest.mark.parametrize(("fit", "options"), OPTIONS)


@every
@few
@given(frame=spells())
def test_a_weight_repeats_a_row(fit, options, frame):
    repeated = frame[np.repeat(np.arange(frame.height), frame["count"].to_numpy())]
    same(fit(frame, options | {"weights": "count"}), fit(repeated, options))


@every
@few
@given(frame=spells())
def test_order_of_rows_and_size_of_cells_change_nothing(fit, options, frame):
    numbers = fit(frame, options)
    same(fit(frame.sample(fraction=1, shuffle=True, seed=1), options), numbers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "repeats", lambda *_: False)
        same(fit(frame, options), numbers)


@few
@given(frame=spells(), rho=st.sampled_from([0, 1]))
def test_weights_of_tests_and_time_lost_repeat_rows(frame, rho):
    repeated = frame[np.repeat(np.arange(frame.height), frame["count"].to_numpy())]
    asked = {"time": "time", "event": "cause", "by": "layer"}
    tests = [
        survival.gray(one, **asked, cause=1, strata="year", rho=rho, **weights).statistic
        for one, weights in ((frame, {"weights": "count"}), (repeated, {}))
    ]
    assert tests[0] == pytest.approx(tests[1], rel=1e-9, abs=1e-10)
    lost = [
        survival.cumulative_incidence(one, **asked, entry="entry", **weights).rmtl(2.5)
        for one, weights in ((frame, {"weights": "count"}), (repeated, {}))
    ]
    for name in ("estimate", "std_error"):
        np.testing.assert_allclose(lost[0][name].to_numpy(), lost[1][name].to_numpy(), rtol=1e-9)
    curve = survival.cumulative_incidence(frame, **asked)
    free = survival.kaplan_meier(
        frame.with_columns(event=pl.col("cause") > 0), time="time", event="event", by="layer"
    )
    whole = curve.rmtl(3).group_by("layer").agg(pl.col("estimate").sum()).sort("layer")
    np.testing.assert_allclose(whole["estimate"] + free.rmst(3)["estimate"], 3, rtol=1e-12)


@few
@given(frame=spells())
def test_incidences_and_survival_add_up_to_1(frame):
    model = ask(survival.cause_specific, frame, {"strata": "layer"})
    times = model.baseline()["time"].unique().sort().to_list()
    incidence = model.predict_incidence(NEW, times).tidy()["estimate"].to_numpy()
    incidence = incidence.reshape(len(NEW), len(model.models), -1)
    free = np.prod(
        [one.predict_survival(NEW, times).tidy()["estimate"].to_numpy() for one in model.models],
        axis=0,
    ).reshape(len(NEW), -1)
    known = ~np.isnan(free)
    assert known.any()
    np.testing.assert_allclose(incidence.sum(axis=1)[known] + free[known], 1, rtol=1e-12)
    steps = np.diff(incidence, axis=2)
    assert (steps[~np.isnan(steps)] >= 0).all()
