"""Do intervals of the Cox model hold the truth as often as they say?"""

import os

import numpy as np
import polars as pl
import pytest

from toolkit.survival.cox import cox

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "50"))
BETA = np.array([0.5, -0.4])


def months(rng, risk, *, censored=24):
    """Exponential times with hazard risk / 12 a month, cut at a random month up to 2 years."""
    exact = rng.exponential(12 / risk)
    end = rng.integers(6, censored + 1, len(risk))
    return exact, end


def people(rng, n):
    return np.column_stack([rng.integers(0, 2, n).astype(float), rng.normal(size=n)])


def frame(x, time, event, **more):
    return pl.DataFrame({"time": time, "event": event, "a": x[:, 0], "b": x[:, 1], **more})


def bounds(model):
    tidy = model.tidy()
    return tidy["conf_low"].to_numpy(), tidy["conf_high"].to_numpy()


def check(covers, quantity, found, truth=BETA, **options):
    low, high = (np.array(side) for side in zip(*found, strict=True))
    for j, name in enumerate(("binary", "continuous")):
        covers("Cox", f"{quantity}, {name} covariate", low[:, j], high[:, j], truth[j], **options)


def test_log_hazard_ratios_of_continuous_times(covers):
    found = []
    for seed in range(REPLICATES):
        rng = np.random.default_rng([1, seed])
        x = people(rng, 200)
        time, end = months(rng, np.exp(x @ BETA))
        model = cox("a + b", frame(x, np.minimum(time, end), time <= end), time="time",
                    event="event")  # fmt: skip
        found.append(bounds(model))
    check(covers, "log hazard ratio, n = 200", found)


def test_log_hazard_ratios_of_rounded_months_by_efron(covers):
    found = []
    for seed in range(REPLICATES):
        rng = np.random.default_rng([2, seed])
        x = people(rng, 300)
        time, end = months(rng, np.exp(x @ BETA))
        rounded = np.ceil(np.minimum(time, end)).astype(int)
        model = cox("a + b", frame(x, rounded, time <= end), time="time", event="event")
        found.append(bounds(model))
    check(covers, "log hazard ratio, months rounded up, Efron, n = 300", found, slack=0.015)


def test_robust_intervals_hold_where_persons_have_several_spells(covers):
    robust, naive = [], []
    for seed in range(REPLICATES):
        rng = np.random.default_rng([3, seed])
        n, spells = 150, 4
        # the first covariate is the person's own, and so is an unseen frailty of mean 1 that acts
        # on time scale: a proportional hazard that holds in the mean is kept by a positive stable
        x = np.repeat(people(rng, n), spells, axis=0)
        person = np.repeat(np.arange(n), spells)
        frailty = np.repeat(positive_stable(rng, 0.7, n), spells)
        time, end = months(rng, frailty * np.exp(x @ BETA / 0.7))
        data = frame(x, np.minimum(time, end), time <= end, person=person)
        model = cox("a + b", data, time="time", event="event", cluster="person")
        robust.append(bounds(model))
        half = 1.959963984540054 * np.sqrt(np.diag(model.vcov_model))
        naive.append((model.coefficients - half, model.coefficients + half))
    check(covers, "log hazard ratio, 4 spells of 150 persons, cluster-robust", robust, slack=0.02)
    low, high = (np.array(side) for side in zip(*naive, strict=True))
    assert ((low <= BETA) & (high >= BETA)).mean() < 0.9  # without clusters they are too narrow


def positive_stable(rng, alpha, n):
    """Frailties with Laplace transform exp(-s^alpha), which keep marginal hazards proportional."""
    u, e = rng.uniform(0, np.pi, n), rng.exponential(size=n)
    return (
        np.sin(alpha * u) / np.sin(u) ** (1 / alpha)
        * (np.sin((1 - alpha) * u) / e) ** ((1 - alpha) / alpha)
    )  # fmt: skip


def test_robust_intervals_hold_under_sampling_weights(covers):
    found = []
    for seed in range(REPLICATES):
        rng = np.random.default_rng([4, seed])
        x = people(rng, 900)
        time, end = months(rng, np.exp(x @ BETA))
        event = time <= end
        # those who leave early are drawn less often than the others: unweighted that is biased
        drawn = np.where(event, 0.3, 0.7)
        inside = rng.random(900) < drawn
        data = frame(x, np.minimum(time, end), event, w=1 / drawn).filter(pl.Series(inside))
        found.append(bounds(cox("a + b", data, time="time", event="event", weights="w")))
    check(covers, "log hazard ratio, weighted sample of about 450 of 900", found, slack=0.015)


@pytest.mark.parametrize("robust", [False, True])
def test_predicted_survival(covers, robust):
    low, high = [], []
    new = pl.DataFrame({"a": [1.0], "b": [0.5]})
    for seed in range(REPLICATES):
        rng = np.random.default_rng([5, seed])
        x = people(rng, 200)
        time, end = months(rng, np.exp(x @ BETA))
        model = cox("a + b", frame(x, np.minimum(time, end), time <= end), time="time",
                    event="event", robust=robust)  # fmt: skip
        row = model.predict_survival(new, 12, conf_type="log-log").tidy().row(0, named=True)
        low.append(row["conf_low"])
        high.append(row["conf_high"])
    truth = np.exp(-np.exp(0.5 - 0.2))
    kind = "robust" if robust else "model-based"
    covers("Cox", f"predicted survival at 12, {kind}, n = 200", low, high, truth, slack=0.015)
