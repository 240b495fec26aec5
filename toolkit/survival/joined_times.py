"""Moments that were computed: 0.1 + 0.2 and 0.3 are one."""

from __future__ import annotations

import numpy as np
import polars as pl

#: Share of the largest time by which computed times may be apart and yet be one moment.
_ROUNDING = 1e-11


def join_times(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Return the frame with times a rounding error apart made equal, over all `names` together.

    A spell that begins a rounding error before the last one stopped does not overlap it. Whole
    numbers and nulls stay what they are.
    """
    computed = [name for name in names if frame.schema[name].is_float()]
    if not computed:
        return frame
    times = np.concatenate([frame[name].drop_nulls().to_numpy() for name in names]).astype(float)
    times = times[np.isfinite(times)]
    if np.array_equal(times, np.floor(times)):
        return frame
    known = np.unique(times)
    # each moment is the first of those that lie within a rounding error of the one before
    near = np.diff(known, prepend=-np.inf) <= _ROUNDING * np.abs(known).max()
    if not near.any():
        return frame
    first = np.maximum.accumulate(np.where(near, -1, np.arange(len(known))))
    moment = known[first]
    whole = frame.with_columns(pl.col(computed).cast(pl.Float64))
    return whole.with_columns(_joined(whole[name], known, moment) for name in computed)


def _joined(column: pl.Series, known: np.ndarray, moment: np.ndarray) -> pl.Series:
    values = column.to_numpy().copy()
    finite = np.isfinite(values)
    values[finite] = moment[np.searchsorted(known, values[finite])]
    joined = pl.Series(column.name, values)
    return joined if not column.null_count() else pl.select(
        pl.when(column.is_not_null()).then(joined).alias(column.name)
    ).to_series()  # fmt: skip
