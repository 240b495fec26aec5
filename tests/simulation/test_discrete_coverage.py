"""Known truth: intervals of the discrete-time models cover it."""

import os

import numpy as np
import polars as pl

from toolkit.survival.discrete import discrete_competing, discrete_hazard

REPLICATES = max(int(os.environ.get("COVERAGE_REPLICATES", "100")) // 4, 25)
SIZE, MONTHS = 400, 12


def hazard(x, month):
    """cloglog: log hazard ratio 0.5 for x."""
    return 1 - np.exp(-np.exp(-2.4 + 0.5 * x + 0.04 * month))


def drawn(rng, n=SIZE, frailty=0.0, x=None):
    x = rng.integers(0, 2, n) if x is None else x
    months, left = np.full(n, MONTHS), np.zeros(n, int)
    for m in range(MONTHS, 0, -1):
        rate = -np.log1p(-hazard(x, m)) * np.exp(frailty)
        gone = rng.random(n) < -np.expm1(-rate)
        months, left = np.where(gone, m, months), np.where(gone, 1, left)
    end = rng.integers(4, MONTHS + 1, n)
    left = np.where(months <= end, left, 0)
    return pl.DataFrame({"x": x, "months": np.minimum(months, end), "left": left})


def bounds(table):
    return table["conf_low"][0], table["conf_high"][0]


def test_hazards_cover(covers):
    rng = np.random.default_rng(1)
    ratio, curve, clustered, standard = [], [], [], []
    truth = np.prod(1 - hazard(1, np.arange(1, 9)))
    both = truth / 2 + np.prod(1 - hazard(0, np.arange(1, 9))) / 2
    for _ in range(REPLICATES):
        data = drawn(rng)
        model = discrete_hazard("x", data, time="months", event="left", baseline="spline", df=2)
        ratio.append(bounds(model.tidy()))
        curve.append(bounds(model.predict_survival(pl.DataFrame({"x": [1]}), 8).tidy()))
        # everyone three times over, in one cluster
        person = data.with_row_index("person")
        thrice = discrete_hazard(
            "x", pl.concat([person] * 3), time="months", event="left", baseline="spline", df=2,
            cluster="person",
        )  # fmt: skip
        clustered.append(bounds(thrice.tidy()))
        # the marginal curve does not depend on a column that does nothing
        free = discrete_hazard(
            "x + z", data.with_columns(z=pl.Series(rng.integers(0, 2, SIZE))), time="months",
            event="left", baseline="spline", df=2,
        )  # fmt: skip
        standard.append(bounds(free.standardise("z", 8)))
    for name, found, true in (
        ("log hazard ratio, cloglog", ratio, 0.5),
        ("predicted survival", curve, truth),
        ("log hazard ratio, robust by cluster", clustered, 0.5),
        ("standardised survival", standard, both),
    ):
        covers("Discrete time", name, *np.array(found).T, true, slack=0.01)


def test_competing_exits_cover(covers):
    rng = np.random.default_rng(2)
    effect, incidence = [], []

    def chances(x):
        e = np.exp(np.stack([-2.5 + 0.4 * x, -3.0 - 0.3 * x]))
        return e / (1 + e.sum(0))

    h = chances(np.ones(1))[:, 0]
    stay = 1 - h.sum()
    truth = h[0] * (1 - stay**8) / (1 - stay)
    for _ in range(REPLICATES):
        x = rng.integers(0, 2, SIZE)
        p = chances(x)
        months, cause = np.full(SIZE, 10), np.zeros(SIZE, int)
        for m in range(10, 0, -1):
            u = rng.random(SIZE)
            now = np.where(u < p[0], 1, np.where(u < p.sum(0), 2, 0))
            months, cause = np.where(now > 0, m, months), np.where(now > 0, now, cause)
        data = pl.DataFrame({"x": x, "months": months, "cause": cause})
        model = discrete_competing(
            "x", data, time="months", event="cause", baseline="piecewise", cuts=[4]
        )
        effect.append(bounds(model.tidy()))
        incidence.append(bounds(model.predict_incidence(pl.DataFrame({"x": [1]}), 8).tidy()))
    covers("Discrete time", "competing: log odds ratio", *np.array(effect).T, 0.4, slack=0.01)
    covers("Discrete time", "competing: cumulative incidence", *np.array(incidence).T, truth,
           slack=0.01)  # fmt: skip


def test_heterogeneity_covers(covers):
    rng = np.random.default_rng(3)
    few = max(REPLICATES // 5, 10)
    gamma, normal, ignored = [], [], []
    for _ in range(few):
        n = 3000
        data = drawn(rng, n, np.log(rng.gamma(1.0, 1.0, n)))
        with_it = discrete_hazard(
            "x", data, time="months", event="left", baseline="spline", df=2, heterogeneity="gamma"
        )
        gamma.append(bounds(with_it.tidy()))
        without = discrete_hazard("x", data, time="months", event="left", baseline="spline", df=2)
        ignored.append(without.coefficients[0])
        # three spells a person
        n = 300
        own, x = rng.normal(0, 1, n), rng.integers(0, 2, n)
        data = pl.concat(
            drawn(rng, n, own, x).with_columns(person=pl.Series(np.arange(n))) for _ in range(3)
        )
        shared = discrete_hazard(
            "x", data, time="months", event="left", baseline="piecewise", cuts=[4, 8],
            heterogeneity="normal", person="person",
        )  # fmt: skip
        normal.append(bounds(shared.tidy()))
    covers("Discrete time", "log hazard ratio, gamma frailty", *np.array(gamma).T, 0.5, slack=0.02)
    covers("Discrete time", "log hazard ratio, normal intercept", *np.array(normal).T, 0.5,
           slack=0.03, note="the baseline's trend within pieces is left out")  # fmt: skip
    # forgotten heterogeneity is visibly wrong: it pulls the effect to 0
    assert np.mean(ignored) < 0.45
    assert np.std(ignored) / np.sqrt(few) < 0.02
