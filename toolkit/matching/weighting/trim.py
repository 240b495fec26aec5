"""Rows outside the scores that can be compared left out, and the largest weights cut: counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.matching.propensity.overlap import crump_cut, ladder, shared_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

Support = Literal["min-max", "crump 0.1", "crump"]
SUPPORTS = ("min-max", "crump 0.1", "crump")


def support_range(
    support: Support | tuple[float, float], score: Floats, treated: Bools, sampling: Floats
) -> tuple[float, float]:
    """Return the scores that count, lowest and highest."""
    if not isinstance(support, str):
        low, high = _pair(support)
        return low, high
    check_option("support", support, SUPPORTS)
    if support == "crump 0.1":
        return 0.1, 0.9
    steps = ladder(score, treated, sampling)
    if support == "min-max":
        return shared_range(steps)
    cut = crump_cut(steps)
    return cut, 1 - cut


def _pair(support: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in support)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not 0 <= low < high <= 1:
        raise CallError(
            f"support={support!r} is no range of scores",
            fix=f"for instance (0.05, 0.95), or one of {', '.join(map(repr, SUPPORTS))}",
        )
    return low, high


def check_trim(trim: float | None, cap: float | None) -> None:
    """Raise unless `trim` is a quantile of the upper half and `cap` a weight."""
    if trim is not None and cap is not None:
        raise CallError("trim= and cap= both say where weights are cut", fix="name one of them")
    if trim is not None and not (_number(trim) and 0.5 <= trim < 1):
        raise CallError(
            f"trim={trim!r} is not a quantile from 0.5 to below 1",
            fix="0.99 cuts the largest 1% of the weights to the 99th percentile",
        )
    if cap is not None and not (_number(cap) and 0 < cap < np.inf):
        raise CallError(f"cap={cap!r} is not a weight above 0", fix="for instance cap=10")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def upper_quantile(weight: Floats, sampling: Floats, quantile: float) -> float:
    """Return the least weight that at least this share of the rows (by `sampling`) is not above."""
    order = np.argsort(weight, kind="stable")
    share = np.cumsum(sampling[order])
    # a sum of shares may fall short of what it is by a rounding
    at = int(np.searchsorted(share, quantile * share[-1] * (1 - 1e-12)))
    return float(weight[order][min(at, len(order) - 1)])


def require_left(used: Bools, treated: Bools, why: str) -> None:
    """Raise when nobody of a group is left."""
    counts = int((used & treated).sum()), int((used & ~treated).sum())
    if min(counts) == 0:
        raise EmptyCohortError(
            f"Nobody is left of the {'treated' if counts[0] == 0 else 'controls'} {why}",
            where=f"{counts[0]:,} treated and {counts[1]:,} controls",
            fix="look at propensity(…).common_support() and .plot(); the groups may not overlap",
        )
