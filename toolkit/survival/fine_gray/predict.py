"""The incidence F(t | x) = 1 - exp(-Λ(t) exp(x β)) of given covariates, and its standard error.

The standard error is that of influence functions, whichever variance the coefficients have: a unit
moves Λ(t | x) by exp(x β) [ a(t) + (Λ(t) x - V(t))' b ], with b what it moves the coefficients, a
what it moves the baseline besides, and V = -∂Λ/∂β. Squares are summed over units (or clusters), so
that events, coefficients and the estimated censoring distribution all count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.fine_gray.influence import baseline_residuals
from toolkit.survival.jackknife import value_at
from toolkit.survival.segments import Steps, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.fine_gray.influence import Parts

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Numbers held at once: cells times times.
_BLOCK = 8_000_000


def cumulative_hazard(parts: Parts, stratum: Ints, time: Floats) -> tuple[Floats, Floats]:
    """Return Λ and V of centred covariates at each (stratum, time): (Q,) and (Q, p)."""
    sets, at = parts.sets, parts.at
    row = Steps(sets.stratum, sets.time).last(stratum, time)
    row = np.where((row >= 0) & (sets.stratum[row] == stratum), row, -1)
    both = running_sum(np.column_stack([at.hazard, at.means.pull]), sets.stratum)
    found = value_at(both, row)
    return found[:, 0], found[:, 1:]


def hazard_errors(
    parts: Parts,
    coefficient_influence: Floats,
    *,
    x: Floats,
    offset: Floats,
    stratum: Ints,
    times: Floats,
    cluster: str | None,
    exact: bool | None,
) -> tuple[Floats, Floats]:
    """Return Λ(t | x) and its standard error, (V, T), for V centred patterns at T times.

    `exact` as in `influence.coefficient_influence`.
    """
    value = np.empty((len(x), len(times)))
    error = np.empty_like(value)
    step = max(1, _BLOCK // max(len(parts.design.time), 1))
    for s in np.unique(stratum):
        who = np.flatnonzero(stratum == s)
        for first in range(0, len(times), step):
            some = times[first : first + step]
            hazard, drift = cumulative_hazard(parts, np.full(len(some), s), some)
            seen = (parts.sets.time[:, None] <= some) & (parts.sets.stratum == s)[:, None]
            own = baseline_residuals(parts, seen, exact=exact)
            joint = np.hstack([own, coefficient_influence])
            spread, _ = parts.design.meat(joint, cluster)
            k = len(some)
            gradient = hazard[:, None] * x[who][:, None, :] - drift  # (who, T, p)
            squared = (
                np.diag(spread)[:k]
                + 2 * np.einsum("vtp,tp->vt", gradient, spread[:k, k:])
                + np.einsum("vtp,pq,vtq->vt", gradient, spread[k:, k:], gradient)
            )
            scale = np.exp(x[who] @ parts.at.beta + offset[who])[:, None]
            block = np.ix_(who, np.arange(first, first + k))
            value[block] = scale * hazard
            error[block] = scale * np.sqrt(np.maximum(squared, 0.0))
    return value, error
