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
        on = list(known)
        found = rows.join(cells, on=on, how="left", maintain_order="left", nulls_equal=True)
        cell = found["cell"].cast(pl.Int64).fill_null(-1).to_numpy().copy()
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
