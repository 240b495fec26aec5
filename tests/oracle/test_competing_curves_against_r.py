"""Tests of equal incidence and time lost, against R; numbers of make_competing_reference.R."""

import polars as pl
import pytest

from toolkit import survival

R = "R survival 3.5-3, cmprsk 2.2-11"


@pytest.mark.parametrize("rho", [0, 0.5, 1])
@pytest.mark.parametrize(
    ("case", "options"),
    [("gray", {}), ("gray_strata", {"strata": "g"}),
     ("gray_whole", {"strata": "g", "weights": "whole"})],
)  # fmt: skip
def test_gray(competing_exits, reference, agree, rho, case, options):
    theirs = reference("competing")[f"{case}|{rho:g}"]["statistic"]
    ours = [
        survival.gray(competing_exits, time="time", event="cause", by="s", cause=cause, rho=rho,
                      **options).statistic
        for cause in (1, 2, 3)
    ]  # fmt: skip
    agree("Competing risks", f"Gray's test [{case}, ρ = {rho}]", ours, theirs, tolerance=1e-9,
          source=f"{R}, cuminc")  # fmt: skip


@pytest.mark.parametrize("rho", [0, 0.5, 1])
def test_logrank(competing_exits, reference, agree, rho):
    exits = competing_exits.with_columns(event=pl.col("cause") > 0)
    cases, source = reference("competing"), f"{R}, survdiff"
    test = survival.logrank(exits, time="time", event="event", by="s", rho=rho)
    agree("Competing risks", f"log-rank of any cause [ρ = {rho}]", test.statistic,
          cases[f"logrank|{rho:g}"]["statistic"], tolerance=1e-9, source=source)  # fmt: skip
    test = survival.logrank(exits, time="time", event="event", by="s", strata="g", rho=rho)
    ours = [test.statistic, *test.observed, *test.expected]
    agree("Competing risks", f"log-rank of any cause by strata [ρ = {rho}]", ours,
          cases[f"logrank_strata|{rho:g}"]["statistic"], tolerance=1e-9, source=source)  # fmt: skip
    assert test.glance()["n_event"].item() == exits["event"].sum()


@pytest.mark.parametrize(
    ("case", "horizon", "options"),
    [
        ("lost_group", 20, {"by": "s"}),
        ("lost_between", 17.5, {"by": "s"}),
        ("lost_entry", 20, {"by": "s", "entry": "entry"}),
        ("lost_sampling", 20,
         {"by": "s", "entry": "entry", "weights": "part", "weight_type": "sampling"}),
        ("lost_cluster", 20, {"cluster": "site"}),
    ],
)  # fmt: skip
def test_time_lost(competing_exits, reference, agree, case, horizon, options):
    theirs = reference("competing")[case]
    curves = survival.cumulative_incidence(competing_exits, time="time", event="cause", **options)
    ours = curves.rmtl(horizon)
    agree("Competing risks", f"time lost [{case}]", ours["estimate"], theirs["rmean"],
          source=f"{R}, area under the influences of survfit")  # fmt: skip
    agree("Competing risks", f"time lost, standard error [{case}]", ours["std_error"],
          theirs["std_error"], source=f"{R}, area under the influences of survfit")  # fmt: skip
