"""The partial likelihood of the subdistribution; tied events after Efron or Breslow as in `cox`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.estimation.threads import added, ranges, side_by_side
from toolkit.survival.cox.likelihood import Means, means_of
from toolkit.survival.cox.square import weighted_square
from toolkit.survival.cox.ties import TieSums, breslow_sums, efron_sums
from toolkit.survival.segments import add_up, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.fine_gray.risk_sets import RiskSets

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TiesType = Literal["efron", "breslow"]
TIES = ("efron", "breslow")


@dataclass(frozen=True, kw_only=True)
class AtPoint:
    """Everything at given coefficients; M moments, P patterns, C cells, p terms.

    Who left by another cause is in the risk sets, never among the tied events, so sums over ties
    are those of the Cox model.

    Attributes
    ----------
    beta : (p,) array
    risk : (P,) array
        r = exp((x - centre) β + offset).
    sums : TieSums
    means : Means
        Mean covariates of the risk sets, less the centre.
    hazard, own_hazard : (M,) arrays
        Increment of the baseline for a unit at risk, and for one that has the event then.
    squared, own_squared : (M,) arrays
        Minus what one more of risk 1 in the risk set moves these by.
    exposure : (C,) array
        Hazard that a unit of risk 1 lives through until it leaves.
    loglik : float
    score : (p,) array
    information : (p, p) array
    """

    beta: Floats
    risk: Floats
    sums: TieSums
    means: Means
    hazard: Floats
    own_hazard: Floats
    squared: Floats
    own_squared: Floats
    exposure: Floats
    loglik: float
    score: Floats
    information: Floats


class Likelihood:
    """Evaluates the pseudo-likelihood of a design with its risk sets.

    Attributes
    ----------
    centre : (p,) array
        Mean of each term; what is computed of covariates is of their distance to it.
    spread : (p,) array
        Standard deviation of each term.
    """

    def __init__(self, design: Design, sets: RiskSets, ties: TiesType) -> None:
        self.design, self.sets, self.ties = design, sets, ties
        n_pattern = add_up(design.n, design.pattern, len(design.x))
        self.centre: Floats = n_pattern @ design.x / n_pattern.sum()
        square, _ = weighted_square(design.x, self.centre, n_pattern)
        self.spread: Floats = np.sqrt(np.diag(square) / n_pattern.sum())
        events = np.flatnonzero(sets.own)
        self._events = add_up(design.n[events], design.pattern[events], len(design.x))
        self._gone_pattern = design.pattern[sets.carried]
        self._gone_n = design.n[sets.carried] * sets.share

    def __call__(self, beta: Floats) -> tuple[float, Floats, Floats]:
        """Return log-likelihood, score and information, as `maximise` asks for them."""
        at = self.evaluate(beta)
        return at.loglik, at.score, at.information

    def evaluate(self, beta: Floats) -> AtPoint:
        """Return everything at these coefficients."""
        design, sets = self.design, self.sets
        predictor = design.x @ beta - self.centre @ beta + design.offset
        risk = np.exp(predictor)
        at_risk, own = self._risk_sums(risk)
        s, d = at_risk[:, 0], own[:, 0]
        sums = efron_sums(s, d, sets.units) if self.ties == "efron" else breslow_sums(s, sets.units)
        weight = sets.n_event / sets.units
        means = means_of(
            sums, sets.units, weight, s, at_risk[:, 1:], d, own[:, 1:],
            efron=self.ties == "efron",
        )  # fmt: skip
        hazard, own_hazard = weight * sums.first, weight * sums.own_first
        exposure, expected, residual = self._expected(risk, hazard, own_hazard)
        # Σ_t h(t) S2(t) is Σ over patterns of x x' times the events expected of them
        square, score = weighted_square(design.x, self.centre, expected, residual)
        return AtPoint(
            beta=beta, risk=risk, sums=sums, means=means, hazard=hazard, own_hazard=own_hazard,
            squared=weight * sums.second, own_squared=weight * sums.own_second, exposure=exposure,
            loglik=float(self._events @ predictor - weight @ sums.log), score=score,
            information=square - means.square(),
        )  # fmt: skip

    def _risk_sums(self, risk: Floats) -> tuple[Floats, Floats]:
        """Return Σ n r (1, x - centre) of the risk sets and of their events, (M, 1 + p) each."""
        from toolkit.survival.cox.kernels import sum_back

        design, sets = self.design, self.sets
        nobody = sets.own[:0]
        left, own = self._add(risk, design.pattern, design.n, sets.last, sets.own)
        if len(sets.come):
            left -= self._add(risk, design.pattern, design.n, sets.come, nobody)[0]
        at_risk = np.empty_like(left)
        sum_back(left, sets.start, at_risk)
        if len(sets.carried):
            gone, _ = self._add(
                risk, self._gone_pattern, self._gone_n, sets.place, nobody, len(sets.moment)
            )
            gone = running_sum(gone, sets.run) * sets.weight[:, None]
            at_risk += add_up(gone, sets.moment, len(sets.time))
        return at_risk, own

    def _add(
        self, risk: Floats, pattern: Ints, n: Floats, place: Ints, event: NDArray[np.bool_],
        length: int | None = None,
    ) -> tuple[Floats, Floats]:  # fmt: skip
        from toolkit.survival.cox.kernels import add_risk

        x, centre = self.design.x, self.centre
        shape = (len(self.sets.time) if length is None else length, 1 + x.shape[1])

        def work(low: int, high: int) -> tuple[Floats, Floats]:
            total, dying = np.zeros(shape), np.zeros(shape if len(event) else (0, shape[1]))
            add_risk(x, centre, risk, pattern, n, place, event, low, high, total, dying)
            return total, dying

        # a thread of its own needs sums of its own: worth it where there are few moments
        few = shape[0] * 20 < len(place)
        done = side_by_side(work, ranges(len(place)) if few else [(0, len(place))])
        return added([total for total, _ in done]), added([dying for _, dying in done])

    def _expected(self, risk: Floats, hazard: Floats, own: Floats) -> tuple[Floats, Floats, Floats]:
        """Return exposures of cells, (C,), expected events and residuals of patterns, (P,)."""
        from toolkit.survival.cox.kernels import expose

        design, sets = self.design, self.sets
        exposure = np.empty(len(sets.last))
        expected, residual = np.zeros(len(design.x)), np.zeros(len(design.x))
        expose(
            running_sum(hazard, sets.stratum), own - hazard, sets.last, sets.come, sets.own,
            design.pattern, design.n, risk, 0, len(exposure), exposure, expected, residual,
        )  # fmt: skip
        if len(sets.carried):
            later = self._gone_n * sets.to_come(hazard[:, None])[sets.place, 0]
            more = risk * add_up(later, self._gone_pattern, len(risk))
            expected += more
            residual -= more
        return exposure, expected, residual
