"""The two loops over rows × months: what was seen of a row, and what it adds to means and errors.

Written for numba: cells are visited once, nothing of the size of rows × months is kept.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)
def fill(
    begin: Any, end: Any, month: Any, value: Any, missing: Any, zero: Any, first: int,
    until: Any, out: Any,
) -> None:  # fmt: skip
    """Put what the panel holds of each row in its months since start; NaN = not observed.

    Parameters
    ----------
    begin, end : (B,) arrays
        The panel's rows of this person: ``begin`` to ``end - 1``, months rising.
    month, value : (R,) arrays
        Of the panel.
    missing : scalar of value's type
        What stands for null; NaN is null too.
    zero : (B,) array
        The month of the start.
    first : int
        The first month since start asked for.
    until : (B,) array
        The first calendar month that is not looked at any more.
    out : (B, K) array
        Filled.
    """
    rows, length = out.shape
    for i in range(rows):
        for k in range(length):
            out[i, k] = np.nan
        low, high = begin[i], end[i]
        origin = zero[i] + first
        last = min(origin + length, until[i])
        right = high
        while low < right:  # the first row at or after the first month asked for
            middle = (low + right) // 2
            if month[middle] < origin:
                low = middle + 1
            else:
                right = middle
        while low < high and month[low] < last:
            found = value[low]
            if found != missing:
                out[i, month[low] - origin] = found
            low += 1


@nb.njit(cache=True, nogil=True)
def add_up(
    seen: Any, group: Any, weight: Any, total: Any, size: Any, whole: Any, count: Any
) -> None:
    """Add to Σ w y, Σ w and n of each group and month, and to Σ w of those not observed too.

    `seen` is (B, K), NaN = not observed; `weight` (B, K), or (B, 1) when it is that of all months.
    """
    rows, length = seen.shape
    fixed = weight.shape[1] == 1
    for i in range(rows):
        g = group[i]
        for k in range(length):
            w = weight[i, 0] if fixed else weight[i, k]
            if w > 0:
                whole[g, k] += w
                y = seen[i, k]
                if not np.isnan(y):
                    total[g, k] += w * y
                    size[g, k] += w
                    count[g, k] += 1


@nb.njit(cache=True, nogil=True)
def deviate(seen: Any, group: Any, mean: Any, size: Any) -> None:
    """Turn (B, K) outcomes into (y − mean) / Σw of their group and month; 0 where not observed."""
    rows, length = seen.shape
    for i in range(rows):
        g = group[i]
        for k in range(length):
            y = seen[i, k]
            if np.isnan(y) or size[g, k] <= 0:
                seen[i, k] = 0.0
            else:
                seen[i, k] = (y - mean[g, k]) / size[g, k]


@nb.njit(cache=True, nogil=True)
def gather(moved: Any, group: Any, weight: Any, cluster: Any, out: Any) -> None:
    """Add w × deviation to the sums of each cluster, by group: out is (2, C, K)."""
    rows, length = moved.shape
    fixed = weight.shape[1] == 1
    for i in range(rows):
        g, c = group[i], cluster[i]
        for k in range(length):
            w = weight[i, 0] if fixed else weight[i, k]
            if w > 0:
                out[g, c, k] += w * moved[i, k]


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def add_square(x: Any, square: Any) -> None:
    """Add Σ x x' over the rows of x, (C, K), to the lower triangle of `square`.

    Four rows at a time. Not left to BLAS, whose threads wait for each other on a busy machine.
    """
    rows, length = x.shape
    i = 0
    while i + 4 <= rows:
        for j in range(length):
            a, b, c, d = x[i, j], x[i + 1, j], x[i + 2, j], x[i + 3, j]
            if a != 0 or b != 0 or c != 0 or d != 0:
                for k in range(j + 1):
                    square[j, k] += (
                        a * x[i, k] + b * x[i + 1, k] + c * x[i + 2, k] + d * x[i + 3, k]
                    )
        i += 4
    while i < rows:
        for j in range(length):
            a = x[i, j]
            for k in range(j + 1):
                square[j, k] += a * x[i, k]
        i += 1
