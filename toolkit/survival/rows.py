"""From cells back to rows: which cell each row of the data was counted in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.frames import require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: A table of all keys there may be is made while it is at most so many times the rows and cells.
_TABLE = 8


@dataclass(frozen=True, kw_only=True)
class Source:
    """The N rows that were counted, and the columns they were counted by.

    Attributes
    ----------
    data : LazyFrame
    time, event, entry, weights : str
        Columns; the last two may be None.
    competing : bool
        Whether an event is a cause rather than true or false.
    """

    data: pl.LazyFrame
    time: str
    event: str
    entry: str | None
    weights: str | None
    competing: bool

    def column(self, name: str) -> pl.Series:
        """Return a column of the data, in its order (N,); a name in error is answered kindly."""
        require_columns(self.data, name)
        return self.data.select(name).collect().to_series()

    def row_weights(self) -> Floats:
        """Return the weight of every row, (N,); ones without weights."""
        if self.weights is None:
            return np.ones(self.data.select(pl.len()).collect().item())
        weights = self.data.select(pl.col(self.weights).cast(pl.Float64)).collect()
        return weights.to_series().to_numpy()

    def cluster_codes(self, name: str) -> Ints:
        """Return the cluster of every row as a number from 0, (N,)."""
        column = self.column(name)
        require_no_nulls(column.to_frame(), name)
        if column.dtype.is_integer() and column.dtype != pl.UInt64 and len(column):
            number = column.cast(pl.Int64).to_numpy()
            low, span = int(number.min()), int(number.max()) - int(number.min()) + 1
            if span <= _TABLE * len(number):  # counting is faster than the sort of a rank
                there = np.zeros(span, dtype=bool)
                there[number - low] = True
                code: Ints = (np.cumsum(there) - 1)[number - low]
                return code
        return column.rank("dense").cast(pl.Int64).to_numpy() - 1

    def match_cells(
        self,
        labels: Mapping[str, pl.Series],
        *,
        time: NDArray[Any],
        event: Ints,
        entry: NDArray[Any] | None,
        causes: pl.Series,
    ) -> Ints:
        """Return the cell of every row, (N,); -1 where the weight is 0.

        Parameters
        ----------
        labels : mapping
            From columns of the data to their value in each of the C cells.
        time, event, entry : (C,) arrays
            Of the cells; an event is 0 or the number of a cause.
        causes : Series
            The K causes.
        """
        known: dict[str, pl.Series] = {f"by_{i}": x for i, x in enumerate(labels.values())}
        known |= {"time": pl.Series(time), "event": pl.Series(event)}
        if entry is not None:
            known["entry"] = pl.Series(entry)
        cells = pl.DataFrame(known).with_row_index("cell")
        columns = {f"by_{i}": name for i, name in enumerate(labels)} | {"time": self.time}
        if self.entry is not None:
            columns["entry"] = self.entry
        asked = [pl.col(name).cast(cells.schema[key]).alias(key) for key, name in columns.items()]
        asked.append(self._event_number(causes))
        if self.weights is not None:
            asked.append(pl.col(self.weights).alias("weight"))
        rows = self.data.select(asked).collect()
        cell = _look_up(rows, cells, list(known))
        if self.weights is not None:
            cell[rows["weight"].to_numpy() == 0] = -1
        return cell

    def _event_number(self, causes: pl.Series) -> pl.Expr:
        column = pl.col(self.event)
        if not self.competing:
            return column.cast(pl.Int64).alias("event")
        dtype = self.data.collect_schema()[self.event]
        if isinstance(dtype, (pl.Categorical, pl.Enum)):
            column = column.cast(pl.String)
        elif dtype.is_float():
            column = column.cast(pl.Int64)
        number = pl.Series(range(1, len(causes) + 1), dtype=pl.Int64)
        numbered = column.replace_strict(causes, number, default=0, return_dtype=pl.Int64)
        return numbered.fill_null(0).alias("event")


def _look_up(rows: pl.DataFrame, cells: pl.DataFrame, on: list[str]) -> Ints:
    """Return the cell of each row, (N,); -1 for a row that is in none."""
    packed = _pack(rows, cells, on)
    if packed is not None:
        of_rows, of_cells, size = packed
        if size <= _TABLE * (len(of_rows) + len(of_cells)) + 1_000_000:
            table = np.full(size, -1, dtype=np.int32)
            table[of_cells] = np.arange(len(of_cells))
            return table[of_rows].astype(np.int64)
        rows, on = pl.DataFrame({"key": of_rows}), ["key"]
        cells = pl.DataFrame({"key": of_cells, "cell": cells["cell"]})
    found = rows.join(cells, on=on, how="left", maintain_order="left", nulls_equal=True)
    return found["cell"].cast(pl.Int64).fill_null(-1).to_numpy().copy()


def _pack(rows: pl.DataFrame, cells: pl.DataFrame, on: list[str]) -> tuple[Ints, Ints, int] | None:
    """Make one integer of all columns, below a size; None where they do not fit into one.

    A column counts from 0 over its values in the cells. A row whose value is not among them has
    weight 0, as all others were counted: it gets any number.
    """
    size = 1
    of_rows, of_cells = np.zeros(rows.height, np.int64), np.zeros(cells.height, np.int64)
    for name in on:
        numbered = _number(rows[name], cells[name])
        if numbered is None:
            return None
        row, cell, span = numbered
        size *= span
        if size >= 2**62:
            return None
        of_rows, of_cells = of_rows * span + row, of_cells * span + cell
    return of_rows, of_cells, size


def _number(rows: pl.Series, cells: pl.Series) -> tuple[Ints, Ints, int] | None:
    """Return a column of the rows and of the cells as numbers from 0, and how many there are."""
    dtype = cells.dtype
    if not len(cells) or cells.null_count():
        return None
    if dtype.is_float():
        values = np.unique(cells.to_numpy())
        row, cell = (np.searchsorted(values, x.to_numpy()) for x in (rows, cells))
        return np.minimum(row, len(values) - 1), cell, len(values)
    if isinstance(dtype, (pl.String, pl.Categorical)):
        enum = pl.Enum(cells.cast(pl.String).unique())
        rows, cells = (x.cast(pl.String).cast(enum, strict=False) for x in (rows, cells))
    if isinstance(cells.dtype, pl.Enum):
        rows, cells = rows.to_physical(), cells.to_physical()
    elif dtype != pl.Boolean and (not dtype.is_integer() or dtype == pl.UInt64):
        return None
    cell = cells.cast(pl.Int64).to_numpy()
    low, high = int(cell.min()), int(cell.max())
    row = rows.cast(pl.Int64).fill_null(low).to_numpy()
    outside = (row < low) | (row > high)
    if outside.any():
        row = np.where(outside, low, row)
    return row - low, cell - low, high - low + 1
