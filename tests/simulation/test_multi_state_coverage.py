"""Multi-state intervals on made-up processes with known probabilities, Markov and not."""

import os

import numpy as np
import polars as pl
import pytest

from toolkit.survival import multi_state

REPLICATES = int(os.environ.get("COVERAGE_REPLICATES", "100"))
NAMES = {
    "person": "person", "start": "start", "stop": "stop", "from_state": "state", "to_state": "next",
}  # fmt: skip
MONTHS = 12
#: Benefit, work, elsewhere (nobody comes back), a month.
MARKOV = np.array([[0.85, 0.12, 0.03], [0.08, 0.90, 0.02], [0.0, 0.0, 1.0]])
#: Two kinds of people: who moves at every turn, and who stays where they are.
MOVERS = np.array([[0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
STAYERS = np.array([[0.97, 0.03, 0.0], [0.03, 0.97, 0.0], [0.0, 0.0, 1.0]])
BEGIN = np.array([0.7, 0.3, 0.0])


def walk(n, matrices, share, rng):
    """Return states of n persons at months 0 … 12, of kinds with given shares."""
    kind = rng.choice(len(share), n, p=share)
    cumulative = np.cumsum(np.stack(matrices), axis=2)
    path = np.empty((n, MONTHS + 1), dtype=np.int64)
    path[:, 0] = rng.choice(3, n, p=BEGIN)
    for month in range(MONTHS):
        chance = cumulative[kind, path[:, month]]
        path[:, month + 1] = (rng.random(n)[:, None] > chance).sum(axis=1)
    return path


def to_spells(path, entry, exit_):
    """One row a month seen, moves only: rows of one state are joined."""
    n = len(path)
    rows = []
    start, state = entry.copy(), path[np.arange(n), entry]
    for month in range(1, MONTHS + 1):
        there = (month > entry) & (month <= exit_)
        now = path[:, month]
        moved = there & (now != state)
        last = there & (month == exit_) & ~moved
        for who, next_ in ((moved, now), (last, np.full(n, -1))):
            rows.append(np.stack([np.flatnonzero(who), start[who], np.full(who.sum(), month),
                                  state[who], next_[who]]))  # fmt: skip
        start[moved], state[moved] = month, now[moved]
    table = np.concatenate(rows, axis=1)
    frame = pl.DataFrame(
        dict(zip(["person", "start", "stop", "state", "next"], table, strict=True))
    )
    frame = frame.filter(pl.col("state") != 2)
    return frame.with_columns(next=pl.when(pl.col("next") >= 0).then("next")).sort(
        "person", "start"
    )


def make(n, matrices, share, seed, *, late=0.0, lost=0.0):
    """Many replicates of n persons each, told apart by `rep`."""
    rng = np.random.default_rng(seed)
    total = n * REPLICATES
    path = walk(total, matrices, share, rng)
    entry = np.where(rng.random(total) < late, rng.integers(1, 5, total), 0)
    exit_ = np.where(rng.random(total) < lost, rng.integers(3, MONTHS, total), MONTHS)
    gone = (path == 2).argmax(axis=1)  # who is elsewhere at entry is never seen
    never = (path == 2).any(axis=1) & (gone <= entry)
    frame = to_spells(path, entry, exit_)
    frame = frame.filter(~pl.Series(never)[frame["person"].to_numpy()])
    return frame.with_columns(rep=pl.col("person") // n)


def bounds(frame):
    return (
        frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        for name in ("conf_low", "conf_high")
    )


@pytest.mark.parametrize("variance", ["jackknife", "greenwood", "aalen"])
def test_occupation_covers_with_losses(variance, covers):
    data = make(150, [MARKOV], [1.0], seed=1, lost=0.5)
    curves = multi_state(data, **NAMES, by="rep", variance=variance).occupation(start=0)
    truth = BEGIN @ np.linalg.matrix_power(MARKOV, 10)
    for state in range(3):
        low, high = bounds(curves.at(10).filter(state=state))
        covers(
            "Multi-state", f"P(state {state}), {variance}", low, high, truth[state],
            slack=0.012, note="150 persons",
        )  # fmt: skip


def test_transition_probabilities_cover_with_late_entry(covers):
    data = make(250, [MARKOV], [1.0], seed=2, late=0.4, lost=0.3)
    curves = multi_state(data, **NAMES, by="rep").probabilities(3)
    truth = np.linalg.matrix_power(MARKOV, 7)
    for h in range(2):
        for j in range(3):
            low, high = bounds(curves.at(10).filter(pl.col("from") == h, pl.col("to") == j))
            covers(
                "Multi-state", f"P(3, 10) from {h} to {j}, late entry", low, high, truth[h, j],
                slack=0.012, note="250 persons",
            )  # fmt: skip


def test_expected_time_covers(covers):
    data = make(150, [MARKOV], [1.0], seed=3, lost=0.3)
    found = multi_state(data, **NAMES, by="rep").occupation(start=0).expected_time(12)
    truth = sum(BEGIN @ np.linalg.matrix_power(MARKOV, month) for month in range(12))
    for state in range(3):
        low, high = bounds(found.filter(state=state))
        covers(
            "Multi-state", f"months in state {state}", low, high, truth[state], slack=0.012,
            note="150 persons",
        )  # fmt: skip


def truth_of_kinds(share, at, until):
    """P(state at `until` | state at `at`) of a mixture of kinds."""
    out = np.zeros((3, 3))
    for h in range(2):
        weight = np.array([
            s * (BEGIN @ np.linalg.matrix_power(m, at))[h]
            for s, m in zip(share, (MOVERS, STAYERS), strict=True)
        ])  # fmt: skip
        ahead = [np.linalg.matrix_power(m, until - at)[h] for m in (MOVERS, STAYERS)]
        out[h] = weight / weight.sum() @ ahead
    return out


def test_landmarks_are_right_where_moves_depend_on_the_past(covers):
    share = [0.5, 0.5]
    data = make(300, [MOVERS, STAYERS], share, seed=4, lost=0.2)
    model = multi_state(data, **NAMES, by="rep")
    truth = truth_of_kinds(share, 6, 10)
    landmark, usual = model.landmark(6).at(10), model.probabilities(6).at(10)
    for h in range(2):
        mine = landmark.filter(pl.col("from") == h, pl.col("to") == 0)
        low, high = bounds(mine)
        covers(
            "Multi-state", f"landmark P(6, 10) from {h} to 0, not Markov", low, high, truth[h, 0],
            slack=0.012, note="half movers, half stayers; 300 persons",
        )  # fmt: skip
        low, high = bounds(usual.filter(pl.col("from") == h, pl.col("to") == 0))
        inside = ((low <= truth[h, 0]) & (truth[h, 0] <= high)).mean()
        assert inside < 0.7, "the usual estimate is visibly off here"
    off = usual.filter(pl.col("from") == 0, pl.col("to") == 0)["estimate"].mean() - truth[0, 0]
    assert abs(off) > 0.05
    # where people are needs no Markov process: Datta and Satten
    there = sum(s * (BEGIN @ np.linalg.matrix_power(m, 10))[0]
                for s, m in zip(share, (MOVERS, STAYERS), strict=True))  # fmt: skip
    low, high = bounds(model.occupation(start=0).at(10).filter(state=0))
    covers("Multi-state", "P(state 0), not Markov", low, high, there, slack=0.012)


def test_the_markov_test_holds_its_level_and_finds_movers_and_stayers():
    n = min(REPLICATES, 600) // 3
    null = make(250, [MARKOV], [1.0], seed=5, late=0.2, lost=0.2)
    parts = null.partition_by("rep", maintain_order=True)[:n]
    p = np.array([multi_state(d, **NAMES).markov_test([2, 4, 6, 8]).p_value for d in parts])
    for level in (0.05, 0.25, 0.5):
        assert abs((p < level).mean() - level) < 0.02 + 4 * np.sqrt(level * (1 - level) / n)
    mixed = make(300, [MOVERS, STAYERS], [0.5, 0.5], seed=6)
    for d in mixed.partition_by("rep", maintain_order=True)[:5]:
        assert multi_state(d, **NAMES).markov_test([4, 6]).p_value < 1e-3
