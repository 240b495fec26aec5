"""Influences, clusters, pseudo-values and standardised curves against R, options crossed."""

import itertools

import numpy as np
import polars as pl
import pytest

from toolkit import survival
from toolkit.survival.cox import cox

TIMES = [100, 300, 365, 600]
SOURCE = "R survival 3.5-3, survfit and residuals.survfit"
FLAG = {False: "no", True: "yes"}
GRID = list(itertools.product(("km", "aj"), (False, True), ("one", "part"), (False, True)))


def fit(frames, kind, *, entry=False, weights="one", cluster=False):
    data = frames["late" if entry else "lung"]
    options = {
        "time": "time", "by": "sex", "entry": "entry" if entry else None,
        "cluster": "site" if cluster else None, "conf_type": "log",
    }  # fmt: skip
    if weights != "one":
        options |= {"weights": weights, "weight_type": "sampling"}
    if kind == "km":
        return survival.kaplan_meier(data, event="event", **options)
    return survival.cumulative_incidence(data, event="cause", **options)


@pytest.mark.parametrize("options", GRID, ids=lambda o: "-".join(map(str, o)))
def test_curves_and_influences(options, frames, reference, agree):
    kind, entry, weights, cluster = options
    theirs = reference("differences")["curves"]["|".join(
        [kind, FLAG[entry], weights, FLAG[cluster]])]  # fmt: skip
    ours = fit(frames, kind, entry=entry, weights=weights, cluster=cluster)
    name = f"{kind}, entry {FLAG[entry]}, weights {weights}, clusters {FLAG[cluster]}"
    at = ours.at(TIMES)
    if kind == "aj":  # R: a cause under the other
        at = at.sort("cause", "sex", "time")
    robust = cluster or weights == "part" or kind == "aj"
    agree("Differences", f"curve: {name}", at["estimate"], theirs["estimate"], source=SOURCE)
    if robust or not entry:  # Greenwood is the jackknife unless somebody comes late
        agree(
            "Differences", f"standard error: {name}", at["std_error"], theirs["std_error"],
            source=SOURCE, reason="competing risks: R's residuals summed by cluster, as its "
            "survfit leaves clusters out" if cluster and kind == "aj" else "",
        )  # fmt: skip
    rows = theirs["rows"]
    moved = ours.influence(TIMES)[rows]
    moved = moved.transpose(2, 1, 0) if kind == "aj" else moved.T
    agree(
        "Differences", f"influence: {name}", moved.ravel(), theirs["influence"],
        tolerance=1e-10, source=SOURCE,
    )  # fmt: skip
    area = ours.influence(horizon=365)[rows]
    agree(
        "Differences", f"influence on area: {name}", area.T.ravel(), theirs["area"], source=SOURCE
    )


def test_pseudo_values(frames, reference, agree):
    theirs = reference("differences")["pseudo"]
    rows, source = theirs["rows"], "R survival 3.5-3, pseudo"
    curve = fit(frames, "km")
    ours = curve.pseudo_values(TIMES)[rows].T
    agree("Differences", "pseudo-values of S", ours.ravel(), theirs["km"], source=source)
    area = curve.pseudo_values(horizon=365)[rows]
    agree("Differences", "pseudo-values of the mean", area, theirs["rmst"], source=source)
    causes = fit(frames, "aj").pseudo_values(TIMES)[rows].transpose(1, 2, 0)
    agree("Differences", "pseudo-values of F", causes.ravel(), theirs["aj"], source=source)


def test_pseudo_values_do_not_change_with_the_scale_of_weights(frames, reference, agree):
    # R multiplies the influence of a unit of weight by the number of rows, we by the sum of the
    # weights: with all weights 10 times as large R's pseudo-values would lie 10 times as close
    theirs = reference("differences")["pseudo"]
    rows = theirs["rows"]
    curve = fit(frames, "km", weights="part")
    data = frames["lung"]
    totals = data.group_by("sex").agg(pl.col("part").sum(), n=pl.len()).sort("sex")
    share = (totals["part"] / totals["n"]).to_numpy()[data["sex"].to_numpy()[rows] - 1]
    at = curve.at(TIMES)["estimate"].to_numpy().reshape(2, -1)[data["sex"].to_numpy()[rows] - 1]
    as_r = at + (curve.pseudo_values(TIMES)[rows] - at) / share[:, None]
    agree(
        "Differences", "pseudo-values of S, weights, put on R's scale", as_r.T.ravel(),
        theirs["km_part"], source="R survival 3.5-3, pseudo",
        reason="R uses n where the influence function has the sum of the weights",
    )  # fmt: skip


@pytest.mark.parametrize("horizon", [365, 600])
def test_restricted_means(horizon, frames, reference, agree):
    theirs = reference("differences")["rmst"][f"rmst_{horizon}"]
    found = fit(frames, "km").difference(measure="rmst", horizon=horizon, reference=1).tidy()
    a, b = theirs["estimate"]
    ours = [found["estimate"][0], found["std_error"][0]]
    expected = [b - a, np.hypot(*theirs["std_error"])]
    agree(
        "Differences", f"RMST difference at {horizon}", ours, expected,
        source="R survival 3.5-3, rmean of both groups",
    )  # fmt: skip


def make_spells():
    """Whole-number arithmetic, the same as in make_differences_reference.R."""
    i = np.arange(1, 241)
    flag = (i * 11) % 2
    return pl.DataFrame(
        {
            "time": 1 + (((i * 7919) % 997) * (1 + i % 3)) % 24,
            "event": ((i * 104729) % 101) % 3 > 0,
            "a": flag + ((i * 17) % 5 == 0) * (1 - 2 * flag),
            "x": ((i * 37) % 101) / 25,
            "z": np.array(["p", "q", "r"])[i % 3],
            "layer": ((i * 613) % 89) % 3,
            "i": i,
        }
    )


def untied():
    spells = make_spells().sort("time", "x", "i")
    return spells.with_columns(time=pl.col("time") + (pl.int_range(pl.len()) + 1) / 1024)


STANDARDISED = {
    "efron": ("a + x + z", make_spells, {}),
    "breslow": ("a + x + z", make_spells, {"ties": "breslow"}),
    "untied": ("a * x + z", untied, {"ties": "breslow"}),
    "strata_efron": ("a + x", make_spells, {"strata": "layer"}),
    "strata": ("a + x", untied, {"ties": "breslow", "strata": "layer"}),
}


@pytest.mark.parametrize("name", STANDARDISED)
def test_standardised_curves(name, reference, agree):
    theirs = reference("differences")["standardised"][name]
    formula, make, options = STANDARDISED[name]
    model = cox(formula, make(), time="time", event="event", **options)
    found = model.standardise({"a": [0, 1]}, times=theirs["times"])
    agree(
        "Cox", f"standardised survival, {name}", found.survival.ravel(), theirs["survival"],
        source="R survival 3.5-3, mean of survfit(newdata)",
    )  # fmt: skip
    if "risk" not in theirs:
        return
    source = "R riskRegression 2022.11.28, ate(estimator = GFORMULA)"
    gap = found.difference(at=theirs["times"]).tidy()
    agree("Cox", f"standardised risk, {name}", 1 - found.survival.ravel(), theirs["risk"],
          source=source)  # fmt: skip
    agree("Cox", f"standardised difference, {name}", -gap["estimate"], theirs["gap"],
          source=source)  # fmt: skip
    # with ties riskRegression's influence functions are not the derivative to a row's weight;
    # ours are, to 1e-8: test_differences_properties.py
    tied = name == "breslow"
    options = {
        "source": source, "tolerance": 3e-3 if tied else 1e-8,
        "reason": "tied times: ours is the numerical derivative to the weights" if tied else "",
    }  # fmt: skip
    agree("Cox", f"standard error of standardised risk, {name}", found.std_error.ravel(),
          theirs["risk_se"], **options)  # fmt: skip
    agree("Cox", f"standard error of standardised difference, {name}", gap["std_error"],
          theirs["gap_se"], **options)  # fmt: skip
