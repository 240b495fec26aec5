"""Log-rank and Gray's test equal R's `survdiff` and `cmprsk` to 1e-8."""

import numpy as np
import polars as pl
import pytest

from toolkit import survival

SECTION, SURVDIFF = "Tests of equality", "R survival 3.5-3, survdiff"
LOGRANK = {
    "logrank_sex": ("lung", {"by": "sex"}),
    "logrank_site": ("lung", {"by": "site"}),
    "logrank_strata": ("lung", {"by": "sex", "strata": "site"}),
    "logrank_months": ("months", {"by": "group", "strata": "stratum"}),
    "logrank_repeated": ("lung", {"by": "sex", "weights": "whole"}),
    "logrank_small": ("small", {"by": "sex"}),
}
GRAY = {
    "gray_small": ("small", {"by": "sex"}),
    "gray_sex": ("lung", {"by": "sex"}),
    "gray_site": ("lung", {"by": "site"}),
    "gray_strata": ("lung", {"by": "sex", "strata": "site"}),
    "gray_months": ("months", {"by": "group"}),
    "gray_months_strata": ("months", {"by": "group", "strata": "stratum"}),
}


@pytest.mark.parametrize("name", LOGRANK)
def test_logrank(name, frames, reference, agree):
    data, options = LOGRANK[name]
    ours = survival.logrank(frames[data], time="time", event="event", **options)
    theirs = reference("survival_tests")[name]
    assert ours.df == theirs["df"]
    for number in ("statistic", "p_value"):
        agree(SECTION, f"log-rank, {name}: {number}", getattr(ours, number), theirs[number],
              source=SURVDIFF)  # fmt: skip
    for column in ("observed", "expected"):
        agree(SECTION, f"log-rank, {name}: {column}", ours.tidy()[column], theirs[column],
              source=SURVDIFF)  # fmt: skip


def test_logrank_with_left_truncation(frames, reference, agree):
    # R's survdiff refuses entry times; without ties it is the score test of a Cox model
    order = frames["late"].with_row_index("row").sort("time", "age", maintain_order=True)["row"]
    rank = np.empty(len(order))
    rank[order.to_numpy()] = np.arange(1, len(order) + 1)
    untied = frames["late"].with_columns(time=pl.col("time") + pl.Series(rank / 1024))
    ours = survival.logrank(untied, time="time", event="event", entry="entry", by="sex")
    theirs = reference("survival_tests")["logrank_entry"]
    agree(SECTION, "log-rank with left truncation: statistic", ours.statistic,
          theirs["statistic"], source="R survival 3.5-3, coxph score test")  # fmt: skip


@pytest.mark.parametrize("name", GRAY)
def test_gray(name, frames, reference, agree):
    data, options = GRAY[name]
    theirs = reference("survival_tests")[name]
    for i, cause in enumerate(theirs["cause"]):
        ours = survival.gray(frames[data], time="time", event="cause", cause=int(cause), **options)
        assert ours.df == theirs["df"][i]
        for number in ("statistic", "p_value"):
            agree(SECTION, f"Gray, {name}, cause {cause}: {number}", getattr(ours, number),
                  theirs[number][i], source="R cmprsk 2.2-11, cuminc")  # fmt: skip
