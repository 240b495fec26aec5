"""For whom: groups, projections, corrections and rules, by hand and against brute force."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit import effects, errors
from toolkit.effects.whom.corrections import adjusted, benjamini_hochberg, holm
from toolkit.effects.whom.policy_search import Node, follow, search


def people(n=400, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 4, n)
    t = rng.random(n) < 0.3 + 0.1 * x
    return pl.DataFrame(
        {
            "x": x, "t": t, "sex": rng.choice(["f", "m"], n), "z": rng.normal(size=n),
            "who": rng.integers(0, 90, n),
            "y": x + t * (x - 1.0) + rng.normal(size=n),
        }
    )  # fmt: skip


def fitted(frame=None, **options):
    frame = people() if frame is None else frame
    return effects.doubly_robust(
        frame, **{"treatment": "t", "outcome": "y", "on": "C(x)", "cross_fit": 1} | options
    )


def test_groups_are_means_of_scores():
    frame = people()
    found = fitted(frame)
    table = effects.subgroups(found, by=["x", "sex"], correction="none").tidy()
    # in cells of x the models are shares: the effect is the plain difference within the cell
    for x in range(4):
        own = effects.contrast(
            frame.filter(pl.col("x") == x), outcome="y", treatment="t", correction="HC0"
        )
        row = table.filter((pl.col("variable") == "x") & (pl.col("level") == str(x)))
        assert row["estimate"].item() == pytest.approx(own.estimate[0])
        n = row["n"].item()
        error = own.tidy().filter(pl.col("term") == "difference")["std_error"].item()
        assert row["std_error"].item() == pytest.approx(error * (n / (n - 1)) ** 0.5)
    for variable in ("x", "sex"):
        part = table.filter(pl.col("variable") == variable)
        whole = (part["n"] * part["estimate"]).sum() / 400
        assert whole == pytest.approx(found.estimate[0])


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATO"])
def test_groups_of_other_estimands(estimand):
    found = fitted(estimand=estimand)
    table = effects.subgroups(found, by="x").tidy()
    cells = effects.subgroups(fitted(), by="x").tidy()
    # within a cell all estimands are one
    np.testing.assert_allclose(table["estimate"], cells["estimate"])


def test_tests_of_equal_effects():
    found = fitted()
    made = effects.subgroups(found, by=["x", "sex"])
    tests = made.glance()
    assert tests["df"].to_list() == [3, 1]
    sex = made.tidy().filter(pl.col("variable") == "sex")
    gap = sex["estimate"][1] - sex["estimate"][0]
    z2 = gap**2 / (sex["std_error"] ** 2).sum()
    assert tests["statistic"][1] == pytest.approx(z2)
    assert tests["p_value"][0] < 1e-6
    assert tests["p_adjusted"][0] == pytest.approx(2 * tests["p_value"][0])
    scores = found.influence[:, 0]
    of_sex = (people()["sex"] == "f").to_numpy()
    covariance = made.vcov[0, 4] / np.sqrt(made.vcov[0, 0] * made.vcov[4, 4])
    first = (people()["x"] == 0).to_numpy()
    effect = scores * 400 + found.estimate[0]
    a = np.where(first, effect - effect[first].mean(), 0) / first.sum()
    b = np.where(of_sex, effect - effect[of_sex].mean(), 0) / of_sex.sum()
    assert covariance == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)))


def test_groups_of_a_contrast():
    frame = people()
    contrast = effects.contrast(frame, outcome="y", treatment="t", by="x")
    made = effects.subgroups(contrast, correction="holm")
    assert made.tidy()["estimate"].to_list() == pytest.approx(contrast.estimate.tolist())
    assert made.design == "naive"
    assert made.glance()["statistic"][0] == pytest.approx(contrast.equal()[0])
    with pytest.raises(errors.CallError, match="leave by="):
        effects.subgroups(contrast, by="x")


def test_combinations():
    made = effects.group_average(fitted(), by=["x", "sex"])
    assert made.tidy()["level"][:3].to_list() == ["0, f", "0, m", "1, f"]
    assert made.tidy()["n"].sum() == 400


def test_corrections():
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, np.nan, 0.02])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, 0.04, 0.04, np.nan, 0.02])


def test_largest_of_independent_estimates():
    z, eye = np.array([2.0, 1.0, -2.5, 0.0]), np.eye(4)
    from scipy.special import ndtr, ndtri

    p = 2 * ndtr(-np.abs(z))
    tail, critical = adjusted(p, z, eye, "max_t", 0.95, 1)
    np.testing.assert_allclose(tail, 1 - (1 - p) ** 4, atol=0.02)
    assert critical[0] == pytest.approx(ndtri((1 + 0.95**0.25) / 2), abs=0.03)
    # of one estimate four times it is the quantile of one
    same, alone = adjusted(p[[0] * 4], z[[0] * 4], np.ones((4, 4)), "max_t", 0.95, 1)
    assert alone[0] == pytest.approx(1.96, abs=0.04)
    assert same[0] == pytest.approx(p[0], abs=0.01)


def test_draws_move_as_little_as_the_variance():
    """Eigenvalues that are nearly equal turn the eigenvectors: bounds must not hang on that."""
    rng = np.random.default_rng(2)
    noise = 1e-9 * rng.normal(size=(4, 4))
    p, z = np.full(4, 0.01), np.full(4, 2.6)
    (tail, critical), (again, other) = (
        adjusted(p, z, vcov, "max_t", 0.95, 1) for vcov in (np.eye(4), np.eye(4) + noise + noise.T)
    )
    np.testing.assert_allclose(again, tail, rtol=1e-6)
    np.testing.assert_allclose(other, critical, rtol=1e-6)


def test_projection_of_cells():
    found = fitted()
    cells = effects.subgroups(found, by="x").tidy()
    line = effects.best_linear_projection(found, "C(x)", centre=False, correction="HC0")
    estimate = cells["estimate"].to_list()
    assert line.tidy()["estimate"].to_list() == pytest.approx(
        [estimate[0], *(one - estimate[0] for one in estimate[1:])]
    )
    centred = effects.best_linear_projection(found, "x")
    assert centred.coefficients[0] == pytest.approx(found.estimate[0])
    with pytest.raises(errors.CallError, match="no covariates"):
        effects.best_linear_projection(found, "1")


def test_sorted_effects_put_the_most_affected_last():
    found = fitted(people(4000), cross_fit=5)
    made = effects.sorted_effects(found, groups=4, traits=["x", "sex"])
    table = made.tidy()
    assert table["level"].to_list() == ["1", "2", "3", "4"]
    assert table["predicted"].is_sorted()
    # the truth is x - 1: from -1 to 2 in fourths of equal size
    assert (abs(table["estimate"] - pl.Series([-1.0, 0, 1, 2])) < 4 * table["std_error"]).all()
    assert made.glance()["estimate"].item() == pytest.approx(3, abs=0.5)
    traits = made.classification()
    assert traits["term"].to_list() == ["x", "sex[T.m]"]
    assert traits["estimate"][0] == pytest.approx(3, abs=0.2)
    for model in ("x", "C(x)"):
        other = effects.sorted_effects(found, model=model, groups=4)
        assert other.glance()["estimate"].item() == pytest.approx(3, abs=0.5)
    with pytest.raises(errors.CallError, match="chance"):
        effects.sorted_effects(fitted())


def brute(bins, gains, depth, least):
    best = gains.sum(axis=0).max()
    if depth == 0:
        return best
    for j in range(bins.shape[1]):
        for b in range(bins[:, j].max()):
            left = bins[:, j] <= b
            if min(left.sum(), (~left).sum()) >= max(least, 1):
                sides = (brute(bins[s], gains[s], depth - 1, least) for s in (left, ~left))
                best = max(best, sum(sides))
    return best


def leaves(node, bins):
    if node.is_leaf:
        return [len(bins)]
    left = bins[:, node.variable] <= node.bin
    return leaves(node.left, bins[left]) + leaves(node.right, bins[~left])


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_trees_are_the_best_there_are(depth):
    rng = np.random.default_rng(depth)
    for _ in range(12 if depth < 3 else 6):
        n, p, actions = int(rng.integers(10, 40)), int(rng.integers(1, 4)), int(rng.integers(2, 4))
        if depth == 3:
            n, p = int(rng.integers(10, 20)), int(rng.integers(1, 3))
        sizes = rng.integers(2, 5, p)
        bins = np.stack([rng.integers(0, k, n) for k in sizes], axis=1)
        gains, least = rng.normal(size=(n, actions)), int(rng.integers(0, 6))
        tree = search(bins, sizes, gains, depth, least, np.ones(n))
        own = gains[np.arange(n), follow(tree, bins)].sum()
        assert own == pytest.approx(brute(bins, gains, depth, least))
        assert tree.is_leaf or min(leaves(tree, bins)) >= least


def test_equal_worth_takes_the_simpler_tree():
    bins = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    gains = np.array([[1.0, 0], [1, 0], [1, 0], [1, 0]])
    assert search(bins, np.array([2, 2]), gains, 2, 0, np.ones(4)) == Node(action=0)
    gains = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    tree = search(bins, np.array([2, 2]), gains, 2, 0, np.ones(4))
    assert (tree.variable, tree.bin) == (0, 0)
    assert tree.left.is_leaf
    assert tree.right.is_leaf


def test_rule_costs_and_values():
    found = fitted(people(4000), cross_fit=5)
    tree = effects.policy_tree(found, on=["x", "sex", "z"], depth=1, costs={True: 0.5})
    # worth x - 1 - 0.5: treat those with x of 2 and 3
    assert tree.assign(pl.DataFrame({"x": [0, 1, 2, 3], "sex": "f", "z": 0.0})).to_list() == [
        False, False, True, True,
    ]  # fmt: skip
    values = dict(tree.tidy().select("term", "estimate").iter_rows())
    scores = found.scores
    treat = (people(4000)["x"] >= 2).to_numpy()
    own = np.where(treat, scores.treated[:, 0] - 0.5, scores.control[:, 0]).mean()
    assert values["policy"] == pytest.approx(own)
    assert values["all True"] == pytest.approx(found.value[0] - 0.5)
    assert values["all False"] == pytest.approx(found.value[1])
    share = treat.mean()
    mixed = share * values["all True"] + (1 - share) * values["all False"]
    assert values["random"] == pytest.approx(mixed)
    assert values["policy less random"] == pytest.approx(values["policy"] - mixed)
    assert tree.glance()["share"].sum() == pytest.approx(1)
    assert "if x <= 1: False" in tree.summary()
    # what nobody would pay for is given to nobody, and what less is better turns about
    dear = effects.policy_tree(found, on="x", costs={True: 100})
    assert dear.root.is_leaf
    turned = effects.policy_tree(found, on="x", depth=1, maximise=False)
    assert turned.assign(pl.DataFrame({"x": [0, 3]})).to_list() == [True, False]


def test_rule_does_not_depend_on_order():
    frame = people(600)
    options = {"on": ["x", "sex", "z"], "min_leaf": 20}
    first = effects.policy_tree(fitted(frame, cross_fit=5), **options)
    mixed = frame.sample(fraction=1, shuffle=True, seed=2)
    other = effects.policy_tree(fitted(mixed, cross_fit=5), **options)
    assert first.rules() == other.rules()
    np.testing.assert_allclose(first.tidy()["estimate"], other.tidy()["estimate"])
    np.testing.assert_allclose(first.tidy()["std_error"], other.tidy()["std_error"])


def test_clusters_reach_all_answers():
    found = fitted(cluster="who", cross_fit=5)
    plain = fitted(cross_fit=5)
    assert found.glance()["n_fold"].item() == 5
    made = effects.subgroups(found, by="x")
    assert made.vcov[0, 1] != 0  # persons stand in several groups
    assert effects.subgroups(plain, by="x").vcov[0, 1] == 0
    for answer in (
        effects.best_linear_projection(found, "x"),
        effects.sorted_effects(found, groups=2),
        effects.policy_tree(found, on="x", depth=1),
    ):
        assert answer.tidy()["std_error"].is_not_null().all()


REFUSED = {
    "no scores": (lambda _: effects.subgroups(people(), by="x"), "no doubly robust"),
    "no column": (lambda x: effects.subgroups(x, by="nobody"), "nobody"),
    "no by": (effects.subgroups, "names no column"),
    "correction": (lambda x: effects.subgroups(x, by="x", correction="sidak"), "sidak"),
    "outcome": (lambda x: effects.subgroups(x, by="x", outcome="z"), "outcome"),
    "depth": (lambda x: effects.policy_tree(x, on="x", depth=4), "shallow"),
    "costs": (lambda x: effects.policy_tree(x, on="x", costs={"job": 1}), "job"),
    "cost": (lambda x: effects.policy_tree(x, on="x", costs={True: None}), "not a number"),
    "folds": (lambda x: effects.policy_tree(x, on="x", folds=1), "folds"),
    "groups": (lambda x: effects.sorted_effects(x, groups=1), "groups"),
    "not all": (
        lambda _: effects.policy_tree(fitted(estimand="ATT"), on="x"), "those of ATT"),
    "many levels": (
        lambda x: effects.policy_tree(x, on="sex", splits=1).assign(pl.DataFrame({"sex": ["x"]})),
        "does not know"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    call, said = REFUSED[what]
    with pytest.raises(errors.ToolkitError, match=said):
        call(fitted())


def test_nobody_is_sorted_by_what_came_after():
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {"x": rng.normal(size=80), "t": [0, 1] * 40, "y": rng.normal(size=80), "g": ["a", "b"] * 40}
    )
    found = effects.doubly_robust(frame, treatment="t", outcome="y", on="x", cross_fit=2)
    for name in ("y", "t"):
        with pytest.raises(errors.CallError, match="not known when deciding"):
            effects.policy_tree(found, on=["x", name], min_leaf=5)
    with pytest.raises(errors.CallError, match="by the outcome itself"):
        effects.subgroups(found, by=["g", "y"])
    for on in (["x", "y"], "x + y"):
        with pytest.raises(errors.CallError, match="'y' is among the covariates"):
            effects.doubly_robust(frame, treatment="t", outcome="y", on=on)
        with pytest.raises(errors.CallError, match="'y' is among the covariates"):
            effects.doubly_robust_arms(frame, treatment="g", reference="a", outcome="y", on=on)
