"""Where the spells of a person do not join up: gaps, jumps, teleports, overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.multi_state.spells import Spells

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Joins:
    """How each of N spells joins the one before it of the same person; flags of shape (N,).

    Attributes
    ----------
    first : array
        The person's first spell.
    gap : array
        Starts after the person was last seen, in the state in which they were.
    jump : array
        Starts after the person was last seen, in another state.
    teleport : array
        Starts at once, in another state than the one moved to (or stayed in).
    overlap : array
        Starts before an earlier spell of the person has stopped.
    two_states : array
        Among these: the earlier spell is one in another state.
    duplicate : array
        Among these: in everything equal to the row before.
    """

    first: Bools
    gap: Bools
    jump: Bools
    teleport: Bools
    overlap: Bools
    two_states: Bools
    duplicate: Bools

    @property
    def begins(self) -> Bools:
        """Whether observation begins anew with a spell: the first, or after time not seen."""
        begins: Bools = self.first | self.gap | self.jump
        return begins


def find_joins(spells: Spells) -> Joins:
    """Compare every spell with those before it of the same person."""
    first = spells.first
    start, stop, origin, target = spells.start, spells.stop, spells.origin, spells.target
    overlap, two_states, last_stop = _overlaps(spells)
    left_in = np.where(target >= 0, target, origin)
    other = np.zeros(len(first), dtype=bool)
    other[1:] = origin[1:] != left_in[:-1]
    later, fine = start > last_stop, ~first & ~overlap
    alike = ~first
    for column in (start, stop, origin, target):
        alike[1:] &= column[1:] == column[:-1]
    return Joins(
        first=first,
        gap=fine & later & ~other,
        jump=fine & later & other,
        teleport=fine & ~later & other,
        overlap=overlap,
        two_states=two_states,
        duplicate=alike,
    )


def _overlaps(spells: Spells) -> tuple[Bools, Bools, NDArray[np.generic]]:
    """Return overlap, two states at once, and until when a person was seen before each spell."""
    first, start, stop = spells.first, spells.start, spells.stop
    before = np.roll(stop, 1)
    overlap = ~first & (start < before)
    if not overlap.any():
        return overlap, overlap, before
    # the latest stop so far of the same person, over all spells and over those in other states
    times, rank = np.unique(stop, return_inverse=True)
    latest = _running_max(rank, spells.person, first)
    overlap = ~first & (latest >= 0) & (start < times[latest])
    two_states = np.zeros(len(first), dtype=bool)
    for state in range(len(spells.states)):
        seen = _running_max(np.where(spells.origin == state, rank, -1), spells.person, first)
        two_states |= (spells.origin != state) & (seen >= 0) & (start < times[seen])
    return overlap, two_states & ~first, times[latest]


def _running_max(rank: Ints, person: Ints, first: Bools) -> Ints:
    """Return the highest rank among the earlier rows of the same person, -1 where there is none."""
    width = int(rank.max()) + 2
    upto = np.maximum.accumulate(person * width + rank + 1) - person * width - 1
    earlier = np.roll(upto, 1)
    earlier[first] = -1
    return earlier
