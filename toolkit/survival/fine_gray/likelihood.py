"""The partial likelihood of the subdistribution; tied events after Efron or Breslow as in `cox`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.survival.cox.likelihood import Means, means_of
from toolkit.survival.cox.ties import TieSums, breslow_sums, efron_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.fine_gray.risk_sets import RiskSets

    Floats = NDArray[np.float64]

TiesType = Literal["efron", "breslow"]
TIES = ("efron", "breslow")

#: Patterns a block of the product X'ΩX: fits the cache, and one thread of BLAS.
_BLOCK = 2048


@dataclass(frozen=True, kw_only=True)
class AtPoint:
    """Everything at given coefficients; M moments, P patterns, p terms.

    Who left by another cause is in the risk sets, never among the tied events, so sums over ties
    are those of the Cox model.

    Attributes
    ----------
    risk : (P,) array
        r = exp(x β + offset), x centred.
    sums : TieSums
    means : Means
        Mean covariates of the risk sets.
    hazard, own_hazard : (M,) arrays
        Increment of the baseline for a unit at risk, and for one that has the event then.
    squared, own_squared : (M,) arrays
        Minus what one more of risk 1 in the risk set moves these by.
    loglik : float
    """

    risk: Floats
    sums: TieSums
    means: Means
    hazard: Floats
    own_hazard: Floats
    squared: Floats
    own_squared: Floats
    loglik: float


def evaluate(sets: RiskSets, x: Floats, offset: Floats, beta: Floats, ties: TiesType) -> AtPoint:
    """Return the log-likelihood and what its derivatives are made of."""
    predictor = x @ beta + offset
    risk = np.exp(predictor)
    both = np.column_stack([risk, x * risk[:, None]])
    at_risk, own = sets.sums(both), np.asarray(sets.events @ both)
    s, d = at_risk[:, 0], own[:, 0]
    sums = efron_sums(s, d, sets.units) if ties == "efron" else breslow_sums(s, sets.units)
    weight = sets.n_event / sets.units
    means = means_of(
        sums, sets.units, weight, s, at_risk[:, 1:], d, own[:, 1:], efron=ties == "efron"
    )
    return AtPoint(
        risk=risk, sums=sums, means=means, hazard=weight * sums.first,
        own_hazard=weight * sums.own_first, squared=weight * sums.second,
        own_squared=weight * sums.own_second,
        loglik=float(sets.events_of_pattern @ predictor - weight @ sums.log),
    )  # fmt: skip


def derivatives(sets: RiskSets, x: Floats, at: AtPoint) -> tuple[Floats, Floats]:
    """Return the score (p,) and the information (p, p)."""
    score = sets.events_of_pattern @ x - sets.n_event @ at.means.own
    # Σ_t h(t) S2(t) is Σ over patterns of x x' r times the hazard they were exposed to
    exposed = sets.exposure(at.hazard) - sets.events.T @ (at.hazard - at.own_hazard)
    return score, square(x, at.risk * exposed) - at.means.square()


def square(x: Floats, weight: Floats) -> Floats:
    """Return x' diag(weight) x, (p, p), in blocks."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for low in range(0, len(x), _BLOCK):
        block = x[low : low + _BLOCK]
        total += block.T @ (block * weight[low : low + _BLOCK, None])
    return (total + total.T) / 2
