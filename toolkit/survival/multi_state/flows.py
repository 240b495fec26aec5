"""Who was where at one time and is where at the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.multi_state.chain import Chain

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def flow_shares(
    chains: Sequence[Chain], times: Floats, n_states: int
) -> tuple[Ints, Ints, Ints, Ints, Floats]:
    """Return chain, period, state from, state to and share of all flows, in this order.

    A share is p_h(s) P_hj(s, t); NaN where a period is not observed to its end.
    """
    shape = len(chains), len(times) - 1, n_states, n_states
    share = np.full(shape, np.nan)
    for c, chain in enumerate(chains):
        rows = np.searchsorted(chain.time, times, side="right")
        value = np.vstack([chain.begin, chain.value])
        steps = chain.moves.steps
        for k in range(shape[1]):
            if times[k] < chain.start or times[k + 1] > chain.end:
                continue
            between = np.eye(n_states)
            for t in range(rows[k], rows[k + 1]):
                between = between @ steps[t]
            share[c, k] = value[rows[k]][:, None] * between
    chain_number, period, origin, target = (x.ravel() for x in np.indices(shape))
    return chain_number, period, origin, target, share.ravel()
