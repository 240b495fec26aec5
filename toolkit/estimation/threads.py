"""Ranges of rows, cells or patterns, worked on side by side by a few threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

T = TypeVar("T")

#: Rows below which a second thread costs more than it brings, and threads at most.
_WORTH, _MOST = 50_000, 8
#: Rows that a thread of a learner must have: its threads wait for each other after every column of
#: every split, and where one has lost its core to another process, all spin.
_WORTH_LEARNING = 250_000


def cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def ranges(length: int, group: NDArray[np.int64] | None = None) -> list[tuple[int, int]]:
    """Return as many ranges that cover 0 … length-1 as threads are worth it; one at least.

    With `group`, (length,), no group is in two ranges: there is one range if the groups are not
    sorted.

    Examples
    --------
    >>> ranges(1000)
    [(0, 1000)]
    """
    parts = max(1, min(cores(), _MOST, length // _WORTH))
    if parts == 1:
        return [(0, length)]
    cuts = np.linspace(0, length, parts + 1).astype(np.int64)
    if group is not None:
        if (group[1:] < group[:-1]).any():
            return [(0, length)]
        cuts[1:-1] = np.searchsorted(group, group[cuts[1:-1]])
    return [(int(a), int(b)) for a, b in pairwise(cuts) if b > a]


def side_by_side(work: Callable[[int, int], T], parts: Sequence[tuple[int, int]]) -> list[T]:
    """Return what `work` makes of each range, in their order; it must let go of the GIL."""
    threads = min(cores(), len(parts))
    if threads < 2:
        return [work(*part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda part: work(*part), parts))


def added(parts: Sequence[Floats]) -> Floats:
    """Return the sum of arrays of the same shape; the one itself where there is one."""
    return parts[0] if len(parts) == 1 else np.sum(parts, axis=0)


@contextmanager
def learning_threads(rows: int) -> Iterator[None]:
    """Give a learner of scikit-learn no more threads than its rows are worth.

    Boosting of 100,000 rows takes about as long with one thread as with two on a machine that
    stands idle, and a tenth on one that others use too. What is learned is the same.
    """
    from threadpoolctl import ThreadpoolController

    # of OpenMP only, which counts for this thread: a limit of BLAS would be one of all threads
    pools = ThreadpoolController().select(user_api="openmp")
    most = min(pool["num_threads"] for pool in pools.info()) if pools.info() else 1
    with pools.limit(limits=min(most, max(1, rows // _WORTH_LEARNING))):
        yield
