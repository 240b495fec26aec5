"""The chance to start fitted on starters and a draw of others, against that fitted on all."""

import numpy as np
import polars as pl
import pytest

from toolkit import errors
from toolkit.matching import match_risk_sets

FORM = {"person": "person", "time": "time", "treated_at": "treated_at", "on": "x + C(kind) + z"}


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(6)
    n, months = 6000, 10
    x, kind, weight = rng.normal(size=n), rng.choice(["a", "b"], n), 1.0 + np.arange(n) % 3
    on, start, rows = np.ones(n, dtype=bool), np.full(n, -1), []
    for m in range(months):
        z = rng.normal(size=n)
        risk = on & (start < 0)
        columns = {"x": x, "kind": kind, "z": z, "weight": weight}
        rows.append(
            pl.DataFrame({"person": np.arange(n), "time": m} | columns).filter(pl.Series(risk))
        )
        p = 1 / (1 + np.exp(5.2 - 0.7 * x - 0.5 * z + (kind == "b") - 0.05 * m))
        start[risk & (rng.random(n) < p)] = m
        on &= rng.random(n) > 0.05
    at = pl.DataFrame({"person": np.arange(n), "treated_at": start})
    at = at.with_columns(pl.col("treated_at").replace(-1, None))
    return pl.concat(rows).join(at, on="person").sort("person", "time")


@pytest.mark.parametrize("weights", [None, "weight"])
def test_the_slopes_and_chances_are_those_of_all(panel, weights):
    both = [
        match_risk_sets(panel, **FORM, control="censor", score_rows=rows, weights=weights)
        for rows in ("all", 20_000)
    ]
    whole, drawn = (found.score_model for found in both)
    assert drawn["term"].to_list() == whole["term"].to_list()
    wider = (drawn["std_error"] / whole["std_error"]).to_numpy()
    assert (wider > 1.0).all()
    assert (wider < 1.1).all()
    gap = (drawn["estimate"] - whole["estimate"]).to_numpy()
    # the draw is of the same data: it is off by no more than by what it varies more
    off = np.sqrt((drawn["std_error"] ** 2 - whole["std_error"] ** 2).to_numpy())
    assert (np.abs(gap) < 4 * off).all()
    assert np.abs(gap).max() > 0
    # the intercepts too: censored controls are stood in for as much
    factors = [np.asarray(found._censoring.factor(9)) for found in both]
    chance = [np.log(factor[factor > 1]).mean() for factor in factors]
    assert chance[1] == pytest.approx(chance[0], rel=0.05)
    (said,) = [text for text in both[1].meta["warnings"] if "drawn" in text]
    n = int(both[0].sets()["n_start"].sum())
    assert f"all {n:,} starters" in said
    assert not any("drawn" in text for text in both[0].meta["warnings"])
    given = FORM | {"on": "z", "control": "censor", "censor_on": "x", "score_rows": 20_000}
    assert any("drawn" in text for text in match_risk_sets(panel, **given).meta["warnings"])
    # everybody is scored, and may be matched
    assert both[1].sets()["n_at_risk"].equals(both[0].sets()["n_at_risk"])
    assert both[1].sets()["n_matched"].sum() > 0.98 * both[0].sets()["n_matched"].sum()


def test_the_same_in_any_order_and_as_before_where_there_are_few(panel):
    drawn = match_risk_sets(panel, **FORM, score_rows=20_000)
    mixed = match_risk_sets(panel.sample(fraction=1, shuffle=True, seed=3), **FORM,
                            score_rows=20_000)  # fmt: skip
    assert mixed.score_model["estimate"].to_numpy() == pytest.approx(
        drawn.score_model["estimate"].to_numpy(), abs=1e-12
    )
    other = match_risk_sets(panel, **FORM, score_rows=20_000, seed=2)
    assert not other.score_model.equals(drawn.score_model)
    whole, default, enough = (
        match_risk_sets(panel, **FORM, **rows)
        for rows in ({"score_rows": "all"}, {}, {"score_rows": panel.height})
    )
    assert default.score_model.equals(whole.score_model)
    assert enough.pairs.equals(whole.pairs)
    assert not whole.score_model.equals(drawn.score_model)


@pytest.mark.parametrize("value", [0, True, "some", 1.5, None])
def test_what_is_no_number_of_rows(panel, value):
    with pytest.raises(errors.CallError, match="score_rows"):
        match_risk_sets(panel, **FORM, score_rows=value)
