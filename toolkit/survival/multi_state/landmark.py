"""Transition probabilities of those who are seen in a state at a landmark, and of them alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.multi_state.chain import Chain, follow
from toolkit.survival.multi_state.history import History, count_moves, seen_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.survival.multi_state.variance import VarianceType


def landmark_chains(
    histories: Sequence[History], at: float, states: Sequence[int] | None, *, variance: VarianceType
) -> tuple[list[int], list[Chain]]:
    """Return the states of origin, and a chain for each group and state of origin.

    Without `states` all in which somebody is seen at the landmark in every group. Each chain counts
    the moves of its own persons only (Putter and Spitoni 2018).

    Raises
    ------
    toolkit.errors.CallError
        When nobody is seen in a state in some group.
    """
    n_states = histories[0].n_states
    seen = [seen_at(history, at) for history in histories]
    there = np.stack([np.bincount(state[state >= 0], minlength=n_states) for state in seen])
    fewest = there.min(axis=0)
    origins = [int(h) for h in (np.flatnonzero(fewest) if states is None else states)]
    if not origins or not fewest[origins].all():
        raise CallError(
            f"Nobody is seen at {at:g} in such a state, in some group",
            where=f"fewest persons in a group, by state: {fewest.tolist()}",
            fix="choose an earlier landmark, or other states",
        )
    chains = []
    for history, state in zip(histories, seen, strict=True):
        for h in origins:
            part = history.take((state[history.unit] == h) & (history.stop > at))
            begin = np.eye(n_states)[h]
            chains.append(follow(part, count_moves(part), start=at, begin=begin, variance=variance))
    return origins, chains
