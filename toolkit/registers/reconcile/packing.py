"""Several columns as one integer, so that a sort or a look for repeats is one pass over numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

#: With the sign and one bit to spare, so that no product overflows.
_BITS = 62


def pack(frame: pl.DataFrame, names: Sequence[str]) -> tuple[pl.Series, int] | None:
    """Return one integer a row that orders and equals as the columns do, and its bits.

    Missing values are equal to each other and come before all others. None when the columns do
    not fit in 62 bits.

    Examples
    --------
    >>> frame = pl.DataFrame({"a": [1, 1, 2], "b": [None, 5, 4]})
    >>> pack(frame, ["a", "b"])[0].to_list()
    [4, 6, 9]
    """
    packed, bits = pl.repeat(0, frame.height, dtype=pl.Int64, eager=True), 0
    for name in names:
        series = frame[name]
        if series.dtype == pl.String:
            series = series.rank("dense")
        elif not (series.dtype.is_integer() or series.dtype == pl.Boolean):
            if not (series.dtype.is_temporal() or isinstance(series.dtype, pl.Enum)):
                return None
            series = series.to_physical()
        if series.dtype == pl.UInt64:
            return None
        series = series.cast(pl.Int64)
        low, high = series.min(), series.max()
        if not isinstance(low, int) or not isinstance(high, int):
            continue  # nothing but missing values
        width = (high - low + 1).bit_length()
        bits += width
        if bits > _BITS:
            return None
        code = (series - low + 1).fill_null(0)
        packed = packed * (1 << width) + code
    return packed, bits


def repeats(frame: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """Tell which rows have the same values in `names` as another; missing values are equal."""
    found = pack(frame, names)
    if found is None:
        return frame.select(names).is_duplicated()
    value = found[0]
    if value.is_sorted():
        same = _as_before(value)
        return same | same.shift(-1, fill_value=False)
    if not _as_before(value.sort()).any():
        return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    return value.is_duplicated()


def arrange(
    frame: pl.DataFrame, key: Sequence[str], then: Sequence[str] = ()
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Sort rows by `key` and `then`, without moving them.

    Returns
    -------
    rows : pl.Series
        Row numbers in order.
    same : pl.Series
        Whether a row, in that order, has the key of the row before it.
    tied : pl.Series
        Whether it also has its `then`.
    """
    names = [*key, *then]
    whole, part = pack(frame, names), pack(frame, then)
    if whole is not None and part is not None:
        value = whole[0]
        if value.is_sorted():
            rows = pl.int_range(frame.height, dtype=pl.UInt32, eager=True)
        else:
            rows = value.arg_sort()
            value = value.gather(rows)
        group = value // (1 << part[1])
        return rows, _as_before(group), _as_before(value)
    sorted_ = frame.select(names).with_row_index("_n").sort(names)
    same, tied = (
        sorted_.select(
            pl.all_horizontal(
                pl.lit(value=True),
                *(pl.col(name).eq_missing(pl.col(name).shift()) for name in some),
            )
            & (pl.int_range(pl.len()) > 0)
        ).to_series()
        for some in (key, names)
    )
    return sorted_["_n"], same, tied


def _as_before(series: pl.Series) -> pl.Series:
    return (series == series.shift()).fill_null(value=False)
