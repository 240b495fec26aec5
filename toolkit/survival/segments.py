"""Running sums and products within groups, and looking a time up in a group's step function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def add_up(values: Floats, place: Ints, length: int) -> Floats:
    """Return the sum of the `values`, (C,) or (C, K), that share a place 0 … length - 1."""
    if values.ndim == 2:
        sums = np.empty((length, values.shape[1]))
        for k, column in enumerate(values.T):
            sums[:, k] = add_up(column, place, length)
        return sums
    return np.bincount(place, weights=values, minlength=length).astype(np.float64)


def running_sum(values: Floats, group: Ints, *, reverse: bool = False) -> Floats:
    """Return the running sum of `values` that starts anew in every group.

    Parameters
    ----------
    values : (R,) or (R, K) array
    group : (R,) array
        Group number of each row, sorted.
    reverse : bool
        Sum from the group's last row back.
    """
    if reverse:
        return _within(values[::-1], group[::-1], np.cumsum, 0.0)[::-1]
    return _within(values, group, np.cumsum, 0.0)


def running_product(values: Floats, group: Ints) -> Floats:
    """Return the running product of `values` that starts anew in every group."""
    return _within(values, group, np.cumprod, 1.0)


def before(values: Floats, group: Ints, start: float) -> Floats:
    """Return each row's value just before its time: that of the row above, `start` at the top."""
    out = np.roll(values, 1, axis=0)
    top = np.ones(len(group), dtype=bool)
    top[1:] = group[1:] != group[:-1]
    out[top] = start
    return out


def _within(values: Floats, group: Ints, running: Callable[..., Floats], fill: float) -> Floats:
    # every group is cumulated by itself, so that no rounding leaks from one into the next,
    # as it would when one long running sum were cut up by subtraction
    start = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    length = np.diff(np.append(start, len(group)))
    width = int(length.max())
    if len(start) * width <= 4 * len(group) + 10_000:
        # a row a group, filled up on the right
        row = np.repeat(np.arange(len(start)), length)
        place = np.arange(len(group)) - start[row]
        table = np.full((len(start), width, *values.shape[1:]), fill)
        table[row, place] = values
        done: Floats = running(table, axis=1)[row, place]
        return done
    out = np.empty(values.shape)
    for first, last in zip(start, start + length, strict=True):
        out[first:last] = running(values[first:last], axis=0)
    return out


class Steps:
    """Finds, for a group and a time, the row of a table sorted by group and time.

    Parameters
    ----------
    group : (R,) array
        Group numbers 0 … G-1, sorted.
    time : (R,) array
        Times, sorted within a group.
    """

    def __init__(self, group: Ints, time: NDArray[np.generic]) -> None:
        self._known, rank = np.unique(time, return_inverse=True)
        # one integer that sorts as (group, time) does
        self._key = group * (len(self._known) + 1) + rank

    def last(self, group: Ints, time: NDArray[np.generic], *, including: bool = True) -> Ints:
        """Return the last row of the whole table at or before (group, time).

        The answer lies in an earlier group (or is -1) where the group has no such row;
        callers compare it with their group's first row. `including=False` asks for rows
        strictly before `time`.
        """
        rank = np.searchsorted(self._known, time, side="right" if including else "left") - 1
        key = group * (len(self._known) + 1) + rank
        return np.searchsorted(self._key, key, side="right") - 1
