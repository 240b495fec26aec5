"""Products of tall matrices with small ones, in blocks that BLAS does on one thread.

A larger product starts threads, which under load make it ten to a hundred times slower than it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Multiplications a block may take before BLAS starts a second thread (OpenBLAS: 2¹⁸).
_MOST = 200_000


def weighted_cross(a: Floats, weight: Floats, b: Floats | None = None) -> Floats:
    """Return Σ over rows of weight a b', (p, q); b is a where it is not given."""
    other = a if b is None else b
    total = np.zeros((a.shape[1], other.shape[1]))
    step = max(16, _MOST // max(total.size, 1))
    for low in range(0, len(a), step):
        some = slice(low, low + step)
        total += (a[some] * weight[some, None]).T @ other[some]
    return total


def rows_times(a: Floats, b: Floats) -> Floats:
    """Return a b, (rows, q), of tall a (rows, p) and small b (p, q)."""
    out = np.empty((len(a), b.shape[1]))
    step = max(16, _MOST // max(b.size, 1))
    for low in range(0, len(a), step):
        out[low : low + step] = a[low : low + step] @ b
    return out
