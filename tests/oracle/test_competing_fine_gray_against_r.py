"""Fine and Gray's model, all options crossed, against R; numbers of make_competing_reference.R."""

import itertools

import polars as pl
import pytest

from toolkit.survival.fine_gray import fine_gray

R = "R survival 3.5-3, cmprsk 2.2-11"


def fit(competing_exits, **options):
    return fine_gray("x + z", competing_exits, time="time", event="cause", **{"cause": 1} | options)


CRR = {"ties": "breslow", "censoring": "with-events", "variance": "fine-gray"}


@pytest.mark.parametrize(
    ("case", "options"),
    [("crr_1", {}), ("crr_2", {"cause": 2}), ("crr_group", {"censoring_by": "g"})],
)
def test_crr(competing_exits, reference, agree, case, options):
    theirs = reference("competing")[case]
    model = fit(competing_exits, **CRR | options)
    source = f"{R}, crr"
    agree("Competing risks", f"Fine–Gray, coefficients [{case}]", model.coefficients,
          theirs["coef"], tolerance=1e-9, source=source)  # fmt: skip
    grouped = "censoring_by" in options
    agree("Competing risks", f"Fine–Gray, variance, crr's [{case}]", model.vcov.ravel(),
          theirs["var"], tolerance=2e-5 if grouped else 1e-10, source=source,
          reason="by group of censoring crr's sums are not those of the paper by group; the "
          "jackknife is held against a derivative" if grouped else "")  # fmt: skip
    agree("Competing risks", f"Fine–Gray, pseudo-likelihood [{case}]",
          [model.loglik, model.loglik_null], [theirs["loglik"], theirs["loglik_null"]],
          source=source)  # fmt: skip
    agree("Competing risks", f"Fine–Gray, Schoenfeld residuals [{case}]",
          model.residuals("schoenfeld").T.ravel(), theirs["residuals"], source=source)  # fmt: skip
    new = pl.DataFrame({"x": [2, 5], "z": [1, 0]})
    predicted = model.predict_incidence(new, theirs["time"]).tidy()
    agree("Competing risks", f"Fine–Gray, predicted incidence [{case}]", predicted["estimate"],
          theirs["incidence"], source=source)  # fmt: skip


GRID = list(
    itertools.product(
        ("efron", "breslow"), (False, True), ("", "s", "g"), (False, True), ("key", "site")
    )
)


def options_of(ties, entry, by, strata, cluster):
    return {
        "ties": ties,
        "entry": "entry" if entry else None,
        "censoring_by": by or None,
        "strata": "s" if strata else None,
        "cluster": "site" if cluster == "site" else None,
        "variance": "known-weights",
    }


def check(agree, model, theirs, name, source):
    agree("Competing risks", f"Fine–Gray: coefficients [{name}]", model.coefficients,
          theirs["coef"], source=source)  # fmt: skip
    agree("Competing risks", f"Fine–Gray: robust variance [{name}]", model.vcov.ravel(),
          theirs["var"], tolerance=1e-10, source=source)  # fmt: skip
    agree("Competing risks", f"Fine–Gray: inverse information [{name}]",
          model.vcov_model.ravel(), theirs["naive"], tolerance=1e-10, source=source)  # fmt: skip
    agree("Competing risks", f"Fine–Gray: likelihood [{name}]",
          [model.loglik_null, model.loglik], theirs["loglik"], source=source)  # fmt: skip


# finegray by groups fits a model stratified by the same groups only (make_competing_reference.R)
@pytest.mark.parametrize(
    ("ties", "entry", "by", "strata", "cluster"),
    [o for o in GRID if not o[2] or (o[2] == "s" and o[3])],
)
def test_finegray(competing_exits, reference, agree, ties, entry, by, strata, cluster):
    key = f"finegray|{ties}|{entry}|{by}|{strata}|{cluster}".replace("True", "TRUE")
    theirs = reference("competing")[key.replace("False", "FALSE")]
    model = fit(competing_exits, **options_of(ties, entry, by, strata, cluster))
    name = f"{ties}, {entry=}, by={by or None}, {strata=}, {cluster=}"
    check(agree, model, theirs, name, f"{R}, coxph on finegray")


@pytest.mark.parametrize("kind", ["part|FALSE", "part|TRUE", "one|TRUE"])
@pytest.mark.parametrize(("ties", "entry", "by", "strata", "cluster"), GRID)
def test_carried(competing_exits, reference, agree, ties, entry, by, strata, cluster, kind):
    key = f"carried|{ties}|{entry}|{by}|{strata}|{cluster}|{kind}".replace("True", "TRUE")
    theirs = reference("competing")[key.replace("False", "FALSE")]
    weights, with_events = kind.split("|")
    model = fit(
        competing_exits,
        **options_of(ties, entry, by, strata, cluster),
        weights=weights if weights == "part" else None,
        censoring="with-events" if with_events == "TRUE" else "after-events",
    )
    name = f"{ties}, {entry=}, by={by or None}, {strata=}, {cluster=}, {kind}"
    check(agree, model, theirs, name, "R survival 3.5-3, coxph on rows weighted by the definition")
