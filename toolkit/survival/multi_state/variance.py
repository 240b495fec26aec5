"""Covariances of state probabilities: by the infinitesimal jackknife, or from single moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.multi_state.history import History, Moves

    Floats = NDArray[np.float64]

VarianceType = Literal["jackknife", "greenwood", "aalen"]
VARIANCES = ("jackknife", "greenwood", "aalen")
#: Numbers in the table of ranges beyond which times should be rounded first (2 GiB).
_MOST = 2**28


def scales(moves: Moves, value: Floats, begin: Floats) -> tuple[Floats, Floats]:
    """Return p_h(t-) / n_h(t), (T, S), and the drift of those at risk, (T, S, S).

    A unit in h changes dA_hj by (dN_hj - dA_hj) / n_h, and so p(t) by
    p_h(t-) / n_h · Σ_j (dN_hj - dA_hj) (e_j - e_h).
    """
    ahead = np.vstack([begin, value[:-1]])[: len(value)]
    risk = moves.n_risk
    scale = np.divide(ahead, risk, out=np.zeros_like(risk), where=risk > 0)
    drift = -scale[:, :, None] * (moves.steps - np.eye(risk.shape[1]))
    return scale, drift


def jackknife(
    history: History, moves: Moves, value: Floats, begin: Floats, begin_rows: Floats
) -> tuple[Floats, Floats]:
    """Return the covariances of p(t), (T, S, S), and of p at the start, (S, S)."""
    n_states = history.n_states
    scale, drift = scales(moves, value, begin)
    starts = np.zeros((0, n_states))
    begin_vcov = np.zeros((n_states, n_states))
    if begin_rows.any():
        moved = np.eye(n_states)[history.origin] - begin
        starts = add_up(
            moved * (begin_rows * history.own)[:, None], history.unit, len(history.times)
        )
        begin_vcov = (starts * history.times[:, None]).T @ starts
        if history.cluster is not None:
            starts = add_up(starts * history.times[:, None], history.cluster,
                            int(history.cluster.max()) + 1)  # fmt: skip
            begin_vcov = starts.T @ starts
    vcov = spread(history, moves, moves.steps, drift, scale, 1.0, starts, begin_vcov)
    # nobody or everybody there, whoever counts for how much: rounding would leave 1e-17
    sure = (value == 0) | (value == 1)
    vcov[sure] = 0.0
    vcov.transpose(0, 2, 1)[sure] = 0.0
    return vcov, begin_vcov


def spread(
    history: History, moves: Moves, step: Floats, drift: Floats, scale: Floats, leave: float,
    starts: Floats, begin: Floats,
) -> Floats:  # fmt: skip
    """Return the infinitesimal jackknife's covariance at every time, (T, D, D); see `kernel`."""
    from toolkit.survival.multi_state import kernel

    if history.cluster is not None:
        cluster = history.cluster[history.unit]
        spells = np.argsort(cluster, kind="stable")
        bounds = np.append(0, np.cumsum(np.bincount(cluster)))
        if not len(starts):
            starts = np.zeros((len(bounds) - 1, step.shape[1]))
        out: Floats = kernel.spread_clusters(
            step, drift, scale, leave, bounds, spells, history.origin, history.target,
            history.weight, moves.first, moves.last, starts,
        )  # fmt: skip
        return out
    levels = max(len(step) - 1, 1).bit_length()
    if levels * step.size * (1 + drift.shape[1] / step.shape[1]) > _MOST:
        raise CallError(
            f"{len(step):,} distinct times are too many for the infinitesimal jackknife",
            fix="round times to months or days, or write variance='greenwood'",
        )
    product, added = kernel.make_ranges(step, drift)
    changed = np.flatnonzero(np.diff(history.unit)) + 1
    bounds = np.concatenate([[0], changed, [len(history.unit)]])
    parts = kernel.gather(
        scale, leave, product, added, bounds, history.origin, history.target,
        history.own, moves.first, moves.last, history.times, starts,
    )  # fmt: skip
    done: Floats = kernel.accumulate(
        step, drift, scale, leave, moves.risk_squared, moves.move_squared, *parts, begin
    )
    return done


def multinomial(history: History, begin: Floats, begin_rows: Floats) -> Floats:
    """Return the covariance of the shares at the start: (diag p - ppᵀ) / n."""
    if not begin_rows.any():
        return np.zeros((len(begin), len(begin)))
    inverse = float((begin_rows**2 * history.times[history.unit] * history.own**2).sum())
    shape: Floats = inverse * (np.diag(begin) - np.outer(begin, begin))
    return shape


def martingale(
    moves: Moves, value: Floats, begin: Floats, begin_vcov: Floats, variance: VarianceType
) -> Floats:
    """Return the covariance of p(t) from independent increments, (T, S, S).

    V(t) = BᵀVB + Σ_h p_h(t-)² Cov(dA_h), with Cov(dA_h) = (diag q - qqᵀ) / n_h, q the moves out
    of h and staying, for Greenwood's; for Aalen's Σ_j dN_hj / n_h² (e_j - e_h)(e_j - e_h)ᵀ
    (Andersen, Borgan, Gill and Keiding 1993, section IV.4.1).
    """
    steps, hazards = moves.steps, moves.hazards
    n_states = len(begin)
    scale, _ = scales(moves, value, begin)  # p / n
    risk = moves.n_risk
    if variance == "greenwood":
        own = np.einsum("th,thj,jk->tjk", scale**2 * risk, steps, np.eye(n_states))
        own -= np.einsum("th,thj,thk->tjk", scale**2 * risk, steps, steps)
    else:
        apart = np.eye(n_states)[None] - np.eye(n_states)[:, None]  # [h, j] = e_j - e_h
        own = np.einsum("thj,hja,hjb->tab", (scale**2 * risk)[:, :, None] * hazards, apart, apart)
    out = np.empty_like(own)
    v = begin_vcov
    for t, step in enumerate(steps):
        v = step.T @ v @ step + own[t]
        out[t] = v
    return np.asarray(out)
