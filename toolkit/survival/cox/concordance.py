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
    from toolkit.survival.cox.risk_sets import RiskSets

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
    by cluster where there are clusters. A tree over the ranks of the risks counts the pairs, so
    that the work is C log C (Newson 2006 has the same sums).
    """
    risk_sets, design = fitted.risk_sets, fitted.design
    rank, ranks = _ranks(np.log(fitted.risk), design.stratum)
    rank, ranks = rank[design.pattern], ranks[risk_sets.stratum]
    # pairs of each cell: 0 concordant, 1 discordant, 2 tied in risk; as the event and as the other
    pairs = _as_event(risk_sets, rank, ranks, design.n)
    pairs += _as_other(risk_sets, rank, ranks, design.n)
    # every pair stands under both of its units
    total = (pairs * design.n[:, None]).sum(axis=0) / 2
    count = float(total.sum())
    if count <= 0:
        nothing = np.zeros(len(rank))
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


def _ranks(eta: Floats, stratum: Ints) -> tuple[Ints, Ints]:
    """Return the rank of each pattern within its stratum, (P,), and how many there are, (S,).

    Equal covariates may give linear predictors a rounding apart; they have the same rank.
    """
    order = np.lexsort((eta, stratum))
    eta, layer = eta[order], stratum[order]
    new = np.ones(len(eta), dtype=bool)
    new[1:] = (layer[1:] != layer[:-1]) | (np.diff(eta) > _EQUAL * (1 + np.abs(eta[1:])))
    number = np.cumsum(new) - 1
    start = np.searchsorted(layer, np.arange(layer[-1] + 1))
    rank = np.empty(len(eta), dtype=np.int64)
    rank[order] = number - number[start[layer]]
    return rank, np.diff(np.append(number[start], number[-1] + 1))


def _as_event(sets: RiskSets, rank: Ints, ranks: Ints, n: Floats) -> Floats:
    """Return how many at risk, that stay, a unit with the event beats, (C, 3)."""
    from toolkit.survival.cox.concordance_kernel import compare_with_staying

    # who is at risk at an event time and has no event then: cells by the last time they stay
    stays = np.where(sets.event, sets.last - 1, sets.last)
    stays = np.where((stays >= 0) & (sets.first[stays] == sets.first[sets.last]), stays, -1)
    before = np.full(len(rank), -1) if sets.before is None else sets.before
    stays = np.where(sets.last >= 0, stays, -1)
    there = stays > before
    out = np.zeros((len(rank), 3))
    compare_with_staying(
        rank, ranks, n, sets.first,
        _starts(np.where(sets.event, sets.last, -1), len(sets)),
        _starts(np.where(there, stays, -1), len(sets)),
        _starts(np.where(there, before, -1), len(sets)), out,
    )  # fmt: skip
    return out


def _as_other(sets: RiskSets, rank: Ints, ranks: Ints, n: Floats) -> Floats:
    """Return how many with the event beat a unit that is at risk then and stays, (C, 3)."""
    from toolkit.survival.cox.concordance_kernel import compare_with_events

    before = np.full(len(rank), -1) if sets.before is None else sets.before
    out = np.zeros((len(rank), 3))
    compare_with_events(
        rank, ranks, n, sets.first, sets.event,
        _starts(sets.last, len(sets)), _starts(before, len(sets)), out,
    )  # fmt: skip
    return out


def _starts(row: Ints, length: int) -> tuple[Ints, Ints]:
    """Return the cells sorted by row, those of -1 left out, and where each row starts in them."""
    order = np.argsort(row, kind="stable")
    order = order[row[order] >= 0]
    counts = add_up(np.ones(len(order)), row[order], length).astype(np.int64)
    return order, np.concatenate([[0], np.cumsum(counts)])
