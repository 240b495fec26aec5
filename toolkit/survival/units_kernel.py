"""Compiled sums of squares over units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def add_square(sums: NDArray[Any], total: NDArray[Any]) -> None:
    """Add Σ s s' over the rows of `sums`, (units, width), to the lower triangle of `total`.

    BLAS would start threads for it, that cost more than they bring.
    """
    for i in range(sums.shape[0]):
        row = sums[i]
        for j in range(sums.shape[1]):
            v = row[j]
            out = total[j]
            for k in range(j + 1):
                out[k] += v * row[k]


@nb.njit(cache=True, nogil=True)
def add_changes(
    order: NDArray[Any], unit: NDArray[Any], row: NDArray[Any], change: NDArray[Any],
    square: NDArray[Any],
) -> None:  # fmt: skip
    """Add to `square`, (R, J, J), by how much a a' of each unit changes at each row.

    `change`, (E, J), are the changes of a; `order` runs through them by unit and row.
    """
    n_parts = change.shape[1]
    now = np.zeros(n_parts)
    for place in range(len(order)):
        e = order[place]
        if place == 0 or unit[e] != unit[order[place - 1]]:
            now[:] = 0.0
        at = square[row[e]]
        for j in range(n_parts):
            for k in range(j + 1):
                # (a + c)(a + c)' - a a'
                at[j, k] += now[j] * change[e, k] + change[e, j] * (now[k] + change[e, k])
        for j in range(n_parts):
            now[j] += change[e, j]
