"""Rosenbaum bounds: enumerated, by hand, and the tables of his book."""

import itertools
from fractions import Fraction
from importlib import import_module
from math import comb

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from toolkit.effects.sensitivity import amplify, rosenbaum_bounds
from toolkit.effects.sensitivity.rosenbaum_binary import (
    BinarySets,
    lower_tail,
    moments,
    upper_tail,
)
from toolkit.effects.sensitivity.rosenbaum_ranks import signed_ranks
from toolkit.effects.sensitivity.walsh import walsh_averages
from toolkit.errors import CallError, EmptyCohortError, MissingValueError, UnknownOptionError

BOOK = "Rosenbaum (2002), Observational Studies, 2nd edition, chapter 4"
# Morton et al. (1982): lead in the blood of 33 children of exposed fathers, and of their controls
EXPOSED = [38, 23, 41, 18, 37, 36, 23, 62, 31, 34, 24, 14, 21, 17, 16, 20, 15,
           10, 45, 39, 22, 35, 49, 48, 44, 35, 43, 39, 34, 13, 73, 25, 27]  # fmt: skip
CONTROL = [16, 18, 18, 24, 19, 11, 10, 15, 16, 18, 18, 13, 19, 10, 16, 16, 24,
           13, 9, 14, 21, 19, 7, 18, 19, 12, 11, 22, 25, 16, 13, 11, 13]  # fmt: skip


def inside(name):
    return import_module(f"toolkit.effects.sensitivity.{name}")


def pairs(treated, control):
    n = len(treated)
    return pl.DataFrame(
        {
            "pair": [*range(n), *range(n)],
            "treated": [True] * n + [False] * n,
            "y": [*treated, *control],
        }
    )


def bounds(frame, **options):
    return rosenbaum_bounds(frame, outcome="y", treatment="treated", subclass="pair", **options)


def test_lead_in_blood_estimates_are_those_of_the_book(agree):
    table = bounds(pairs(EXPOSED, CONTROL), gammas=[1, 2, 3, 4, 5]).tidy()
    agree("Sensitivity", "Hodges-Lehmann, least under Γ = 1 … 5", table["estimate_low"],
          [15, 10.25, 8, 6.5, 5], source=BOOK)  # fmt: skip
    agree("Sensitivity", "Hodges-Lehmann, largest under Γ = 1 … 5", table["estimate_high"],
          [15, 19.5, 23, 25, 26.5], source=BOOK)  # fmt: skip


def test_lead_in_blood_p_values_are_those_of_the_book(agree, monkeypatch):
    monkeypatch.setattr(inside("rosenbaum_ranks"), "_EXACT_PAIRS", 0)
    gammas = [2, 3, 4, 4.25, 5]
    table = bounds(
        pairs(EXPOSED, CONTROL), gammas=gammas, alternative="greater", zeros="rank"
    ).tidy()
    agree("Sensitivity", "signed rank, largest p under Γ = 2 … 5", table["p_high"],
          [0.0018, 0.0136, 0.0388, 0.0468, 0.0740], tolerance=5e-5, source=BOOK,
          reason="printed to four digits")  # fmt: skip


def test_smoking_and_lung_cancer_is_the_binomial():
    """36,975 pairs, of which 122 differ, 110 of these the smoker's (Hammond 1964)."""
    frame = pairs([1] * 110 + [0] * 12 + [0] * 500, [0] * 110 + [1] * 12 + [0] * 500)
    table = bounds(frame, gammas=[1, 2, 4, 6], alternative="greater").tidy()
    for gamma, low, high in table.iter_rows():
        for odds, found in ((Fraction(gamma), high), (1 / Fraction(gamma), low)):
            p = odds / (1 + odds)
            exact = sum(comb(122, k) * p**k * (1 - p) ** (122 - k) for k in range(110, 123))
            assert found == pytest.approx(float(exact), rel=1e-11)


def test_smoking_and_lung_cancer_in_the_book(agree):
    """The book prints the normal approximation with a continuity correction."""
    sets = BinarySets(kind=np.array([[2, 1, 1]]), count=np.array([122]), statistic=110.0)
    ours = []
    for gamma in (4, 5, 6):
        mean, variance = moments(sets, gamma)
        ours.append(ndtr(-(110 - 0.5 - mean) / variance**0.5))
    agree("Sensitivity", "McNemar, largest p under Γ = 4, 5, 6", ours, [0.0036, 0.03, 0.1],
          tolerance=2e-3, source=BOOK, reason="printed to one or two digits")  # fmt: skip


def chance_of(assignment, u, gamma):
    return gamma ** sum(u[i] for i in assignment)


def enumerated(sets, gamma):
    """Return the least and the largest P(T ≥ t), over every u of 0s and 1s in every set."""
    lists = []
    for treated, outcome in sets:
        n, m = len(outcome), sum(treated)
        per_set = set()
        for u in itertools.product((0, 1), repeat=n):
            law = {}
            for chosen in itertools.combinations(range(n), m):
                t = sum(outcome[i] for i in chosen)
                law[t] = law.get(t, 0) + chance_of(chosen, u, gamma)
            total = sum(law.values())
            per_set.add(tuple(sorted((t, w / total) for t, w in law.items())))
        lists.append(per_set)
    t = sum(y for treated, outcome in sets for z, y in zip(treated, outcome, strict=True) if z)
    tails = []
    for laws in itertools.product(*lists):
        tail = Fraction(0)
        for values in itertools.product(*laws):
            if sum(v for v, _ in values) >= t:
                weight = Fraction(1)
                for _, p in values:
                    weight *= p
                tail += weight
        tails.append(tail)
    return min(tails), max(tails)


SETS = [
    [((1, 0), (1, 0)), ((1, 0), (0, 1)), ((1, 0, 0), (1, 0, 0))],
    [((1, 0, 0), (1, 1, 0)), ((1, 0, 0, 0), (1, 0, 0, 1))],
    [((1, 1, 0), (1, 1, 0)), ((1, 0, 0), (0, 0, 1))],
    [((1, 1, 0, 0), (1, 1, 0, 0)), ((1, 0), (1, 0))],
    [((1, 1, 0, 0, 0), (1, 0, 1, 0, 1))],
]


@pytest.mark.parametrize("sets", SETS)
@pytest.mark.parametrize("gamma", [Fraction(1), Fraction(3, 2), Fraction(4)])
def test_sets_are_bounded_as_enumeration_says(sets, gamma):
    frame = pl.DataFrame(
        [
            {"pair": number, "treated": bool(z), "y": y}
            for number, (treated, outcome) in enumerate(sets)
            for z, y in zip(treated, outcome, strict=True)
        ]
    )
    table = bounds(frame, gammas=[float(gamma)], alternative="greater").tidy()
    low, high = enumerated(sets, gamma)
    assert table["p_low"][0] == pytest.approx(float(low), rel=1e-12)
    assert table["p_high"][0] == pytest.approx(float(high), rel=1e-12)


@pytest.mark.parametrize("difference", [[3, -1, 2, 5], [1, 1, -1, 2, 4], [0, 2, -3, 4, 4, -1]])
@pytest.mark.parametrize("gamma", [Fraction(1), Fraction(2), Fraction(7, 2)])
def test_signed_rank_is_bounded_as_enumeration_says(difference, gamma):
    """u of 0s and 1s make a pair's chance Γ/(1+Γ), ½ or 1/(1+Γ)."""
    there = [d for d in difference if d]
    size = sorted(abs(d) for d in there)
    rank = {a: Fraction(2 * size.index(a) + size.count(a) + 1, 2) for a in size}
    q = [rank[abs(d)] for d in there]
    t = sum(r for r, d in zip(q, there, strict=True) if d > 0)
    tails = []
    high = gamma / (1 + gamma)
    for chance in itertools.product((high, Fraction(1, 2), 1 - high), repeat=len(q)):
        tail = Fraction(0)
        for sign in itertools.product((0, 1), repeat=len(q)):
            if sum(r for r, s in zip(q, sign, strict=True) if s) >= t:
                weight = Fraction(1)
                for p, s in zip(chance, sign, strict=True):
                    weight *= p if s else 1 - p
                tail += weight
        tails.append(tail)
    table = bounds(
        pairs(difference, [0] * len(difference)), gammas=[float(gamma)], alternative="greater"
    ).tidy()
    assert table["p_low"][0] == pytest.approx(float(min(tails)), rel=1e-12)
    assert table["p_high"][0] == pytest.approx(float(max(tails)), rel=1e-12)


def test_estimates_and_intervals_are_walsh_averages():
    rng = np.random.default_rng(3)
    for n, ties in ((1, False), (2, True), (9, False), (40, True)):
        d = rng.normal(1, 2, n)
        d = np.round(d) if ties else d
        walsh = sorted(((a + b) / 2 for i, a in enumerate(d) for b in d[i:]), reverse=True)
        averages = walsh_averages(d)
        found = [averages.largest(rank + 1) for rank in range(len(walsh))]
        assert found == pytest.approx(walsh, abs=1e-8)
        for target in (len(walsh) / 2, len(walsh) * 2 / 3, 0.75):
            above = [w for w in walsh if sum(v > w for v in walsh) < target]
            below = [w for w in walsh if sum(v >= w for v in walsh) > target]
            assert averages.crossing(target) == pytest.approx(
                (min(above) + max(below)) / 2 if below else -np.inf, abs=1e-8
            )


def test_an_interval_holds_what_the_test_does_not_reject():
    rng = np.random.default_rng(8)
    d = rng.normal(1, 1, 15)
    for gamma in (1.0, 1.5, 2.5):
        table = bounds(pairs(d, np.zeros(15)), gammas=[gamma]).tidy()
        low, high = table["conf_low"][0], table["conf_high"][0]
        for shift, inside in (
            (low - 1e-6, False), (low + 1e-6, True), (high - 1e-6, True), (high + 1e-6, False),
        ):  # fmt: skip
            p = bounds(pairs(d - shift, np.zeros(15)), gammas=[gamma]).tidy()["p_high"][0]
            assert (p > 0.05) == inside


def test_too_few_pairs_have_no_bounded_interval():
    table = bounds(pairs([1.5, 2.5, 3.0], [0, 0, 0]), gammas=[1]).tidy()
    assert (table["conf_low"][0], table["conf_high"][0]) == (-np.inf, np.inf)


def test_two_sided_is_twice_the_smaller_side():
    frame = pairs(EXPOSED, CONTROL)
    two, greater, less = (
        bounds(frame, alternative=side, gammas=[1, 2, 6]).tidy()
        for side in ("two-sided", "greater", "less")
    )
    smaller = np.minimum(greater["p_high"].to_numpy(), less["p_high"].to_numpy())
    assert two["p_high"].to_numpy() == pytest.approx(np.minimum(1, 2 * smaller))


@pytest.mark.parametrize("kind", ["numbers", "yes and no", "sets"])
def test_the_critical_gamma_is_where_p_reaches_alpha(kind):
    rng = np.random.default_rng(5)
    treated, control = rng.normal(1, 1, 80), rng.normal(0, 1, 80)
    frame = pairs(treated, control)
    if kind != "numbers":
        frame = frame.with_columns(y=pl.col("y") > 0)
    if kind == "sets":
        frame = frame.with_columns(pair=pl.col("pair") // 2)
    found = bounds(frame)
    at = bounds(frame, gammas=[found.critical_gamma]).tidy()["p_high"][0]
    assert at == pytest.approx(0.05, rel=1e-6)
    assert found.glance()["critical_gamma"][0] == found.critical_gamma


def test_no_gamma_undoes_what_is_not_there():
    assert bounds(pairs([1, 0, 1], [0, 1, 0])).critical_gamma is None


def test_mirrored_outcomes_mirror_the_bounds():
    frame = pairs(EXPOSED, CONTROL)
    up = bounds(frame, alternative="greater", gammas=[1.5]).tidy()
    down = bounds(frame.with_columns(y=-pl.col("y")), alternative="less", gammas=[1.5]).tidy()
    assert up["p_high"][0] == pytest.approx(down["p_high"][0], rel=1e-12)
    assert up["estimate_low"][0] == pytest.approx(-down["estimate_high"][0])


def test_tails_of_many_sets_are_close_to_exact(monkeypatch):
    kind, count = np.array([[3, 1, 1], [4, 2, 2]]), np.array([150, 60])
    sets = BinarySets(kind=kind, count=count, statistic=125.0)
    exact = upper_tail(sets, 1.2), lower_tail(sets, 1.2)
    monkeypatch.setattr(inside("rosenbaum_binary"), "_EXACT_RANGE", 0)
    assert (upper_tail(sets, 1.2), lower_tail(sets, 1.2)) == pytest.approx(exact, rel=0.02)
    assert not sets.exact


def test_ranks_average_ties_and_leave_out_zeros():
    test = signed_ranks(np.array([0.0, 1, -1, 3]))
    assert test.ranks.tolist() == [1.5, 1.5, 3]
    assert test.statistic == 4.5
    assert signed_ranks(np.array([0.0, 1, -1, 3]), "rank").statistic == 2.5 + 4


def test_amplification_is_the_curve_of_rosenbaum_and_silber():
    """Γ = (ΛΔ + 1) / (Λ + Δ); their example: Γ = 1.25 is Λ = Δ = 2."""
    assert amplify(1.25, 2.0) == 2.0
    for strength in (1.6, 3.0, 10.0):
        other = amplify(1.5, strength)
        assert (strength * other + 1) / (strength + other) == pytest.approx(1.5)
    with pytest.raises(CallError, match="not above"):
        amplify(2.0, 2.0)


def test_rows_in_any_order_say_the_same():
    frame = pairs(EXPOSED, CONTROL)
    assert (
        bounds(frame.sample(fraction=1, shuffle=True, seed=1)).tidy().equals(bounds(frame).tidy())
    )


def test_sets_of_one_kind_of_people_are_counted():
    frame = pl.DataFrame(
        {"pair": [1, 1, 2, 2, None], "treated": [1, 0, 1, 1, 0], "y": [1, 0, 1, 0, None]}
    )
    found = bounds(frame)
    assert found.meta["dropped"] == {"in a set without treated, or without controls": 2}
    assert found.n_sets == 1


def test_the_door():
    frame = pairs([1, 0, 1], [0, 1, 0])
    with pytest.raises(UnknownOptionError):
        bounds(frame, alternative="more")
    with pytest.raises(UnknownOptionError):
        bounds(frame, zeros="split")
    with pytest.raises(CallError, match="below 1"):
        bounds(frame, gammas=[0.5])
    with pytest.raises(CallError, match="no list"):
        bounds(frame, gammas="abc")
    with pytest.raises(CallError, match="no matched pairs"):
        rosenbaum_bounds(frame, outcome="y", treatment="treated")
    with pytest.raises(CallError, match="who was treated"):
        rosenbaum_bounds(frame, outcome="y", subclass="pair")
    with pytest.raises(MissingValueError, match="first rows 0"):
        bounds(frame.with_columns(y=pl.when(pl.int_range(6) > 0).then("y")))
    with pytest.raises(EmptyCohortError, match="nothing to bound"):
        bounds(frame.with_columns(y=pl.lit(1)))
    with pytest.raises(CallError, match="no pairs"):
        bounds(frame.with_columns(pair=pl.lit(1), y=pl.col("y") + 0.5))
