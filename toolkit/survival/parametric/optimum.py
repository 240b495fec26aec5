"""Where the likelihood is highest: starting values, and heterogeneity that may be nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.newton import Optimum, maximise
from toolkit.survival.parametric.baselines import Power
from toolkit.survival.parametric.likelihood import Likelihood
from toolkit.survival.parametric.start import null_of, objective_of, start_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.parametric.baselines import Baseline
    from toolkit.survival.parametric.likelihood import Observed

    Floats = NDArray[np.float64]

#: Relative gain below which the top counts as reached: far below the tolerance of any comparison.
_TOLERANCE = 1e-13
#: Variances at which the likelihood is looked at again when none seems best.
_VARIANCES = (0.25, 1.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Top:
    """An optimum, and what was found about the heterogeneity.

    Attributes
    ----------
    optimum : Optimum
        Of the model without heterogeneity where that is best.
    plain : float
        Log-likelihood without heterogeneity.
    frailty : bool
        Whether the last parameter is log θ.
    """

    optimum: Optimum
    plain: float
    frailty: bool


def fit(
    observed: Observed, baseline: Baseline, terms: tuple[str, ...], *, heterogeneity: bool
) -> tuple[Top, float]:
    """Return the top, and the highest log-likelihood without covariates.

    Where the baseline is free to take any shape, heterogeneity shows in covariates only (Elbers and
    Ridder 1982): without them the model has none.
    """
    told = heterogeneity and isinstance(baseline, Power)
    alone = null_of(observed, intercept=baseline.intercept)
    first = int(baseline.intercept)
    p, q = observed.x.shape[1], observed.ancillary.shape[1]
    n_shape = len(terms) - p
    own = list(range(first)) + list(range(p, p + len(baseline.terms)))
    names = [terms[i] for i in own]
    null = climb(
        Likelihood(alone, baseline), start_of(alone, baseline), names=names,
        spread=np.zeros(len(names)), heterogeneity=told,
    )  # fmt: skip
    if len(own) == len(terms) and not observed.offset.any():
        return null, null.optimum.value
    start = np.zeros(len(terms))
    start[own] = null.optimum.point[: len(own)]
    weight = observed.pattern_weight
    spread = np.zeros(len(terms))
    spread[first:p] = _spread(observed.x[:, first:], weight)
    if q > 1:
        spread[p + 1 : p + n_shape] = _spread(observed.ancillary[:, 1:], weight)
    top = climb(
        Likelihood(observed, baseline), start, names=terms, spread=spread,
        heterogeneity=heterogeneity,
    )  # fmt: skip
    return top, null.optimum.value


def _spread(x: Floats, weight: Floats) -> Floats:
    mean = weight @ x / weight.sum()
    return np.asarray(np.sqrt(weight @ (x - mean) ** 2 / weight.sum()))


def climb(
    likelihood: Likelihood,
    start: Floats,
    *,
    names: Sequence[str],
    spread: Floats,
    heterogeneity: bool,
) -> Top:
    """Find the top without heterogeneity, then, where asked for, whether a θ > 0 betters it."""
    plain = _top(likelihood, start, names, spread, frailty=False)
    without = Top(optimum=plain, plain=plain.value, frailty=False)
    if not heterogeneity:
        return without
    point = np.append(plain.point, np.log(_first_variance(likelihood, plain)))
    if likelihood.score_of_frailty(plain.point) <= 0:
        better = [
            (value, np.append(place, np.log(variance)))
            for variance in _VARIANCES
            for value, place in [_with_variance(likelihood, plain, variance, names)]
            if value > plain.value + 1e-9 * (1 + abs(plain.value))
        ]
        if not better:
            return without
        point = max(better, key=lambda found: found[0])[1]
    best = _top(
        likelihood, point, [*names, "log(frailty variance)"], np.append(spread, 0.0), frailty=True
    )
    return Top(optimum=best, plain=plain.value, frailty=True)


def _top(
    likelihood: Likelihood, start: Floats, names: Sequence[str], spread: Floats, *, frailty: bool
) -> Optimum:
    """Climb, and take one more of Newton's steps: it costs little and leaves only rounding."""
    objective = objective_of(likelihood, frailty=frailty)
    found = maximise(
        objective, start, names=names, spread=spread, tolerance=_TOLERANCE, most_steps=200
    )
    for _ in range(3):
        point = found.point + found.inverse @ found.score
        value, score, information = objective(point)
        if not value >= found.value - 1e-12 * abs(found.value):
            break
        found = replace(found, point=point, value=value, score=score, information=information)
        if score @ found.inverse @ score < 1e-18 * (1 + abs(value)):
            break
    return found


def _first_variance(likelihood: Likelihood, plain: Optimum) -> float:
    """Return the best θ of a few, with the other parameters as they are without."""
    values = {
        variance: likelihood(np.append(plain.point, np.log(variance)), frailty=True).value
        for variance in (0.01, 0.05, 0.2, 0.6)
    }
    return max(values, key=lambda variance: values[variance])


def _with_variance(
    likelihood: Likelihood, plain: Optimum, variance: float, names: Sequence[str]
) -> tuple[float, Floats]:
    """Return the highest log-likelihood at a given θ, and where it is."""
    log_variance = np.log(variance)

    def value(point: Floats) -> tuple[float, Floats, Floats]:
        total = likelihood(np.append(point, log_variance), frailty=True)
        return total.value, total.score[:-1], total.information[:-1, :-1]

    found = maximise(value, plain.point, names=names, most_steps=100)
    return found.value, found.point
