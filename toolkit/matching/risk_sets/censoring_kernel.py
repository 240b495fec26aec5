"""Compiled: how likely it was not to start, month after month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@nb.njit(cache=True, nogil=True)
def still_untreated(
    unit: Array, first: Array, last: Array, treated_at: Array, x: Array, slopes: Array,
    level: Array, low: int, run: Array, month: Array, begin: Array, out: Array,
) -> None:  # fmt: skip
    """Fill in Σ -log(1 - p) over the months at risk after each use's own, cumulated.

    `out[begin[i] + k]` is that of months `month[i]` + 1 … `month[i]` + k; there is a place for each
    month until the last at risk of the unit, or the one before its start.
    """
    for i in range(len(run)):
        n = begin[i + 1] - begin[i]
        r = run[i]
        total = 0.0
        for k in range(n):
            at = month[i] + k
            while r + 1 < len(first) and unit[r + 1] == unit[r] and first[r + 1] <= at:
                r += 1
            if k > 0 and first[r] <= at <= last[r] and at != treated_at[r]:
                m = at - low
                if level[m] == np.inf:
                    total = np.inf
                elif level[m] > -np.inf:
                    eta = level[m]
                    for j in range(x.shape[1]):
                        eta += x[r, j] * slopes[m, j]
                    # -log(1 - p) = log(1 + e^η)
                    total += np.log1p(np.exp(-abs(eta))) + max(eta, 0.0)
            out[begin[i] + k] = total
