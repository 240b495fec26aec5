"""Running sums and products within groups, and looking a time up in a group's step function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def add_up(values: Floats, place: Ints, length: int) -> Floats:
    """Return the sum of the `values` that share a place, for places 0 … length - 1."""
    return np.bincount(place, weights=values, minlength=length).astype(np.float64)


def running_sum(values: Floats, group: Ints, *, reverse: bool = False) -> Floats:
    """Return the running sum of `values` that starts anew in every group.

    Parameters
    ----------
    values : (R,) or (R, K) array
    group : (R,) array
        Group number of each row.
    reverse : bool
        Sum from the group's last row back.
    """
    return _over(values, group, lambda x: x.cum_sum(reverse=reverse))


def running_product(values: Floats, group: Ints) -> Floats:
    """Return the running product of `values` that starts anew in every group."""
    return _over(values, group, lambda x: x.cum_prod())


def before(values: Floats, group: Ints, start: float) -> Floats:
    """Return each row's value just before its time: that of the row above, `start` at the top."""
    out = np.roll(values, 1, axis=0)
    top = np.ones(len(group), dtype=bool)
    top[1:] = group[1:] != group[:-1]
    out[top] = start
    return out


def _over(values: Floats, group: Ints, running: object) -> Floats:
    # polars cumulates per group, so that no rounding leaks from one group into the next,
    # as it would when one long running sum were cut up by subtraction
    columns = values.reshape(len(values), -1)
    names = [f"x{k}" for k in range(columns.shape[1])]
    frame = pl.DataFrame(columns, schema=names).with_columns(group=pl.Series(group))
    done = frame.select(running(pl.col(name)).over("group") for name in names)  # type: ignore[operator]
    return done.to_numpy().reshape(values.shape)


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
