"""A known path with lock-in: months, all months at once, months gained and break-even are covered.

Replicates share one panel; their number is COVERAGE_REPLICATES.
"""

import os

import numpy as np
import polars as pl
import pytest

from toolkit import effects

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "100"))
SECTION = "Effects"
MONTHS = range(-6, 25)
#: Chance to work without the programme; what it adds by month since start.
BASE = 0.3
ADDED = {m: 0.0 if m <= 0 else -0.10 if m <= 6 else 0.08 for m in MONTHS}
SIZE = 500


def draw(replicate):
    """People with a taste for work of their own, so that months hang together; starts differ."""
    random = np.random.default_rng([7, replicate])
    taste = random.beta(3, 7, SIZE) - BASE
    treated, start = random.random(SIZE) < 0.4, random.integers(100, 130, SIZE)
    since = np.array(MONTHS)
    added = np.array([ADDED[m] for m in MONTHS])
    chance = BASE + taste[:, None] + np.where(treated[:, None], added, 0)
    person = np.arange(SIZE)
    panel = pl.DataFrame(
        {
            "person": np.repeat(person, len(since)),
            "month": (start[:, None] + since).ravel(),
            "work": (random.random(chance.shape) < chance).ravel(),
        }
    )
    return pl.DataFrame({"person": person, "start": start, "treated": treated}), panel


@pytest.fixture(scope="module")
def found():
    return [
        effects.profile(
            *draw(replicate), outcome="work", months=MONTHS, treatment="treated",
            design="experiment",
        )
        for replicate in range(REPLICATES)
    ]  # fmt: skip


def test_each_month_is_covered(found, covers):
    at = [one.tidy().filter(pl.col("month") == 12).row(0, named=True) for one in found]
    low, high = ([row[name] for row in at] for name in ("conf_low", "conf_high"))
    covers(SECTION, "profile: a month", low, high, ADDED[12], slack=0.01)


def test_all_months_at_once_are_covered(found, covers):
    truth = np.array([ADDED[m] for m in MONTHS])
    inside = [
        bool(((t["band_low"].to_numpy() <= truth) & (truth <= t["band_high"].to_numpy())).all())
        for t in (one.tidy() for one in found)
    ]
    covers(
        SECTION, "profile: band over 31 months", np.where(inside, -1.0, 1.0), np.ones(len(inside)),
        0.0, slack=0.02,
    )  # fmt: skip


def test_months_gained_are_covered(found, covers):
    at = [one.cumulated(24).row(0, named=True) for one in found]
    low, high = ([row[name] for row in at] for name in ("conf_low", "conf_high"))
    truth = sum(ADDED[m] for m in range(25))
    covers(SECTION, "profile: months worked gained", low, high, truth, slack=0.01)


def test_gross_and_relative_are_covered(found, covers):
    rows = pl.concat([one.gross_net((24,)).tidy() for one in found])
    for measure, truth in (
        ("gross", BASE + ADDED[24]), ("deadweight", BASE), ("relative", ADDED[24] / BASE),
    ):  # fmt: skip
        own = rows.filter(pl.col("measure") == measure)
        covers(SECTION, f"gross and net: {measure}", own["conf_low"], own["conf_high"], truth,
               slack=0.01)  # fmt: skip


def test_break_even_lies_in_its_interval(found):
    """Months 1 to 6 cost 0.6, each later one brings 0.08: made up for in month 14."""
    at = [one.break_even().row(0, named=True) for one in found]
    inside = [
        row["conf_low"] <= 14 and (row["conf_high"] is None or row["conf_high"] >= 14)
        for row in at
        if row["conf_low"] is not None
    ]
    assert len(inside) >= 0.95 * len(at)
    assert np.mean(inside) >= 0.93
    assert abs(np.median([row["month"] for row in at if row["month"]]) - 14) <= 3


def test_the_placebo_rejects_as_often_as_it_says(found):
    for name in ("p_value", "sup_p_value"):
        share = np.mean([one.pre_period()[name][0] < 0.05 for one in found])
        assert share <= 0.05 + 0.02 + 4 * np.sqrt(0.05 * 0.95 / len(found))


def test_the_lock_in_is_found(found):
    at = pl.concat([one.lock_in() for one in found])
    assert abs(at["length"].median() - 6) <= 2
    # the lowest month is picked, so the depth overstates; its band does not
    assert at["depth"].mean() < -0.10
    assert (at["conf_high"] >= -0.10).mean() >= 0.9
