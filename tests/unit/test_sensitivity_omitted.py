"""Omitted-variable bounds: the published case, and variables that are put back in."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize_scalar

from toolkit.effects import contrast
from toolkit.effects.sensitivity import omitted_variable_bounds, partial_r2, robustness_value
from toolkit.effects.sensitivity.omitted_numbers import (
    adjusted_error,
    adjusted_estimate,
    at_other_share,
    bound_by_benchmark,
    critical_t,
)
from toolkit.errors import (
    CallError,
    CollinearityError,
    InputError,
    MissingValueError,
    UnknownOptionError,
)
from toolkit.matching import weigh

PAPER = "Cinelli and Hazlett (2020), JRSS B 82; Darfur, R sensemakr"
DARFUR = (0.09731582, 0.02325654, 783)


def people(n=400, seed=0):
    rng = np.random.default_rng(seed)
    age, months, kind = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 3, n)
    treated = rng.random(n) < 1 / (1 + np.exp(-age - 0.4 * (kind == 1)))
    y = 0.8 * treated + age + 0.5 * months + 0.7 * kind + rng.normal(size=n)
    return pl.DataFrame(
        {"treated": treated, "age": age, "months": months, "kind": kind.astype(str), "y": y}
    ).with_columns(kind=pl.lit("k") + pl.col("kind"))


def ols(y, *columns, weight=None):
    """Coefficients, standard errors, residual sum of squares: plain normal equations."""
    x = np.column_stack([np.ones(len(y)), *columns])
    w = np.ones(len(y)) if weight is None else weight
    bread = np.linalg.inv(x.T @ (x * w[:, None]))
    b = bread @ (x.T @ (w * y))
    rss = float(w @ (y - x @ b) ** 2)
    return b, np.sqrt(np.diag(bread) * rss / (len(y) - x.shape[1])), rss


def share(y, one, others, weight=None):
    """Partial R² of one or more columns with y, given the others."""
    with_it, without = ols(y, *others, *one, weight=weight)[2], ols(y, *others, weight=weight)[2]
    return 1 - with_it / without


def test_darfur_from_its_statistic_alone(agree):
    estimate, error, df = DARFUR
    t = estimate / error
    agree("Sensitivity", "robustness value, of significance, partial R² [Darfur]",
          [robustness_value(t, df), robustness_value(t, df, alpha=0.05), partial_r2(t, df)],
          [0.1387764, 0.07625797, 0.02187309], tolerance=1e-7, source=PAPER)  # fmt: skip


def test_darfur_beside_a_confounder_as_strong_as_being_a_woman(agree):
    estimate, error, df = DARFUR
    # its strength with treatment is published; that with the outcome follows from the bound
    f2 = 0.00916428667504862
    with_treatment = f2 / (1 + f2)
    with_outcome = 0.10903
    bounds = [
        bound_by_benchmark(with_treatment, with_outcome, times_treatment=k, times_outcome=k)
        for k in (1, 2, 3)
    ]
    agree("Sensitivity", "bounds by a benchmark, R² with treatment [Darfur]",
          [one for one, _ in bounds], [0.00916428667504862, 0.0183285733500972, 0.0274928600251459],
          tolerance=1e-12, source=PAPER)  # fmt: skip
    agree("Sensitivity", "bounds by a benchmark, R² with outcome [Darfur]",
          [other for _, other in bounds], [0.12464092303637, 0.249324064199975, 0.374050471038094],
          tolerance=5e-5, source=PAPER,
          reason="the benchmark's own R² is printed to five digits")  # fmt: skip
    strengths = np.array(
        [[0.00916428667504862, 0.0183285733500972, 0.0274928600251459],
         [0.12464092303637, 0.249324064199975, 0.374050471038094]]
    )  # fmt: skip
    left = adjusted_estimate(estimate, error, df, *strengths)
    spread = adjusted_error(error, df, *strengths)
    half = critical_t(df - 1, 0.05) * spread
    agree("Sensitivity", "adjusted estimates [Darfur]", left,
          [0.0752202712144491, 0.0529151723844518, 0.0303960234641548], tolerance=1e-8,
          source=PAPER)  # fmt: skip
    agree("Sensitivity", "adjusted standard errors [Darfur]", spread,
          [0.0218733277437572, 0.0203500620779637, 0.0186700648170924], tolerance=1e-8,
          source=PAPER)  # fmt: skip
    agree("Sensitivity", "adjusted t [Darfur]", left / spread,
          [3.43890386024675, 2.60024623913809, 1.62806202131271], tolerance=1e-6,
          source=PAPER)  # fmt: skip
    # theirs take t of 783 degrees of freedom, though the regression with the variable has 782
    agree("Sensitivity", "adjusted limits [Darfur]", [*(left - half), *(left + half)],
          [0.032282966, 0.012968035, -0.006253282, 0.11815758, 0.09286231, 0.06704533],
          tolerance=2e-7, source=PAPER)  # fmt: skip


def test_a_printed_robustness_value(agree):
    agree("Sensitivity", "robustness value [t = 2, df = 100]", robustness_value(2, 100), 0.1809975,
          tolerance=5e-8, source="R sensemakr, its tests")  # fmt: skip


def test_the_regression_is_least_squares():
    frame = people()
    found = omitted_variable_bounds(
        frame, outcome="y", treatment="treated", covariates="age + months + kind"
    )
    b, se, _ = ols(
        frame["y"].to_numpy(), frame["treated"].to_numpy(), frame["age"].to_numpy(),
        frame["months"].to_numpy(), *(frame["kind"].to_numpy() == k for k in ("k1", "k2")),
    )  # fmt: skip
    assert found.estimate == pytest.approx(b[1], rel=1e-12)
    assert found.std_error == pytest.approx(se[1], rel=1e-12)
    assert found.df == 400 - 6


def test_a_benchmark_is_as_strong_as_it_is_by_hand():
    frame = people()
    found = omitted_variable_bounds(
        frame, outcome="y", treatment="treated", covariates=["age", "months", "kind"], times=[1]
    )
    y, d, age, months = (frame[c].cast(float).to_numpy() for c in ("y", "treated", "age", "months"))
    kinds = [(frame["kind"].to_numpy() == k).astype(float) for k in ("k1", "k2")]
    for label, own, others in (
        ("age", [age], [months, *kinds]), ("kind", kinds, [age, months]),
    ):  # fmt: skip
        strength = share(d, own, others), share(y, own, [d, *others])
        row = found.bounds.row(by_predicate=pl.col("benchmark") == label, named=True)
        expected = bound_by_benchmark(*strength, times_treatment=1, times_outcome=1)
        assert (row["r2_treatment"], row["r2_outcome"]) == pytest.approx(expected, rel=1e-9)


def orthogonal(target, *columns):
    """What is left of a vector when columns and a constant are taken out."""
    x = np.column_stack([np.ones(len(target)), *columns])
    return target - x @ np.linalg.lstsq(x, target, rcond=None)[0]


@pytest.mark.parametrize("strength", [(0.05, 0.2), (0.3, 0.1), (0.2, 0.9)])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_variable_put_back_in_does_what_was_foretold(strength, weighted):
    """Z is built with the very partial R², and the longer regression gives the adjusted numbers."""
    r2_treatment, r2_outcome = strength
    rng = np.random.default_rng(5)
    n = 120
    w = rng.uniform(0.5, 2, n) if weighted else np.ones(n)
    root = np.sqrt(w)
    x, d = rng.normal(size=n), rng.random(n) < 0.5
    y = 0.9 * d + x + rng.normal(size=n)
    # all in terms weighted by √w, where least squares is plain
    base = [root * x]

    def left(vector, *others):
        columns = np.column_stack([root, *base, *others])
        return vector - columns @ np.linalg.lstsq(columns, vector, rcond=None)[0]

    d_left = left(root * d)
    y_left = left(root * y, root * d)
    noise = left(rng.normal(size=n), root * d, y_left)
    sign = np.sign(left(root * y) @ d_left)

    def unit(vector):
        return vector / np.linalg.norm(vector)

    # Z = a D⊥ + b (c Y⊥ + s noise): b/a fixes R² with treatment, c that with the outcome
    c = math.sqrt(r2_outcome)
    other = sign * c * unit(y_left) + math.sqrt(1 - r2_outcome) * unit(noise)
    z = math.sqrt(r2_treatment) * unit(d_left) + math.sqrt(1 - r2_treatment) * other
    frame = pl.DataFrame({"d": d, "x": x, "y": y, "w": w})
    from toolkit.matching import plain_sample

    sample = plain_sample(frame, treatment="d", covariates=["x"], weights="w")
    found = omitted_variable_bounds(sample, outcome="y")
    b, se, _ = ols(y, d.astype(float), x, z / root, weight=w)
    estimate, error = found.at(r2_treatment, r2_outcome)
    assert estimate == pytest.approx(b[1], rel=1e-9)
    assert error == pytest.approx(se[1], rel=1e-9)


@pytest.mark.parametrize(("t", "df"), [(4.2, 783), (1.0, 20), (9.0, 60)])
def test_the_robustness_value_takes_all_away(t, df):
    strength = robustness_value(t, df)
    assert adjusted_estimate(t, 1.0, df, strength, strength) == pytest.approx(0, abs=1e-9)
    half = robustness_value(t, df, q=0.5)
    assert adjusted_estimate(t, 1.0, df, half, half) == pytest.approx(t / 2, rel=1e-9)
    level = robustness_value(t, df, alpha=0.05)
    if level:
        left = adjusted_estimate(t, 1.0, df, level, level) / adjusted_error(1.0, df, level, level)
        assert left == pytest.approx(critical_t(df - 1, 0.05), rel=1e-9)
    else:
        assert t < critical_t(df - 1, 0.05) * math.sqrt(df / (df - 1))


def test_the_robustness_value_is_the_least_strength_also_when_few_rows_make_it_large():
    t, df = 1 / 0.3, 7
    found = robustness_value(t, df, alpha=0.05)

    def needed(treatment):
        """Least t over every R² with the outcome up to that with treatment."""
        best = minimize_scalar(
            lambda outcome: float(
                adjusted_estimate(t, 1.0, df, treatment, outcome)
                / adjusted_error(1.0, df, treatment, outcome)
            ),
            bounds=(0, treatment), method="bounded", options={"xatol": 1e-12},
        )  # fmt: skip
        return best.fun

    critical = critical_t(df - 1, 0.05)
    assert needed(found) == pytest.approx(critical, abs=1e-6)
    assert needed(found - 1e-3) > critical


def test_contours_are_the_adjusted_numbers():
    found = omitted_variable_bounds(people(), outcome="y", treatment="treated", covariates=["age"])
    grid = found.contours(points=5)
    assert grid.height == 25
    row = grid.row(12, named=True)
    estimate, error = found.at(row["r2_treatment"], row["r2_outcome"])
    assert (row["estimate"], row["statistic"]) == pytest.approx((estimate, estimate / error))
    import matplotlib.pyplot as plt

    axes = found.plot()
    assert axes.get_xlabel()
    plt.close(axes.figure)


def test_an_observed_variable_put_together_under_a_name():
    frame = people()
    together = omitted_variable_bounds(
        frame, outcome="y", treatment="treated", covariates="age + I(age**2) + months",
        benchmarks={"age and months": ["age", "months"], "age": ["age"]}, times=1,
    )  # fmt: skip
    y, d, age, months = (frame[c].cast(float).to_numpy() for c in ("y", "treated", "age", "months"))
    own = [age, age**2]
    strength = share(d, own, [months]), share(y, own, [d, months])
    row = together.bounds.row(by_predicate=pl.col("benchmark") == "age", named=True)
    expected = bound_by_benchmark(*strength, times_treatment=1, times_outcome=1)
    assert (row["r2_treatment"], row["r2_outcome"]) == pytest.approx(expected, rel=1e-8)


def test_equal_rows_are_frequencies():
    frame = people(80).with_columns(w=pl.int_range(80) % 3 + 1)
    from toolkit.matching import plain_sample

    weighted = plain_sample(frame, treatment="treated", covariates=["age"], weights="w")
    repeated = frame.select(pl.all().repeat_by("w").explode())
    one = omitted_variable_bounds(weighted, outcome="y").glance()
    other = omitted_variable_bounds(
        repeated, outcome="y", treatment="treated", covariates=["age"]
    ).glance()
    assert one.row(0)[1:] == pytest.approx(other.row(0)[1:], rel=1e-10)


def test_strength_does_not_hang_on_how_a_method_scales_its_weights():
    """Weights of 1 for each treated, or with mean 1 in each arm: the same comparison."""
    rng = np.random.default_rng(3)
    n = 3000
    age = rng.normal(size=n)
    treated = rng.random(n) < 1 / (1 + np.exp(2.5 - age))
    frame = pl.DataFrame({"treated": treated, "age": age, "y": treated + age + rng.normal(size=n)})
    sample = weigh(frame, treatment="treated", on="age", method="ipw", estimand="ATT")
    weight = sample.weights.to_numpy()
    weight = weight / np.where(treated, weight[treated].mean(), weight[~treated].mean())
    other = replace(sample, weights=pl.Series(weight))
    one, two = (
        omitted_variable_bounds(x, outcome="y", covariates=["age"]) for x in (sample, other)
    )
    assert one.glance().row(0)[1:] == pytest.approx(two.glance().row(0)[1:], rel=1e-9)
    left = [x.bounds.drop("benchmark").to_numpy() for x in (one, two)]
    np.testing.assert_allclose(*left, rtol=1e-9)
    # a tenth is treated: their number, not that of all rows, makes the estimate uncertain
    truth = contrast(sample, outcome="y", measure="difference", adjust="age").tidy()
    assert one.std_error == pytest.approx(truth["std_error"][2], rel=0.25)


@pytest.mark.parametrize("share", [0.04, 0.3])
def test_a_benchmark_is_as_strong_where_another_share_is_treated(share):
    """The same difference of a variable: R² of all rows becomes that of equal arms."""
    n = 1000
    d = np.arange(n) < share * n
    x = np.where(d, 0.3, 0.0) + np.tile([1.0, -1.0], n // 2)
    half = np.arange(n) < 0.5 * n
    z = np.where(half, 0.3, 0.0) + np.tile([1.0, -1.0], n // 2)
    here, there = (np.corrcoef(*pair)[0, 1] ** 2 for pair in ((d, x), (half, z)))
    assert at_other_share(here, 0.25 / (share * (1 - share))) == pytest.approx(there, rel=1e-12)


def test_a_benchmark_too_strong_to_exceed_is_said():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    frame = pl.DataFrame(
        {"d": x + 0.3 * rng.normal(size=100) > 0, "x": x, "y": rng.normal(size=100)}
    )
    found = omitted_variable_bounds(
        frame, outcome="y", treatment="d", covariates=["x"], times=[1, 5]
    )
    assert found.bounds["estimate"].null_count() >= 1
    assert any("times as strong" in said for said in found.meta["warnings"])


def test_the_door():
    frame = people()
    call = {"outcome": "y", "treatment": "treated"}
    with pytest.raises(CallError, match="q="):
        omitted_variable_bounds(frame, **call, q=0)
    with pytest.raises(CallError, match="times"):
        omitted_variable_bounds(frame, **call, times=[1, 2], times_outcome=[1])
    with pytest.raises(UnknownOptionError):
        omitted_variable_bounds(frame, **call, covariates=["age"], benchmarks=["month"])
    with pytest.raises(CollinearityError):
        omitted_variable_bounds(
            frame.with_columns(twice=2 * pl.col("age")), **call, covariates=["age", "twice"]
        )
    with pytest.raises(CollinearityError, match="apart"):
        omitted_variable_bounds(
            frame.with_columns(d=pl.col("treated").cast(int)), **call, covariates=["d"]
        )
    with pytest.raises(InputError, match="without fail"):
        omitted_variable_bounds(frame.with_columns(y=pl.col("age")), **call, covariates=["age"])
    with pytest.raises(InputError, match="too few"):
        omitted_variable_bounds(frame.head(4), **call, covariates=["age"])
    with pytest.raises(MissingValueError):
        omitted_variable_bounds(
            frame.with_columns(age=pl.when(pl.col("age") > 0).then("age")), **call,
            covariates=["age"],
        )  # fmt: skip
    with pytest.raises(CallError, match="df must"):
        robustness_value(2, 0.5)
    found = omitted_variable_bounds(frame, **call)
    assert found.bounds.height == 0
    assert found.tidy().height == 1
    with pytest.raises(CallError, match="between 0 and 1"):
        found.at(1, 0.5)
