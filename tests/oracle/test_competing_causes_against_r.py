"""Cox models of all causes and the incidences they add up to, against R's multi-state coxph."""

import itertools

import polars as pl
import pytest

from toolkit.survival import cause_specific

R = "R survival 3.5-3"
GRID = itertools.product(
    ("efron", "breslow"), (False, True), ("one", "part"), (False, True), ("key", "site")
)


@pytest.mark.parametrize(("ties", "entry", "weights", "strata", "cluster"), list(GRID))
def test_all_causes(competing_exits, reference, agree, ties, entry, weights, strata, cluster):
    key = f"causes|{ties}|{entry}|{weights}|{strata}|{cluster}"
    theirs = reference("competing")[key.replace("True", "TRUE").replace("False", "FALSE")]
    model = cause_specific(
        "x + z", competing_exits, time="time", event="cause", ties=ties, robust=True,
        entry="entry" if entry else None, weights=None if weights == "one" else weights,
        strata="s" if strata else None, cluster="site" if cluster == "site" else None,
    )  # fmt: skip
    case = f"[{ties}, {entry=}, {weights=}, {strata=}, {cluster=}]"
    agree("Competing risks", f"Cox of all causes: coefficients {case}",
          model.coefficients, theirs["coef"], source=R)  # fmt: skip
    agree("Competing risks", f"Cox of all causes: joint robust variance {case}",
          model.vcov.ravel(), theirs["var"], tolerance=1e-9, source=R)  # fmt: skip
    agree("Competing risks", f"Cox of all causes: likelihood {case}",
          [sum(m.loglik_null for m in model.models), sum(m.loglik for m in model.models)],
          theirs["loglik"], source=R)  # fmt: skip
    curves = model.predict_incidence(pl.DataFrame({"x": [2], "z": [1], "s": [1]}), [1, 6, 12, 20])
    agree("Competing risks", f"Cox of all causes: predicted incidence {case}",
          curves.tidy()["estimate"].to_numpy(), theirs["incidence"],
          source=f"{R}; for Efron's ties a survfit per cause, as "
          "survfit.coxphms has other hazards than survfit.coxph then")  # fmt: skip
    plain = cause_specific(
        "x + z", competing_exits, time="time", event="cause", ties=ties, robust=False,
        entry="entry" if entry else None, weights=None if weights == "one" else weights,
        strata="s" if strata else None,
    )  # fmt: skip
    agree("Competing risks", f"Cox of all causes: inverse information {case}",
          plain.vcov.ravel(), theirs["naive"], tolerance=1e-9, source=R)  # fmt: skip
