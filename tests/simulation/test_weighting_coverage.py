"""Do intervals hold the truth as often as they say, when weights were estimated?

COVERAGE_REPLICATES sets the number of data sets.
"""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest

from toolkit import matching
from toolkit.effects.contrast import contrast

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "40"))
ON = "treated ~ age + low"


def people(rng, n=500):
    """The effect is 1 for everybody; who is treated depends on what the outcome depends on."""
    age, low = rng.normal(size=n), rng.random(n) < 0.4
    e = 1 / (1 + np.exp(0.8 - 0.7 * age - 0.6 * low))
    treated = rng.random(n) < e
    y = 2 + age - low + treated + rng.normal(size=n)
    return pl.DataFrame({"treated": treated, "age": age, "low": low, "y": y})


@pytest.mark.parametrize(
    ("method", "estimand"),
    [("ipw", "ATT"), ("ipw", "ATE"), ("overlap", "ATO"), ("entropy", "ATT"), ("cbps", "ATE"),
     ("ipt", "ATE")],
)  # fmt: skip
def test_effects_by_weighting(covers, method, estimand):
    rng = np.random.default_rng(20080101)
    low, high, naive = [], [], []
    for _ in range(REPLICATES):
        frame = people(rng)
        found = matching.weigh(frame, on=ON, method=method, estimand=estimand)
        row = contrast(found, outcome="y").tidy().row(2, named=True)
        low.append(row["conf_low"])
        high.append(row["conf_high"])
        naive.append(
            frame.filter("treated")["y"].mean() - frame.filter(~pl.col("treated"))["y"].mean()
        )
    covers("Weighting", f"{method}: effect [{estimand}]", low, high, 1.0, slack=0.01)
    assert np.mean(naive) > 1.3  # as they are the groups are not comparable


def histories(rng, n=1000):
    """Who starts depends on a state that starting changes: no regression on it is right."""
    hidden, v = rng.normal(size=n), rng.random(n) < 0.5
    state, course, here = hidden.copy(), np.zeros(n, bool), np.ones(n, bool)
    rows = []
    for month in range(3):
        state = 0.5 * state + 0.5 * hidden + 0.4 * v - 0.8 * course + 0.7 * rng.normal(size=n)
        course |= rng.random(n) < 1 / (1 + np.exp(1.5 - 0.8 * state - 0.3 * v))
        y = course + hidden + 0.5 * v + 0.5 * rng.normal(size=n)
        lost = rng.random(n) < 1 / (1 + np.exp(3 - 0.6 * state - 0.5 * course))
        rows.append(
            pl.DataFrame(
                {
                    "id": np.arange(n), "month": month, "state": state, "v": v, "y": y,
                    "course": course, "lost": lost if month < 2 else [None] * n,
                },
                schema_overrides={"lost": pl.Boolean},
            ).filter(pl.Series(here))
        )  # fmt: skip
        here &= ~lost
    return pl.concat(rows)


def test_effects_of_a_treatment_that_may_start_at_any_month(covers):
    rng = np.random.default_rng(20080102)
    bounds, others = [], {"naive": [], "regression": []}
    for _ in range(max(16, REPLICATES // 3)):
        frame = histories(rng)
        found = matching.weigh_over_time(
            frame, person="id", time="month", treatment="course", on_history="state + v",
            on_baseline="v", censored="lost",
        )  # fmt: skip
        last = contrast(found, outcome="y", by="month", adjust="v", interacted=False).tidy()
        row = last.filter(term="difference", month=2).row(0, named=True)
        bounds.append((row["conf_low"], row["conf_high"]))
        end = frame.filter(month=2)
        for name, adjust in (("naive", "v"), ("regression", "v + state")):
            table = contrast(end, outcome="y", treatment="course", adjust=adjust).tidy()
            others[name].append(table["estimate"][2])
    low, high = zip(*bounds, strict=True)
    covers("Weighting", "marginal structural model: effect in the last month", low, high, 1.0,
           slack=0.02)  # fmt: skip
    middle = np.mean(np.array(bounds))
    assert abs(middle - 1) < 0.06
    assert np.mean(others["naive"]) > 1.4
    assert np.mean(others["regression"]) > 1.25
