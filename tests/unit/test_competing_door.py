"""What competing-risks estimators refuse, and what their results say."""

import numpy as np
import polars as pl
import pytest

from toolkit import survival
from toolkit.errors import (
    CallError,
    CollinearityError,
    EmptyCohortError,
    EstimationError,
    SeparationError,
    UnknownCodeError,
    UnknownColumnError,
    UnknownOptionError,
)


def made(n=200, seed=3, *, censored=0.3):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 13, n)
    return pl.DataFrame(
        {
            "time": time,
            "cause": np.where(rng.random(n) < censored, 0, rng.integers(1, 4, n)),
            "x": rng.integers(-3, 4, n) / 2,
            "z": rng.integers(0, 2, n),
            "s": rng.integers(0, 2, n),
            "g": rng.integers(0, 2, n),
            "entry": np.minimum(time - 1, rng.integers(0, 4, n)),
            "w": rng.uniform(0.5, 2, n),
        }
    )


def fine_gray(formula, frame, **options):
    return survival.fine_gray(
        formula, frame, **{"time": "time", "event": "cause", "cause": 1} | options
    )


def test_rho():
    frame = made()
    for rho in (-1, float("nan"), "1", True):
        with pytest.raises(CallError, match="rho"):
            survival.gray(frame, time="time", event="cause", cause=1, by="s", rho=rho)
        with pytest.raises(CallError, match="rho"):
            survival.logrank(frame, time="time", event="z", by="s", rho=rho)
    with pytest.raises(CallError, match="whole"):
        survival.gray(frame, time="time", event="cause", cause=1, by="s", weights="w")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"cause": 9}, UnknownOptionError, "cause"),
        ({"ties": "exact"}, UnknownOptionError, "ties"),
        ({"censoring": "before"}, UnknownOptionError, "after-events"),
        ({"variance": "robust"}, UnknownOptionError, "jackknife"),
        ({"censoring_by": "gg"}, UnknownColumnError, "gg"),
        ({"strata": "ss"}, UnknownColumnError, "ss"),
        ({"cluster": "no"}, UnknownColumnError, "no"),
        ({"conf_level": 95}, CallError, "conf_level"),
    ],
)
def test_refused_calls(change, error, says):
    with pytest.raises(error, match=says):
        fine_gray("x", made(), **change)


def test_refused_data():
    frame = made()
    with pytest.raises(EmptyCohortError):
        fine_gray("x", frame.with_columns(cause=pl.lit(0)))
    with pytest.raises(EmptyCohortError):
        survival.cause_specific("x", frame.with_columns(cause=0), time="time", event="cause")
    with pytest.raises(CollinearityError, match="'x2'"):
        fine_gray("x + x2", frame.with_columns(x2=1 - 2 * pl.col("x")))
    with pytest.raises(CollinearityError, match="'s'"):
        fine_gray("x + s", frame, strata="s")
    apart = frame.with_columns(x=(pl.col("cause") == 1).cast(pl.Int8))
    with pytest.raises(SeparationError, match="'x'"):
        fine_gray("x", apart)
    with pytest.raises(SeparationError, match=r"cause = 1"):
        survival.cause_specific("x", apart, time="time", event="cause")
    with pytest.raises(CallError, match="cluster"):
        survival.cause_specific("x", frame, time="time", event="cause", cluster="s", robust=False)


def test_a_gap_in_left_truncated_data_is_refused():
    """After 2 nobody is left; who left by another cause cannot be told to stay."""
    frame = pl.DataFrame(
        {"entry": [0, 0, 5, 5, 5], "time": [1, 2, 6, 7, 8], "cause": [2, 1, 1, 2, 1],
         "x": [1, 0, 1, 1, 0]}
    )  # fmt: skip
    with pytest.raises(EstimationError, match="Nobody is at risk for a while"):
        fine_gray("x", frame, entry="entry")
    assert fine_gray("x", frame.filter(pl.col("entry") > 0), entry="entry").meta["n"] == 3


def test_new_data_are_checked():
    model = fine_gray("x + C(z)", made(), strata="s")
    with pytest.raises(UnknownColumnError, match="'z'"):
        model.predict_incidence(pl.DataFrame({"x": [1], "s": [0]}))
    with pytest.raises(UnknownCodeError, match="s = 7"):
        model.predict_incidence(pl.DataFrame({"x": [1], "z": [0], "s": [7]}))
    with pytest.raises(UnknownOptionError, match="score"):
        model.residuals("deviance")


def test_what_a_result_says():
    frame = made().with_columns(w=pl.when(pl.int_range(pl.len()) < 3).then(0).otherwise("w"))
    model = fine_gray("x + z", frame, strata="s", weights="w", cluster="g", offset="x")
    assert model.meta["dropped"] == {"weight is zero": 3}
    assert model.influence()[:3].any() == 0
    assert model.glance()["n"].item() == 197
    assert model.meta["n_cluster"] == 2
    curves = model.predict_incidence(pl.DataFrame({"x": [0.0], "z": [1], "s": [0]}), [0, 5, 12, 13])
    table = curves.tidy()
    assert table.columns[0] == "row"
    assert table["estimate"].to_list()[0] == 0
    assert table["conf_high"].to_list()[0] == 0
    assert table["estimate"].to_list()[-1] is None
    inside = table[1:3]
    assert (inside["conf_low"] < inside["estimate"]).all()
    assert (inside["estimate"] < inside["conf_high"]).all()
    assert curves.glance()["n_curve"].item() == 1
    assert "Fine and Gray" in curves.summary()
    assert curves.plot().get_ylabel() == "Predicted cumulative incidence"
