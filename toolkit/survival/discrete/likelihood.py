"""Log-likelihood of person-months, its score and its information, from counts by pattern."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.estimation.threads import side_by_side
from toolkit.survival.discrete.arrow import Arrow

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.survival.discrete.baseline import Baseline
    from toolkit.survival.discrete.months import PersonMonths

    Floats = NDArray[np.float64]

Link = Literal["cloglog", "logit"]
LINKS = ("cloglog", "logit")

#: Pieces that threads share, where there is as much work as that: the pieces do not depend on the
#: machine, so that sums come out the same everywhere.
_PIECES, _WORTH_THREADS = 8, 500_000


@dataclass(frozen=True)
class Point:
    """Coefficients of K causes: covariates (K, q + d), static terms first, and blocks (G, K, b)."""

    beta: Floats
    alpha: Floats


@dataclass(frozen=True)
class State:
    """What the likelihood says at a point: value, scores (K (q + d),) and (G, K b), information."""

    value: float
    score: Floats
    block_score: Floats
    information: Arrow


def evaluate(
    months: PersonMonths, baseline: Baseline, link: Link, point: Point, *, expected: bool = False
) -> State:
    """Return value, score and information at a point.

    With `expected` the information is Fisher's, as R's `glm` reports it, instead of minus the
    second derivatives; under a logit they are the same.
    """
    q, n_cause = months.x.shape[1], months.n_cause
    d, pairs = months.z.shape[1], n_cause * (n_cause + 1) // 2
    eta = months.x @ point.beta[:, :q].T + months.offset[:, None]
    gamma = np.ascontiguousarray(point.beta[:, q:])
    level = baseline.levels(point.alpha)
    score, weight = np.zeros(eta.shape), np.zeros((len(eta), pairs))
    if link == "cloglog" and d == 0 and not expected:
        value, by_slot = _tally(months, eta, level, score, weight)
        moved: tuple[Floats, ...] = (np.zeros((1, 0)), np.zeros((1, 0, 0)), np.zeros((1, q, 0)))
    else:
        value, by_slot, moved = _sweep(
            months, baseline, link, eta, gamma, level, score, weight, expected=expected
        )
    slot_score, slot_weight, cross = by_slot
    moving_score, moving_weight, moving_cross = moved
    total = q + d
    core = np.zeros((n_cause, total, n_cause, total))
    tip = np.zeros((baseline.n_block, n_cause, baseline.basis.shape[1], n_cause, total))
    width = baseline.basis.shape[1]
    blocks = np.zeros((baseline.n_block, n_cause, width, n_cause, width))
    squares = baseline.gather(slot_weight, twice=True)
    a = 0
    for k in range(n_cause):
        for other in range(k + 1):
            here = np.zeros((total, total))
            here[:q, :q] = _gram(months.x, weight[:, a])
            here[:q, q:] = moving_cross[a]
            here[q:, :q] = moving_cross[a].T
            here[q:, q:] = moving_weight[a]
            one = baseline.gather(cross[:, a])
            for row, column in {(k, other), (other, k)}:
                core[row, :, column] = here
                tip[:, row, :, column] = one
                blocks[:, row, :, column] = squares[..., a]
            a += 1
    own = baseline.gather(slot_score).transpose(0, 2, 1)
    _fix_unknown(baseline, own, tip, blocks)
    size, span = n_cause * total, n_cause * width
    return State(
        value,
        np.concatenate([score.T @ months.x, moving_score], axis=1).ravel(),
        own.reshape(baseline.n_block, span),
        Arrow(
            core.reshape(size, size),
            tip.reshape(baseline.n_block, span, size),
            blocks.reshape(baseline.n_block, span, span),
        ),
    )


def unit_sums(
    months: PersonMonths, baseline: Baseline, link: Link, point: Point, table: Floats
) -> tuple[Floats, Floats]:
    """Return for one unit of each cell its score of (x, z), (C, K, q + d), and of a table, (C, Q).

    `table` (S M, K, Q) says what a unit of score in each slot counts for.
    """
    from toolkit.survival.discrete import kernels

    q, d, n_cause = months.x.shape[1], months.z.shape[1], months.n_cause
    eta = months.x @ point.beta[:, :q].T + months.offset[:, None]
    cells = len(months.n)
    out, plain = np.zeros((cells, table.shape[2])), np.zeros((cells, n_cause))
    moving = np.zeros((cells, n_cause, d))
    number = kernels.CLOGLOG if link == "cloglog" else kernels.LOGIT
    gamma, level = np.ascontiguousarray(point.beta[:, q:]), baseline.levels(point.alpha)

    def run(low: int, high: int) -> None:
        kernels.trace(
            low, high, number, months.first_cell, months.stratum, months.entry, months.time,
            months.event, months.n_month, eta, months.z, months.first_row, gamma, level,
            baseline.used, np.ascontiguousarray(table), out, plain, moving,
        )  # fmt: skip

    share_out(run, months.rows_to_visit)
    x = months.x[months.pattern]
    return np.concatenate([plain[:, :, None] * x[:, None, :], moving], axis=2), out


def share_out(run: Callable[[int, int], Any], cost: NDArray[np.int64]) -> list[Any]:
    """Run a function over patterns in pieces of equal cost, on all cores where that is worth it."""
    total = int(cost.sum())
    if total < _WORTH_THREADS:
        return [run(0, len(cost))]
    inner = np.searchsorted(np.cumsum(cost), np.linspace(0, total, _PIECES + 1)[1:-1])
    edges = np.unique(np.concatenate([[0], inner, [len(cost)]])).tolist()
    return side_by_side(run, list(pairwise(edges)))


def _sweep(
    months: PersonMonths, baseline: Baseline, link: Link, eta: Floats, gamma: Floats,
    level: Floats, score: Floats, weight: Floats, *, expected: bool,
) -> tuple[float, tuple[Floats, ...], tuple[Floats, ...]]:  # fmt: skip
    from toolkit.survival.discrete import kernels

    slots, n_cause = level.shape
    pairs, q, d = weight.shape[1], months.x.shape[1], months.z.shape[1]
    number = kernels.CLOGLOG if link == "cloglog" else kernels.LOGIT

    def run(low: int, high: int) -> tuple[float, tuple[Floats, ...], tuple[Floats, ...]]:
        by_slot = (
            np.zeros((slots, n_cause)), np.zeros((slots, pairs)), np.zeros((slots, pairs, q + d))
        )  # fmt: skip
        moved = np.zeros((n_cause, d)), np.zeros((pairs, d, d)), np.zeros((pairs, q, d))
        value = kernels.sweep(
            low, high, number, expected, months.first_cell, months.stratum, months.entry,
            months.time, months.event, months.n, months.n_month, eta, months.x, months.z,
            months.first_row, gamma, level, baseline.used, score, weight, *by_slot, *moved,
        )  # fmt: skip
        return value, by_slot, moved

    return _merge(share_out(run, months.rows_to_visit))


def _tally(
    months: PersonMonths, eta: Floats, level: Floats, score: Floats, weight: Floats
) -> tuple[float, tuple[Floats, ...]]:  # fmt: skip
    from toolkit.survival.discrete import kernels

    q, n_month, n_stratum = months.x.shape[1], months.n_month, months.n_stratum
    slots = len(level)
    base = np.exp(level[:, 0])  # 0 in slots that are left out
    running = np.zeros((n_stratum, n_month + 1))
    running[:, 1:] = np.cumsum(base.reshape(n_stratum, n_month), axis=1)

    def run(low: int, high: int) -> tuple[float, tuple[Floats, ...], tuple[Floats, ...]]:
        by_slot = np.zeros((slots, 1)), np.zeros((slots, 1)), np.zeros((slots, 1, q))
        steps = np.zeros((n_stratum, n_month + 1)), np.zeros((n_stratum, n_month + 1, q))
        value = kernels.tally(
            low, high, months.first_cell, months.stratum, months.entry, months.time, months.event,
            months.n, n_month, eta, months.x, base, running, score, weight, *by_slot, *steps,
        )  # fmt: skip
        return value, by_slot, steps

    value, (slot_score, slot_weight, cross), steps = _merge(
        share_out(run, np.diff(months.first_cell) * 20)
    )
    # the risk set of every slot: what came in and did not go yet, times its baseline
    at_risk, at_risk_x = (
        np.cumsum(step, axis=1)[:, :-1].reshape(slots, -1) * base[:, None] for step in steps
    )
    slot_score -= at_risk
    slot_weight += at_risk
    cross[:, 0] += at_risk_x
    return value, (slot_score, slot_weight, cross)


def _merge(
    parts: list[tuple[float, tuple[Floats, ...], tuple[Floats, ...]]],
) -> tuple[float, tuple[Floats, ...], tuple[Floats, ...]]:
    values, firsts, seconds = zip(*parts, strict=True)
    add = [tuple(sum(arrays[1:], arrays[0]) for arrays in zip(*side, strict=True))
           for side in (firsts, seconds)]  # fmt: skip
    return float(sum(values)), add[0], add[1]


def _gram(x: Floats, weight: Floats) -> Floats:
    """Return xᵀ diag(weight) x."""
    from toolkit.survival.discrete import kernels

    q = x.shape[1]
    weight = np.ascontiguousarray(weight)

    def run(low: int, high: int) -> Floats:
        out = np.zeros((q, q))
        kernels.gram(low, high, x, weight, out)
        return out

    parts = share_out(run, np.full(len(x), q * q))
    lower: Floats = np.asarray(sum(parts[1:], parts[0]))
    return lower + np.tril(lower, -1).T


def _fix_unknown(baseline: Baseline, own: Floats, tip: Floats, blocks: Floats) -> None:
    """Keep the parameters that do not exist (no exit of a kind in a block) where they are."""
    width = blocks.shape[2]
    for g, k in np.argwhere(~baseline.known):
        own[g, k] = 0.0
        tip[g, k] = 0.0
        blocks[g, k] = 0.0
        blocks[g, :, :, k] = 0.0
        blocks[g, k, range(width), k, range(width)] = 1.0
