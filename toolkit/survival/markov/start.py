"""Where the climb starts: crude intensities, as if every change happened when it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.parameters import Layout
    from toolkit.survival.markov.records import Records

    Floats = NDArray[np.float64]

#: A priori share of observations in a wrong state.
_MISTAKEN = 0.1


def crude_intensities(records: Records) -> Floats:
    """Return moves seen from r to s over the time after being seen in r, (S, S).

    An allowed move that was never seen directly is given half a one.
    """
    structure = records.structure
    size = structure.n_state
    end = records.end
    before, after = records.observed[end - 1], records.observed[end]
    weight = records.weight[end]
    length = records.time[end] - records.time[end - 1]
    known = before < size
    stayed = np.bincount(before[known], (weight * length)[known], minlength=size)
    jump = known & (after < size) & (after != before)
    moved = np.bincount(before[jump] * size + after[jump], weight[jump], minlength=size * size)
    moved = np.where(structure.mask, moved.reshape(size, size), 0.0)
    moved = np.where(structure.mask & (moved == 0), 0.5, moved)
    total = float((weight * length).sum())
    stayed = np.where(stayed > 0, stayed, total / size)
    q: Floats = moved / stayed[:, None]
    return q


def starting_point(records: Records, layout: Layout, start: Any) -> Floats:
    """Return θ to start from: crude intensities, no effects, one in ten observations mistaken."""
    structure = layout.structure
    crude = crude_intensities(records)
    if start is not None:
        if not isinstance(start, Mapping):
            raise CallError("start is no dictionary", fix="write start={(1, 2): 0.1, (2, 1): 0.05}")
        for pair, value in start.items():
            places = [structure.states.index(s) if s in structure.states else -1 for s in
                      (pair if isinstance(pair, tuple) else (pair,))]  # fmt: skip
            if len(places) != 2 or -1 in places or not structure.mask[tuple(places)]:
                raise CallError(f"start names {pair!r}, which is no allowed move")
            if not 0 < value < np.inf:
                raise CallError(f"start of {pair!r} is {value!r}", fix="intensities are above 0")
            crude[tuple(places)] = value
    theta = np.zeros(layout.size)
    theta[layout.base] = np.log(crude[structure.origin, structure.target])
    if structure.true is not None:
        many = np.bincount(structure.true, minlength=structure.n_state)[structure.true]
        theta[layout.mistake] = np.log(_MISTAKEN / many / (1 - _MISTAKEN))
    if len(layout.opening):
        first = np.flatnonzero(np.append(True, records.person[1:] != records.person[:-1]))
        seen = np.bincount(records.observed[first], minlength=structure.n_state)
        share = seen[layout.opening_states] + 0.5
        theta[layout.opening] = np.log(share[1:] / share[0])
    return theta
