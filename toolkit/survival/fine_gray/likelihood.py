"""The partial likelihood of the subdistribution, with tied events after Efron or Breslow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.fine_gray.risk_sets import RiskSets

    Floats = NDArray[np.float64]

TiesType = Literal["efron", "breslow"]
TIES = ("efron", "breslow")


@dataclass(frozen=True, kw_only=True)
class AtPoint:
    """Everything at given coefficients; M moments, P patterns, p terms.

    Efron takes the u events tied at a moment one after the other, out of a risk set from which the
    share f = 0, 1/u … (u-1)/u of them has gone; each counts n/u, n the weight of all. Breslow takes
    them at once: one step with f = 0. With s = S0 - f D0 (S over the risk set, D over its events),
    sums over the steps:

    Attributes
    ----------
    risk : (P,) array
        exp(x β + offset), x centred.
    s1, d1 : (M, p) arrays
        Σ r x over the risk set and over its events.
    hazard, hazard_f : (M,) arrays
        Σ n/u / s, the increment of the baseline, and the same times f.
    a0, a1, a2 : (M,) arrays
        Σ n/u / s² times 1, f and f².
    loglik : float
    """

    risk: Floats
    s1: Floats
    d1: Floats
    hazard: Floats
    hazard_f: Floats
    a0: Floats
    a1: Floats
    a2: Floats
    loglik: float

    @property
    def drift(self) -> Floats:
        """Minus the derivative of `hazard` to β, (M, p): Σ n/u E / s."""
        moved: Floats = self.s1 * self.a0[:, None] - self.d1 * self.a1[:, None]
        return moved

    @property
    def drift_f(self) -> Floats:
        """The same times f, (M, p)."""
        moved: Floats = self.s1 * self.a1[:, None] - self.d1 * self.a2[:, None]
        return moved

    @property
    def expected(self) -> Floats:
        """Sum of the expected covariates over the events of each moment, (M, p)."""
        total: Floats = self.s1 * self.hazard[:, None] - self.d1 * self.hazard_f[:, None]
        return total


def evaluate(sets: RiskSets, x: Floats, offset: Floats, beta: Floats, ties: TiesType) -> AtPoint:
    """Return the log-likelihood and what its derivatives are made of."""
    predictor = x @ beta + offset
    risk = np.exp(predictor)
    both = np.column_stack([risk, x * risk[:, None]])
    s, d = sets.sums(both), np.asarray(sets.events @ both)
    sums = _steps(s[:, 0], d[:, 0], sets.n_event, sets.units, ties)
    events = np.asarray(sets.events.sum(axis=0)).ravel()
    return AtPoint(
        risk=risk, s1=s[:, 1:], d1=d[:, 1:], hazard=sums[1], hazard_f=sums[2],
        a0=sums[3], a1=sums[4], a2=sums[5], loglik=float(events @ predictor - sums[0].sum()),
    )  # fmt: skip


def derivatives(sets: RiskSets, x: Floats, at: AtPoint) -> tuple[Floats, Floats]:
    """Return the score (p,) and the information (p, p)."""
    events = np.asarray(sets.events.sum(axis=0)).ravel()
    score = events @ x - at.expected.sum(axis=0)
    # Σ_t h(t) S2(t) is Σ over patterns of x x' r times the hazard they were exposed to
    exposed = sets.exposure(at.hazard) - sets.events.T @ at.hazard_f
    second = x.T @ (x * (at.risk * exposed)[:, None])
    cross = at.s1.T @ (at.a1[:, None] * at.d1)
    squares = at.s1.T @ (at.a0[:, None] * at.s1) + at.d1.T @ (at.a2[:, None] * at.d1)
    return score, second - squares + cross + cross.T


def _steps(s0: Floats, d0: Floats, n: Floats, units: Floats, ties: TiesType) -> list[Floats]:
    """Return Σ n/u log s, then the five sums of `AtPoint`, each (M,)."""
    if ties == "breslow":
        none = np.zeros(len(n))
        return [n * np.log(s0), n / s0, none, n / s0**2, none, none]
    count = np.rint(units).astype(np.int64)
    moment = np.repeat(np.arange(len(n)), count)
    f = (np.arange(len(moment)) - np.repeat(np.cumsum(count) - count, count)) / count[moment]
    each = (n / units)[moment]
    s = s0[moment] - f * d0[moment]
    terms = (np.log(s), 1 / s, f / s, 1 / s**2, f / s**2, (f / s) ** 2)
    return [add_up(each * term, moment, len(n)) for term in terms]
