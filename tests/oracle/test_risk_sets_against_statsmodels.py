"""The chance to start against a logit with a dummy for every month, in statsmodels."""

import numpy as np
import polars as pl
import pytest
import statsmodels
import statsmodels.api as sm

from toolkit.matching import match_risk_sets

SOURCE = f"statsmodels {statsmodels.__version__}"


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(8)
    n, months = 900, 8
    x, kind = rng.normal(size=n), rng.choice(["a", "b", "c"], n)
    rows = []
    on = np.ones(n, dtype=bool)
    start = np.full(n, -1)
    for m in range(months):
        z = rng.poisson(2, n)
        risk = on & (start < 0)
        rows.append(
            pl.DataFrame({"person": np.arange(n), "time": m, "x": x, "z": z, "kind": kind,
                          "w": 1.0 + np.arange(n) % 3}).filter(pl.Series(risk))
        )  # fmt: skip
        p = 1 / (1 + np.exp(2.2 - 0.4 * x - 0.2 * z + (kind == "b") - 0.1 * m))
        start[risk & (rng.random(n) < p) & (m != 3)] = m
        on &= rng.random(n) > 0.1
    at = pl.DataFrame({"person": np.arange(n), "treated_at": start})
    at = at.with_columns(pl.col("treated_at").replace(-1, None))
    return pl.concat(rows).join(at, on="person").sort("person", "time")


def design(panel, months):
    y = (panel["treated_at"] == panel["time"]).fill_null(value=False).to_numpy().astype(float)
    x = [panel["x"], panel["z"], panel["kind"] == "b", panel["kind"] == "c"]
    x += [panel["time"] == m for m in months]
    return y, np.column_stack([column.cast(pl.Float64).to_numpy() for column in x])


@pytest.mark.parametrize("weights", [None, "w"])
def test_pooled_logit_with_an_intercept_a_month(panel, agree, weights):
    found = match_risk_sets(panel, person="person", time="time", treated_at="treated_at",
                            on="x + z + kind", weights=weights)  # fmt: skip
    months = found.sets()["time"].to_list()
    rows = panel.filter(pl.col("time").is_in(months))
    y, x = design(rows, months)
    freq = None if weights is None else rows["w"].to_numpy()
    theirs = sm.GLM(y, x, family=sm.families.Binomial(), freq_weights=freq).fit(tol=1e-12)
    label = "weighted" if weights else "plain"
    ours = found.score_model
    agree("Matching", f"risk sets: chance to start, coefficients [pooled, {label}]",
          ours["estimate"], theirs.params[:4], tolerance=1e-8, source=SOURCE)  # fmt: skip
    agree("Matching", f"risk sets: chance to start, standard errors [pooled, {label}]",
          ours["std_error"], theirs.bse[:4], tolerance=1e-8, source=SOURCE)  # fmt: skip


def test_a_logit_of_its_own_for_every_month(panel, agree):
    found = match_risk_sets(panel, person="person", time="time", treated_at="treated_at",
                            on="x + z + kind", score="by_month", window=(1, 5))  # fmt: skip
    ours, theirs = [], []
    for month in found.sets()["time"]:
        y, x = design(panel.filter(time=month), [month])
        fit = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-12)
        mine = found.score_model.filter(time=month)
        ours.append([*mine["estimate"], *mine["std_error"]])
        theirs.append([*fit.params[:4], *fit.bse[:4]])
    agree("Matching", "risk sets: chance to start [by month]", np.array(ours), np.array(theirs),
          tolerance=1e-7, source=SOURCE)  # fmt: skip
    # the score of a row is its linear predictor: within a month it differs by a constant
    month = found.sets()["time"][0]
    rows = found.frame.with_columns(found.score).filter(time=month)
    _, x = design(rows, [])
    line = x @ np.array(theirs[0][:4])
    assert np.ptp(rows["score"].to_numpy() - line) < 1e-6


def test_not_starting_is_weighted_by_its_chance(panel, agree):
    found = match_risk_sets(panel, person="person", time="time", treated_at="treated_at",
                            on="x + z + kind", control="censor", background=0)  # fmt: skip
    months = found.sets()["time"].to_list()
    rows = panel.filter(pl.col("time").is_in(months))
    y, x = design(rows, months)
    chance = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-12).fittedvalues
    stay = {key: 1 - p for key, p in
            zip(rows.select("person", "time").iter_rows(), chance, strict=True)}  # fmt: skip
    ours, theirs = [], []
    uses = found.frame.with_columns(found.weights, later=found.weights_at(4))
    for person, time, at, base, later in (
        uses.filter(~pl.col("treated"))
        .select("person", "time", "treated_at", "weight", "later").iter_rows()
    ):  # fmt: skip
        weight = base
        for month in range(time + 1, time + 5):
            weight /= stay.get((person, month), 1.0)
        ours.append(later)
        theirs.append(0.0 if at is not None and at <= time + 4 else weight)
    agree("Matching", "risk sets: weights of censored controls, 4 months on", ours, theirs,
          tolerance=1e-8, source=SOURCE)  # fmt: skip
