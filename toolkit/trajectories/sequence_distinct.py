"""Which sequences occur, how often: millions of persons often live a few thousand lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.trajectories.sequence_matrix import People, StateMatrix

#: What stands for a month not observed in the text of a sequence.
NOT_OBSERVED = "*"


def count_sequences(
    matrix: StateMatrix, people: People, *, n: int | None, successive: bool
) -> pl.DataFrame:
    """Return the distinct sequences with their counts; see `Sequences.distinct`."""
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise CallError(f"n={n!r} is no number of sequences", fix="n=10 keeps the ten commonest")
    from toolkit.trajectories.sequence_kernels import successive as distinct_successive

    codes = matrix.codes
    if successive:
        codes = distinct_successive(codes, matrix.n_states)
    packed = _pack(codes)
    keys = packed.columns
    counted = (
        packed.with_columns(
            _group=pl.Series(people.group), _w=pl.Series(people.weight),
            _row=pl.int_range(pl.len(), dtype=pl.Int64),
        )
        .group_by("_group", *keys)
        .agg(n=pl.len().cast(pl.Int64), _sum=pl.col("_w").sum(), _row=pl.col("_row").min())
        .sort("_group", "_sum", *keys, descending=[False, True] + [False] * len(keys))
        .with_columns(estimate=pl.col("_sum") / pl.col("_sum").sum().over("_group"))
    )  # fmt: skip
    if n is not None:
        counted = counted.group_by("_group", maintain_order=True).head(n)
    rows = counted["_row"].to_numpy()
    text = _write(np.ascontiguousarray(codes[rows]), matrix, lengths=not successive)
    return pl.DataFrame(
        {
            **people.labels(counted["_group"].to_numpy()),
            "sequence": text,
            "n": counted["n"],
            "estimate": counted["estimate"].fill_nan(None),
        }
    )


def _pack(codes: NDArray[Any]) -> pl.DataFrame:
    """Pack the codes of a row into big-endian 64-bit numbers: they sort as the states do."""
    n, width = codes.shape
    each = 8 // codes.dtype.itemsize
    full = np.zeros((n, -(-width // each) * each), codes.dtype.newbyteorder(">"))
    full[:, :width] = codes
    numbers = full.view(">u8").astype(np.uint64)
    return pl.DataFrame({f"_{i}": numbers[:, i] for i in range(numbers.shape[1])})


def _write(codes: NDArray[Any], matrix: StateMatrix, *, lengths: bool) -> pl.Series:
    """Write sequences as "state/months-state/months", without the months for successive states."""
    from toolkit.trajectories.sequence_kernels import list_runs

    row, state, length = list_runs(codes, matrix.n_states)
    names = [name if name is not None else NOT_OBSERVED for name in matrix.states]
    names = [*names, NOT_OBSERVED]
    part = pl.Series(names).gather(state).to_frame("part").with_columns(row=pl.Series(row))
    if lengths:
        part = part.with_columns(pl.format("{}/{}", "part", pl.Series(length)))
    else:
        part = part.filter(pl.Series(state) < matrix.n_states)
    text = part.group_by("row").agg(pl.col("part").str.join("-")).sort("row")
    every = pl.DataFrame({"row": np.arange(len(codes))})
    return every.join(text, on="row", how="left", maintain_order="left")["part"].fill_null("")
