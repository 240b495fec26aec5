"""Sums of squared influences on the baseline hazard, in one pass over the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.cox.hazard import last_event_time, pieces
from toolkit.survival.cox.score import score_of_cells
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HazardSpread:
    """Sums over units (or clusters) for the robust variance of eq. 1 in `hazard`, K times.

    Attributes
    ----------
    own : (K,) array, Σ m(t)²
    mixed : (K, p) array, Σ m(t) dfbeta
    """

    own: Floats
    mixed: Floats

    def variance(self, v: Floats, vcov: Floats) -> Floats:
        """Return Σ (m + v'dfbeta)², (K,), with `v` (K, p) and `vcov` the robust one."""
        total: Floats = self.own + 2 * (self.mixed * v).sum(axis=1) + ((v @ vcov) * v).sum(axis=1)
        return total


def hazard_spread(
    fitted: Fitted, bread: Floats, stratum: Ints, times: Floats, cluster: str | None
) -> HazardSpread:
    """Return the sums for K points (stratum, time).

    Parameters
    ----------
    bread : (p, p) array
        Inverse information.
    stratum, times : (K,) arrays
    cluster : str, optional
        Column whose rows belong together: their influences are added up before they are squared.
    """
    dfbeta = score_of_cells(fitted) @ bread
    row = last_event_time(fitted, stratum, times)
    if cluster is None:
        own, mixed = _by_unit(fitted, dfbeta)
    else:
        known, at = np.unique(row, return_inverse=True)
        own, mixed = _by_cluster(fitted, dfbeta, known, cluster)
        return HazardSpread(own=own[at], mixed=mixed[at])
    started = row >= 0
    return HazardSpread(
        own=np.where(started, own[row], 0.0), mixed=np.where(started[:, None], mixed[row], 0.0)
    )


def _by_unit(fitted: Fitted, dfbeta: Floats) -> tuple[Floats, Floats]:
    """Return Σ m² and Σ m dfbeta at all event times, (T,) and (T, p), over units.

    A cell at risk since `before` has m = -r (L - L0), L the hazard lived through so far and L0
    that before its entry; after `last` it has its last value k. So the sums of squares are
    L² Σ r² - 2 L Σ r² L0 + Σ r² L0² over those at risk, and Σ k² over those who left.
    """
    sets, design = fitted.risk_sets, fitted.design
    here = np.flatnonzero(sets.last >= 0)
    last, weight = sets.last[here], design.n_squared[here]
    risk, event = fitted.risk[design.pattern[here]], sets.event[here]
    lived, jump, own_less = pieces(fitted)
    length = len(sets)
    before = None if sets.before is None else sets.before[here]
    base = np.zeros(len(here))
    if before is not None:
        base = np.where(before >= 0, lived[before], 0.0)
    final = -risk * (lived[last] - base) + np.where(event, jump[last] + risk * own_less[last], 0.0)

    def at_risk(values: Floats) -> Floats:
        """Sum over cells with before < t < last: at `last` they have their last value."""
        by_last = add_up(values, last, length)
        early = None
        if before is not None:
            early = add_up(values[before >= 0], before[before >= 0], length)
        return sets.at_risk(by_last, early) - by_last

    def left(values: Floats) -> Floats:
        return sets.cumulated(add_up(values, last, length))

    r2, db = weight * risk**2, dfbeta[here]
    own = (
        lived**2 * at_risk(r2) - 2 * lived * at_risk(r2 * base) + at_risk(r2 * base**2)
        + left(weight * final**2)
    )  # fmt: skip
    mixed = np.empty((length, db.shape[1]))
    for j in range(db.shape[1]):
        moved = weight * risk * db[:, j]
        mixed[:, j] = -lived * at_risk(moved) + at_risk(moved * base)
        mixed[:, j] += left(weight * final * db[:, j])
    return own, mixed


def _by_cluster(fitted: Fitted, dfbeta: Floats, rows: Ints, cluster: str) -> tuple[Floats, Floats]:
    """Return Σ m² and Σ m dfbeta at some event times, (K,) and (K, p), over clusters."""
    from toolkit.survival.cox.kernels import add_clusters

    design, sets = fitted.design, fitted.risk_sets
    code, cell, weight = design.cluster_codes(cluster)
    n_cluster = int(code.max()) + 1
    beta = np.column_stack(
        [add_up(dfbeta[cell, j] * weight, code, n_cluster) for j in range(dfbeta.shape[1])]
    ).reshape(n_cluster, -1)
    lived, jump, own_less = pieces(fitted)
    risk = fitted.risk[design.pattern]
    before = sets.last[:0] if sets.before is None else sets.before
    own, mixed = np.zeros(len(rows)), np.zeros((len(rows), dfbeta.shape[1]))
    sums = np.empty(n_cluster)
    for k, row in enumerate(rows):
        if row < 0:
            continue
        sums[:] = 0.0
        add_clusters(
            code, cell, weight, sets.last, before, sets.event, risk, lived, jump, own_less,
            sets.first, row, sums,
        )  # fmt: skip
        own[k], mixed[k] = sums @ sums, sums @ beta
    return own, mixed
