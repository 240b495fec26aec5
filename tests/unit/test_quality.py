"""Quality of deliveries by hand: what is judged how, and why."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from math import sqrt

import numpy as np
import polars as pl
import pytest

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    MissingValueError,
    UnknownCodeError,
    UnknownColumnError,
    WrongTypeError,
)
from toolkit.registers import quality
from toolkit.registers.quality import Protocol, Standards, Thresholds
from toolkit.registers.quality.logit import fit_logit

H1, H2, H3, H4 = date(2008, 7, 1), date(2009, 1, 1), date(2009, 7, 1), date(2010, 1, 1)
AFTER = {H1: H2, H2: H3, H3: H4, H4: date(2010, 7, 1)}
PLACES = pl.DataFrame({
    "municipality": ["gm0003", "gm0007"], "name": ["A", "B"], "region": [1, 2],
    "size_class": ["small", "large"],
})  # fmt: skip


def make_files(*rows: dict) -> pl.DataFrame:
    """Rows of files, in order good but for what is given."""
    made = []
    for number, row in enumerate(rows):
        start = row.get("period_start", H2)
        made.append({
            "file": number, "layout": "srg_2010", "municipality": "gm0003", "period_start": start,
            "period_end": AFTER[start], "version": 1, "received": AFTER[start], "rows": 100,
            "accepted": 100, "rejected": 0, "set_aside": 0,
        } | row)  # fmt: skip
    return pl.DataFrame(made, schema_overrides={"received": pl.Date}, infer_schema_length=None)


def make_measures(*rows: dict) -> pl.DataFrame:
    made = {
        "programmes": 100, "started": 80, "position_usable": 80, "position_required": 80,
        "compared": 50, "agreed": 50, "new": 50,
    }  # fmt: skip
    return pl.DataFrame([made | {"file": number} | row for number, row in enumerate(rows)])


def judge(*files: dict, measures: tuple[dict, ...] | None = None, **options):
    given = measures if measures is not None else tuple({} for _ in files)
    return quality.deliveries(make_files(*files), make_measures(*given), PLACES, **options)


def of(table: pl.DataFrame, place: str = "gm0003", start: date = H2) -> dict:
    return table.row(
        by_predicate=(pl.col("municipality") == place) & (pl.col("period_start") == start),
        named=True,
    )


# --- one delivery --------------------------------------------------------------------------------


def test_four_weeks_end_on_the_28th_of_july():
    assert of(judge({}))["due"] == date(2009, 7, 28)


@pytest.mark.parametrize(
    ("received", "on_time", "late", "state"),
    [
        (date(2009, 7, 28), True, None, "good"),
        (date(2009, 7, 29), False, 1, "late"),
        (date(2009, 6, 20), True, None, "good"),
        (None, None, None, "good"),  # the day is not known: nothing is held against it
    ],
)
def test_on_time_is_up_to_and_including_the_last_day(received, on_time, late, state):
    row = of(judge({"received": received}))
    assert (row["delivered"], row["on_time"], row["days_late"]) == (True, on_time, late)
    assert row["state"] == state


def test_who_delivers_nothing_has_a_row_and_is_not_on_time():
    row = of(judge({}), "gm0007")
    assert (row["delivered"], row["on_time"], row["complete"], row["usable"]) == (False,) * 4
    assert row["state"] == "missing"
    assert row["rejected_share"] is None


@pytest.mark.parametrize(("rejected", "complete"), [(5, True), (6, False)])
def test_complete_allows_rejected_records_up_to_the_limit(rejected, complete):
    row = of(judge({"accepted": 100 - rejected, "rejected": rejected}))
    assert row["rejected_share"] == rejected / 100
    assert row["complete"] is complete
    assert row["state"] == ("good" if complete else "incomplete")


@pytest.mark.parametrize(
    ("before", "now", "too_few"),
    [(100, 70, False), (100, 69, True), (29, 1, False), (30, 1, True)],
)
def test_far_fewer_records_than_the_period_before_is_incomplete(before, now, too_few):
    table = judge(
        {"period_start": H1, "rows": before, "accepted": before}, {"rows": now, "accepted": now}
    )
    row = of(table)
    assert row["of_previous"] == now / before
    assert row["too_few_records"] is too_few
    assert of(table, start=H1)["of_previous"] is None


def test_another_form_and_a_gap_are_not_compared():
    other = judge({"period_start": H1, "layout": "srg_2008"}, {"rows": 10, "accepted": 10})
    assert of(other)["of_previous"] is None
    gap = judge({"period_start": H1}, {"period_start": H3, "rows": 10, "accepted": 10})
    assert of(gap, start=H3)["of_previous"] is None
    assert of(gap)["state"] == "missing"  # the half-year nobody delivered for is there


@pytest.mark.parametrize(
    ("usable", "required", "verdict"), [(64, 80, True), (63, 80, False), (0, 0, True)]
)
def test_positions_are_usable_from_four_fifths_on(usable, required, verdict):
    row = of(judge({}, measures=({"position_usable": usable, "position_required": required},)))
    assert row["usable"] is verdict
    assert row["usable_share"] == (float(Fraction(usable, required)) if required else None)
    assert row["state"] == ("good" if verdict else "no_position")


def test_before_2009_no_position_is_asked():
    row = of(judge({"period_start": H1}), start=H1)
    assert row["usable"] is None
    assert row["usable_share"] is None
    assert row["state"] == "good"


def test_the_first_version_says_when_and_the_newest_what():
    row = of(judge(
        {"version": 10, "received": date(2009, 9, 1), "rows": 50, "accepted": 50},
        {"version": 9, "received": date(2009, 7, 1), "rows": 40, "accepted": 20, "rejected": 20},
    ))  # fmt: skip
    assert (row["on_time"], row["rows"], row["version"], row["complete"]) == (True, 50, 10, True)


def test_agreement_with_the_delivery_before():
    row = of(judge({}, measures=({"compared": 8, "agreed": 6},)))
    assert row["agreement"] == 0.75


def test_files_without_municipality_or_period_are_another_matter():
    files = make_files({}, {"municipality": None}, {"period_start": H2})
    files = files.with_columns(
        period_start=pl.when(pl.col("file") != 2).then(pl.col("period_start"))
    )
    assert of(quality.deliveries(files, make_measures({}, {}, {}), PLACES))["rows"] == 100


def test_an_unknown_municipality_is_named():
    with pytest.raises(UnknownCodeError, match="gm0999"):
        judge({"municipality": "gm0999"})


def test_no_measures_at_all_is_no_reason_to_stop():
    table = quality.deliveries(make_files({}), pl.DataFrame(schema={"file": pl.UInt32}), PLACES)
    assert of(table)["usable_share"] is None


def test_standards_are_checked_and_written_down():
    with pytest.raises(CallError, match="no share"):
        Standards(most_rejected=5)
    with pytest.raises(CallError, match="out of order"):
        Protocol(report=30, address=14)
    with pytest.raises(CallError, match="before report_from"):
        Protocol(suspend_from=date(2009, 1, 1))
    assert Standards().to_dict()["position_from"] == "2009-01-01"


# --- mergers -------------------------------------------------------------------------------------


MERGED = pl.DataFrame({
    "old": ["gm0001", "gm0002"], "new": ["gm0003", "gm0003"], "date": [H3, H3],
})  # fmt: skip


def test_a_new_municipality_has_delivered_when_all_its_parts_have():
    parts = ({"municipality": "gm0001", "received": date(2009, 7, 5), "rows": 60, "accepted": 60},
             {"municipality": "gm0002", "received": date(2009, 8, 1), "rows": 40, "accepted": 40},
             {"period_start": H3})  # fmt: skip
    both = judge(*parts, mergers=MERGED)
    row = of(both)
    assert (row["bodies"], row["bodies_delivered"], row["rows"]) == (2, 2, 100)
    assert (row["received"], row["on_time"]) == (date(2009, 8, 1), False)
    assert of(both, start=H3)["bodies"] == 1
    assert of(both, start=H3)["of_previous"] == 1.0
    one = judge(parts[0], parts[2], mergers=MERGED)
    assert (of(one)["bodies_delivered"], of(one)["delivered"]) == (1, False)


def test_a_municipality_that_took_another_in_was_there_before():
    table = judge({"period_start": H1}, {"municipality": "gm0001", "period_start": H1},
                  {"period_start": H3}, mergers=MERGED.head(1))  # fmt: skip
    assert of(table, start=H1)["bodies"] == 2
    assert of(table)["bodies"] == 2
    assert of(table, start=H3)["bodies"] == 1


def test_a_delivery_under_the_old_code_brings_its_records_but_not_the_duty():
    table = judge({"municipality": "gm0001", "period_start": H3}, {}, mergers=MERGED.head(1))
    row = of(table, start=H3)
    assert (row["bodies"], row["delivered"], row["rows"]) == (1, False, 100)


# --- caseload ------------------------------------------------------------------------------------

BENEFITS = pl.DataFrame({
    "person": [1, 1, 2, 3, 4, 5],
    "start": [date(2009, 1, 1), date(2009, 5, 1), date(2008, 1, 1), date(2009, 6, 30),
              date(2009, 7, 1), date(2009, 1, 1)],
    "end": [None, None, date(2009, 6, 30), date(2009, 7, 1), None, None],
    "scheme": ["wwb"] * 5 + ["ww"],
    "municipality": ["gm0003"] * 6,
})  # fmt: skip
HALF = pl.DataFrame({"period_start": [H2], "period_end": [H3]})


def test_caseload_counts_persons_on_the_last_day():
    """1 has two spells and counts once; 2 ended that day; 3 was on it; 4 came after; 5 has WW."""
    found = quality.caseload(BENEFITS, HALF)
    assert found.rows() == [(H2, "gm0003", 2)]


def test_a_last_day_that_is_not_observed_has_no_caseload():
    covered = (date(2005, 1, 1), date(2009, 6, 30))
    found = quality.caseload(BENEFITS, HALF, covered=covered)
    assert found.is_empty()
    assert of(judge({}, caseload=found))["caseload"] is None
    assert of(judge({}, caseload=quality.caseload(BENEFITS, HALF)), "gm0007")["caseload"] == 0


def test_coverage_counts_some_out_of_the_whole():
    frame = pl.DataFrame(
        {"municipality": list("abc"), "caseload": [1, 3, 4], "usable": [True, None, True]}
    )
    found = quality.coverage(frame, among="usable")
    assert found["municipality"].to_list() == ["c", "a"]
    assert found["estimate"].to_list() == [0.5, 0.625]


# --- the verdict ---------------------------------------------------------------------------------


def country(usable: list[bool], caseload: list[int], share: float = 0.95) -> pl.DataFrame:
    n = len(usable)
    return pl.DataFrame({
        "municipality": [f"gm{i:04d}" for i in range(n)], "period_start": [H2] * n,
        "period_end": [H3] * n, "delivered": [True] * n, "on_time": [True] * n,
        "complete": [True] * n, "usable": usable, "caseload": caseload,
        "position_usable": [round(1000 * share)] * n, "position_required": [1000] * n,
        "compared": [50] * n, "agreed": [49] * n,
        "size_class": ["small"] * (n // 2) + ["large"] * (n - n // 2), "region": [1, 2] * (n // 2),
    })  # fmt: skip


def test_all_three_criteria_must_be_met():
    row = quality.verdict(country([True] * 9 + [False], [1] * 10)).row(0, named=True)
    assert (row["publish"], row["reasons"]) == (True, "")
    assert (row["n"], row["n_usable"], row["coverage"], row["usable_share"]) == (10, 9, 0.9, 0.95)
    assert (row["compared"], row["agreement"]) == (500, 0.98)


@pytest.mark.parametrize(
    ("table", "reasons"),
    [
        (country([True] * 9 + [False], [1] * 10, share=0.89), "usable"),
        (country([True] * 9 + [False], [1] * 9 + [3]), "coverage"),
        (country([False] * 10 + [True] * 10, [1] * 10 + [99] * 10), "r_indicator"),
        (country([False] * 10, [1] * 10, share=0.1), "usable,coverage,r_indicator"),
        (country([True] * 10, [None] * 10), "coverage"),
    ],
)
def test_what_is_not_met_or_not_known_is_a_reason(table, reasons):
    row = quality.verdict(table).row(0, named=True)
    assert (row["publish"], row["reasons"]) == (False, reasons)


def test_thresholds_are_met_when_reached():
    table = country([True] * 8 + [False] * 2, [1] * 10, share=0.9)
    least = Thresholds(r_indicator=0.0)
    assert quality.verdict(table, thresholds=least)["publish"].item()


def test_there_is_no_verdict_where_no_position_was_asked():
    table = country([True] * 10, [1] * 10).with_columns(usable=pl.lit(None, dtype=pl.Boolean))
    row = quality.verdict(table).row(0, named=True)
    assert (row["publish"], row["reasons"], row["coverage"]) == (None, None, None)


# --- the R-indicator -----------------------------------------------------------------------------


def two_groups(yes: tuple[int, int], n: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame({
        "group": ["a"] * n[0] + ["b"] * n[1],
        "yes": [i < yes[0] for i in range(n[0])] + [i < yes[1] for i in range(n[1])],
    })  # fmt: skip


def test_r_indicator_of_two_groups_by_hand():
    """ρ is each group's rate: 6/10 and 9/10, mean 3/4.

    S² = (20/19)·(3/20)² = 9/380. Chance: Σ n_g/n·p_g q_g/n_g − p̄'s variance
    = (6/10·4/10 + 9/10·1/10)/20 − (10·24/100 + 10·9/100)/400 = 33/2000 − 33/4000 = 33/4000,
    times 20/19. The same with the groups' own variances: ¼·(24/1000 + 9/1000) = 33/4000.
    """
    found = quality.r_indicator(two_groups((6, 9), (10, 10)), response="yes", by="group")
    spread = Fraction(9, 400) * Fraction(20, 19)
    chance = Fraction(33, 4000) * Fraction(20, 19)
    assert found.unadjusted == pytest.approx(1 - 2 * sqrt(spread), abs=1e-10)
    assert found.estimate == pytest.approx(1 - 2 * sqrt(spread - chance), abs=1e-10)
    # S² is a square of the difference d of two rates: (d/2)²·20/19, var(d) = 33/1000.
    # With a = d/4·(…): 4aᵀΣa = d²·var(d)/4 and 2tr(BΣBΣ) = var(d)²/8.
    d, v = Fraction(3, 10), Fraction(33, 1000)
    variance = (d**2 * v / 4 + v**2 / 8) * Fraction(20, 19) ** 2
    assert found.std_error == pytest.approx(sqrt(variance / (spread - chance)), abs=1e-10)


def test_partial_indicators_by_hand():
    found = quality.r_indicator(two_groups((6, 9), (10, 10)), response="yes", by="group").tidy()
    assert found["term"].to_list() == ["group"] * 3
    assert found["level"].to_list() == [None, "a", "b"]
    assert found["n_response"].to_list() == [15, 6, 9]
    # √(1/2)·(0.6 − 0.75) and its opposite; together √(2·½·0.15²) = 0.15, less chance: with one
    # variable that is the 33/4000 of S² itself.
    expected = [0.15, -0.15 / sqrt(2), 0.15 / sqrt(2)]
    assert found["unadjusted"].to_list() == pytest.approx(expected, abs=1e-9)
    expected[0] = sqrt(Fraction(9, 400) - Fraction(33, 4000))
    assert found["estimate"].to_list() == pytest.approx(expected, abs=1e-9)


def test_many_small_groups_do_not_differ_by_chance_alone():
    """30 regions of 14, answering alike: as fitted they seem to differ by √(29/420·0.24) = 0.13."""
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({"region": np.repeat(np.arange(30), 14), "size": np.arange(420) % 7 < 6})
    squares = []
    for _ in range(40):
        answered = frame.with_columns(yes=pl.Series(rng.random(420) < 0.6))
        found = quality.r_indicator(answered, response="yes", by=["size", "region"]).tidy()
        squares.append(found.filter(pl.col("level").is_null(), pl.col("term") == "region").row(
            0, named=True
        ))  # fmt: skip
    plain = np.mean([row["unadjusted"] ** 2 for row in squares])
    adjusted = np.mean([row["estimate"] ** 2 for row in squares])
    assert plain == pytest.approx(29 / 420 * 0.24, rel=0.15)
    assert adjusted < plain / 5


def test_alike_groups_are_representative():
    found = quality.r_indicator(two_groups((8, 8), (10, 10)), response="yes", by="group")
    assert (found.estimate, found.unadjusted) == pytest.approx((1.0, 1.0))
    assert found.std_error is None
    assert found.glance()["conf_high"].item() == 1.0


def test_the_worst_case_is_nothing():
    found = quality.r_indicator(two_groups((0, 50), (50, 50)), response="yes", by="group")
    assert found.estimate == pytest.approx(0.0, abs=0.02)
    assert found.meta["separated"] == 100


def test_everybody_and_nobody():
    everybody = quality.r_indicator(two_groups((5, 5), (5, 5)), response="yes", by="group")
    assert everybody.estimate == pytest.approx(1.0)
    assert "everybody" in everybody.summary()
    nobody = quality.r_indicator(two_groups((0, 0), (5, 5)), response="yes", by="group")
    assert nobody.estimate is nobody.std_error is None
    assert "nobody" in nobody.summary()


def test_a_group_that_answers_as_one_is_separated_and_the_others_fitted():
    found = quality.r_indicator(two_groups((10, 6), (10, 10)), response="yes", by="group")
    assert found.propensities.unique().sort().to_list() == pytest.approx([0.6, 1.0])
    assert found.meta["separated"] == 10
    assert "10 units" in found.summary()


def test_weights_count_clients():
    frame = two_groups((6, 9), (10, 10)).with_columns(
        w=pl.when(pl.col("group") == "a").then(3.0).otherwise(1.0)
    )
    found = quality.r_indicator(frame, response="yes", by="group", weights="w")
    # mean 3/4·0.6 + 1/4·0.9 = 0.675; variance 3/16·0.3²
    assert found.unadjusted == pytest.approx(1 - 2 * sqrt(3 / 16 * 0.09 * 20 / 19), abs=1e-9)
    same = frame.with_columns(w=pl.lit(7.0))
    plain = quality.r_indicator(frame, response="yes", by="group")
    heavy = quality.r_indicator(same, response="yes", by="group", weights="w")
    assert heavy.estimate == pytest.approx(plain.estimate)
    assert heavy.std_error == pytest.approx(plain.std_error)


@pytest.mark.parametrize("weighted", [False, True])
def test_logit_against_statsmodels(weighted):
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(300), rng.integers(0, 2, (300, 4))]).astype(float)
    r = (rng.random(300) < 1 / (1 + np.exp(-(x @ [0.3, 0.8, -0.6, 0.2, 0.0])))).astype(float)
    w = rng.integers(1, 5, 300).astype(float) if weighted else np.ones(300)
    fit = fit_logit(x, r, w)
    peer = sm.GLM(r, x, family=sm.families.Binomial(), freq_weights=w).fit(tol=1e-12)
    np.testing.assert_allclose(fit.fitted, peer.fittedvalues, atol=1e-8)
    if not weighted:  # the delta method on ρ does not depend on how the span is written
        ours = np.einsum("ij,jk,ik->i", fit.gradient, fit.covariance, fit.gradient)
        z = (fit.fitted * (1 - fit.fitted))[:, None] * x
        theirs = np.einsum("ij,jk,ik->i", z, peer.cov_params(), z)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_columns_that_depend_on_each_other_change_nothing():
    frame = two_groups((6, 9), (10, 10)).with_columns(twin=pl.col("group"))
    one = quality.r_indicator(frame, response="yes", by="group")
    two = quality.r_indicator(frame, response="yes", by=["group", "twin"])
    assert two.estimate == pytest.approx(one.estimate)
    assert two.std_error == pytest.approx(one.std_error)


@pytest.mark.parametrize(
    ("change", "options", "error"),
    [
        ({}, {"by": "grop"}, UnknownColumnError),
        ({}, {"by": ()}, CallError),
        ({"yes": pl.lit(1)}, {}, WrongTypeError),
        ({"group": pl.lit(None, dtype=pl.String)}, {}, MissingValueError),
    ],
)
def test_wrong_calls_of_the_r_indicator(change, options, error):
    frame = two_groups((6, 9), (10, 10)).with_columns(**change)
    with pytest.raises(error):
        quality.r_indicator(frame, **({"response": "yes", "by": "group"} | options))


def test_no_rows_no_indicator():
    with pytest.raises(EmptyCohortError):
        quality.r_indicator(two_groups((0, 0), (0, 0)), response="yes", by="group")


def test_the_adjusted_indicator_is_right_on_average_and_its_interval_covers():
    """240 municipalities in 16 groups of known propensity, 150 times."""
    rng = np.random.default_rng(11)
    group = np.repeat(np.arange(16), 15)
    rho = (0.55 + 0.4 * np.arange(16) / 15)[group]
    true = 1 - 2 * rho.std(ddof=1)
    frame = pl.DataFrame({"group": group})
    found = [
        quality.r_indicator(
            frame.with_columns(yes=pl.Series(rng.random(240) < rho)), response="yes", by="group"
        )
        for _ in range(150)
    ]
    adjusted = np.array([each.estimate for each in found])
    plain = np.array([each.unadjusted for each in found])
    assert abs(adjusted.mean() - true) < 0.015
    assert plain.mean() < true - 0.05
    covers = np.mean([each.conf_low <= true <= each.conf_high for each in found])
    assert 0.92 <= covers <= 1.0


# --- escalation ----------------------------------------------------------------------------------


def standing(received: date | None, on: date, start: date = date(2010, 7, 1), **protocol):
    end = date(start.year + 1, 1, 1) if start.month == 7 else date(start.year, 7, 1)
    due = date(end.year, end.month, 28)
    frame = pl.DataFrame({
        "municipality": ["gm0003"], "period_start": [start], "period_end": [end], "due": [due],
        "received": [received],
    }, schema_overrides={"received": pl.Date})  # fmt: skip
    return quality.escalation(frame, on=on, protocol=Protocol(**protocol)).row(0, named=True)


@pytest.mark.parametrize(
    ("on", "step", "since", "following", "when"),
    [
        (date(2010, 12, 31), "not_due", date(2010, 7, 1), "reminded", date(2011, 1, 29)),
        (date(2011, 1, 28), "due", date(2011, 1, 1), "reminded", date(2011, 1, 29)),
        (date(2011, 1, 29), "reminded", date(2011, 1, 29), "reported", date(2011, 2, 11)),
        (date(2011, 2, 11), "reported", date(2011, 2, 11), "addressed", date(2011, 2, 25)),
        (date(2011, 2, 25), "addressed", date(2011, 2, 25), None, None),
        (date(2019, 1, 1), "addressed", date(2011, 2, 25), None, None),
    ],
)
def test_the_ladder_for_a_period_before_2011(on, step, since, following, when):
    row = standing(None, on)
    assert (row["step"], row["since"]) == (step, since)
    assert (row["next_step"], row["next_on"]) == (following, when)
    assert row["days"] == (on - since).days


def test_from_2011_on_the_advance_payment_is_suspended_from_the_month_after_the_report():
    start = date(2011, 1, 1)  # due 28 July, reported 11 August, addressed 25 August
    assert standing(None, date(2011, 8, 31), start)["next_step"] == "suspended"
    row = standing(None, date(2011, 9, 1), start)
    assert (row["step"], row["since"], row["days_over"]) == ("suspended", date(2011, 9, 1), 35)


def test_before_the_protocol_there_were_reminders_only():
    row = standing(None, date(2010, 4, 29), date(2009, 7, 1))
    assert (row["step"], row["since"]) == ("reminded", date(2010, 1, 29))
    assert (row["next_step"], row["next_on"]) == (None, None)
    row = standing(None, date(2010, 8, 11), date(2010, 1, 1))
    assert (row["step"], row["next_step"]) == ("reported", "addressed")


@pytest.mark.parametrize(
    ("followed", "step", "over"), [(True, "suspended", 40), (False, "delivered", 0)]
)
def test_an_incomplete_delivery_is_followed_like_none(followed, step, over):
    frame = pl.DataFrame({
        "municipality": ["gm0003"], "period_start": [date(2011, 1, 1)],
        "period_end": [date(2011, 7, 1)], "due": [date(2011, 7, 28)],
        "received": [date(2011, 7, 20)], "delivered": [True], "complete": [False],
    })  # fmt: skip
    row = quality.escalation(
        frame, on=date(2011, 9, 6), protocol=Protocol(incomplete=followed)
    ).row(0, named=True)
    assert (row["step"], row["days_over"]) == (step, over)


def test_suspension_may_come_before_being_addressed():
    row = standing(None, date(2011, 8, 12), date(2011, 1, 1), address=60)
    assert (row["step"], row["next_step"], row["next_on"]) == (
        "reported", "suspended", date(2011, 9, 1)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("received", "step", "reached", "over"),
    [
        (date(2011, 1, 28), "delivered", None, 0),
        (date(2011, 1, 29), "delivered_late", None, 1),  # on the day of the reminder: none was sent
        (date(2011, 1, 30), "delivered_late", "reminded", 2),
        (date(2011, 2, 20), "delivered_late", "reported", 23),
    ],
)
def test_delivery_ends_the_steps_and_what_was_reached_stays(received, step, reached, over):
    row = standing(received, date(2011, 6, 1))
    assert (row["step"], row["reached"], row["days_over"]) == (step, reached, over)
    assert row["since"] == received
    assert row["next_step"] is None


def test_what_comes_later_than_the_day_of_reference_has_not_come():
    assert standing(date(2011, 2, 20), date(2011, 2, 19))["step"] == "reported"
    assert standing(date(2011, 2, 20), date(2011, 2, 20))["step"] == "delivered_late"


def test_delivered_on_an_unknown_day_is_not_escalated():
    frame = pl.DataFrame({
        "municipality": ["gm0003"], "period_start": [H2], "period_end": [H3],
        "due": [date(2009, 7, 28)], "received": [None], "delivered": [True],
    }, schema_overrides={"received": pl.Date})  # fmt: skip
    row = quality.escalation(frame, on=date(2010, 1, 1)).row(0, named=True)
    assert (row["step"], row["reached"], row["received_unknown"]) == ("delivered", None, True)


def test_escalation_wants_dates():
    with pytest.raises(WrongTypeError, match="not a date"):
        quality.escalation(
            pl.DataFrame({
                "municipality": ["a"], "period_start": ["2009"], "period_end": [H3], "due": [H3],
                "received": [H3],
            }),
            on=H3,
        )  # fmt: skip


# --- rules ---------------------------------------------------------------------------------------


def make_rules(*rows: tuple[int, str, int]) -> pl.DataFrame:
    return pl.DataFrame([
        {"file": file, "rule": rule, "layout": "srg_2010", "field": "einddatum", "stage": 1,
         "severity": "error", "n": n, "nl": "mis", "en": "wrong"}
        for file, rule, n in rows
    ])  # fmt: skip


def test_errors_by_rule_are_counted_over_all_records_of_the_layout():
    files = make_files({}, {"municipality": "gm0007", "rows": 300})
    found = quality.errors_by_rule(make_rules((0, "X-1", 4), (0, "X-2", 0), (1, "X-1", 6)), files)
    assert found.select("rule", "n", "files", "records", "share").rows() == [
        ("X-1", 10, 2, 400, 0.025)
    ]


def test_errors_by_municipality_are_those_of_the_newest_version_under_its_name_of_now():
    files = make_files({"version": 2}, {"version": 1}, {"municipality": "gm0001"})
    rules = make_rules((0, "X-1", 3), (1, "X-1", 50), (2, "X-1", 2))
    found = quality.errors_by_municipality(rules, files, mergers=MERGED.head(1))
    assert found.select("municipality", "n").rows() == [("gm0003", 5)]
