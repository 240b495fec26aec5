"""Does it matter for the next move where somebody was before? A test of the Markov property."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EstimationError
from toolkit.result import Result
from toolkit.survival.multi_state.history import seen_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.multi_state.history import History, Moves

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Variance (roughly: moves that can tell) below which a comparison is left out.
_LEAST = 2.0
_DRAWS = 25_000
#: Landmarks looked at without a choice: these quantiles of the times of moves.
_QUANTILES = (0.1, 0.25, 0.4, 0.55, 0.7)


@dataclass(frozen=True, kw_only=True)
class MarkovTest(Result):
    """Log-rank comparisons by the state at landmarks; made by `MultiState.markov_test`.

    Attributes
    ----------
    comparisons : DataFrame
        A row per move (`from`, `to`), landmark and `state` then: `n_event` among those in that
        state at the landmark, `expected`, `statistic` (standard normal) and `p_value`.
    by_move : DataFrame
        A row per move: the largest of its statistics, and its p-value.
    statistic, p_value : float
        Of all moves together.
    """

    comparisons: pl.DataFrame = field(repr=False)
    by_move: pl.DataFrame = field(repr=False)
    statistic: float
    p_value: float

    def tidy(self) -> pl.DataFrame:
        """Return a row per move: `from, to, landmark, state, n_comparison, statistic, p_value`."""
        return self.by_move

    def glance(self) -> pl.DataFrame:
        """Return one row: the largest statistic of all moves and its p-value."""
        return pl.DataFrame(
            {
                "statistic": [self.statistic],
                "p_value": [self.p_value],
                "n_comparison": [self.comparisons.height],
                "n_move": [self.by_move.height],
            }
        )


@dataclass(frozen=True)
class Scores:
    """Observed minus expected moves for A comparisons, their covariance, and what they are."""

    observed: Floats
    expected: Floats
    vcov: Floats

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            self.observed + other.observed, self.expected + other.expected, self.vcov + other.vcov
        )


@dataclass(frozen=True)
class Seen:
    """Where units are at K landmarks: P patterns of states, (P, K), -1 = not seen; code (U,)."""

    patterns: Ints
    code: Ints


def patterns_at(history: History, landmarks: Floats) -> Seen:
    """Find the states at the landmarks, and which of them occur together."""
    code = np.zeros(len(history.times), dtype=np.int64)
    for at in landmarks:  # numbered anew at each landmark, so that the code stays small
        code = code * (history.n_states + 1) + seen_at(history, at) + 1
        code = np.unique(code, return_inverse=True)[1]
    example = np.zeros(int(code.max()) + 1, dtype=np.int64)
    example[code] = np.arange(len(code))
    seen = [seen_at(history, at)[example] for at in landmarks]
    return Seen(np.stack(seen, axis=1), code)


def landmark_scores(
    history: History, moves: Moves, origin: int, landmarks: Floats, seen: Seen
) -> dict[int, Scores]:
    """Compare moves out of `origin` by the state at each landmark; a score per state moved to.

    The comparisons are landmark k × state j, in this order. For comparison a = (k, j), with δ_i
    whether i was in j at s_k, over those seen at s_k,

        U_a = Σ_i ∫_{u > s_k} (δ_i - E_a(u)) dN_i(u),   E_a the share of δ among those at risk,

    and Cov(U_a, U_b) = Σ_u dN (n - dN) / (n (n - 1)) Σ_i Y_i g_ia g_ib, g the bracket above: at
    tied times the hypergeometric factor, as in the log-rank test.
    """
    n_states, n_marks = history.n_states, len(landmarks)
    patterns = seen.patterns
    kept = (history.origin == origin) & (moves.first <= moves.last)
    pattern = seen.code[history.unit[kept]]
    first, last, target = moves.first[kept], moves.last[kept], history.target[kept]
    weight = history.weight[kept]
    n, n_patterns = len(moves.time), len(patterns)
    change = np.bincount(pattern * (n + 1) + first, weights=weight, minlength=n_patterns * (n + 1))
    change -= np.bincount(
        pattern * (n + 1) + last + 1, weights=weight, minlength=n_patterns * (n + 1)
    )
    risk = np.cumsum(change.reshape(n_patterns, n + 1), axis=1)[:, :n]
    inside = np.repeat(patterns >= 0, n_states, axis=1)  # (P, A): seen at the landmark
    there = (patterns[:, :, None] == np.arange(n_states)).reshape(n_patterns, -1)
    mark = np.repeat(landmarks, n_states)
    out = {}
    for j in np.unique(target[target >= 0]):
        hit = target == j
        moved = np.bincount(
            pattern[hit] * n + last[hit], weights=weight[hit], minlength=n_patterns * n
        ).reshape(n_patterns, n)
        observed, expected = np.zeros((2, n_marks * n_states))
        vcov = np.zeros((n_marks * n_states, n_marks * n_states))
        for t in np.flatnonzero(moved.sum(axis=0) > 0):
            y, d = risk[:, t], moved[:, t]
            after = inside & (moves.time[t] > mark)
            base = y @ after
            share = np.divide(y @ (there & after), base, out=np.zeros_like(base), where=base > 0)
            g = np.where(after, there - share, 0.0)
            observed += d @ (there & after)
            expected += (d @ after) * share
            total, moves_now = y.sum(), d.sum()
            if total > 1:
                factor = moves_now * (total - moves_now) / (total * (total - 1))
                vcov += factor * ((g * y[:, None]).T @ g)
        out[int(j)] = Scores(observed, expected, vcov)
    return out


def make_test(
    histories: Sequence[History], tables: Sequence[Moves], states: pl.Series,
    landmarks: Floats | None, meta: dict[str, Any], seed: int,
) -> MarkovTest:  # fmt: skip
    """Add up the scores over groups (strata) and judge the largest of them."""
    if landmarks is None:
        time = np.concatenate([table.time for table in tables])
        count = np.concatenate([table.n_move.sum(axis=(1, 2)) for table in tables])
        order = np.argsort(time)
        upto = np.cumsum(count[order])
        at = np.searchsorted(upto, np.array(_QUANTILES) * upto[-1])
        landmarks = np.unique(time[order][at]).astype(np.float64)
    n_states = len(states)
    total: dict[tuple[int, int], Scores] = {}
    for history, table in zip(histories, tables, strict=True):
        seen = patterns_at(history, landmarks)
        for origin in np.flatnonzero(table.n_move.sum(axis=(0, 2)) > 0):
            found = landmark_scores(history, table, int(origin), landmarks, seen)
            for target, scores in found.items():
                key = int(origin), target
                total[key] = total[key] + scores if key in total else scores
    generator = np.random.default_rng(seed)
    parts, rows, highest = [], [], np.zeros(_DRAWS)
    left_out = 0
    for (h, j), scores in sorted(total.items()):
        variance = np.diag(scores.vcov)
        used = np.flatnonzero(variance > _LEAST)
        left_out += int((scores.observed[variance <= _LEAST] > 0).sum())
        if not len(used):
            continue
        root = np.sqrt(variance[used])
        z = (scores.observed - scores.expected)[used] / root
        draws = _normal(scores.vcov[np.ix_(used, used)] / np.outer(root, root), generator)
        highest = np.maximum(highest, draws)
        best = int(np.argmax(np.abs(z)))
        mark, state = landmarks[used // n_states], used % n_states
        move = {"from": states.gather([h] * len(used)), "to": states.gather([j] * len(used))}
        parts.append(
            pl.DataFrame(
                {
                    **move,
                    "landmark": mark,
                    "state": states.gather(state),
                    "n_event": scores.observed[used],
                    "expected": scores.expected[used],
                    "statistic": z,
                    "p_value": _two_sided(z),
                }
            )
        )
        rows.append(
            {
                "from": states[h], "to": states[j], "landmark": float(mark[best]),
                "state": states[int(state[best])], "n_comparison": len(used),
                "statistic": float(np.abs(z[best])),
                "p_value": _share_above(draws, float(np.abs(z[best]))),
            }
        )  # fmt: skip
    if not rows:
        raise EstimationError(
            "No move can be compared by the state at a landmark",
            where=f"landmarks {', '.join(f'{at:g}' for at in landmarks[:6])}",
            fix="choose landmarks at which people are in several states, with moves after them",
        )
    largest = max(row["statistic"] for row in rows)
    return MarkovTest(
        meta={
            **meta,
            "estimand": "moves after a landmark do not depend on the state at the landmark",
            "method": "Log-rank comparisons by the state at landmarks (Titman and Putter 2022)",
            "landmarks": landmarks.tolist(),
            "left_out": left_out,
            "seed": seed,
        },
        comparisons=pl.concat(parts),
        by_move=pl.DataFrame(rows),
        statistic=largest,
        p_value=_share_above(highest, largest),
    )


def _normal(correlation: Floats, generator: np.random.Generator) -> Floats:
    """Return draws of the largest |Z| of correlated standard normals, (draws,)."""
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-9 * values[-1]  # who is not in one state is in another: less than full rank
    root = vectors[:, kept] * np.sqrt(values[kept])
    draws: Floats = np.abs(generator.standard_normal((_DRAWS, kept.sum())) @ root.T).max(axis=1)
    return draws


def _share_above(draws: Floats, value: float) -> float:
    """Return the p-value; a hair of slack for comparisons that mirror one another."""
    return float((1 + (draws >= value - 1e-9).sum()) / (len(draws) + 1))


def _two_sided(z: Floats) -> Floats:
    from scipy.special import ndtr

    p: Floats = 2 * ndtr(-np.abs(z))
    return p


def check_landmarks(landmarks: Sequence[float] | None) -> Floats | None:
    """Return landmarks as a sorted array."""
    from toolkit.survival.curves import check_times

    return None if landmarks is None else check_times(landmarks)


def refuse_weights(weight_type: str | None, variance: str) -> None:
    """Raise for data whose rows are no independent persons."""
    if weight_type == "sampling" or "clusters" in variance:
        what = "sampling weights" if weight_type == "sampling" else "clusters"
        raise CallError(
            f"The Markov test counts independent persons and cannot use {what}",
            fix="fit the model without them for this test",
        )
