"""Covariates that foretell every event: then no finite coefficient is best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import SeparationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

#: Distinct rows beyond which the linear programme is not tried.
_MOST_ROWS = 20_000


def check_separation(x: Floats, terms: Sequence[str], *, both: Flags, low: Flags) -> None:
    """Raise `SeparationError`, naming the column, when the likelihood has no top.

    Moving the coefficients along d helps for ever when x d = 0 in every row whose event has a time
    (there both a higher and a lower hazard cost), x d ≤ 0 where the event has not come, and x d ≥ 0
    where it had come before anybody looked, not all of them 0 (for logistic regression: Albert and
    Anderson 1984).

    Parameters
    ----------
    x : (P, p) array
        With a column of ones: the level of the hazard moves too.
    terms : sequence of str
        Names of the p columns.
    both, low : (P,) arrays of bool
        Patterns with an event at a known time (or interval), and with a censoring. A pattern that
        is neither has only events that had come before.
    """
    scale = np.abs(x).max(axis=0)
    scale[scale == 0] = 1.0
    unit = x / scale
    free = _null_space(unit[both])
    if free.shape[1] == 0:
        return
    other = ~both
    moved = unit[other] @ free
    moved[low[other]] *= -1  # now every row asks for ≥ 0
    moved = np.unique(np.round(moved, 12), axis=0)
    moved = moved[np.abs(moved).max(axis=1) > 1e-9]
    if not len(moved):
        return
    way = _way_up(moved)
    if way is None:
        return
    direction = free @ way
    spread = np.ptp(unit, axis=0)
    name = terms[int(np.argmax(np.abs(direction) * spread))]
    raise SeparationError(
        f"The coefficient of {name!r} runs off to infinity: the column (with the others) tells "
        "events and non-events apart",
        fix="merge the level with another one, or leave the column out; look at a table of events "
        "by its values",
    )


def _null_space(x: Floats) -> Floats:
    """Return an orthonormal basis of {d: x d = 0}, (p, k)."""
    p = x.shape[1]
    values, vectors = np.linalg.eigh(x.T @ x / max(len(x), 1))
    none: Floats = vectors[:, values <= 1e-12 * max(values[-1], 1e-300)] if len(x) else np.eye(p)
    return none


def _way_up(moved: Floats) -> Floats | None:
    """Return a d with moved d ≥ 0 everywhere and > 0 somewhere, or None."""
    if moved.shape[1] == 1:
        column = moved[:, 0]
        return None if column.min() < -1e-9 and column.max() > 1e-9 else np.sign(column[:1])
    if len(moved) > _MOST_ROWS:
        return None
    from scipy.optimize import linprog

    found = linprog(
        -moved.mean(axis=0), A_ub=-moved, b_ub=np.zeros(len(moved)), bounds=(-1, 1),
        method="highs",
    )  # fmt: skip
    if found.status == 0 and -found.fun > 1e-9 and (moved @ found.x).min() > -1e-9:
        return np.asarray(found.x)
    return None
