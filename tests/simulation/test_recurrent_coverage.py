"""Known truth: events with a rate of each person's own; intervals cover, tests keep their size."""

import os

import numpy as np
import polars as pl
import pytest

from toolkit.survival.recurrent import mean_cumulative, recurrent, revolving_door

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "100"))
SIZE = 150
SECTION = "Recurrent spells"


def drawn(seed, *, effect=0.0, dying=0.0, replicates=None):
    """Monthly events at rate 0.1 × gamma(2)/2 × exp(effect x); histories of up to 30 months.

    One row a person and month; with `dying` the chance to die in a month.
    """
    rng = np.random.default_rng(seed)
    n = (replicates or REPLICATES) * SIZE
    x = rng.integers(0, 2, n)
    rate = 0.1 * rng.gamma(2, 0.5, n) * np.exp(effect * x)
    end = rng.integers(10, 31, n)
    months = np.arange(1, 31)
    event = rng.random((n, 30)) < 1 - np.exp(-rate[:, None])
    death = rng.random((n, 30)) < dying
    alive = np.cumsum(death, axis=1) - death == 0
    there = (months <= end[:, None]) & alive
    person, month = np.nonzero(there)
    return pl.DataFrame(
        {
            "person": person, "replicate": person // SIZE, "start": month, "stop": month + 1,
            "event": event[there], "death": death[there], "x": x[person],
        }
    )  # fmt: skip


NAMES = {"person": "person", "start": "start", "stop": "stop", "event": "event"}


def mean_events(months, dying):
    """Return the mean number of events: 1 - E exp(-rate) a month, while alive."""
    # gamma(2) with scale 0.05: E exp(-rate) = (1 + 0.05)^-2
    each = 1 - 1.05**-2
    return each * sum((1 - dying) ** month for month in range(months))


@pytest.mark.parametrize("dying", [0.0, 0.02])
def test_mean_cumulative_covers(covers, dying):
    rows = drawn(1, dying=dying)
    for variance in ("jackknife", "ghosh_lin") if dying else ("jackknife",):
        curve = mean_cumulative(
            rows, **NAMES, death="death" if dying else None, by="replicate", variance=variance
        )
        found = curve.at(24)
        truth = mean_events(24, dying)
        assert abs(found["estimate"].mean() - truth) < 4 * found["estimate"].std() / np.sqrt(
            REPLICATES
        )
        label = f"mean number of events, {'with death, ' + variance if dying else 'no death'}"
        covers(SECTION, label, found["conf_low"], found["conf_high"], truth, slack=0.02)


def test_the_models_and_tests_of_groups(covers):
    """A rate ratio that is the same for everybody is what Andersen and Gill estimate."""
    n = max(REPLICATES // 3, 30)
    rows = drawn(3, effect=0.5, replicates=n)
    low, high, refused = [], [], []
    null = drawn(4, replicates=n)
    for part, same in zip(
        rows.partition_by("replicate"), null.partition_by("replicate"), strict=True
    ):
        row = recurrent("x", part, **NAMES, ties="breslow").tidy().row(0, named=True)
        low.append(row["conf_low"])
        high.append(row["conf_high"])
        refused.append(mean_cumulative(same, **NAMES, by="x").test().p_value)
    # of the chances of an event in a month, which is what Breslow's ties compare
    truth = np.log((1 - (1 + 0.05 * np.exp(0.5)) ** -2) / (1 - 1.05**-2))
    covers(SECTION, "log rate ratio, Andersen-Gill", low, high, truth, slack=0.02)
    share = np.mean(np.array(refused) < 0.05)
    assert abs(share - 0.05) < 0.02 + 4 * np.sqrt(0.05 * 0.95 / n)


def test_the_revolving_door_covers(covers):
    rng = np.random.default_rng(5)
    n = REPLICATES * SIZE
    # off for 1 to 12 months, on for 1 to 12 months, and so on: by enumeration of 12^4 lives
    length = rng.integers(1, 13, (n, 4))
    edge = np.cumsum(length, axis=1)
    spells = pl.DataFrame(
        {
            "person": np.repeat(np.arange(n), 2), "replicate": np.repeat(np.arange(n) // SIZE, 2),
            "start": edge[:, [0, 2]].ravel(), "stop": edge[:, [1, 3]].ravel(),
        }
    )  # fmt: skip
    grid = sum(np.ix_(*[np.arange(1, 13)] * 4))
    seen = sum(np.ix_(*[np.arange(1, 13)] * 1, [0], [0], [0])) < 24
    truth = (grid < 24).mean() / seen.mean()
    door = revolving_door(
        spells, person="person", start="start", stop="stop", window=(0, 24), by="replicate"
    ).tidy()
    covers(SECTION, "revolving-door index", door["conf_low"], door["conf_high"], truth, slack=0.01)
