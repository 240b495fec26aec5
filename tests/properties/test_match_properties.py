"""Matching: fast searches give what looking at everybody gives, and what holds for every method."""

import time
from bisect import bisect_left
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from toolkit.matching import match
from toolkit.matching.nearest import Task, match_in_tree, match_on_line, partners_wanted
from toolkit.matching.nearest.task import visiting_order
from toolkit.matching.optimal import full_matching, optimal_pairs, sets_of

FEW = settings(max_examples=30, deadline=None)


def people(seed, n=60, grid=None, cells=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x = x if grid is None else np.round(x * grid) / grid
    treated = rng.random(n) < 0.35
    treated[:2] = True, False
    return pl.DataFrame(
        {
            "key": rng.permutation(n) + 10, "treated": treated, "score": x[:, 0],
            "x": x[:, 0], "y": x[:, 1], "z": x[:, 2], "cell": rng.integers(0, cells, n),
            "kind": rng.choice(["a", "b", "c"], n), "age": rng.integers(20, 30, n),
            "w": rng.integers(1, 4, n).astype(float),
        }
    )  # fmt: skip


def tasks(seed, p):
    """A task with whatever limits, ties and orders chance gives."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 50))
    points = rng.normal(size=(n, p))
    grid = rng.choice([0, 1, 3])
    points = np.round(points * grid) / grid if grid else points
    focal = rng.random(n) < 0.4
    focal[:2] = True, False
    again = bool(rng.random() < 0.3)
    order = "data" if again else str(rng.choice(["largest", "smallest", "random", "closest"]))
    rank = rng.permutation(n) if rng.random() < 0.5 else None
    visit = visiting_order(focal, order, points[:, 0], rank, 1)
    limits = rng.random(3) < 0.3
    return Task(
        points=points, focal=focal, cell=rng.integers(0, 1 + rng.integers(0, 2), n), rank=rank,
        visit=visit, wanted=partners_wanted(visit, n, int(rng.integers(1, 4)), None, None, None),
        caliper=float(rng.choice([0.4, 1.0])) if limits[0] else np.inf,
        near=rng.integers(0, 4, (n, int(limits[1]))).astype(float),
        width=np.full(int(limits[1]), float(rng.integers(0, 2))),
        other=rng.integers(0, rng.choice([2, 3, 30]), (n, int(limits[2] * rng.integers(1, 3)))),
        again=again, closest=order == "closest",
    )  # fmt: skip


def looking_at_everybody(task):
    """Return the partners of each focal row, by the rules in words and nothing clever."""
    n, line = len(task.focal), task.points.shape[1] == 1
    rank = np.arange(n) if task.rank is None else task.rank
    gap = np.zeros((n, n))
    for column in task.points.T:
        gap += np.subtract.outer(column, column) ** 2
    shift = 4097.0 * gap
    gap = np.abs(np.subtract.outer(*[task.points[:, 0]] * 2)) if line else shift - (shift - gap)
    ok = np.equal.outer(task.cell, task.cell) & ~np.equal.outer(task.focal, task.focal)
    ok &= (gap if line else np.sqrt(gap)) <= task.caliper
    for values, width in zip(task.near.T, task.width, strict=True):
        ok &= np.abs(np.subtract.outer(values, values)) <= width
    for codes in task.other.T:
        ok &= ~np.equal.outer(codes, codes)
    place = np.argsort(np.lexsort((rank, task.points[:, 0])))
    free, had = np.ones(n, bool), {int(i): [] for i in task.visit}

    def nearest(i):
        those = np.flatnonzero(ok[i] & free)
        those = those[~np.isin(those, had[i])]
        if not len(those):
            return None
        those = those[gap[i, those] == gap[i, those].min()]
        if line:  # beside it in the sorted row: to the left, else to the right
            left = those[place[those] < place[i]]
            return left[np.argmax(place[left])] if len(left) else those[np.argmin(place[those])]
        left = those[task.points[those, 0] < task.points[i, 0]]
        return left[np.argmin(rank[left])] if len(left) else those[np.argmax(rank[those])]

    def take(i, j):
        had[i].append(int(j))
        free[j] = task.again

    for turn in range(int(task.wanted.max())):
        waiting = [int(i) for i in task.visit if task.wanted[i] > turn]
        if not task.closest:
            for i in waiting:
                if (j := nearest(i)) is not None:
                    take(i, j)
            continue
        # a row of all, the closest in front; who finds their partner gone goes back in the row,
        # before those who are as close
        line_up = sorted(
            [(gap[i, j], i, j) for i in waiting if (j := nearest(i)) is not None],
            key=lambda one: one[0],
        )
        while line_up:
            _, i, j = line_up.pop(0)
            if free[j]:
                take(i, j)
            elif (j := nearest(i)) is not None:
                at = bisect_left([one[0] for one in line_up], gap[i, j])
                line_up.insert(at, (gap[i, j], i, j))
    return {i: those for i, those in had.items() if those}


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 3))
def test_the_search_is_that_of_looking_at_everybody(seed, p):
    task = tasks(seed, p)
    for search in (match_on_line, match_in_tree) if p == 1 else (match_in_tree,):
        focal, partner, gap = search(task)
        found = {}
        for i, j in zip(focal.tolist(), partner.tolist(), strict=True):
            found.setdefault(i, []).append(j)
        assert found == looking_at_everybody(task)
        apart = np.linalg.norm(task.points[focal] - task.points[partner], axis=1)
        assert gap == pytest.approx(apart)


def test_a_narrow_caliper_on_a_column_does_not_cost_a_look_at_everybody():
    # 20,000 rows of which a few keep to it: n² would be some 10⁸ looks, ten times this time
    rng = np.random.default_rng(3)
    n = 20_000
    frame = pl.DataFrame(
        {"treated": rng.random(n) < 0.2, "score": rng.random(n), "x": rng.normal(size=n)}
    )
    options = {"treatment": "treated", "on": "score", "caliper_unit": "raw"}
    match(frame.head(500), caliper={"x": 1e-2}, **options)  # compiled before the clock runs
    begin = time.process_time()
    found = match(frame, caliper={"x": 1e-4}, **options)
    assert time.process_time() - begin < 2
    assert 0 < found.n_treated < 4_000


@pytest.mark.parametrize("options", [{}, {"order": "closest"}, {"replace": True}])
def test_to_differ_where_nearly_all_are_equal_does_not_cost_a_look_at_everybody(options):
    # 1 in 50 differs: passing the others takes n² / 12 steps, fifteen times this time
    rng = np.random.default_rng(4)
    n = 40_000
    frame = pl.DataFrame(
        {"treated": rng.random(n) < 0.2, "score": rng.random(n), "odd": rng.random(n) < 0.02}
    )
    given = {"treatment": "treated", "on": "score", "antiexact": "odd", **options}
    match(frame.head(500), **given)  # compiled before the clock runs
    begin = time.process_time()
    found = match(frame, **given)
    assert time.process_time() - begin < 1
    odd = frame["odd"].to_numpy()
    pairs = found.pairs.select("treated_row", "control_row").to_numpy()
    assert (odd[pairs[:, 0]] != odd[pairs[:, 1]]).all()
    treated = frame["treated"].to_numpy()
    most = (treated & odd).sum() + (~treated & odd).sum()
    assert len(pairs) == (treated.sum() if options.get("replace") else most)


@FEW
@given(seed=st.integers(0, 10**6), p=st.integers(1, 2), ratio=st.integers(1, 2))
def test_optimal_pairs_are_those_of_the_hungarian_method(seed, p, ratio):
    task = tasks(seed, p)
    wanted = np.where(task.focal, ratio, 0)
    task = Task(**{**vars(task), "wanted": wanted, "closest": False, "again": False})
    _, partner, gap = optimal_pairs(task)
    assert len(set(partner)) == len(partner)
    total, count = 0.0, 0
    for cell in np.unique(task.cell):
        rows = np.repeat(np.flatnonzero(task.focal & (task.cell == cell)), ratio)
        pool = np.flatnonzero(~task.focal & (task.cell == cell))
        cost = np.linalg.norm(task.points[rows][:, None] - task.points[pool], axis=2)
        bad = cost > task.caliper
        for values, width in zip(task.near.T, task.width, strict=True):
            bad |= np.abs(values[rows][:, None] - values[pool]) > width
        for codes in task.other.T:
            bad |= codes[rows][:, None] == codes[pool]
        i, j = linear_sum_assignment(np.where(bad, 1e4, cost))
        total += cost[i, j][~bad[i, j]].sum()
        count += int((~bad[i, j]).sum())
    assert len(gap) == count
    assert gap.sum() == pytest.approx(total, abs=1e-8)


@FEW
@given(seed=st.integers(0, 10**6), p=st.integers(1, 2))
def test_full_matching_is_the_cheapest_of_all_covers(seed, p):
    rng = np.random.default_rng(seed)
    focal = np.array([True] * int(rng.integers(1, 4)) + [False] * int(rng.integers(1, 4)))
    n = len(focal)
    points = rng.integers(0, 6, (n, p)).astype(float) if seed % 2 else rng.normal(size=(n, p))
    task = Task(
        points=points, focal=focal, cell=np.zeros(n, np.int64), visit=np.flatnonzero(focal),
        wanted=focal.astype(np.int64), caliper=np.inf, near=np.zeros((n, 0)), width=np.zeros(0),
        other=np.zeros((n, 0), np.int64),
    )  # fmt: skip
    edges = [(i, j) for i in np.flatnonzero(focal) for j in np.flatnonzero(~focal)]
    cost = {e: np.linalg.norm(points[e[0]] - points[e[1]]) for e in edges}
    best = min(
        sum(cost[e] for e in some)
        for size in range(1, n)
        for some in combinations(edges, size)
        if len({row for e in some for row in e}) == n
    )
    one, two, gap = full_matching(task)
    assert gap.sum() == pytest.approx(best)
    code = sets_of(one, two, n)
    assert (code >= 0).all()
    for number in range(code.max() + 1):
        rows = code == number
        assert min((rows & focal).sum(), (rows & ~focal).sum()) == 1


OPTIONS = st.fixed_dictionaries(
    {
        "on": st.sampled_from(["score", ["x", "y"], ["x", "kind"], "x + kind"]),
        "exact": st.sampled_from([(), ("cell",), ("cell", "kind")]),
        "antiexact": st.sampled_from([(), ("age",)]),
        "estimand": st.sampled_from(["ATT", "ATC"]),
        "distance": st.sampled_from(["mahalanobis", "euclidean", "robust_mahalanobis"]),
    }
)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6), chosen=OPTIONS, weights=st.sampled_from([None, "w"]),
    method=st.sampled_from(["nearest", "nearest", "optimal", "full"]), ratio=st.integers(1, 3),
    replace=st.booleans(), limit=st.sampled_from([None, "distance", "age"]),
)  # fmt: skip
def test_every_pairing_keeps_its_promises(
    check_matching, seed, chosen, weights, method, ratio, replace, limit
):
    frame = people(seed, grid=[None, 2][seed % 2])
    options = dict(chosen)
    widths = {"distance": 1.0} if limit == "distance" else {"age": 5.0} if limit else {}
    options["caliper"] = 1.0 if limit == "distance" else widths or None
    if method == "nearest":
        options |= {"ratio": ratio, "replace": replace}
    elif method == "optimal":
        options |= {"ratio": ratio}
    matched = match(
        frame, treatment="treated", method=method, caliper_unit="raw", weights=weights, **options
    )
    check_matching(
        matched, exact=chosen["exact"], antiexact=chosen["antiexact"], widths=widths,
        replace=replace and method == "nearest",
    )  # fmt: skip


@FEW
@given(
    seed=st.integers(0, 10**6), weights=st.sampled_from([None, "w"]),
    method=st.sampled_from(["coarsened", "exact", "subclass", "full"]),
    estimand=st.sampled_from(["ATT", "ATC", "ATE"]),
)  # fmt: skip
@example(seed=530, weights=None, method="full", estimand="ATE")  # each set has one treated
def test_every_grouping_keeps_its_promises(check_matching, seed, weights, method, estimand):
    frame = people(seed, n=90, grid=2)
    on = {"coarsened": ["x", "age", "kind"], "exact": ["cell", "kind"]}.get(method, "score")
    more = {"cutpoints": {"x": 3, "age": [25]}} if method == "coarsened" else {}
    matched = match(
        frame, treatment="treated", on=on, method=method, weights=weights, estimand=estimand, **more
    )
    exact = {"coarsened": ["kind"], "exact": on}.get(method, ())
    check_matching(matched, exact=exact)


ROUTES = {
    "nearest": {"on": "score"},
    "ratio": {"on": "score", "ratio": 2, "order": "closest"},
    "cells": {"on": "score", "exact": ["cell"], "order": "random", "seed": 3},
    "again": {"on": ["x", "y"], "replace": True, "ratio": 2},
    "tree": {"on": ["x", "y"], "order": "closest"},
    "optimal": {"on": "score", "method": "optimal"},
    "full": {"on": ["x", "y"], "method": "full"},
}


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_the_rows_does_not_matter_with_a_key_for_ties(name, seed):
    frame = people(seed, grid=2)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    keys = []
    for data in (frame, shuffled):
        pairs = match(data, treatment="treated", ties="key", **ROUTES[name]).pairs
        key = data["key"].to_numpy()
        keys.append(sorted(zip(key[pairs["treated_row"]], key[pairs["control_row"]], strict=True)))
    assert keys[0] == keys[1]


@pytest.mark.parametrize("name", ROUTES)
def test_treatment_as_boolean_number_or_in_pandas_is_the_same(name):
    frame = people(5)
    ours = match(frame, treatment="treated", **ROUTES[name]).pairs
    for other in (
        frame.with_columns(pl.col("treated").cast(pl.Int8)),
        frame.with_columns(pl.col("treated").cast(pl.Float64)).lazy(),
    ):
        assert match(other, treatment="treated", **ROUTES[name]).pairs.equals(ours)


@FEW
@given(
    seed=st.integers(0, 10**6), method=st.sampled_from(["coarsened", "exact", "subclass"]),
    estimand=st.sampled_from(["ATT", "ATC", "ATE"]),
)  # fmt: skip
def test_weights_count_rows_where_rows_are_grouped(seed, method, estimand):
    frame = people(seed, n=80, grid=2)
    on = {"coarsened": ["x", "age"], "exact": ["cell", "kind"]}.get(method, "score")
    options = {"treatment": "treated", "on": on, "method": method, "estimand": estimand}
    options |= {"cutpoints": [0.0, 1.0]} if method == "coarsened" else {}
    options |= {"min_subclass": 0} if method == "subclass" else {}
    weighted = match(frame, weights="w", **options)
    times = frame["w"].cast(pl.Int64).to_numpy()
    copies = match(frame[np.repeat(np.arange(frame.height), times)], **options)
    each = np.repeat((weighted.weights / frame["w"]).to_numpy(), times)
    assert copies.weights.to_numpy() == pytest.approx(each)


def test_with_replacement_a_treated_row_of_weight_three_is_three_rows():
    frame = people(11).with_columns(w=pl.when("treated").then("w").otherwise(1.0))
    options = {"treatment": "treated", "on": "score", "replace": True}
    weighted = match(frame, weights="w", **options)
    times = frame["w"].cast(pl.Int64).to_numpy()
    copies = match(frame[np.repeat(np.arange(frame.height), times)], **options)
    control = ~weighted.treated
    assert copies.weights.to_numpy()[~copies.treated] == pytest.approx(
        weighted.weights.to_numpy()[control]
    )


@pytest.mark.parametrize("name", [*ROUTES, "coarsened", "subclass"])
def test_rows_of_weight_zero_are_no_rows(check_matching, name):
    frame = people(13, n=120).with_columns(w=pl.col("w") - 1)
    options = {
        "coarsened": {"on": ["x", "kind"], "method": "coarsened", "cutpoints": [0.0]},
        "subclass": {"on": "score", "method": "subclass", "subclasses": 3},
    }.get(name) or ROUTES[name]
    matched = match(frame, treatment="treated", weights="w", **options)
    check_matching(matched, replace=bool(options.get("replace")))
    assert matched.attrition["step"][1] == "of a weight above 0"
    there = frame.filter(pl.col("w") > 0)
    without = match(there, treatment="treated", weights="w", **options)
    weights = matched.weights.filter(frame["w"] > 0)
    assert weights.to_numpy() == pytest.approx(without.weights.to_numpy())


def test_exact_cells_by_four_routes(check_matching):
    frame = people(7, n=200).with_columns(same=pl.lit(0.0))
    cells = ["cell", "kind"]
    routes = [
        match(frame, treatment="treated", on=cells, method="exact"),
        match(frame, treatment="treated", exact=cells, method="exact"),
        match(frame, treatment="treated", on=cells, method="coarsened", cutpoints="exact"),
        match(frame, treatment="treated", on=cells, method="coarsened", cutpoints={"cell": 0}),
    ]
    for one in routes:
        check_matching(one, exact=cells)
        assert one.weights.equals(routes[0].weights)
    # everybody in the cell as partner, by nearest neighbours with replacement
    again = match(
        frame, treatment="treated", on=frame["same"], exact=cells, replace=True, ratio=200
    )
    assert again.weights.to_numpy() == pytest.approx(routes[0].weights.to_numpy())


@FEW
@given(seed=st.integers(0, 10**6))
def test_optimal_is_never_farther_than_nearest_and_full_never_than_optimal(seed):
    frame = people(seed)
    options = {"treatment": "treated", "on": "score", "estimand": "ATT"}
    near = match(frame, **options).pairs
    best = match(frame, **options, method="optimal").pairs
    assert len(best) == len(near)
    assert best["distance"].sum() <= near["distance"].sum() + 1e-9
    half = match(frame, **options, caliper=0.3).pairs
    more = match(frame, **options, caliper=0.3, method="optimal").pairs
    assert len(more) >= len(half)
