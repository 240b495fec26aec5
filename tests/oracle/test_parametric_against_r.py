"""Parametric models held against R: survreg, Poisson regression, likelihoods written out."""

import numpy as np
import polars as pl
import pytest

from toolkit.survival.parametric import parametric

NAMES = {
    "weibull": "weibull",
    "exponential": "exponential",
    "loglogistic": "log_logistic",
    "lognormal": "lognormal",
}
SURVREG = "R survival 3.5-3, survreg"
WRITTEN = "R 4.2.2, the likelihood written out, Newton with numDeriv"


@pytest.fixture(scope="session")
def lung(frames):
    """R's lung with what make_parametric_reference.R adds to it."""
    event, time = pl.col("event") == 1, pl.col("time")
    low = pl.when(event).then(30 * ((time - 1) // 30)).otherwise(time)
    return frames["lung"].with_columns(
        female=pl.col("sex") == 2,
        known=(pl.col("age") % 7) / 10,
        low=low,
        high=pl.when(event).then(low + 30),
    )


@pytest.fixture(scope="session")
def late(lung):
    return lung.filter(pl.col("entry") < pl.col("time"))


@pytest.fixture(scope="session")
def cases(reference):
    return reference("parametric")


def made():
    """Durations with a heterogeneity that is there; as in make_parametric_reference.R."""
    i = np.arange(1, 901)
    share = ((i * 7919) % 10007 + 0.5) / 10007
    age = 60 + (i * 104729) % 11 - 5
    female = ((i * 613) % 89) % 2
    v = np.where(((i * 271) % 97) % 2 == 0, 0.2, 1.8)
    rate = np.exp(0.1 * (age - 60) - 0.5 * female)
    time = np.ceil(20 * (-np.log(share) / v / rate) ** 0.8)
    event = time <= 60
    time = np.minimum(time, 60)
    return pl.DataFrame(
        {
            "age": age, "female": female, "time": time, "event": event,
            "entry": np.minimum((i * 31) % 7, time - 1),
        }
    )  # fmt: skip


def errors_of(model, *, robust):
    return np.sqrt(np.diag(model.vcov if robust else model.vcov_model))


WEIGHTS = {"none": None, "whole": "whole", "part": "part"}


@pytest.mark.parametrize("rows", ["rows", "cluster"])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("outcome", ["exact", "between"])
@pytest.mark.parametrize("dist", NAMES)
def test_every_option_of_survreg(agree, cases, lung, dist, outcome, weight, rows):
    theirs = cases[f"{dist}_{outcome}_{weight}_{rows}"]
    outcome_columns = (
        {"time": "time", "event": "event"}
        if outcome == "exact"
        else {"time": "low", "upper": "high"}
    )
    model = parametric(
        "age + female", lung, **outcome_columns, distribution=NAMES[dist], metric="time",
        weights=WEIGHTS[weight], cluster="site" if rows == "cluster" else None,
    )  # fmt: skip
    what = f"{NAMES[dist]}, {outcome}, weights {weight}, by {rows}"
    agree("Parametric", f"coefficients: {what}", model.coefficients, theirs["coefficients"],
          tolerance=1e-9, source=SURVREG)  # fmt: skip
    agree("Parametric", f"model errors: {what}", errors_of(model, robust=False), theirs["naive"],
          tolerance=1e-9, source=SURVREG)  # fmt: skip
    agree("Parametric", f"log-likelihood: {what}", [model.loglik, model.loglik_null],
          [theirs["loglik"], theirs["loglik_null"]], tolerance=1e-9, source=SURVREG)  # fmt: skip
    assert model.robust == (rows == "cluster" or weight == "part")
    agree("Parametric", f"errors: {what}", model.std_error, theirs["std_error"],
          tolerance=3e-8, source=SURVREG)  # fmt: skip


@pytest.mark.parametrize("dist", NAMES)
def test_offset(agree, cases, lung, dist):
    theirs = cases[f"{dist}_offset"]
    model = parametric(
        "age + female", lung, time="time", event="event", distribution=NAMES[dist],
        metric="time", offset="known",
    )  # fmt: skip
    agree("Parametric", f"coefficients: {dist}, offset", model.coefficients,
          theirs["coefficients"], tolerance=1e-9, source=SURVREG)  # fmt: skip
    agree("Parametric", f"log-likelihood: {dist}, offset", [model.loglik, model.loglik_null],
          [theirs["loglik"], theirs["loglik_null"]], tolerance=1e-9, source=SURVREG)  # fmt: skip


@pytest.mark.parametrize("dist", [name for name in NAMES if name != "exponential"])
def test_a_scale_per_group(agree, cases, lung, dist):
    theirs = cases[f"{dist}_ancillary"]
    model = parametric(
        "age + female", lung, time="time", event="event", distribution=NAMES[dist],
        metric="time", ancillary="female", cluster=None, robust=True,
    )  # fmt: skip
    ours = model.coefficients.copy()
    ours[4] += ours[3]  # R gives each group's log scale, we the second's difference
    agree("Parametric", f"coefficients: {dist}, scale by group", ours, theirs["coefficients"],
          tolerance=1e-9, source=SURVREG)  # fmt: skip
    agree("Parametric", f"log-likelihood: {dist}, scale by group", model.loglik,
          theirs["loglik"], tolerance=1e-9, source=SURVREG)  # fmt: skip


def test_quantiles_and_curves(agree, cases, lung):
    model = parametric("age + female", lung, time="time", event="event")
    new = pl.DataFrame({"age": [50, 70], "female": [True, False]})
    found = model.predict_quantile(new, [0.1, 0.5, 0.9])
    theirs = cases["weibull_quantile"]
    for name in ("estimate", "std_error"):
        agree("Parametric", f"quantiles, {name}: weibull", found[name], theirs[name],
              tolerance=1e-9, relative=True, source=SURVREG)  # fmt: skip
    theirs = cases["weibull_curve"]
    pairs = {
        "survival": model.predict_survival(new, [100, 365]).tidy(),
        "hazard": model.predict_hazard(new, [100, 365]).tidy(),
        "area": model.rmst(new, 365),
    }
    for name, ours in pairs.items():
        agree("Parametric", f"{name}: weibull", ours["estimate"], theirs[name], tolerance=1e-9,
              relative=True, source="R survival 3.5-3, psurvreg and integrate")  # fmt: skip


def test_influence(agree, cases, lung):
    model = parametric(
        "age + female", lung, time="time", event="event", metric="time", weights="whole"
    )
    agree("Parametric", "influence (dfbeta): weibull, weights whole", model.influence()[:5],
          cases["weibull_dfbeta"]["first"], tolerance=1e-9, source=SURVREG)  # fmt: skip


@pytest.mark.parametrize("name", ["piecewise", "piecewise_entry", "piecewise_entry_whole"])
def test_steps_are_poisson_regression(agree, cases, lung, late, name):
    entry = "entry" in name
    model = parametric(
        "age + female", late if entry else lung, time="time", event="event",
        entry="entry" if entry else None, weights="whole" if "whole" in name else None,
        distribution="piecewise", cuts=[100, 300, 500],
    )  # fmt: skip
    for what, ours in (("coefficients", model.coefficients), ("std_error", model.std_error)):
        agree("Parametric", f"{what}: {name}", ours, cases[name][what], tolerance=1e-9,
              source="R 4.2.2, glm(poisson) on survSplit's rows")  # fmt: skip


@pytest.mark.parametrize("outcome", ["exact", "between"])
@pytest.mark.parametrize("dist", ["weibull", "log_logistic", "lognormal"])
def test_left_truncation(agree, cases, late, dist, outcome):
    metric = {"weibull": "hazard", "log_logistic": "odds", "lognormal": "probit"}[dist]
    theirs = cases[f"{dist}_entry_{outcome}"]
    columns = {"time": "time", "event": "event"}
    data = late.with_columns(age=pl.col("age") - 60)
    if outcome == "between":
        event = pl.col("event") == 1
        data = data.filter(~event | (pl.col("entry") < pl.col("low") + 30)).with_columns(
            low=pl.when(event).then(pl.max_horizontal("low", "entry")).otherwise("low")
        )
        assert data.height == cases["rows_seen"]["n"]
        columns = {"time": "low", "upper": "high"}
    model = parametric(
        "age + female", data, **columns, entry="entry", distribution=dist, metric=metric
    )
    for what, ours in (
        ("coefficients", model.coefficients),
        ("std_error", model.std_error),
        ("loglik", model.loglik),
    ):
        agree("Parametric", f"{what}: {dist}, late entries, {outcome}", ours, theirs[what],
              tolerance=3e-8, source=WRITTEN)  # fmt: skip


@pytest.mark.parametrize("entry", [False, True])
def test_gamma_heterogeneity(agree, cases, entry):
    theirs = cases["gamma_made_entry" if entry else "gamma_made"]
    data = made().with_columns(age=pl.col("age") - 60)
    model = parametric(
        "age + female", data, time="time", event="event", entry="entry" if entry else None,
        heterogeneity="gamma",
    )  # fmt: skip
    what = "weibull with gamma heterogeneity" + (", late entries" if entry else "")
    for name, ours in (
        ("coefficients", model.coefficients),
        ("std_error", model.std_error),
        ("loglik", model.loglik),
        ("loglik_plain", model.loglik_plain),
    ):
        agree("Parametric", f"{name}: {what}", ours, theirs[name], tolerance=3e-8,
              source=WRITTEN)  # fmt: skip
    agree("Parametric", f"log-likelihood, integrated over the heterogeneity: {what}",
          model.loglik, theirs["integrated"], tolerance=3e-8,
          source="R 4.2.2, integrate() over dgamma, row by row")  # fmt: skip


@pytest.mark.parametrize("entry", [False, True])
@pytest.mark.parametrize("metric", ["hazard", "odds", "probit"])
def test_splines(agree, cases, lung, late, metric, entry):
    theirs = cases[f"spline_{metric}" + ("_entry" if entry else "")]
    data = (late if entry else lung).with_columns(age=pl.col("age") - 60)
    model = parametric(
        "age + female", data, time="time", event="event", entry="entry" if entry else None,
        distribution="spline", metric=metric, df=3,
    )  # fmt: skip
    what = f"spline, {metric}" + (", late entries" if entry else "")
    source = "R 4.2.2, splines::ns in the likelihood written out, Newton with numDeriv"
    new = pl.DataFrame({"age": [0], "female": [True]})
    times = [50, 300, 700]
    pairs = {
        "covariates": model.coefficients[1:3],
        "std_error": model.std_error[1:3],
        "loglik": model.loglik,
        "survival": model.predict_survival(new, times).tidy()["estimate"],
        "hazard": model.predict_hazard(new, times).tidy()["estimate"],
    }
    agree("Parametric", f"knots: {what}", model.meta["knots"], theirs["knots"], tolerance=1e-9,
          source=source)  # fmt: skip
    for name, ours in pairs.items():
        agree("Parametric", f"{name}: {what}", ours, theirs[name], tolerance=1e-7,
              source=source)  # fmt: skip
