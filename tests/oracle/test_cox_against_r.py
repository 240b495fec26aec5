"""The Cox model against R's survival: every option crossed with every other."""

import itertools
import warnings

import numpy as np
import polars as pl
import pytest

from toolkit.survival.cox import cox

SOURCE = "R survival 3.5-3, coxph (eps 1e-12)"
FLAG = {False: "no", True: "yes"}


def make_spells(n):
    """Whole-number arithmetic, the same as in make_cox_reference.R."""
    i = np.arange(1, n + 1)
    time = 1 + (((i * 7919) % 997) * (1 + i % 3)) % 24
    return pl.DataFrame(
        {
            "id": i,
            "time": time,
            "event": ((i * 104729) % 101) % 3 > 0,
            "entry": np.minimum(time - 1, ((i * 271) % 97) % 6),
            "x": ((i * 37) % 101) / 25,
            "z": np.array(["a", "b", "c"])[i % 3],
            "whole": 1 + ((i * 5) % 7) % 3,
            "part": 0.5 + (i % 4) / 3,
            "site": (i * 11) % 25,
            "layer": ((i * 613) % 89) % 3,
            "shift": ((i * 29) % 23) / 30,
        }
    )


SPELLS, FEW = make_spells(240), make_spells(40)
GRID = [
    (ties, *rest)
    for ties, *rest in itertools.product(
        ("efron", "breslow", "exact"), (False, True), ("none", "whole", "part"),
        (False, True), (False, True), (False, True),
    )
    if ties != "exact" or not (rest[1] == "part" or rest[3] or (rest[0] and rest[1] == "whole"))
]  # fmt: skip


def fit(data, ties, entry, weights, strata, cluster, offset):
    return cox(
        "x + z", data, time="time", event="event", entry="entry" if entry else None,
        weights=None if weights == "none" else weights, strata="layer" if strata else None,
        cluster="site" if cluster else None, ties=ties, offset="shift" if offset else None,
    )  # fmt: skip


@pytest.mark.parametrize("options", GRID, ids=lambda o: "-".join(map(str, o)))
def test_every_option_gives_the_numbers_of_r(options, reference, agree):
    ties, entry, weights, strata, cluster, offset = options
    key = "|".join([ties, FLAG[entry], weights, FLAG[strata], FLAG[cluster], FLAG[offset]])
    theirs = reference("cox")["fits"][key]
    model = fit(FEW if ties == "exact" else SPELLS, *options)
    # R stores a matrix column by column: its upper triangle is our lower one, row by row
    lower = np.tril_indices(3)
    glance = model.glance().row(0, named=True)
    mine = {
        "coef": model.coefficients,
        "var": model.vcov[lower],
        "naive": model.vcov_model[lower],
        "loglik": [model.loglik_null, model.loglik],
        "score": glance["score"],
        "wald": glance["wald"],
        "concordance": [glance["concordance"], glance["concordance_std_error"]],
    }
    label = f"{ties}; entry {FLAG[entry]}, weights {weights}, strata {FLAG[strata]}, cluster "
    label += f"{FLAG[cluster]}, offset {FLAG[offset]}"
    for name, value in mine.items():
        agree(
            "Cox", f"{name}: {label}", value, theirs[name], tolerance=1e-8, source=SOURCE,
            relative=name in {"loglik", "score", "wald"},
        )  # fmt: skip


AFTER = [
    (ties, entry, weights, strata)
    for ties, entry, weights, strata in itertools.product(
        ("efron", "breslow", "exact"), (False, True), ("none", "whole", "part"), (False, True)
    )
    if not (ties == "exact" and (weights == "part" or entry))
    and (entry == strata or ties == "efron")
]
NEW = pl.DataFrame({"x": [0.4, 3.2], "z": ["a", "c"], "layer": [0, 2], "shift": [0.0, 0.5]})


@pytest.mark.parametrize("options", AFTER, ids=lambda o: "-".join(map(str, o)))
def test_what_a_fit_is_asked_afterwards(options, reference, agree):
    ties, entry, weights, strata = options
    theirs = reference("cox")["after"]["|".join([ties, FLAG[entry], weights, FLAG[strata]])]
    model = fit(FEW, ties, entry, weights, strata, False, False)
    label = f"{ties}; entry {FLAG[entry]}, weights {weights}, strata {FLAG[strata]}"

    def same(name, ours, source="residuals.coxph"):
        agree("Cox", f"{name}: {label}", ours, theirs[name], tolerance=1e-8,
              source=f"R survival 3.5-3, {source}")  # fmt: skip

    for kind in ("martingale", "deviance", "score", "dfbeta", "dfbetas"):
        if kind in theirs:
            same(kind, model.residuals(kind).ravel())
    if "schoenfeld" in theirs:
        layer = FEW["layer"].to_numpy() if strata else np.zeros(FEW.height)
        order = np.lexsort((FEW["id"], FEW["time"], layer))
        order = order[FEW["event"].to_numpy()[order]]
        same("schoenfeld", model.residuals("schoenfeld")[order].ravel())
        same("scaledsch", model.residuals("scaled_schoenfeld")[order].ravel())
    for transform in ("km", "rank", "identity", "log"):
        if f"zph_{transform}" in theirs:
            test = model.proportionality(transform).tidy()
            same(f"zph_{transform}", test.select("statistic", "df").to_numpy().ravel(), "cox.zph")
    curves = model.predict_survival(NEW).tidy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hazard = -np.log(curves["estimate"].to_numpy())
    same("cumhaz", hazard, "survfit.coxph")
    if "surv_error" in theirs:
        same("surv_error", (curves["std_error"] / curves["estimate"]), "survfit.coxph")
        same("lower", curves["conf_low"], "survfit.coxph")
        same("upper", curves["conf_high"], "survfit.coxph")
    lp = model.predict(NEW)
    same("lp", lp["estimate"], "predict.coxph")
    same("lp_error", lp["std_error"], "predict.coxph")
