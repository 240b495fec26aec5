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

from toolkit.survival.multi_state.chain import Chain, scales
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def chain_influence(chain: Chain, time: float) -> Floats:
    """Return the influence of every spell, weight included, on p(time), (N, S)."""
    steps = chain.moves.steps
    n_states = steps.shape[1]
    upto = int(np.searchsorted(chain.time, time, side="right"))
    ahead = np.empty((upto + 1, n_states, n_states))
    ahead[upto] = np.eye(n_states)
    for t in range(upto - 1, -1, -1):
        ahead[t] = steps[t] @ ahead[t + 1]
    if time < chain.start:
        return np.zeros((len(chain.history.row), n_states))
    return spell_influence(chain, ahead)


def spell_influence(chain: Chain, ahead: Floats) -> Floats:
    """Return the influence of every spell, (N, D), on a functional of the curve.

    Parameters
    ----------
    ahead : (K + 1, S, D) array
        v: first of somebody in each state at the start, then just after each of the first K
        times. Later times do not matter.
    """
    history, moves = chain.history, chain.moves
    upto = len(ahead) - 1
    scale, _ = scales(moves, chain.value, chain.begin)
    after = ahead[1:]
    gain = np.einsum("thj,tjd->thd", moves.steps[:upto] - np.eye(history.n_states), after)
    drift = np.zeros((upto + 1, *gain.shape[1:]))
    np.cumsum(scale[:upto, :, None] * gain, axis=0, out=drift[1:])
    low = np.clip(moves.first, 0, upto)
    high = np.clip(moves.last + 1, low, upto)
    out = drift[low, history.origin] - drift[high, history.origin]
    moved = (history.target >= 0) & (moves.last >= 0) & (moves.last < upto)
    moved &= moves.first <= moves.last
    at, h, j = moves.last[moved], history.origin[moved], history.target[moved]
    out[moved] += scale[at, h][:, None] * (after[at, j] - after[at, h])
    if chain.begin_rows.any():
        told = chain.begin_rows > 0
        apart = np.eye(history.n_states)[history.origin[told]] - chain.begin
        out[told] += chain.begin_rows[told][:, None] * (apart @ ahead[0])
    weighted: Floats = out * history.weight[:, None]
    return weighted


def unit_variance(chain: Chain, influence: Floats) -> Floats:
    """Return the variance, (D,): the sum of squares over persons, or over clusters of them."""
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
    time = chain.time.astype(np.float64)
    upto = int(np.searchsorted(time, horizon, side="left"))
    n_states = len(chain.begin)
    edges = np.concatenate([[chain.start], time[:upto], [horizon]])
    edges[1:-1] = np.maximum(edges[1:-1], chain.start)
    width = np.maximum(np.diff(edges), 0.0)  # of the stretch after each edge
    steps = chain.moves.steps
    ahead = np.empty((upto + 1, n_states, n_states))
    ahead[upto] = width[upto] * np.eye(n_states)
    for t in range(upto - 1, -1, -1):
        ahead[t] = width[t] * np.eye(n_states) + steps[t] @ ahead[t + 1]
    mean = chain.begin @ ahead[0]
    return mean, unit_variance(chain, spell_influence(chain, ahead))
