"""How strong a hidden bias must be to undo a matched comparison (Rosenbaum bounds)."""

from __future__ import annotations

import math
import time as clock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.sensitivity.door import describe, is_binary
from toolkit.effects.sensitivity.matched_sets import MatchedSets, read_sets
from toolkit.effects.sensitivity.rosenbaum_binary import BinarySets, binary_sets
from toolkit.effects.sensitivity.rosenbaum_ranks import (
    ZEROS,
    SignedRanks,
    Zeros,
    estimate_range,
    interval_range,
    signed_ranks,
)
from toolkit.effects.sensitivity.rosenbaum_result import (
    ALTERNATIVES,
    Alternative,
    RosenbaumBounds,
)
from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.estimation.intervals import check_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.sample import Sample

#: Odds by which two people who look alike may differ in their chance of treatment.
GAMMAS = (1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0)
#: A bias beyond this is not searched.
_MOST = 1e9


def rosenbaum_bounds(
    x: Any,
    *,
    outcome: str,
    gammas: Sequence[float] = GAMMAS,
    alternative: Alternative = "two-sided",
    zeros: Zeros = "drop",
    alpha: float = 0.05,
    conf_level: float = 0.95,
    treatment: str | None = None,
    subclass: str | None = None,
) -> RosenbaumBounds:
    """Bound what a matched comparison says when people who look alike differ after all.

    Two people of one set may differ by a factor Γ in their odds of treatment, for a reason that was
    not observed and that may foretell the outcome perfectly. Γ = 1 is a randomised experiment.

    Parameters
    ----------
    x : Sample or frame
        What matching without replacement returned; or a frame with `treatment` and `subclass`.
    outcome : str
        True/false or 0/1: McNemar's test of pairs, Mantel–Haenszel of larger sets. Other numbers:
        Wilcoxon's signed rank test of pairs, with Hodges–Lehmann estimates.
    gammas : sequence of float
        Each ≥ 1.
    alternative : {"two-sided", "greater", "less"}
        Two-sided p-values are twice the smaller one, at most 1. Textbooks print "greater".
    zeros : {"drop", "rank"}
        Pairs without a difference are left out before ranking, as R's `wilcox.test` does, or after
        it, as in Pratt (1959) and the tables of Rosenbaum (2002). Estimates keep them.
    alpha : float
        The level at which `critical_gamma` is found.
    conf_level : float
        Of the intervals of numbers.
    treatment, subclass : str, optional
        Columns of a plain frame: who was treated, and who belongs together.

    Returns
    -------
    RosenbaumBounds

    Raises
    ------
    toolkit.errors.ToolkitError
        Also for controls used more than once, and numbers in sets that are no pairs.

    Notes
    -----
    Rosenbaum (2002), Observational Studies, chapter 4. Tails are exact for pairs with a binary
    outcome, for sets whose count ranges over at most 4,000, and for 200 differences; beyond, the
    normal approximation (with a continuity correction for counts). Sampling weights play no part:
    the test conditions on the sets.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import effects
    >>> pairs = pl.DataFrame(
    ...     {
    ...         "pair": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6],
    ...         "programme": [1, 0] * 6,
    ...         "work": [1, 0] * 5 + [1, 1],
    ...     }
    ... )
    >>> bounds = effects.rosenbaum_bounds(
    ...     pairs, outcome="work", treatment="programme", subclass="pair",
    ...     alternative="greater", gammas=[1, 2],
    ... )
    >>> bounds.tidy()["p_high"].round(3).to_list()
    [0.031, 0.132]
    """
    begin = clock.perf_counter()
    check_option("alternative", alternative, ALTERNATIVES)
    check_option("zeros", zeros, ZEROS)
    check_interval(conf_level, "plain")
    check_interval(alpha, "plain")
    grid = _check_gammas(gammas)
    sample, sets = read_sets(x, outcome=outcome, treatment=treatment, subclass=subclass)
    test: BinarySets | SignedRanks
    if is_binary(sets.outcome):
        name = "McNemar" if sets.paired else "Mantel-Haenszel"
        test = binary_sets(sets)
    elif sets.paired:
        name, test = "signed rank", signed_ranks(sets.differences(), zeros)
    else:
        raise CallError(
            f"Outcome {outcome!r} is a number, and the sets are no pairs",
            fix="match pairs (ratio=1), or ask whether the outcome is above a threshold",
        )
    if not test.used:
        raise EmptyCohortError(
            f"In no matched set does {outcome!r} differ: there is nothing to bound",
            fix="look at the outcome, or match on less",
        )
    table = pl.DataFrame(
        {
            "gamma": grid,
            "p_low": [p_bound(test, gamma, alternative, largest=False) for gamma in grid],
            "p_high": [p_bound(test, gamma, alternative, largest=True) for gamma in grid],
        }
    )
    if isinstance(test, SignedRanks):
        table = table.with_columns(_estimates(sets, grid, conf_level))
    meta = describe(
        sample,
        method=f"Rosenbaum bounds, {name} test",
        estimand=f"p-value of no effect on {outcome} under hidden bias of at most Γ",
        seconds=0.0,
        n=len(sets.outcome),
        dropped=sets.dropped,
        p_value=p_bound(test, 1.0, alternative, largest=True),
        direction=_direction(test),
        tails="exact" if test.exact else "normal approximation",
        warnings=_warnings(sample, sets, test),
    )
    result = RosenbaumBounds(
        bounds=table, test=name, statistic=test.statistic, n_sets=len(sets.size),
        n_used=test.used, critical_gamma=critical_gamma(test, alternative, alpha),
        alternative=alternative, alpha=alpha, meta=meta,
    )  # fmt: skip
    meta["wall_time"] = clock.perf_counter() - begin
    return result


def p_bound(
    test: BinarySets | SignedRanks, gamma: float, alternative: Alternative, *, largest: bool
) -> float:
    """Return the largest or smallest p-value under a bias of at most Γ."""
    sides = {"greater": (True,), "less": (False,), "two-sided": (True, False)}[alternative]
    tails = [test.tail(gamma, upper=upper, largest=largest) for upper in sides]
    return min(tails) if len(tails) == 1 else min(1.0, 2 * min(tails))


def critical_gamma(
    test: BinarySets | SignedRanks, alternative: Alternative, alpha: float
) -> float | None:
    """Return the Γ at which the largest p-value reaches `alpha`; None when 1 is too much."""
    from scipy.optimize import brentq

    def excess(log_gamma: float) -> float:
        return p_bound(test, math.exp(log_gamma), alternative, largest=True) - alpha

    if excess(0.0) > 0:
        return None
    high = 0.5
    while excess(high) < 0:
        high *= 2
        if high > math.log(_MOST):
            return math.inf
    return math.exp(brentq(excess, 0.0, high, xtol=1e-10))


def amplify(gamma: float, treatment_odds: float) -> float:
    """Return the odds of the outcome a confounder needs beside its odds of treatment to make Γ.

    A bias Γ is that of one confounder that multiplies the odds of treatment by Λ and the odds of a
    positive difference by Δ, Γ = (ΛΔ + 1) / (Λ + Δ) (Rosenbaum and Silber 2009, eq. 7).

    Examples
    --------
    >>> from toolkit import effects
    >>> effects.amplify(1.25, 2.0)
    2.0
    """
    if not treatment_odds > gamma >= 1:
        raise CallError(
            f"treatment_odds={treatment_odds:g} is not above Γ = {gamma:g} ≥ 1",
            fix="name larger odds: with Γ itself the outcome would have to be certain",
        )
    return (gamma * treatment_odds - 1) / (treatment_odds - gamma)


def _estimates(sets: MatchedSets, grid: list[float], conf_level: float) -> list[pl.Series]:
    from toolkit.effects.sensitivity.walsh import walsh_averages

    walsh = walsh_averages(sets.differences())
    rows = [
        (*estimate_range(walsh, gamma), *interval_range(walsh, gamma, conf_level)) for gamma in grid
    ]
    names = ("estimate_low", "estimate_high", "conf_low", "conf_high")
    return [
        pl.Series(name, column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    ]


def _direction(test: BinarySets | SignedRanks) -> str:
    """Return on which side of their matches the treated are."""
    above, below = (test.tail(1.0, upper=upper, largest=True) for upper in (True, False))
    return "better" if above <= below else "worse"


def _check_gammas(gammas: Sequence[float]) -> list[float]:
    try:
        grid = sorted({float(gamma) for gamma in gammas})
    except (TypeError, ValueError) as error:
        raise CallError("gammas is no list of numbers", fix="for instance [1, 1.5, 2]") from error
    if not grid or not all(1 <= gamma <= _MOST for gamma in grid):
        raise CallError("A Γ is below 1, not finite, or there is none", fix="Γ = 1 is no bias")
    return grid


def _warnings(sample: Sample, sets: MatchedSets, test: BinarySets | SignedRanks) -> list[str]:
    said = []
    tied = len(sets.size) - test.used
    if tied:
        said.append(
            f"{tied:,} of {len(sets.size):,} sets say nothing: all in them have the same outcome"
        )
    if sample.cluster is not None:
        used = sample.frame.filter(sample.weights > 0)
        again = used.height - used[sample.cluster].n_unique()
        if again:
            said.append(
                f"{again:,} rows are of somebody who stands in another row too: the bounds take "
                "sets as independent, so they are somewhat too narrow"
            )
    if len(np.unique(sample.sampling[sample.weights.to_numpy() > 0])) > 1:
        said.append("sampling weights play no part: the test conditions on the sets as they are")
    return said
