"""Compiled passes over the rows: counts, moments, distribution functions, a grid.

`shares` is (N, G) everywhere, a row's weight in each group side by side: a pass in the order of the
values then reads one line of memory a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def add_up(codes: NDArray[Any], shares: NDArray[Any], width: int) -> tuple[Any, Any]:
    """Return the sum of shares by code, (width, G), and the number of rows, (width,)."""
    sums = np.zeros((width, shares.shape[1]))
    rows = np.zeros(width, dtype=np.int64)
    for i in range(len(codes)):
        code = codes[i]
        rows[code] += 1
        for g in range(shares.shape[1]):
            sums[code, g] += shares[i, g]
    return sums, rows


@nb.njit(cache=True, nogil=True)
def moments(values: NDArray[Any], shares: NDArray[Any]) -> tuple[Any, Any]:
    """Return m = Σ p x and Σ p (x − m)² of each group, in two passes."""
    groups = shares.shape[1]
    mean, square = np.zeros(groups), np.zeros(groups)
    shift = values[0]
    for i in range(len(values)):
        for g in range(groups):
            mean[g] += shares[i, g] * (values[i] - shift)
    mean += shift
    for i in range(len(values)):
        for g in range(groups):
            square[g] += shares[i, g] * (values[i] - mean[g]) ** 2
    return mean, square


@nb.njit(cache=True, nogil=True)
def walk(
    values: NDArray[Any], order: NDArray[Any], shares: NDArray[Any], group: int
) -> tuple[Any, Any, Any]:
    """Return max |F₁ − F₀| of each pair of groups, quartiles of one group, and distinct values."""
    pairs = shares.shape[1] // 2
    gap, most = np.zeros(pairs), np.zeros(pairs)
    quarters = np.full(2, values[order[-1]])
    passed, distinct = 0.0, 0
    for place in range(len(order)):
        i = order[place]
        for pair in range(pairs):
            gap[pair] += shares[i, 2 * pair] - shares[i, 2 * pair + 1]
        # a sum that reaches a quarter but for rounding has reached it, in whatever order it came
        for q, level in enumerate((0.25 - 1e-12, 0.75 - 1e-12)):
            if passed < level <= passed + shares[i, group]:
                quarters[q] = values[i]
        passed += shares[i, group]
        if place + 1 == len(order) or values[order[place + 1]] != values[i]:
            distinct += 1
            for pair in range(pairs):
                most[pair] = max(most[pair], abs(gap[pair]))
    return most, quarters, distinct


@nb.njit(cache=True, nogil=True)
def put_on_grid(
    values: NDArray[Any], shares: NDArray[Any], low: float, step: float, points: int
) -> Any:
    """Return the mass of each group at equally spaced points, (points, G): linear binning."""
    mass = np.zeros((points, shares.shape[1]))
    for i in range(len(values)):
        place = (values[i] - low) / step
        left = min(int(place), points - 2)
        part = place - left
        for g in range(shares.shape[1]):
            mass[left, g] += shares[i, g] * (1 - part)
            mass[left + 1, g] += shares[i, g] * part
    return mass
