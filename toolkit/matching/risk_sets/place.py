"""Where the people at risk in a month stand: on the line of a score, or among points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toolkit.matching.distances import whiten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs


class Score(Protocol):
    """What people are matched on, month by month."""

    @property
    def fixed(self) -> Floats | None:
        """The score of each run, (R,), where it is the same in all months."""

    def score(self, month: int, run: NDArray[Any]) -> Floats:
        """Return the score of some runs in a month."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A score that came with the data."""

    fixed: Floats = field(repr=False)

    def score(self, month: int, run: NDArray[Any]) -> Floats:
        """Return the score of some runs; the month is in the run."""
        del month
        value: Floats = self.fixed[run]
        return value


@dataclass(frozen=True, kw_only=True)
class Points:
    """Covariates as points, (R, p), whose Euclidean distance is that of Mahalanobis."""

    values: Floats = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The runs at risk in each of some months.

    Attributes
    ----------
    begin : dict
        Month → where its runs are in `runs`: from, to.
    runs : (sum of those at risk,) array
    """

    begin: dict[int, tuple[int, int]] = field(repr=False)
    runs: NDArray[np.int32] = field(repr=False)

    def of(self, month: int) -> NDArray[np.int32]:
        """Return the runs at risk in a month, in the order of the list."""
        low, high = self.begin[month]
        return self.runs[low:high]


def list_months(runs: Runs, months: Sequence[int], order: Ints | None = None) -> Lists:
    """List who is at risk in some months, in the order given or that of the runs."""
    from toolkit.matching.risk_sets.risk_kernel import list_by_month

    at = np.array(months, dtype=np.int64) - runs.low
    begin = np.concatenate([[0], np.cumsum(runs.at_risk[at])])
    slot = np.full(runs.high - runs.low + 1, -1, dtype=np.int64)
    slot[at] = np.arange(len(at))
    out = np.empty(int(begin[-1]), dtype=np.int32)
    rising = np.arange(len(runs)) if order is None else order
    list_by_month(rising, runs.first, runs.last, slot, runs.low, begin, out)
    ends = zip(begin[:-1].tolist(), begin[1:].tolist(), strict=True)
    return Lists(begin=dict(zip(months, ends, strict=True)), runs=out)


def mahalanobis_points(runs: Runs, months: Sequence[int], values: Floats) -> Points:
    """Return covariates, (R, k), as points, by their covariance within risk sets."""
    total, square = 0.0, np.zeros((values.shape[1], values.shape[1]))
    lists = list_months(runs, months)
    for month in months:
        at = lists.of(month)
        weight = runs.weight_of(at)
        if weight.sum() > 0:
            off = values[at] - weight @ values[at] / weight.sum()
            square += (off * weight[:, None]).T @ off
            total += weight.sum()
    return Points(values=whiten(values, square / max(total, 1e-300)))


def by_score(
    runs: Runs, months: Sequence[int], score: Score
) -> Callable[[int], tuple[Ints, Floats]]:
    """Return a function of a month: the runs at risk in it and their scores, by rising score."""
    if score.fixed is not None:
        value = score.fixed
        sorted_ = list_months(runs, months, np.argsort(value, kind="stable"))  # once for all

        def sorted_before(month: int) -> tuple[Ints, Floats]:
            at = sorted_.of(month).astype(np.int64)
            return at, value[at]

        return sorted_before
    lists = list_months(runs, months)

    def sort_now(month: int) -> tuple[Ints, Floats]:
        at = lists.of(month).astype(np.int64)
        value = score.score(month, at)
        order = np.argsort(value, kind="stable")
        return at[order], value[order]

    return sort_now


def spread_within(runs: Runs, months: Sequence[int], score: Score) -> float:
    """Return the standard deviation of the score within risk sets, over all rows of these months.

    Of the score's distance to the mean of its month: months that differ in level do not widen it.
    """
    lists = list_months(runs, months)
    total, square = 0.0, 0.0
    for month in months:
        at = lists.of(month)
        value, weight = score.score(month, at), runs.weight_of(at)
        size = float(weight.sum())
        if size > 0:
            off = value - (weight * value).sum() / size  # sums, not BLAS: it would start threads
            square += float((weight * off * off).sum())
            total += size
    return float(np.sqrt(square / total)) if total else 0.0
