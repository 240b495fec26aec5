"""The compiled count of Walsh averages above a value, by two pointers over sorted values."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)
def count_above(value: Any, count: Any, after: Any, bound: float) -> tuple[float, float, float]:
    """Count pairs i ≤ j whose sum is above `bound`, and find the sums on either side of it.

    Parameters
    ----------
    value, count : (m,) arrays
        Distinct values, ascending, and how often each stands.
    after : (m + 1,) array
        Number of units from each distinct value on.

    Returns
    -------
    above : float
        Σ over unordered pairs of units, each with itself too, of [sum > bound].
    up, down : float
        Smallest sum above `bound`, and largest not above it; ∓ infinity where there is none.
    """
    m = len(value)
    above, up, down = 0.0, np.inf, -np.inf
    k = m  # first value that with value[i] is above the bound; falls as i rises
    for i in range(m):
        while k > 0 and value[i] + value[k - 1] > bound:
            k -= 1
        if k > i:
            above += count[i] * after[k]
            if k < m:
                up = min(up, value[i] + value[k])
            down = max(down, value[i] + value[k - 1])
        else:  # with itself, and with all that follow
            above += count[i] * (count[i] + 1) / 2 + count[i] * after[i + 1]
            up = min(up, 2 * value[i])
    return above, up, down
