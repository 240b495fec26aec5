"""Known truth: curves are right on average, intervals cover, tests keep their size.

Replicates are groups of one frame, so that a thousand of them cost one call. Bounds are four
standard deviations of a binomial share (or a mean) around its expectation, with fixed seeds.
"""

import numpy as np
import polars as pl
import pytest

from toolkit import survival

REPLICATES, SIZE = 1000, 120


def within(share, expected, n):
    return abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def drawn(seed, *, late=False):
    """Monthly exits: 6% a month to work, 3% to study, censored uniformly up to month 40."""
    rng = np.random.default_rng(seed)
    n = REPLICATES * SIZE
    month = rng.geometric(1 - 0.94 * 0.97, n)
    # of those who leave, which cause came (work first where both would)
    cause = np.where(rng.random(n) < 0.06 / (1 - 0.94 * 0.97), "work", "study")
    end = rng.integers(6, 41, n)
    entry = rng.integers(0, 9, n) if late else np.zeros(n, dtype=int)
    seen = month <= end
    frame = pl.DataFrame(
        {
            "replicate": np.repeat(np.arange(REPLICATES), SIZE),
            "entry": entry,
            "time": np.minimum(month, end),
            "cause": np.where(seen, cause, ""),
        }
    ).with_columns(cause=pl.col("cause").replace({"": None}), event=pl.Series(seen))
    return frame.filter(pl.col("entry") < pl.col("time"))


def true_survival(t):
    return (0.94 * 0.97) ** t


def true_work(t):
    return 0.06 * (1 - true_survival(t)) / (1 - true_survival(1))


@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain"])
def test_survival_intervals_cover(conf_type):
    curves = survival.kaplan_meier(
        drawn(1), time="time", event="event", by="replicate", conf_type=conf_type
    )
    found = curves.at(12)
    truth = true_survival(12)
    mean_error = found["estimate"].mean() - truth
    assert abs(mean_error) < 4 * found["estimate"].std() / np.sqrt(REPLICATES)
    assert found["std_error"].mean() == pytest.approx(found["estimate"].std(), rel=0.1)
    cover = ((found["conf_low"] <= truth) & (truth <= found["conf_high"])).mean()
    assert abs(cover - 0.95) < 0.03  # four deviations, and the normal approximation itself


@pytest.mark.parametrize("variance", ["jackknife", "aalen"])
@pytest.mark.parametrize("late", [False, True])
def test_incidence_intervals_cover(late, variance):
    found = survival.cumulative_incidence(
        drawn(2, late=late), time="time", event="cause", by="replicate", variance=variance,
        entry="entry" if late else None,
    ).at(12).filter(cause="work")  # fmt: skip
    truth = true_work(12)
    mean_error = found["estimate"].mean() - truth
    assert abs(mean_error) < 4 * found["estimate"].std() / np.sqrt(REPLICATES)
    assert found["std_error"].mean() == pytest.approx(found["estimate"].std(), rel=0.1)
    cover = ((found["conf_low"] <= truth) & (truth <= found["conf_high"])).mean()
    assert abs(cover - 0.95) < 0.03


def test_forgetting_left_truncation_is_visibly_wrong():
    curves = survival.kaplan_meier(
        drawn(3, late=True), time="time", event="event", by="replicate"
    )  # the early leavers were never seen
    assert curves.at(12)["estimate"].mean() > true_survival(12) + 0.05


def test_restricted_mean_is_right():
    found = survival.kaplan_meier(drawn(4), time="time", event="event", by="replicate").rmst(18)
    truth = true_survival(np.arange(18)).sum()
    spread = found["estimate"].std()
    assert abs(found["estimate"].mean() - truth) < 4 * spread / np.sqrt(REPLICATES)
    assert found["std_error"].mean() == pytest.approx(spread, rel=0.1)


def test_rank_tests_keep_their_size_and_find_a_difference():
    n = 250
    frame = drawn(5).filter(pl.col("replicate") < n)
    side = np.random.default_rng(6).integers(0, 2, frame.height)
    frame = frame.with_columns(side=pl.Series(side))
    # every other departure to study of side 1 becomes one to work
    moved = (pl.col("side") == 1) & (pl.col("cause") == "study") & (pl.int_range(pl.len()) % 2 == 0)
    other = frame.with_columns(cause=pl.when(moved).then(pl.lit("work")).otherwise("cause"))
    p_same, p_gray, p_moved = [], [], []
    for i in range(n):
        one, two = (data.filter(replicate=i) for data in (frame, other))
        p_same.append(survival.logrank(one, time="time", event="event", by="side").p_value)
        tests = (
            survival.gray(data, time="time", event="cause", cause="work", by="side").p_value
            for data in (one, two)
        )
        for found, p in zip((p_gray, p_moved), tests, strict=True):
            found.append(p)
    assert within(np.mean(np.array(p_same) < 0.05), 0.05, n)
    assert within(np.mean(np.array(p_gray) < 0.05), 0.05, n)
    assert np.mean(np.array(p_moved) < 0.05) > 0.15
