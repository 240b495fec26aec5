"""On strata every way of weighing is direct standardisation, estimates and variances alike."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from toolkit import matching
from toolkit.effects.contrast import contrast

# stratum → outcomes of the treated and of the controls
STRATA = {
    "a": ((5, 7, 9), (4,)),
    "b": ((2, 6), (1, 3, 3, 5)),
    "c": ((8,), (2, 4, 9)),
}


def people():
    rows = [
        {"stratum": name, "treated": arm == 0, "y": y}
        for name, arms in STRATA.items()
        for arm, values in enumerate(arms)
        for y in values
    ]
    return pl.DataFrame(rows)


def mean(values):
    return Fraction(sum(values), len(values))


def standardised(estimand):
    """Return the effect by the target's shares of the strata, and Σ over rows of influence²."""
    size = {
        name: {
            "ATT": Fraction(len(one)), "ATC": Fraction(len(two)),
            "ATE": Fraction(len(one) + len(two)),
            "ATO": Fraction(len(one) * len(two), len(one) + len(two)),
        }[estimand]
        for name, (one, two) in STRATA.items()
    }  # fmt: skip
    total = sum(size.values())
    own = {name: mean(one) - mean(two) for name, (one, two) in STRATA.items()}
    effect = sum(size[name] * own[name] for name in STRATA) / total
    squares = Fraction(0)
    for name, arms in STRATA.items():
        n1, n0 = (len(values) for values in arms)
        # by how much one more treated, or control, makes the stratum larger in the target
        more = {
            "ATT": (1, 0), "ATC": (0, 1), "ATE": (1, 1),
            "ATO": (Fraction(n0, n1 + n0) ** 2, Fraction(n1, n1 + n0) ** 2),
        }[estimand]  # fmt: skip
        for arm, values in enumerate(arms):
            sign = 1 - 2 * arm
            for y in values:
                moved = sign * size[name] * (y - mean(values)) / len(values)
                squares += ((moved + more[arm] * (own[name] - effect)) / total) ** 2
    return effect, squares


CASES = [
    ("ipw", "ATT"), ("ipw", "ATC"), ("ipw", "ATE"), ("ipw", "ATO"), ("overlap", "ATO"),
    ("entropy", "ATT"), ("entropy", "ATC"), ("entropy", "ATE"),
    ("cbps", "ATT"), ("cbps", "ATC"), ("cbps", "ATE"),
    ("ipt", "ATT"), ("ipt", "ATC"), ("ipt", "ATE"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "estimand"), CASES)
@pytest.mark.parametrize("options", [{"on": "treated ~ stratum"},
                                     {"on": "treated ~ 1", "by": "stratum"}])  # fmt: skip
def test_weighing_on_strata_is_direct_standardisation(method, estimand, options):
    # by stratum there is nothing to weigh inside: all is in how much each stratum counts
    found = matching.weigh(people(), **options, method=method, estimand=estimand)
    assert found.covariates == ("stratum",)
    effect, squares = standardised(estimand)
    row = contrast(found, outcome="y", correction="HC0", weight_type="sampling").tidy().row(
        2, named=True
    )  # fmt: skip
    assert row["term"] == "difference"
    assert row["estimate"] == pytest.approx(float(effect), abs=1e-10)
    assert row["std_error"] ** 2 == pytest.approx(float(squares), rel=1e-8)


@pytest.mark.parametrize(("method", "estimand"), CASES)
def test_weights_by_hand(method, estimand):
    found = matching.weigh(people(), on="treated ~ stratum", method=method, estimand=estimand)
    for name, (one, two) in STRATA.items():
        n1, n0 = len(one), len(two)
        up, down = {
            "ATT": (Fraction(1), Fraction(n1, n0)), "ATC": (Fraction(n0, n1), Fraction(1)),
            "ATE": (Fraction(n1 + n0, n1), Fraction(n1 + n0, n0)),
            "ATO": (Fraction(n0, n1 + n0), Fraction(n1, n1 + n0)),
        }[estimand]  # fmt: skip
        if method == "entropy":  # a mean of 1 in the group that is moved: 6 treated, 8 controls
            up *= {"ATT": 1, "ATC": Fraction(6, 8), "ATE": Fraction(6, 14)}[estimand]
            down *= {"ATT": Fraction(8, 6), "ATC": 1, "ATE": Fraction(8, 14)}[estimand]
        expected = [float(up)] * n1 + [float(down)] * n0
        mine = found.weights.filter(found.frame["stratum"] == name)
        assert mine.to_list() == pytest.approx(expected, abs=1e-9)
    if found.score is not None:
        share = found.frame.with_columns(pl.col("treated").mean().over("stratum"))["treated"]
        assert found.score.to_list() == pytest.approx(share.to_list(), abs=1e-9)


def test_stabilised_weights_are_times_the_share_of_the_group_and_change_no_error():
    plain = matching.weigh(people(), on="treated ~ stratum", estimand="ATE")
    stable = matching.weigh(people(), on="treated ~ stratum", estimand="ATE", stabilise=True)
    factor = np.where(plain.treated, 6 / 14, 8 / 14)
    assert stable.weights.to_numpy() == pytest.approx(plain.weights.to_numpy() * factor)
    tables = [contrast(x, outcome="y", weight_type="sampling").tidy() for x in (plain, stable)]
    assert tables[0]["std_error"].to_list() == pytest.approx(tables[1]["std_error"].to_list())
    assert stable.nuisance.influence.shape[1] == plain.nuisance.influence.shape[1] + 1


def test_an_entropy_weight_is_an_exponential_of_the_covariate():
    """x = 0, 1, 2 among controls, mean 1.5 of the treated: (z + 2 z²) / (1 + z + z²) = 1.5."""
    frame = pl.DataFrame({"t": [1, 1, 0, 0, 0], "x": [1, 2, 0, 1, 2]})
    found = matching.weigh(frame, on="t ~ x", method="entropy")
    z = (1 + np.sqrt(13)) / 2  # z² - z - 3 = 0, from 2 (z + 2 z²) = 3 (1 + z + z²)
    expected = np.array([1, z, z * z]) / (1 + z + z * z) * 3
    assert found.weights.to_list()[2:] == pytest.approx(expected.tolist(), abs=1e-10)
    # base weights multiply: twice the base is a row that stands there twice
    base = frame.with_columns(b=pl.Series([1.0, 1.0, 2.0, 1.0, 1.0]))
    found = matching.weigh(base, on="t ~ x", method="entropy", base_weights="b")
    z = (1 + np.sqrt(25)) / 2  # 2 (z + 2 z²) = 3 (2 + z + z²): z² - z - 6 = 0
    expected = np.array([2, z, z * z]) / (2 + z + z * z) * 3
    assert found.weights.to_list()[2:] == pytest.approx(expected.tolist(), abs=1e-10)


def test_moments_balance_variances_and_skewness():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0.3, 0.8, 60), rng.normal(0, 1, 400)])
    frame = pl.DataFrame({"t": np.arange(460) < 60, "x": x, "d": np.arange(460) % 3})
    for method in ("entropy", "cbps", "ipt"):
        found = matching.weigh(frame, on="t ~ x + d", method=method, moments=3)
        weight = found.weights.to_numpy()[60:]
        for power in (1, 2, 3):
            target = (x[:60] ** power).mean()
            assert np.average(x[60:] ** power, weights=weight) == pytest.approx(target, abs=1e-8)
    few = matching.weigh(frame, on="t ~ x", method="entropy").weights.to_numpy()[60:]
    assert abs(np.average(x[60:] ** 2, weights=few) - (x[:60] ** 2).mean()) > 0.01


def test_cut_weights_are_counted_and_their_gradient_is_none():
    frame = people()
    whole = matching.weigh(frame, on="treated ~ stratum")
    # controls: a 3; b 1/2 four times; c 1/3 three times
    found = matching.weigh(frame, on="treated ~ stratum", cap=1.0)
    assert (found.trimmed, found.largest) == (1, 1.0)
    assert found.weights[3] == 1.0
    assert whole.weights[3] == pytest.approx(3.0)
    assert "0 treated and 1 controls had a weight above 1" in found.summary()
    assert (found.nuisance.gradient[3] == 0).all()
    assert (whole.nuisance.gradient[3] != 0).any()
    assert found.glance()["trimmed"][0] == 1
    # at least 7 of 8 controls are not above 1/2
    found = matching.weigh(frame, on="treated ~ stratum", trim=0.87)
    assert found.largest == pytest.approx(0.5)
    assert found.trimmed == 1
    assert matching.weigh(frame, on="treated ~ stratum", trim=0.9).trimmed == 0


def test_support_leaves_rows_out_and_counts_them():
    frame = people()
    found = matching.weigh(frame, on="treated ~ stratum", support=(0.3, 0.9))
    # scores: a 3/4, b 1/3, c 1/4
    assert found.attrition.rows() == [("all rows", 6, 8), ("score from 0.3 to 0.9", 5, 5)]
    assert found.weights.to_list()[-4:] == [0.0] * 4
    assert found.meta["dropped"] == {"score outside 0.3 to 0.9": 4}
    assert "the effect is that on the others only" in found.summary()
    assert (found.nuisance.gradient[-4:] == 0).all()
    assert matching.weigh(frame, on="treated ~ stratum", support="min-max").n_control == 8
    assert matching.weigh(frame, on="treated ~ stratum", support="crump 0.1").n_control == 8


def test_effective_sizes_and_what_is_told():
    found = matching.weigh(people(), on="treated ~ stratum")
    # controls: 3, 1/2 × 4, 1/3 × 3: (3 + 2 + 1)² / (9 + 1 + 1/3)
    ess = Fraction(36) / (10 + Fraction(1, 3))
    assert found.effective_size() == pytest.approx((6.0, float(ess)))
    tidy = found.tidy()
    assert tidy["group"].to_list() == ["treated", "control"]
    assert tidy["total"].to_list() == pytest.approx([6.0, 6.0])
    assert tidy["top_share"].to_list() == pytest.approx([1 / 6, 0.5])
    assert tidy["ess"][1] == pytest.approx(float(ess))
    assert "one row carries 50% of the weight of the controls" in found.summary()
    assert found.covariates == ("stratum",)
    assert found.meta["design"] == "weighting"


def test_groups_are_weighed_by_themselves():
    frame = people().with_columns(x=pl.int_range(pl.len()) % 3)
    both = pl.concat([frame.with_columns(g=pl.lit(k)) for k in "uv"])
    both = both.with_columns(treated=pl.when(g="v").then(pl.int_range(pl.len()) % 2 == 0)
                             .otherwise("treated"))  # fmt: skip
    for method in ("ipw", "entropy"):
        found = matching.weigh(both, on="treated ~ x", method=method, by="g")
        for group in "uv":
            alone = matching.weigh(both.filter(g=group), on="treated ~ x", method=method)
            mine, own = found.weights.filter(both["g"] == group), alone.weights
            if method == "entropy":  # scaled over all groups of rows: in proportion
                control = ~alone.treated
                own = own.to_numpy() * np.where(control, mine.to_numpy()[control].mean(), 1)
            assert mine.to_list() == pytest.approx(list(own), abs=1e-10)
            rows = (both["g"] == group).to_numpy()
            moved = found.nuisance.influence[rows]
            assert moved[:, (moved != 0).any(axis=0)] == pytest.approx(alone.nuisance.influence)


def test_scores_may_be_there_already():
    frame = people()
    score = matching.propensity("treated ~ stratum", frame)
    found = matching.weigh(frame, on=score, estimand="ATE")
    other = matching.weigh(frame, treatment="treated", on=["stratum"], estimand="ATE")
    assert found.weights.equals(other.weights)
    assert found.propensity is score
    folded = matching.weigh(frame, on="treated ~ 1", cross_fit=3, seed=1)
    assert folded.nuisance is None
    assert "take the weights as known" in folded.summary()
