"""E-values of risk ratios, and how other measures become one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from toolkit.errors import CallError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Measure = Literal["risk_ratio", "odds_ratio", "hazard_ratio", "risk_difference", "mean_difference"]
MEASURES = ("risk_ratio", "odds_ratio", "hazard_ratio", "risk_difference", "mean_difference")


def e_value_of_ratio(ratio: float) -> float:
    """Return RR + √(RR (RR - 1)), with 1 / RR where RR < 1 (VanderWeele and Ding 2017)."""
    above = max(ratio, 1 / ratio) if ratio > 0 else math.inf
    return above + math.sqrt(above * (above - 1)) if above < math.inf else math.inf


def bounding_factor(with_treatment: float, with_outcome: float) -> float:
    """Return by how much at most a confounder of these risk ratios moves a risk ratio.

    B = RR_EU RR_UD / (RR_EU + RR_UD - 1) (Ding and VanderWeele 2016).

    Examples
    --------
    >>> from toolkit import effects
    >>> effects.bounding_factor(2.0, 3.0)
    1.5
    """
    if not (with_treatment >= 1 and with_outcome >= 1):
        raise CallError("A risk ratio of the confounder is below 1", fix="give its inverse")
    return with_treatment * with_outcome / (with_treatment + with_outcome - 1)


def limit_towards(ratio: float, limits: Sequence[float | None]) -> float | None:
    """Return the limit on the side of 1; 1 when the interval holds it, None when not given."""
    low, high = limits
    near = low if ratio >= 1 else high
    if near is None:
        return None
    return max(near, 1.0) if ratio >= 1 else min(near, 1.0)


def to_risk_ratio(
    value: float,
    measure: Measure,
    *,
    rare: bool | None = None,
    baseline: float | None = None,
    sd: float | None = None,
) -> float:
    """Return an effect as a risk ratio (VanderWeele and Ding 2017, table 2).

    Raises
    ------
    toolkit.errors.ToolkitError
        For a ratio ≤ 0, a risk outside (0, 1], and conversions that lack what they need.
    """
    if measure in {"risk_ratio", "odds_ratio", "hazard_ratio"}:
        if not value > 0:
            raise InputError(f"A ratio of {value:g} is not above 0", fix="not its logarithm")
        if measure == "risk_ratio":
            return value
        if rare is None:
            raise CallError(
                f"Whether the outcome is rare decides what an {measure.replace('_', ' ')} means",
                fix="rare=True below some 15% by the end of follow-up, else rare=False",
            )
        if rare:
            return value
        if measure == "odds_ratio":
            return math.sqrt(value)
        root = math.sqrt(value)
        return (1 - math.pow(0.5, root)) / (1 - math.pow(0.5, 1 / root))
    if measure == "risk_difference":
        if baseline is None or not 0 < baseline <= 1:
            raise CallError(
                "A risk difference needs the risk it adds to, between 0 and 1",
                fix="baseline= the share of the controls with the outcome",
            )
        if not -baseline <= value <= 1 - baseline:
            raise InputError(
                f"A difference of {value:g} leads from {baseline:g} to no risk between 0 and 1",
                fix="look at the estimate, its limits, and the baseline",
            )
        return (baseline + value) / baseline
    if sd is None or not 0 < sd < math.inf:
        raise CallError(
            "A mean difference needs the standard deviation of the outcome, above 0",
            fix="sd=1 when the difference is standardised already",
        )
    return math.exp(0.91 * value / sd)


def fieller_limits(treated: float, control: float, vcov: Floats, z: float) -> tuple[float, float]:
    """Return the limits of the ratio of two means: every B with |p₁ - B p₀| ≤ z s(B).

    s(B)² = v₁ - 2 B c + B² v₀ (Fieller 1954). Where the controls' mean is itself not told from 0
    the set has no upper end.
    """
    v1, c, v0 = float(vcov[0, 0]), float(vcov[0, 1]), float(vcov[1, 1])
    a, b, d = control**2 - z**2 * v0, treated * control - z**2 * c, treated**2 - z**2 * v1
    root = math.sqrt(max(b * b - a * d, 0.0))
    if a > 0:
        return max((b - root) / a, 0.0), (b + root) / a
    if d <= 0:  # nor is the mean of the treated told from 0
        return 0.0, math.inf
    return ((b - root) / a if a < 0 else d / (2 * b)), math.inf
