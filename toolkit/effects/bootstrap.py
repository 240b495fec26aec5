"""Weighted bootstrap: each unit stands Poisson(1) times in a replicate, nothing is copied."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Fewest replicates of which quantiles are taken.
FEWEST = 100
_MASK = (1 << 64) - 1


def check_replicates(replicates: int) -> None:
    """Raise unless there are enough replicates for an interval."""
    if isinstance(replicates, bool) or not isinstance(replicates, int) or replicates < FEWEST:
        raise CallError(
            f"replicates={replicates!r} is not a whole number from {FEWEST} on",
            fix="999 serves for a 95% interval",
        )


def poisson_sums(
    columns: Floats, group: Ints, n_group: int, *, unit: Ints, replicates: int, seed: int
) -> Floats:
    """Return sums of columns by group in each replicate, (R, G, m).

    Parameters
    ----------
    columns : (N, m) array
    group : (N,) array of int
        0 … G-1; -1 = in none.
    unit : (N,) array of int
        What is drawn: rows of a unit stand in a replicate equally often.

    Notes
    -----
    How often unit u stands in replicate r is a function of (seed, u, r) alone, a Poisson(1) number:
    the same whatever the number of threads. For ratios of sums this is the ordinary bootstrap
    without its fixed total (Chamandy, Muralidharan, Najmi and Naidu 2012).
    """
    from concurrent.futures import ThreadPoolExecutor

    columns = np.ascontiguousarray(columns, dtype=np.float64)
    # a pair of replicates shares a draw of 64 bits
    out = np.zeros((replicates + replicates % 2, n_group, columns.shape[1]))
    edges = _poisson_edges()
    run = _kernel()

    def fill(pair: int) -> None:
        key = np.uint64(_mix((seed * 0x9E3779B97F4A7C15 + pair * 0xD1B54A32D192ED03) & _MASK))
        run(columns, group, unit, key, edges, out[2 * pair], out[2 * pair + 1])

    with ThreadPoolExecutor(_threads()) as pool:
        list(pool.map(fill, range(len(out) // 2)))
    return out[:replicates]


def _threads() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _poisson_edges() -> NDArray[np.uint64]:
    """Return P(count ≤ k) × 2³² for k = 0 … 11, the last one all."""
    share = np.cumsum(np.exp(-1.0) / np.cumprod(np.concatenate([[1.0], np.arange(1.0, 12)])))
    edges = np.round(share * 2**32).astype(np.uint64)
    edges[-1] = np.uint64(2**32)
    return edges


def _mix(z: int) -> int:
    """Return splitmix64's scrambling of 64 bits."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


@cache
def _kernel() -> Callable[..., Any]:
    """Compile the loop over rows of two replicates."""
    from numba import njit

    def add(
        columns: Any, group: Any, unit: Any, key: Any, edges: Any, first: Any, second: Any
    ) -> None:
        width = columns.shape[1]
        for i in range(len(group)):
            g = group[i]
            if g < 0:
                continue
            z = key + np.uint64(unit[i]) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            low, high = z & np.uint64(0xFFFFFFFF), z >> np.uint64(32)
            count = 0
            while low >= edges[count]:
                count += 1
            other = 0
            while high >= edges[other]:
                other += 1
            if count:
                for j in range(width):
                    first[g, j] += count * columns[i, j]
            if other:
                for j in range(width):
                    second[g, j] += other * columns[i, j]

    compiled: Callable[..., Any] = njit(cache=True, nogil=True)(add)
    return compiled
