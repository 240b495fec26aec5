"""Known truth: intervals of designs cover it, tests of what should not jump keep their size.

COVERAGE_REPLICATES sets the number of data sets.
"""

import os

import numpy as np
import polars as pl
import pytest

from toolkit import effects
from toolkit.effects.designs.density import density_test

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "70"))
SECTION = "Designs"


def ends(result, term):
    row = result.tidy().filter(pl.col("term") == term).row(0, named=True)
    low, high = row["conf_low"], row["conf_high"]
    return (-np.inf if low is None else low), (np.inf if high is None else high)


def test_few_clusters_of_unequal_size(covers):
    """Twelve offices drawn, a third for the programme, sizes 5 to 60, icc 0.3."""
    found = []
    for seed in range(REPLICATES):
        rng = np.random.default_rng(seed)
        size = rng.integers(5, 60, 12)
        office = np.repeat(np.arange(12), size)
        drawn = office < 4
        y = rng.normal(0, 0.3**0.5, 12)[office] + rng.normal(0, 0.7**0.5, len(office)) + drawn
        frame = pl.DataFrame({"d": drawn, "y": y, "c": office})
        found.append(
            ends(effects.experiment(frame, assigned="d", outcome="y", cluster="c"),
                 "intention_to_treat")
        )  # fmt: skip
    low, high = np.array(found).T
    covers(
        SECTION, "experiment: 12 unequal clusters, CR2 and Bell–McCaffrey", low, high, 1.0,
        slack=0.02, note="4 clusters of 12 drawn",
    )  # fmt: skip


def weak(seed, strength):
    rng = np.random.default_rng(seed)
    z, u = rng.random(200) < 0.5, rng.normal(size=200)
    d = strength * z + u + rng.normal(size=200)
    return pl.DataFrame({"z": z, "d": d, "y": 0.5 * d + u + rng.normal(size=200)})


def test_weak_take_up(covers):
    """First stage of 0.3 with F near 1: Fieller covers, the delta method does not."""
    found = [
        ends(effects.experiment(weak(seed, 0.3), assigned="z", outcome="y", taken_up="d"),
             "local_effect")
        for seed in range(REPLICATES)
    ]  # fmt: skip
    low, high = np.array(found).T
    # a union of two half-lines is told by its hull: nothing is lost but sharpness
    covers(SECTION, "experiment: local effect with weak take-up, Fieller", low, high, 0.5,
           slack=0.05, note="the hull of a split interval covers more")  # fmt: skip


def test_weak_instruments(covers):
    inside = []
    for seed in range(REPLICATES):
        rng = np.random.default_rng(seed)
        z, u = rng.normal(size=(300, 3)), rng.normal(size=300)
        d = z @ [0.08, 0.05, 0.05] + u + rng.normal(size=300)
        y = 0.5 * d + u + rng.normal(size=300) * (1 + abs(z[:, 0]))
        frame = pl.DataFrame({"a": z[:, 0], "b": z[:, 1], "c": z[:, 2], "d": d, "y": y})
        found = effects.instrumental_variables(
            frame, outcome="y", treatment="d", instruments=["a", "b", "c"]
        )
        inside.append(any(low <= 0.5 <= high for low, high in found.not_refuted))
        assert found.effective_f < found.critical_f
    flags = np.array(inside, dtype=float)
    covers(SECTION, "instruments: three weak ones, Anderson–Rubin", 1 - flags, flags, 1.0,
           slack=0.02)  # fmt: skip


def staggered(seed, people=250, months=8):
    rng = np.random.default_rng(seed)
    kind = rng.normal(size=people)
    start = np.where(kind + rng.normal(size=people) > 0, rng.integers(3, 7, people), 99)
    month = np.arange(months)
    since = month - start[:, None]
    effect = np.where(since >= 0, 0.2 + 0.1 * since, 0)
    y = kind[:, None] + 0.1 * month + effect + rng.normal(size=(people, months))
    return pl.DataFrame(
        {"who": np.repeat(np.arange(people), months), "month": np.tile(month, people),
         "start": np.repeat(start, months), "y": y.ravel()}
    ).with_columns(pl.col("start").replace(99, None))  # fmt: skip


def test_effects_that_grow_since_staggered_starts(covers):
    """Effect 0.2 + 0.1 a month, starters differ by level: intervals, bands, and the lead test."""
    names = {"person": "who", "month": "month", "outcome": "y", "treated_at": "start"}
    at_two, band, size = [], [], []
    for seed in range(REPLICATES):
        found = effects.difference_in_differences(staggered(seed), **names)
        event = found.tidy().drop_nulls("std_error")
        truth = np.where(event["time"] >= 0, 0.2 + 0.1 * event["time"], 0)
        row = event.filter(pl.col("time") == 2)
        at_two.append((row["conf_low"].item(), row["conf_high"].item()))
        low, high = event["band_low"].to_numpy(), event["band_high"].to_numpy()
        band.append(bool(((low <= truth) & (truth <= high)).all()))
        size.append(found.lead_test.largest_p_value >= 0.05)
    low, high = np.array(at_two).T
    covers(SECTION, "difference-in-differences: effect at 2", low, high, 0.4, slack=0.02)
    for name, flags in (("band", band), ("largest lead not refuted", size)):
        ok = np.array(flags, dtype=float)
        covers(SECTION, f"difference-in-differences: {name}", 1 - ok, ok, 1.0, slack=0.03)


@pytest.mark.parametrize("whole", [False, True])
def test_density_without_a_jump(covers, whole):
    passed = []
    for seed in range(REPLICATES):
        x = np.random.default_rng(seed).gamma(4, 6, 2000)
        passed.append(density_test(np.floor(x) if whole else x, 20.0).p_value >= 0.05)
    ok = np.array(passed, dtype=float)
    covers(SECTION, f"border: density test keeps its size [whole months {whole}]", 1 - ok, ok, 1.0,
           slack=0.03)  # fmt: skip


def test_density_with_a_jump_is_seen():
    """A tenth of those just left has moved to the right."""
    x = np.random.default_rng(1).uniform(-12, 12, 20_000)
    moved = (x < 0) & (x > -1) & (np.random.default_rng(2).random(20_000) < 0.3)
    assert density_test(np.where(moved, -x, x), 0.0).p_value < 0.01


def test_gross_change_is_not_the_effect():
    """People start when an own shock is at its worst: before/after shows its going by."""
    rng = np.random.default_rng(3)
    people, months = 300, 36
    shock = rng.normal(size=(people, months)).cumsum(axis=1) * 0.2
    for t in range(1, months):
        shock[:, t] = 0.85 * shock[:, t - 1] + rng.normal(0, 0.5, people)
    start = np.argmin(shock[:, 14:22], axis=1) + 14
    frame = pl.DataFrame(
        {"who": np.repeat(np.arange(people), months), "month": np.tile(np.arange(months), people),
         "start": np.repeat(start, months), "y": shock.ravel()}
    )  # fmt: skip
    found = effects.before_after(
        frame, person="who", month="month", outcome="y", started_at="start", before=12, after=12,
        dip=4,
    )  # fmt: skip
    assert any("Ashenfelter" in line for line in found.meta["warnings"])
    assert found.meta["design"] == "before_after"
