"""How far two groups overlap in their scores; every number the same for any order of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Bins, at the quantiles of all scores, in which the overlap is counted.
_BINS = 20


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The distinct scores, low to high, with the weight of treated and controls at each."""

    score: Floats
    treated: Floats
    control: Floats


def ladder(score: Floats, treated: Bools, weight: Floats) -> Ladder:
    """Count the weight of each group at each distinct score."""
    order = np.argsort(score, kind="stable")
    values = score[order]
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    mass = weight[order]
    mine = mass * treated[order]
    return Ladder(
        score=values[first],
        treated=np.add.reduceat(mine, first),
        control=np.add.reduceat(mass - mine, first),
    )


def auc(steps: Ladder) -> float:
    """Return the probability that a treated person's score is above a control's, ties half."""
    below = np.cumsum(steps.control) - steps.control
    won = np.sum(steps.treated * (below + 0.5 * steps.control))
    return float(won / (steps.treated.sum() * steps.control.sum()))


def overlap(steps: Ladder) -> float:
    """Return the overlapping coefficient: Σ over bins of the smaller of the two groups' shares.

    1 where the groups have the same scores, 0 where none is shared. The bins hold about a 20th of
    all rows each, so that it does not matter on which scale the score is.
    """
    both = steps.treated + steps.control
    middle = (np.cumsum(both) - 0.5 * both) / both.sum()
    at = np.minimum((middle * _BINS).astype(int), _BINS - 1)
    shares = [np.bincount(at, mass, minlength=_BINS) / mass.sum()
              for mass in (steps.treated, steps.control)]  # fmt: skip
    return float(np.minimum(*shares).sum())


def shared_range(steps: Ladder) -> tuple[float, float]:
    """Return from the higher of the groups' lowest to the lower of their highest scores."""
    mine, others = steps.score[steps.treated > 0], steps.score[steps.control > 0]
    return max(mine[0], others[0]), min(mine[-1], others[-1])


def crump_cut(steps: Ladder) -> float:
    """Return α: between α and 1 - α the mean effect is estimated with the least variance.

    Crump, Hotz, Imbens and Mitnik (2009), Corollary 1: with g = 1 / (e (1 - e)), 1 / (α (1 - α)) is
    twice the mean of g where it is below that; 0 where g is nowhere above twice its mean.
    """
    g = 1.0 / (steps.score * (1.0 - steps.score))
    order = np.argsort(g, kind="stable")
    mass = (steps.treated + steps.control)[order]
    mean = np.cumsum(mass * g[order]) / np.cumsum(mass)
    kept = np.flatnonzero(g[order] <= 2 * mean)
    if kept[-1] == len(g) - 1:
        return 0.0
    return float(0.5 - np.sqrt(0.25 - 1.0 / (2 * mean[kept[-1]])))


def count_support(
    rules: dict[str, tuple[float, float]], score: Floats, treated: Bools
) -> pl.DataFrame:
    """Return a row a rule: the range, and how many of each group are in and outside it."""
    rows = []
    for rule, (low, high) in rules.items():
        inside = (score >= low) & (score <= high)
        rows.append(
            {
                "rule": rule, "low": float(low), "high": float(high),
                "inside_treated": int((inside & treated).sum()),
                "inside_control": int((inside & ~treated).sum()),
                "outside_treated": int((~inside & treated).sum()),
                "outside_control": int((~inside & ~treated).sum()),
            }
        )  # fmt: skip
    return pl.DataFrame(rows)
