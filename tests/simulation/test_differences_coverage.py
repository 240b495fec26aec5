"""Known truth: contrasts cover it, weighted, clustered, at all times at once, and standardised.

Replicates are groups of one frame where that can be; their number is COVERAGE_REPLICATES.
"""

import os

import numpy as np
import polars as pl
import pytest

from toolkit import survival
from toolkit.survival.cox import cox

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "100"))
SECTION = "Differences"


def months(rng, hazard):
    """Months to an event with these monthly probabilities, censored between month 8 and 30."""
    month = rng.geometric(hazard)
    end = rng.integers(8, 31, len(hazard))
    return {"time": np.minimum(month, end), "event": month <= end}


def confounded(size=300):
    """Who is older joins the programme less often and leaves later."""
    rng = np.random.default_rng(11)
    n = REPLICATES * size
    x, draw = rng.integers(0, 2, n), rng.random(n)
    chance = np.where(x == 1, 0.3, 0.65)
    arm = (draw < chance).astype(int)
    return pl.DataFrame(
        {
            "replicate": np.repeat(np.arange(REPLICATES), size),
            "arm": arm,
            "x": x,
            "w": np.where(arm == 1, 1 / chance, 1 / (1 - chance)),
            **months(rng, hazard(x, arm)),
        }
    )


def hazard(x, arm):
    return 0.10 - 0.05 * x + 0.03 * arm


def marginal(arm, t):
    return np.mean([(1 - hazard(x, arm)) ** np.asarray(t) for x in (0, 1)], axis=0)


def contrasts(frame, **options):
    names = {"weights", "weight_type", "cluster"}
    curves = survival.kaplan_meier(
        frame, time="time", event="event", by=["replicate", "arm"],
        **{name: value for name, value in options.items() if name in names},
    )  # fmt: skip
    return curves.difference(
        by="arm", **{name: value for name, value in options.items() if name not in names}
    )


def bounds(found):
    table = found.tidy()
    return table["conf_low"], table["conf_high"]


def test_weighted_contrasts_cover(covers):
    frame = confounded()
    weighted = {"weights": "w", "weight_type": "sampling"}
    truth = marginal(1, 12) - marginal(0, 12)
    note = "inverse probability of treatment; variance by the jackknife"
    found = contrasts(frame, at=12, **weighted)
    covers(SECTION, "survival difference, weights", *bounds(found), truth, slack=0.01, note=note)
    ratio = contrasts(frame, at=12, measure="ratio", **weighted)
    covers(SECTION, "survival ratio, weights", *bounds(ratio), marginal(1, 12) / marginal(0, 12),
           slack=0.01, note=note)  # fmt: skip
    area = contrasts(frame, measure="rmst", horizon=18, **weighted)
    steps = np.arange(18)
    months_won = marginal(1, steps).sum() - marginal(0, steps).sum()
    covers(SECTION, "RMST difference, weights", *bounds(area), months_won, slack=0.01, note=note)
    # without the weights those who join look better off than joining makes them
    plain = contrasts(frame, at=12).tidy()["estimate"].mean()
    assert plain < truth - 0.03
    assert found.tidy()["estimate"].mean() == pytest.approx(truth, abs=0.012)


def test_clustered_contrasts_cover(covers):
    # every person has a spell in both arms, and leaves early or late in both
    rng = np.random.default_rng(12)
    persons = 150
    n = REPLICATES * persons
    slow = rng.integers(0, 2, n)
    parts = [
        pl.DataFrame(
            {
                "replicate": np.repeat(np.arange(REPLICATES), persons),
                "person": np.arange(n),
                "arm": arm,
                **months(rng, np.where(slow == 1, 0.01, 0.2)),
            }
        )
        for arm in (0, 1)
    ]
    frame = pl.concat(parts)
    found = contrasts(frame, at=12, cluster="person")
    covers(SECTION, "survival difference, same persons in both groups", *bounds(found), 0.0,
           slack=0.01, note="clusters across groups")  # fmt: skip
    apart = contrasts(frame, at=12).tidy()
    # errors that take the groups for independent are far too wide
    assert apart["std_error"].mean() > 1.3 * found.tidy()["std_error"].mean()
    spread = found.tidy()["estimate"].std()
    assert found.tidy()["std_error"].mean() == pytest.approx(spread, rel=0.25)


def test_bands_cover_all_times_at_once(covers):
    frame = confounded(200).filter(pl.col("replicate") < min(REPLICATES, 500))
    options = {"weights": "w", "weight_type": "sampling", "between": (2, 18)}
    found = contrasts(frame, simultaneous=True, **options)
    table = found.tidy().filter(pl.col("band_low").is_not_null())
    truth = marginal(1, table["time"].to_numpy()) - marginal(0, table["time"].to_numpy())
    missed = table.with_columns(truth=pl.Series(truth)).select(
        "replicate", out=~pl.col("truth").is_between("band_low", "band_high"),
        out_once=~pl.col("truth").is_between("conf_low", "conf_high"),
    )  # fmt: skip
    worst = missed.group_by("replicate").agg(pl.all().any())
    covers(SECTION, "survival difference, band over months 2 to 18",
           worst["out"].cast(int), worst["out"].cast(int), 0, slack=0.015,
           note="simultaneous, equal precision")  # fmt: skip
    # pointwise intervals leave the truth out somewhere far more often
    assert worst["out_once"].mean() > 0.1


def test_standardised_contrasts_cover(covers):
    rng = np.random.default_rng(13)
    size, t = 250, 10.0
    lows, highs, areas = [], [], []
    for _ in range(REPLICATES * 2 // 5 if REPLICATES <= 100 else min(REPLICATES, 1000)):
        x = rng.normal(size=size).round(1)
        a = (rng.random(size) < 1 / (1 + np.exp(-x))).astype(int)
        event = rng.exponential(1 / (0.08 * np.exp(0.5 * x - 0.6 * a)))
        end = rng.uniform(5, 25, size)
        frame = pl.DataFrame(
            {"x": x, "a": a, "time": np.minimum(event, end), "event": event <= end}
        )
        model = cox("a + x", frame, time="time", event="event")
        found = model.standardise({"a": [0, 1]}, times=[t])
        gap = found.difference(at=t).tidy()
        lows.append(gap["conf_low"][0])
        highs.append(gap["conf_high"][0])
        area = found.difference(measure="rmst", horizon=t).tidy()
        areas.append((area["conf_low"][0], area["conf_high"][0]))
    population = np.random.default_rng(14).normal(size=200_000)

    def mean_survival(level, times):
        rate = 0.08 * np.exp(0.5 * population - 0.6 * level)
        return np.array([np.exp(-rate * s).mean() for s in times])

    truth = (mean_survival(1, [t]) - mean_survival(0, [t]))[0]
    note = "Cox model, g-formula; influence functions"
    covers("Cox", "standardised survival difference", lows, highs, truth, slack=0.01, note=note)
    grid = np.linspace(0, t, 41)
    gap = mean_survival(1, grid) - mean_survival(0, grid)
    won = np.sum((gap[1:] + gap[:-1]) / 2) * t / 40
    low, high = np.array(areas).T
    covers("Cox", "standardised RMST difference", low, high, won, slack=0.01, note=note)
