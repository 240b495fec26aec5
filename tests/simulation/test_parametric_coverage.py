"""Known truth: intervals of parametric models cover it, and what is ignored shows.

COVERAGE_REPLICATES sets the number of data sets.
"""

import os

import numpy as np
import polars as pl

from toolkit.survival.parametric import parametric

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "40"))
SIZE = 400
EFFECT, SHAPE = -0.6, 1.3


def drawn(rng, variance=0.0):
    """Weibull durations in months, half of them with a programme, some seen late."""
    x = rng.integers(0, 2, SIZE)
    v = rng.gamma(1 / variance, variance, SIZE) if variance else 1.0
    time = (rng.exponential(size=SIZE) / v / np.exp(-3.0 + EFFECT * x)) ** (1 / SHAPE)
    time += 1e-9
    end = rng.uniform(12, 48, SIZE)
    entry = np.where(rng.random(SIZE) < 0.4, rng.uniform(0, 6, SIZE), 0.0)
    return pl.DataFrame(
        {"x": x, "time": np.minimum(time, end), "event": time <= end, "entry": entry}
    ).filter(pl.col("entry") < pl.col("time"))


def in_months(frame):
    """What a register shows: the calendar month in which it ended, or the last whole month."""
    floor = pl.col("time").floor()
    return frame.with_columns(
        low=pl.when("event").then(pl.max_horizontal(floor, "entry")).otherwise("time"),
        high=pl.when("event").then(floor + 1),
    )


def test_intervals_cover(covers):
    rng = np.random.default_rng(20)
    bounds, shapes, medians = [], [], []
    for _ in range(REPLICATES):
        model = parametric("x", in_months(drawn(rng)), time="low", upper="high", entry="entry")
        rows = model.tidy().select("conf_low", "conf_high").rows()
        bounds.append(rows[1])
        shapes.append(rows[2])
        new = pl.DataFrame({"x": [1]})
        medians.append(model.predict_quantile(new).select("conf_low", "conf_high").row(0))
    note = f"n = {SIZE}, late entries, events by month"
    low, high = np.transpose(bounds)
    covers("Parametric", "log hazard ratio, weibull", low, high, EFFECT, note=note)
    low, high = np.transpose(shapes)
    covers("Parametric", "log shape, weibull", low, high, np.log(SHAPE), note=note)
    low, high = np.transpose(medians)
    truth = (np.log(2) / np.exp(-3.0 + EFFECT)) ** (1 / SHAPE)
    covers("Parametric", "median, weibull", low, high, truth, note=note)


def test_heterogeneity_is_found_and_ignoring_it_shows(covers):
    rng = np.random.default_rng(21)
    found, ignored = [], []
    for _ in range(REPLICATES):
        frame = drawn(rng, variance=0.8)
        options = {"time": "time", "event": "event", "entry": "entry"}
        mixed = parametric("x", frame, **options, heterogeneity="gamma")
        found.append(mixed.tidy().select("conf_low", "conf_high").row(1))
        plain = parametric("x", frame, **options)
        ignored.append(plain.tidy()["estimate"][1])
    low, high = np.transpose(found)
    covers("Parametric", "log hazard ratio, weibull with gamma heterogeneity", low, high, EFFECT,
           slack=0.02, note=f"n = {SIZE}, variance 0.8, late entries")  # fmt: skip
    # without it the effect is pulled to 0 (Lancaster 1979)
    assert np.mean(ignored) > EFFECT + 0.1


def test_the_test_for_heterogeneity_keeps_its_size():
    rng = np.random.default_rng(22)
    p = []
    for _ in range(REPLICATES):
        model = parametric(
            "x", drawn(rng), time="time", event="event", entry="entry", heterogeneity="gamma"
        )
        p.append(model.glance()["p_frailty"].item())
    p = np.array(p)
    assert abs((p < 0.05).mean() - 0.05) < 0.02 + 4 * np.sqrt(0.05 * 0.95 / REPLICATES)
    # half of the time nothing is found at all (a little more in finite samples)
    assert abs((p == 1).mean() - 0.5) < 0.1 + 4 * np.sqrt(0.25 / REPLICATES)
