"""The spells of one group as arrays, and the count table they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class History:
    """N spells of U units in S states; sorted by unit and start, the units 0 … U-1.

    Attributes
    ----------
    n_states : int
    row : (N,) array
        Row of the data.
    unit : (N,) array
        Person within the group.
    start, stop : (N,) arrays
    origin, target : (N,) arrays
        `target` is -1 where none is moved to.
    begins, ends : (N,) arrays
        Whether observation begins with the spell, and whether it ends with it without a move on
        to a next spell.
    weight : (N,) array
        What a spell counts for.
    own : (N,) array
        Weight within the influence of its unit: 1 for frequency weights, where the unit occurs
        `times` times, else `weight`.
    times : (U,) array
        How often a unit occurs.
    person : (U,) array
        Number of the person, the same in all groups.
    cluster : (U,) array or None
        Units that move together: 0 … C-1.
    """

    n_states: int
    row: Ints
    unit: Ints
    start: NDArray[Any]
    stop: NDArray[Any]
    origin: Ints
    target: Ints
    begins: Bools
    ends: Bools
    weight: Floats
    own: Floats
    times: Floats
    person: Ints
    cluster: Ints | None

    def take(self, kept: Bools) -> History:
        """Return the spells where `kept` holds; units keep their order and are counted anew."""
        unit = self.unit[kept]
        there = np.unique(unit)
        renumbered = np.cumsum(np.append(False, unit[1:] != unit[:-1])) if len(unit) else unit
        cluster = None
        if self.cluster is not None:
            cluster = np.unique(self.cluster[there], return_inverse=True)[1]
        return replace(
            self,
            row=self.row[kept], unit=renumbered, start=self.start[kept], stop=self.stop[kept],
            origin=self.origin[kept], target=self.target[kept], begins=self.begins[kept],
            ends=self.ends[kept], weight=self.weight[kept], own=self.own[kept],
            times=self.times[there], person=self.person[there], cluster=cluster,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Counts of one group at the T distinct times at which somebody moves or leaves.

    Attributes
    ----------
    time : (T,) array
    n_risk : (T, S) array
        In each state just before the time: start < time ≤ stop. Weighted if there are weights.
    n_move : (T, S, S) array
        Moves at the time, from and to.
    n_censor : (T, S) array
        Leave observation at the time without a move.
    risk_squared, move_squared : (T, S), (T, S, S) arrays
        The same with Σ times own² for the weights: what variances are made of.
    first, last : (N,) arrays
        A spell is at risk at the times first … last (none when first > last); its move is at last.
    """

    time: NDArray[Any]
    n_risk: Floats
    n_move: Floats
    n_censor: Floats
    risk_squared: Floats
    move_squared: Floats
    first: Ints
    last: Ints

    @property
    def hazards(self) -> Floats:
        """Moves by those at risk, (T, S, S); 0 where nobody is."""
        risk = self.n_risk[:, :, None]
        return np.divide(self.n_move, risk, out=np.zeros_like(self.n_move), where=risk > 0)

    @property
    def steps(self) -> Floats:
        """I + dA(t), (T, S, S): where people are just after each time, from just before it."""
        hazards = self.hazards
        leave = hazards.sum(axis=2)
        stay = 1 - leave
        # exactly nobody is left where all have moved, whatever the rounding of the sum
        stay[self.n_move.sum(axis=2) >= self.n_risk * (1 - 1e-14)] = 0.0
        stay[self.n_risk <= 0] = 1.0
        at = np.arange(hazards.shape[1])
        steps = hazards.copy()
        steps[:, at, at] = stay
        return steps


def count_moves(history: History) -> Moves:
    """Count who is at risk, moves and leaves at every time."""
    n_states = history.n_states
    moved = history.target >= 0
    time = _distinct(history.stop[moved | history.ends])
    n = len(time)
    first = _place(time, history.start) + 1
    last = _place(time, history.stop)
    squared = history.times[history.unit] * history.own**2
    there = first <= last

    def at_risk(weight: Floats | None) -> Floats:
        come = _add(first[there] * n_states + history.origin[there], weight, there, n * n_states)
        go = _add(last[there] * n_states + history.origin[there], weight, there, n * n_states)
        come, go = come.reshape(n, n_states), go.reshape(n, n_states)
        return np.cumsum(come, axis=0) - np.cumsum(go, axis=0) + go

    heads = at_risk(None)
    risk = np.where(heads > 0.5, at_risk(history.weight), 0.0)
    risk_squared = np.where(heads > 0.5, at_risk(squared), 0.0)
    place = (last * n_states + history.origin) * n_states + history.target
    size = n * n_states * n_states
    shape = n, n_states, n_states
    gone = history.ends & ~moved
    away = last[gone] * n_states + history.origin[gone]
    return Moves(
        time=time,
        n_risk=risk,
        n_move=_add(place[moved], history.weight, moved, size).reshape(shape),
        n_censor=_add(away, history.weight, gone, n * n_states).reshape(n, n_states),
        risk_squared=risk_squared,
        move_squared=_add(place[moved], squared, moved, size).reshape(shape),
        first=first,
        last=last,
    )


def _add(place: Ints, weight: Floats | None, rows: Bools, length: int) -> Floats:
    picked = None if weight is None else weight[rows]
    return np.bincount(place, weights=picked, minlength=length).astype(np.float64)


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct values in order; whole numbers of a small range are counted."""
    if values.dtype.kind == "i" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low <= 4 * len(values) + 1000:
            return np.flatnonzero(np.bincount(values - low)) + low
    return np.unique(values)


def _place(time: NDArray[Any], values: NDArray[Any]) -> Ints:
    """Return the last time at or before each value, -1 before the first."""
    if values.dtype.kind == "i" and time.dtype.kind == "i" and len(time):
        low, high = int(time[0]), int(time[-1])
        if high - low <= 4 * len(values) + 1000:
            table = np.searchsorted(time, np.arange(low - 1, high + 1), side="right") - 1
            found: Ints = table[np.clip(values, low - 1, high) - low + 1]
            return found
    return np.searchsorted(time, values, side="right") - 1


def seen_at(history: History, at: float) -> NDArray[np.int64]:
    """Return the state each unit is seen in at a time (start ≤ at < stop), (U,); -1 = not seen."""
    state = np.full(len(history.times), -1)
    inside = (history.start <= at) & (at < history.stop)
    state[history.unit[inside]] = history.origin[inside]
    return state
