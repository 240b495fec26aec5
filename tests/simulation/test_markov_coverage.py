"""Known truth: chains are simulated, seen now and then, and the intervals cover."""

import os

import numpy as np
import polars as pl
import pytest
from scipy.linalg import expm

from toolkit import survival

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "40"))
PERSONS, VISITS = 250, 6
RATES = {(1, 2): 0.12, (2, 1): 0.08, (2, 3): 0.10, (3, 2): 0.07, (1, 4): 0.01, (3, 4): 0.03}
MOVES = list(RATES)
SEX = 0.4


def generator(factor=1.0):
    q = np.zeros((4, 4))
    for (a, b), rate in RATES.items():
        q[a - 1, b - 1] = rate * factor
    q[np.arange(4), np.arange(4)] = -q.sum(axis=1)
    return q


def drawn(rng, *, slip=0.0):
    """Persons seen after 1 to 4 months; the moment of the exit is known."""
    rates = np.zeros((4, 4))
    for (a, b), rate in RATES.items():
        rates[a - 1, b - 1] = rate
    sex = np.arange(PERSONS) % 2
    state = rng.integers(0, 3, PERSONS)
    time = np.zeros(PERSONS)
    here = np.ones(PERSONS, dtype=bool)
    parts = []
    for visit in range(VISITS):
        if visit:
            until = time + rng.integers(1, 5, PERSONS)
            moving = here & (state < 3)
            here = moving.copy()
            while moving.any():
                ahead = rates[state] * np.exp(SEX * sex)[:, None]
                wait = rng.exponential(1 / np.maximum(ahead.sum(axis=1), 1e-300))
                moving &= time + wait < until
                to = ahead.cumsum(axis=1) < rng.random((PERSONS, 1)) * ahead.sum(axis=1)[:, None]
                state = np.where(moving, to.sum(axis=1), state)
                time = np.where(moving, time + wait, time)
                moving &= state < 3
            time = np.where(state < 3, until, time)
        wrong = np.where(state == 1, rng.choice([0, 2], PERSONS), 1)
        seen = np.where((rng.random(PERSONS) < slip) & (state < 3), wrong, state)
        parts.append(
            pl.DataFrame(
                {"person": np.arange(PERSONS), "month": time, "step": seen + 1, "sex": sex}
            ).filter(here)
        )
    return pl.concat(parts)


def fit(frame, **options):
    return survival.markov(
        frame, person="person", time="month", state="step", allowed=MOVES, exact=4, **options
    )


def test_intervals_of_intensities_and_effects_cover(covers):
    rng = np.random.default_rng(11)
    low = {name: [] for name in ("1→2", "3→4", "sex", "chance")}
    high = {name: [] for name in low}
    for _ in range(REPLICATES):
        chain = fit(drawn(rng), formula="sex", constraint="equal")
        men = chain.intensities({"sex": [0]})
        chance = chain.probabilities(12, new={"sex": [1]})
        sex = chain.hazard_ratios()
        for name, row in {
            "1→2": men.row(0, named=True), "3→4": men.row(5, named=True),
            "sex": sex.row(0, named=True), "chance": chance.row(2, named=True),
        }.items():  # fmt: skip
            low[name].append(row["conf_low"])
            high[name].append(row["conf_high"])
    truth = {
        "1→2": 0.12, "3→4": 0.03, "sex": np.exp(SEX),
        "chance": expm(generator(np.exp(SEX)) * 12)[0, 2],
    }  # fmt: skip
    named = {
        "1→2": "intensity of a step up", "3→4": "intensity of the exit",
        "sex": "ratio of intensities", "chance": "chance of a state after 12 months",
    }  # fmt: skip
    for name, quantity in named.items():
        covers("Markov chains", quantity, low[name], high[name], truth[name], slack=0.005)


def test_intervals_of_errors_of_sight_cover(covers):
    rng = np.random.default_rng(12)
    replicates = max(REPLICATES // 3, 20)
    low, high = [], []
    for _ in range(replicates):
        chain = fit(drawn(rng, slip=0.1), misclassification="ladder")
        row = chain.misclassification().filter((pl.col("true") == 1) & (pl.col("seen") == 2))
        low.append(row["conf_low"].fill_null(0.0).item())
        high.append(row["conf_high"].fill_null(1.0).item())
    covers("Markov chains", "chance of an error of sight", low, high, 0.1, slack=0.02,
           note="250 persons")  # fmt: skip


def test_errors_of_sight_that_are_not_modelled_make_people_move():
    rng = np.random.default_rng(13)
    frame = drawn(rng, slip=0.15)
    plain = fit(frame)
    hidden = fit(frame, misclassification="ladder")
    up = [chain.intensities()["estimate"][0] for chain in (plain, hidden)]
    assert up[0] > 1.3 * RATES[1, 2]
    assert up[1] == pytest.approx(RATES[1, 2], rel=0.35)
