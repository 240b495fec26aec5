"""Doubly robust effects where both models are shares of cells, as exact fractions; and the door."""

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from toolkit import effects, errors
from toolkit.effects.doubly_robust import models
from toolkit.effects.doubly_robust.folds import make_folds, row_marks
from toolkit.effects.doubly_robust.splits import median_vcov


def people():
    """Two cells: old has 2 of 5 treated and effect 3, young 3 of 5 and effect 1."""
    return pl.DataFrame(
        {
            "t": [1, 1, 0, 0, 0, 1, 1, 1, 0, 0],
            "y": [8.0, 6, 3, 4, 5, 1, 2, 3, 0, 2],
            "old": [1] * 5 + [0] * 5,
        }
    )


def fit(frame=None, **options):
    return effects.doubly_robust(
        people() if frame is None else frame,
        **{"treatment": "t", "outcome": "y", "on": "old", "cross_fit": 1} | options,
    )


TRUTH = {
    "ATE": Fraction(3 + 1, 2),
    "ATT": (2 * 3 + 3 * Fraction(1)) / 5,
    "ATC": (3 * 3 + 2 * Fraction(1)) / 5,
    # both cells have e (1 - e) = 6 / 25
    "ATO": Fraction(3 + 1, 2),
}


@pytest.mark.parametrize("estimand", TRUTH)
def test_in_cells_it_is_the_mean_of_their_differences(estimand):
    found = fit(estimand=estimand)
    assert found.estimate[0] == pytest.approx(TRUTH[estimand])
    assert found.influence.sum() == pytest.approx(0)


def test_variance_in_cells():
    """Spread between cells and within, with HC0 means: Σ influence² × n / (n - 1)."""
    found = fit()
    # ATE: effect of cell - 2 for each row, and residual / chance
    e = {1: Fraction(2, 5), 0: Fraction(3, 5)}
    mean = {(1, 1): 7, (1, 0): 4, (0, 1): 2, (0, 0): 1}
    total = Fraction(0)
    for t, y, old in people().iter_rows():
        chance = e[old] if t else 1 - e[old]
        sign = 1 if t else -1
        moved = (3 if old else 1) - 2 + sign * (Fraction(int(y)) - mean[old, t]) / chance
        total += moved**2
    row = found.tidy().filter(pl.col("term") == "difference").row(0, named=True)
    assert row["std_error"] ** 2 == pytest.approx(total / 100 * Fraction(10, 9))
    by_contrast = effects.contrast(
        people(), outcome="y", treatment="t", estimand="ATE", adjust="old", correction="HC0"
    )
    assert row["std_error"] ** 2 * 0.9 == pytest.approx(
        by_contrast.tidy().filter(pl.col("term") == "difference")["std_error"].item() ** 2
    )


def test_several_outcomes_are_as_each_by_itself():
    rng = np.random.default_rng(2)
    frame = pl.DataFrame({"x": rng.normal(size=300), "t": rng.random(300) < 0.4})
    frame = frame.with_columns(
        a=pl.col("x") + pl.col("t") + rng.normal(size=300), b=pl.Series(rng.random(300) < 0.5),
        c=pl.when(pl.col("x") < 1).then(pl.col("x") ** 2),
    )  # fmt: skip
    options = {"treatment": "t", "on": "x", "cross_fit": 1}
    both = effects.doubly_robust(frame, outcome=["a", "b", "c"], missing="drop", **options)
    for k, name in enumerate(["a", "b", "c"]):
        alone = effects.doubly_robust(frame, outcome=name, missing="drop", **options)
        assert both.value[2 * k : 2 * k + 2] == pytest.approx(alone.value)
        block = slice(2 * k, 2 * k + 2)
        np.testing.assert_allclose(np.diag(both.vcov)[block], np.diag(alone.vcov), rtol=0.3)
        assert both.tidy().filter(pl.col("outcome") == name).height == 4
    assert both.meta["dropped"] == {"c not known": int((frame["x"] >= 1).sum())}
    with pytest.raises(errors.MissingValueError, match="missing"):
        effects.doubly_robust(frame, outcome="c", **options)


def test_formula_list_and_estimator_are_one():
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(2, 400))
    t = rng.random(400) < 1 / (1 + np.exp(-x))
    frame = pl.DataFrame({"x": x, "z": z, "t": t, "y": x + z + t + rng.normal(size=400)})
    options = {"treatment": "t", "outcome": "y"}
    first = effects.doubly_robust(frame, on="x + z", **options)
    for other in (
        effects.doubly_robust(frame, on=["x", "z"], **options),
        effects.doubly_robust(frame, treatment_model="x + z", outcome_model="z + x", **options),
    ):
        np.testing.assert_allclose(other.value, first.value, atol=0.02)
    learned = effects.doubly_robust(
        frame, on="x + z", treatment_model=LogisticRegression(C=1e10, tol=1e-10, max_iter=1000),
        outcome_model=LinearRegression(), **options,
    )  # fmt: skip
    np.testing.assert_allclose(learned.value, first.value, atol=1e-5)
    np.testing.assert_allclose(learned.vcov, first.vcov, rtol=1e-4)


def test_splits_are_their_median():
    rng = np.random.default_rng(5)
    x = rng.normal(size=120)
    frame = pl.DataFrame({"x": x, "t": rng.random(120) < 0.5, "y": x + rng.normal(size=120)})
    options = {"treatment": "t", "outcome": "y", "on": "x"}
    each = [effects.doubly_robust(frame, seed=seed, **options) for seed in (3, 4, 5)]
    together = effects.doubly_robust(frame, seed=3, repeats=3, **options)
    values = np.array([one.value for one in each])
    np.testing.assert_allclose(together.value, np.median(values, axis=0))
    spread = [np.diag(one.vcov) + (one.value - together.value) ** 2 for one in each]
    np.testing.assert_allclose(np.diag(together.vcov), np.median(spread, axis=0))


def test_the_difference_over_splits_is_the_median_difference():
    """Not the difference of the medians, and its variance is its own (section 3.4)."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=60)
    t = rng.random(60) < 1 / (1 + np.exp(-1.5 * x))
    frame = pl.DataFrame({"x": x, "t": t, "y": 5 + x**2 + rng.normal(size=60)})
    options = {"treatment": "t", "outcome": "y", "on": "x", "measure": ["difference", "ratio"]}
    each = [effects.doubly_robust(frame, seed=seed, **options) for seed in range(5)]
    together = effects.doubly_robust(frame, seed=0, repeats=5, **options)
    row = together.tidy().row(2, named=True)
    apart = np.array([one.estimate[0] for one in each])
    error = np.array([one.tidy()["std_error"][2] for one in each])
    middle = np.median(apart)
    assert together.estimate[0] == pytest.approx(middle)
    assert row["estimate"] == pytest.approx(middle)
    assert row["std_error"] ** 2 == pytest.approx(np.median(error**2 + (apart - middle) ** 2))
    assert together.value[0] - together.value[1] != pytest.approx(middle)
    log, of_log = np.array([one.tidy().select(
        pl.col("estimate").log(), pl.col("std_error") / pl.col("estimate")
    ).row(3) for one in each]).T  # fmt: skip
    ratio = together.tidy().row(3, named=True)
    size = np.sqrt(np.median(of_log**2 + (log - np.median(log)) ** 2))
    assert np.log(ratio["estimate"]) == pytest.approx(np.median(log))
    assert ratio["std_error"] / ratio["estimate"] == pytest.approx(size)
    assert np.log(ratio["conf_high"] / ratio["estimate"]) == pytest.approx(1.959964 * size)


def test_the_variance_over_splits_is_one():
    """Medians of each covariance make up none: here the first and third would go together by 2."""
    values = np.array([[0.0, -2.0, 0.0], [-2.0, 1.0, -1.0], [1.0, 0.0, 2.0]])
    small = 1e-3 * np.eye(3)
    off = [np.outer(one, one) + small for one in values]
    assert np.linalg.eigvalsh(np.median(off, axis=0))[0] < -0.9
    value, vcov = median_vcov(values, np.stack([small] * 3))
    assert value.tolist() == [0, 0, 0]
    assert np.linalg.eigvalsh(vcov)[0] > 0
    np.testing.assert_allclose(np.diag(vcov), np.median(1e-3 + values**2, axis=0))


def without_overlap(n=400, seed=3):
    """The first treated are of a kind that is hardly ever treated."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([[-6.0], rng.normal(size=n - 1)])
    t = np.concatenate([[True], rng.random(n - 1) < 1 / (1 + np.exp(-2 * x[1:]))])
    y = np.where(np.arange(n) == 0, 40.0, x + rng.normal(size=n))
    return pl.DataFrame({"x": x, "t": t, "y": y})


def test_one_row_that_decides_is_the_first_thing_said():
    frame = without_overlap()
    options = {"treatment": "t", "outcome": "y", "on": "x", "cross_fit": 1}
    found = effects.doubly_robust(frame, **options)
    assert found.glance()["ess_treated"][0] < 5
    first = found.summary().splitlines()[0]
    assert first.startswith("NO OVERLAP: one row has")
    assert "of the weight of the treated" in first
    verdict = effects.gate(
        {"min_ess": 20, "max_smd": None, "min_support": 0.8, "min_placebo_p": None}, sample=found
    )
    assert not verdict.supported
    failed = verdict.tidy().filter(pl.col("verdict") == "failed")
    assert failed.select("criterion", "about").rows() == [("ess", "treated")]
    assert verdict.apply(found).summary().splitlines()[0].startswith("NOT SUPPORTED")
    trimmed = effects.doubly_robust(frame, **options, trim=0.1)
    assert trimmed.headline() == ""
    # and by the mean of chances over splits it would not show
    several = effects.doubly_robust(frame, **options | {"cross_fit": 5}, repeats=2)
    assert "NO OVERLAP" in several.summary().splitlines()[0]


def test_a_mean_that_cannot_be_is_the_first_thing_said():
    frame = without_overlap().with_columns(y=pl.col("y").clip(-3, 3))
    lost = frame.with_columns(y=pl.when(pl.col("x") < -5).then(3.0).otherwise(-3.0))
    found = effects.doubly_robust(lost, treatment="t", outcome="y", on="x", cross_fit=5, seed=1)
    assert not -3 <= found.value[0] <= 3
    assert "IMPOSSIBLE: the mean of 'y' with treatment is" in found.summary().splitlines()[0]


def test_the_gate_reads_what_scores_are_of():
    frame = people().with_columns(k=pl.lit(3))
    asked = {"min_ess": 1, "max_smd": None, "min_support": 0.5, "min_placebo_p": None}

    def judged(found):
        return {one.criterion: (one.value, one.about) for one in effects.gate(
            asked, sample=found
        ).judged}  # fmt: skip

    # the ATE's weights among the treated: 5/2 twice, 5/3 thrice
    plain = fit(frame)
    ess = float((Fraction(5, 2) * 2 + Fraction(5, 3) * 3) ** 2
                / (Fraction(25, 4) * 2 + Fraction(25, 9) * 3))  # fmt: skip
    assert judged(plain)["ess"][0] == pytest.approx(ess)
    assert judged(plain)["support"][0] == 1
    # three equal rows each are three rows
    assert judged(fit(frame, weights="k"))["ess"][0] == pytest.approx(3 * ess)
    some = frame.with_columns(y=pl.when(pl.int_range(10) != 5).then("y"))
    lost = fit(some, missing="drop", estimand="ATT")
    assert judged(lost)["support"] == (0.8, "treated")
    assert judged(fit(some, missing="drop", estimand="ATO"))["support"] == (1, "overlap")
    arms = effects.doubly_robust_arms(
        frame, treatment="t", outcome="y", on="old", cross_fit=1, reference=0
    )
    assert judged(arms)["ess"][0] == pytest.approx(ess)


def test_nothing_is_clipped_or_trimmed_in_silence():
    rng = np.random.default_rng(6)
    x = rng.normal(size=2000)
    t = rng.random(2000) < 1 / (1 + np.exp(-4 * x))
    frame = pl.DataFrame({"x": x, "t": t, "y": x + t + rng.normal(size=2000)})
    plain, clipped, trimmed = (
        effects.doubly_robust(frame, treatment="t", outcome="y", on="x", cross_fit=1, **how)
        for how in ({}, {"clip": 0.05}, {"trim": 0.05})
    )
    e = plain.propensity.to_numpy()
    outside = int(((e < 0.05) | (e > 0.95)).sum())
    assert any("chance below 0.01" in said for said in plain.meta["warnings"])
    assert any(f"{outside:,} chances" in said for said in clipped.meta["warnings"])
    assert list(trimmed.meta["dropped"].values()) == [outside]
    assert trimmed.meta["n"] == 2000 - outside
    assert clipped.propensity.min() == 0.05
    assert plain.propensity.min() < 0.05
    split = frame.with_columns(t=pl.col("x") > 0)
    with pytest.raises(errors.SeparationError, match="runs off"):
        effects.doubly_robust(split, treatment="t", outcome="y", on="x")
    sure = {"treatment_model": DecisionTreeClassifier(), "outcome_model": LinearRegression()}
    with pytest.raises(errors.SeparationError, match="no chance"):
        effects.doubly_robust(frame, treatment="t", outcome="y", on="x", **sure)
    kept = effects.doubly_robust(frame, treatment="t", outcome="y", on="x", clip=0.1, **sure)
    assert any("biased" in said for said in kept.meta["warnings"])


def test_looks_at_its_models():
    rng = np.random.default_rng(7)
    x = rng.normal(size=3000)
    t = rng.random(3000) < 1 / (1 + np.exp(-x))
    frame = pl.DataFrame({"x": x, "t": t, "y": 2 * x + t + rng.normal(size=3000)})
    found = effects.doubly_robust(frame, treatment="t", outcome="y", on="x")
    bins = found.calibration(5)
    assert bins["n"].to_list() == [600] * 5
    assert ((bins["predicted"] - bins["observed"]).abs() < 4 * bins["std_error"]).all()
    overlap = found.overlap()
    assert overlap["n"].sum() == 3000
    assert (overlap["min"] < overlap["p01"]).all()
    assert found.errors["r_squared"].to_list() == pytest.approx([0.8, 0.8], abs=0.07)
    glance = found.glance().row(0, named=True)
    e = found.propensity.to_numpy()
    above = (e[t][:, None] > e[~t][None, :]).mean()
    assert glance["auc"] == pytest.approx(above, abs=1e-9)
    assert found.design == "doubly_robust"


def test_arms_in_cells():
    frame = pl.DataFrame(
        {"arm": ["none", "job", "course"] * 4, "y": [1.0, 3, 2, 2, 4, 3, 5, 8, 5, 6, 9, 6],
         "old": [0] * 6 + [1] * 6}
    )  # fmt: skip
    found = effects.doubly_robust_arms(
        frame, treatment="arm", outcome="y", reference="none", on="old", cross_fit=1
    )
    assert found.arms == ("none", "course", "job")
    assert found.value.tolist() == pytest.approx([3.5, 4, 6])
    assert found.glance()["n"].to_list() == [4, 4, 4]
    two = fit(people())
    same = effects.doubly_robust_arms(people(), treatment="t", outcome="y", reference=0, on="old",
                                      cross_fit=1)  # fmt: skip
    np.testing.assert_allclose(same.value[::-1], two.value)
    ours, theirs = (x.tidy().filter(pl.col("term") == "difference") for x in (same, two))
    assert ours["std_error"].item() == pytest.approx(theirs["std_error"].item())
    with pytest.raises(errors.UnknownOptionError, match="reference"):
        effects.doubly_robust_arms(frame, treatment="arm", outcome="y", reference="no", on="old")


def test_folds():
    rng = np.random.default_rng(8)
    arm, cluster = rng.integers(0, 2, 1000), rng.integers(0, 40, 1000)
    marks = row_marks([rng.normal(size=1000)], 1)
    fold = make_folds(marks, arm, 5)
    table = np.zeros((2, 5), int)
    np.add.at(table, (arm, fold), 1)
    assert (table.max(axis=1) - table.min(axis=1) <= 1).all()
    whole = make_folds(marks, arm, 5, cluster)
    assert all(len(set(whole[cluster == c])) == 1 for c in range(40))
    assert (fold != make_folds(row_marks([rng.normal(size=1000)], 2), arm, 5)).any()


REFUSED = {
    "no covariates": ({"on": None}, "depends on"),
    "folds": ({"cross_fit": 0}, "cross_fit"),
    "repeats without folds": ({"repeats": 3}, "Without folds"),
    "clip": ({"clip": 0.7}, "clip"),
    "estimand": ({"estimand": "LATE"}, "LATE"),
    "no estimator": ({"outcome_model": 3}, "int"),
    "no classifier": ({"treatment_model": LinearRegression()}, "predict_proba"),
    "logit of numbers": ({"link": "logit"}, "0 and 1"),
    "one outcome twice": ({"outcome": ["y", "y"]}, "twice"),
    "made up": ({"on": "old + twice"}, "made up"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    options, said = REFUSED[what]
    with pytest.raises(errors.ToolkitError, match=said):
        fit(people().with_columns(twice=2 * pl.col("old")), **options)


def test_order_coding_weights_and_clusters():
    rng = np.random.default_rng(9)
    x = rng.normal(size=400).round(1)
    frame = pl.DataFrame(
        {"x": x, "t": rng.random(400) < 0.4, "y": (x + rng.normal(size=400)) > 0,
         "k": rng.integers(1, 4, 400), "who": rng.integers(0, 80, 400)}
    )  # fmt: skip
    for more in ({}, {"cluster": "who"}, {"weights": "k"}, {"estimand": "ATO", "repeats": 2}):
        options = {"treatment": "t", "outcome": "y", "on": "x"} | more
        first = effects.doubly_robust(frame, **options)
        mixed = frame.sample(fraction=1, shuffle=True, seed=2).with_columns(pl.col("t").cast(int))
        other = effects.doubly_robust(mixed, **options)
        np.testing.assert_allclose(other.value, first.value, atol=1e-9)
        np.testing.assert_allclose(other.vcov, first.vcov, atol=1e-9)
    counted = effects.doubly_robust(frame, treatment="t", outcome="y", on="x", weights="k",
                                    cross_fit=1)  # fmt: skip
    repeated = frame.select(pl.all().repeat_by("k")).explode(pl.all())
    again = effects.doubly_robust(repeated, treatment="t", outcome="y", on="x", cross_fit=1)
    np.testing.assert_allclose(counted.value, again.value, atol=1e-9)
    np.testing.assert_allclose(counted.vcov, again.vcov, atol=1e-9)
    assert counted.meta["n"] == again.meta["n"]


def test_an_outcome_that_hardly_happens():
    """One yes in an arm: outside its fold there is none, and the chance there is 0."""
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=200), np.arange(200) % 2
    y = np.zeros(200)
    y[[1, 10, 20, 30]] = 1  # the first is treated
    frame = pl.DataFrame({"x": x, "t": t, "y": y, "w": rng.random(200) + 0.1})
    found = effects.doubly_robust(frame, treatment="t", outcome="y", on="x")
    assert 0 < found.value[0] < 0.03
    # and one that always happens does so under weights that add up to no round number
    sure = frame.with_columns(y=pl.lit(1))
    found = effects.doubly_robust(sure, treatment="t", outcome="y", on="x", weights="w")
    np.testing.assert_array_equal(found.value, [1, 1])


@pytest.mark.parametrize(
    "change",
    [
        {"w": pl.lit(0.0)},
        {"w": pl.col("t")},
        {"y": pl.lit(None, pl.Float64)},
        {"y": pl.when(pl.col("t") == 1).then("y")},
    ],
)
def test_an_arm_that_counts_for_nothing_is_refused(change):
    frame = pl.DataFrame({"x": range(40), "t": [0, 1] * 20, "y": range(40), "w": [1.0] * 40})
    frame = frame.with_columns(pl.col("y").cast(float)).with_columns(**change)
    options = {"outcome": "y", "on": "x", "weights": "w", "missing": "drop"}
    with pytest.raises(errors.EmptyCohortError, match="nobody with a weight"):
        effects.doubly_robust(frame, treatment="t", **options)
    with pytest.raises(errors.EmptyCohortError, match="nobody with a weight"):
        effects.doubly_robust_arms(frame, treatment="t", reference=0, **options)


def test_a_seed_is_a_number():
    frame = pl.DataFrame({"x": range(40), "t": [0, 1] * 20, "y": range(40)})
    for seed in ("a", -1, True):
        with pytest.raises(errors.CallError, match="seed="):
            effects.doubly_robust(frame, treatment="t", outcome="y", on="x", seed=seed)


def test_the_effect_on_the_treated_does_not_ask_what_the_treated_cannot_tell():
    """ATT: m₁ enters no score, so a level that no treated has, or one only, is no hindrance."""
    people = pl.DataFrame(
        {
            "t": [1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
            "old": [1, 1, 1, 1, 1, 0, 0, 1, 0, 1],
            "y": [5.0, 6.0, 7.0, 2.0, 4.0, 9.0, 9.0, 3.0, 8.0, 3.0],
        }
    )
    asked = {"treatment": "t", "outcome": "y", "outcome_model": "old", "cross_fit": 1}
    found = effects.doubly_robust(
        people, treatment_model="1", estimand="ATT", measure="difference", **asked
    )
    # the controls among the old have mean 3: (5 + 6 + 7) / 3 - 3
    assert found.tidy()["estimate"][2] == pytest.approx(3)
    with pytest.raises(
        errors.CollinearityError, match="'old' has the same value in every row of the treated"
    ):
        effects.doubly_robust(people, treatment_model="1", estimand="ATE", **asked)


def test_learners_get_no_more_threads_than_their_rows_are_worth(monkeypatch):
    asked = []

    @contextmanager
    def noted(rows):
        asked.append(rows)
        yield

    monkeypatch.setattr(models, "learning_threads", noted)
    frame = pl.concat([people()] * 4)
    options = {"treatment_model": LogisticRegression(), "outcome_model": LinearRegression()}
    fit(frame, **options, cross_fit=2)
    # halves of all for the chance, halves of the 20 rows of each arm for the outcome
    assert asked == [20, 20, 10, 10, 10, 10]


@pytest.mark.parametrize("outcome", ["yes", "hours"])
def test_a_column_that_an_arm_lacks_is_named_with_the_arm(outcome):
    """Of all rows the columns tell different things; of the treated they do not."""
    rng = np.random.default_rng(0)
    n = 400
    t, x = rng.random(n) < 0.5, rng.normal(size=n)
    frame = pl.DataFrame(
        {"t": t, "x": x, "other": np.where(t, 2 * x, rng.normal(size=n)),
         "kind": np.where(t, "a", np.where(x > 0, "b", "a")), "rare": np.arange(n) == 7,
         "yes": rng.random(n) < 0.4, "hours": rng.normal(size=n)}
    )  # fmt: skip

    def said(formula, **options):
        with pytest.raises(errors.CollinearityError) as caught:
            effects.doubly_robust(
                frame, treatment="t", outcome=outcome, treatment_model="x", outcome_model=formula,
                **options,
            )  # fmt: skip
        return caught.value.what

    assert said("x + other") == "Column 'other' is made up of 'x' in the rows of the treated"
    assert "'kind" in said("x + kind")
    assert said("x + kind").endswith("has the same value in every row of the treated")
    arm = "treated" if t[7] else "controls"
    assert said("x + rare", estimand="ATC" if t[7] else "ATT") == (
        f"Column 'rare' has the same value in every row of the {arm} outside one of the folds"
    )
    # of the effect on the treated only the controls are asked
    found = effects.doubly_robust(
        frame, treatment="t", outcome=outcome, treatment_model="x", outcome_model="x + other",
        estimand="ATT",
    )  # fmt: skip
    assert np.isfinite(found.estimate).all()
    with pytest.raises(errors.CollinearityError, match="of arm job"):
        effects.doubly_robust_arms(
            frame.with_columns(arm=pl.when("t").then(pl.lit("job")).otherwise(pl.lit("none"))),
            treatment="arm", outcome=outcome, reference="none", treatment_model="x",
            outcome_model="x + other",
        )  # fmt: skip
