"""Compiled: who is at risk in each month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@nb.njit(cache=True, nogil=True)
def list_by_month(order: Array, first: Array, last: Array, slot: Array, low: int, begin: Array,
                  out: Array) -> None:  # fmt: skip
    """Fill in the runs at risk in each month, in their order; month m's begin at `begin[slot]`."""
    at = begin.copy()
    for r in order:
        for month in range(first[r], last[r] + 1):
            s = slot[month - low]
            if s >= 0:
                out[at[s]] = r
                at[s] += 1


@nb.njit(cache=True, nogil=True)
def last_of_unit(unit: Array, last: Array) -> Array:
    """Return the last month at risk of the unit of each run."""
    out = last.copy()
    for r in range(len(unit) - 2, -1, -1):
        if unit[r] == unit[r + 1]:
            out[r] = out[r + 1]
    return out
