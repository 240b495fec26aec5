"""Weighted bootstrap: each unit stands Poisson(1) times in a replicate, nothing is copied."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError
from toolkit.estimation.threads import cores

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
    # four replicates share a draw of 64 bits
    out = np.zeros((-(-replicates // 4), n_group, 4, columns.shape[1]))
    table, run = _poisson_table(), _kernel()

    def fill(four: int) -> None:
        key = np.uint64(_mix((seed * 0x9E3779B97F4A7C15 + four * 0xD1B54A32D192ED03) & _MASK))
        run(columns, group, unit, key, table, out[four])

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(fill, range(len(out))))
    return out.transpose(0, 2, 1, 3).reshape(-1, n_group, columns.shape[1])[:replicates]


def _poisson_table() -> NDArray[np.int64]:
    """Return 65,536 numbers of which a share e⁻¹ / k! is k, rounded."""
    share = np.exp(-1.0) / np.cumprod(np.concatenate([[1.0], np.arange(1.0, 9)]))
    return np.repeat(np.arange(9), np.round(share * 65536).astype(np.int64))


def _mix(z: int) -> int:
    """Return splitmix64's scrambling of 64 bits."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


@cache
def _kernel() -> Callable[..., Any]:
    """Compile the loop over rows of four replicates."""
    from numba import njit

    def add(columns: Any, group: Any, unit: Any, key: Any, table: Any, out: Any) -> None:
        width = columns.shape[1]
        for i in range(len(group)):
            g = group[i]
            if g < 0:
                continue
            z = key + np.uint64(unit[i]) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            for r in range(4):
                count = table[z & np.uint64(0xFFFF)]
                z >>= np.uint64(16)
                for j in range(width):
                    out[g, r, j] += count * columns[i, j]

    compiled: Callable[..., Any] = njit(cache=True, nogil=True)(add)
    return compiled
