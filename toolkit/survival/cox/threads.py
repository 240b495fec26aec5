"""Ranges of cells or patterns, worked on side by side by a few threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

T = TypeVar("T")

#: Rows below which a second thread costs more than it brings, and threads at most.
_WORTH, _MOST = 50_000, 8


def ranges(length: int, group: NDArray[np.int64] | None = None) -> list[tuple[int, int]]:
    """Return as many ranges of 0 … length-1 as threads are worth it.

    With `group` no group is in two ranges: there is one range if the groups are not sorted.
    """
    parts = max(1, min(_cores(), _MOST, length // _WORTH))
    cuts = np.linspace(0, length, parts + 1).astype(np.int64)
    if group is not None and parts > 1:
        if (group[1:] < group[:-1]).any():
            return [(0, length)]
        cuts[1:-1] = np.searchsorted(group, group[cuts[1:-1]])
    return [(int(a), int(b)) for a, b in pairwise(cuts) if b > a]


def _cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def side_by_side(work: Callable[[int, int], T], parts: list[tuple[int, int]]) -> list[T]:
    """Return what `work` makes of each range, in their order; it must let go of the GIL."""
    if len(parts) == 1:
        return [work(*parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(lambda part: work(*part), parts))


def added(parts: list[Floats]) -> Floats:
    """Return the sum of arrays of the same shape; the one itself where there is one."""
    return parts[0] if len(parts) == 1 else np.sum(parts, axis=0)


def weighted_square(
    x: Floats, centre: Floats, weight: Floats, factor: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return Σ weight v v', (p, p), and Σ factor v, (p,), with v = x - centre over patterns.

    Without `factor` the second is 0. The product is not left to BLAS, whose threads make it many
    times slower when others use the machine too.
    """
    from toolkit.survival.cox.kernels import add_square

    p = x.shape[1]
    factors = np.zeros(len(x)) if factor is None else factor

    def work(low: int, high: int) -> tuple[Floats, Floats]:
        square, total = np.zeros((p, p)), np.zeros(p)
        add_square(x, centre, weight, factors, low, high, square, total)
        return square, total

    done = side_by_side(work, ranges(len(x)))
    lower = added([square for square, _ in done])
    return lower + np.tril(lower, -1).T, added([total for _, total in done])
