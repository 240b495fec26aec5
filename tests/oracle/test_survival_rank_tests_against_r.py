"""Log-rank and Gray's test equal R's `survdiff` and `cmprsk` to 1e-8."""

import numpy as np
import polars as pl
import pytest

from toolkit import survival

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
def test_logrank(name, frames, reference):
    data, options = LOGRANK[name]
    ours = survival.logrank(frames[data], time="time", event="event", **options)
    theirs = reference("survival_tests")[name]
    assert ours.df == theirs["df"]
    for number in ("statistic", "p_value"):
        np.testing.assert_allclose(getattr(ours, number), theirs[number], rtol=0, atol=1e-8)
    for column in ("observed", "expected"):
        np.testing.assert_allclose(ours.tidy()[column], theirs[column], rtol=0, atol=1e-8)


def test_logrank_with_left_truncation(frames, reference):
    # R's survdiff refuses entry times; without ties it is the score test of a Cox model
    order = frames["late"].with_row_index("row").sort("time", "age", maintain_order=True)["row"]
    rank = np.empty(len(order))
    rank[order.to_numpy()] = np.arange(1, len(order) + 1)
    untied = frames["late"].with_columns(time=pl.col("time") + pl.Series(rank / 1024))
    ours = survival.logrank(untied, time="time", event="event", entry="entry", by="sex")
    theirs = reference("survival_tests")["logrank_entry"]
    np.testing.assert_allclose(ours.statistic, theirs["statistic"], rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", GRAY)
def test_gray(name, frames, reference):
    data, options = GRAY[name]
    theirs = reference("survival_tests")[name]
    for i, cause in enumerate(theirs["cause"]):
        ours = survival.gray(frames[data], time="time", event="cause", cause=int(cause), **options)
        assert ours.df == theirs["df"][i]
        for number in ("statistic", "p_value"):
            np.testing.assert_allclose(getattr(ours, number), theirs[number][i], rtol=0, atol=1e-8)
