"""What must not change a profile: order, how months and treatment are written, equal rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit import effects

pytestmark = pytest.mark.filterwarnings("ignore::toolkit.errors.ToolkitWarning")
QUICK = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
NUMBERS = (
    "mean_treated", "mean_control", "estimate", "std_error", "conf_low", "conf_high", "band_low",
    "band_high",
)  # fmt: skip


def made(seed, n=40, people=25):
    random = np.random.default_rng(seed)
    rows = pl.DataFrame(
        {
            "person": random.integers(0, people, n),
            "start": random.integers(24060, 24066, n),
            "treated": np.concatenate([[True, False], random.random(n - 2) < 0.5]),
            "w": random.integers(1, 4, n),
        }
    )
    cells = [(p, m) for p in range(people) for m in range(24055, 24085) if random.random() < 0.95]
    panel = pl.DataFrame(cells, schema=["person", "month"], orient="row").with_columns(
        work=pl.Series(random.random(len(cells)) < 0.4)
    )
    return rows, panel


def run(rows, panel, **more):
    options = {"outcome": "work", "months": range(-4, 15), "treatment": "treated", "weights": "w"}
    return effects.profile(rows, panel, **(options | more))


def same(one, other, *, counts=True):
    for name in NUMBERS:
        a, b = (x.tidy()[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for x in (one, other))
        # a band's root moves by the root of what rounding moves its correlations by
        near = 1e-6 if name.startswith("band") else 1e-9
        np.testing.assert_allclose(a, b, rtol=near, atol=near / 100, err_msg=name)
    if counts:
        assert (
            one.tidy()
            .select("n_treated", "n_control")
            .equals(other.tidy().select("n_treated", "n_control"))
        )


@given(seed=st.integers(0, 10**6))
@QUICK
def test_order_and_spelling_do_not_matter(seed):
    rows, panel = made(seed)
    usual = run(rows, panel)
    same(usual, run(rows.sample(fraction=1, shuffle=True, seed=seed),
                    panel.sample(fraction=1, shuffle=True, seed=seed + 1)))  # fmt: skip
    same(usual, run(rows.with_columns(pl.col("treated").cast(pl.Int8)), panel.lazy()))
    same(usual, run(rows, panel.with_columns(pl.col("work").cast(pl.Int32))))
    dated = {"start": pl.date(pl.col("start") // 12, pl.col("start") % 12 + 1, 20)}
    months = {"month": pl.date(pl.col("month") // 12, pl.col("month") % 12 + 1, 1)}
    same(usual, run(rows.with_columns(**dated), panel.with_columns(**months)))
    named = pl.col("person").cast(pl.String)
    same(usual, run(rows.with_columns(named), panel.with_columns(named)))
    same(usual, run(rows.to_pandas(), panel.to_pandas()))


@given(seed=st.integers(0, 10**6))
@QUICK
def test_equal_rows_are_a_weight(seed):
    """With the person as cluster a row of weight 3 is three rows."""
    rows, panel = made(seed)
    many = rows.select(pl.all().repeat_by("w").explode()).with_columns(w=1)
    same(run(rows, panel, cluster="person"), run(many, panel, cluster="person"), counts=False)


@given(seed=st.integers(0, 10**6))
@QUICK
def test_a_month_does_not_hang_on_the_others_asked_for(seed):
    rows, panel = made(seed)
    whole = run(rows, panel, band=False).tidy()
    some = run(rows, panel, months=[-3, 0, 13], band=False).tidy()
    assert whole.filter(pl.col("month").is_in([-3, 0, 13])).equals(some)
    both = run(rows, panel.with_columns(pay=pl.col("month") * 0.5), outcome=["pay", "work"])
    assert both.tidy()["outcome"].unique(maintain_order=True).to_list() == ["pay", "work"]
    assert (
        both.tidy().filter(pl.col("outcome") == "work").select(NUMBERS[:6])
        .equals(whole.select(NUMBERS[:6]))
    )  # fmt: skip


@given(seed=st.integers(0, 10**6))
@QUICK
def test_treated_and_controls_exchanged_change_the_sign(seed):
    rows, panel = made(seed)
    one, other = run(rows, panel), run(rows.with_columns(~pl.col("treated")), panel)
    np.testing.assert_allclose(one.tidy()["estimate"], -other.tidy()["estimate"], atol=1e-12)
    np.testing.assert_allclose(one.tidy()["std_error"], other.tidy()["std_error"], rtol=1e-9)


@given(seed=st.integers(0, 10**6))
@QUICK
def test_months_gained_are_the_sum_and_net_is_the_difference(seed):
    rows, panel = made(seed)
    panel = panel.join(
        pl.DataFrame({"person": range(25)}).join(
            pl.DataFrame({"month": range(24055, 24085)}), how="cross"
        ),
        on=["person", "month"], how="right",
    ).with_columns(pl.col("work").fill_null(value=False))  # fmt: skip
    found = run(rows, panel, design="matching")
    table = found.tidy().filter(pl.col("month").is_between(0, 12))
    gained = found.cumulated(12).row(0, named=True)
    assert gained["estimate"] == pytest.approx(table["estimate"].sum(), abs=1e-12)
    assert gained["std_error"] <= table["std_error"].sum() + 1e-12
    assert found.observed().select("share_treated", "share_control").min().row(0) == (1.0, 1.0)
    same(found, run(rows, panel, design="matching", balanced=True))
    wide = found.gross_net((0, 6, 12)).wide()
    np.testing.assert_allclose(wide["gross"] - wide["deadweight"], wide["net"], atol=1e-12)
    even = found.break_even().row(0, named=True)
    if even["month"] is not None:
        assert even["conf_low"] <= even["month"]
        assert even["conf_high"] is None or even["month"] <= even["conf_high"]


def test_blocks_are_one(monkeypatch):
    from toolkit.effects import profile_moments

    rows, panel = made(3, n=200)
    usual = [run(rows, panel, cluster=cluster) for cluster in ("person", False)]
    monkeypatch.setattr(profile_moments, "_BLOCK", 7)
    for one, cluster in zip(usual, ("person", False), strict=True):
        same(one, run(rows, panel, cluster=cluster))


def test_dates_of_the_same_month_are_one_month():
    rows, panel = made(1)
    late = pl.date(pl.col("start") // 12, pl.col("start") % 12 + 1, 28)
    assert run(rows.with_columns(start=late), panel.with_columns(
        month=pl.date(pl.col("month") // 12, pl.col("month") % 12 + 1, 17)
    )).tidy().equals(run(rows, panel).tidy())  # fmt: skip
