"""Intervals of competing-risks estimates cover a known truth as often as they say."""

import os

import numpy as np
import polars as pl
import pytest

from toolkit import survival

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "30"))
BETA, SHARE = np.array([0.5, -0.4]), 0.6
MONTH = 0.05  # of the unit of time in which rates are given


def incidence(t, x):
    """Fine and Gray's own design: F₁(t | x) = 1 - (1 - p (1 - e^-t))^exp(x β)."""
    return 1 - (1 - SHARE * -np.expm1(-t)) ** np.exp(x @ BETA)


def draw(rng, n, *, entry):
    """Months of exits; censored at the end of a month, more often where x₂ is 1."""
    x = np.column_stack([rng.integers(-2, 3, n) / 2, rng.integers(0, 2, n)])
    u, risk = rng.random(n), np.exp(x @ BETA)
    first = rng.random(n) < incidence(np.inf, x)
    at_first = -np.log1p(-(1 - (1 - u * incidence(np.inf, x)) ** (1 / risk)) / SHARE)
    exit_ = np.where(first, at_first, rng.exponential(1 / (0.5 + x[:, 1])))
    month = np.ceil(exit_ / MONTH).astype(int)
    end = rng.integers(10, 50 - 20 * x[:, 1].astype(int))
    late = rng.integers(0, 12, n) if entry else np.zeros(n, int)
    frame = pl.DataFrame(
        {
            "time": np.minimum(month, end),
            "cause": np.where(month <= end, np.where(first, 1, 2), 0),
            "a": x[:, 0],
            "b": x[:, 1].astype(int),
            "entry": late,
            "site": np.arange(n) // 4,
        }
    )
    return frame.filter(pl.col("entry") < pl.col("time"))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("censoring by group", {"censoring_by": "b"}),
        ("left truncation", {"censoring_by": "b", "entry": "entry"}),
        ("crr's ties and variance",
         {"censoring_by": "b", "censoring": "with-events", "variance": "fine-gray"}),
    ],
)  # fmt: skip
def test_fine_gray_covers(covers, name, options):
    rng = np.random.default_rng(20_260_101)
    new, time = pl.DataFrame({"a": [0.5], "b": [0]}), 20
    bounds, predicted = [], []
    for _ in range(REPLICATES):
        frame = draw(rng, 500 if "entry" in options else 300, entry="entry" in options)
        model = survival.fine_gray("a + b", frame, time="time", event="cause", cause=1, **options)
        bounds.append(model.tidy().select("conf_low", "conf_high").to_numpy())
        curve = model.predict_incidence(new, time).tidy()
        predicted.append(curve.select("conf_low", "conf_high").row(0))
    bounds, predicted = np.array(bounds), np.array(predicted)
    for j, term in enumerate(("a", "b")):
        covers("Competing risks", f"Fine–Gray, {name}: {term}", bounds[:, j, 0], bounds[:, j, 1],
               BETA[j], slack=0.015, note="months; n = 300, left truncated about 380")  # fmt: skip
    truth = incidence(time * MONTH, np.array([0.5, 0.0]))
    covers("Competing risks", f"Fine–Gray, {name}: predicted incidence", predicted[:, 0],
           predicted[:, 1], truth, slack=0.015, note="at month 20")  # fmt: skip


def test_time_lost_and_all_causes_cover(covers):
    """Two causes with constant hazards that depend on z; the first month's share of exits q."""
    rng = np.random.default_rng(20_260_102)
    rates, effects, horizon = np.array([0.03, 0.05]), np.array([0.5, -0.3]), 24
    month = np.arange(1, horizon + 1)

    def truth(z):
        hazard = rates * np.exp(effects * z)
        left = np.exp(-hazard.sum() * month)
        return hazard[:, None] / hazard.sum() * (1 - left)

    lost, curves, terms = [], [], []
    new = pl.DataFrame({"z": [1]})
    for _ in range(REPLICATES):
        z = rng.integers(0, 2, 250)
        hazard = rates * np.exp(effects * z[:, None])
        exit_ = rng.exponential(1 / hazard.sum(axis=1))
        cause = 1 + (rng.random(250) > hazard[:, 0] / hazard.sum(axis=1))
        end, time = rng.integers(12, 60, 250), np.ceil(exit_).astype(int)
        frame = pl.DataFrame(
            {"time": np.minimum(time, end), "cause": np.where(time <= end, cause, 0), "z": z}
        )
        ask = {"time": "time", "event": "cause"}
        table = survival.cumulative_incidence(frame, **ask, by="z").rmtl(horizon)
        lost.append(table.select("conf_low", "conf_high").to_numpy())
        model = survival.cause_specific("z", frame, **ask)
        terms.append(model.tidy().select("conf_low", "conf_high").to_numpy())
        found = model.predict_incidence(new, 18).tidy()
        curves.append(found.select("conf_low", "conf_high").to_numpy())
    lost, curves, terms = np.array(lost), np.array(curves), np.array(terms)
    for i, (z, k) in enumerate((z, k) for z in (0, 1) for k in (0, 1)):
        covers("Competing risks", f"time lost to cause {k + 1} by month 24, group {z}",
               lost[:, i, 0], lost[:, i, 1], truth(z)[k, :-1].sum(), slack=0.015,
               note="n = 125 a group")  # fmt: skip
    for k in (0, 1):
        covers("Competing risks", f"cause-specific Cox, cause {k + 1}", terms[:, k, 0],
               terms[:, k, 1], effects[k], slack=0.015, note="n = 250, months")  # fmt: skip
        covers("Competing risks", f"predicted incidence from all causes, cause {k + 1}",
               curves[:, k, 0], curves[:, k, 1], truth(1)[k, 17], slack=0.015,
               note="n = 250, at month 18")  # fmt: skip
