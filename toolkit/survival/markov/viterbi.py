"""The likeliest true states behind observations that leave them open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.survival.markov.door import ARRIVAL, SNAPSHOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.chain import MarkovChain

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def likeliest_states(chain: MarkovChain) -> pl.DataFrame:
    """Return the likeliest path of each person through the true states (Viterbi's algorithm).

    Returns
    -------
    DataFrame
        A row per observation of persons seen twice or more, by person and time: the person and
        time columns, `observed` (null for a missing state), `state` (on the likeliest path as a
        whole) and `probability` (of that state at that moment, given all of the person's
        observations).
    """
    records, structure = chain.records, chain.problem.layout.structure
    state, probability = trace(chain)
    names = chain.names
    rows = records.frame[records.row]
    return pl.DataFrame(
        [
            rows[names["person"]],
            rows[names["time"]],
            rows[names["state"]].alias("observed"),
            structure.series("state", state),
            pl.Series("probability", probability),
        ]
    )


def trace(chain: MarkovChain) -> tuple[Ints, Floats]:
    """Return the likeliest state number at each observation, and its probability, (N,) both."""
    from toolkit.survival.markov import chain_kernels, kernels

    layout, records = chain.problem.layout, chain.records
    structure = layout.structure
    state = records.observed.copy()
    probability = np.ones(len(state))
    q = layout.generators(chain.theta, chain.problem.x)
    emission = layout.emission(chain.theta)
    pi = layout.first_states(chain.theta) if structure.hidden else np.ones(structure.n_state)
    for chains in chain.problem.paths.blocks:
        p = np.zeros((len(chains.pair_u), *q.shape[1:]))
        if np.isin(chains.scheme, (SNAPSHOT, ARRIVAL)).any():
            kernels.exponentials(np.arange(len(p)), q, chains.pair_generator, chains.pair_u, p)
        n_chain = len(chains.n)
        path = np.zeros(len(chains.u) + n_chain, dtype=np.int64)
        chance = np.zeros((len(path), structure.n_state))
        chain_kernels.likeliest(
            chains.first, chains.opening, emission * pi, chains.pair, chains.generator, chains.u,
            chains.observed, chains.scheme, chains.inner, p, q, emission, path, chance,
        )  # fmt: skip
        place = np.arange(len(chains.u)) + np.repeat(np.arange(n_chain), np.diff(chains.first)) + 1
        ends = ~chains.inner
        observation = np.concatenate([chains.head, chains.end[ends]])
        at = np.concatenate([chains.first[:-1] + np.arange(n_chain), place[ends]])
        state[observation] = path[at]
        probability[observation] = chance[at, path[at]]
    return state, probability
