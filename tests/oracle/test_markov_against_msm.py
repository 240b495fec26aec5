"""Chains seen now and then, held against R's msm; see make_markov_reference.R."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from scipy.linalg import expm

from toolkit import survival
from toolkit.survival.markov.likelihood import value_and_slope

SOURCE = "R 4.2.2, msm 1.7"
OPTIMUM = (
    "msm's BFGS stops on the change of the likelihood, which is flat at the top: its answer is "
    "open from the fifth digit on, and its likelihood is never above ours"
)
CURVATURE = "msm takes second differences of values with steps of 0.001, we first ones of slopes"

STEPS = [(1, 2), (1, 4), (2, 1), (2, 3), (2, 4), (3, 2), (3, 4)]
STEP = np.log([0.12, 0.02, 0.07, 0.1, 0.03, 0.09, 0.04])
ONWARD = np.log([0.12, 0.02, 0.04, 0.1, 0.06, 0.04])
CIRCLE = [(1, 2), (2, 1), (2, 3), (3, 1)]
SPREAD = [0.1, -0.2, 0.3, 0.05, -0.1, 0.2, -0.3]
BACK = SPREAD[::-1]
ERRORS = [(1, 2), (2, 1), (2, 3), (3, 2)]
#: log(e_rs / e_rr) of 0.08, 0.07, 0.09, 0.06
SLIPS = np.log([0.08 / 0.92, 0.07 / 0.84, 0.09 / 0.84, 0.06 / 0.94])
FIRST = {1: 0.5, 2: 0.3, 3: 0.2}


def ladder(persons=160):
    """A walk along three steps with an exit, in whole numbers; ladder() of the R script."""
    rows = []
    for i in range(1, persons + 1):
        x = (i * 7919) % 65536
        state, time = 1 + i % 3, 0
        for j in range(7):
            if j > 0:
                x = (x * 1103 + 12345) % 65536
                time += 1 + x // 64 % 4
                x = (x * 1103 + 12345) % 65536
                draw = x // 64 % 100
                if draw < 22:
                    state = min(state + 1, 3)
                elif draw < 38:
                    state = max(state - 1, 1)
                elif draw > 92:
                    state = 4
            x = (x * 1103 + 12345) % 65536
            slip = x // 64 % 10
            seen = state
            if state < 4 and slip == 0:
                seen = min(state + 1, 3)
            if state < 4 and slip == 1:
                seen = max(state - 1, 1)
            rows.append((i, j, time, state, seen))
            if state == 4:
                break
    person, visit = pl.col("person"), pl.col("visit")
    unsure = (person + visit) % 9 == 4
    out = pl.col("state") == 4
    return pl.DataFrame(
        rows, schema=["person", "visit", "time", "state", "seen"], orient="row"
    ).with_columns(
        sex=person % 2,
        age=((person * 37) % 11) / 8,
        busy=(visit + person) % 3 == 0,
        day=pl.col("time") + ((person * 31 + visit * 17) % 10) / 16,
        open=pl.when(unsure & ~out).then(99).otherwise("state"),
        vague=pl.when(unsure & (pl.col("seen") < 4)).then(99).otherwise("seen"),
        scheme=pl.when(out).then(pl.lit("arrival"))
        .when((person * visit) % 4 == 1).then(pl.lit("exact")).otherwise(pl.lit("snapshot")),
    )  # fmt: skip


def young():
    frame = ladder().filter(pl.col("state") < 4)
    return frame.filter(pl.len().over("person") > 1)


TWO = [1, 2, 1, 2, 1, 2, 2]
LATER = {"breaks": [4, 9], "constraint": {"period": TWO}}
AFTER = [*STEP, 0.1, -0.2, 0.3, 0.2]
HIDDEN = {
    "allowed": [pair for pair in STEPS if pair != (2, 4)],
    "state": "seen",
    "misclassification": ERRORS,
    "initial": FIRST,
}
EXIT = {"exact": 4}
#: By case: options of markov, the parameters at which msm gives the likelihood (log intensities
#: where covariates are 0, effects, errors), and how many effects go with one covariate.
CASES = {
    "panel": ({}, STEP),
    "exact_exit": (EXIT, STEP),
    "exact_times": ({"observed_exactly": True}, STEP),
    "scheme": ({"scheme": "scheme"}, STEP),
    "days": (EXIT | {"time": "day"}, STEP),
    "covariates": ({"formula": "sex + age"}, [*STEP, *SPREAD, *BACK]),
    "covariates_exit": (EXIT | {"formula": "sex"}, [*STEP, *SPREAD]),
    "changing": (
        EXIT | {"formula": "busy", "constraint": {"busy": [1, 2, 1, 3, 2, 1, 3]}},
        [*STEP, SPREAD[0], SPREAD[1], SPREAD[3]],
    ),
    "equal": (EXIT | {"formula": "sex + age", "constraint": "equal"}, [*STEP, 0.3, -0.2]),
    "breaks": (EXIT | LATER, AFTER),
    "breaks_days": (EXIT | LATER | {"time": "day"}, AFTER),
    "breaks_panel": (LATER, AFTER),
    "breaks_covariates": (
        EXIT | {
            "formula": "sex", "breaks": [6],
            "constraint": {"sex": "equal", "period": TWO},
        },
        [*STEP, 0.3, 0.1, 0.2],
    ),
    "censored": ({"state": "open", "censored": {99: (1, 2)}}, STEP),
    "censored_exit": (
        EXIT | {"state": "open", "censored": {99: (1, 2, 3)}, "formula": "sex"}, [*STEP, *SPREAD],
    ),
    "hidden": (EXIT | HIDDEN, [*ONWARD, *SLIPS]),
    "hidden_panel": (HIDDEN, [*ONWARD, *SLIPS]),
    "hidden_first": (
        EXIT | HIDDEN | {"initial": "estimate"}, [*ONWARD, *SLIPS, *np.log([0.3 / 0.5, 0.2 / 0.5])],
    ),
    "hidden_covariates": (
        EXIT | HIDDEN | {"formula": "sex", "constraint": "equal"}, [*ONWARD, 0.3, *SLIPS],
    ),
    "hidden_breaks": (
        EXIT | HIDDEN | {"breaks": [6], "constraint": {"period": "equal"}}, [*ONWARD, 0.3, *SLIPS],
    ),
    "hidden_censored": (
        EXIT | HIDDEN | {"state": "vague", "censored": {99: (1, 2, 3)}}, [*ONWARD, *SLIPS],
    ),
    "circle": ({"allowed": CIRCLE}, np.log([0.12, 0.04, 0.15, 0.2])),
}  # fmt: skip


@pytest.fixture(scope="module")
def chains():
    """The chain of a case, fitted when first asked for."""
    frame, made = ladder(), {}

    def fitted(name):
        if name not in made:
            options = {"person": "person", "time": "time", "state": "state", "allowed": STEPS}
            data = young() if name == "circle" else frame
            made[name] = survival.markov(data, **(options | CASES[name][0]))
        return made[name]

    return fitted


def at_zero(chain):
    """Return the matrix from our θ, centred at the means, to msm's with log q where all are 0.

    The commonest first state is our reference for the others, the first state is msm's.
    """
    layout = chain.problem.layout
    turn = np.eye(layout.size)
    for j, places in enumerate(layout.effect):
        for t, place in enumerate(places):
            if place >= 0:
                turn[layout.base[t], place] -= layout.centre[j]
    if len(layout.opening):
        states = layout.opening_states
        block = np.zeros((len(states) - 1, len(states) - 1))
        for row, state in enumerate(np.sort(states)[1:]):
            for column, other in enumerate(states[1:]):
                block[row, column] = float(state == other) - float(other == np.sort(states)[0])
        turn[np.ix_(layout.opening, layout.opening)] = block
    return turn


@pytest.mark.parametrize("name", [name for name in CASES if name != "breaks_panel"])
def test_likelihood_at_given_parameters(name, chains, reference, agree):
    chain = chains(name)
    theta = np.linalg.solve(at_zero(chain), np.array(CASES[name][1]))
    ours, _ = value_and_slope(chain.problem, theta)
    theirs = reference("markov")[name]["loglik_given"]
    agree("Markov chains", f"log-likelihood at given parameters [{name}]", ours, theirs,
          tolerance=1e-8, source=SOURCE)  # fmt: skip


def test_breaks_where_an_absorbing_state_is_seen_in_passing(chains, reference, agree):
    # the product of exponentials over the periods, one interval at a time; and what msm 1.7 gives,
    # which is that product without the paths that are absorbed before the last break
    logs = [STEP, STEP + np.array([0.1, -0.2])[np.array(TWO) - 1],
            STEP + np.array([0.3, 0.2])[np.array(TWO) - 1]]  # fmt: skip
    periods = []
    for log in logs:
        q = np.zeros((4, 4))
        q[tuple(np.array(STEPS).T - 1)] = np.exp(log)
        periods.append(q - np.diag(q.sum(axis=1)))
    whole = alive = 0.0
    rows = ladder().select("person", "time", "state").rows()
    for (one, start, origin), (other, end, target) in pairwise(rows):
        if one != other:
            continue
        edges = [start, *(at for at in (4, 9) if start < at < end), end]
        full, partial = np.eye(4)[origin - 1], np.eye(4)[origin - 1]
        for low, high in pairwise(edges):
            step = expm(periods[(low >= 4) + (low >= 9)] * (high - low))
            full, partial = full @ step, partial @ step
            if high < end:
                partial[3] = 0
        whole, alive = whole + np.log(full[target - 1]), alive + np.log(partial[target - 1])
    chain = chains("breaks_panel")
    theta = np.linalg.solve(at_zero(chain), np.array(CASES["breaks_panel"][1]))
    ours, _ = value_and_slope(chain.problem, theta)
    agree("Markov chains", "log-likelihood, breaks and an absorbing state seen in passing", ours,
          whole, tolerance=1e-8, source="scipy's expm, interval by interval")  # fmt: skip
    assert alive == pytest.approx(reference("markov")["breaks_panel"]["loglik_given"], abs=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_slope_is_that_of_the_likelihood(name, chains):
    chain = chains(name)
    theta = np.linalg.solve(at_zero(chain), np.array(CASES[name][1]))
    _, slope = value_and_slope(chain.problem, theta)
    for place in range(len(theta)):
        ends = []
        for step in (-2e-5, -1e-5, 1e-5, 2e-5):
            there = theta.copy()
            there[place] += step
            ends.append(value_and_slope(chain.problem, there)[0])
        quotient = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / 12e-5
        assert slope[place] == pytest.approx(quotient, abs=2e-6 * max(1, abs(slope[place])))


OPTIMA = [n for n in CASES if n not in {"breaks_days", "breaks_panel", "hidden_panel"}]


@pytest.mark.parametrize("name", OPTIMA)
def test_optimum(name, chains, reference, agree):
    chain, theirs = chains(name), reference("markov")[name]
    assert chain.loglik >= theirs["loglik"] - 1e-8
    flat = name == "hidden_first"  # twelve parameters from 160 persons: msm stops a bit lower
    agree("Markov chains", f"log-likelihood at the optimum [{name}]", chain.loglik,
          theirs["loglik"], tolerance=1e-3 if flat else 1e-6, source=SOURCE,
          reason=OPTIMUM if flat else "")  # fmt: skip
    turn = at_zero(chain)
    agree("Markov chains", f"estimates [{name}]", turn @ chain.theta, theirs["estimates"],
          tolerance=1e-2 if flat else 5e-4, source=SOURCE, reason=OPTIMUM)  # fmt: skip
    size = len(chain.theta)
    variance = np.array(theirs["covariance"]).reshape(size, size)
    agree("Markov chains", f"standard errors [{name}]",
          np.sqrt(np.diag(turn @ chain.vcov @ turn.T)), np.sqrt(np.diag(variance)),
          tolerance=1e-2 if flat else 1e-3, relative=True, source=SOURCE,
          reason=CURVATURE)  # fmt: skip
    _, slope = value_and_slope(chain.problem, chain.theta)
    assert np.abs(slope * np.sqrt(np.diag(chain.vcov))).max() < 1e-5


def test_what_follows_from_the_intensities(chains, reference, agree):
    chain, theirs = chains("covariates_exit"), reference("markov")["quantities"]
    women = {"sex": [1]}
    tables = {
        "intensity": chain.intensities(women),
        "sojourn": chain.sojourn(women),
    }
    for name, table in tables.items():
        for column, key in {
            "estimate": name, "std_error": f"{name}_se", "conf_low": f"{name}_low",
            "conf_high": f"{name}_high",
        }.items():  # fmt: skip
            agree("Markov chains", f"{name}, {column}", table[column], theirs[key],
                  tolerance=2e-3, relative=True, source=SOURCE, reason=CURVATURE)  # fmt: skip
    agree("Markov chains", "state after the next move", chain.next_state(women)["estimate"],
          theirs["next_state"], tolerance=1e-4, source=SOURCE, reason=OPTIMUM)  # fmt: skip
    agree("Markov chains", "transition probabilities",
          chain.probabilities(6, new=women)["estimate"], theirs["probability"], tolerance=1e-4,
          source=SOURCE, reason=OPTIMUM)  # fmt: skip
    stay = chain.expected_time(12, new=women)["estimate"].to_numpy().reshape(4, 4)
    agree("Markov chains", "expected time in states", stay[:2],
          [*theirs["stay_1"], *theirs["stay_2"]], tolerance=1e-3, source=SOURCE,
          reason=OPTIMUM)  # fmt: skip


def test_what_follows_from_intensities_that_change(chains, reference, agree):
    chain, theirs = chains("breaks"), reference("markov")["breaks_quantities"]
    agree("Markov chains", "transition probabilities over breaks",
          chain.probabilities(11, start=2)["estimate"], theirs["probability"], tolerance=1e-4,
          source=SOURCE, reason=OPTIMUM)  # fmt: skip
    agree("Markov chains", "expected time over breaks", chain.expected_time(12)["estimate"][:4],
          theirs["stay_1"], tolerance=1e-3, source=SOURCE + ", the integral of pmatrix.msm",
          reason=OPTIMUM + "; totlos.msm itself is off by 0.2 months here, and does not equal "
          "the integral of its own probabilities")  # fmt: skip


def test_paths_behind_errors(chains, reference, agree):
    chain, theirs = chains("hidden"), reference("markov")["hidden_paths"]
    stays = pl.col("observed").max().over("person") < 4
    paths = chain.viterbi().with_row_index("row").filter(stays & (pl.col("row") < 60))
    chance = np.array(theirs["chance"]).reshape(60, 4)
    agree("Markov chains", "chance of the likeliest state behind an error", paths["probability"],
          chance[paths["row"], paths["state"].to_numpy() - 1], tolerance=1e-4, source=SOURCE,
          reason=OPTIMUM + ". Of persons who leave, msm's chances take the exit as seen in "
          "passing, though its likelihood knows the moment; and its path is less likely than "
          "ours, by the product of its own probabilities")  # fmt: skip
    agree("Markov chains", "numbers expected where states are seen with error",
          chain.prevalence([0, 3, 6])["expected"], theirs["expected"], tolerance=0.01,
          source=SOURCE, reason=OPTIMUM)  # fmt: skip


def test_numbers_seen_and_expected(reference, agree):
    # all of them start on the first step, so that msm's one forecast is each person's own
    frame = ladder().filter(pl.col("person") % 3 == 0)
    chain = survival.markov(
        frame, person="person", time="time", state="state", allowed=STEPS, exact=4
    )
    found, theirs = chain.prevalence([0, 3, 6, 9]), reference("markov")["prevalence"]
    assert found["observed"].to_list() == theirs["observed"]
    agree("Markov chains", "numbers expected in each state", found["expected"],
          theirs["expected"], tolerance=0.01, source=SOURCE, reason=OPTIMUM)  # fmt: skip
