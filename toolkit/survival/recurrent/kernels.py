"""What compiled code adds up over the rows of persons."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


@nb.njit(**_OPTIONS)
def square_changes(
    unit: Ints, cell: Ints, weight: Floats, come: Ints, out: Ints, at_risk: Floats, left: Floats,
    n_rows: int,
) -> Floats:  # fmt: skip
    """Return by how much Σ over units of a_j a_k changes at each table row, (R, J, J).

    The parts `a` of what a unit moves change where its pieces begin and end; pieces of a unit lie
    together, in order of time, in one group, and do not overlap.

    Parameters
    ----------
    unit, cell, weight : (M,) arrays
    come, out : (C,) arrays
        Table row where a cell's parts begin, and where its time ends.
    at_risk, left : (C, J) arrays
    """
    n_parts = at_risk.shape[1]
    changes = np.zeros((n_rows, n_parts, n_parts))
    now, new = np.zeros(n_parts), np.zeros(n_parts)
    for i in range(len(unit)):
        if i == 0 or unit[i] != unit[i - 1]:
            now[:] = 0.0
        c, w = cell[i], weight[i]
        for step in range(2):
            row = come[c] if step == 0 else out[c]
            for j in range(n_parts):
                change = at_risk[c, j] if step == 0 else left[c, j] - at_risk[c, j]
                new[j] = now[j] + w * change
            for j in range(n_parts):
                for k in range(j + 1):
                    changes[row, j, k] += new[j] * new[k] - now[j] * now[k]
            now[:] = new
    return changes


@nb.njit(**_OPTIONS)
def merge_sorted(
    first: NDArray[np.bool_], start: Floats, stop: Floats, max_gap: float
) -> tuple[NDArray[np.bool_], Floats]:
    """Return whether each row begins a spell of its own, and how far its person's spells reach.

    Parameters
    ----------
    first : (N,) array
        Whether the row is its person's first; rows are sorted by person and start.
    start, stop : (N,) arrays
    max_gap : float
        A row that starts within so much of what came before goes on with it.
    """
    n = len(start)
    new, until = np.zeros(n, np.bool_), np.empty(n)
    for i in range(n):
        new[i] = first[i] or start[i] > until[i - 1] + max_gap
        until[i] = stop[i] if first[i] else max(stop[i], until[i - 1])
    return new, until
