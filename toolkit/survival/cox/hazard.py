"""The cumulative baseline hazard at any time, and how each unit moves it.

All hazards here are those of a unit at the centre (`Fitted.centre`); one with covariates x has
ρ = exp((x - centre)'b + offset - offset_centre) times as much. For such a unit of stratum s

    Λ(t | x) = ρ Λ_s(t),   Λ_s(t) = Σ_{times ≤ t} w̄ Σ_j 1/S_j,   -∂Λ_s(t)/∂b = ∫ x̄ dΛ = slope_s(t),

and one more unit of weight 1 in cell c moves it by

    ρ [ 1{s_c = s} m_c(t) + ((x - centre) Λ_s(t) - slope_s(t))' dfbeta_c ],                     (1)

where m_c(t) = ∫ (dN_c - r_c dΛ) / S_j, the part that is there with b known (`hazard_influence`;
Efron: of its own tied time a unit keeps the share 1 - j/d). Sums of (1) over the units of weight
w are 0; Σ w² (1)² is the robust variance. Model-based, the variance of Λ(t | x) is Tsiatis' (1981)

    ρ² [ Σ_{times ≤ t} w̄ Σ_j 1/S_j² + v' V v ],   v = (x - centre) Λ_s(t) - slope_s(t).       (2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.segments import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HazardPoints:
    """The baseline hazard of a unit at the centre at K (stratum, time) points.

    Attributes
    ----------
    cumulative : (K,) array, Λ_s(t)
    slope : (K, p) array, ∫ x̄ dΛ, means less the centre: minus the derivative of Λ_s(t) in b
    variance : (K,) array, Σ w̄ Σ_j 1/S_j²: the variance with b known, model-based
    """

    cumulative: Floats
    slope: Floats
    variance: Floats


def hazard_at(fitted: Fitted, stratum: Ints, time: Floats) -> HazardPoints:
    """Return the baseline hazard at points (stratum, time), (K,) each; 0 before the first event.

    Past the last time observed in a stratum it goes on as it was: see `observed_until`.
    """
    row = last_event_time(fitted, stratum, time)
    sets = fitted.risk_sets
    steps = np.column_stack(
        [fitted.hazard, fitted.mean_weight * fitted.sums.second, fitted.means().pull]
    )
    total = np.where((row >= 0)[:, None], sets.cumulated(steps)[row], 0.0)
    return HazardPoints(cumulative=total[:, 0], variance=total[:, 1], slope=total[:, 2:])


def observed_until(fitted: Fitted) -> Floats:
    """Return the last time at which each stratum is observed, (S,)."""
    design = fitted.design
    until = np.full(design.strata.height, -np.inf)
    np.maximum.at(until, design.stratum[design.pattern], design.time.astype(np.float64))
    return until


def hazard_influence(
    fitted: Fitted, times: Floats, cells: slice | NDArray[np.int64] = slice(None)
) -> Floats:
    """Return m_c(t): how one unit of each cell moves Λ of its own stratum, b known, (C, K).

    Parameters
    ----------
    times : (K,) array
    cells : slice or array of int
        Of which cells; take them in blocks where C × K is large.
    """
    design, sets = fitted.design, fitted.risk_sets
    stratum = design.stratum[design.pattern[cells]]
    known, at = np.unique(stratum, return_inverse=True)
    point = last_event_time(fitted, np.repeat(known, len(times)), np.tile(times, len(known)))
    row = point.reshape(len(known), len(times))[at]  # (C, K) last event time at or before t
    last, event = sets.last[cells][:, None], sets.event[cells][:, None]
    risk = fitted.risk[design.pattern[cells]][:, None]
    lived, jump, own_less = (np.append(values, 0.0) for values in pieces(fitted))
    until = np.minimum(row, last)
    start = np.full_like(last, -1) if sets.before is None else sets.before[cells][:, None]
    moved = -risk * np.where(until > start, lived[until] - lived[start], 0.0)
    happened = event & (last >= 0) & (row >= last)
    return moved + np.where(happened, jump[last] + risk * own_less[last], 0.0)


def pieces(fitted: Fitted) -> tuple[Floats, Floats, Floats]:
    """Return what m_c(t) is made of, (T,) each.

    -r (lived(t) - lived(entry)) while at risk; at its own event `jump` + r `own_less` is added.
    """
    sums, weight = fitted.sums, fitted.mean_weight
    lived = fitted.risk_sets.cumulated(weight * sums.second)
    return lived, sums.first / fitted.risk_sets.deaths, weight * (sums.second - sums.own_second)


def last_event_time(fitted: Fitted, stratum: Ints, time: Floats) -> Ints:
    """Return the last event time of the stratum at or before each time, -1 before the first."""
    sets = fitted.risk_sets
    row = Steps(sets.stratum, sets.time).last(stratum, time)
    inside = (row >= 0) & (sets.stratum[row] == stratum)
    return np.where(inside, row, -1)
