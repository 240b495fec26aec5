"""What balance must not depend on: order, scale, coding, how a number came to be counted."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import matching

NUMBERS = ["mean_treated", "mean_control", "smd", "variance_ratio", "ks", "overlap"]


@st.composite
def people(draw):
    n = draw(st.integers(8, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    treated = rng.random(n) < 0.4
    treated[:2], treated[-2:] = True, False
    return pl.DataFrame({
        "t": treated, "x": rng.normal(treated * 0.5, 1), "whole": rng.integers(-3, 40, n),
        "level": rng.choice(["a", "b", "c"], n), "sampled": rng.integers(1, 4, n),
        "made": np.where(treated, 1.0, rng.integers(0, 3, n) + (np.arange(n) == n - 1)),
    })  # fmt: skip


def table(frame, **options):
    given = {"treatment": "t", "weights": "sampled", "balancing": "made", **options}
    return matching.balance(frame, ["x", "whole", "level"], **given).tidy()


def same(one, other, names=NUMBERS):
    for name in names:
        a, b = (frame[name].fill_null(np.nan).to_numpy() for frame in (one, other))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(people(), st.integers(0, 99))
def test_order_coding_and_scale_do_not_matter(frame, seed):
    ours = table(frame)
    same(ours, table(frame.sample(fraction=1, shuffle=True, seed=seed)))
    same(ours, table(frame.with_columns(pl.col("t").cast(pl.Int8))))
    # weights of a group count by their proportions only
    same(ours, table(frame.with_columns(pl.col("made") * 7)))
    moved = table(frame.with_columns(pl.col("x") * 3 + 1000, pl.col("whole") - 50))
    same(ours, moved, ["smd", "variance_ratio", "ks", "overlap"])
    turned = table(frame.with_columns(~pl.col("t")), estimand="ATC")
    np.testing.assert_allclose(ours["smd"], -turned["smd"], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(ours["ks"], turned["ks"], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(people())
def test_rows_written_out_are_rows_with_weights(frame):
    """Means, KS and exact overlaps; variances are those of weights, not of rows counted twice."""
    ours = table(frame)
    out = frame.select(pl.all().repeat_by("sampled")).explode(pl.all())
    names = ["mean_treated", "mean_control", "difference", "ks"]
    same(ours, table(out, weights=None), names)


@settings(max_examples=25, deadline=None)
@given(people())
def test_counted_and_sorted_numbers_agree(frame):
    """Whole numbers are counted; moved off whole they are sorted, with the same statistics."""
    counted = table(frame).filter(pl.col("covariate") == "whole")
    moved = frame.with_columns(pl.col("whole") + 0.5)
    same(counted.drop("mean_treated", "mean_control"),
         table(moved).filter(pl.col("covariate") == "whole"),
         ["smd", "variance_ratio", "ks", "overlap"])  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(people())
def test_bounds_hold(frame):
    ours = table(frame)
    assert ours["ks"].is_between(0, 1 + 1e-12).all()
    assert ours["overlap"].is_between(0, 1).all()
    shares = ours.filter(pl.col("kind") == "level")
    total = shares.group_by("sample").agg(pl.col("mean_treated", "mean_control").sum())
    np.testing.assert_allclose(total["mean_control"], 1.0, atol=1e-12)
    # a share and its complement: KS is the difference, overlap what is left of it
    np.testing.assert_allclose(shares["ks"], shares["difference"].abs(), atol=1e-12)
    np.testing.assert_allclose(shares["overlap"], 1 - shares["ks"], atol=1e-12)


def test_alike_groups_overlap_and_others_do_not():
    rng = np.random.default_rng(1)
    x = rng.normal(size=2000)
    alike = pl.DataFrame({"t": [True] * 2000 + [False] * 2000, "x": np.concatenate([x, x])})
    far = alike.with_columns(pl.col("x") + 100 * pl.col("t"))
    near = alike.with_columns(pl.col("x") + pl.col("t"))
    found = [matching.balance(f, ["x"], treatment="t").tidy() for f in (alike, far, near)]
    one, none, some = (frame["overlap"].item() for frame in found)
    assert one == pytest.approx(1.0, abs=1e-6)
    assert none < 1e-6
    # two normal densities one standard deviation apart share 2 Φ(−1/2) = 0.617
    assert some == pytest.approx(0.617, abs=0.03)


def test_threads_change_nothing():
    rng = np.random.default_rng(2)
    n = 12_000  # above this the columns are described side by side
    frame = pl.DataFrame(
        {"t": rng.random(n) < 0.3, **{f"x{i}": rng.normal(size=n) for i in range(6)},
         "level": rng.choice(["a", "b"], n)}
    )  # fmt: skip
    names = [name for name in frame.columns if name != "t"]
    whole = matching.balance(frame, names, treatment="t").tidy()
    apart = pl.concat([matching.balance(frame, [name], treatment="t").tidy() for name in names])
    assert whole.equals(apart)
