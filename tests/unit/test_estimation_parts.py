"""What estimators share: ranges for threads, products by block, patterns of rows."""

from __future__ import annotations

import threading

import numpy as np
import polars as pl
import pytest

from toolkit.errors import CollinearityError
from toolkit.estimation import blocks, collinearity, threads
from toolkit.estimation.deviations import critical_value, largest_deviations, sup_p_value
from toolkit.estimation.patterns import find_patterns, place_among, repeats


def test_ranges_cover_everything_once_and_split_no_group(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 3)
    length = 200_000
    parts = threads.ranges(length)
    assert len(parts) == 3
    assert np.concatenate([np.arange(*part) for part in parts]).tolist() == list(range(length))
    group = np.arange(length) // 70_000
    cuts = threads.ranges(length, group)
    assert cuts == [(0, 70_000), (70_000, 200_000)] or len(cuts) == 3
    assert all(low == 0 or group[low] != group[low - 1] for low, _ in cuts)
    assert threads.ranges(length, group[::-1]) == [(0, length)]
    assert threads.ranges(0) == [(0, 0)]


def test_work_comes_back_in_its_order_and_in_threads(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)
    names = []

    def work(low, high):
        names.append(threading.current_thread().name)
        return low, high

    parts = [(0, 1), (1, 5), (5, 9)]
    assert threads.side_by_side(work, parts) == parts
    assert threading.current_thread().name not in names
    assert threads.side_by_side(work, []) == []


def test_products_by_block_are_products():
    rng = np.random.default_rng(1)
    a, b, w = rng.normal(size=(30_001, 3)), rng.normal(size=(30_001, 4)), rng.random(30_001)
    assert blocks.weighted_cross(a, w, b) == pytest.approx((a * w[:, None]).T @ b, rel=1e-12)
    assert blocks.weighted_cross(a, w) == pytest.approx((a * w[:, None]).T @ a, rel=1e-12)
    small = rng.normal(size=(3, 5))
    assert blocks.rows_times(a, small) == pytest.approx(a @ small, rel=1e-12)
    out = np.empty((30_001, 5))
    blocks.put_rows(np.ascontiguousarray(a.T), small, out)
    assert out == pytest.approx(a @ small, rel=1e-12)
    total = np.ones((3, 4))
    blocks.add_product(total, a.T, b.T)
    assert total == pytest.approx(1 + a.T @ b, rel=1e-12)
    assert (blocks.by_block(np.add, a[:, 0], b[:, 0]) == a[:, 0] + b[:, 0]).all()


def test_patterns_are_found_whatever_the_order_and_with_missing_values():
    frame = pl.DataFrame({"a": ["y", None, "x", "y"], "b": [1, 2, 1, 1]})
    patterns, code = find_patterns(frame, ["a", "b"])
    assert patterns[code].equals(frame)
    turned, back = find_patterns(frame[::-1], ["a", "b"])
    assert turned.equals(patterns)
    assert (back == code[::-1]).all()
    assert (place_among(frame, patterns[::-1], ["a", "b"]) == patterns.height - 1 - code).all()


def test_whether_values_repeat_is_seen_over_the_whole_frame():
    n = 100_000
    # the first rows are alike, the rest is not
    frame = pl.DataFrame({"x": np.maximum(np.arange(n) - 25_000, 0), "y": np.arange(n) % 7})
    assert not repeats(frame, ["x"])
    assert repeats(frame.lazy(), ["x"])
    assert repeats(frame, ["y"])
    assert repeats(frame, [])
    assert repeats(frame.head(100), ["x"])


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_collinearity_is_found_over_blocks_and_threads(monkeypatch, centred, weighted):
    monkeypatch.setattr(threads, "_WORTH", 5_000)
    rng = np.random.default_rng(2)
    n, names = 20_000, ["a", "b", "c", "d"]
    x = rng.normal(size=(n, 4)) * [1, 1e-4, 1e3, 1] + [0, 5e-4, 1e4, 1e6]
    weight = rng.random(n) if weighted else None
    w = np.ones(n) if weight is None else weight
    gram, size = collinearity._moments(x, weight, centred=centred)
    middle = x - (w @ x / w.sum() if centred else 0)
    sizes = np.sqrt(w @ middle**2 / w.sum())
    plain = (middle * w[:, None]).T @ middle / w.sum()
    assert gram / np.outer(sizes, sizes) == pytest.approx(plain / np.outer(sizes, sizes), abs=1e-12)
    assert size == pytest.approx(np.sqrt(w @ x**2 / w.sum()), rel=1e-12)
    collinearity.check_collinearity(x, names, weight, centred=centred)
    made_up = x.copy()
    made_up[:, 3] = 2 * x[:, 0] - x[:, 2] / 1e3
    made_up[-1, 3] += 1e-7  # less than what counts
    with pytest.raises(CollinearityError, match="Column 'd' is made up of 'a', 'c'"):
        collinearity.check_collinearity(made_up, names, weight, centred=centred)
    made_up[:, 3] = 1e6 + 1 / 3
    if centred:
        with pytest.raises(CollinearityError, match="Column 'd' has the same value"):
            collinearity.check_collinearity(made_up, names, weight)
    else:
        collinearity.check_collinearity(made_up, names, weight, centred=False)


def test_largest_deviations_are_those_of_independent_normals():
    found = largest_deviations(4 * np.eye(3), np.full(3, 2.0), draws=20_000, seed=3)
    # P(max |Z| < 2) of three independent normals: 0.9544997³ = 0.869634
    assert (found < 2).mean() == pytest.approx(0.869634, abs=3 * np.sqrt(0.87 * 0.13 / 20_000))
    assert critical_value(found, 0.5) == np.median(found)
    assert sup_p_value(found, 1e9) == 1 / 20_001
    assert sup_p_value(found, 0.0) == 1


def test_largest_deviations_move_as_little_as_the_covariance():
    """Rounding, as by another order of the data, turns eigenvectors of (nearly) equal variance."""
    rng = np.random.default_rng(4)
    for base in (np.eye(4), np.kron(np.eye(2), np.full((2, 2), 1.0)), 0.5 + np.eye(4)):
        noise = 1e-9 * rng.normal(size=(4, 4))
        scale = np.sqrt(np.diag(base))
        first = largest_deviations(base, scale, draws=2000, seed=1)
        again = largest_deviations(base + noise + noise.T, scale, draws=2000, seed=1)
        # a root grows by the root of what is added
        assert again == pytest.approx(first, abs=5e-4)
        turned = largest_deviations(base[::-1, ::-1], scale[::-1], draws=2000, seed=1)
        assert np.quantile(turned, 0.95) == pytest.approx(np.quantile(first, 0.95), abs=0.15)


def test_a_learner_of_few_rows_has_one_thread_and_none_has_more_than_it_had():
    pytest.importorskip("sklearn.ensemble")  # brings OpenMP
    from threadpoolctl import threadpool_info, threadpool_limits

    def counts():
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp"}

    with threadpool_limits(limits=3, user_api="openmp"):
        with threads.learning_threads(100_000):
            assert counts() == {1}
        with threads.learning_threads(500_000):
            assert counts() == {2}
        with threads.learning_threads(10_000_000):
            assert counts() == {3}
        assert counts() == {3}
