"""What a contrast does not depend on, and that influences are derivatives to the rows' weights."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit import effects, matching
from toolkit.effects.bootstrap import poisson_sums
from toolkit.effects.contrast_pairs import BiasCorrection, pair_means


def drawn(seed=3, n=160):
    rng = np.random.default_rng(seed)
    a, cell = rng.normal(size=n), rng.integers(0, 3, n)
    t = rng.random(n) < 1 / (1 + np.exp(0.7 - 0.6 * a - 0.4 * cell))
    y = a + cell + t * (1 + a) + rng.normal(size=n)
    return pl.DataFrame({"a": a, "cell": cell, "t": t, "y": y, "yes": y > 1,
                         "w": rng.uniform(0.5, 2, n), "k": rng.integers(1, 4, n),
                         "who": rng.integers(0, 50, n)})  # fmt: skip


WAYS = {
    "means": {},
    "linear": {"adjust": "a + C(cell)"},
    "same slopes": {"adjust": "a + C(cell)", "interacted": False},
    "linear, all": {"adjust": "a", "estimand": "ATE"},
    "linear, controls": {"adjust": "a", "estimand": "ATC"},
    "linear, overlap": {"adjust": "a", "estimand": "ATO"},
    "logit": {"adjust": "a", "link": "logit", "outcome": "yes"},
}


@pytest.mark.parametrize("way", WAYS)
def test_influence_is_the_derivative_to_a_rows_weight(way):
    frame, step = drawn(), 1e-5
    options = {"outcome": "y", "treatment": "t", "weights": "w", "correction": "HC0"} | WAYS[way]
    found = effects.contrast(frame, **options)
    for row in (0, 7, 90):
        moved = []
        for sign in (1, -1):
            w = frame["w"].to_numpy().copy()
            w[row] *= 1 + sign * step
            other = frame.with_columns(w=pl.Series(w))
            moved.append(effects.contrast(other, **options).value)
        derivative = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(found.moved.dense()[row], derivative, atol=1e-7)


@pytest.mark.parametrize("way", WAYS)
def test_rows_repeated_or_shuffled_or_coded_otherwise(way):
    frame = drawn()
    options = {"outcome": "y", "treatment": "t"} | WAYS[way]
    counted = effects.contrast(frame, weights="k", **options)
    repeated = frame.select(pl.all().repeat_by("k")).explode(pl.all())
    again = effects.contrast(repeated, **options)
    np.testing.assert_allclose(counted.value, again.value, atol=1e-10)
    np.testing.assert_allclose(counted.vcov, again.vcov, atol=1e-10)
    mixed = frame.sample(fraction=1, shuffle=True, seed=1).with_columns(pl.col("t").cast(pl.Int8))
    shuffled = effects.contrast(mixed, weights="k", **options)
    np.testing.assert_allclose(counted.vcov, shuffled.vcov, atol=1e-12)


@pytest.mark.parametrize(
    "how", [{"replace": True}, {"replace": True, "ratio": 3}, {}, {"ratio": 2, "method": "nearest"}]
)
@pytest.mark.parametrize("adjust", [None, "a"])
def test_matched_rows_shuffled(how, adjust):
    frame = drawn(5, 400)
    found = []
    for seed in (None, 1, 2):
        mixed = frame if seed is None else frame.sample(fraction=1, shuffle=True, seed=seed)
        pairs = matching.match(mixed, treatment="t", on="a", ties="y", **how)
        found.append(effects.contrast(pairs, outcome="y", adjust=adjust))
    for other in found[1:]:
        np.testing.assert_allclose(found[0].value, other.value, atol=1e-10)
        np.testing.assert_allclose(found[0].vcov, other.vcov, atol=1e-10)


def test_groups_are_as_each_by_itself():
    frame = drawn(6, 500)
    together = effects.contrast(frame, outcome="y", treatment="t", by="cell", cluster="who")
    for number, cell in enumerate(sorted(frame["cell"].unique())):
        own = frame.filter(pl.col("cell") == cell)
        alone = effects.contrast(own, outcome="y", treatment="t", cluster="who")
        block = slice(2 * number, 2 * number + 2)
        np.testing.assert_allclose(together.value[block], alone.value)
        np.testing.assert_allclose(together.vcov[block, block], alone.vcov)


def test_variance_is_that_of_the_influences_also_with_estimated_weights():
    frame = drawn(7, 300)
    weighted = matching.weigh(frame, on="t ~ a + C(cell)", method="ipw", estimand="ATT")
    for cluster in (None, "who"):
        found = effects.contrast(weighted, outcome="y", by="cell", cluster=cluster,
                                 correction="HC0")  # fmt: skip
        dense = found.moved.dense()
        if cluster:
            dense = pl.DataFrame(dense).with_columns(c=frame["who"]).group_by("c").sum()
            dense = dense.drop("c").to_numpy()
        np.testing.assert_allclose(found.vcov, dense.T @ dense, atol=1e-12)


def test_bootstrap_is_near_the_influences():
    frame = drawn(8, 600)
    weighted = matching.weigh(frame, on="t ~ a + C(cell)", method="ipw", estimand="ATT")
    for x, more in ((weighted, {}), (frame, {"treatment": "t", "cluster": "who"})):
        drawn_error, error = (
            effects.contrast(x, outcome="y", variance=way, replicates=1500, **more).tidy()[
                "std_error"
            ].to_numpy()
            for way in ("bootstrap", "influence")
        )  # fmt: skip
        np.testing.assert_allclose(drawn_error, error, rtol=0.1)


def test_draws_are_those_of_their_seed_and_poisson():
    one = np.ones((40_000, 1))
    options = {"unit": np.arange(40_000), "replicates": 7, "seed": 5}
    sums = poisson_sums(one, np.arange(40_000), 40_000, **options)[:, :, 0]
    assert (sums == poisson_sums(one, np.arange(40_000), 40_000, **options)[:, :, 0]).all()
    shares = np.bincount(sums.ravel().astype(int), minlength=9)[:5] / sums.size
    expected = np.exp(-1) / np.array([1, 1, 2, 6, 24])
    assert np.abs(shares - expected).max() < 5 * np.sqrt(0.25 / sums.size)
    assert np.abs(np.corrcoef(sums)[np.triu_indices(7, 1)]).max() < 0.03
    other = poisson_sums(one, np.arange(40_000), 40_000, **options | {"seed": 6})[:, :, 0]
    assert np.abs(np.corrcoef(sums[0], other[0])[0, 1]) < 0.03


def test_bias_correction_counts_each_match_as_much_as_its_outcome_does():
    """With variances of 1 the variance that matches add is Σ (∂ mean / ∂ y)² - Σ K' / N²."""
    rng = np.random.default_rng(9)
    x, focal = rng.normal(size=60), np.repeat(np.arange(20), 2)
    match, group = rng.integers(20, 40, 40), np.arange(60) % 2
    design = np.column_stack([np.ones(60), x, x**2])
    weight = np.bincount(match, np.full(40, 0.5), minlength=60)
    bread = np.linalg.inv(design.T @ (design * weight[:, None]))

    def means(y, variance):
        fitted = design @ (bread @ (design.T @ (weight * y)))
        correction = BiasCorrection(fitted=fitted, design=design, bread=bread, weight=weight)
        return pair_means(focal, match, y, group=group, n_group=2, sampling=np.ones(60),
                          variance=variance, correction=correction)  # fmt: skip

    y = rng.normal(size=60)
    slope = np.zeros((60, 2))
    for j in range(20, 40):
        slope[j] = (means(y + (np.arange(60) == j), np.ones(60)).value - means(y, y).value)[1::2]
    added = means(y, np.ones(60)).vcov[1::2, 1::2] - means(y, np.zeros(60)).vcov[1::2, 1::2]
    once = 20 * 0.5**2 / 10**2  # K' of each group: twenty pairs that are half of ten people
    np.testing.assert_allclose(added, slope.T @ slope - once * np.eye(2), atol=1e-12)
