"""Cells: rows that agree on columns, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import WrongTypeError
from toolkit.frames import as_columns, require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: What to do with missing values in columns that make cells.
MISSING = ("refuse", "category")


def cell_codes(
    frame: pl.DataFrame, columns: str | Sequence[str] | None, *, missing: str = "refuse"
) -> Ints:
    """Return the cell of each row, (N,), from 0, in the order of the columns' values.

    Parameters
    ----------
    missing : {"refuse", "category"}
        A missing value is refused, or a value of its own.

    Raises
    ------
    toolkit.errors.ToolkitError
    """
    code = np.zeros(frame.height, np.int64)
    for name in as_columns(columns):
        require_columns(frame, name)
        code = join(code, column_codes(frame, name, missing=missing))
    return code


def column_codes(frame: pl.DataFrame, name: str, *, missing: str) -> Ints:
    """Return the values of a column as numbers from 0, (N,); missing, where allowed, the last."""
    series = frame[name]
    if series.dtype.is_nested() or series.dtype == pl.Object:
        raise WrongTypeError(f"Column {name!r} is {series.dtype}, not single values", fix="cast it")
    if missing == "refuse":
        require_no_nulls(frame, name)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if series.dtype in {pl.Categorical, pl.Enum}:
        series = series.cast(pl.String)
    if series.dtype.is_integer() and series.null_count() == 0:
        low, high = series.min(), series.max()
        if isinstance(low, int) and isinstance(high, int) and high - low < 4 * len(series) + 1024:
            return series.cast(pl.Int64).to_numpy() - low
    ranks = series.rank("dense").cast(pl.Int64) - 1
    top = ranks.max()
    return ranks.fill_null(0 if top is None else int(str(top)) + 1).to_numpy()


def join(code: Ints, more: Ints) -> Ints:
    """Return codes of pairs of codes, from 0 without gaps, in their order."""
    wide = int(more.max(initial=0)) + 1
    return dense(code * wide + more)


def dense(code: Ints) -> Ints:
    """Return codes renumbered from 0 without gaps, in their order."""
    top = int(code.max(initial=0)) + 1
    if top <= 4 * len(code) + 1024:  # by counting, where the numbers are not spread too wide
        there = np.zeros(top, np.int64)
        there[code] = 1
        number: Ints = np.cumsum(there) - 1
        return number[code]
    return np.unique(code, return_inverse=True)[1].astype(np.int64)


def counts(code: Ints, treated: Bools) -> tuple[Ints, Ints]:
    """Return how many treated and how many controls each cell has, (cells,) each."""
    size = int(code.max(initial=0)) + 1
    number = np.bincount(code, minlength=size)
    with_treatment = np.bincount(code[treated], minlength=size)
    return with_treatment, number - with_treatment
