"""How strongly a confounder must go with treatment and outcome to explain an effect away."""

from __future__ import annotations

import math
import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.result import EffectResult
from toolkit.effects.sensitivity.e_value_ratios import (
    MEASURES,
    Measure,
    e_value_of_ratio,
    limit_towards,
    to_risk_ratio,
)
from toolkit.errors import CallError, InputError, check_option
from toolkit.provenance import versions

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class EValue(EffectResult):
    """The least confounding that explains an effect away.

    Attributes
    ----------
    measure : str
        The scale the effect came on.
    estimate, conf_low, conf_high : float
        On that scale; limits are None where they were not given.
    ratio : float
        The estimate as a risk ratio, relative to the effect it is held against.
    ratio_limit : float or None
        The limit nearest to that effect, likewise; 1 when the interval holds it.
    """

    measure: Measure
    estimate: float
    conf_low: float | None = None
    conf_high: float | None = None
    ratio: float
    ratio_limit: float | None = field(default=None)

    @property
    def e_value(self) -> float:
        """Risk ratio a confounder needs with treatment and with outcome, at least, both."""
        return e_value_of_ratio(self.ratio)

    @property
    def e_value_limit(self) -> float | None:
        """The same to move the limit; 1 when the interval holds no effect as it is."""
        return None if self.ratio_limit is None else e_value_of_ratio(self.ratio_limit)

    def tidy(self) -> pl.DataFrame:
        """Return a row for the estimate and one for the limit: `term, ratio, e_value`."""
        table = pl.DataFrame(
            {
                "term": ["estimate", "limit"],
                "ratio": [self.ratio, self.ratio_limit],
                "e_value": [self.e_value, self.e_value_limit],
            }
        )
        return table.drop_nulls()

    def glance(self) -> pl.DataFrame:
        """Return one row: the effect on its own scale, as a ratio, and its E-values."""
        numbers = ("estimate", "conf_low", "conf_high", "ratio", "ratio_limit", "e_value",
                   "e_value_limit")  # fmt: skip
        return pl.DataFrame(
            {"measure": [self.measure], **{name: [getattr(self, name)] for name in numbers}},
            schema_overrides=dict.fromkeys(numbers, pl.Float64),
        )

    def curve(self, points: int = 100) -> pl.DataFrame:
        """Return pairs of strengths that just explain the estimate away.

        Returns
        -------
        DataFrame
            `with_treatment, with_outcome`: risk ratios whose bounding factor is the estimate's.
        """
        ratio = max(self.ratio, 1 / self.ratio)
        if not 1 < ratio < math.inf:
            raise CallError("There is no effect to explain away", fix="look at another outcome")
        most = 4 * self.e_value
        least = ratio * (most - 1) / (most - ratio)
        one = np.geomspace(least, most, points)
        other = ratio * (one - 1) / (one - ratio)
        return pl.DataFrame({"with_treatment": one, "with_outcome": other})

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw which confounders explain the estimate away: those on the curve and above it."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        curve = self.curve()
        ax.plot(curve["with_treatment"], curve["with_outcome"], **options)
        ax.plot([self.e_value], [self.e_value], "o", color="0.2")
        ax.annotate(
            f"E = {self.e_value:.2f}", (self.e_value, self.e_value), xytext=(5, 5),
            textcoords="offset points",
        )  # fmt: skip
        ax.set(
            xlabel="Risk ratio of confounder and treatment",
            ylabel="Risk ratio of confounder and outcome", xlim=(1, None), ylim=(1, None),
        )  # fmt: skip
        return ax


def e_value(
    estimate: float,
    *,
    measure: Measure = "risk_ratio",
    conf_low: float | None = None,
    conf_high: float | None = None,
    against: float | None = None,
    rare: bool | None = None,
    baseline: float | None = None,
    sd: float | None = None,
    design: str = "naive",
) -> EValue:
    """Return the least confounding that explains an effect away.

    Parameters
    ----------
    estimate, conf_low, conf_high : float
        The effect and, where known, its interval, on the scale of `measure`.
    measure : {"risk_ratio", "odds_ratio", "hazard_ratio", "risk_difference", "mean_difference"}
    against : float, optional
        The effect it is held against, on the same scale; no effect by default.
    rare : bool
        Of odds and hazard ratios: whether fewer than some 15% have the outcome by the end.
    baseline : float
        Of risk differences: the risk without treatment.
    sd : float
        Of mean differences: the standard deviation of the outcome; 1 when standardised already.
    design : str
        The method the effect came from, a key of `effects.methods`.

    Returns
    -------
    EValue

    Raises
    ------
    toolkit.errors.ToolkitError
        For numbers that are no effect on that scale, and conversions that lack what they need.

    Notes
    -----
    With RR > 1 (else its inverse), E = RR + √(RR (RR - 1)) (VanderWeele and Ding 2017). Conversions
    to a risk ratio are theirs (their table 2): of a common outcome √OR, and
    (1 - ½^√HR) / (1 - ½^√(1/HR)); of a standardised mean difference exp(0.91 d). A risk difference
    is taken as (baseline + difference) / baseline, the baseline as known.

    Examples
    --------
    >>> from toolkit import effects
    >>> effects.e_value(3.9, conf_low=1.8, conf_high=8.7).tidy()["e_value"].round(2).to_list()
    [7.26, 3.0]
    """
    begin = clock.perf_counter()
    check_option("measure", measure, MEASURES)
    given = [value for value in (conf_low, estimate, conf_high) if value is not None]
    if any(isinstance(value, (str, bool)) for value in given):
        raise CallError("The estimate or a limit is no number", fix="hand in numbers")
    if not all(math.isfinite(value) for value in given) or given != sorted(given):
        raise InputError(
            "The estimate does not lie between its limits, or one is not finite",
            fix="conf_low ≤ estimate ≤ conf_high, all on the scale of measure=",
        )
    if against is None:
        against = 1.0 if measure.endswith("ratio") else 0.0

    def relative(value: float) -> float:
        return to_risk_ratio(value, measure, rare=rare, baseline=baseline, sd=sd) / held

    held = 1.0
    held = relative(against)
    ratio = relative(estimate)
    limits = [None if value is None else relative(value) for value in (conf_low, conf_high)]
    needs = {"rare": rare, "baseline": baseline, "sd": sd}
    return EValue(
        measure=measure, estimate=estimate, conf_low=conf_low, conf_high=conf_high,
        ratio=ratio, ratio_limit=limit_towards(ratio, limits),
        meta={
            "design": design,
            "method": "E-value",
            "estimand": f"confounding that moves the {measure.replace('_', ' ')} to {against:g}",
            "definition": ", ".join(f"{k}={v}" for k, v in needs.items() if v is not None)
            or "a risk ratio as it is",
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
    )  # fmt: skip
