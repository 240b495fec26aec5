"""Scores that can be derived by hand: shares of cells, their errors, areas and overlaps."""

from __future__ import annotations

from fractions import Fraction

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from toolkit import matching
from toolkit.matching.propensity.overlap import auc, crump_cut, ladder, overlap

mpl.use("Agg")

# cell → treated, controls
CELLS = {"a": (3, 1), "b": (2, 6), "c": (1, 4)}


def people(cells=CELLS):
    rows = [
        {"cell": cell, "treated": k < n1}
        for cell, (n1, n0) in cells.items()
        for k in range(n1 + n0)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize("model", ["logit", "probit"])
def test_a_saturated_model_gives_the_shares_of_the_cells(model):
    frame = people()
    found = matching.propensity("treated ~ cell", frame, model=model)
    share = {cell: n1 / (n1 + n0) for cell, (n1, n0) in CELLS.items()}
    assert found.scores.to_list() == pytest.approx([share[c] for c in frame["cell"]], abs=1e-12)
    assert found.scores.name == "score"
    link = ndtri if model == "probit" else lambda e: np.log(e / (1 - e))
    first, *others = (float(link(share[cell])) for cell in "abc")
    assert found.tidy()["term"].to_list() == ["(Intercept)", "cell[T.b]", "cell[T.c]"]
    assert found.tidy()["estimate"].to_list() == pytest.approx(
        [first, *(other - first for other in others)], abs=1e-10
    )


def test_errors_of_a_log_odds_ratio_are_those_of_woolf():
    variance = [
        Fraction(1, 3) + Fraction(1, 1),
        Fraction(1, 3) + 1 + Fraction(1, 2) + Fraction(1, 6),
        Fraction(1, 3) + 1 + 1 + Fraction(1, 4),
    ]
    tidy = matching.propensity("treated ~ cell", people()).tidy()
    assert (tidy["std_error"] ** 2).to_list() == pytest.approx([float(v) for v in variance])
    value = {cell: n1 * np.log(n1 / (n1 + n0)) + n0 * np.log(n0 / (n1 + n0))
             for cell, (n1, n0) in CELLS.items()}  # fmt: skip
    glance = matching.propensity("treated ~ cell", people()).glance()
    assert glance["loglik"][0] == pytest.approx(sum(value.values()))
    assert glance["loglik_null"][0] == pytest.approx(6 * np.log(6 / 17) + 11 * np.log(11 / 17))


def test_influence_of_a_row_on_a_log_odds():
    """In a cell the log odds moves by (t - e) / (n e (1 - e)); a robust error is its square sum."""
    frame = people({"a": (3, 1)}).with_columns(id=pl.int_range(pl.len()))
    found = matching.propensity("1", frame, treatment="treated", cluster="id")
    e = Fraction(3, 4)
    own = [(t - e) / (4 * e * (1 - e)) for t in (1, 1, 1, 0)]
    assert found.influence()[:, 0] == pytest.approx([float(v) for v in own])
    robust = sum(v * v for v in own)
    assert found.tidy()["robust_se"][0] ** 2 == pytest.approx(float(robust))
    # pairs of rows as clusters: (1, 1) and (1, 0)
    frame = frame.with_columns(id=pl.col("id") // 2)
    found = matching.propensity("1", frame, treatment="treated", cluster="id")
    robust = (own[0] + own[1]) ** 2 + (own[2] + own[3]) ** 2
    assert found.tidy()["robust_se"][0] ** 2 == pytest.approx(float(robust))


def test_auc_counts_pairs_and_ties_half():
    score = np.array([0.2, 0.4, 0.4, 0.6, 0.8])
    treated = np.array([False, True, False, False, True])
    # treated 0.4: above 0.2, ties with 0.4, below 0.6; treated 0.8: above all three
    steps = ladder(score, treated, np.ones(5))
    assert auc(steps) == pytest.approx(float((Fraction(3, 2) + 3) / 6))
    assert auc(ladder(score, treated, np.array([1.0, 2, 1, 1, 1]))) == pytest.approx(6 / 9)


def test_overlap_is_the_smaller_share_by_twentieth():
    score = np.repeat(np.arange(1, 21) / 21, 10)
    treated = np.tile(np.arange(10) < 5, 20)
    assert overlap(ladder(score, treated, np.ones(200))) == pytest.approx(1.0)
    treated[:100] = False  # the lower half has controls only; above, half and half
    assert overlap(ladder(score, treated, np.ones(200))) == pytest.approx(float(Fraction(50, 150)))
    treated = score > 0.5
    assert overlap(ladder(score, treated, np.ones(200))) == 0.0


def test_common_support_counts_each_side():
    cells = {"a": (0, 0), "b": (1, 11), "c": (3, 3), "d": (5, 1)}
    found = matching.propensity("treated ~ cell", people(cells))
    table = found.common_support()
    assert table["rule"].to_list() == ["min-max", "crump 0.1", "crump"]
    row = table.row(1, named=True)
    assert [row[key] for key in ("low", "high")] == [0.1, 0.9]
    assert [row["inside_treated"], row["inside_control"]] == [8, 4]
    assert [row["outside_treated"], row["outside_control"]] == [1, 11]
    row = table.row(0, named=True)
    assert [row["low"], row["high"]] == pytest.approx([1 / 12, 5 / 6])
    assert row["outside_treated"] + row["outside_control"] == 0
    assert found.glance()["outside_support"][0] == 0.0


def test_the_cut_of_crump_by_hand():
    """Scores 1/2 (g = 4) and 1/100 (g = 10000/99): 101 is above twice the mean of both."""
    score = np.array([0.5] * 9 + [0.01])
    steps = ladder(score, np.arange(10) % 2 == 0, np.ones(10))
    mean = Fraction(4)  # of those below; 1 / (α (1 - α)) = 2 × 4
    assert crump_cut(steps) == pytest.approx(0.5 - np.sqrt(0.25 - 1 / (2 * float(mean))))
    assert crump_cut(ladder(score[:9], np.arange(9) % 2 == 0, np.ones(9))) == 0.0


def test_groups_have_models_of_their_own():
    frame = people().with_columns(half=pl.int_range(pl.len()) % 2)
    found = matching.propensity("1", frame, treatment="treated", by="cell")
    assert found.scores.to_list() == pytest.approx(
        matching.propensity("cell", frame, treatment="treated").scores.to_list()
    )
    tidy = found.tidy()
    assert tidy.columns[:2] == ["cell", "term"]
    assert tidy["cell"].to_list() == ["a", "b", "c"]
    influence = found.influence()
    assert influence.shape == (17, 3)
    assert (influence[(frame["cell"] != "b").to_numpy(), 1] == 0).all()
    assert influence.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert found.glance()["loglik"][0] == pytest.approx(
        matching.propensity("cell", frame, treatment="treated").glance()["loglik"][0]
    )


def test_missing_covariates_are_a_level_of_their_own_when_asked():
    frame = pl.DataFrame(
        {
            "treated": [1, 0, 0, 1, 1, 0, 1, 0],
            "region": ["n", "n", "n", None, None, None, "n", "n"],
            "debt": [1.0, 1.0, 2.0, 2.0, 2.0, 1.0, None, float("nan")],
        }
    )
    found = matching.propensity("region", frame, treatment="treated", missing="indicator")
    assert found.scores.to_list() == pytest.approx([2 / 5] * 3 + [2 / 3] * 3 + [2 / 5] * 2)
    assert found.meta["missing"] == {"region": 3}
    assert found.covariates == ("region",)
    found = matching.propensity("debt", frame, treatment="treated", missing="indicator")
    assert found.tidy()["term"].to_list()[1:] == ["debt", "debt_missing"]
    assert found.scores.to_list()[-2:] == pytest.approx([0.5, 0.5])
    assert found.scores[0] == pytest.approx(1 / 3)
    assert "2 missing values of debt" in found.summary()


def test_scores_are_drawn_back_to_back():
    found = matching.propensity("treated ~ cell", people())
    ax = found.plot(bins=10)
    heights = [bar.get_height() for bar in ax.patches]
    assert sum(h for h in heights if h > 0) == pytest.approx(1.0)
    assert sum(h for h in heights if h < 0) == pytest.approx(-1.0)
    mpl.pyplot.close(ax.figure)
