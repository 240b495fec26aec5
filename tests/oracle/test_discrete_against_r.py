"""Discrete-time models equal R's glm, multinom and glmer on written-out person-months."""

import itertools

import numpy as np
import polars as pl
import pytest
from lifelines.datasets import load_rossi

from toolkit.survival.discrete import discrete_competing, discrete_hazard

GLM = "R 4.2.2, glm(binomial) on person-months"
WAYS = list(
    itertools.product(
        ("cloglog", "logit"),
        ("dummies", "piecewise", "spline"),
        ("whole_spell", "entry"),
        ("none", "whole", "part"),
        ("one", "strata"),
        ("none", "site"),
    )
)
BASELINE = {
    "dummies": {},
    "piecewise": {"cuts": [3, 8]},
    "spline": {"knots": [4, 9]},
}


@pytest.fixture(scope="module")
def spells():
    i = np.arange(1, 501)
    months = 1 + ((i * 7919) % 997) % 14
    cause = ((i * 104729) % 101) % 3
    return pl.DataFrame(
        {
            "months": months,
            "exit": cause,
            "x": i % 3,
            "y": ((i * 271) % 97) / 97,
            "g": np.array(["a", "b"])[((i * 613) % 89) % 2],
            "site": (i * 31) % 11,
            "whole": 1 + ((i * 37) % 5) % 3,
            "part": 0.5 + (i % 4) / 3,
            "known": ((i * 17) % 10) / 20,
            "start": np.minimum(months - 1, ((i * 277) % 83) % 4),
            "left": cause > 0,
        }
    )


@pytest.fixture(scope="module")
def repeated():
    j = np.arange(1, 601)
    person, x = (j - 1) // 4, ((j - 1) // 4) % 2
    draw = (((j * 7919) % 997) + 0.5) / 997
    rate = np.exp(-3 + 2.5 * ((person * 7) % 5) / 4 + 0.5 * x)
    months = np.minimum(np.ceil(-np.log(draw) / rate), 10).astype(int)
    return pl.DataFrame(
        {
            "person": person,
            "x": x,
            "y": ((j * 271) % 97) / 97,
            "months": months,
            "left": (months < 10) | ((j * 13) % 4 == 0),
            "start": np.minimum(months - 1, ((j * 277) % 83) % 3),
        }
    )


def square(values):
    p = round(len(values) ** 0.5)
    return np.reshape(values, (p, p))


@pytest.mark.parametrize("way", WAYS, ids="/".join)
def test_every_option_beside_glm(spells, reference, agree, way):
    link, baseline, entry, weight, strata, cluster = way
    theirs = reference("discrete")["/".join(way)]
    model = discrete_hazard(
        "x + y" if strata == "strata" else "x + y + g", spells, time="months", event="left",
        entry="start" if entry == "entry" else None, link=link, baseline=baseline,
        weights=None if weight == "none" else weight, strata="g" if strata == "strata" else None,
        cluster=None if cluster == "none" else cluster, robust=True, **BASELINE[baseline],
    )  # fmt: skip
    name = f"{link}, {baseline}, {entry}, weights {weight}, {strata} baseline, cluster {cluster}"
    ours = np.concatenate([model.coefficients, [model.loglik]])
    agree("Discrete time", f"coefficients, loglik [{name}]", ours,
          [*theirs["coefficients"], theirs["loglik"]], tolerance=1e-8, source=GLM)  # fmt: skip
    both = np.concatenate([model.vcov_model.ravel(), model.vcov.ravel()])
    agree("Discrete time", f"variance, robust variance [{name}]", both,
          [*theirs["vcov"], *theirs["robust"]], tolerance=1e-9,
          source=GLM + "; sandwich by its formula")  # fmt: skip
    glance = model.glance().row(0, named=True)
    assert glance["df"] + glance["df_baseline"] == theirs["parameters"]
    assert glance["n_month"] == round(theirs["person_months"])
    assert glance["aic"] == pytest.approx(2 * theirs["parameters"] - 2 * theirs["loglik"])


@pytest.mark.parametrize("link", ["cloglog", "logit"])
def test_offset_and_effects_that_change_with_duration(spells, reference, agree, link):
    asked = {"time": "months", "event": "left", "link": link, "robust": True}
    offset = discrete_hazard("x + y + g", spells, offset="known", **asked)
    duration = discrete_hazard(
        "x + y + g + x:np.log(months)", spells, entry="start", cluster="site", **asked
    )
    for name, model in (("offset", offset), ("duration", duration)):
        theirs = reference("discrete")[f"{name}/{link}"]
        agree("Discrete time", f"{name}: coefficients [{link}]", model.coefficients,
              theirs["coefficients"], source=GLM)  # fmt: skip
        agree("Discrete time", f"{name}: variances [{link}]",
              [*model.vcov_model.ravel(), *model.vcov.ravel(), model.loglik],
              [*theirs["vcov"], *theirs["robust"], theirs["loglik"]], source=GLM)  # fmt: skip


@pytest.mark.parametrize("baseline", ["dummies", "spline"])
@pytest.mark.parametrize("link", ["cloglog", "logit"])
def test_predicted_curves(spells, reference, agree, link, baseline):
    theirs = reference("discrete")[f"curve/{link}/{baseline}"]
    new = pl.DataFrame({"x": [2], "y": [0.5], "g": ["b"]})
    for robust in (False, True):
        model = discrete_hazard(
            "x + y + g", spells, time="months", event="left", entry="start", link=link,
            baseline=baseline, robust=robust, **BASELINE[baseline],
        )  # fmt: skip
        curve = model.predict_survival(new, [1, 5, 12]).tidy()
        hazard = model.predict_hazard(new, [1, 5, 12]).tidy()
        which = "survival_robust" if robust else "survival_se"
        agree("Discrete time", f"predicted survival: {which} [{link}, {baseline}]",
              [*curve["estimate"], *curve["std_error"]],
              [*theirs["survival"], *theirs[which]], source=GLM)  # fmt: skip
        if not robust:
            agree("Discrete time", f"predicted hazard [{link}, {baseline}]",
                  [*hazard["estimate"], *hazard["std_error"]],
                  [*theirs["hazard"], *theirs["hazard_se"]], source=GLM)  # fmt: skip


def test_rossi_person_weeks(agree):
    """A stored result of R 4.2.2 on Allison's data (weeks without any arrest left out)."""
    theirs = {
        "fin": -0.380172366869987, "age": -0.0575464987084602, "race": 0.31429984625082,
        "wexp": -0.149587790990799, "mar": -0.434095483554713, "paro": -0.0851426087848853,
        "prio": 0.0917694144516819,
    }  # fmt: skip
    rossi = pl.DataFrame(load_rossi().to_dict("list"))
    model = discrete_hazard(" + ".join(theirs), rossi, time="week", event="arrest")
    agree("Discrete time", "rossi by week, cloglog", model.coefficients, list(theirs.values()),
          source="R 4.2.2, glm(binomial(cloglog)) at its own stopping rule")  # fmt: skip
    row = model.glance().row(0, named=True)
    agree("Discrete time", "rossi by week: deviance, AIC, person-weeks",
          [row["deviance"], row["aic"], row["n_month"]],
          [1323.11913000537, 1435.11913000537, 18766], source="R 4.2.2, glm")  # fmt: skip
    assert model.meta["dropped"] == {"person-months in a month without an event (hazard 0)": 1043}


@pytest.mark.parametrize("entry", [None, "start"])
@pytest.mark.parametrize("baseline", ["dummies", "piecewise"])
def test_competing_exits(spells, reference, agree, baseline, entry):
    name = f"competing/{baseline}/{'entry' if entry else 'whole_spell'}"
    theirs = reference("discrete")[name]
    new = pl.DataFrame({"x": [2], "y": [0.5]})
    asked = {"time": "months", "event": "exit", "entry": entry, "baseline": baseline}
    asked |= BASELINE[baseline]
    plain = discrete_competing("x + y", spells, **asked)
    robust = discrete_competing("x + y", spells, cluster="site", **asked)
    agree("Discrete time", f"competing: coefficients [{name}]",
          plain.coefficients, theirs["multinom"], tolerance=1e-6,
          source="R nnet 7.3-18, multinom")  # fmt: skip
    agree("Discrete time", f"competing: coefficients, loglik [{name}]",
          [*plain.coefficients, plain.loglik], [*theirs["coefficients"], theirs["loglik"]],
          source="R, multinom and Newton")  # fmt: skip
    agree("Discrete time", f"competing: variances [{name}]",
          [*plain.vcov.ravel(), *robust.vcov.ravel()], [*theirs["vcov"], *theirs["robust"]],
          source="R, by the formulas")  # fmt: skip
    found = [m.predict_incidence(new, [2, 9]).tidy() for m in (plain, robust)]
    agree("Discrete time", f"competing: cumulative incidence and errors [{name}]",
          [*found[0]["estimate"], *found[0]["std_error"], *found[1]["std_error"]],
          [*theirs["incidence"], *theirs["incidence_se"], *theirs["incidence_robust"]],
          source="R, numerical delta method")  # fmt: skip


@pytest.mark.parametrize("link", ["cloglog", "logit"])
def test_random_intercept(repeated, reference, agree, link):
    theirs = reference("discrete")[f"normal/{link}"]
    model = discrete_hazard(
        "x + y", repeated, time="months", event="left", link=link, baseline="piecewise",
        cuts=[2, 5], heterogeneity="normal", person="person",
    )  # fmt: skip
    why = "glmer stops at its optimiser's tolerance and takes its errors from differences"
    agree("Discrete time", f"normal intercept: coefficients, variance [{link}]",
          [*model.coefficients, model.fit.variance],
          [*theirs["coefficients"], theirs["variance"]], tolerance=5e-5,
          source="R lme4, glmer(nAGQ = 25)", reason=why)  # fmt: skip
    agree("Discrete time", f"normal intercept: standard errors [{link}]", model.std_error,
          theirs["std_error"], tolerance=1e-3, source="R lme4, glmer(nAGQ = 25)",
          reason=why)  # fmt: skip
    agree("Discrete time", f"normal intercept: loglik [{link}]", model.loglik, theirs["loglik"],
          tolerance=1e-6, source="R, integrate() at glmer's optimum")  # fmt: skip
    assert model.loglik > theirs["loglik"] - 1e-8  # the top is at least as high


@pytest.mark.parametrize("way", ["whole_spell", "entry", "start"])
def test_gamma_frailty(repeated, reference, agree, way):
    theirs = reference("discrete")[f"gamma/{way}"]
    data = repeated.with_row_index("row")
    model = discrete_hazard(
        "x + y", data, time="months", event="left", baseline="piecewise", cuts=[2, 5],
        entry=None if way == "whole_spell" else "start", heterogeneity="gamma",
        person="row", origin="entry" if way == "entry" else "start",
    )  # fmt: skip
    row = model.heterogeneity().row(0, named=True)
    numbers = [*model.coefficients, row["estimate"], model.loglik]
    agree("Discrete time", f"gamma frailty: coefficients, variance, loglik [{way}]", numbers,
          [*theirs["coefficients"], theirs["variance"], theirs["loglik"]], tolerance=1e-6,
          source="R, Meyer's likelihood by hand, maximised numerically")  # fmt: skip
    if way == "whole_spell":  # the optimum is at a variance of 0, and that is said
        assert row["estimate"] == 0
        assert row["p_value"] == 1
        assert "the edge of what it can be" in model.meta["warnings"][0]
    else:
        agree("Discrete time", f"gamma frailty, {way}: standard errors",
              [*model.std_error, row["std_error"]],
              [*theirs["std_error"], theirs["variance_se"]], tolerance=1e-6,
              source="R, numerical second derivatives")  # fmt: skip
