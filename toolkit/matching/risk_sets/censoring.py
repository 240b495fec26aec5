"""Controls censored at their own start: the weight each has in every month of follow-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.matching.risk_sets.runs import NEVER

if TYPE_CHECKING:
    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs
    from toolkit.matching.risk_sets.starts import Starts
    from toolkit.matching.risk_sets.uses import Uses


@dataclass(frozen=True, kw_only=True)
class Censoring:
    """By how much the weight of each control grows while others like it are censored.

    Attributes
    ----------
    begin : (N + 1,) array
        Where the months of each row begin in `cumulated`; treated rows and rows out of the
        comparison have none.
    cumulated : array
        Σ -log(1 - p) over the months at risk since the reference month, from 0 on.
    """

    begin: Ints = field(repr=False)
    cumulated: Floats = field(repr=False)

    def factor(self, since: int) -> Floats:
        """Return 1 / Π (1 - p) until `since` months after the reference month, (N,).

        Who has left the risk set cannot start any more: their factor stays.
        """
        size = np.diff(self.begin)
        out = np.ones(len(size))
        there = (size > 0) & (since > 0)
        at = self.begin[:-1][there] + np.minimum(since, size[there] - 1)
        out[there] = np.exp(self.cumulated[at])
        return out


def make_censoring(runs: Runs, uses: Uses, starts: Starts) -> Censoring:
    """Return the weights of the controls in use, from the fitted chance to start."""
    from toolkit.matching.risk_sets.censoring_kernel import still_untreated
    from toolkit.matching.risk_sets.risk_kernel import last_of_unit

    final = np.minimum(last_of_unit(runs.unit, runs.last), runs.treated_at - 1)
    serves = ~uses.treated & (uses.weight > 0)
    size = np.where(serves, final[uses.run] - uses.month + 1, 0)
    begin = np.concatenate([[0], np.cumsum(size)])
    cumulated = np.empty(begin[-1])
    x, slopes = starts.factors()
    still_untreated(
        runs.unit, runs.first, runs.last, runs.treated_at, x, slopes, starts.level, starts.low,
        uses.run, uses.month, begin, cumulated,
    )  # fmt: skip
    return Censoring(begin=begin, cumulated=cumulated)


def own_start(runs: Runs, uses: Uses) -> tuple[Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return months from the reference month to the row's own later start, and where there is one.

    Treated rows have none: theirs is the reference month.
    """
    at = runs.treated_at[uses.run].astype(np.int64)
    return at - uses.month, (at != NEVER) & ~uses.treated


def unseen_starts(runs: Runs, uses: Uses) -> int:
    """Return how many controls start after the last month in which they are seen at risk.

    They are censored then, and nobody was at risk with them in whose weight they could live on.
    """
    from toolkit.matching.risk_sets.risk_kernel import last_of_unit

    serves = ~uses.treated & (uses.weight > 0)
    final = last_of_unit(runs.unit, runs.last)[uses.run]
    return int((serves & own_start(runs, uses)[1] & (runs.treated_at[uses.run] > final)).sum())
