"""Events that come back equal R's survival (and mets, for death) to 1e-8; every option crossed."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from toolkit.survival.recurrent import mean_cumulative, recurrent

FILE = Path(__file__).parent / "reference" / "recurrent.json"
CASES = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
SECTION = "Recurrent spells"
SURVFIT, COXPH = "R survival 3.5-3, survfit with id", "R survival 3.5-3, coxph with cluster"
METS = "R mets 1.3.2, recurrentMarginal"
COLUMNS = {"person": "id", "start": "start", "stop": "stop", "event": "event"}
FINE = COLUMNS | {"start": "fine_start", "stop": "fine_stop"}


def list_product(*options):
    return list(product(*options))


@pytest.fixture(scope="module")
def rows():
    """The data of make_recurrent_reference.R."""
    made = []
    for p in range(1, 121):
        edge = (p * 7) % 5
        fine = 10007 * edge + (7919 * 8 * p) % 10007
        k = 1 + (p * 13) % 6
        for j in range(1, k + 1):
            hole = int((p + j) % 6 == 0 and j > 1)
            stop = edge + hole + 1 + (p * j * 11) % 6
            fine_stop = 10007 * stop + (7919 * (8 * p + j)) % 10007
            made.append(
                {
                    "id": p, "start": edge + hole, "stop": stop,
                    "fine_start": fine + 10007 * hole, "fine_stop": fine_stop,
                    "event": (p * 3 + j * 5 + (p * j) % 7) % 4 < 2,
                    "death": j == k and p % 3 == 0,
                    "g": 1 + p % 3, "site": p % 2, "w": 0.5 + (p % 4) / 3,
                    "v": 0.5 + ((p + j) % 5) / 4, "x": (p * 17) % 10, "z": (p * j) % 3,
                }
            )  # fmt: skip
            edge, fine = stop, fine_stop
    return pl.DataFrame(made).sample(fraction=1, shuffle=True, seed=1)


@pytest.mark.parametrize(("by", "weights"), list_product(["1", "g"], ["none", "w", "v"]))
def test_mean_cumulative(rows, agree, by, weights):
    theirs = CASES[f"mean {by} {weights}"]
    ours = mean_cumulative(
        rows,
        **COLUMNS,
        by=None if by == "1" else by,
        weights=None if weights == "none" else weights,
    ).tidy()
    assert ours["time"].to_list() == theirs["time"]
    label = f"by {by}, weights {weights}"
    for name in ("n_risk", "estimate", "std_error"):
        agree(SECTION, f"mean cumulative function, {label}: {name}", ours[name], theirs[name],
              tolerance=1e-10, source=SURVFIT)  # fmt: skip


@pytest.mark.parametrize("part", ["all", "1", "2", "3"])
def test_mean_cumulative_with_death(rows, agree, part):
    theirs = CASES[f"death {part}"]
    some = rows if part == "all" else rows.filter(pl.col("g") == int(part))
    ours = mean_cumulative(some, **FINE, death="death", variance="ghosh_lin")
    found = ours.at(theirs["time"])
    assert ours.meta["n_event"] == len(theirs["time"])
    for name in ("estimate", "std_error"):
        agree(SECTION, f"mean cumulative function with death, group {part}: {name}", found[name],
              theirs[name], tolerance=1e-10, source=METS)  # fmt: skip


@pytest.mark.parametrize(("by", "weights"), list_product(["g", "site"], ["none", "w", "v"]))
def test_pseudo_score(rows, agree, by, weights):
    statistic, df = CASES[f"test {by} {weights}"]["robust_score"]
    options = {} if weights == "none" else {"weights": weights}
    test = mean_cumulative(rows, **COLUMNS, by=by, **options).test()
    assert test.df == df
    agree(SECTION, f"test of equal means [by {by}, weights {weights}]",
          [test.statistic], [statistic], source=f"{COXPH}, robust score")  # fmt: skip


@pytest.mark.parametrize(
    ("model", "ties", "weights", "strata"),
    list_product(
        ["andersen_gill", "pwp_total", "pwp_gap"], ["efron", "breslow"], ["none", "w", "v"],
        ["none", "site"],
    ),
)  # fmt: skip
def test_models(rows, agree, model, ties, weights, strata):
    theirs = CASES[f"{model} {ties} {weights} {strata}"]
    options = {} if model == "andersen_gill" else {"max_order": 3, "holes": "ignore"}
    ours = recurrent(
        "x + C(z)", rows, **COLUMNS, model=model, ties=ties,
        weights=None if weights == "none" else weights,
        strata=None if strata == "none" else strata, **options,
    )  # fmt: skip
    table = ours.tidy()
    case = f"[{ties}, weights {weights}, strata {strata}]"
    for name in ("estimate", "robust_se", "std_error"):
        agree(SECTION, f"{model}: {name} {case}", table[name], theirs[name], source=COXPH)
    agree(SECTION, f"{model}: log-likelihood {case}",
          [ours.loglik_null, ours.loglik], theirs["loglik"], source=COXPH,
          relative=True)  # fmt: skip


@pytest.mark.parametrize("model", ["pwp_total", "pwp_gap"])
def test_effects_by_order(rows, agree, model):
    theirs = CASES[f"by order {model}"]
    ours = recurrent(
        "x + z", rows, **COLUMNS, model=model, effects="by_order", max_order=3, holes="ignore"
    )
    table = ours.tidy().sort("term", "event_order")
    for name in ("estimate", "robust_se", "std_error"):
        agree(SECTION, f"effects by order, {model}: {name}", table[name], theirs[name],
              source=COXPH)  # fmt: skip
    # theirs stand by term, ours by order
    order = [0, 2, 4, 1, 3, 5]
    agree(SECTION, f"effects by order, {model}: covariances", ours.vcov[np.ix_(order, order)],
          theirs["vcov"], source=COXPH)  # fmt: skip
    loglik = ours.glance().select("loglik_null", "loglik").row(0)
    agree(SECTION, f"effects by order, {model}: log-likelihood", loglik, theirs["loglik"],
          source=COXPH, relative=True)  # fmt: skip
