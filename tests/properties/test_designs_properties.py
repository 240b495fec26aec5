"""What holds for any data of a design: order of rows, coding, repetition against weights."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import effects

few = settings(max_examples=5, deadline=None)
seeds = st.integers(0, 10_000)


def trial(seed, n=60):
    rng = np.random.default_rng(seed)
    drawn = np.tile([True, False], n // 2)
    return pl.DataFrame(
        {
            "id": np.arange(n),
            "d": drawn,
            "t": rng.random(n) < 0.1 + 0.6 * drawn,
            "y": rng.normal(size=n) + drawn,
            "x": rng.normal(size=n),
            "s": np.repeat(["a", "b", "c"], n // 3),
            "c": rng.integers(0, 12, n),
            "w": rng.integers(1, 4, n),
        }
    )


def panel(seed, people=30, months=6):
    rng = np.random.default_rng(seed)
    start = rng.choice([2, 3, 4, 99], people)
    start[:4] = [2, 3, 4, 99]
    level = rng.normal(size=(people, months)).cumsum(axis=1)
    return pl.DataFrame(
        {
            "who": np.repeat(np.arange(people), months),
            "month": np.tile(np.arange(months), people),
            "start": np.repeat(start, months),
            "y": level.ravel(),
            "x": np.repeat(rng.integers(0, 2, people), months),
            "w": np.repeat(rng.integers(1, 4, people), months),
            "c": np.repeat(rng.integers(0, 8, people), months),
        }
    ).with_columns(pl.col("start").replace(99, None))


def cases(seed, n=200):
    rng = np.random.default_rng(seed)
    u, z = rng.normal(size=n), rng.random(n) < 0.5
    return pl.DataFrame(
        {"id": np.arange(n), "z": z, "d": u + z > 0.4, "y": u + rng.normal(size=n),
         "m": rng.integers(0, 10, n), "w": rng.integers(1, 4, n), "c": rng.integers(0, 20, n)}
    )  # fmt: skip


def experiment(frame, **options):
    return effects.experiment(
        frame, assigned="d", outcome="y", taken_up="t", strata="s", adjust="x", **options
    )


def did(frame, **options):
    return effects.difference_in_differences(
        frame, person="who", month="month", outcome="y", treated_at="start", **options
    )


def iv(frame, **options):
    return effects.instrumental_variables(
        frame, outcome="y", treatment="d", instruments="z", on="m", **options
    )


def natural(frame, **options):
    return effects.natural_experiment(
        frame, outcome="y", exposed="z", month="m", since=5, **options
    )


DESIGNS = {"experiment": (trial, experiment), "did": (panel, did), "iv": (cases, iv),
           "natural": (cases, natural)}  # fmt: skip


def same(one, other, columns=("estimate", "std_error", "conf_low", "conf_high")):
    for name in columns:
        ours, theirs = (found.tidy()[name].fill_null(np.nan).to_numpy() for found in (one, other))
        assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("design", list(DESIGNS))
@given(seed=seeds)
@few
def test_order_of_rows_does_not_matter(design, seed):
    make, fit = DESIGNS[design]
    frame = make(seed)
    same(fit(frame), fit(frame.sample(fraction=1, shuffle=True, seed=seed)))
    same(fit(frame, cluster="c"), fit(frame.reverse(), cluster="c"))


@pytest.mark.parametrize("design", list(DESIGNS))
@given(seed=seeds)
@few
def test_true_and_one_are_the_same(design, seed):
    make, fit = DESIGNS[design]
    frame = make(seed)
    same(fit(frame), fit(frame.with_columns(pl.col(pl.Boolean).cast(pl.Int8))))


@pytest.mark.parametrize("design", list(DESIGNS))
@given(seed=seeds)
@few
def test_a_weight_is_as_many_equal_rows(design, seed):
    """Estimates are equal; errors too where the copies are one cluster."""
    make, fit = DESIGNS[design]
    frame = make(seed)
    copies = frame.select(pl.all().repeat_by("w").explode(), copy=pl.int_ranges("w").explode())
    if design == "did":
        copies = copies.with_columns(who=pl.col("who") * 10 + pl.col("copy"))
        frame = frame.with_columns(id="who")
        copies = copies.with_columns(id=pl.col("who") // 10)
    weighted = fit(frame, weights="w", cluster="id")
    repeated = fit(copies, cluster="id")
    exact = design in {"experiment", "did", "natural"}  # CR1 counts rows in its n - k
    same(weighted, repeated, ("estimate", "std_error") if exact else ("estimate",))


@given(seed=seeds)
@few
def test_rows_of_weight_zero_are_not_there(seed):
    frame = trial(seed)
    more = pl.concat([frame, frame.with_columns(y=pl.col("y") + 100)]).with_columns(
        w=pl.Series([1] * 60 + [0] * 60)
    )
    found = experiment(more, weights="w")
    same(found, experiment(frame))
    assert found.meta["dropped"] == {"weight 0": 60}


@given(seed=seeds)
@few
def test_persons_are_clusters_of_one(seed):
    frame = panel(seed)
    same(did(frame), did(frame, cluster="who"))
    conditional = {"on": "x", "estimator": "regression"}
    same(did(frame, **conditional), did(frame, **conditional, cluster="who"))


@given(seed=seeds)
@few
def test_sums_per_group_are_what_cells_give(seed):
    """Without covariates: the fast road against one covariate that is the same for all but one."""
    from toolkit.effects.designs.did.aggregate import plan_summaries
    from toolkit.effects.designs.did.cells import Effects, estimate_cells, plan_cells
    from toolkit.effects.designs.did.grouped import run_grouped
    from toolkit.effects.designs.did.panel import read_panel

    block = read_panel(
        panel(seed), person="who", month="month", outcome="y", treated_at="start", on=None,
        weights="w", cluster=None, incomplete="refuse",
    )  # fmt: skip
    cells, _ = plan_cells(block, control="not_yet", anticipation=0, base="universal")
    plan = plan_summaries(block, cells, None, None)
    estimate, error, added = run_grouped(block, cells, plan)
    slow = np.zeros_like(added)
    for j, (_, effect, moves) in enumerate(estimate_cells(block, cells, Effects(), estimator=None)):
        assert estimate[j] == pytest.approx(effect, abs=1e-12)
        assert error[j] == pytest.approx(np.sqrt(sum(m @ m for _, m in moves)), abs=1e-12)
        for part, move in moves:
            slow[:, part] += np.outer(plan.weight[:, j], move)
    assert added == pytest.approx(slow, abs=1e-12)


@given(seed=seeds, shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
@few
def test_levels_of_persons_and_months_do_not_matter(seed, shift, scale):
    frame = panel(seed)
    other = frame.with_columns(y=scale * pl.col("y") + shift * pl.col("who") + pl.col("month") ** 2)
    one, two = did(frame).tidy(), did(other).tidy()
    assert (scale * one["estimate"]).to_list() == pytest.approx(two["estimate"].to_list(), abs=1e-8)


@given(seed=seeds)
@few
def test_a_list_is_its_seed(seed):
    people = pl.DataFrame({"id": np.arange(40), "s": np.arange(40) % 3})
    one = effects.randomise(people, key="id", strata="s", seed=seed)
    mixed = people.sample(fraction=1, shuffle=True, seed=1).with_columns(pl.col("id").cast(str))
    other = effects.randomise(mixed, key="id", strata="s", seed=seed)
    assert one.fingerprint == other.fingerprint
    # people of another stratum change nothing
    part = effects.randomise(people.filter(pl.col("s") == 1), key="id", strata="s", seed=seed)
    assert part.assignment.equals(one.assignment.filter(pl.col("s") == 1))


@given(seed=seeds)
@few
def test_a_border_below_is_the_mirror_of_one_above(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, 600)
    frame = pl.DataFrame({"x": x, "y": x**2 + (x >= 0) + rng.normal(0, 0.3, 600)})
    options = {"running": "x", "cutoff": 0.0, "outcome": "y", "bandwidth": 0.5}
    one = effects.regression_discontinuity(frame, **options)
    other = effects.regression_discontinuity(frame, **options, treated="below")
    assert one.tidy()["estimate"].to_list() == pytest.approx((-other.tidy()["estimate"]).to_list())
    assert one.tidy()["conf_low"].to_list() == pytest.approx((-other.tidy()["conf_high"]).to_list())
