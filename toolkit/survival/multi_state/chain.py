"""One curve of state probabilities: where people are who start with given probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.multi_state.variance import VarianceType, jackknife, martingale, multinomial

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from toolkit.survival.multi_state.history import History, Moves

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: How near to 1 a probability counts as 1.
_SURE = 1e-13


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
        vcov, begin_vcov = jackknife(history, cut, value, begin, begin_rows)
    else:
        begin_vcov = multinomial(history, begin, begin_rows)
        vcov = martingale(cut, value, begin, begin_vcov, variance)
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
