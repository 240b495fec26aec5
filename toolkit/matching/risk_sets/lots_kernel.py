"""Compiled: lots that depend on nothing but a seed and a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@nb.njit(cache=True, nogil=True)
def lot(seed: Any, number: Any) -> Any:
    """Return 64 bits that look random (splitmix64; Steele, Lea and Flood 2014)."""
    z = seed + np.uint64(0x9E3779B97F4A7C15) * (np.uint64(number) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@nb.njit(cache=True, nogil=True)
def lots(seed: Any, numbers: Array) -> Array:
    """Return 64 bits for each number."""
    out = np.empty(len(numbers), dtype=np.uint64)
    for i in range(len(numbers)):
        out[i] = lot(seed, numbers[i])
    return out


@nb.njit(cache=True, nogil=True)
def shuffle_equals(value: Array, order: Array, seed: Any) -> None:
    """Shuffle the order of those of equal value (Fisher and Yates), in place; values are sorted."""
    begin = 0
    for i in range(1, len(value) + 1):
        if i < len(value) and value[i] == value[begin]:
            continue
        for j in range(i - 1, begin, -1):
            k = begin + np.int64(lot(seed, j) % np.uint64(j - begin + 1))
            order[j], order[k] = order[k], order[j]
        begin = i
