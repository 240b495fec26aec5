"""Compiled sum of outer products: BLAS starts threads for it that cost more than they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb

if TYPE_CHECKING:
    from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def add_square(sums: NDArray[Any], total: NDArray[Any]) -> None:
    """Add Σ s s' over the rows of `sums`, (units, width), to the lower triangle of `total`."""
    for i in range(sums.shape[0]):
        row = sums[i]
        for j in range(sums.shape[1]):
            v = row[j]
            out = total[j]
            for k in range(j + 1):
                out[k] += v * row[k]
