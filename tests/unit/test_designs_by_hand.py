"""Designs on cases small enough for a pencil, or by the formula written out in full."""

from fractions import Fraction
from itertools import product

import numpy as np
import polars as pl
import pytest

from toolkit import effects
from toolkit.effects.designs.density import density_test
from toolkit.effects.designs.linear import cell_contrasts, linear_contrasts
from toolkit.effects.designs.weak import anderson_rubin_set, effective_f, ratio_set


def numbers(result, term, *columns):
    row = result.tidy().filter(pl.col("term") == term).row(0, named=True)
    return [row[name] for name in columns]


# -- experiment ------------------------------------------------------------------------------------


def test_two_arms_are_neyman():
    """(1, 1, 0) against (0, 1, 0): 1/3, and s²/n of each arm is (1/3)/3."""
    trial = pl.DataFrame({"drawn": [1, 1, 1, 0, 0, 0], "works": [1, 1, 0, 0, 1, 0]})
    found = effects.experiment(trial, assigned="drawn", outcome="works")
    estimate, error = numbers(found, "intention_to_treat", "estimate", "std_error")
    assert estimate == pytest.approx(float(Fraction(1, 3)), abs=1e-15)
    assert error**2 == pytest.approx(float(Fraction(2, 9)), abs=1e-15)
    assert numbers(found, "relative_effect", "estimate") == [pytest.approx(1.0)]


def test_degrees_of_freedom_of_two_arms():
    """With n₁ and n₀ alike: (n₁-1)(n₀-1)(n₁+n₀)² / (n₁²(n₁-1) + n₀²(n₀-1)) (Imbens, Kolesár)."""
    n1, n0 = 3, 27
    trial = pl.DataFrame({"d": [1] * n1 + [0] * n0, "y": list(range(n1 + n0))})
    found = effects.experiment(trial, assigned="d", outcome="y")
    df = Fraction((n1 - 1) * (n0 - 1) * (n1 + n0) ** 2, n1**2 * (n1 - 1) + n0**2 * (n0 - 1))
    assert found.df == pytest.approx(float(df), abs=1e-10)


def test_strata_count_by_their_size():
    """Stratum a of 4: 1 - 1/2; b of 8: 1/4 - 0. (4 × 1/2 + 8 × 1/4) / 12 = 1/3."""
    trial = pl.DataFrame(
        {
            "s": ["a"] * 4 + ["b"] * 8,
            "d": [1, 1, 0, 0] + [1] * 4 + [0] * 4,
            "y": [1, 1, 0, 1] + [1, 0, 0, 0] + [0] * 4,
        }
    )
    found = effects.experiment(trial, assigned="d", outcome="y", strata="s")
    estimate, error = numbers(found, "intention_to_treat", "estimate", "std_error")
    assert estimate == pytest.approx(1 / 3, abs=1e-15)
    # (4/12)² (0 + (1/2)/2) + (8/12)² ((1/4)/4)
    assert error**2 == pytest.approx(float(Fraction(1, 36) + Fraction(1, 36)), abs=1e-15)


def test_pairs_by_fixed_effects_are_the_mean_of_their_differences():
    trial = pl.DataFrame(
        {"pair": [1, 1, 2, 2, 3, 3], "d": [1, 0] * 3, "y": [3.0, 1.0, 5.0, 4.0, 4.0, 1.0]}
    )
    found = effects.experiment(
        trial, assigned="d", outcome="y", strata="pair", within="fixed_effects"
    )
    assert numbers(found, "intention_to_treat", "estimate") == [pytest.approx(2.0)]


def test_local_effect_is_the_ratio():
    """Half of the drawn take part and none of the others: twice the intention to treat."""
    trial = pl.DataFrame(
        {
            "d": [1] * 8 + [0] * 8,
            "t": [1, 0] * 4 + [0] * 8,
            "y": [1, 0, 1, 0, 1, 0, 1, 1] + [1, 0, 0, 0] * 2,
        }
    )
    found = effects.experiment(trial, assigned="d", outcome="y", taken_up="t")
    itt, local = (numbers(found, t, "estimate")[0] for t in ("intention_to_treat", "local_effect"))
    assert local == pytest.approx(2 * itt)
    # the delta method, written as the effect of assignment on y - local t
    shifted = trial.with_columns(y=pl.col("y") - local * pl.col("t"))
    other = effects.experiment(shifted, assigned="d", outcome="y")
    error = numbers(other, "intention_to_treat", "std_error")[0] / 0.5
    assert numbers(found, "local_effect", "std_error")[0] == pytest.approx(error, abs=1e-13)
    assert "none of the controls" in found.meta["estimand"]


def test_full_compliance_makes_local_effect_and_intention_one():
    rng = np.random.default_rng(3)
    trial = pl.DataFrame({"d": rng.random(60) < 0.5, "y": rng.normal(size=60)})
    found = effects.experiment(
        trial.with_columns(t="d"), assigned="d", outcome="y", taken_up="t"
    ).tidy()
    rows = [found.filter(pl.col("term") == t).drop("term").row(0) for t in
            ("intention_to_treat", "local_effect")]  # fmt: skip
    assert rows[0] == pytest.approx(rows[1], abs=1e-12)


def test_lee_bounds():
    """Of the drawn 4 of 4 are seen, of the others 3 of 4: a quarter of the drawn is trimmed."""
    trial = pl.DataFrame({"d": [1] * 4 + [0] * 4, "y": [1.0, 2.0, 3.0, 6.0, 1.0, 2.0, 3.0, None]})
    found = effects.experiment(trial, assigned="d", outcome="y", missing="attrition")
    bounds = dict(found.bounds().select("bound", "estimate").iter_rows())
    assert bounds == pytest.approx({"lower": 2 - 2, "upper": 11 / 3 - 2})
    assert found.meta["dropped"] == {"outcome not observed (attrition)": 1}
    assert found.attrition()["estimate"].item() == pytest.approx(0.25)


# -- small-sample errors ---------------------------------------------------------------------------


def written_out(x, y, contrast, w, groups):
    """CR2 and its degrees of freedom by n × n matrices, as the papers write them."""
    root = np.sqrt(w)
    xs, ys = x * root[:, None], y * root
    bread = np.linalg.inv(xs.T @ xs)
    hat = xs @ bread @ xs.T
    rest = np.eye(len(y)) - hat
    e = rest @ ys
    total, columns = 0.0, []
    for g in np.unique(groups):
        own = groups == g
        values, vectors = np.linalg.eigh(rest[np.ix_(own, own)])
        half = vectors @ np.diag([v**-0.5 if v > 1e-10 else 0 for v in values]) @ vectors.T
        lean = half @ xs[own] @ bread @ contrast
        total += float(e[own] @ lean) ** 2
        columns.append(rest[:, own] @ lean)
    g = np.stack(columns, axis=1)
    values = np.linalg.eigvalsh(g.T @ g)
    return float(contrast @ bread @ xs.T @ ys), total**0.5, values.sum() ** 2 / (values**2).sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clusters", [None, 7])
def test_hc2_and_cr2_as_written_in_the_papers(weighted, clusters):
    rng = np.random.default_rng(5)
    n = 40
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    y = rng.normal(size=n)
    w = rng.uniform(0.5, 2, n) if weighted else np.ones(n)
    groups = np.arange(n) if clusters is None else rng.integers(0, clusters, n)
    contrast = np.array([0.0, 1.0, -1.0])
    fit = linear_contrasts(
        x, y[:, None], contrast[:, None], names=["a", "b", "c"], weight=w,
        cluster=None if clusters is None else groups,
    )  # fmt: skip
    estimate, error, df = written_out(x, y, contrast, w, groups)
    assert fit.estimate.item() == pytest.approx(estimate, abs=1e-12)
    assert fit.vcov().item() == pytest.approx(error**2, rel=1e-10)
    assert fit.df.item() == pytest.approx(df, rel=1e-10)


def test_a_cluster_that_is_fitted_exactly_adds_nothing():
    """A cluster with a column of its own has leverage 1: its residuals are 0."""
    x = np.array([[1.0, 0], [1, 0], [1, 0], [1, 1], [1, 0]])
    y = np.array([[1.0], [2], [4], [7], [1]])
    groups = np.array([0, 0, 1, 2, 3])
    fit = linear_contrasts(x, y, np.array([[0.0], [1]]), names=["a", "b"], cluster=groups)
    assert fit.leverage == pytest.approx(1)
    assert fit.influence[2].item() == 0


def test_cells_are_dummies():
    rng = np.random.default_rng(6)
    cell, w = rng.integers(0, 4, 50), rng.uniform(1, 2, 50)
    y, contrast = rng.normal(size=(50, 2)), rng.normal(size=(4, 2))
    one = cell_contrasts(cell, y, contrast, weight=w)
    other = linear_contrasts(np.eye(4)[cell], y, contrast, names=list("abcd"), weight=w)
    for name in ("estimate", "influence", "df"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12)


# -- weak instruments ------------------------------------------------------------------------------


def test_fieller_has_the_ends_of_its_quadratic():
    """No noise in the first stage, 2: the ends are (1 ± t √v) / 2."""
    ((low, high),) = ratio_set(
        np.array([1.0, 2.0]), np.array([[0.25, 0], [0, 0]]), df=np.inf, conf_level=0.95
    )
    assert [low, high] == pytest.approx([(1 - 1.959964 / 2) / 2, (1 + 1.959964 / 2) / 2], abs=1e-6)


def test_fieller_without_a_first_stage_has_no_end():
    assert ratio_set(np.array([0.5, 0.1]), np.eye(2), df=np.inf, conf_level=0.95) == (
        (-np.inf, np.inf),
    )
    pieces = ratio_set(np.array([5.0, 1.0]), np.eye(2), df=np.inf, conf_level=0.95)
    assert len(pieces) == 2
    assert pieces[0][0] == -np.inf
    assert pieces[1][1] == np.inf


@pytest.mark.parametrize("first", [5.0, 1.0, 0.1])
def test_anderson_rubin_with_one_instrument_is_fieller(first):
    effect, vcov = np.array([2.0, first]), np.array([[1, 0.3], [0.3, 0.5]])
    one = ratio_set(effect, vcov, df=np.inf, conf_level=0.95)
    other, least = anderson_rubin_set(effect[:1], effect[1:], vcov, conf_level=0.95)
    assert least == pytest.approx(0, abs=1e-9)
    assert np.ravel(one) == pytest.approx(np.ravel(other), rel=1e-8)


def test_effective_f_with_one_instrument_is_its_square_and_passes_23():
    """Montiel Olea and Pflueger: 23.1 for a bias of a tenth at 5 percent."""
    f, critical = effective_f(np.array([0.4]), np.array([[0.01]]), np.array([[50.0]]))
    assert f == pytest.approx(0.4**2 / 0.01)
    assert critical == pytest.approx(23.1085, abs=1e-3)


def test_leave_one_out_by_hand():
    """In a cell with mean 1/2: (1, 1, 0) less 1/2 is (1/2, 1/2, -1/2)."""
    cases = pl.DataFrame(
        {"sent": [1, 1, 0, 0, 0, 1, 1], "worker": list("aaabbbc"), "cell": [1] * 6 + [2]}
    )
    found = effects.leave_one_out(cases, treatment="sent", decider="worker", within="cell")
    assert found["leniency"].to_list() == pytest.approx([0, 0, 0.5, 0, 0, -0.5, None])
    assert found["leniency_n"].to_list() == [2] * 6 + [0]


# -- difference-in-differences ---------------------------------------------------------------------


def staggered():
    """Starts in month 2 (a), 3 (b), never (c); means per group and month are whole numbers."""
    path = {"a": [0, 1, 5, 7], "b": [1, 2, 3, 6], "c": [2, 2, 3, 3]}
    start = {"a": 2, "b": 3, "c": None}
    sizes = {"a": 2, "b": 4, "c": 2}
    rows = []
    for group, size in sizes.items():
        for i, (month, mean) in product(range(size), enumerate(path[group])):
            rows.append((f"{group}{i}", month, start[group], mean + (1 if i % 2 else -1)))
    return pl.DataFrame(rows, schema=["who", "month", "start", "y"], orient="row")


NAMES = {"person": "who", "month": "month", "outcome": "y", "treated_at": "start"}


def test_group_time_effects_by_hand():
    found = effects.difference_in_differences(staggered(), **NAMES)
    table = found.tidy("group_time").select("group", "month", "estimate")
    told = {(group, month): effect for group, month, effect in table.iter_rows()}
    # a in month 2: 5 - 1 less (4 × (3 - 2) + 2 × (3 - 2)) / 6; in month 3 only c is left: 6 - 1
    assert told == pytest.approx(
        {(2, 0): -1 - Fraction(-4, 6), (2, 2): 3, (2, 3): 5,
         (3, 0): -2 + 1, (3, 1): -1 + 1, (3, 3): 3}
    )  # fmt: skip


def test_summaries_by_hand():
    found = effects.difference_in_differences(staggered(), **NAMES)
    event = dict(found.tidy().select("time", "estimate").iter_rows())
    # at 0: a (2 persons) 3 and b (4) 3; at 1 only a: 5; a month apart b's lead -2 is (3, 1): 0
    assert event[0] == pytest.approx(3)
    assert event[1] == pytest.approx(5)
    assert event[-2] == pytest.approx((2 * -1 / 3 + 4 * 0) / 6)
    assert event[-1] == 0
    overall = dict(found.tidy("overall").select("term", "estimate").iter_rows())
    assert overall == pytest.approx(
        {"overall": (2 * 4 + 4 * 3) / 6, "simple": (2 * 3 + 2 * 5 + 4 * 3) / 8,
         "by_time_since_start": 4.0, "by_month": (3 + (2 * 5 + 4 * 3) / 6) / 2}
    )  # fmt: skip
    assert dict(found.tidy("group").select("group", "estimate").iter_rows()) == pytest.approx(
        {2: 4, 3: 3}
    )


def test_never_treated_as_controls():
    found = effects.difference_in_differences(staggered(), **NAMES, control="never")
    told = found.tidy("group_time").filter((pl.col("group") == 2) & (pl.col("month") == 2))
    assert told["estimate"].item() == pytest.approx(4 - 1)
    assert told["n_control"].item() == 2


def test_anticipation_moves_the_base():
    found = effects.difference_in_differences(staggered(), **NAMES, anticipation=1)
    told = found.tidy("group_time").filter((pl.col("group") == 2) & (pl.col("month") == 2))
    # base month 0; in month 2 + 1 foreseen, b is no control: 5 - 0 less 3 - 2
    assert told["estimate"].item() == pytest.approx(4)
    assert found.tidy().filter(pl.col("std_error").is_null())["time"].to_list() == [-2]


def test_always_treated_are_left_out_and_counted():
    frame = staggered().with_columns(
        start=pl.when(pl.col("who") == "a0").then(0).otherwise("start")
    )
    found = effects.difference_in_differences(frame, **NAMES)
    assert found.meta["dropped"]["persons treated from the first month on"] == 1


def test_a_start_of_0_is_not_never_and_is_told():
    """Other packages write 0 for never: nobody would be left to compare with, in silence."""
    frame = staggered().with_columns(pl.col("month") + 1, pl.col("start") + 1)
    frame = frame.with_columns(pl.col("start").fill_null(0))
    found = effects.difference_in_differences(frame, **NAMES)
    assert any("2 persons have 'start' 0" in said for said in found.meta["warnings"])
    assert found.meta["dropped"]["persons treated from the first month on"] == 2
    plain = effects.difference_in_differences(staggered(), **NAMES)
    assert not any("0:" in said for said in plain.meta["warnings"])


@pytest.mark.parametrize("cluster", [None, "pair"])
def test_the_overall_effect_is_of_the_cells_that_are_left(cluster):
    """Months without enough controls are lost: each group's mean is that of its other months."""
    rng = np.random.default_rng(4)
    start = np.repeat([2, 3, 4, 0], [40, 30, 12, 2])
    who = np.arange(len(start))
    fixed = pl.DataFrame(
        {"who": who, "pair": who // 2, "start": start, "x": rng.normal(size=len(who)),
         "z": np.sin(who)}
    ).with_columns(start=pl.when(pl.col("start") > 0).then("start"))  # fmt: skip
    panel = pl.concat(
        [
            fixed.with_columns(
                month=pl.lit(t), y=pl.col("x") * t + (start > 0) * (t >= start) * (1.0 + t)
                + rng.normal(size=len(who)),
            )
            for t in (1, 2, 3, 4)
        ]
    )  # fmt: skip
    options = NAMES | {"on": "x + z", "estimator": "regression", "cluster": cluster}
    # in month 4 two persons are not treated yet: too few for two covariates
    whole = effects.difference_in_differences(panel, **options)
    assert sum(whole.meta["dropped"].values()) == 5
    cut = effects.difference_in_differences(panel.filter(pl.col("month") < 4), **options)
    assert not cut.meta["dropped"]
    one, other = (found.tidy("overall").drop("term").to_numpy() for found in (whole, cut))
    np.testing.assert_allclose(one, other, rtol=1e-9)
    groups = dict(whole.tidy("group").select("group", "estimate").iter_rows())
    assert one[0, 0] == pytest.approx((40 * groups[2] + 30 * groups[3]) / 70)


def test_two_groups_two_months_have_neymans_error():
    rng = np.random.default_rng(2)
    change = rng.normal(size=10)
    frame = pl.DataFrame(
        {"who": [*range(10)] * 2, "month": [0] * 10 + [1] * 10, "y": [0.0] * 10 + list(change),
         "start": ([1] * 4 + [None] * 6) * 2}
    )  # fmt: skip
    row = effects.difference_in_differences(frame, **NAMES).tidy("group_time").row(0, named=True)
    one, other = change[:4], change[4:]
    assert row["estimate"] == pytest.approx(one.mean() - other.mean())
    assert row["std_error"] ** 2 == pytest.approx(one.var() / 4 + other.var() / 6)


# -- before and after, natural experiment ----------------------------------------------------------


def test_before_after_contrasts_by_hand():
    """A line 0, 1, 2, 3 with dip to 1 in the last month, then 6: the trend foretells 5."""
    frame = pl.DataFrame(
        {"who": [1] * 6 + [2] * 6, "month": [*range(6)] * 2, "start": [5] * 12,
         "y": [0, 1, 2, 3, 1, 6, 2, 3, 4, 5, 3, 8]}
    )  # fmt: skip
    found = effects.before_after(
        frame, person="who", month="month", outcome="y", started_at="start", before=5, after=1,
        dip=1,
    )  # fmt: skip
    told = dict(found.tidy().select("term", "estimate").iter_rows())
    assert told == pytest.approx(
        {"change": 7 - 12 / 5, "pre_trend": 1, "dip": 2 - 5, "change_from_trend": 7 - 6}
    )
    assert found.meta["design"] == "before_after"
    assert "GROSS" in found.summary()


def test_natural_experiment_is_four_means():
    rng = np.random.default_rng(8)
    frame = pl.DataFrame(
        {"x": rng.random(200) < 0.4, "m": rng.integers(0, 10, 200), "y": rng.normal(size=200)}
    )
    found = effects.natural_experiment(frame, outcome="y", exposed="x", month="m", since=6)
    mean = {(e, a): m for e, a, m in found.cells.select("exposed", "after", "mean").iter_rows()}
    four = mean[True, True] - mean[True, False] - mean[False, True] + mean[False, False]
    assert numbers(found, "effect", "estimate") == [pytest.approx(four)]
    assert found.path(every=2)["time"].to_list() == [-6, -4, -2, 0, 2]
    assert found.placebo_dates([3]).columns[0] == "since"


# -- density, power, lists -------------------------------------------------------------------------


def test_density_of_a_staircase():
    """30 in each bin left, 60 right, bins of 1, n = 20 × 30 + 20 × 60: densities 1/60 and 2/60."""
    x = np.concatenate([np.repeat(np.arange(-20, 0), 30), np.repeat(np.arange(20), 60)])
    found = density_test(x.astype(float), 0.0, bin_width=1.0, bandwidth=5.0)
    assert [found.left, found.right] == pytest.approx([1 / 60, 2 / 60])
    assert found.estimate == pytest.approx(np.log(2))
    assert found.std_error**2 == pytest.approx(24 / 5 * (60 + 30) / (1800 * 5))
    assert found.bins["n"].to_list() == [30] * 20 + [60] * 20


def test_power_by_the_formula():
    """2 × (1.96 + .84)² sd² / δ² a side; the other tail adds nothing here."""
    plan = effects.minimum_detectable_effect(effect=0.2, sd=1.0)
    assert plan.n == pytest.approx(4 * (1.959964 + 0.8416212) ** 2 / 0.04, rel=1e-5)
    back = effects.minimum_detectable_effect(n=plan.n, sd=1.0)
    assert back.effect == pytest.approx(0.2, rel=1e-9)


def test_take_up_covariates_attrition_and_clusters_in_power():
    base = effects.minimum_detectable_effect(n=4000, sd=1.0).effect
    for options, factor in (
        ({"take_up": 0.5}, 2), ({"r2": 0.36}, 0.8), ({"attrition": 0.19}, 1 / 0.9),
        ({"share": 0.2}, 1.25),
    ):  # fmt: skip
        plan = effects.minimum_detectable_effect(n=4000, sd=1.0, **options)
        assert plan.effect == pytest.approx(base * factor, rel=1e-9), options
    clusters = effects.minimum_detectable_effect(n=4000, sd=1.0, cluster_size=40, icc=0.1)
    assert clusters.meta["design_effect"] == pytest.approx(1 + 39 * 0.1)
    assert clusters.effect > base * (1 + 39 * 0.1) ** 0.5  # and Student's t
    # of a cluster of 40 only 20 are seen
    seen = {"n": 4000, "sd": 1.0, "cluster_size": 40, "attrition": 0.5}
    half = effects.minimum_detectable_effect(icc=0.1, **seen)
    assert half.meta["design_effect"] == pytest.approx(1 + 19 * 0.1)
    # where all in a cluster are one, losing half of each loses nothing (100 clusters either way)
    alike = effects.minimum_detectable_effect(icc=1.0, **seen).effect
    whole = effects.minimum_detectable_effect(icc=1.0, **seen | {"attrition": 0.0}).effect
    assert alike == pytest.approx(whole, rel=1e-9)


def test_every_whole_block_has_the_shares():
    people = pl.DataFrame({"id": [f"p{i}" for i in range(60)], "office": ["a"] * 31 + ["b"] * 29})
    found = effects.randomise(people, key="id", strata="office", seed=7, shares=(2 / 3, 1 / 3))
    told = {(s, a): n for s, a, n in found.tidy().select("office", "arm", "n").iter_rows()}
    assert abs(told["a", "programme"] - 31 * 2 / 3) < 1
    assert abs(told["b", "control"] - 29 / 3) < 1
    assert found.glance()["block"].item() == 3
