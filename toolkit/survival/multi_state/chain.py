"""One curve of state probabilities: where people are who start with given probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from toolkit.survival.multi_state.history import History, Moves

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

VarianceType = Literal["jackknife", "greenwood", "aalen"]
VARIANCES = ("jackknife", "greenwood", "aalen")
#: How near to 1 a probability counts as 1.
_SURE = 1e-13
#: Numbers in the table of ranges beyond which times should be rounded first (2 GiB).
_MOST = 2**28


@dataclass(frozen=True, kw_only=True)
class Chain:
    """State probabilities p(t) of one group from `start` on, at T times.

    Attributes
    ----------
    history, moves
        Spells and counts; the moves after `start` only.
    start : float
        From where on.
    begin : (S,) array
        p at `start`.
    begin_rows : (N,) array
        Influence of a spell of own weight 1 on `begin` is (state - begin) times this; 0 where the
        spell tells nothing of it.
    begin_risk : (S,) array
        Those observed in each state then, weighted.
    value : (T, S) array
        p(t).
    vcov : (T, S, S) array
        Covariance of p(t).
    begin_vcov : (S, S) array
        Covariance of `begin`.
    end : float
        Until when somebody is observed.
    """

    history: History = field(repr=False)
    moves: Moves = field(repr=False)
    start: float
    begin: Floats
    begin_rows: Floats = field(repr=False)
    begin_risk: Floats = field(repr=False)
    value: Floats = field(repr=False)
    vcov: Floats = field(repr=False)
    begin_vcov: Floats = field(repr=False)
    end: float

    @property
    def time(self) -> NDArray[Any]:
        """The T times."""
        return self.moves.time

    @property
    def settled(self) -> bool:
        """Whether nobody is left at the end in a state that anyone can leave."""
        last = self.value[-1] if len(self.value) else self.begin
        return bool((last[(self.moves.n_move.sum(axis=(0, 2)) > 0)] <= 0).all())

    def known(self, times: Floats) -> NDArray[np.bool_]:
        """Return whether the curve is known at times: from its start to the last observed."""
        known: NDArray[np.bool_] = (times >= self.start) & (times <= self.end)
        return known

    def known_until(self, horizon: float) -> bool:
        """Return whether it is known all the way to a horizon after its start."""
        return self.start < horizon and (horizon <= self.end or self.settled)

    def at(self, times: Floats) -> tuple[Floats, Floats]:
        """Return p and its standard errors at times, (K, S) each; NaN where not known."""
        row = np.searchsorted(self.time, times, side="right")
        known = self.known(times)[:, None]
        value = np.vstack([self.begin, self.value])[row]
        error = np.vstack([self.begin_error, self.std_error])[row]
        return np.where(known, value, np.nan), np.where(known, error, np.nan)

    @property
    def std_error(self) -> Floats:
        """Standard errors of p(t), (T, S)."""
        errors: Floats = np.sqrt(np.maximum(np.diagonal(self.vcov, axis1=1, axis2=2), 0.0))
        return errors

    @property
    def begin_error(self) -> Floats:
        """Standard errors of `begin`, (S,)."""
        errors: Floats = np.sqrt(np.maximum(np.diag(self.begin_vcov), 0.0))
        return errors


def follow(
    history: History,
    moves: Moves,
    *,
    start: float | None,
    begin: Floats | None,
    variance: VarianceType,
) -> Chain:
    """Follow a group from a time on.

    Parameters
    ----------
    start : float, optional
        Moves after this time count. None: from where the first is observed; `begin` is then
        estimated from those at risk at the first move, as R's `survfit` does.
    begin : (S,) array, optional
        Probabilities at the start, taken as known; None: the weighted shares of those observed
        then, with their sampling error.
    variance : {"jackknife", "greenwood", "aalen"}
    """
    moved = moves.n_move.sum(axis=(1, 2)) > 0
    if start is None:
        from_time = float(history.start.min())
        first_move = moves.time[np.argmax(moved)] if moved.any() else history.start.min()
        inside = history.start < first_move if moved.any() else history.start <= first_move
        inside &= history.stop >= first_move
        cut = moves
    else:
        from_time = float(start)
        inside = (history.start <= start) & (start < history.stop)
        cut = cut_before(moves, from_time)
    begin_rows = np.zeros(len(inside))
    weight = history.weight * inside
    begin_risk = np.bincount(history.origin, weights=weight, minlength=history.n_states).astype(
        float
    )
    if begin is None:
        total = weight.sum()
        if total <= 0:
            raise CallError(
                f"Nobody is observed at {from_time:g}",
                fix="start later, or give the probabilities then",
            )
        begin = begin_risk / total
        begin_rows = inside / total
    value = occupy(cut.steps, begin)
    if variance == "jackknife":
        vcov, begin_vcov = _jackknife(history, cut, value, begin, begin_rows)
    else:
        begin_vcov = _multinomial(history, begin, begin_rows)
        vcov = _martingale(cut, value, begin, begin_vcov, variance)
    return Chain(
        history=history, moves=cut, start=from_time, begin=begin, begin_rows=begin_rows,
        begin_risk=begin_risk, value=value, vcov=vcov, begin_vcov=begin_vcov,
        end=float(history.stop.max()) if len(history.stop) else from_time,
    )  # fmt: skip


def cut_before(moves: Moves, start: float) -> Moves:
    """Return the counts after a time; spells keep their places in them."""
    from dataclasses import replace

    k = int(np.searchsorted(moves.time, start, side="right"))
    return replace(
        moves,
        time=moves.time[k:], n_risk=moves.n_risk[k:], n_move=moves.n_move[k:],
        n_censor=moves.n_censor[k:], risk_squared=moves.risk_squared[k:],
        move_squared=moves.move_squared[k:],
        first=np.maximum(moves.first - k, 0), last=moves.last - k,
    )  # fmt: skip


def occupy(steps: Floats, begin: Floats) -> Floats:
    """Return p(t) = p(0) ∏ (I + dA), (T, S) (Aalen and Johansen 1978)."""
    value = np.empty(steps.shape[:2])
    p = begin
    for t, step in enumerate(steps):
        p = p @ step
        value[t] = p
    value[np.abs(value - 1) < _SURE] = 1.0  # rounding would give intervals from 0 to 1
    return value


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


def _jackknife(
    history: History, moves: Moves, value: Floats, begin: Floats, begin_rows: Floats
) -> tuple[Floats, Floats]:
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


def _multinomial(history: History, begin: Floats, begin_rows: Floats) -> Floats:
    """Return the covariance of the shares at the start: (diag p - ppᵀ) / n."""
    if not begin_rows.any():
        return np.zeros((len(begin), len(begin)))
    inverse = float((begin_rows**2 * history.times[history.unit] * history.own**2).sum())
    shape: Floats = inverse * (np.diag(begin) - np.outer(begin, begin))
    return shape


def _martingale(
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


def empty_risk_sets(chains: Sequence[Chain], states: pl.Series) -> list[str]:
    """Say where somebody should be in a state, others leave it later, but nobody is at risk."""
    said = np.zeros(len(states), dtype=np.int64)
    for chain in chains:
        moves = chain.moves
        if not len(moves.time):
            continue
        ahead = np.vstack([chain.begin, chain.value[:-1]])
        later = np.cumsum(moves.n_risk[::-1], axis=0)[::-1] > 0
        said += ((ahead > 0) & (moves.n_risk <= 0) & later).any(axis=0)
    return [
        f"in {n:,} of {len(chains):,} curves nobody is at risk in state {states[h]!r} for a while, "
        "before others are: the curve is carried over the gap"
        for h, n in enumerate(said)
        if n
    ]
