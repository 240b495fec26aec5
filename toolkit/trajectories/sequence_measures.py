"""What a sequence of states is like: its entropy, turbulence and complexity, one row a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from toolkit.errors import check_option

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.trajectories.sequence_matrix import StateMatrix

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Unvisited = Literal["ignore", "zero"]
UNVISITED = ("ignore", "zero")


def measure_sequences(matrix: StateMatrix, *, unvisited: Unvisited = "ignore") -> pl.DataFrame:
    """Return the measures of each sequence; see `Sequences.measures`."""
    from toolkit.trajectories.sequence_kernels import describe_runs, months_in_states

    check_option("unvisited", unvisited, UNVISITED)
    size = matrix.n_states
    in_state = months_in_states(matrix.codes, size)
    runs, log_phi = describe_runs(matrix.codes, size)
    length = in_state.sum(axis=1, dtype=np.int64)
    visited = (in_state > 0).sum(axis=1)
    spells, squares = runs[:, 0], runs[:, 1]
    seen = length > 0
    h = shannon(in_state.astype(np.float64), size)
    moves = np.maximum(spells - 1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        frequency = np.where(length > 1, moves / (length - 1), np.nan)
        complexity = np.sqrt(frequency * h)
        turbulence = log_phi + _evenness(spells, squares, length, visited, size, unvisited)
        highest = _highest(matrix, unvisited)
        normalised = (turbulence - 1) / (highest - 1) if highest > 1 else turbulence - 1
    columns = {
        "person": matrix.persons,
        "months": pl.Series(length),
        "visited": pl.Series(visited),
        "spells": pl.Series(spells),
        "transitions": _where(seen, moves),
        "log2_subsequences": _where(seen, log_phi),
        "entropy": _where(seen, h),
        "turbulence": _where(seen, turbulence),
        "turbulence_normalised": _where(seen, normalised),
        "complexity": _where(seen & (length > 1), complexity),
    }
    return pl.DataFrame(columns)


def shannon(amount: Floats, size: int) -> Floats:
    """Return -Σ p log p / log S of each row, (N,); NaN for a row of zeros, 0 with one state."""
    total = amount.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = amount / total
        h = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=1)
    top = np.log(size) if size > 1 else 1.0
    entropy: Floats = np.where(total[:, 0] > 0, np.maximum(h, 0.0) / top, np.nan)
    return entropy


def _evenness(
    spells: Ints, squares: Ints, length: Ints, visited: Ints, size: int, unvisited: Unvisited
) -> Floats:
    """Return log₂ (s²_max + 1) / (s² + 1), s² being the variance of the spells' lengths.

    With spells of L months in all, s² = Σ d² / k - (L / k)². It is largest when all spells but one
    last a month. `zero` adds a spell of no length for every state not visited, as many as a
    sequence of so many spells can leave out where it is to be largest.
    """
    if unvisited == "zero":
        none = size - visited
        most = np.where(spells > 1, max(size - 2, 0), size - 1)
    else:
        none = most = np.zeros_like(spells)

    def variance(sum_of_squares: Ints, terms: Ints) -> Floats:
        out: Floats = (terms * sum_of_squares - length**2) / terms**2
        return out

    largest = variance((length - spells + 1) ** 2 + spells - 1, spells + most)
    ratio: Floats = (largest + 1) / (variance(squares, spells + none) + 1)
    return np.asarray(np.log2(ratio), dtype=np.float64)


def _highest(matrix: StateMatrix, unvisited: Unvisited) -> float:
    """Return the turbulence of going round through all states for all months of the panel."""
    from toolkit.trajectories.sequence_kernels import describe_runs

    size, n_months = matrix.n_states, matrix.codes.shape[1]
    round_trip = (np.arange(n_months) % size).astype(matrix.codes.dtype)[None, :]
    runs, log_phi = describe_runs(round_trip, size)
    length = np.array([n_months])
    visited = np.minimum(length, size)
    even = _evenness(runs[:, 0], runs[:, 1], length, visited, size, unvisited)
    return float((log_phi + even)[0])


def _where(known: NDArray[np.bool_], values: NDArray[np.generic]) -> pl.Series:
    return pl.select(pl.when(pl.lit(pl.Series(known))).then(pl.lit(pl.Series(values)))).to_series()
