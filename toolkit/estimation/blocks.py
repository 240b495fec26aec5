"""Rows in blocks that stay in cache, and products so small that BLAS does each on one thread.

What an estimator needs of a million rows is a few sums. Blocks keep the memory of making them that
of some thousand rows. A larger product starts BLAS' own threads, which beside ours, or under load,
make it ten to a hundred times slower than it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.threads import ranges, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Rows of a block.
BLOCK = 8192
#: Multiplications a product may take before BLAS starts a second thread (OpenBLAS: 2¹⁸).
_MOST = 200_000
#: Rows below which a product is slower by the slice than by threads that wait for each other.
_THIN = 16


def blocks(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Return the blocks of a range.

    Examples
    --------
    >>> list(blocks(0, 10_000))
    [(0, 8192), (8192, 10000)]
    """
    for start in range(low, high, BLOCK):
        yield start, min(start + BLOCK, high)


def by_block(work: Callable[..., Floats], *values: Floats) -> Floats:
    """Return what an elementwise function makes of arrays, (n,), block by block on every core."""
    out = np.empty(len(values[0]))

    def part(low: int, high: int) -> None:
        for start, stop in blocks(low, high):
            out[start:stop] = work(*(array[start:stop] for array in values))

    side_by_side(part, ranges(len(out)))
    return out


def weighted_cross(a: Floats, weight: Floats, b: Floats | None = None) -> Floats:
    """Return Σ over rows of weight a b', (p, q), of (rows, p) and (rows, q); b is a without one."""
    other = a if b is None else b
    total = np.zeros((a.shape[1], other.shape[1]))
    for some in _slices(len(a), total.size):
        total += (a[some] * weight[some, None]).T @ other[some]
    return total


def rows_times(a: Floats, b: Floats) -> Floats:
    """Return a b, (rows, q), of tall a (rows, p) and small b (p, q)."""
    out = np.empty((len(a), b.shape[1]))
    for some in _slices(len(a), b.size):
        out[some] = a[some] @ b
    return out


def add_product(total: Floats, a: Floats, b: Floats) -> None:
    """Add a b', (q, r), to `total`; a is (q, rows), b is (r, rows), few by many."""
    for some in _slices(a.shape[1], total.size):
        total += a[:, some] @ b[:, some].T


def put_rows(a: Floats, b: Floats, out: Floats) -> None:
    """Set `out`, (rows, r), to a' b; a is (q, rows), b is (q, r)."""
    for some in _slices(a.shape[1], b.size):
        np.matmul(a[:, some].T, b, out=out[some])


def _slices(rows: int, each: int) -> Iterator[slice]:
    """Return slices of rows whose product, `each` multiplications a row, BLAS does by itself.

    Where slices would be too thin to be worth it, BLAS may start threads: few times, then.
    """
    step = _MOST // max(each, 1)
    step = step if step >= _THIN else BLOCK
    for low in range(0, rows, step):
        yield slice(low, low + step)
