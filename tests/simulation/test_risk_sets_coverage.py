"""Does matching within risk sets find the truth, and nothing where there is nothing?"""

import os
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from toolkit.effects import contrast
from toolkit.matching import match_risk_sets, plain_sample

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "30"))
#: Months in which a start is possible, and months of outcomes.
MONTHS, ALL = 15, 30
NEVER = 10**6


def logistic(value):
    return 1 / (1 + np.exp(-value))


def world(seed, *, n=1200, effect=0.0):
    """People on benefit whose hazards of leaving and of starting fall and depend on x and z.

    x is fixed, z moves. Nobody starts before or after they are on benefit. The programme changes
    the outcome y by `effect` from the month of its start on, and nothing else: not the exit.
    """
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), np.zeros((n, ALL))
    z[:, 0] = rng.normal(size=n)
    for m in range(1, ALL):
        z[:, m] = 0.8 * z[:, m - 1] + 0.6 * rng.normal(size=n)
    on, start, left, rows = np.ones(n, bool), np.full(n, NEVER), np.full(n, ALL), []
    for m in range(MONTHS):
        risk = on & (start == NEVER)
        rows.append(pl.DataFrame({"person": np.flatnonzero(risk), "time": m, "x": x[risk],
                                  "z": z[risk, m]}))  # fmt: skip
        now = risk & (rng.random(n) < logistic(-3.2 + 0.7 * x + 0.7 * z[:, m]))
        start[now] = m
        out = on & (rng.random(n) < logistic(-1.6 - 0.06 * m + 0.5 * x + 0.5 * z[:, m]))
        left[out] = m + 1
        on &= ~out
    months = np.arange(ALL)
    y = x[:, None] + z + rng.normal(size=(n, ALL)) + effect * (months >= start[:, None])
    people = pl.DataFrame({"person": np.arange(n), "treated_at": start}).with_columns(
        pl.col("treated_at").replace(NEVER, None)
    )
    panel = pl.concat(rows).join(people, on="person").sort("person", "time")
    outcomes = pl.DataFrame(
        {
            "person": np.repeat(np.arange(n), ALL), "time": np.tile(months, n), "y": y.ravel(),
            "off": (months >= left[:, None]).ravel(),
        }
    )  # fmt: skip
    return panel, outcomes, people.with_columns(months=pl.Series(left))


def match(panel, **options):
    return match_risk_sets(panel, person="person", time="time", treated_at="treated_at",
                           on="x + z", caliper=0.1, background=0, **options)  # fmt: skip


def after(found, outcomes, since):
    """Return the uses with the outcome `since` months on."""
    then = found.frame.with_columns(at=pl.col("time") + since).join(
        outcomes, left_on=["person", "at"], right_on=["person", "time"], how="left",
        maintain_order="left",
    )  # fmt: skip
    return replace(found, frame=then)


def interval(sample, outcome, cluster=None, since=0):
    table = contrast(
        sample, outcome=outcome, measure="difference", cluster=cluster, since=since
    ).tidy()
    row = table.filter(term="difference")
    return row["estimate"][0], row["conf_low"][0], row["conf_high"][0]


def study(effect, ask, **options):
    """Return estimates and intervals, (replicates, asked, 3)."""
    found = []
    for seed in range(REPLICATES):
        panel, outcomes, _ = world([7, seed], effect=effect)
        matched = match(panel, **options)
        found.append([
            interval(after(matched, outcomes, since), outcome, cluster, since)
            for outcome, since, cluster in ask
        ])  # fmt: skip
    return np.array(found)


def near(values, truth):
    """Assert a mean within four of its simulation errors, and what pairs may still differ by.

    The caliper is 0.1 sd of the score; half of that in x and z would be 0.05 in y.
    """
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - truth) < 4 * error + 0.02, f"{values.mean():.3f} ± {error:.3f}"


BOTH = None  # by default, persons and pairs


def test_nothing_is_found_where_there_is_nothing(covers):
    """Immortal time: who is ever treated stays longer, in a world without any effect."""
    found = study(0.0, [("off", 6, BOTH), ("y", 6, BOTH), ("y", 6, "person")])
    near(found[:, 0, 0], 0.0)
    near(found[:, 1, 0], 0.0)
    for j, what in enumerate(("off benefit, 6 months on", "outcome, 6 months on")):
        covers("Matching", f"risk sets, no effect: {what}", found[:, j, 1], found[:, j, 2], 0.0,
               note="clusters of persons and pairs", slack=0.02)  # fmt: skip
    # clusters of persons alone leave out what pairs share: never too narrow, here too wide
    wide = (found[:, 2, 1] <= 0) & (found[:, 2, 2] >= 0)
    assert wide.mean() >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / REPLICATES)

    naive = []
    for seed in range(5):
        people = world([7, seed])[2]
        sample = plain_sample(
            people.with_columns(ever=pl.col("treated_at").is_not_null()), treatment="ever"
        )
        naive.append(interval(sample, "months"))
    # ever against never treated: months of difference on benefit that nothing has caused
    assert min(low for _, low, _ in naive) > 2


def test_an_effect_under_selection_on_what_moves_is_found(covers):
    found = study(0.5, [("y", 0, BOTH), ("y", 8, BOTH)])
    near(found[:, 0, 0], 0.5)
    covers("Matching", "risk sets: effect in the month of the start", found[:, 0, 1],
           found[:, 0, 2], 0.5, note="clusters of persons and pairs", slack=0.02)  # fmt: skip
    # controls who have started by then have the effect too: now against not now is less
    assert found[:, 1, 0].mean() < 0.45


def test_against_no_start_at_all_censored_controls_are_weighted_for(covers):
    found = study(0.5, [("y", 0, BOTH), ("y", 8, BOTH)], control="censor")
    near(found[:, 0, 0], 0.5)
    near(found[:, 1, 0], 0.5)
    covers("Matching", "risk sets: effect 8 months on, controls censored", found[:, 1, 1],
           found[:, 1, 2], 0.5, note="clusters of persons and pairs", slack=0.02)  # fmt: skip


@pytest.mark.parametrize("score", ["pooled", "by_month"])
def test_both_ways_to_fit_the_score_balance_alike(score):
    panel, outcomes, _ = world([9, 1], n=6000)
    found = match(panel, score=score, window=(0, 5))
    sample = after(found, outcomes, 0)
    for name in ("x", "z"):
        estimate, low, high = interval(sample, name, BOTH)
        assert abs(estimate) < 0.12
        assert low < 0.03
        assert high > -0.03


def test_covariates_of_the_month_not_of_the_entry():
    """z as of the entry does not do: who starts depends on z as of the month."""
    panel, outcomes, _ = world([9, 2], n=12_000)
    now = match(panel)
    first = panel.with_columns(pl.col("z").first().over("person"))
    then = match_risk_sets(first, person="person", time="time", treated_at="treated_at",
                           on="x + z", background=0)  # fmt: skip
    right = interval(after(now, outcomes, 0), "y", BOTH)
    wrong = interval(after(then, outcomes, 0), "y", BOTH)
    assert right[1] < 0 < right[2]
    assert wrong[1] > 0.1
