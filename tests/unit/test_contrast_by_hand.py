"""Contrasts derived by hand, as exact fractions, and what the door says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from toolkit import effects, errors, matching
from toolkit.matching.match_result import Matched
from toolkit.matching.sample import Sample, attrition_of, first_step


def people():
    return pl.DataFrame({"t": [1, 1, 1, 1, 0, 0, 0, 0, 0], "y": [1, 1, 1, 0, 1, 0, 0, 0, 1]})


def row(found, term):
    return found.tidy().row(by_predicate=pl.col("term") == term, named=True)


def sample(frame, *, subclass=None, pairs=None, weights=None, estimand="ATT", **more):
    treated = frame["t"].cast(pl.Boolean).to_numpy()
    return Matched(
        meta={"design": "matching", "method": "by hand"}, frame=frame, treatment="t",
        treated=treated, sampling=np.ones(frame.height), estimand=estimand, covariates=("x",),
        weights=pl.Series(
            "weight", np.ones(frame.height) if weights is None else np.array(weights, float)
        ),
        subclass=None if subclass is None else np.array(subclass),
        pairs=None if pairs is None
        else pl.DataFrame(pairs, schema=["treated_row", "control_row"], orient="row"),
        attrition=attrition_of([first_step(treated)]), **more,
    )  # fmt: skip


def test_means_difference_and_ratio():
    found = effects.contrast(people(), outcome="y", treatment="t", correction="HC0",
                             measure=["difference", "ratio", "relative"])  # fmt: skip
    assert row(found, "mean_treated")["estimate"] == pytest.approx(Fraction(3, 4))
    assert row(found, "mean_control")["estimate"] == pytest.approx(Fraction(2, 5))
    assert row(found, "difference")["estimate"] == pytest.approx(Fraction(7, 20))
    variance = Fraction(3, 16) / 4 + Fraction(6, 25) / 5  # p (1 - p) / n in both arms
    assert row(found, "difference")["std_error"] ** 2 == pytest.approx(variance)
    ratio = row(found, "ratio")
    assert ratio["estimate"] == pytest.approx(Fraction(15, 8))
    of_log = (
        Fraction(1, 3) - Fraction(1, 4) + Fraction(1, 2) - Fraction(1, 5)
    )  # 1 / events - 1 / n in both arms
    half = 1.959963984540054 * float(of_log) ** 0.5
    assert np.log(ratio["conf_high"] / ratio["estimate"]) == pytest.approx(half)
    assert ratio["std_error"] == pytest.approx(float(Fraction(15, 8)) * float(of_log) ** 0.5)
    relative = row(found, "relative")
    assert relative["estimate"] == pytest.approx(Fraction(7, 8))
    assert relative["conf_low"] == pytest.approx(ratio["conf_low"] - 1)
    assert relative["p_value"] == ratio["p_value"]
    assert row(found, "mean_treated")["p_value"] is None
    assert found.design == "naive"
    assert "GROSS" in found.summary()


def test_small_sample_corrections():
    options = {"outcome": "y", "treatment": "t"}
    variance = {
        name: row(effects.contrast(people(), correction=name, **options), "difference")["std_error"]
        ** 2
        for name in ("HC0", "HC1", "HC2", "HC3")
    }
    treated, control = Fraction(3, 16) / 4, Fraction(6, 25) / 5
    assert variance["HC1"] == pytest.approx((treated + control) * Fraction(9, 7))
    assert variance["HC2"] == pytest.approx(treated * Fraction(4, 3) + control * Fraction(5, 4))
    assert variance["HC3"] == pytest.approx(treated * Fraction(16, 9) + control * Fraction(25, 16))


def test_pairs_are_clusters():
    frame = pl.DataFrame({"t": [1, 0, 1, 0, 1, 0], "y": [5, 1, 6, 4, 7, 7], "x": 0})
    pairs = [(0, 1), (2, 3), (4, 5)]
    found = effects.contrast(sample(frame, subclass=[0, 0, 1, 1, 2, 2], pairs=pairs), outcome="y",
                             correction="HC0")  # fmt: skip
    # differences 4, 2, 0: mean 2, sum of squares about it 8
    assert row(found, "difference")["estimate"] == pytest.approx(2)
    assert row(found, "difference")["std_error"] ** 2 == pytest.approx(Fraction(8, 9))
    assert found.glance()["n_cluster"].item() == 3
    assert found.influence[:, 0].sum() == pytest.approx(0)


def test_matches_used_again():
    """Σ (pair difference - mean)² / N² + (K² - K') σ² / N² (Abadie and Imbens 2006)."""
    frame = pl.DataFrame({"t": [1, 1, 0, 0], "y": [5.0, 7, 1, 3], "x": [0.0, 0.2, 0.1, 5]})
    reused = sample(frame, pairs=[(0, 2), (1, 2)], weights=[1, 1, 1, 0])
    found = effects.contrast(reused, outcome="y", neighbours=1)
    assert row(found, "difference")["estimate"] == pytest.approx(5)
    sigma = Fraction(1, 2) * (1 - 3) ** 2
    assert row(found, "difference")["std_error"] ** 2 == pytest.approx(
        Fraction(1 + 1, 4) + (4 - 2) * sigma / 4
    )
    assert row(found, "mean_control")["std_error"] ** 2 == pytest.approx((4 - 2) * sigma / 4)
    with pytest.raises(errors.CallError, match="no influence"):
        _ = found.influence


def test_matches_used_again_by_controls():
    frame = pl.DataFrame({"t": [0, 0, 1, 1], "y": [5.0, 7, 1, 3], "x": [0.0, 0.2, 0.1, 5]})
    pairs = [(2, 0), (2, 1)]
    reused = sample(frame, pairs=pairs, weights=[1, 1, 1, 0], estimand="ATC")
    found = effects.contrast(reused, outcome="y", neighbours=1)
    assert row(found, "difference")["estimate"] == pytest.approx(-5)
    assert row(found, "difference")["std_error"] ** 2 == pytest.approx(Fraction(3, 2))


def test_strata():
    frame = pl.DataFrame(
        {"t": [1, 1, 0, 0, 1, 1, 1, 1, 0, 0], "y": [1, 3, 0, 2, 4, 6, 4, 6, 3, 5], "x": 0}
    )
    strata = sample(frame, subclass=[0] * 4 + [1] * 6,
                    weights=[1, 1, 2 / 3, 2 / 3, 1, 1, 1, 1, 4 / 3, 4 / 3])  # fmt: skip
    found = effects.contrast(strata, outcome="y")
    # effects 1 and 1 with shares 1/3 and 2/3; strata differ in level, not in effect
    assert row(found, "difference")["estimate"] == pytest.approx(1)
    # HC2: q² s² / n with s² over n - 1, and no spread between effects of strata
    variance = Fraction(1, 9) * (Fraction(2, 2) + Fraction(2, 2)) + Fraction(4, 9) * (
        Fraction(4, 3) / 4 + Fraction(2, 2)
    )
    assert row(found, "difference")["std_error"] ** 2 == pytest.approx(variance)
    assert found.meta["variance"] == "by stratum, HC2"


def test_a_stratum_of_one_is_summed_over():
    frame = pl.DataFrame({"t": [1, 0, 1, 0, 1, 0, 0], "y": [1, 0, 3, 1, 6, 2, 2], "x": 0})
    strata = sample(frame, subclass=[0, 0, 1, 1, 2, 2, 2], weights=[1, 1, 1, 1, 1, 0.5, 0.5])
    found = effects.contrast(strata, outcome="y", correction="HC0")
    # effects 1, 2, 4 of strata with a third each
    assert row(found, "difference")["std_error"] ** 2 == pytest.approx(Fraction(14, 27))
    assert "clusters of subclass" in found.meta["variance"]
    with pytest.raises(errors.CallError, match="only one treated"):
        effects.contrast(strata, outcome="y", variance="strata")


def test_groups_and_their_difference():
    frame = people().with_columns(sex=pl.Series(list("ffmmffmmm")))
    found = effects.contrast(frame, outcome="y", treatment="t", by="sex", correction="HC0")
    table = found.tidy().filter(pl.col("term") == "difference")
    assert table["sex"].to_list() == ["f", "m"]
    assert table["estimate"].to_list() == pytest.approx([1 / 2, 1 / 6])
    apart = found.difference().row(0, named=True)
    assert (apart["sex"], apart["reference"]) == ("m", "f")
    assert apart["estimate"] == pytest.approx(1 / 6 - 1 / 2)
    assert apart["std_error"] ** 2 == pytest.approx((table["std_error"] ** 2).sum())
    chi2, df, p = found.equal()
    assert (chi2, df) == (pytest.approx(apart["statistic"] ** 2), 1)
    assert p == pytest.approx(apart["p_value"])
    assert found.difference("m")["estimate"].item() == pytest.approx(1 / 3)
    with pytest.raises(errors.UnknownOptionError):
        found.difference("x")


def test_a_pair_goes_whole():
    frame = pl.DataFrame({"t": [1, 0, 1, 0, 1, 0], "y": [5, 1, None, 4, 7, 7], "x": 0})
    pairs = sample(frame, subclass=[0, 0, 1, 1, 2, 2], pairs=[(0, 1), (2, 3), (4, 5)])
    with pytest.raises(errors.MissingValueError, match="missing"):
        effects.contrast(pairs, outcome="y")
    found = effects.contrast(pairs, outcome="y", missing="drop")
    assert row(found, "difference")["estimate"] == pytest.approx(2)
    assert sum(found.meta["dropped"].values()) == 2
    assert "missing at random" in found.summary()


def test_a_match_stands_in_the_group_of_its_treated():
    frame = pl.DataFrame({"t": [1, 0, 1, 0], "y": [5, 1, 6, 4], "x": 0, "g": ["a", "b", "b", "b"]})
    pairs = sample(frame, subclass=[0, 0, 1, 1], pairs=[(0, 1), (2, 3)])
    found = effects.contrast(pairs, outcome="y", by="g", correction="HC0", cluster=False)
    assert found.estimate.tolist() == [4, 2]
    assert any("match exactly" in said for said in found.meta["warnings"])


def test_a_mean_of_nothing_has_no_ratio():
    frame = pl.DataFrame({"t": [1, 1, 0, 0], "y": [1.0, 2, -1, 1]})
    found = effects.contrast(frame, outcome="y", treatment="t")
    assert row(found, "ratio")["estimate"] is None
    none = effects.contrast(frame.with_columns(y=pl.lit(0)), outcome="y", treatment="t")
    assert row(none, "difference")["conf_low"] is None
    assert row(none, "difference")["p_value"] is None


def test_of_one_row_nobody_knows_how_much_it_varies():
    frame = pl.DataFrame({"t": [1, 0, 0, 0, 0], "y": [1.0, 2, 3, 4, 6], "x": [1, 2, 3, 5, 9]})
    found = effects.contrast(frame, outcome="y", treatment="t")
    assert row(found, "difference")["estimate"] == pytest.approx(-2.75)
    for term in ("mean_treated", "difference", "ratio"):
        assert row(found, term)["std_error"] is None
        assert row(found, term)["p_value"] is None
    assert row(found, "mean_control")["std_error"] > 0
    assert any("of one row" in said for said in found.meta["warnings"])
    with pytest.raises(errors.CollinearityError, match=r"Among the treated.*interacted=False"):
        effects.contrast(frame, outcome="y", treatment="t", adjust="x")
    same = effects.contrast(frame, outcome="y", treatment="t", adjust="x", interacted=False)
    # the slope of the controls alone: Σ (x - 4.75)(y - 3.75) / Σ (x - 4.75)²
    slope = sum((x - Fraction(19, 4)) * (y - Fraction(15, 4))
                for x, y in zip((2, 3, 5, 9), (2, 3, 4, 6), strict=True))  # fmt: skip
    slope /= sum((x - Fraction(19, 4)) ** 2 for x in (2, 3, 5, 9))
    expected = 1 - (Fraction(15, 4) + slope * (1 - Fraction(19, 4)))
    assert row(same, "difference")["estimate"] == pytest.approx(float(expected))


def test_an_outcome_nobody_has_is_told():
    frame = pl.DataFrame({"t": [1, 1, 0, 0], "y": [1, 0, 0, 0]})
    found = effects.contrast(frame, outcome="y", treatment="t")
    assert any("do not vary" in said for said in found.meta["warnings"])
    assert row(found, "ratio")["estimate"] is None
    with pytest.raises(errors.EmptyCohortError, match="No treated with a known outcome"):
        effects.contrast(
            frame.with_columns(y=pl.Series([None, None, 1.0, 2.0])), outcome="y", treatment="t",
            missing="drop",
        )  # fmt: skip


def test_a_ratio_to_nobody_is_beyond_any_bound():
    """One event in 20 controls: a replicate lacks it with chance e⁻¹ = 0.37."""
    frame = pl.DataFrame({"t": [1] * 20 + [0] * 20, "y": [1] * 10 + [0] * 10 + [1] + [0] * 19})
    found = effects.contrast(
        frame, outcome="y", treatment="t", variance="bootstrap", replicates=400,
        measure=["ratio", "relative"],
    )  # fmt: skip
    assert np.isposinf(row(found, "ratio")["conf_high"])
    assert np.isposinf(row(found, "relative")["conf_high"])
    assert 0 < row(found, "ratio")["conf_low"] < 10


REFUSED = {
    "bootstrap of pairs": ({"variance": "bootstrap"}, "pairs", "Abadie and Imbens 2008"),
    "bootstrap of matches used again": ({"variance": "bootstrap"}, "reused", "not valid"),
    "leverage of clusters": ({"correction": "HC3"}, "pairs", "single rows"),
    "strata of pairs": ({"variance": "strata"}, "pairs", "for strata"),
    "matching's variance of a frame": ({"variance": "abadie_imbens"}, "rows", "with replacement"),
    "few replicates": ({"variance": "bootstrap", "replicates": 5}, "rows", "replicates"),
    "bootstrap of a regression": ({"variance": "bootstrap", "adjust": "x"}, "rows", "fit the"),
    "unknown measure": ({"measure": "odds"}, "rows", "odds"),
    "no neighbours": ({"neighbours": 0}, "reused", "neighbours"),
    "half a neighbour": ({"neighbours": 1.5}, "reused", "whole number"),
    "no seed": ({"seed": None}, "rows", "seed=None"),
    "the treatment as covariate": ({"adjust": "x + t"}, "rows", "Among the treated: Column 't'"),
    "the treatment twice": ({"adjust": "x + t", "interacted": False}, "rows", "'t'"),
    "logit of numbers": ({"adjust": "x", "link": "logit"}, "rows", "0 and 1"),
    "no group": ({"by": "nobody"}, "rows", "nobody"),
    "a group without controls": ({"by": "y"}, "rows", "no controls"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    options, kind, said = REFUSED[what]
    frame = pl.DataFrame({"t": [1, 0, 1, 0], "y": [5.0, 1, 6, 4], "x": [1.0, 3, 2, 7]})
    made = {
        "pairs": lambda: sample(frame, subclass=[0, 0, 1, 1], pairs=[(0, 1), (2, 3)]),
        "reused": lambda: sample(frame, pairs=[(0, 1), (2, 1)], weights=[1, 1, 1, 0]),
        "rows": lambda: matching.plain_sample(frame, treatment="t"),
    }[kind]()
    with pytest.raises(errors.ToolkitError, match=said):
        effects.contrast(made, outcome="y", **options)


def test_door():
    frame = people()
    with pytest.raises(errors.CallError, match="who was treated"):
        effects.contrast(frame, outcome="y")
    with pytest.raises(errors.UnknownColumnError, match="did you mean"):
        effects.contrast(frame.rename({"y": "works"}), outcome="work", treatment="t")
    with pytest.raises(errors.CallError, match="said twice"):
        effects.contrast(matching.plain_sample(frame, treatment="t"), outcome="y", treatment="t")
    with pytest.raises(errors.InputError, match="same value"):
        effects.contrast(frame.with_columns(k=1), outcome="y", treatment="t", cluster="k")
    assert isinstance(matching.plain_sample(frame, treatment="t"), Sample)


def test_clusters_that_cross():
    """V = V_a + V_b - V_ab; with a in b it is V_b (Cameron, Gelbach and Miller 2011)."""
    frame = people().with_columns(a=pl.Series([0, 0, 1, 2, 0, 3, 3, 4, 5]),
                                  b=pl.Series([0, 0, 1, 1, 0, 2, 2, 2, 2]))  # fmt: skip
    options = {"outcome": "y", "treatment": "t", "correction": "HC0"}
    both = effects.contrast(frame, cluster=["a", "b"], **options)
    alone = effects.contrast(frame, cluster="b", **options)
    np.testing.assert_allclose(both.vcov, alone.vcov, atol=1e-15)
    assert both.meta["n_cluster"] == 3
    assert any("clusters" in said for said in both.meta["warnings"])
