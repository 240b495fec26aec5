"""Chains seen now and then, worked out by hand."""

import itertools
from fractions import Fraction as F  # noqa: N817 - a fraction a line

import numpy as np
import polars as pl
import pytest
from scipy.linalg import expm

from toolkit import survival
from toolkit.survival.markov.likelihood import value_and_slope
from toolkit.survival.markov.model import prepare

COLUMNS = {"person": "person", "time": "time", "state": "state"}


def seen(*sequences, gap=1, **columns):
    """Sequences of states, `gap` apart, or of (time, state)."""
    rows = [
        (i, *(step if isinstance(step, tuple) else (j * gap, step)))
        for i, states in enumerate(sequences)
        for j, step in enumerate(states)
    ]
    frame = pl.DataFrame(rows, schema=["person", "time", "state"], orient="row")
    return frame.with_columns(pl.Series(k, v) for k, v in columns.items())


def fit(frame, allowed="all", **options):
    return survival.markov(frame, allowed=allowed, **COLUMNS, **options)


def rates(chain, **options):
    found = chain.intensities(**options)
    return {(a, b): x for a, b, x in found.select("from", "to", "estimate").iter_rows()}


def problem_of(frame, allowed="all", **options):
    return prepare(frame, allowed=allowed, **COLUMNS, **options).problem


def at(problem, *q):
    return value_and_slope(problem, np.log(q))[0]


def test_two_states_at_even_moments():
    # of 10 looked at in 1 three are in 2 after 2 months, of 8 in 2 two in 1: the chain fits these
    # shares exactly, and -log(1 - 3/10 - 2/8) / 2 is the sum of the intensities
    frame = seen(*[[1, 2]] * 3, *[[1, 1]] * 7, *[[2, 1]] * 2, *[[2, 2]] * 6, gap=2)
    up, down = F(3, 10), F(1, 4)
    total = -np.log(float(1 - up - down)) / 2
    chain = fit(frame)
    assert rates(chain) == pytest.approx(
        {(1, 2): total * float(up / (up + down)), (2, 1): total * float(down / (up + down))},
        abs=1e-10,
    )
    assert chain.probabilities(2)["estimate"].to_list() == pytest.approx(
        [0.7, 0.3, 0.25, 0.75], abs=1e-10
    )
    assert chain.loglik == pytest.approx(
        3 * np.log(0.3) + 7 * np.log(0.7) + 2 * np.log(0.25) + 6 * np.log(0.75), abs=1e-10
    )
    # a saturated model: shares have binomial variances
    errors = chain.probabilities(2)["std_error"].to_numpy()
    assert errors[[0, 2]] == pytest.approx([np.sqrt(0.21 / 10), np.sqrt(0.1875 / 8)], rel=1e-6)


def test_exact_moves_are_moves_over_time_at_risk():
    frame = seen([(0, 1), (2, 2), (5, 1), (9, 1)], [(0, 2), (4, 1), (5, 3)])
    chain = fit(frame, [(1, 2), (2, 1), (1, 3)], observed_exactly=True)
    # in 1: 2 + 4 + 1 months, one move to 2 and one to 3; in 2: 3 + 4 months, two moves to 1
    assert rates(chain) == pytest.approx(
        {(1, 2): float(F(1, 7)), (1, 3): float(F(1, 7)), (2, 1): float(F(2, 7))}, abs=1e-10
    )
    errors = chain.intensities()["std_error"].to_list()
    assert errors == pytest.approx([1 / 7, 1 / 7, np.sqrt(2) / 7], rel=1e-7)
    assert chain.sojourn()["estimate"].to_list() == pytest.approx([3.5, 3.5], abs=1e-8)
    assert chain.next_state()["estimate"].to_list() == pytest.approx([0.5, 0.5, 1.0], abs=1e-9)


def test_exact_moves_in_periods():
    frame = seen([(0, 1), (8, 2)], [(0, 1), (3, 2)], [(0, 1), (10, 1)])
    chain = fit(frame, [(1, 2)], observed_exactly=True, breaks=[5])
    # up to 5: 5 + 3 + 5 months and one move; later 3 + 5 months and one move
    assert chain.intensities()["estimate"].to_list() == pytest.approx([1 / 13, 1 / 8], abs=1e-10)
    assert chain.intensities()["period"].to_list() == ["(-inf, 5)", "[5, inf)"]
    ratio = chain.hazard_ratios()
    assert ratio["estimate"].item() == pytest.approx(13 / 8, abs=1e-9)
    assert ratio["std_error"].item() == pytest.approx(np.sqrt(2), rel=1e-7)
    assert chain.probabilities(8, start=2)["estimate"][0] == pytest.approx(
        np.exp(-3 / 13 - 3 / 8), abs=1e-10
    )


def test_an_exit_at_a_known_moment_is_exponential():
    frame = seen(
        [(0, "in"), (2, "out")], [(0, "in"), (1, "in"), (5, "out")], [(0, "in"), (4, "in")]
    )
    chain = fit(frame, [("in", "out")], exact="out")
    assert rates(chain)["in", "out"] == pytest.approx(float(F(2, 11)), abs=1e-10)
    panel = fit(frame, [("in", "out")])  # 2, 1, 4 and 4 months with two exits within 2 and 4
    q = rates(panel)["in", "out"]
    slope = 2 * np.exp(-2 * q) / (1 - np.exp(-2 * q)) + 4 * np.exp(-4 * q) / (1 - np.exp(-4 * q))
    assert slope == pytest.approx(1 + 4, abs=1e-8)


def test_eigenvectors_that_fall_together():
    # with both intensities q the matrix has one eigenvector too few: P_13 = 1 - (1 + qu) exp(-qu)
    frame = seen([1, 3], [1, 2], [2, 3], [1, 1], [2, 2], gap=3)
    problem = problem_of(frame, [(1, 2), (2, 3)])
    q, u = 0.25, 3.0
    stay = np.exp(-q * u)
    value = np.log(1 - (1 + q * u) * stay) + np.log(q * u * stay) + np.log(1 - stay) + 2 * -q * u
    assert at(problem, q, q) == pytest.approx(value, abs=1e-12)
    assert at(problem, q, q * (1 + 1e-9)) == pytest.approx(value, abs=1e-8)
    _, slope = value_and_slope(problem, np.log([q, q]))
    near = [at(problem, q * np.exp(h), q) for h in (-1e-5, 1e-5)]
    assert slope[0] == pytest.approx((near[1] - near[0]) / 2e-5, abs=1e-8)


def test_a_probability_too_small_for_eigenvalues():
    # five steps up within a day: about (q u)^5 / 5!, twelve digits below 1
    steps = [(a, a + 1) for a in range(1, 6)] + [(a + 1, a) for a in range(1, 6)]
    frame = seen([1, 6], [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1], gap=0.01)
    problem = problem_of(frame, steps)
    q = np.array([0.3, 0.4, 0.5, 0.6, 0.7] + [0.2] * 5)
    alone = problem_of(seen([1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1], gap=0.01), steps)
    order = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]  # moves by origin: 12 21 23 32 34 43 45 54 56 65
    by_move = np.empty(10)
    by_move[order] = q
    jump = at(problem, *by_move) - at(alone, *by_move)
    # exp(uQ) by its series, in fractions
    generator = [[F(0)] * 6 for _ in range(6)]
    for (a, b), value in zip(steps, q, strict=True):
        generator[a - 1][b - 1] = F(value) * F(0.01)
        generator[a - 1][a - 1] -= F(value) * F(0.01)
    row, total = [F(1), *[F(0)] * 5], F(0)
    for n in range(1, 16):
        row = [sum(row[k] * generator[k][j] for k in range(6)) / n for j in range(6)]
        total += row[5]
    assert jump == pytest.approx(np.log(float(total)), abs=1e-9)


def test_a_chain_that_turns_has_complex_eigenvalues():
    frame = seen([1, 2, 3, 1, 1, 2], [2, 3, 3, 1], [3, 1, 2, 2], gap=2)
    problem = problem_of(frame, [(1, 2), (2, 3), (3, 1)])
    q = 0.3
    p = expm(2 * np.array([[-q, q, 0], [0, -q, q], [q, 0, -q]]))
    pairs = [(0, 1), (1, 2), (2, 0), (0, 0), (0, 1), (1, 2), (2, 2), (2, 0), (2, 0), (0, 1), (1, 1)]
    assert at(problem, q, q, q) == pytest.approx(sum(np.log(p[a, b]) for a, b in pairs), abs=1e-12)


def test_a_free_effect_of_a_group_is_a_fit_of_its_own():
    one = seen(*[[1, 1, 1, 2]] * 3, [2, 2, 1, 1], [1, 1, 1, 2])
    two = seen(*[[1, 2, 2, 2]] * 2, [2, 2, 1, 2], [1, 1, 1, 1], [2, 2, 2, 1])
    both = pl.concat(
        [one.with_columns(group=0), two.with_columns(group=1, person=pl.col("person") + 100)]
    )
    chain = fit(both, formula="group")
    for group, frame in ((0, one), (1, two)):
        alone = fit(frame)
        table = chain.intensities({"group": [group]})
        assert table["estimate"].to_list() == pytest.approx(
            alone.intensities()["estimate"].to_list(), abs=1e-8
        )
        assert table["std_error"].to_list() == pytest.approx(
            alone.intensities()["std_error"].to_list(), rel=1e-6
        )
    assert chain.loglik == pytest.approx(fit(one).loglik + fit(two).loglik, abs=1e-9)


def test_a_code_for_either_state():
    # a last observation that may be anything tells nothing; one in the middle leaves two steps
    plain = seen([1, 2, 2], [2, 1, 1, 1], [1, 1, 2])
    frame = seen([1, 2, 2, 9], [2, 1, 1, 1], [1, 1, 2, 9])
    assert fit(frame, censored={9: (1, 2)}).loglik == pytest.approx(fit(plain).loglik, abs=1e-10)
    gap = seen([1, 2, 2], [2, 2, 1, 1, 1], [(0, 1), (1, 9), (2, 1), (3, 2)])
    chain = fit(gap, censored={9: (1, 2)})
    whole = fit(seen([1, 2, 2], [2, 2, 1, 1, 1], [(0, 1), (2, 1), (3, 2)]))
    assert chain.loglik == pytest.approx(whole.loglik, abs=1e-10)
    null = gap.with_columns(state=pl.col("state").replace({9: None}))
    assert fit(null, censored={None: (1, 2)}).loglik == pytest.approx(whole.loglik, abs=1e-10)


def hidden_paths(states, q, e, pi, gap=1.0):
    """The likelihood of a sequence seen with error, and each hidden path's share, one by one."""
    p = expm(gap * q)
    share = {}
    for path in itertools.product(range(len(q)), repeat=len(states)):
        chance = pi[path[0]] * e[path[0], states[0]]
        for a, b, s in zip(path, path[1:], states[1:], strict=False):
            chance *= p[a, b] * e[b, s]
        share[path] = chance
    return sum(share.values()), share


def test_states_seen_with_error_sum_over_all_paths():
    sequences = [[1, 2, 1, 1, 3], [2, 2, 3, 2], [1, 1, 2, 3, 3], [3, 2, 2, 1], [1, 2, 2, 1, 1]]
    frame = seen(*sequences * 4)
    problem = problem_of(frame, "ladder", misclassification="ladder")
    layout = problem.layout
    theta = np.zeros(layout.size)
    theta[layout.base] = np.log([0.2, 0.1, 0.3, 0.15])
    theta[layout.mistake] = np.log([0.1, 0.2, 0.05, 0.3])
    theta[layout.opening] = [-0.4, -0.9]
    q = layout.generators(theta, np.zeros((1, 0)))[0]
    e, pi = layout.mistakes(theta), layout.first_states(theta)
    assert e[0] == pytest.approx([1 / 1.1, 0.1 / 1.1, 0])
    assert e[1] == pytest.approx([0.2 / 1.25, 1 / 1.25, 0.05 / 1.25])
    expected = sum(
        4 * np.log(hidden_paths([s - 1 for s in states], q, e, pi)[0]) for states in sequences
    )
    assert value_and_slope(problem, theta)[0] == pytest.approx(expected, abs=1e-11)


def test_the_likeliest_path_is_the_best_of_all():
    sequences = [[1, 2, 2, 1, 2], [2, 2, 3, 2], [1, 1, 2, 3, 3], [1, 2, 2, 1, 1], [1, 1, 1, 2, 2]]
    frame = seen(*sequences * 3)
    chain = fit(frame, "ladder", misclassification=[(2, 1), (3, 2)], initial={1: 0.6, 2: 0.4})
    layout = chain.problem.layout
    q = layout.generators(chain.theta, np.zeros((1, 0)))[0]
    e, pi = layout.mistakes(chain.theta), layout.first_states(chain.theta)
    found = chain.viterbi()
    for i, states in enumerate(sequences):
        total, share = hidden_paths([s - 1 for s in states], q, e, pi)
        mine = found.filter(pl.col("person") == i)
        best = max(share, key=share.get)
        assert mine["state"].to_list() == [s + 1 for s in best]
        for place, row in enumerate(mine["probability"]):
            there = sum(x for path, x in share.items() if path[place] == best[place])
            assert row == pytest.approx(there / total, abs=1e-9)


def test_expected_time_of_two_states():
    frame = seen(*[[1, 2, 2, 1]] * 3, [2, 2, 1, 1], [1, 1, 1, 1, 2, 2])
    chain = fit(frame)
    q = rates(chain)
    total = q[1, 2] + q[2, 1]
    away = q[1, 2] / total * (6 - (1 - np.exp(-6 * total)) / total)
    found = chain.expected_time(6)
    assert found["estimate"].to_list()[:2] == pytest.approx([6 - away, away], abs=1e-9)
    assert (
        found.group_by("from").agg(pl.col("estimate").sum())["estimate"].to_list()
        == [pytest.approx(6.0)] * 2
    )


def test_an_intensity_of_zero_is_named():
    frame = seen(*[[1, 2, 2, 2]] * 4, *[[1, 1, 2, 2]] * 4, [1, 1, 1, 1])
    chain = fit(frame)
    assert "'intensity 2→1' is estimated at 0" in chain.meta["warnings"][0]
    table = chain.intensities()
    assert table["estimate"].to_list()[1] == 0
    assert table["std_error"].to_list()[1] is None
    alone = fit(frame, [(1, 2)])
    assert chain.loglik == pytest.approx(alone.loglik, abs=1e-7)
    assert table["std_error"][0] == pytest.approx(alone.intensities()["std_error"][0], rel=1e-6)


def test_prevalence_counts_who_is_there():
    frame = seen([(0, 1), (3, 2), (6, 2)], [(0, 1), (4, 1)], [(0, 2), (2, 3)], [(0, 1), (5, 3)])
    chain = fit(frame, [(1, 2), (2, 1), (1, 3), (2, 3)], exact=3)
    table = chain.prevalence([0, 4, 6])
    assert table["observed"].to_list() == [3, 1, 0, 2, 1, 1, 0, 1, 2]
    assert table["n_risk"].to_list() == [4] * 6 + [3] * 3
    p = chain.probabilities(6)["estimate"].to_numpy().reshape(3, 3)
    # at 6 three are counted: one who stayed in sight and the two who left; two began in 1
    assert table["expected"].to_list()[6:] == pytest.approx((2 * p[0] + p[1]).tolist(), abs=1e-9)
