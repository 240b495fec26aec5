"""The exact likelihood of tied times: which d of those at risk have the event, given that d do.

Cox's (1972) discrete model, the conditional logistic likelihood. Its denominator sums over all
choices of d from R at risk; the recursion of Gail, Lubin and Rubinstein (1981; Howard 1972),

    B_k(n) = B_k(n-1) + r_n B_{k-1}(n-1),

adds the n-th unit to the sums over choices of k. Kept here are log B, and for the distribution
over choices with weights ∏ r the mean and variance of Σ x: the n-th unit is in the choice with
probability π = r_n B_{k-1}(n-1) / B_k(n), so that both are mixtures,

    m_k <- (1-π) m_k + π (m_{k-1} + x),    V_k <- (1-π) V_k + π V_{k-1} + π(1-π) δδ',

with δ the difference of the two means: no number overflows and no variance can turn negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError, EstimationError
from toolkit.survival.cox.likelihood import PartialLikelihood
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.risk_sets import RiskSets
    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]

#: Steps of the recursion (a unit × a number of deaths) in one evaluation: some ten seconds.
MOST_STEPS = 3e8


class ExactLikelihood:
    """Evaluates the exact likelihood of a design.

    Raises
    ------
    toolkit.errors.CallError
        For sampling weights: a choice of units has no fractions.
    toolkit.errors.EstimationError
        When the recursion would take too long.
    """

    def __init__(self, design: Design, risk_sets: RiskSets) -> None:
        if design.sampling:
            raise CallError(
                "ties='exact' takes no sampling weights: it counts choices of whole units",
                fix="use ties='efron', or whole numbers that count rows",
            )
        self.design, self.risk_sets = design, risk_sets
        # the null model, means and everything after the fit are Breslow's, as in R
        self.breslow = PartialLikelihood(design, risk_sets, "breslow")
        self._order = np.argsort(-risk_sets.last, kind="stable")
        self._order = self._order[risk_sets.last[self._order] >= 0]
        self._check_cost()

    def __call__(self, coefficients: Floats) -> tuple[float, Floats, Floats]:
        """Return log-likelihood, score and information, as `maximise` asks for them."""
        from toolkit.survival.cox.exact_kernel import evaluate

        design, sets = self.design, self.risk_sets
        eta = self.breslow.linear_predictor(coefficients)
        p = len(coefficients)
        score, information = np.zeros(p), np.zeros((p, p))
        width = round(float(sets.deaths.max())) + 1
        before = sets.before if sets.before is not None else np.full(len(sets.last), -1)
        loglik = evaluate(
            design.x, self.breslow.centre, eta, design.pattern, np.rint(design.n).astype(np.int64),
            self._order, sets.last, before, sets.event, sets.first,
            np.rint(sets.deaths).astype(np.int64), sets.before is not None,
            np.zeros(width), np.zeros((width, p)), np.zeros((width, p, p)), score, information,
        )  # fmt: skip
        return loglik, score, information

    def _check_cost(self) -> None:
        sets, n = self.risk_sets, self.design.n
        everyone = add_up(n[self._order], sets.last[self._order], len(sets))
        early = None
        if sets.before is not None:
            some = sets.before >= 0
            early = add_up(n[some], sets.before[some], len(sets))
        at_risk = sets.at_risk(everyone, early)
        most = np.maximum.accumulate(sets.deaths)
        steps = float(
            (at_risk * sets.deaths).sum() if early is not None else (everyone * most).sum()
        )
        p = self.design.x.shape[1]
        cost = steps * (1 + p * (p + 3) / 40)
        if cost > MOST_STEPS:
            worst = int(np.argmax(at_risk * sets.deaths))
            raise EstimationError(
                f"ties='exact' would take about {cost / MOST_STEPS * 10:,.0f} seconds a step: "
                f"{sets.deaths[worst]:,.0f} events among {at_risk[worst]:,.0f} at risk at one time",
                fix="use ties='efron'; for months discrete_hazard(link='logit') is close to it",
            )
