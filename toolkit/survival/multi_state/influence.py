"""How each spell moves a state probability at one time, or the time spent in states.

The other way round than the forward kernel: a change in the increment dA_hj at u moves a linear
functional of the curve after u by p_h(u-) (v_j(u) - v_h(u)), where v_j(u) is the functional of
somebody in j just after u. So a spell in h on (a, b] with a move to j has influence

    weight · [ p_h(b-)/n_h(b) · (v_j(b) - v_h(b)) - Σ_{a < u ≤ b} p_h(u-)/n_h(u) ·
               Σ_k dA_hk(u) (v_k(u) - v_h(u)) ]

and the second sum is a difference of running sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.multi_state.variance import scales
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.multi_state.chain import Chain

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def ahead_of_times(chain: Chain, times: Floats, state: int) -> Floats:
    """Return v for the probability of a state at each of D times, (T + 1, S, D).

    Just after u it is P(u, time) for times still to come, and 0 for those that are over.
    """
    steps = chain.moves.steps
    n, n_states = steps.shape[:2]
    upto = np.searchsorted(chain.time, times, side="right")
    ahead = np.zeros((n + 1, n_states, len(times)))
    now = np.zeros((n_states, len(times)))
    for t in range(n, -1, -1):
        if t < n:
            now = steps[t] @ now
        now[:, upto == t] = np.eye(n_states)[:, [state]]
        ahead[t] = now
    ahead[:, :, times < chain.start] = 0.0
    return ahead


def ahead_of_area(chain: Chain, horizon: float) -> Floats:
    """Return v for the time in each state up to a horizon, (K + 1, S, S); K times before it."""
    time = chain.time.astype(np.float64)
    upto = int(np.searchsorted(time, horizon, side="left"))
    n_states = len(chain.begin)
    edges = np.concatenate([[chain.start], np.maximum(time[:upto], chain.start), [horizon]])
    width = np.maximum(np.diff(edges), 0.0)  # of the stretch after each edge
    steps = chain.moves.steps
    ahead = np.empty((upto + 1, n_states, n_states))
    ahead[upto] = width[upto] * np.eye(n_states)
    for t in range(upto - 1, -1, -1):
        ahead[t] = width[t] * np.eye(n_states) + steps[t] @ ahead[t + 1]
    return ahead


def spell_influence(chain: Chain, ahead: Floats, spells: Ints | None = None) -> Floats:
    """Return the influence of spells of weight 1, (N, D), on a functional of the curve.

    Parameters
    ----------
    ahead : (K + 1, S, D) array
        v: first of somebody in each state at the start, then just after each of the first K
        times. Later times do not matter.
    spells : (N,) array, optional
        Which; without it all.
    """
    history, moves = chain.history, chain.moves
    some = slice(None) if spells is None else spells
    origin, target = history.origin[some], history.target[some]
    first, last = moves.first[some], moves.last[some]
    upto = len(ahead) - 1
    scale, _ = scales(moves, chain.value, chain.begin)
    after = ahead[1:]
    gain = np.einsum("thj,tjd->thd", moves.steps[:upto] - np.eye(history.n_states), after)
    drift = np.zeros((upto + 1, *gain.shape[1:]))
    np.cumsum(scale[:upto, :, None] * gain, axis=0, out=drift[1:])
    low = np.clip(first, 0, upto)
    high = np.clip(last + 1, low, upto)
    out = drift[low, origin] - drift[high, origin]
    moved = (target >= 0) & (last >= 0) & (last < upto) & (first <= last)
    at, h, j = last[moved], origin[moved], target[moved]
    out[moved] += scale[at, h][:, None] * (after[at, j] - after[at, h])
    told = chain.begin_rows[some] > 0
    if told.any():
        apart = np.eye(history.n_states)[origin[told]] - chain.begin
        out[told] += chain.begin_rows[some][told][:, None] * (apart @ ahead[0])
    found: Floats = out
    return found


def unit_variance(chain: Chain, influence: Floats) -> Floats:
    """Return the variance, (D,), from weighted influences: squares summed over the units."""
    history = chain.history
    if history.cluster is not None:
        cluster = history.cluster[history.unit]
        sums = add_up(influence, cluster, int(history.cluster.max()) + 1)
        return np.asarray((sums**2).sum(axis=0))
    sums = add_up(influence, history.unit, len(history.times))
    # a unit that occurs w times has w times its influence here: w (u)² = (w u)² / w
    return np.asarray((sums**2 / history.times[:, None]).sum(axis=0))


def time_in_states(chain: Chain, horizon: float) -> tuple[Floats, Floats]:
    """Return the expected time in each state up to a horizon, and its variance, both (S,)."""
    ahead = ahead_of_area(chain, horizon)
    moved = spell_influence(chain, ahead) * chain.history.weight[:, None]
    return chain.begin @ ahead[0], unit_variance(chain, moved)
