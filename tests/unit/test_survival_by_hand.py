"""Small cases worked out by hand, as exact fractions."""

from fractions import Fraction
from itertools import combinations
from math import sqrt

import polars as pl
import pytest

from toolkit import survival
from toolkit.errors import HorizonError

#: Six people: an event at 1; an event and a censoring at 2; a censoring at 3; two events at 4.
TIME, EVENT = [1, 2, 2, 3, 4, 4], [1, 1, 0, 0, 1, 1]


def close(values, fractions):
    assert values.to_list() == pytest.approx([float(f) for f in fractions], abs=1e-14)


def km(time=TIME, event=EVENT, **columns):
    options = {name: name for name in columns if name in {"entry", "weights", "by"}}
    frame = pl.DataFrame({"time": time, "event": event, **columns})
    return survival.kaplan_meier(frame, time="time", event="event", **options)


def test_events_come_before_censorings_at_a_tie():
    tidy = km().tidy()
    assert tidy["time"].to_list() == [1, 2, 3, 4]
    assert tidy["n_risk"].to_list() == [6, 5, 3, 2]
    assert tidy["n_event"].to_list() == [1, 1, 0, 2]
    assert tidy["n_censor"].to_list() == [0, 1, 1, 0]
    # the one censored at 2 is still at risk at 2: 5/6 × 4/5
    close(tidy["estimate"], [Fraction(5, 6), Fraction(2, 3), Fraction(2, 3), 0])


def test_greenwood_by_hand():
    std_error = km().tidy()["std_error"]
    # S² Σ d / (n (n - d)): 1/(6·5) at time 1, and 1/(5·4) more at time 2
    at_1 = Fraction(5, 6) ** 2 * Fraction(1, 30)
    at_2 = Fraction(2, 3) ** 2 * (Fraction(1, 30) + Fraction(1, 20))
    assert std_error.head(3).to_list() == pytest.approx([sqrt(at_1), sqrt(at_2), sqrt(at_2)])
    assert std_error[3] is None  # S = 0 has no standard error


def test_entry_at_the_time_of_an_event_is_not_at_risk():
    tidy = km([2, 4, 4, 5], [1, 1, 0, 1], entry=[0, 0, 2, 3]).tidy()
    # at 2: the third enters at 2 and is not yet at risk
    assert tidy["n_risk"].to_list() == [2, 3, 1]
    close(tidy["estimate"], [Fraction(1, 2), Fraction(1, 2) * Fraction(2, 3), 0])


def test_a_gap_in_the_risk_set_carries_the_curve_and_says_so():
    result = km([1, 2, 5, 6], [1, 0, 1, 0], entry=[0, 0, 3, 3])
    close(
        result.tidy()["estimate"], [Fraction(1, 2), Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]
    )
    assert [result.at(t)["n_risk"][0] for t in (2, 2.5, 3, 3.5)] == [1, 0, 0, 2]
    assert len(result.meta["warnings"]) == 1
    assert "nobody is at risk for a while" in result.meta["warnings"][0]
    assert "nobody is at risk" in result.summary()


def test_an_early_risk_set_used_up_leaves_zero_and_says_so():
    result = km([1, 2, 5, 6], [1, 1, 1, 0], entry=[0, 0, 3, 3])
    close(result.tidy()["estimate"], [Fraction(1, 2), 0, 0, 0])
    assert any("the curve is 0 from there on" in said for said in result.meta["warnings"])


def test_a_frequency_weight_is_that_many_rows():
    tidy = km([1, 2, 3], [1, 0, 1], weights=[2, 3, 1]).tidy()
    assert tidy["n_risk"].to_list() == [6, 4, 1]
    close(tidy["estimate"], [Fraction(4, 6), Fraction(4, 6), 0])


def test_weight_zero_is_left_out_and_counted():
    result = km([1, 2, 3], [1, 1, 0], weights=[1.0, 0.0, 1.0])
    assert result.tidy()["time"].to_list() == [1, 3]
    assert result.meta["dropped"] == {"weight is zero": 1}
    assert "weight is zero" in result.summary()


def test_everyone_censored():
    result = km([1, 2, 2], [0, 0, 0])
    tidy = result.tidy()
    close(tidy["estimate"], [1, 1])
    close(tidy["std_error"], [0, 0])
    assert tidy["conf_low"].null_count() == 2  # log-log has no bound at S = 1
    assert result.quantile(0.5)["estimate"].to_list() == [None]
    assert result.glance()["n_event"].item() == 0


def test_one_person_one_event():
    result = km([3], [1])
    close(result.tidy()["estimate"], [0])
    assert result.quantile(0.5)["estimate"].item() == 3
    close(result.rmst(5)["estimate"], [3])  # the curve is 0 from 3 on: the area is known
    close(result.rmst(5)["std_error"], [0])


def test_an_event_at_time_zero_counts():
    close(km([0, 1], [1, 0]).at([0, 1])["estimate"], [Fraction(1, 2), Fraction(1, 2)])


def test_at_is_a_step_function_and_null_past_the_last_observation():
    found = km([2, 4, 6], [1, 1, 0]).at([0, 1.5, 2, 5, 6, 6.5])
    assert found["estimate"].to_list()[:5] == pytest.approx([1, 1, 2 / 3, 1 / 3, 1 / 3])
    assert found["n_risk"].to_list() == [3, 3, 3, 1, 1, 0]
    last = found.row(5, named=True)
    assert last["time"] == 6.5
    assert [last[name] for name in ("estimate", "std_error", "conf_low", "conf_high")] == [None] * 4


def test_at_tells_groups_apart():
    curves = km([1, 2, 5, 9], [1, 0, 1, 1], by=["a", "a", "b", "b"])
    assert curves.at([3, 6]).select("by", "time", "estimate").rows() == [
        ("a", 3, None), ("a", 6, None), ("b", 3, 1.0), ("b", 6, 0.5)
    ]  # fmt: skip


def test_median_in_the_middle_of_a_flat_stretch():
    # S = 1/2 on [2, 5): R's convention is the middle
    assert km([1, 2, 5, 6], [1, 1, 1, 1]).quantile()["estimate"].item() == Fraction(7, 2)


def test_restricted_mean_by_hand():
    area = km([1, 2, 4], [1, 1, 1]).rmst(3)
    # 1 + 2/3 + 1/3 to 3; A(1) = 1, A(2) = 1/3; Σ A² d / (n (n - d)) = 1/6 + (1/9)/2
    close(area["estimate"], [2])
    close(area["std_error"].pow(2), [Fraction(1, 6) + Fraction(1, 18)])


def test_restricted_mean_past_the_follow_up():
    with pytest.raises(HorizonError, match="past the last observed time, 6"):
        km([2, 4, 6], [1, 1, 0]).rmst(7)
    partly = km([1, 2, 9], [1, 0, 0], by=[1, 1, 2]).rmst(5)
    assert partly["estimate"].to_list() == [None, 5.0]
    assert partly["conf_low"].to_list() == [None, 5.0]


# --- competing causes ---------------------------------------------------------------------------


def cif(time, cause, **columns):
    options = {name: name for name in columns if name in {"entry", "weights", "by"}}
    frame = pl.DataFrame({"time": time, "cause": cause, **columns})
    return survival.cumulative_incidence(frame.rename({"cause": "event"}), time="time",
                                         event="event", **options)  # fmt: skip


def test_ties_between_causes_share_the_risk_set():
    result = cif([1, 1, 2, 2, 3], [1, 2, 1, 0, 2])
    tidy = result.tidy()
    assert tidy["cause"].to_list() == [1, 1, 1, 2, 2, 2]
    assert tidy["n_event"].to_list() == [1, 1, 0, 1, 0, 1]
    # S(1) = 3/5; cause 1 at 2 adds 3/5 × 1/3; S(2) = 2/5 falls whole to cause 2 at 3
    close(
        tidy["estimate"],
        [
            Fraction(1, 5),
            Fraction(2, 5),
            Fraction(2, 5),
            Fraction(1, 5),
            Fraction(1, 5),
            Fraction(3, 5),
        ],
    )
    close(result.total()["estimate"], [Fraction(2, 5), Fraction(3, 5), 1])
    # before anybody is censored F is a share of 5: variance p (1 - p) / 5
    assert tidy["std_error"][0] == pytest.approx(sqrt(Fraction(1, 5) * Fraction(4, 5) / 5))


def test_incidence_under_left_truncation():
    tidy = cif([2, 4, 4, 5], [1, 2, 0, 1], entry=[0, 0, 2, 3]).tidy()
    close(
        tidy.filter(cause=1)["estimate"],
        [Fraction(1, 2), Fraction(1, 2), Fraction(1, 2) + Fraction(1, 3)],
    )
    close(tidy.filter(cause=2)["estimate"], [0, Fraction(1, 6), Fraction(1, 6)])


@pytest.mark.parametrize(
    ("causes", "dtype", "labels"),
    [
        ([3, 0, None, 7], pl.Int16, [3, 7]),
        (["work", None, None, "study"], pl.String, ["study", "work"]),
        (["work", None, None, "study"], pl.Categorical, ["study", "work"]),
        ([3.0, 0.0, None, 7.0], pl.Float64, [3, 7]),
    ],
)
def test_cause_labels_are_the_users(causes, dtype, labels):
    tidy = cif([1, 2, 3, 4], pl.Series(causes, dtype=dtype)).tidy()
    assert tidy["cause"].unique(maintain_order=True).to_list() == labels
    assert tidy["n_event"].sum() == 2
    if dtype.is_integer():
        assert tidy["cause"].dtype == dtype


def test_incidence_at():
    found = cif([1, 2, 6], ["a", "b", None]).at([0, 2, 7])
    assert found.select("cause", "time").rows() == [(c, t) for c in "ab" for t in (0, 2, 7)]
    assert found["estimate"].to_list() == pytest.approx([0, 1 / 3, None, 0, 1 / 3, None])
    assert found["n_risk"].to_list() == [3, 2, 0] * 2


# --- tests --------------------------------------------------------------------------------------


def test_logrank_of_one_event():
    frame = pl.DataFrame({"t": [1] + [9] * 8, "e": [1] + [0] * 8, "g": [1] * 4 + [2] * 5})
    test = survival.logrank(frame, time="t", event="e", by="g")
    # O - E = 1 - 4/9, V = 4/9 × 5/9: (25/81) / (20/81)
    assert test.statistic == pytest.approx(5 / 4)
    close(test.tidy()["expected"], [Fraction(4, 9), Fraction(5, 9)])
    assert test.df == 1
    # with a single event and no competitors, Gray's test is the same
    gray = survival.gray(frame, time="t", event="e", cause=1, by="g")
    assert gray.statistic == pytest.approx(5 / 4)


def test_logrank_at_a_tie():
    frame = pl.DataFrame({"t": [1, 1, 2, 2, 2], "e": [1, 1, 0, 0, 0], "g": [1, 1, 1, 2, 2]})
    # d = 2 of n = 5, 3 of them in group 1: O - E = 2 - 6/5, V = 2 · 3/4 · 6/25
    assert survival.logrank(frame, time="t", event="e", by="g").statistic == pytest.approx(
        Fraction(4, 5) ** 2 / (Fraction(3, 2) * Fraction(6, 25))
    )


def test_gray_sees_a_competitor_keep_people_in_the_risk_set():
    # group 1 (4 people) loses one to cause 2 at 1; group 2 (5) has the cause at 2
    frame = pl.DataFrame(
        {"t": [1, 2] + [9] * 7, "e": [2, 1] + [0] * 7, "g": [1, 2] + [1] * 3 + [2] * 4}
    )
    # R = 3 / (3/4) = 4 and 5, O - E = -4/9. D_1r = ±20/9, so the event at 2 has variance
    # (20/9)² (1/4 + 1/5) / 9 = 20/81; the competitor at 1, having left S = 3/4, adds
    # (4/3 × 20/81)² × (1/4) / 4
    variance = Fraction(20, 81) + (Fraction(4, 3) * Fraction(20, 81)) ** 2 / 16
    test = survival.gray(frame, time="t", event="e", cause=1, by="g")
    assert test.statistic == pytest.approx(float(Fraction(4, 9) ** 2 / variance))


def test_a_group_alone_in_its_stratum_adds_nothing():
    frame = pl.DataFrame(
        {"t": [1, 2, 3, 4, 1, 2], "e": [1, 1, 1, 0, 1, 1], "g": [1, 2, 1, 2, 1, 1],
         "s": [1, 1, 1, 1, 2, 2]}
    )  # fmt: skip
    both = survival.logrank(frame, time="t", event="e", by="g", strata="s")
    first = survival.logrank(frame.filter(s=1), time="t", event="e", by="g")
    assert both.statistic == pytest.approx(first.statistic)


def test_sampling_weights_in_the_logrank_are_a_random_draw():
    # two of five leave at 1; every pair is as likely as another
    weight, group = [1, 2, 4, 1, 3], [1, 1, 1, 2, 2]
    total, first = sum(weight), sum(weight[:3])
    scores = []
    for pair in combinations(range(5), 2):
        drawn = sum(weight[i] for i in pair)
        own = sum(weight[i] for i in pair if group[i] == 1)
        scores.append(own - Fraction(first, total) * drawn)
    variance = sum(score**2 for score in scores) / Fraction(len(scores))
    frame = pl.DataFrame({"t": [1, 9, 1, 9, 9], "e": [1, 0, 1, 0, 0], "g": group, "w": weight})
    test = survival.logrank(frame, time="t", event="e", by="g", weights="w", weight_type="sampling")
    score = 5 - Fraction(first, total) * 5
    assert test.statistic == pytest.approx(float(score**2 / variance))


SKEW = pl.DataFrame(
    {
        "t": [1, 2, 3, 4, 5, 1, 2, 3, 4, 6],
        "e": [1, 1, 0, 1, 1, 1, 0, 1, 1, 0],
        "g": [1] * 5 + [2] * 5,
    }
)


def logrank_by_hand(frame):
    """Return the log-rank χ² of groups 1 and 2 in exact fractions."""
    rows = frame.rows(named=True)
    score = variance = Fraction(0)
    for time in {row["t"] for row in rows if row["e"]}:
        n, first = (
            sum(row["w"] for row in rows if row["t"] >= time and row["g"] in groups)
            for groups in ({1, 2}, {1})
        )
        d, own = (
            sum(row["w"] for row in rows if row["t"] == time and row["e"] and row["g"] in groups)
            for groups in ({1, 2}, {1})
        )
        p = Fraction(first, n)
        score += own - d * p
        variance += Fraction(d * (n - d), n - 1) * p * (1 - p) if n > 1 else 0
    return float(score**2 / variance)


@pytest.mark.parametrize("large", [1, 10**8, 10**12])
def test_logrank_of_a_few_beside_very_many(large):
    frame = SKEW.with_columns(w=pl.when(pl.col("g") == 2).then(large).otherwise(1))
    test = survival.logrank(frame, time="t", event="e", by="g", weights="w")
    assert test.df == 1
    assert test.statistic == pytest.approx(logrank_by_hand(frame), rel=1e-12)


@pytest.mark.parametrize("large", [10**9, 10**12])
def test_one_huge_weight_that_leaves_early_does_not_hide_the_rest(large):
    frame = SKEW.with_columns(w=pl.Series([1] * 5 + [large] + [1] * 4))
    test = survival.logrank(frame, time="t", event="e", by="g", weights="w")
    assert test.df == 1
    assert test.statistic == pytest.approx(logrank_by_hand(frame), rel=1e-9)
    curve = survival.kaplan_meier(frame, time="t", event="e", weights="w")
    assert curve.at(3)["n_risk"].item() == 6


@pytest.mark.parametrize("entry", [None, "come"])
@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_the_unit_of_sampling_weights_does_not_matter(unit, entry):
    frame = SKEW.with_columns(
        w=pl.Series([1.0, 2.0, 1.0, 1.0, 0.5, 1.0, 3.0, 1.0, 1.0, 1.0]),
        come=pl.Series([0, 0, 2, 1, 0] * 2),
    )
    options = {"time": "t", "event": "e", "weights": "w", "weight_type": "sampling", "entry": entry}
    one, other = (
        (
            survival.logrank(data, by="g", **options).statistic,
            *survival.kaplan_meier(data, **options).at([2, 4])["std_error"],
        )
        for data in (frame, frame.with_columns(pl.col("w") * unit))
    )
    assert other == pytest.approx(one, rel=1e-9)


def test_rows_of_weight_zero_change_nothing_wherever_they_stand():
    frame = SKEW.with_columns(w=pl.Series([1.0, 2.0, 1.0, 1.0, 0.5, 1.0, 3.0, 1.0, 1.0, 1.0]))
    more = pl.concat([frame, frame.with_columns(w=0.0)])  # the same times: the same cells
    for kind in ("frequency", "sampling"):
        tests = [
            survival.logrank(data, time="t", event="e", by="g", weights="w", weight_type=kind)
            for data in (frame, more)
        ]
        assert tests[0].statistic == pytest.approx(tests[1].statistic)
        assert [test.meta["n"] for test in tests] == [10, 10]
    assert tests[1].meta["dropped"] == {"weight is zero": 10}
