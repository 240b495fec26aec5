"""The variance of matching on an estimated score: the paper's theorem 2, row by row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit import effects, matching
from toolkit.effects.contrast_estimated import estimation_of_score

J = 2


def people(n=200, seed=3, digits=6):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2)).round(digits)
    t = random.random(n) < 1 / (1 + np.exp(0.5 - x.sum(axis=1)))
    y = x[:, 0] - 2 * x[:, 1] + t * x[:, 1] + random.normal(size=n)
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "t": t, "y": y})


def nearest(score, arm, i):
    """Return the J + 1 rows of an arm nearest to row i by score, and all as near as the last."""
    distance = abs(score[arm] - score[i])
    return arm[distance <= np.sort(distance)[J] + 1e-14]


def by_the_paper(frame, score, x, slope, *, estimand, tau, used):
    """Return - c' I⁻¹ c + ∂τ' I⁻¹ ∂τ by loops, with x f of each row (x with an intercept)."""
    y, focal = frame["y"].to_numpy(), frame["t"].to_numpy()
    if estimand == "ATC":
        score, slope, focal = 1 - score, -slope, ~focal
    arms = np.flatnonzero(focal), np.flatnonzero(~focal)
    c, d = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    inside = (score >= score[used].min()) & (score <= score[used].max())
    for i in np.flatnonzero(inside):
        mean, along = [], []
        for arm in arms:
            near = nearest(score, arm, i)
            mean.append(y[near[near != i]].mean())
            along.append(np.cov(x[near].T, y[near])[:-1, -1] * slope[i])
        own = x[i] * slope[i] * (mean[0] - mean[1] - tau)
        c += own + along[0] + score[i] / (1 - score[i]) * along[1]
        d += own + along[0] - along[1]
    information = (x * (slope**2 / (score * (1 - score)))[:, None]).T @ x
    bread = np.linalg.inv(information)
    return (d @ bread @ d - c @ bread @ c) / len(used) ** 2


@pytest.mark.parametrize("estimand", ["ATT", "ATC"])
@pytest.mark.parametrize("model", ["logit", "probit"])
def test_it_is_theorem_2(estimand, model):
    frame = people()
    fit = matching.propensity("t ~ a + b", frame, model=model)
    score = fit.scores.to_numpy()
    x = np.column_stack([np.ones(frame.height), frame["a"], frame["b"]])
    slope = score * (1 - score)
    if model == "probit":
        eta = np.array(fit.tidy()["estimate"]) @ x.T
        slope = np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi)
    options = {"treatment": "t", "replace": True, "estimand": estimand}
    found = effects.contrast(matching.match(frame, on=fit, **options), outcome="y")
    known = effects.contrast(matching.match(frame, on=fit.scores, **options), outcome="y")
    assert found.estimate == known.estimate
    pairs = matching.match(frame, on=fit, **options).pairs
    used = pairs["treated_row" if estimand == "ATT" else "control_row"].to_numpy()
    turn = 1 if estimand == "ATT" else -1
    both = np.array([1.0, -1.0])
    gained = both @ (found.vcov - known.vcov) @ both
    expected = by_the_paper(
        frame, score, x, slope, estimand=estimand, tau=turn * found.estimate[0], used=used
    )
    assert gained == pytest.approx(expected, rel=1e-9)
    assert "score estimated" in found.meta["variance"]
    assert "score" not in known.meta["variance"]
    # the mean of those for whom the effect is does not hang on the score
    own = 0 if estimand == "ATT" else 1
    assert found.vcov[own, own] == pytest.approx(known.vcov[own, own], rel=1e-12)


def test_rows_at_one_place_count_together():
    """Few values of the covariates: the covariances are those within each place, exactly."""
    frame = people(300, digits=0)
    fit = matching.propensity("t ~ a + b", frame)
    score = fit.scores.to_numpy().round(12)
    x = np.column_stack([np.ones(frame.height), frame["a"], frame["b"]])
    focal = frame["t"].to_numpy()
    y, used = frame["y"].to_numpy(), np.flatnonzero(focal)
    slope = score * (1 - score)
    means = np.array([y[used].mean(), 0.2])
    extra = estimation_of_score(
        y, y, focal=focal, used=used, known=np.ones(len(y), bool), means=means, score=score,
        x=x, slope=slope, neighbours=J,
    )  # fmt: skip
    both = np.array([1.0, -1.0])
    expected = by_the_paper(
        frame, score, x, slope, estimand="ATT", tau=means[0] - means[1], used=used
    )
    assert both @ extra @ both == pytest.approx(expected, rel=1e-9)
    turned = np.arange(len(y))[::-1]
    again = estimation_of_score(
        y[turned], y[turned], focal=focal[turned], used=np.flatnonzero(focal[turned]),
        known=np.ones(len(y), bool), means=means, score=score[turned],
        x=x[turned], slope=slope[turned], neighbours=J,
    )  # fmt: skip
    np.testing.assert_allclose(again, extra, rtol=1e-9)


def test_a_regression_leaves_nothing_to_the_score():
    """An outcome that is a line in the covariates: matches differ by nothing after correction."""
    frame = people().with_columns(y=pl.col("a") - 2 * pl.col("b") + 3.0 * pl.col("t"))
    fit = matching.propensity("t ~ a + b", frame)
    found, known = (
        effects.contrast(
            matching.match(frame, treatment="t", on=on, replace=True), outcome="y", adjust="a + b"
        )
        for on in (fit, fit.scores)
    )
    assert found.estimate[0] == pytest.approx(3)
    np.testing.assert_allclose(found.vcov, known.vcov, atol=1e-12)


@pytest.mark.parametrize(
    ("match", "options", "why"),
    [
        ({"exact": "old"}, {}, "more than the score"),
        ({"caliper": {"a": 1.0}}, {}, "more than the score"),
        ({"weights": "w"}, {"weight_type": "sampling"}, "rows have weights"),
        ({}, {"by": "old"}, "groups apart"),
    ],
)
def test_where_the_theorem_does_not_hold_it_is_said(match, options, why):
    frame = people().with_columns(old=pl.col("a") > 0, w=1.0 + pl.col("b").abs())
    fit = matching.propensity("t ~ a + b", frame)
    found, known = (
        effects.contrast(
            matching.match(frame, treatment="t", on=on, replace=True, **match), outcome="y",
            **options,
        )
        for on in (fit, fit.scores)
    )  # fmt: skip
    assert any("counts as known" in said and why in said for said in found.meta["warnings"])
    np.testing.assert_allclose(found.vcov, known.vcov)
