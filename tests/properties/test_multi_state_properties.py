"""What must hold for multi-state models whatever the data: repetition, order, special cases."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.survival import cumulative_incidence, kaplan_meier, logrank, multi_state
from toolkit.survival.multi_state.markov_test import landmark_scores, patterns_at

NAMES = {
    "person": "person", "start": "start", "stop": "stop", "from_state": "state", "to_state": "next",
}  # fmt: skip
TIMES = [2, 4, 7, 11]


@st.composite
def histories(draw, *, absorbing=False):
    """Walks of some persons over three states; late entries, rows cut without a move, returns."""
    n = draw(st.integers(6, 25))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        t, state = int(rng.integers(0, 3)), int(rng.integers(0, 2))
        for _ in range(int(rng.integers(1, 6))):
            stop = t + int(rng.integers(1, 5))
            to = int(rng.integers(0, 3))
            ends = absorbing or to == 2
            rows.append((i, t, stop, state, None if to == state else to))
            if ends and to != state:
                break
            t, state = stop, to
    frame = pl.DataFrame(rows, schema=["person", "start", "stop", "state", "next"], orient="row")
    if frame["next"].null_count() == frame.height:
        rows.append((n, 0, 3, 0, 1))
        frame = pl.DataFrame(rows, schema=frame.columns, orient="row")
    whole, home = rng.integers(1, 4, n + 1), rng.integers(0, 4, n + 1)
    person = frame["person"].to_numpy()
    return frame.with_columns(
        w=pl.Series(whole[person]), home=pl.Series(home[person]), sex=pl.Series(person % 2),
        moving=pl.Series(rng.uniform(0.5, 2, frame.height)),
    )  # fmt: skip


def numbers(frame):
    return frame.select(pl.selectors.numeric()).to_numpy().astype(float)


def same(a, b, tolerance=1e-9):
    assert a.columns == b.columns
    assert numbers(a) == pytest.approx(numbers(b), abs=tolerance, nan_ok=True)


@settings(max_examples=8, deadline=None)
@given(histories(), st.sampled_from([None, "home"]))
def test_a_frequency_weight_is_that_many_persons(data, cluster):
    repeated = data.with_columns(copy=pl.int_ranges(0, "w")).explode("copy")
    repeated = repeated.with_columns(person=pl.col("person") * 10 + pl.col("copy"))
    weighted = multi_state(data, **NAMES, weights="w", cluster=cluster)
    one_by_one = multi_state(repeated, **NAMES, cluster=cluster)
    assert weighted.meta["weight_type"] == "frequency"
    for ask in (
        lambda m: m.occupation().tidy(),
        lambda m: m.probabilities(1).at(TIMES),
        lambda m: m.hazards().at(TIMES),
        lambda m: m.occupation().stacked(),
    ):
        same(ask(weighted), ask(one_by_one), 1e-8)  # the square root of a variance of 1e-17
    horizon = int(data["stop"].max())
    same(weighted.expected_time(horizon), one_by_one.expected_time(horizon), 1e-8)


@settings(max_examples=10, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(data, random):
    rows = list(range(data.height))
    random.shuffle(rows)
    options = {"weights": "moving", "by": "sex", "cluster": "home"}
    one, other = (multi_state(d, **NAMES, **options) for d in (data, data[rows]))
    same(one.tidy(), other.tidy())
    moved, again = one.influence(TIMES), other.influence(TIMES)
    assert again == pytest.approx(moved[rows], abs=1e-12, nan_ok=True)


@settings(max_examples=10, deadline=None)
@given(histories())
def test_a_group_is_what_its_rows_give_alone(data):
    together = multi_state(data, **NAMES, by="sex")
    for sex in data["sex"].unique():
        part = data.filter(sex=sex)
        if part["next"].null_count() == part.height:
            continue
        alone = multi_state(part, **NAMES).occupation().tidy()
        mine = together.tidy().filter(sex=sex).drop("sex")
        mine = mine.filter(pl.col("state").is_in(alone["state"].unique().implode()))
        same(mine, alone)


@settings(max_examples=10, deadline=None)
@given(histories(absorbing=True), st.booleans())
def test_one_move_each_is_a_matter_of_competing_risks(data, late):
    first = data.filter(pl.col("state") == 0).unique("person", keep="first", maintain_order=True)
    if not late:
        first = first.with_columns(start=0)
    if first["next"].null_count() == first.height or (first["next"] == 0).any():
        return
    curves = multi_state(first, **NAMES).occupation({0: 1})
    incidence = cumulative_incidence(
        first.with_columns(cause=pl.col("next").fill_null(0)), time="stop", event="cause",
        entry="start" if late else None,
    )  # fmt: skip
    theirs = incidence.at(TIMES)
    for cause in incidence.table.causes:
        mine = curves.at(TIMES).filter(state=cause)
        other = theirs.filter(cause=cause)
        for name in ("estimate", "std_error"):
            assert mine[name].to_list() == pytest.approx(other[name].to_list(), abs=1e-8)


@settings(max_examples=10, deadline=None)
@given(histories(absorbing=True))
def test_two_states_are_a_survival_curve(data):
    first = data.unique("person", keep="first", maintain_order=True).with_columns(
        start=0, state=0, next=pl.when(pl.col("next").is_not_null()).then(1)
    )
    if first["next"].null_count() == first.height:
        return
    model = multi_state(first, **NAMES)
    curve = kaplan_meier(
        first.with_columns(event=pl.col("next").is_not_null()), time="stop", event="event"
    )
    mine = model.occupation().at(TIMES).filter(state=0)
    theirs = curve.at(TIMES)
    assert mine["estimate"].to_list() == pytest.approx(theirs["estimate"].to_list(), abs=1e-12)
    known = [x if x is not None else 0.0 for x in theirs["std_error"].fill_nan(None)]
    gone = [0.0 if x is None else x for x in mine["std_error"]]
    assert gone == pytest.approx(known, abs=1e-8)
    horizon = int(first["stop"].max())
    area = model.expected_time(horizon).filter(state=0)["estimate"][0]
    assert area == pytest.approx(curve.rmst(horizon)["estimate"][0])


@settings(max_examples=8, deadline=None)
@given(histories(), st.sampled_from(["occupation", "probabilities", "area"]))
def test_influence_is_the_derivative_to_a_persons_weight(data, what):
    """Also where weights change within a person; R gives all rows of a person one of them."""
    options = {"weights": "moving", "weight_type": "sampling"}

    def estimates(factor):
        frame = data.with_columns(moving=pl.Series(data["moving"].to_numpy() * factor))
        model = multi_state(frame, **NAMES, **options)
        if what == "occupation":
            found = model.occupation().at([5])
        elif what == "probabilities":
            found = model.probabilities(2).at([5])
        else:
            found = model.expected_time(5)
        return found["estimate"].to_numpy()

    model = multi_state(data, **NAMES, **options)
    curves = model.probabilities(2) if what == "probabilities" else model.occupation()
    moved = curves.influence(horizon=5) if what == "area" else curves.influence([5])[..., 0]
    person = data["person"].to_numpy()
    for who in np.unique(person)[:4]:
        step = 1e-6
        up, down = (estimates(np.where(person == who, f, 1.0)) for f in (1 + step, 1 - step))
        derivative = (up - down) / (2 * step)
        mine = moved[person == who].sum(axis=0)
        assert mine == pytest.approx(derivative, abs=1e-7, nan_ok=True)


@settings(max_examples=8, deadline=None)
@given(histories())
def test_contrasts_follow_from_the_influences(data):
    model = multi_state(data, **NAMES, by="sex")
    curves = model.occupation()
    found = curves.difference(at=5, cluster="home").tidy()
    moved = curves.influence([5])[..., 0]
    sign = np.where(data["sex"].to_numpy() == 1, 1.0, -1.0)[:, None]
    home = data["home"].to_numpy()
    sums = np.stack([(sign * moved)[home == h].sum(axis=0) for h in np.unique(home)])
    errors = np.sqrt((sums**2).sum(axis=0))
    at = curves.at(5)
    ours = at.filter(sex=1)["estimate"].to_numpy() - at.filter(sex=0)["estimate"].to_numpy()
    assert found["estimate"].to_numpy() == pytest.approx(ours.astype(float), nan_ok=True)
    assert found["std_error"].to_numpy().astype(float) == pytest.approx(
        errors, abs=1e-8, nan_ok=True
    )


@settings(max_examples=8, deadline=None)
@given(histories())
def test_greenwood_is_the_covariance_of_independent_multinomials(data):
    """Against the same recursion in the full matrix P, with Kronecker products."""
    model = multi_state(data, **NAMES, variance="greenwood")
    curves = model.probabilities(0)
    moves = model.moves[0]
    n_states = len(model.states)
    p, vcov = np.eye(n_states), np.zeros((n_states**2, n_states**2))
    eye = np.eye(n_states)
    for t in range(len(moves.time)):
        step = moves.steps[t]
        own = np.zeros_like(vcov)
        for h in range(n_states):
            if moves.n_risk[t, h] > 0:
                q = step[h]
                cov = (np.diag(q) - np.outer(q, q)) / moves.n_risk[t, h]
                start = np.outer(p[:, h], p[:, h])
                own += np.kron(cov, start)
        vcov = np.kron(step.T, eye) @ vcov @ np.kron(step, eye) + own
        p = p @ step
        for h, chain in enumerate(curves.chains):
            place = h + n_states * np.arange(n_states)  # row h of P, stacked by columns
            assert chain.value[t] == pytest.approx(p[h], abs=1e-12)
            assert chain.vcov[t] == pytest.approx(vcov[np.ix_(place, place)], abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(histories(), st.sampled_from([2, 3, 4]))
def test_a_comparison_of_the_markov_test_is_a_log_rank_test(data, at):
    first = data.group_by("person").agg(pl.col("start").min().alias("begin"))
    begun = data.join(first, on="person").filter(pl.col("begin") == 0)  # seen from the start on
    if begun.height == 0 or begun["next"].null_count() == begun.height:
        return
    model = multi_state(begun, **NAMES)
    history, moves = model.groups.histories[0], model.moves[0]
    seen = patterns_at(history, np.array([at]))
    there = begun.filter(pl.col("start") <= at, pl.col("stop") > at).select("person", here="state")
    for h in (0, 1):
        later = begun.filter(pl.col("stop") > at, pl.col("state") == h).join(there, on="person")
        later = later.with_columns(entry=pl.max_horizontal("start", pl.lit(at)))
        for j, scores in landmark_scores(history, moves, h, np.array([float(at)]), seen).items():
            for k in range(len(model.states)):
                if scores.vcov[k, k] < 1e-9:
                    continue
                test = logrank(
                    later.with_columns(
                        event=(pl.col("next") == model.states[j]).fill_null(value=False),
                        group=pl.col("here") == model.states[k],
                    ),
                    time="stop", event="event", by="group", entry="entry",
                )  # fmt: skip
                z = (scores.observed[k] - scores.expected[k]) ** 2 / scores.vcov[k, k]
                assert z == pytest.approx(test.statistic)
