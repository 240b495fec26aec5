"""The partial likelihood by Efron and Breslow, its score and information, on counted cells.

No sum of squares is kept per event time. With dΛ(t) the increment of the baseline hazard (a sum
over the deaths of t), A the hazard a cell lives through and Ω = n r A,

    information = Σ_cells Ω (x - m)(x - m)' - Σ_t Σ_j w̄ x̄_j x̄_j'
    score       = Σ_cells (events - Ω)(x - m)

so that an evaluation is one pass over the cells, one over the patterns, and work on T rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.estimation.threads import added, ranges, side_by_side
from toolkit.survival.cox.means import Means, means_of
from toolkit.survival.cox.square import weighted_square
from toolkit.survival.cox.ties import TieSums, breslow_sums, efron_sums
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.risk_sets import RiskSets
    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = [
    "TIES", "Fitted", "Means", "PartialLikelihood", "Ties", "exposure_of", "means_of",
]  # fmt: skip

Ties = Literal["efron", "breslow", "exact"]
TIES = ("efron", "breslow", "exact")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Everything the model knows of one value of the coefficients.

    P patterns, C cells, T event times, p terms. Risks are relative to a unit with mean covariates
    and mean offset (`centre`, `offset_centre`), which keeps exp() in range.

    Attributes
    ----------
    risk : (P,) array
        r = exp((x - centre)'b + offset - offset_centre).
    at_risk, dying : (T,) arrays
        Σ n r over those at risk, and over those who have the event.
    at_risk_x, dying_x : (T, p) arrays
        Σ n r (x - centre) over the same.
    sums : TieSums
    hazard, own_hazard : (T,) arrays
        dΛ(t) of a unit of risk 1, and of one that has the event at t itself (Efron: less).
    exposure : (C,) array
        A: the hazard that a unit of risk 1 lives through in the cell.
    loglik : float
    score : (p,) array
    information : (p, p) array
    """

    design: Design = field(repr=False)
    risk_sets: RiskSets = field(repr=False)
    ties: Ties
    coefficients: Floats
    centre: Floats
    offset_centre: float
    risk: Floats = field(repr=False)
    at_risk: Floats = field(repr=False)
    dying: Floats = field(repr=False)
    at_risk_x: Floats = field(repr=False)
    dying_x: Floats = field(repr=False)
    sums: TieSums = field(repr=False)
    hazard: Floats = field(repr=False)
    own_hazard: Floats = field(repr=False)
    exposure: Floats = field(repr=False)
    loglik: float
    score: Floats
    information: Floats

    @property
    def mean_weight(self) -> Floats:
        """Mean weight w̄ of the events of each time, (T,)."""
        weight: Floats = self.risk_sets.weight / self.risk_sets.deaths
        return weight

    @property
    def scale(self) -> float:
        """Risk of the unit at the centre relative to one with x = 0 and no offset."""
        return float(np.exp(self.centre @ self.coefficients + self.offset_centre))

    def means(self) -> Means:
        """Return the mean covariates of the risk sets, and what they add up to."""
        return means_of(
            self.sums, self.risk_sets.deaths, self.mean_weight, self.at_risk,
            self.at_risk_x, self.dying, self.dying_x, efron=self.ties == "efron",
        )  # fmt: skip


class PartialLikelihood:
    """Evaluates the likelihood of a design; `ties` is "efron" or "breslow"."""

    def __init__(self, design: Design, risk_sets: RiskSets, ties: Ties) -> None:
        self.design, self.risk_sets, self.ties = design, risk_sets, ties
        per_pattern = add_up(design.n, design.pattern, len(design.x))
        self.pattern_weight: Floats = per_pattern
        self.centre: Floats = per_pattern @ design.x / per_pattern.sum()
        self.offset_centre = float(per_pattern @ design.offset / per_pattern.sum())
        self.events: Floats = add_up(design.n * risk_sets.event, design.pattern, len(design.x))
        self._cell_ranges = ranges(len(design.pattern), design.pattern)

    def __call__(self, coefficients: Floats) -> tuple[float, Floats, Floats]:
        """Return log-likelihood, score and information, as `maximise` asks for them."""
        fitted = self.evaluate(coefficients)
        return fitted.loglik, fitted.score, fitted.information

    def evaluate(self, coefficients: Floats) -> Fitted:
        """Return everything the model knows at these coefficients."""
        design, sets = self.design, self.risk_sets
        eta = self.linear_predictor(coefficients)
        risk = np.exp(eta)
        at_risk, dying = self._at_risk(risk)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            sums = (
                efron_sums(at_risk[:, 0], dying[:, 0], sets.deaths)
                if self.ties == "efron"
                else breslow_sums(at_risk[:, 0], sets.deaths)
            )
            mean_weight = sets.weight / sets.deaths
            hazard, own = mean_weight * sums.first, mean_weight * sums.own_first
            exposure, expected, residual = self._expected(risk, hazard, own)
            means = means_of(
                sums, sets.deaths, mean_weight, at_risk[:, 0], at_risk[:, 1:],
                dying[:, 0], dying[:, 1:], efron=self.ties == "efron",
            )  # fmt: skip
            loglik = float(self.events @ eta - mean_weight @ sums.log)
            square, score = weighted_square(design.x, self.centre, expected, residual)
        return Fitted(
            design=design, risk_sets=sets, ties=self.ties, coefficients=coefficients,
            centre=self.centre, offset_centre=self.offset_centre, risk=risk,
            at_risk=at_risk[:, 0], dying=dying[:, 0], at_risk_x=at_risk[:, 1:],
            dying_x=dying[:, 1:], sums=sums, hazard=hazard, own_hazard=own, exposure=exposure,
            loglik=loglik, score=score, information=square - means.square(),
        )  # fmt: skip

    def spread(self) -> Floats:
        """Return the standard deviation of each column over all rows, (p,)."""
        from toolkit.survival.cox.kernels import add_spread

        x, weight = self.design.x, self.pattern_weight

        def work(low: int, high: int) -> Floats:
            total = np.zeros(x.shape[1])
            add_spread(x, self.centre, weight, low, high, total)
            return total

        total = added(side_by_side(work, ranges(len(x))))
        deviation: Floats = np.sqrt(total / weight.sum())
        return deviation

    def linear_predictor(self, coefficients: Floats) -> Floats:
        """Return (x - centre)'b + offset - offset_centre, (P,)."""
        from toolkit.survival.cox.kernels import predict

        design = self.design
        eta = np.empty(len(design.x))
        side_by_side(
            lambda low, high: predict(
                design.x, self.centre, coefficients, design.offset, self.offset_centre,
                low, high, eta,
            ),
            ranges(len(eta)),
        )  # fmt: skip
        return eta

    def _at_risk(self, risk: Floats) -> tuple[Floats, Floats]:
        """Return Σ n r (1, x - centre) of those at risk and of the dying, (T, 1 + p) each."""
        sets = self.risk_sets
        total, dying = self._sums(risk, sets.last, sets.event)
        if sets.before is None:
            return sets.at_risk(total, None), dying
        early, _ = self._sums(risk, sets.before, sets.event[:0])
        return sets.at_risk(total, early), dying

    def _sums(self, risk: Floats, place: Ints, event: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        from toolkit.survival.cox.kernels import add_risk

        design = self.design
        shape = (len(self.risk_sets), 1 + design.x.shape[1])

        def work(low: int, high: int) -> tuple[Floats, Floats]:
            total, dying = np.zeros(shape), np.zeros(shape)
            add_risk(
                design.x, self.centre, risk, design.pattern, design.n, place, event,
                low, high, total, dying,
            )  # fmt: skip
            return total, dying

        # a thread of its own needs sums of its own: worth it where there are few times
        few = shape[0] * 20 < len(place)
        done = side_by_side(work, ranges(len(place)) if few else [(0, len(place))])
        return added([total for total, _ in done]), added([dying for _, dying in done])

    def _expected(self, risk: Floats, hazard: Floats, own: Floats) -> tuple[Floats, Floats, Floats]:
        """Return exposures of cells, (C,), expected events and residuals of patterns, (P,)."""
        from toolkit.survival.cox.kernels import expose

        design, sets = self.design, self.risk_sets
        exposure = np.empty(len(sets.last))
        expected, residual = np.zeros(len(design.x)), np.zeros(len(design.x))
        lived, less = sets.cumulated(hazard), own - hazard
        before = sets.last[:0] if sets.before is None else sets.before
        side_by_side(
            lambda low, high: expose(
                lived, less, sets.last, before, sets.event, design.pattern, design.n, risk,
                low, high, exposure, expected, residual,
            ),
            self._cell_ranges,
        )  # fmt: skip
        return exposure, expected, residual


def exposure_of(risk_sets: RiskSets, hazard: Floats, own: Floats) -> Floats:
    """Return the hazard that a unit of risk 1 lives through in each cell, (C,).

    Parameters
    ----------
    hazard, own : (T,) arrays
        Increment at each time, and that of a unit with the event at that time.
    """
    total = risk_sets.over_interval(risk_sets.cumulated(hazard), slice(None))
    at = risk_sets.last[risk_sets.event]
    total[risk_sets.event] += (own - hazard)[at]
    return total
