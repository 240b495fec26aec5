"""Matching on a handful of rows, worked out by hand."""

from fractions import Fraction
from math import log, sqrt

import numpy as np
import polars as pl
import pytest

from toolkit.matching import balance, match
from toolkit.matching.coarsened import coarsened_cells, inner_cuts
from toolkit.matching.distances import read_place
from toolkit.matching.match_calipers import spread
from toolkit.matching.nearest import partners_wanted
from toolkit.matching.subclasses import cut_by_score, fill, quantiles


def frame(treated, score, **more):
    return pl.DataFrame({"t": treated, "s": score, **more})


def pairs_of(matched):
    return matched.pairs.select("treated_row", "control_row").rows()


LINE = frame([1, 1, 1, 0, 0, 0, 0], [0.50, 0.60, 0.90, 0.52, 0.61, 0.10, 0.58])


def test_largest_first_takes_the_nearest_that_is_left():
    # .90 takes .61; .60 then .58; .50 then .52
    assert pairs_of(match(LINE, treatment="t", on="s")) == [(0, 3), (1, 6), (2, 4)]
    # from below: .50 takes .52, .60 takes .61, .90 takes .58
    smallest = match(LINE, treatment="t", on="s", order="smallest")
    assert pairs_of(smallest) == [(0, 3), (1, 4), (2, 6)]
    # the closest pair first: .60 and .61
    closest = match(LINE, treatment="t", on="s", order="closest")
    assert pairs_of(closest) == [(0, 3), (1, 4), (2, 6)]
    assert smallest.pairs["distance"].to_list() == pytest.approx([0.02, 0.01, 0.32])


def test_a_caliper_holds_its_own_edge_and_who_falls_out_is_counted():
    whole = LINE.with_columns(s=(100 * pl.col("s")).round())
    matched = match(whole, treatment="t", on="s", caliper=2, caliper_unit="raw")
    assert pairs_of(matched) == [(0, 3), (1, 4)]
    assert matched.attrition.rows() == [
        ("all rows", 3, 4), ("with somebody within the caliper", 2, 3), ("matched", 2, 2),
    ]  # fmt: skip
    assert matched.meta["dropped"] == {
        "treated not with somebody within the caliper": 1,
        "controls not with somebody within the caliper": 1,
        "controls not matched": 1,
    }
    assert matched.weights.to_list() == [1, 1, 0, 1, 1, 0, 0]
    assert matched.subclass.tolist() == [0, 1, -1, 0, 1, -1, -1]
    assert "distance ≤ 2" in matched.summary()
    assert "mean effect on the treated" in matched.summary()


def test_equally_near_the_left_wins_and_of_equals_the_one_beside():
    # MatchIt's rule on a score: sorted by score and row, left unless the right is closer
    data = frame([0, 0, 1, 0, 0], [1.0, 1.0, 2.0, 3.0, 3.0])
    assert pairs_of(match(data, treatment="t", on="s")) == [(2, 1)]
    assert pairs_of(match(data, treatment="t", on="s", ratio=4)) == [
        (2, 1), (2, 0), (2, 3), (2, 4),
    ]  # fmt: skip
    keyed = data.with_columns(k=pl.Series([7, 3, 5, 1, 9]))
    assert pairs_of(match(keyed, treatment="t", on="s", ties="k")) == [(2, 0)]


def test_all_get_their_first_before_any_gets_a_second():
    data = frame([1, 1, 0, 0, 0], [5.0, 4.0, 4.5, 4.6, 1.0])
    matched = match(data, treatment="t", on="s", ratio=2)
    assert pairs_of(matched) == [(0, 3), (0, 4), (1, 2)]
    # shares 1/2, 1/2 and 1, scaled so that three controls sum to three
    assert matched.weights.to_list() == pytest.approx([1, 1, 3 / 2, 3 / 4, 3 / 4])
    assert matched.meta["warnings"] == ["1 rows have fewer than 2 partners"]


def test_weights_with_replacement_count_how_often():
    data = frame([1, 1, 1, 0, 0], [1.0, 1.1, 5.0, 1.05, 4.0])
    matched = match(data, treatment="t", on="s", replace=True)
    assert pairs_of(matched) == [(0, 3), (1, 3), (2, 4)]
    # 2 and 1, scaled to a sum of two controls
    assert matched.weights.to_list() == pytest.approx([1, 1, 1, 4 / 3, 2 / 3])
    assert matched.subclass is None
    assert matched.meta["method"].endswith("with replacement")


def test_partners_take_over_the_sampling_weight_of_whom_they_stand_for():
    data = frame([1, 1, 0, 0, 0], [5.0, 4.0, 5.1, 4.1, 4.2], w=[2.0, 1.0, 1.0, 3.0, 1.0])
    matched = match(data, treatment="t", on="s", ratio=2, weights="w", order="data")
    assert pairs_of(matched) == [(0, 2), (0, 4), (1, 3)]
    shares = [
        2 * Fraction(1, 2),
        Fraction(1),
        2 * Fraction(1, 2),
    ]  # rows 2, 3, 4; the controls weigh 1, 3 and 1
    scaled = [float(one * Fraction(5) / sum(shares)) for one in shares]
    assert matched.weights.to_list() == pytest.approx([2, 1, *scaled])


def test_for_the_controls_partners_are_treated():
    data = frame([1, 1, 0, 0, 0], [0.5, 0.9, 0.45, 0.95, 0.2])
    matched = match(data, treatment="t", on="s", estimand="ATC")
    # the smallest first: .2 takes .5, .45 then .9
    assert pairs_of(matched) == [(1, 2), (0, 4)]
    assert matched.n_treated == matched.n_control == 2


def test_a_variable_ratio_gives_most_to_those_least_likely_treated():
    # four rows, 1 to 4 each, two on average: 8 = 4 + 2 + 1 + 1
    score = np.array([0.9, 0.2, 0.5, 0.3, 0.0])
    wanted = partners_wanted(np.array([0, 1, 2, 3]), 5, 2, 1, 4, score)
    assert wanted.tolist() == [1, 4, 1, 2, 0]


def test_exact_and_antiexact_columns():
    data = frame(
        [1, 1, 0, 0, 0], [0.5, 0.5, 0.5, 0.6, 0.7], town=["a", "b", "a", "a", "c"],
        person=[1, 2, 1, 3, 4],
    )  # fmt: skip
    matched = match(data, treatment="t", on="s", exact="town", antiexact="person")
    assert pairs_of(matched) == [(0, 3)]  # row 2 is the same person, town b has no control
    assert matched.attrition.rows()[1] == ("in a cell with both groups", 1, 2)
    assert matched.meta["dropped"]["treated not in a cell with both groups"] == 1
    assert "exact on town" in matched.meta["definition"]
    assert matched.covariates == ("town",)


def test_missing_values_as_a_category_of_their_own():
    data = frame([1, 0, 0], [0.5, 0.5, 0.6], town=["a", "a", None])
    data = pl.concat([data, frame([1], [0.6], town=[None]).cast({"town": pl.String})])
    matched = match(data, treatment="t", on="s", exact="town", missing="category")
    assert pairs_of(matched) == [(0, 1), (3, 2)]


def test_calipers_by_variable_in_their_own_units():
    data = frame([1, 0, 0, 0], [0.5, 0.5, 0.51, 0.9], age=[40, 30, 38, 40])
    limited = match(data, treatment="t", on="s", caliper={"s": 0.1, "age": 2}, caliper_unit="raw")
    assert pairs_of(limited) == [(0, 2)]
    assert limited.caliper == {"distance": 0.1, "age": 2.0}
    assert limited.covariates == ("age",)
    # in standard deviations of all rows: age (40, 30, 38, 40) has variance 68/3
    mixed = match(
        data, treatment="t", on="s", caliper={"s": 0.1, "age": 1}, caliper_unit={"s": "raw"}
    )
    assert mixed.caliper["age"] == pytest.approx(sqrt(68 / 3))
    assert spread(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == pytest.approx(0.5)


def test_the_logit_of_a_score():
    data = frame([1, 0, 0], [0.5, 0.30, 0.72])
    assert pairs_of(match(data, treatment="t", on="s")) == [(0, 1)]
    matched = match(data, treatment="t", on="s", link="logit", ratio=2)
    assert matched.pairs["distance"].to_list() == pytest.approx([log(0.7 / 0.3), log(0.72 / 0.28)])
    assert matched.score.to_list() == [0.5, 0.30, 0.72]


def test_mahalanobis_distance_by_hand():
    # within groups x has deviations ±1, y ∓1/2 and ±1/2: S = [[4, 0], [0, 1]] / 2
    data = pl.DataFrame(
        {"t": [1, 1, 0, 0], "x": [1.0, -1.0, 4.0, 2.0], "y": [0.5, -0.5, -0.5, 0.5]}
    )
    matched = match(data, treatment="t", on=["x", "y"], ratio=2, replace=True)
    assert pairs_of(matched) == [(0, 3), (0, 2), (1, 3), (1, 2)]
    steps = [(1, 0), (3, 1), (3, 1), (5, 0)]
    squared = [Fraction(dx**2, 2) + Fraction(dy**2) / Fraction(1, 2) for dx, dy in steps]
    assert matched.pairs["distance"].to_list() == pytest.approx([sqrt(q) for q in squared])
    scaled = match(data, treatment="t", on=["x", "y"], distance="euclidean")
    assert scaled.pairs["distance"][0] == pytest.approx(sqrt(Fraction(1, 2)))


def test_a_level_more_or_less_does_not_change_mahalanobis_distances():
    rng = np.random.default_rng(3)
    data = pl.DataFrame(
        {"t": rng.random(40) < 0.5, "x": rng.normal(size=40), "k": rng.choice(list("abc"), 40)}
    )
    sampling = np.ones(40)
    points = [
        read_place(
            data.with_columns(b=pl.col("k") == "b", c=pl.col("k") == "c"), on,
            data["t"].to_numpy(), distance="mahalanobis", link="score", sampling=sampling,
        ).points
        for on in (["x", "k"], ["x", "b", "c"], "x + k")
    ]  # fmt: skip
    gaps = [np.linalg.norm(one[:, None] - one, axis=2) for one in points]
    assert gaps[0] == pytest.approx(gaps[1])
    assert gaps[0] == pytest.approx(gaps[2])
    levels = read_place(
        data, ["k"], data["t"].to_numpy(), distance="euclidean", link="score", sampling=sampling
    ).points
    assert levels.shape == (40, 3)


def test_ranks_have_the_variance_of_untied_ranks():
    data = pl.DataFrame({"t": [1, 1, 0, 0], "x": [1.0, 1e6, 2.0, 2.0], "y": [1.0, 4.0, 3.0, 2.0]})
    place = read_place(
        data, ["x", "y"], data["t"].cast(bool).to_numpy(), distance="robust_mahalanobis",
        link="score", sampling=np.ones(4),
    )  # fmt: skip
    # ranks of x: 1, 4, 2.5, 2.5 and of y: 1, 4, 3, 2; correlation 4.5 / √(4.5 · 5); untied: 5/3
    rank = np.array([[1, 1], [4, 4], [2.5, 3], [2.5, 2]])
    r = 4.5 / sqrt(4.5 * 5)
    inverse = np.linalg.inv(np.array([[1, r], [r, 1]]) * 5 / 3)
    step = rank[0] - rank[2]
    assert np.sum((place.points[0] - place.points[2]) ** 2) == pytest.approx(step @ inverse @ step)


def test_optimal_pairs_where_greedy_is_not():
    data = frame([1, 1, 0, 0], [2.0, 3.0, 2.9, 9.0])
    assert match(data, treatment="t", on="s").pairs["distance"].sum() == pytest.approx(7.1)
    crossed = frame([1, 1, 0, 0], [2.0, 3.0, 2.4, 0.0])
    greedy, best = (
        match(crossed, treatment="t", on="s", method=how, **more)
        for how, more in (("nearest", {"order": "smallest"}), ("optimal", {}))
    )
    assert greedy.pairs["distance"].sum() == pytest.approx(0.4 + 3.0)
    assert best.pairs["distance"].sum() == pytest.approx(2.0 + 0.6)


def test_full_matching_by_hand():
    data = frame([1, 1, 0, 0, 0], [0.0, 10.0, 1.0, 2.0, 9.5])
    matched = match(data, treatment="t", on="s", method="full")
    assert matched.subclass.tolist() == [0, 1, 0, 0, 1]
    assert matched.pairs["distance"].sum() == pytest.approx(1 + 2 + 0.5)
    # ATT: 1/2, 1/2 and 1, scaled to three
    assert matched.weights.to_list() == pytest.approx([1, 1, 3 / 4, 3 / 4, 3 / 2])
    all_ = match(data, treatment="t", on="s", method="full", estimand="ATE")
    # treated stand for 3 and 2 of 5, controls for 3/2, 3/2 and 2 of 5
    assert all_.weights.to_list() == pytest.approx([6 / 5, 4 / 5, 9 / 10, 9 / 10, 6 / 5])


def test_coarsened_cells_by_hand():
    data = pl.DataFrame(
        {"t": [1, 1, 0, 0, 0], "age": [24, 25, 24, 26, 40], "edu": ["l", "m", "l", "h", "h"]}
    )
    matched = match(
        data, treatment="t", on=["age", "edu"], method="coarsened", cutpoints={"age": [25, 30]},
        grouping={"edu": [["m", "h"]]},
    )  # fmt: skip
    # a value at a cutpoint goes into the higher bin
    assert matched.subclass.tolist() == [0, 1, 0, 1, -1]
    assert matched.weights.to_list() == [1, 1, 1, 1, 0]
    assert matched.pairs is None
    assert "age (3 bins), edu (2 groups of levels)" in matched.meta["definition"]


def test_rules_for_bins():
    values = np.arange(100.0)
    assert len(inner_cuts(values, "sturges")) + 1 == 8  # ⌈log₂ 100 + 1⌉
    assert inner_cuts(values, 3) == pytest.approx([33, 66])
    assert inner_cuts(values, "q4") == pytest.approx([24.75, 49.5, 74.25])
    # 2 · IQR · n^(-1/3) = 99 / 100^(1/3): 99 / that = 4.64
    assert len(inner_cuts(values, "fd")) + 1 == 5
    # 3.5 · 29.01 · 100^(-1/3) = 21.88: 99 / that = 4.53
    assert len(inner_cuts(values, "scott")) + 1 == 5
    data = pl.DataFrame({"x": [0.0, 1.0, 1.0], "y": [1.0, 2.0, 3.0]})
    assert coarsened_cells(data, ["x"])[1] == {"x": "exact"}  # two values stay as they are
    assert coarsened_cells(data, ["y"], cutpoints="exact")[0].tolist() == [0, 1, 2]


def test_subclasses_by_hand():
    score = np.array([1.0, 2.0, 3.0, 4.0, 0.0, 1.5, 1.7, 2.5, 9.0])
    treated = np.array([True] * 4 + [False] * 5)
    ones = np.ones(9)
    options = {"subclasses": 2, "least": 1}
    # the treated's median is 2.5, which itself falls above
    code, moved = cut_by_score(score, treated, ones, estimand="ATT", **options)
    assert code.tolist() == [0, 0, 1, 1, 0, 0, 0, 1, 1]
    assert moved == 0
    code, _ = cut_by_score(score, treated, ones, estimand="ATC", **options)  # cut at 1.7
    assert code.tolist() == [0, 1, 1, 1, 0, 0, 1, 1, 1]
    assert quantiles(np.array([1.0, 2.0]), np.array([3.0, 1.0]), np.array([0.5, 1.0])).tolist() == [
        1.0, 2.0,
    ]  # fmt: skip


def test_rows_are_moved_to_fill_a_subclass_and_it_is_said():
    assert fill(np.array([5, 5, 6]), 1).tolist() == [4, 5, 6]
    assert fill(np.array([0, 0, 6]), 2).tolist() == [2, 4, 6]
    assert fill(np.array([6, 6, 6]), 2).tolist() == [2, 4, 6]
    data = frame([1, 1, 1, 1, 0, 0, 0], [1.0, 2.0, 3.0, 4.0, 0.0, 0.5, 2.2])
    matched = match(data, treatment="t", on="s", method="subclass", subclasses=2)
    assert matched.subclass.tolist() == [0, 0, 1, 1, 0, 0, 1]
    assert matched.meta["warnings"] == [
        "1 rows moved to a next subclass, so that each has 1 of both groups"
    ]
    left = match(data, treatment="t", on="s", method="subclass", subclasses=2, min_subclass=0)
    assert left.subclass.tolist() == [0, 0, -1, -1, 0, 0, 0]


def test_what_matched_rows_offer():
    matched = match(LINE, treatment="t", on="s", exact=(), covariates=["s"])
    assert matched.data.height == 6
    assert matched.data.columns == ["t", "s", "weight", "subclass"]
    assert matched.glance().select("n", "used_treated", "n_pairs").row(0) == (7, 3, 3)
    assert {"method", "estimand", "definition", "versions", "wall_time", "seed"} <= set(
        matched.meta
    )
    assert balance(matched).tidy().height > 0
    assert matched.n_treated == 3
