"""Where the people at risk in a month stand: on the line of a score, or among points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from toolkit.matching.distances import whiten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs


class Score(Protocol):
    """What people are matched on, month by month."""

    @property
    def fixed(self) -> Floats | None:
        """The score of each run, (R,), where it is the same in all months."""

    def score(self, month: int, run: Ints) -> Floats:
        """Return the score of some runs in a month."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A score that came with the data."""

    fixed: Floats = field(repr=False)

    def score(self, month: int, run: Ints) -> Floats:
        """Return the score of some runs; the month is in the run."""
        del month
        return self.fixed[run]


@dataclass(frozen=True, kw_only=True)
class Points:
    """Covariates as points, (R, p), whose Euclidean distance is that of Mahalanobis."""

    values: Floats = field(repr=False)


def mahalanobis_points(runs: Runs, months: Sequence[int], values: Floats) -> Points:
    """Return covariates, (R, k), as points, by their covariance within risk sets."""
    total, square = 0.0, np.zeros((values.shape[1], values.shape[1]))
    for month in months:
        at = np.flatnonzero((runs.first <= month) & (runs.last >= month))
        weight = runs.weight_of(at)
        if weight.sum() > 0:
            off = values[at] - weight @ values[at] / weight.sum()
            square += (off * weight[:, None]).T @ off
            total += weight.sum()
    return Points(values=whiten(values, square / max(total, 1e-300)))


def at_risk_in(runs: Runs, score: Score) -> Callable[[int], tuple[Ints, Floats]]:
    """Return a function of a month: the runs at risk in it and their scores, by rising score."""
    if score.fixed is None:

        def sort_now(month: int) -> tuple[Ints, Floats]:
            at = np.flatnonzero((runs.first <= month) & (runs.last >= month))
            value = score.score(month, at)
            order = np.argsort(value, kind="stable")
            return at[order], value[order]

        return sort_now
    order = np.argsort(score.fixed, kind="stable")  # once for all months
    first, last, value = runs.first[order], runs.last[order], score.fixed[order]

    def sorted_before(month: int) -> tuple[Ints, Floats]:
        there = (first <= month) & (last >= month)
        return order[there], value[there]

    return sorted_before


def spread_within(runs: Runs, months: Sequence[int], score: Score) -> float:
    """Return the standard deviation of the score within risk sets, over all rows of these months.

    Of the score's distance to the mean of its month: months that differ in level do not widen it.
    """
    now = at_risk_in(runs, score)
    total, square = 0.0, 0.0
    for month in months:
        at, value = now(month)
        weight = runs.weight_of(at)
        if weight.sum() > 0:
            off = value - weight @ value / weight.sum()
            square += float(weight @ (off * off))
            total += float(weight.sum())
    return float(np.sqrt(square / total)) if total else 0.0
