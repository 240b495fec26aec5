"""Rows with the same values: whether there are many, and which pattern each row has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: Rows looked at to see whether values repeat, and the share of new ones that says they do not.
_SAMPLE, _NEW = 20_000, 0.5


def repeats(frame: pl.DataFrame | pl.LazyFrame, names: Sequence[str]) -> bool:
    """Tell from some rows whether the same values come back, so that counting them pays.

    The rows are spread over a frame; of a lazy one, which may be a file, they are the first.
    """
    if not names:
        return True
    if isinstance(frame, pl.LazyFrame):
        some = frame.select(names).head(_SAMPLE).collect()
    else:
        step = max(1, frame.height // _SAMPLE)
        some = frame.select(pl.col(names).gather_every(step)).head(_SAMPLE)
    return some.height < _SAMPLE // 4 or some.n_unique() < _NEW * some.height


def find_patterns(frame: pl.DataFrame, names: Sequence[str]) -> tuple[pl.DataFrame, Ints]:
    """Return the distinct values, sorted so that the order of rows is none of theirs, and codes.

    Parameters
    ----------
    frame : DataFrame
    names : sequence of str
        Columns, one at least. A missing value is a value.

    Returns
    -------
    patterns : DataFrame
        A row per distinct combination.
    code : (N,) array
        The row of `patterns` that each row of `frame` equals.

    Examples
    --------
    >>> import polars as pl
    >>> patterns, code = find_patterns(pl.DataFrame({"x": [3, 1, 3]}), ["x"])
    >>> patterns["x"].to_list(), code.tolist()
    ([1, 3], [1, 0, 1])
    """
    patterns = frame.select(names).unique().sort(names)
    return patterns, place_among(frame, patterns, names)


def place_among(frame: pl.DataFrame, known: pl.DataFrame, names: Sequence[str]) -> Ints:
    """Return the row of `known` that each row equals in these columns, (N,); it must be there."""
    numbered = frame.select(names).join(
        known.with_row_index("\0row"),
        on=list(names), how="left", maintain_order="left", nulls_equal=True,
    )  # fmt: skip
    return numbered["\0row"].cast(pl.Int64).to_numpy()
