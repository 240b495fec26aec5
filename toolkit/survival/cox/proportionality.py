"""Do hazard ratios stay the same over time? The score test of Grambsch and Therneau, done exactly.

The model with b(t) = b + θ g(t) has at θ = 0 the score U_θ = Σ g(t) Σ_events (x - x̄(t)) and the
information Σ V, Σ g V, Σ g² V, V the variance of x among those at risk at each event time
(Grambsch and Therneau 1994, without their approximation that V is the same at all times).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, NegativeTimeError, unknown_option
from toolkit.estimation.newton import inverse
from toolkit.result import Result
from toolkit.survival.cox.likelihood import exposure_of
from toolkit.survival.cox.residuals import scaled_schoenfeld, schoenfeld
from toolkit.survival.cox.square import weighted_square
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted
    from toolkit.survival.cox.model import CoxModel

    Floats = NDArray[np.float64]

Transform = Literal["km", "rank", "identity", "log"]
TRANSFORMS = ("km", "rank", "identity", "log")
GLOBAL = "GLOBAL"


@dataclass(frozen=True, kw_only=True)
class Proportionality(Result):
    """Tests of proportional hazards by term; made by `CoxModel.proportionality`.

    Attributes
    ----------
    transform : {"km", "rank", "identity", "log"}
        g(t).
    terms : tuple of str
        Of the formula (a factor is one), and GLOBAL.
    statistic, df, p_value : (terms + 1,) arrays
    columns : tuple of str
        The p columns of the model.
    time, scale : (E,) arrays
        Time and g(t) of the cells with the event.
    weight : (E,) array
        Events in each.
    scaled : (E, p) array
        Scaled Schoenfeld residuals: b(t), and noise.
    coefficients, variance : (p,) arrays
        Of the model, and E times the variance of each coefficient.
    """

    transform: Transform
    terms: tuple[str, ...]
    statistic: Floats = field(repr=False)
    df: NDArray[np.int64] = field(repr=False)
    p_value: Floats = field(repr=False)
    columns: tuple[str, ...] = field(repr=False)
    time: Floats = field(repr=False)
    scale: Floats = field(repr=False)
    weight: Floats = field(repr=False)
    scaled: Floats = field(repr=False)
    coefficients: Floats = field(repr=False)
    variance: Floats = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row per term of the formula and one for all: `term, statistic, df, p_value`."""
        return pl.DataFrame(
            {
                "term": list(self.terms),
                "statistic": self.statistic,
                "df": self.df,
                "p_value": self.p_value,
            }
        )

    def glance(self) -> pl.DataFrame:
        """Return the global test."""
        return (
            self.tidy()
            .filter(pl.col("term") == GLOBAL)
            .select(pl.lit(self.transform).alias("transform"), "statistic", "df", "p_value")
        )

    def plot(
        self, ax: Axes | None = None, *, column: str | None = None, df: int = 4, **options: Any
    ) -> Axes:
        """Draw the scaled Schoenfeld residuals of a column with a smooth curve and its band.

        The curve is b(t) as the residuals suggest it (a natural cubic spline with `df` degrees of
        freedom, band ± 2 standard errors); the line is the coefficient of the model. A curve that
        leaves the line says how the hazard ratio changes over time.
        """
        from toolkit.survival.cox.proportionality_plot import plot_residuals

        if column is not None and column not in self.columns:
            raise unknown_option("column", column, self.columns)
        chosen = 0 if column is None else self.columns.index(column)
        return plot_residuals(self, chosen, df=df, ax=ax, **options)


def proportionality(model: CoxModel, transform: Transform) -> Proportionality:
    """Test the terms of a model; see `CoxModel.proportionality`."""
    from scipy.special import chdtrc

    fitted = model.fitted
    if not model.terms:
        raise CallError("A model without covariates has no hazard ratios to test",
                        fix="name covariates in the formula")  # fmt: skip
    g = transformed(fitted, transform)
    sets = fitted.risk_sets
    g = g - sets.deaths @ g / sets.deaths.sum()
    score = _score(fitted, g)
    first, second = _weighted_information(fitted, g), _weighted_information(fitted, g * g)
    bread = inverse(fitted.information)
    adjusted = second - first @ bread @ first
    groups = fitted.design.covariates.term_columns()
    statistic = [
        float(score[at] @ np.linalg.solve(adjusted[np.ix_(at, at)], score[at]))
        for at in (*groups.values(), list(range(len(score))))
    ]
    df = np.array([*(len(at) for at in groups.values()), len(score)])
    cells = np.flatnonzero(sets.event)
    row = sets.last[cells]
    meta = dict(model.meta) | {
        "estimand": "change of the log hazard ratios over time",
        "method": f"Score test of proportional hazards (Grambsch and Therneau), g = {transform}",
    }
    return Proportionality(
        meta=meta,
        transform=transform,
        terms=(*groups, GLOBAL),
        statistic=np.array(statistic),
        df=df,
        p_value=chdtrc(df, np.array(statistic)),
        columns=model.terms,
        time=sets.time[row].astype(np.float64),
        scale=transformed(fitted, transform)[row],
        weight=fitted.design.n[cells],
        scaled=scaled_schoenfeld(fitted, bread)[cells],
        coefficients=model.coefficients,
        variance=np.diag(bread) * sets.deaths.sum(),
    )


def transformed(fitted: Fitted, transform: Transform) -> Floats:
    """Return g(t) at each event time, (T,): all strata together, as in R's `cox.zph`.

    ``km`` is 1 - S(t-) of the Kaplan-Meier curve, ``rank`` the mean rank of that time among the
    ends of all rows, ``identity`` and ``log`` the time itself. Sampling weights do not count
    here: g is a scale, and any will do.
    """
    sets = fitted.risk_sets
    time = sets.time.astype(np.float64)
    if transform == "identity":
        return time
    if transform == "log":
        if (time <= 0).any():
            raise NegativeTimeError(
                "transform='log' has no value for events at time 0", fix="choose another transform"
            )
        return np.log(time)
    known, at = np.unique(time, return_inverse=True)
    if transform == "rank":
        return _mean_rank(fitted, known)[at]
    deaths = add_up(sets.deaths, at, len(known))
    survival = np.cumprod(1 - deaths / _at_risk(fitted, known))
    scale: Floats = 1 - np.append(1.0, survival[:-1])[at]
    return scale


def _units(fitted: Fitted) -> Floats:
    design = fitted.design
    return design.rows if design.sampling else design.n


def _mean_rank(fitted: Fitted, known: Floats) -> Floats:
    time, units = fitted.design.time, _units(fitted)
    end, at = np.unique(time, return_inverse=True)
    count = add_up(units, at, len(end))
    rank: Floats = (np.cumsum(count) - (count - 1) / 2)[np.searchsorted(end, known)]
    return rank


def _at_risk(fitted: Fitted, known: Floats) -> Floats:
    """Return how many units of all strata are at risk at each time, (K,)."""
    design, units = fitted.design, _units(fitted)

    def still(time: NDArray[Any]) -> Floats:
        there = add_up(units, np.searchsorted(known, time, side="right"), len(known) + 1)
        return np.cumsum(there[::-1])[::-1][1:]

    at_risk = still(design.time)
    return at_risk if design.entry is None else at_risk - still(design.entry)


def _score(fitted: Fitted, g: Floats) -> Floats:
    sets, design = fitted.risk_sets, fitted.design
    cells = np.flatnonzero(sets.event)
    weight = design.n[cells] * g[sets.last[cells]]
    score: Floats = weight @ schoenfeld(fitted)[cells]
    return score


def _weighted_information(fitted: Fitted, g: Floats) -> Floats:
    """Return Σ_t g(t) V(t): the information with the hazard increments weighted by g."""
    sets, design = fitted.risk_sets, fitted.design
    exposure = exposure_of(sets, g * fitted.hazard, g * fitted.own_hazard)
    weight = add_up(
        design.n * fitted.risk[design.pattern] * exposure, design.pattern, len(design.x)
    )
    square, _ = weighted_square(design.x, fitted.centre, weight)
    return square - fitted.means().square(g)
