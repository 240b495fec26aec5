"""One of two models may be wrong; intervals hold; rules find whom to help. Truth is known here.

COVERAGE_REPLICATES sets the number of data sets.
"""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from toolkit import effects

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "40"))


def people(rng, n=800):
    """Chance and outcome bend in a: a line through either is wrong. The effect is 1 + a / 2."""
    a, b = rng.normal(size=(2, n))
    t = rng.random(n) < 1 / (1 + np.exp(0.8 - 0.5 * a - 0.6 * (a**2 - 1)))
    y = a + b + 1.5 * a**2 + t * (1 + 0.5 * a) + rng.normal(size=n)
    return pl.DataFrame({"a": a, "b": b, "t": t, "y": y})


BENT, LINE = "a + b + I(a**2)", "a + b"
MODELS = {
    "both right": (BENT, BENT), "treatment right": (BENT, LINE), "outcome right": (LINE, BENT),
    "both wrong": (LINE, LINE),
}  # fmt: skip


@pytest.mark.parametrize("which", MODELS)
def test_one_model_may_be_wrong(which):
    treatment, outcome = MODELS[which]
    frame = people(np.random.default_rng(7), 60_000)
    row = effects.doubly_robust(
        frame, treatment="t", outcome="y", treatment_model=treatment, outcome_model=outcome
    ).tidy().row(2, named=True)  # fmt: skip
    off = abs(row["estimate"] - 1) / row["std_error"]
    assert off > 10 if which == "both wrong" else off < 3.5
    assert row["std_error"] < 0.05


TARGETS = {"ATE": 1.0, "ATT": None, "ATO": None}


@pytest.mark.parametrize("estimand", TARGETS)
def test_coverage(covers, estimand):
    rng = np.random.default_rng(20080104)
    truth = TARGETS[estimand]
    if truth is None:
        a = np.random.default_rng(1).normal(size=1_000_000)
        e = 1 / (1 + np.exp(0.8 - 0.5 * a - 0.6 * (a**2 - 1)))
        truth = np.average(1 + 0.5 * a, weights=e if estimand == "ATT" else e * (1 - e))
    low, high = [], []
    for _ in range(REPLICATES):
        row = effects.doubly_robust(
            people(rng), treatment="t", outcome="y", on=BENT, estimand=estimand
        ).tidy().row(2, named=True)  # fmt: skip
        low.append(row["conf_low"])
        high.append(row["conf_high"])
    covers("Effects", f"doubly robust [{estimand}]", low, high, truth, slack=0.02)


def test_learners_find_the_bend():
    """Folds keep flexible models honest: without them they are as wrong as they are flexible."""
    frame = people(np.random.default_rng(8), 20_000)
    options = {
        "treatment": "t", "outcome": "y", "on": "a + b", "seed": 1,
        "treatment_model": DecisionTreeClassifier(min_samples_leaf=200),
        "outcome_model": DecisionTreeRegressor(min_samples_leaf=15),
    }  # fmt: skip
    row = effects.doubly_robust(frame, clip=0.02, **options).tidy().row(2, named=True)
    assert abs(row["estimate"] - 1) < 3.5 * row["std_error"]
    line = effects.doubly_robust(frame, treatment="t", outcome="y", on=LINE)
    assert abs(line.estimate[0] - 1) > 3 * abs(row["estimate"] - 1)


def instruments(rng, n):
    """Courses help those long out of work, subsidised jobs the others; a tenth need nothing."""
    months, age = rng.integers(1, 37, n), rng.integers(18, 65, n)
    chance = np.stack([np.full(n, 0.5), 0.15 + 0.01 * (months > 12), 0.2 + 0.002 * (age - 40)])
    chance /= chance.sum(axis=0)
    arm = (rng.random(n) > np.cumsum(chance, axis=0)).sum(axis=0)
    effect = np.stack([np.zeros(n), np.where(months > 12, 0.25, -0.05),
                       np.where(months > 12, 0.0, 0.15)])  # fmt: skip
    mean = 0.3 + 0.003 * (40 - age) + effect
    y = rng.random(n) < mean[arm, np.arange(n)]
    names = np.array(["none", "course", "job"])
    frame = pl.DataFrame({"months": months, "age": age, "arm": names[arm], "works": y})
    return frame, mean, names


def test_a_rule_finds_whom_to_help():
    frame, mean, names = instruments(np.random.default_rng(9), 12_000)
    found = effects.doubly_robust_arms(
        frame,
        treatment="arm",
        outcome="works",
        reference="none",
        on="months + I(months > 12) + age",
    )
    tree = effects.policy_tree(found, on=["months", "age"], costs={"course": 0.05, "job": 0.03})
    # the best rule, and what it is worth: course beyond 12 months, a job before
    given = tree.assign(frame)
    right = np.where(frame["months"] > 12, "course", "job")
    assert (given.to_numpy() == right).mean() > 0.97
    cost = np.array([0, 0.05, 0.03])[:, None]
    worth = (mean - cost)[[list(names).index(a) for a in given], np.arange(12_000)].mean()
    values = {row["term"]: row for row in tree.tidy().iter_rows(named=True)}
    assert abs(values["policy"]["estimate"] - worth) < 4 * values["policy"]["std_error"]
    for other in ("all none", "all course", "all job", "random"):
        assert values[f"policy less {other}"]["conf_low"] > 0
    assert tree.glance()["rule"].str.contains("months <= 12").any()


def test_no_rule_where_none_gains_more(covers):
    """In a world of one effect for all no rule is worth more than chance, and groups are equal."""
    rng = np.random.default_rng(20080105)
    low, high, p_values = [], [], []
    for _ in range(REPLICATES):
        n = 600
        a, g = rng.normal(size=n), rng.integers(0, 4, n)
        t = rng.random(n) < 1 / (1 + np.exp(-0.5 * a))
        frame = pl.DataFrame({"a": a, "g": g, "t": t, "y": a + t + rng.normal(size=n)})
        found = effects.doubly_robust(frame, treatment="t", outcome="y", on="a + C(g)")
        made = effects.subgroups(found, by=["g"])
        p_values.append(made.glance()["p_value"][0])
        band = made.tidy()
        low.append((band["band_low"] - 1).max())
        high.append((band["band_high"] - 1).min())
    # all bands hold 1 at once when the highest floor is below and the lowest ceiling above
    covers("Effects", "subgroups: max-t bands of four groups at once",
           np.maximum(low, np.negative(high)), np.full(len(low), 9.0), 0.0, slack=0.02)  # fmt: skip
    assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / REPLICATES)


def test_what_is_held_out_is_no_better_than_it_is():
    """A deep rule for noise looks good on its own rows, and is worth nothing on others."""
    rng = np.random.default_rng(10)
    found = []
    for _ in range(8):
        x = rng.normal(size=(600, 4))
        t = rng.random(600) < 0.5
        frame = pl.DataFrame({f"x{j}": x[:, j] for j in range(4)}).with_columns(
            t=t, y=pl.Series(rng.normal(size=600))
        )
        made = effects.doubly_robust(frame, treatment="t", outcome="y", on="x0 + x1 + x2 + x3")
        tree = effects.policy_tree(made, on=[f"x{j}" for j in range(4)], splits=15)
        scores = made.scores
        given = tree.assign(frame).to_numpy()
        inside = np.where(given, scores.treated[:, 0], scores.control[:, 0]).mean()
        gain = tree.tidy().filter(pl.col("term") == "policy less random")
        found.append((inside, gain["estimate"].item(), gain["std_error"].item()))
    inside, gain, error = np.array(found).T
    assert inside.mean() > 0.1
    assert abs(gain.mean()) < 3.5 * np.sqrt((error**2).sum()) / len(gain)
