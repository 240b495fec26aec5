"""How small an effect an experiment can find, and how many people that takes."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.designs._plot import axes_of
from toolkit.errors import CallError, InputError
from toolkit.provenance import versions
from toolkit.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

#: Effects shown when none are asked: 0 to 10 percentage points.
_POINTS = tuple(i / 100 for i in range(11))


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """An experiment to be: what determines how precise it will be."""

    share: float
    baseline: float | None
    sd: float | None
    r2: float
    take_up: float
    observed: float
    design_effect: float
    cluster_size: float | None
    level: float

    def std_error(self, n: float, effect: float) -> float:
        """Return the standard error of the difference between the arms.

        `effect` is that on those who take part.
        """
        first, second = n * self.observed * self.share, n * self.observed * (1 - self.share)
        if self.baseline is None:
            one = other = float(self.sd or 0) ** 2
        else:
            p = self.baseline + self.take_up * effect
            one, other = p * (1 - p), self.baseline * (1 - self.baseline)
        return float(np.sqrt((1 - self.r2) * self.design_effect * (one / first + other / second)))

    def power(self, n: float, effect: float) -> float:
        """Return the chance that the two-sided test refutes 'no effect', in either direction."""
        from scipy.special import nctdtr, ndtr, ndtri, stdtrit

        shift = self.take_up * abs(effect) / self.std_error(n, effect)
        if self.cluster_size is None:
            z = ndtri(1 - self.level / 2)
            return float(ndtr(shift - z) + ndtr(-shift - z))
        df = max(n / self.cluster_size - 2, 1.0)
        t = stdtrit(df, 1 - self.level / 2)
        if shift > t + 20:
            return 1.0
        # where the other tail is too small to be computed it is 0
        under, over = np.nan_to_num([nctdtr(df, shift, t), nctdtr(df, shift, -t)])
        return float(1 - under + over)


@dataclass(frozen=True, kw_only=True)
class Power(Result):
    """What an experiment of a size can find; made by `minimum_detectable_effect`.

    Attributes
    ----------
    effect : float
        The smallest effect on those who take part that is found with the power asked.
    n : float
        People drawn, in both arms together.
    curve : DataFrame
        `effect` (on those who take part), `intention_to_treat`, `std_error`, `power`.
    """

    effect: float
    n: float
    curve: pl.DataFrame = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return the chance to find effects of several sizes."""
        return self.curve

    def glance(self) -> pl.DataFrame:
        """Return one row: the plan and the smallest effect it finds."""
        plan = {name: [self.meta[name]] for name in ("power", "level", "share", "take_up", "r2")}
        return pl.DataFrame(
            {
                "n": [self.n],
                "effect": [self.effect],
                "intention_to_treat": [self.effect * self.meta["take_up"]],
                "design_effect": [self.meta["design_effect"]],
                **plan,
            }
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the power by the size of the effect, with the power asked as a line."""
        ax = axes_of(ax)
        ax.plot(self.curve["effect"], self.curve["power"], marker="o", ms=3, **options)
        ax.axhline(self.meta["power"], color="0.6", lw=0.8, zorder=0)
        ax.axvline(self.effect, color="0.6", lw=0.8, ls="--", zorder=0)
        ax.set(xlabel="Effect on those who take part", ylabel="Power", ylim=(0, 1.02))
        return ax


def minimum_detectable_effect(
    *,
    n: float | None = None,
    effect: float | None = None,
    baseline: float | None = None,
    sd: float | None = None,
    share: float = 0.5,
    take_up: float = 1.0,
    r2: float = 0.0,
    attrition: float = 0.0,
    cluster_size: float | None = None,
    icc: float = 0.0,
    cluster_cv: float = 0.0,
    power: float = 0.8,
    level: float = 0.05,
    effects: Sequence[float] = _POINTS,
) -> Power:
    """Return the smallest effect an experiment of `n` people finds, or the n it takes for `effect`.

    Parameters
    ----------
    n : float, optional
        People drawn, both arms together.
    effect : float, optional
        On those who take part (0.05 is five percentage points). Give this or `n`.
    baseline : float, optional
        Share with the outcome among the controls, for a proportion.
    sd : float, optional
        Standard deviation of the outcome, for a mean. Give this or `baseline`.
    share : float
        Of all people, drawn for the programme.
    take_up : float
        By how much being drawn raises the share that takes part.
    r2 : float
        Share of the outcome's variance that covariates (strata) explain.
    attrition : float
        Share whose outcome will not be observed.
    cluster_size : float, optional
        People drawn together, on average.
    icc, cluster_cv : float
        Correlation of outcomes within a cluster; coefficient of variation of the clusters' sizes.
    power, level : float
        Chance to find the effect; chance to find one that is not there (two-sided).
    effects : sequence of float
        For the curve.

    Returns
    -------
    Power

    Raises
    ------
    toolkit.errors.ToolkitError
        For numbers outside their range, and an effect that no size (no share) can give.

    Notes
    -----
    The test is that of the difference in means with its own variance in each arm, as `experiment`
    computes it: power = Φ(δ/s - z) + Φ(-δ/s - z), with δ = take-up × effect and
    s² = (1 - R²) deff (p₁(1-p₁)/n₁ + p₀(1-p₀)/n₀), deff = 1 + ((1 + cv²) m - 1) icc (Eldridge,
    Ashby and Kerry 2006); n and m are people whose outcome is observed. With clusters the
    distribution is Student's t, on their number less two. An effect found is in either direction,
    as the effect of a programme may be.

    Examples
    --------
    >>> from toolkit import effects
    >>> plan = effects.minimum_detectable_effect(n=2000, baseline=0.25, take_up=0.6)
    >>> round(plan.effect, 3)
    0.093
    >>> round(effects.minimum_detectable_effect(effect=0.05, baseline=0.25).n)
    2496
    """
    begin = clock.perf_counter()
    _check_numbers(
        n=n, effect=effect, baseline=baseline, sd=sd, share=share, take_up=take_up, r2=r2,
        attrition=attrition, cluster_size=cluster_size, icc=icc, cluster_cv=cluster_cv, power=power,
        level=level,
    )  # fmt: skip
    _check(n, effect, baseline, sd, cluster_size)
    for name, value, low, high in (
        ("share", share, 0, 1), ("power", power, 0, 1), ("level", level, 0, 1),
    ):  # fmt: skip
        if not low < value < high:
            raise CallError(f"{name}={value!r} is not between {low} and {high}")
    for name, value in (("r2", r2), ("attrition", attrition)):
        if not 0 <= value < 1:
            raise CallError(f"{name}={value!r} is not a share from 0 and below 1")
    if not 0 < take_up <= 1 or not 0 <= icc <= 1 or cluster_cv < 0 or power <= level:
        raise CallError(
            "take_up lies above 0 up to 1, icc from 0 to 1, cluster_cv from 0, power above level"
        )
    size = max((cluster_size or 1.0) * (1 - attrition), 1.0)  # people seen of a cluster
    spread = max(1 + ((1 + cluster_cv**2) * size - 1) * icc, 1.0)
    plan = _Plan(
        share=share, baseline=baseline, sd=sd, r2=r2, take_up=take_up, observed=1 - attrition,
        design_effect=spread, cluster_size=cluster_size, level=level,
    )  # fmt: skip
    if n is None:
        n = _size_for(plan, float(effect or 0), power)
    found = _smallest(plan, n, power) if effect is None else float(effect)
    shown = [e for e in effects if baseline is None or 0 <= baseline + take_up * e <= 1]
    return Power(
        meta={
            "method": "Power of a difference between two arms",
            "estimand": "smallest effect on those who take part that is found",
            "power": power, "level": level, "share": share, "take_up": take_up, "r2": r2,
            "attrition": attrition, "baseline": baseline, "sd": sd, "cluster_size": cluster_size,
            "icc": icc, "cluster_cv": cluster_cv, "design_effect": spread,
            "dropped": {}, "warnings": _warn(n, cluster_size), "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        effect=found, n=n,
        curve=pl.DataFrame(
            {
                "effect": [float(e) for e in shown],
                "intention_to_treat": [take_up * e for e in shown],
                "std_error": [plan.std_error(n, e) for e in shown],
                "power": [plan.power(n, e) for e in shown],
            }
        ),
    )  # fmt: skip


def _check_numbers(**given: Any) -> None:
    for name, value in given.items():
        usable = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if value is not None and not (usable and np.isfinite(value)):
            raise CallError(f"{name}={value!r} is not a number")


def _check(
    n: float | None, effect: float | None, baseline: float | None, sd: float | None,
    cluster_size: float | None,
) -> None:  # fmt: skip
    if (n is None) == (effect is None):
        raise CallError("Give n= or effect=, the other is what is computed")
    if (baseline is None) == (sd is None):
        raise CallError(
            "Give baseline= (a share) or sd= (of a number)",
            fix="baseline=0.25 where a quarter of the controls will work",
        )
    if baseline is not None and not 0 < baseline < 1:
        raise CallError(f"baseline={baseline!r} is not between 0 and 1", fix="write 25% as 0.25")
    if cluster_size is not None and cluster_size < 1:
        raise CallError(f"cluster_size={cluster_size!r} is less than one person")
    for name, value in (("n", n), ("sd", sd), ("cluster_size", cluster_size)):
        if value is not None and not 0 < value < float("inf"):
            raise CallError(f"{name}={value!r} is not a positive number")
    if effect == 0:
        raise CallError("effect=0 takes endlessly many people to find", fix="name the smallest "
                        "effect that would matter")  # fmt: skip


def _smallest(plan: _Plan, n: float, power: float) -> float:
    """Return the effect at which the power is reached; power rises with it."""
    from scipy.optimize import brentq

    top = 1e3 * float(plan.sd or 0)
    if plan.baseline is not None:
        top = (1 - plan.baseline) / plan.take_up * (1 - 1e-12)
    if plan.power(n, top) < power:
        raise InputError(
            f"No effect is found with a power of {power:g} by {n:,.0f} people",
            fix="draw more people, or raise take-up",
        )
    return float(brentq(lambda e: plan.power(n, e) - power, 1e-12 * top, top, xtol=1e-14))


def _size_for(plan: _Plan, effect: float, power: float) -> float:
    from scipy.optimize import brentq

    if plan.baseline is not None and not 0 < plan.baseline + plan.take_up * effect < 1:
        raise InputError(
            f"An effect of {effect:g} on top of {plan.baseline:g} is no share between 0 and 1"
        )
    high = 4.0 if plan.cluster_size is None else 4 * plan.cluster_size
    while plan.power(high, effect) < power:
        high *= 2
        if high > 1e15:
            raise InputError(f"No number of people finds an effect of {effect:g}")
    low = high / 2 if high > 4 else 1e-3
    return float(brentq(lambda n: plan.power(n, effect) - power, low, high, xtol=1e-8))


def _warn(n: float, cluster_size: float | None) -> list[str]:
    if cluster_size is None or n / cluster_size >= 30:
        return []
    return [f"only {n / cluster_size:,.0f} clusters: what they tell of their spread is little"]
