"""One integer for a person (or group) and a day, so that one sort and one scan do the work.

key = group × 2^18 + day number. Keys of different groups are at least 2^17 days apart (see
`days.OPEN`), so a running maximum over a whole column never leaks from one group into the next.
Months take the place of days in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import MissingValueError
from toolkit.frames import rows_where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.trajectories.days import IntArray

SHIFT = 18
#: Gaps from here on would reach into the next group.
MAX_GAP = 1 << 16
_MAX_GROUP = 1 << 44
_MASK = (1 << SHIFT) - 1


def days_of(keys: pl.Series) -> pl.Series:
    """Return the day numbers in packed keys."""
    return keys & _MASK


def pack(groups: pl.Series, numbers: pl.Series) -> pl.Series:
    """Pack group numbers and day or month numbers into one Int64 key."""
    return groups * (1 << SHIFT) + numbers


def group_numbers(frames: Sequence[pl.DataFrame], by: Sequence[str]) -> list[pl.Series]:
    """Number the groups of `by` alike in all frames, in the order of `by`.

    One integer column is its own number; an integer with one Enum takes both in one; anything
    else is ranked.

    Raises
    ------
    MissingValueError
        When a `by` column has nulls.
    """
    for frame in frames:
        for name in by:
            if frame[name].null_count():
                _, where = rows_where(frame, pl.col(name).is_null())
                raise MissingValueError(
                    f"Column {name!r} has missing values",
                    where=where,
                    fix="spells need to be told apart by it; fill or drop these rows yourself",
                )
    direct = [_direct(frame, by) for frame in frames]
    if all(series is not None for series in direct):
        return [series for series in direct if series is not None]
    together = pl.concat([frame.select(by) for frame in frames])
    names = together.unique().sort(by).with_row_index("_group")
    numbers = (
        together.join(names, on=list(by), how="left", maintain_order="left")
        .get_column("_group")
        .cast(pl.Int64)
    )
    out, at = [], 0
    for frame in frames:
        out.append(numbers.slice(at, frame.height))
        at += frame.height
    return out


def _direct(frame: pl.DataFrame, by: Sequence[str]) -> pl.Series | None:
    """Group numbers without a look at the other rows, or None when that cannot be."""
    if not by:
        return pl.Series("_group", np.zeros(frame.height, np.int64))
    whole = frame[by[0]]
    if not whole.dtype.is_integer() or len(by) > 2:
        return None
    number, width = whole.cast(pl.Int64), 1
    if len(by) == 2:
        second = frame.schema[by[1]]
        if not isinstance(second, pl.Enum):
            return None
        width = len(second.categories)
        number = number * width + frame[by[1]].to_physical().cast(pl.Int64)
    low, high = number.min(), number.max()
    inside = low is None or (low > -_MAX_GROUP and high < _MAX_GROUP)  # type: ignore[operator]
    return number if inside else None


def last_at_or_before(keys: IntArray, asked: IntArray) -> IntArray:
    """Return the position of the last sorted key <= each asked key, −1 where there is none."""
    return np.searchsorted(keys, asked, side="right") - 1
