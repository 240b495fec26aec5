"""Rows in blocks that stay in cache, and ranges of blocks worked on side by side.

Everything a climb needs of a million rows is a few sums. Blocks keep the memory of making them
that of some thousand rows; the products are cut so small that BLAS does each on one thread: its
own threads, beside ours or under load, make them ten to a hundred times slower.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

T = TypeVar("T")

#: Rows of a block.
BLOCK = 8192
#: Rows below which a second thread costs more than it brings, and threads at most.
_WORTH, _MOST_THREADS = 50_000, 8
#: Multiplications a product may take before BLAS starts a second thread (OpenBLAS: 2¹⁸).
_MOST = 200_000


def side_by_side(work: Callable[[int, int], T], length: int) -> list[T]:
    """Return what `work` makes of ranges that cover 0 … length-1, in their order."""
    parts = max(1, min(_cores(), _MOST_THREADS, length // _WORTH))
    cuts = np.linspace(0, length, parts + 1).astype(int).tolist()
    if parts == 1:
        return [work(0, length)]
    with ThreadPoolExecutor(parts) as pool:
        return list(pool.map(lambda part: work(*part), pairwise(cuts)))


def _cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def blocks(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Return the blocks of a range."""
    for start in range(low, high, BLOCK):
        yield start, min(start + BLOCK, high)


def by_block(work: Callable[..., Floats], *values: Floats) -> Floats:
    """Return what an elementwise function makes of arrays, (n,), block by block on every core."""
    out = np.empty(len(values[0]))

    def part(low: int, high: int) -> None:
        for start, stop in blocks(low, high):
            out[start:stop] = work(*(array[start:stop] for array in values))

    side_by_side(part, len(out))
    return out


def add_product(total: Floats, a: Floats, b: Floats) -> None:
    """Add a b', (q, r), to `total`; a is (q, rows), b is (r, rows), few by many."""
    step = max(16, _MOST // max(total.size, 1))
    for start in range(0, a.shape[1], step):
        some = slice(start, start + step)
        total += a[:, some] @ b[:, some].T


def rows_of(a: Floats, b: Floats, out: Floats) -> None:
    """Set `out`, (rows, r), to a' b; a is (q, rows), b is (q, r)."""
    step = max(16, _MOST // max(b.size, 1))
    for start in range(0, a.shape[1], step):
        some = slice(start, start + step)
        np.matmul(a[:, some].T, b, out=out[some])
