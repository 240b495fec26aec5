"""Concordance: how often, of two units, the one with the higher risk has its event first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.cox.score import unit_sums
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


#: Linear predictors closer than this (relative) are the same.
_EQUAL = 1e-12


@dataclass(frozen=True, kw_only=True)
class Concordance:
    """Harrell's C and the weighted counts it is made of.

    Attributes
    ----------
    estimate, std_error : float
        C = (concordant + tied_risk / 2) / pairs, and its infinitesimal jackknife's error.
    concordant, discordant, tied_risk : float
        Weighted pairs in which the one with the event has the higher, lower, same risk.
    influence : (C,) array
        By how much one more unit in each cell moves C.
    """

    estimate: float
    std_error: float
    concordant: float
    discordant: float
    tied_risk: float
    influence: Floats = field(repr=False)


def concordance(fitted: Fitted, cluster: str | None = None) -> Concordance:
    """Return the concordance of a model with the data it was fitted on.

    A pair counts when one has an event while the other is at risk and stays (both of the same
    stratum; two events at one time do not count). With weights a pair counts w_i w_j.

    Notes
    -----
    Harrell and others (1982). With c_i and n_i the concordant and all pairs that unit i is in,
    adding it moves C by (c_i - C n_i) / pairs, and the variance is Σ w² of these squared, summed
    by cluster where there are clusters. Trees over the event times count the pairs as the risk
    rises, so that the work is C log T after a sort (Newson 2006 has the same sums).
    """
    design = fitted.design
    pairs = _pairs(fitted)
    # every pair stands under both of its units
    total = (pairs * design.n[:, None]).sum(axis=0) / 2
    count = float(total.sum())
    if count <= 0:
        nothing = np.zeros(len(pairs))
        return Concordance(estimate=np.nan, std_error=np.nan, concordant=0.0, discordant=0.0,
                           tied_risk=0.0, influence=nothing)  # fmt: skip
    estimate = float(total[0] + total[2] / 2) / count
    influence = (pairs[:, 0] + pairs[:, 2] / 2 - estimate * pairs.sum(axis=1)) / count
    sums = unit_sums(design, influence[:, None], cluster)
    return Concordance(
        estimate=estimate,
        std_error=float(np.sqrt((sums * sums).sum())),
        concordant=float(total[0]),
        discordant=float(total[1]),
        tied_risk=float(total[2]),
        influence=influence,
    )


def _pairs(fitted: Fitted) -> Floats:
    """Return the weight of the pairs each cell is in: concordant, discordant, tied, (C, 3)."""
    from toolkit.survival.cox.concordance_kernel import count_pairs

    sets, n = fitted.risk_sets, fitted.design.n
    # who is at risk at a time of events and has none then: up to the last time it stays
    stays = np.where(sets.event, sets.last - 1, sets.last)
    before = np.full(len(n), -1) if sets.before is None else sets.before
    stays = np.where(stays >= np.maximum(sets.first[sets.last], before + 1), stays, -1)
    before = np.where(stays >= 0, before, -1)
    here, entered = stays >= 0, before >= 0
    early = add_up(n[entered], before[entered], len(sets)) if entered.any() else None
    staying = sets.at_risk(add_up(n[here], stays[here], len(sets)), early)
    order, group = _by_risk(fitted)
    _, at, count = np.unique(sets.first, return_inverse=True, return_counts=True)
    out = np.zeros((len(n), 3))
    count_pairs(
        order, group, n, sets.last, stays, before, sets.event, sets.first, count[at], staying,
        sets.cumulated(sets.weight), np.zeros((2, count.max() + 1)),
        np.zeros((np.diff(group).max(), 2)), out,
    )  # fmt: skip
    return out


def _by_risk(fitted: Fitted) -> tuple[Ints, Ints]:
    """Return the cells ever at risk by stratum and risk, and where each group of equals starts.

    Equal covariates may give linear predictors a rounding apart; they are equals.
    """
    design, sets = fitted.design, fitted.risk_sets
    eta, pattern = np.log(fitted.risk), design.pattern
    one = design.strata.height == 1
    by_pattern = np.argsort(eta) if one else np.lexsort((eta, design.stratum))
    value, layer = eta[by_pattern], design.stratum[by_pattern]
    new = np.ones(len(value), dtype=bool)
    new[1:] = (layer[1:] != layer[:-1]) | (np.diff(value) > _EQUAL * (1 + np.abs(value[1:])))
    number = np.empty(len(eta), dtype=np.int64)
    number[by_pattern] = np.cumsum(new) - 1
    order = by_pattern
    if len(pattern) != len(eta) or (pattern != np.arange(len(eta))).any():
        order = np.argsort(number[pattern], kind="stable")
    order = order[sets.last[order] >= 0]
    group = number[pattern[order]]
    start = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    return order, np.append(start, len(order))
