"""Measures of small sequences, worked out by hand."""

from fractions import Fraction
from itertools import combinations
from math import log, log2, sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import trajectories
from toolkit.errors import (
    CallError,
    InputError,
    MissingValueError,
    NegativeTimeError,
    UnknownColumnError,
    UnknownOptionError,
    WrongTypeError,
)

COLUMNS = [f"2006-{month:02}" for month in range(1, 13)]


def read(*texts, alphabet="ABC", **columns):
    """Read sequences such as "AAB.": a dot is a month not observed."""
    months = COLUMNS[: len(texts[0])]
    rows = [[None if sign == "." else sign for sign in text] for text in texts]
    frame = pl.DataFrame(
        {"id": range(len(rows)), **columns}
        | {
            name: list(column) for name, column in zip(months, zip(*rows, strict=True), strict=True)
        },
        schema_overrides=dict.fromkeys(months, pl.String),
    )
    return trajectories.from_sequences(frame, person="id", states=months, alphabet=list(alphabet))


def subsequences(text):
    """Count distinct subsequences by making them all."""
    return len({part for size in range(len(text) + 1) for part in combinations(text, size)})


def successive(text):
    seen = text.replace(".", "")
    return "".join(sign for i, sign in enumerate(seen) if i == 0 or seen[i - 1] != sign)


def turbulence_by_hand(text):
    """Return log₂ φ (s²_max + 1) / (s² + 1) with exact fractions up to the logarithm."""
    dss = successive(text)
    seen = text.replace(".", "")
    lengths, at = [], 0
    for sign in dss:
        size = 0
        while at < len(seen) and seen[at] == sign:
            at, size = at + 1, size + 1
        lengths.append(size)
    k, mean = len(lengths), Fraction(len(seen), len(lengths))
    variance = sum((length - mean) ** 2 for length in lengths) / k
    largest = (k - 1) * (1 - mean) ** 2
    return log2(subsequences(dss) * (largest + 1) / (variance + 1))


def test_one_sequence_by_hand():
    row = read("AABBBA").measures().row(0, named=True)
    # ABA: empty, A, B, AB, BA, AA, ABA; lengths 2, 3, 1: variance 2/3, largest 2 (1 - 2)² = 2
    assert row["spells"] == 3
    assert row["transitions"] == 2
    assert row["visited"] == 2
    assert row["log2_subsequences"] == pytest.approx(log2(7))
    assert row["turbulence"] == pytest.approx(log2(7 * (2 + 1) / (Fraction(2, 3) + 1)))
    assert row["entropy"] == pytest.approx(log(2) / log(3))
    assert row["complexity"] == pytest.approx(sqrt(2 / 5 * log(2) / log(3)))
    # ABCABC has 1, 2, 4, 8, 15, 28, 52 subsequences
    assert row["turbulence_normalised"] == pytest.approx((row["turbulence"] - 1) / (log2(52) - 1))


def test_states_not_visited_as_spells_of_no_length():
    row = read("AABBBA").measures(unvisited="zero").row(0, named=True)
    # lengths 2, 3, 1, 0: variance 14/4 - (6/4)²; largest with one state left out: 4, 1, 1, 0
    variance, largest = Fraction(14, 4) - Fraction(9, 4), Fraction(18, 4) - Fraction(9, 4)
    assert row["turbulence"] == pytest.approx(log2(7 * (largest + 1) / (variance + 1)))
    alone = read("AAAA").measures(unvisited="zero").row(0, named=True)
    assert alone["turbulence"] == pytest.approx(1.0)
    assert alone["turbulence_normalised"] == pytest.approx(0.0)


@settings(max_examples=60, deadline=None)
@given(st.text("ABC.", min_size=2, max_size=12))
def test_turbulence_and_subsequences_of_any_sequence(text):
    row = read(text).measures().row(0, named=True)
    seen = text.replace(".", "")
    assert row["months"] == len(seen)
    if not seen:
        assert row["turbulence"] is None
        assert row["entropy"] is None
        return
    assert row["log2_subsequences"] == pytest.approx(log2(subsequences(successive(text))))
    assert row["turbulence"] == pytest.approx(turbulence_by_hand(text))
    assert row["transitions"] == len(successive(text)) - 1
    shares = [seen.count(sign) / len(seen) for sign in set(seen)]
    assert row["entropy"] == pytest.approx(-sum(p * log(p) for p in shares) / log(3))
    assert (row["complexity"] is None) == (len(seen) == 1)


def test_very_long_sequences_do_not_overflow():
    months = pl.DataFrame({"m": pl.date_range(pl.date(1900, 1, 1), pl.date(2030, 12, 1), "1mo",
                                              eager=True)})  # fmt: skip
    long = months.with_columns(id=1, state=pl.Series(["A", "B", "C", "D"] * (months.height // 4)))
    found = trajectories.from_sequences(long, person="id", states="state", month="m")
    # φ of going round through four states: 2 φ(n - 1) - φ(n - 5)
    phi = [1, 2, 4, 8, 16]
    while len(phi) <= months.height:
        phi.append(2 * phi[-1] - phi[-5])
    assert found.measures()["log2_subsequences"][0] == pytest.approx(log2(phi[-1]), rel=1e-13)
    assert found.measures()["turbulence_normalised"][0] == pytest.approx(1.0)


def test_months_not_observed_are_passed_over_or_a_state():
    found = read("AA..AB")
    row = found.measures().row(0, named=True)
    assert (row["months"], row["spells"], row["transitions"]) == (4, 2, 1)
    counted = found.measures(missing=True).row(0, named=True)
    assert (counted["months"], counted["spells"], counted["visited"]) == (6, 4, 3)
    assert counted["entropy"] == pytest.approx(
        -(1 / 2 * log(1 / 2) + 1 / 6 * log(1 / 6) + 1 / 3 * log(1 / 3)) / log(4)
    )
    rates = found.transition_rates().filter(pl.col("n_from") > 0)
    assert rates.filter(pl.col("n") > 0).select("from", "to", "n", "n_from").rows() == [
        ("A", "A", 1, 2), ("A", "B", 1, 2),
    ]  # fmt: skip
    all_rates = found.transition_rates(missing=True).filter(pl.col("n") > 0)
    assert all_rates.select("from", "to", "n", "n_from").rows() == [
        ("A", "A", 1, 3), ("A", "B", 1, 3), ("A", None, 1, 3), (None, "A", 1, 2),
        (None, None, 1, 2),
    ]  # fmt: skip
    assert found.mean_time(missing=True)["estimate"].to_list() == [3, 1, 0, 2]
    gone = found.distribution(missing=True).filter(pl.col("state").is_null())
    assert gone["n"].to_list() == [0, 0, 1, 1, 0, 0]
    assert read("AAB").distribution(missing=True).height == 9


def test_transition_rates_have_persons_as_units():
    found = read("AAAB", "ABBB", "ACCC", w=[1.0, 2.0, 1.0])
    row = found.transition_rates().filter(pl.col("from") == "A", pl.col("to") == "B")
    # moves 1 of 3, 1 of 1, 0 of 1
    rate = Fraction(2, 5)
    parts = [1 - 3 * rate, 1 - rate, -rate]
    assert row["estimate"].item() == pytest.approx(float(rate))
    assert row["std_error"].item() == pytest.approx(sqrt(sum(p**2 for p in parts)) / 5)
    weighted = found.transition_rates(weights="w", weight_type="sampling").filter(
        pl.col("from") == "A", pl.col("to") == "B"
    )
    rate = Fraction(3, 6)
    parts = [1 - 3 * rate, 2 * (1 - rate), -rate]
    assert weighted["estimate"].item() == pytest.approx(0.5)
    assert weighted["std_error"].item() == pytest.approx(sqrt(sum(p**2 for p in parts)) / 6)
    monthly = found.transition_rates(by_month=True, weights="w", weight_type="sampling")
    assert monthly.height == 3 * 9
    first = monthly.filter(pl.col("from") == "A", pl.col("to") == "B").row(0, named=True)
    assert first["estimate"] == pytest.approx(0.5)
    assert first["std_error"] == pytest.approx(sqrt((4 + 1 + 1) / 4) / 4)
    assert monthly.filter(pl.col("from") == "B")["estimate"].to_list()[:3] == [None] * 3
    later = found.transition_rates(lag=3).filter(pl.col("n") > 0)
    assert later.select("from", "to", "n").rows() == [("A", "B", 2), ("A", "C", 1)]


@pytest.mark.parametrize("by_month", [False, True])
def test_transition_rates_with_weights_that_count(by_month):
    found = read("ABBA", "BBBB", "ACAA", w=[2, 1, 3])
    repeated = read("ABBA", "ABBA", "BBBB", "ACAA", "ACAA", "ACAA")
    counted = found.transition_rates(weights="w", by_month=by_month)
    again = repeated.transition_rates(by_month=by_month)
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        assert counted[name].to_list() == pytest.approx(again[name].to_list(), abs=1e-14)
    with pytest.raises(CallError, match="whole numbers"):
        read("AB", w=[0.5]).transition_rates(weights="w", weight_type="frequency")


def test_a_rate_of_zero_has_a_bound_of_zero():
    rates = read("ABAC", "AA..", "BBBB").transition_rates()
    none = rates.filter(pl.col("estimate") == 0)
    assert none["conf_low"].to_list() == [0.0] * none.height


def test_a_column_named_person_beside_the_persons_is_refused():
    frame = pl.DataFrame({"id": [1], "person": ["x"], "2006-01": ["A"]})
    with pytest.raises(CallError, match="'person'"):
        trajectories.from_sequences(frame, person="id", states=["2006-01"])


def test_rates_of_nobody_have_wilsons_interval():
    row = read("AA", "AA").transition_rates().filter(pl.col("from") == "A", pl.col("to") == "B")
    z = 1.959963984540054
    assert row["conf_low"].item() == 0.0
    assert row["conf_high"].item() == pytest.approx(z**2 / (2 + z**2))


def test_mean_time_with_weights_that_count_and_weights_that_stand_for():
    found = read("AAB", "BBB", w=[2.0, 1.0], v=[1.0, 0.5])
    twice = read("AAB", "AAB", "BBB").mean_time()
    counted = found.mean_time(weights="w")
    for name in ("estimate", "std_dev", "std_error", "conf_low", "conf_high"):
        assert counted[name].to_list() == pytest.approx(twice[name].to_list())
    stands = found.mean_time(weights="v").row(0, named=True)
    mean = Fraction(4, 3)
    assert stands["estimate"] == pytest.approx(float(mean))
    squares = (2 - mean) ** 2 + Fraction(1, 4) * mean**2
    assert stands["std_error"] == pytest.approx(sqrt(squares * 2) / 1.5)
    spread = (2 - mean) ** 2 + Fraction(1, 2) * mean**2
    unbiased = spread * Fraction(3, 2) / (Fraction(9, 4) - Fraction(5, 4))
    assert stands["std_dev"] == pytest.approx(sqrt(unbiased))
    assert read("AAB").mean_time()["std_error"].to_list() == [None] * 3


def test_distinct_sequences_are_counted_and_written():
    found = read(
        "AAB.", "AAB.", "ABBB", "BBBB", "....", w=[1.0, 1.0, 6.0, 1.0, 1.0], g=list("xxyyy")
    )
    assert found.distinct().rows() == [
        ("A/2-B/1-*/1", 2, 0.4), ("A/1-B/3", 1, 0.2), ("B/4", 1, 0.2), ("*/4", 1, 0.2),
    ]  # fmt: skip
    assert found.distinct(1, weights="w").rows() == [("A/1-B/3", 1, 0.6)]
    assert found.distinct(1, by="g").rows() == [
        ("x", "A/2-B/1-*/1", 2, 1.0), ("y", "A/1-B/3", 1, 1 / 3),
    ]  # fmt: skip
    assert found.distinct(successive=True).rows() == [("A-B", 3, 0.6), ("B", 1, 0.2), ("", 1, 0.2)]
    with_gaps = found.distinct(successive=True, missing=True)
    assert with_gaps["sequence"].to_list() == ["A-B-*", "A-B", "B", "*"]


def test_entropy_of_the_distribution_by_group():
    found = read("AB", "BB", "C.", g=["x", "x", "y"])
    plain = found.entropy()
    assert plain["estimate"].to_list() == pytest.approx([1.0, 0.0])
    assert plain["n_observed"].to_list() == [3, 2]
    grouped = found.entropy("g")
    assert grouped["estimate"].to_list() == [pytest.approx(log(2) / log(3)), 0.0, 0.0, None]


def test_wide_is_what_was_read():
    found = read("AB.", "BBC", g=["x", "y"])
    assert found.wide().rows() == [(0, "A", "B", None, "x"), (1, "B", "B", "C", "y")]
    assert found.wide().columns == ["person", "2006-01", "2006-02", "2006-03", "g"]


def test_every_state_may_be_the_only_one():
    found = read("AAA", alphabet="A")
    row = found.measures().row(0, named=True)
    assert (row["entropy"], row["turbulence"], row["complexity"]) == (0.0, 1.0, 0.0)
    assert row["turbulence_normalised"] == 0.0


def test_shuffled_rows_give_the_same_numbers():
    texts = ["AABC", "ABCA", "CCCC", "AABC", "B.BA"]
    frame = read(*texts, g=list("xyxyx"), w=[0.5, 1.25, 2.0, 0.1, 3.0])
    again = read(*texts[::-1], g=list("xyxyx")[::-1], w=[3.0, 0.1, 2.0, 1.25, 0.5])
    for ask in (
        lambda s: s.transition_rates("g", weights="w"),
        lambda s: s.mean_time("g", weights="w"),
        lambda s: s.entropy("g", weights="w"),
        lambda s: s.distinct(by="g", weights="w"),
    ):
        ours, theirs = ask(frame), ask(again)
        for name in ours.columns:
            if ours[name].dtype.is_float():
                np.testing.assert_allclose(
                    ours[name].to_numpy(), theirs[name].to_numpy(), rtol=1e-12, atol=1e-12
                )
            else:
                assert ours[name].to_list() == theirs[name].to_list()


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda s: s.mean_time("gg"), UnknownColumnError),
        (lambda s: s.mean_time(weights="hole"), MissingValueError),
        (lambda s: s.mean_time(weights="minus"), NegativeTimeError),
        (lambda s: s.mean_time(weights="zero"), InputError),
        (lambda s: s.mean_time(weights="g"), WrongTypeError),
        (lambda s: s.mean_time(weights="half", weight_type="frequency"), CallError),
        (lambda s: s.mean_time(weights="half", weight_type="freq"), UnknownOptionError),
        (lambda s: s.mean_time(conf_level=95), CallError),
        (lambda s: s.mean_time(["g", "g"]), CallError),
        (lambda s: s.mean_time("n"), CallError),
        (lambda s: s.transition_rates(lag=0), CallError),
        (lambda s: s.transition_rates(lag=2), CallError),
        (lambda s: s.measures(unvisited="drop"), UnknownOptionError),
        (lambda s: s.distinct(0), CallError),
    ],
)
def test_the_door(ask, error):
    found = read(
        "AB", "BA", g=["x", "y"], hole=[1.0, None], minus=[1.0, -1.0], zero=[0, 0],
        half=[0.5, 1.0], n=[1, 2],
    )  # fmt: skip
    with pytest.raises(error):
        ask(found)
