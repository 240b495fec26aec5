"""Columns to decide by, cut into bins whose edges are thresholds of a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, UnknownCodeError, WrongTypeError, masked
from toolkit.frames import as_columns, require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Variables:
    """p columns and their bins.

    Attributes
    ----------
    names : tuple of str
    edges : tuple
        Of a column of numbers its thresholds, rising: bin b holds edge b-1 < x ≤ edge b. Of text
        its levels: bin b is level b.
    sizes : (p,) array of int
        Number of bins.
    """

    names: tuple[str, ...]
    edges: tuple[Any, ...] = field(repr=False)
    sizes: Ints = field(repr=False)

    def bins(self, frame: pl.DataFrame) -> Ints:
        """Return the bins of the rows of a frame, (N, p)."""
        require_columns(frame, *self.names)
        require_no_nulls(frame, *self.names)
        out = np.empty((frame.height, len(self.names)), np.int64)
        for j, (name, edges) in enumerate(zip(self.names, self.edges, strict=True)):
            column = frame[name]
            if isinstance(edges, tuple):
                text = column.cast(pl.String)
                new = text.unique().filter(~text.unique().is_in(list(edges)))
                if len(new):
                    raise UnknownCodeError(
                        f"Column {name!r} holds a level the rule does not know: "
                        f"{masked(repr(new[0]))}",
                        fix="use levels of the data the rule was made on",
                    )
                out[:, j] = text.cast(pl.Enum(edges)).to_physical().to_numpy()
            else:
                values = column.cast(pl.Float64).to_numpy()
                out[:, j] = np.searchsorted(edges, values, side="left")
        return out

    def words(self, variable: int, place: int) -> tuple[str, str]:
        """Return a split in words: of those who go left, and of those who go right."""
        name, edges = self.names[variable], self.edges[variable]
        if isinstance(edges, tuple):
            low, high = (", ".join(part) for part in (edges[: place + 1], edges[place + 1 :]))
            return f"{name} in {{{low}}}", f"{name} in {{{high}}}"
        return f"{name} <= {edges[place]:g}", f"{name} > {edges[place]:g}"


def read_variables(frame: pl.DataFrame, on: str | Sequence[str], splits: int) -> Variables:
    """Return the columns to decide by, and where they may be split.

    A column with more values than `splits` + 1 is cut at quantiles: thresholds are values of the
    data.
    """
    names = as_columns(on)
    if not names:
        raise CallError("on= names no column to decide by", fix="for instance on=['age', 'months']")
    require_columns(frame, *names)
    require_no_nulls(frame, *names)
    edges: list[Any] = []
    sizes = []
    for name in names:
        column = frame[name]
        if isinstance(column.dtype, (pl.String, pl.Categorical, pl.Enum)):
            text = column.unique()
            ordered = text.sort().cast(pl.String) if isinstance(column.dtype, pl.Enum) else (
                text.cast(pl.String).sort()
            )  # fmt: skip
            if len(ordered) > splits + 1:
                raise CallError(
                    f"Column {name!r} has {len(ordered):,} levels, more than splits={splits} + 1",
                    fix="merge levels, or raise splits=",
                )
            edges.append(tuple(ordered.to_list()))
            sizes.append(len(ordered))
            continue
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            raise WrongTypeError(
                f"Column {name!r} is {column.dtype}, not a number, a truth value or text",
                fix="turn dates into numbers (months since)",
            )
        values = column.cast(pl.Float64).to_numpy()
        there = np.unique(values)
        if len(there) > splits + 1:
            share = np.linspace(0, 1, splits + 2)[1:-1]
            there = np.unique(np.quantile(values, share, method="inverted_cdf"))
            edges.append(there[there < values.max()])
        else:
            edges.append(there[:-1])
        sizes.append(len(edges[-1]) + 1)
    return Variables(names=tuple(names), edges=tuple(edges), sizes=np.array(sizes))
