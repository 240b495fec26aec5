"""What holds in every matching within risk sets, whatever the options."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.matching import balance, match_risk_sets

FORM = {"person": "person", "time": "time", "treated_at": "treated_at"}


def spells(seed, n=120, tied=True):
    rng = np.random.default_rng(seed)
    stay, wait = rng.geometric(0.15, n), rng.geometric(0.06, n)
    entry = rng.integers(0, 3, n)
    x = rng.integers(0, 6, n) if tied else rng.normal(size=n)
    started = wait <= stay
    return pl.DataFrame(
        {
            "person": rng.permutation(n) * 7 + 3, "spell": rng.integers(1, 3, n),
            "entry": entry, "until": entry + stay,
            "treated_at": pl.Series(np.where(started, entry + wait - 1, -1)).replace(-1, None),
            "x": x.astype(float), "z": rng.normal(size=n), "group": rng.integers(0, 3, n),
            "month": rng.integers(2000 * 12, 2001 * 12, n),
        }
    )  # fmt: skip


def panel_of(frame):
    stop = pl.min_horizontal("until", pl.col("treated_at") + 1)
    wide = frame.with_columns(time=pl.int_ranges("entry", stop)).explode("time")
    shift = pl.col("time") - pl.col("entry")
    return wide.with_columns(pl.col("month") + shift).drop("entry", "until")


options = st.fixed_dictionaries(
    {
        "on": st.sampled_from(["x", "x + z", ["x", "z"]]),
        "ratio": st.integers(1, 3),
        "replace": st.booleans(),
        "reuse": st.booleans(),
        "order": st.sampled_from([None, "random", "closest"]),
        "caliper": st.sampled_from([None, 0.4, {"z": 0.5}]),
        "exact": st.sampled_from([(), "group"]),
        "calendar": st.sampled_from([None, "month"]),
        "control": st.sampled_from(["not_yet", "censor"]),
        "background": st.sampled_from([0, 40, 10_000]),
    }
)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), chosen=options)
def test_pairs_hold_what_was_asked(seed, chosen):
    chosen["reuse"] |= chosen["replace"]
    panel = panel_of(spells(seed))
    found = match_risk_sets(panel, **FORM, **chosen, censor_on="x")
    frame, pairs = found.frame, found.pairs
    left, right = frame[pairs["treated_row"]], frame[pairs["control_row"]]
    assert (left["time"] == left["treated_at"]).all()
    assert (left["time"] == right["time"]).all()
    assert (left["time"] == pairs["time"]).all()
    # the control is at risk (a row of the panel) and does not start in this or an earlier month
    assert (right["treated_at"].is_null() | (right["treated_at"] > right["time"])).all()
    rows = right.join(panel, on=["person", "time"], how="inner")
    assert rows.height == right.height
    assert (left["person"] != right["person"]).all()
    if chosen["exact"]:
        assert (left["group"] == right["group"]).all()
    if chosen["calendar"]:
        assert (left["month"] // 3 == right["month"] // 3).all()
    width = found.meta["options"]["width"]
    assert (pairs["distance"] <= width).all()
    if found.score is not None:
        apart = (found.score[pairs["treated_row"]] - found.score[pairs["control_row"]]).abs()
        assert np.allclose(apart, pairs["distance"], atol=1e-12)
    serves = pairs.group_by("time", "control_row").len()["len"]
    assert pairs.group_by("treated_row").len()["len"].max() <= chosen["ratio"]
    assert pairs.select(pl.struct("treated_row", "control_row").is_unique().all()).item()
    if not chosen["replace"]:
        assert serves.max() == 1
    if not chosen["reuse"]:
        assert right["person"].is_unique().all()
    # weights from pairs: 1 a treated, 1 / its controls to each of these
    weight = np.zeros(frame.height)
    weight[pairs["treated_row"].unique().to_numpy()] = 1.0
    share = 1 / pairs.with_columns(n=pl.len().over("treated_row"))["n"].to_numpy()
    np.add.at(weight, pairs["control_row"].to_numpy(), share)
    assert np.allclose(weight, found.weights)
    if not chosen["replace"]:
        assert np.array_equal(found.subclass >= 0, weight > 0)
        assert (found.subclass[pairs["treated_row"]] == found.subclass[pairs["control_row"]]).all()
    # nobody is lost from the counts
    sets, risk = found.sets(), panel.group_by("time").len()
    assert sets["n_at_risk"].sum() == risk.filter(pl.col("time").is_in(sets["time"]))["len"].sum()
    by_reason = sets.select("n_matched", "n_no_control", "n_used_up", "n_outside_caliper")
    assert (by_reason.sum_horizontal() == sets["n_start"]).all()
    assert found.unmatched()["n"].sum() == (sets["n_start"] - sets["n_matched"]).sum()
    assert found.attrition["n_treated"][-1] == sets["n_matched"].sum() == found.n_treated
    assert found.n_control == sets["n_control"].sum()
    stands = pl.Series(found.sampling).filter(~found.treated).sum()
    if chosen["background"]:
        assert stands == pytest.approx((sets["n_at_risk"] - sets["n_start"]).sum())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), chosen=options)
def test_the_order_of_rows_does_not_matter(seed, chosen):
    chosen["reuse"] |= chosen["replace"]
    panel = panel_of(spells(seed, 150))
    mixed = panel.sample(fraction=1.0, shuffle=True, seed=seed)
    ours = match_risk_sets(panel, **FORM, **chosen, censor_on="x")
    theirs = match_risk_sets(mixed, **FORM, **chosen, censor_on="x")
    assert ours.pairs.equals(theirs.pairs)
    assert ours.frame.equals(theirs.frame)
    for since in (0, 3):
        assert ours.weights_at(since).equals(theirs.weights_at(since))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), chosen=options)
def test_spells_and_the_panel_they_imply_are_one(seed, chosen):
    chosen["reuse"] |= chosen["replace"]
    frame = spells(seed, 150)
    by_month = match_risk_sets(panel_of(frame), **FORM, **chosen, censor_on="x")
    by_spell = match_risk_sets(
        frame, person="person", entry="entry", until="until", treated_at="treated_at", **chosen,
        censor_on="x",
    )  # fmt: skip
    assert by_spell.pairs.equals(by_month.pairs)
    assert by_spell.frame["person"].equals(by_month.frame["person"])
    assert by_spell.sets().equals(by_month.sets())
    if by_spell.calendar:
        assert (
            by_spell.frame["reference"]
            .cast(pl.Int64)
            .equals(by_month.frame["month"].alias("reference"))
        )
    for since in (1, 4):
        assert by_spell.weights_at(since).to_list() == by_month.weights_at(since).to_list()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.sampled_from(["largest", "smallest"]),
       ratio=st.integers(1, 2), caliper=st.sampled_from([None, 0.5]))  # fmt: skip
def test_each_gets_the_nearest_that_is_left(seed, order, ratio, caliper):
    """Against a loop over all free candidates of each month."""
    panel = panel_of(spells(seed, 80, tied=False))
    found = match_risk_sets(
        panel, **FORM, on="x", order=order, ratio=ratio, caliper=caliper, caliper_unit="raw"
    )
    expected = []
    for (time,), month in panel.sort("time").group_by("time", maintain_order=True):
        starters = month.filter(pl.col("treated_at") == pl.col("time"))
        others = month.filter(pl.col("treated_at").ne_missing(pl.col("time")))
        free = dict(others.select("person", "x").iter_rows())
        turn = starters.sort("x", descending=order == "largest")
        alive = turn["person"].to_list()
        for _ in range(ratio):
            for who, x in turn.select("person", "x").iter_rows():
                if who not in alive:
                    continue
                near = min(free, key=lambda c: abs(free[c] - x), default=None)
                if near is None or (caliper and abs(free[near] - x) > caliper):
                    alive.remove(who)
                    continue
                expected.append((time, who, near))
                del free[near]
    who = found.frame["person"]
    ours = [(t, who[i], who[j]) for t, i, j in
            found.pairs.select("time", "treated_row", "control_row").iter_rows()]  # fmt: skip
    assert sorted(ours) == sorted(expected)


def test_equals_are_drawn_by_lot_and_not_by_their_place():
    # 40 of one score, one starter a month: the same few must not serve every month
    n, months = 60, 20
    frame = pl.DataFrame(
        {
            "person": range(n), "entry": 1, "until": months + 1, "x": 1.0,
            "treated_at": pl.Series([i + 1 if i < months else None for i in range(n)]),
        }
    )  # fmt: skip
    form = {"person": "person", "entry": "entry", "until": "until", "treated_at": "treated_at"}
    for replace in (False, True):
        found = match_risk_sets(frame, **form, on="x", replace=replace, background=0)
        serve = found.frame[found.pairs["control_row"]]["person"]
        assert serve.n_unique() > 12  # 20 draws from about 50: 16.6 expected, one file order: 1
    other = match_risk_sets(frame, **form, on="x", seed=2)
    assert not other.frame.equals(match_risk_sets(frame, **form, on="x").frame)
    again = match_risk_sets(frame, **form, on="x", seed=2)
    assert other.frame.equals(again.frame)


def test_twenty_starters_of_one_score_share_the_controls_of_that_score():
    frame = pl.DataFrame(
        {
            "person": range(80), "entry": 1, "until": 3, "x": 1.0,
            "treated_at": pl.Series([1 if i < 20 else None for i in range(80)]),
        }
    )  # fmt: skip
    form = {"person": "person", "entry": "entry", "until": "until", "treated_at": "treated_at"}
    found = match_risk_sets(frame, **form, on="x", replace=True)
    assert found.n_control > 8


def test_balance_knows_the_state_before():
    panel = panel_of(spells(5, 2000, tied=False))
    whole = match_risk_sets(panel, **FORM, on="x + z", background=10**6)
    part = match_risk_sets(panel, **FORM, on="x + z", background=1500)
    assert whole.pairs.drop("treated_row", "control_row").equals(
        part.pairs.drop("treated_row", "control_row")
    )
    sets = panel.filter(pl.col("time").is_in(whole.sets()["time"]))
    starts = pl.col("time") == pl.col("treated_at")
    truth = sets.group_by(starts.fill_null(value=False).alias("t")).agg(pl.col("z").mean())
    truth = dict(truth.iter_rows())
    before = balance(whole).tidy().filter(sample="before", covariate="z")
    assert before["mean_treated"][0] == pytest.approx(truth[True], abs=1e-12)
    assert before["mean_control"][0] == pytest.approx(truth[False], abs=1e-12)
    drawn = balance(part).tidy().filter(sample="before", covariate="z")
    assert drawn["mean_control"][0] == pytest.approx(truth[False], abs=0.15)
    assert part.frame.height < whole.frame.height / 2


@pytest.mark.parametrize("flag", [pl.Boolean, pl.Int8])
def test_truth_values_and_0_and_1_are_one_covariate(flag):
    frame = panel_of(spells(9)).with_columns(b=(pl.col("group") == 1).cast(flag))
    plain = panel_of(spells(9)).with_columns(b=(pl.col("group") == 1).cast(pl.Float64))
    ours, theirs = (match_risk_sets(f, **FORM, on="b + z") for f in (frame, plain))
    assert ours.pairs.equals(theirs.pairs)
