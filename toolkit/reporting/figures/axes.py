"""Axes: months and percentages, in the numbers of the language."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from toolkit.reporting.labels import format_number, format_percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes


def nice_step(span: float, most: int) -> float:
    """Return a round step (1, 2, 2.5 or 5 times a power of ten) that cuts `span` in at most `most`.

    Examples
    --------
    >>> nice_step(0.52, 6)
    0.1
    """
    if span <= 0:
        return 1.0
    power = 10.0 ** floor(log10(span / most))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0):
        if span / (factor * power) <= most + 1e-9:
            return float(f"{factor * power:.12g}")
    return 10 * power  # pragma: no cover - the loop ends at ten


def steps_between(low: float, high: float, most: int) -> list[float]:
    """Return round values from at or below `low` to at or above `high`."""
    step = nice_step(high - low, most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def month_ticks(last: float, *, first: float = 0.0, most: int = 9) -> list[int]:
    """Return ticks every 6 months, or 12, 24, 60 … where that gives too many.

    Examples
    --------
    >>> month_ticks(24)
    [0, 6, 12, 18, 24]
    >>> month_ticks(60, first=-24)
    [-24, -12, 0, 12, 24, 36, 48, 60]
    """
    span = max(last - first, 1)
    step = next((s for s in (1, 2, 3) if span <= s * 4), 6)
    if step == 6:
        step = next((s for s in (6, 12, 24, 60, 120) if span / s <= most), 240)
    start = ceil(first / step) * step
    return list(range(start, floor(last) + 1, step))


def _decimals(ticks: Sequence[float], scale: float) -> int:
    for digits in range(4):
        if all(abs(round(t * scale, digits) - t * scale) < 1e-9 for t in ticks):
            return digits
    return 4


def _fix(axis: Any, ticks: Sequence[float], words: Callable[[float], str]) -> None:
    axis.set_ticks(list(ticks))
    axis.set_ticklabels([words(t) for t in ticks])


def percent_axis(ax: Axes, ticks: Sequence[float], *, which: str = "y") -> None:
    """Put percentages at these shares along an axis, and end the axis at the outer ones."""
    digits = _decimals(ticks, 100)
    axis = ax.yaxis if which == "y" else ax.xaxis
    _fix(axis, ticks, lambda t: format_percent(t, digits))
    _limit(ax, which, ticks)


def point_axis(ax: Axes, ticks: Sequence[float], *, which: str = "y") -> None:
    """Put signed percentage points at these differences of shares along an axis."""
    digits = _decimals(ticks, 100)
    axis = ax.yaxis if which == "y" else ax.xaxis
    _fix(axis, ticks, lambda t: format_percent(t, digits, sign=True).removesuffix("%"))
    _limit(ax, which, ticks)


def number_axis(ax: Axes, ticks: Sequence[float], *, which: str = "y", sign: bool = False) -> None:
    """Put numbers at these values along an axis, and end the axis at the outer ones."""
    digits = _decimals(ticks, 1)
    axis = ax.yaxis if which == "y" else ax.xaxis
    _fix(axis, ticks, lambda t: format_number(t, digits, sign=sign))
    _limit(ax, which, ticks)


#: Steps of a ratio that read well, from fine to coarse.
_RATIOS = (
    (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0),
    (0.25, 0.33, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0),
    (0.1, 0.2, 0.33, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
    (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
)


def ratio_ticks(low: float, high: float, most: int) -> list[float]:
    """Return ratios to mark on a logarithmic axis from `low` to `high`, 1 among them.

    Examples
    --------
    >>> ratio_ticks(0.8, 1.3, 5)
    [0.8, 1.0, 1.25, 1.5]
    """
    for steps in _RATIOS:
        if steps[0] <= low and high <= steps[-1]:
            first = max(i for i, step in enumerate(steps) if step <= low)
            last = min(i for i, step in enumerate(steps) if step >= high)
            if last - first < most:
                return list(steps[first : last + 1])
    down, up = floor(log10(low)), ceil(log10(high))
    each = max(ceil((up - down) / max(most - 1, 1)), 1)
    return [10.0**power for power in range(each * floor(down / each), up + each, each)]


def ratio_axis(ax: Axes, low: float, high: float, most: int) -> None:
    """Put ratios along a logarithmic x axis, and end the axis at the outer ones."""
    ticks = ratio_ticks(low, high, most)
    digits = max(_decimals([tick], 1) for tick in ticks)
    _fix(ax.xaxis, ticks, lambda t: format_number(t, min(digits, 2)))
    _limit(ax, "x", ticks)


def _limit(ax: Axes, which: str, ticks: Sequence[float]) -> None:
    if which == "y":
        ax.set_ylim(min(ticks), max(ticks))
    else:
        ax.set_xlim(min(ticks), max(ticks))


def month_axis(ax: Axes, last: float, *, first: float = 0.0, narrow: bool = False) -> list[int]:
    """Put months along the x axis; returns the ticks."""
    ticks = month_ticks(last, first=first, most=5 if narrow else 9)
    _fix(ax.xaxis, ticks, format_number)
    ax.set_xlim(first, last)
    return ticks
