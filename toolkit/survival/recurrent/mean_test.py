"""Do groups have the same mean number of events? Scores that compare the curves all along."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.provenance import versions
from toolkit.survival.rank_scores import quadratic_form
from toolkit.survival.rank_tests import RankTest
from toolkit.survival.recurrent.mean_influence import counts_of, mean_influence
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.recurrent.mean_curve import MeanCumulative

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TestVariance = Literal["pooled", "separate"]
TEST_VARIANCES = ("pooled", "separate")


def compare_means(curve: MeanCumulative, variance: TestVariance | None = None) -> RankTest:
    """Test equal means of all groups.

    Parameters
    ----------
    curve : MeanCumulative
    variance : {"pooled", "separate"}, optional
        Whether a person's events are held against the mean of all groups together, as they are if
        the groups are alike, or against that of its own. By default pooled, and with death separate
        (the only one there).

    Returns
    -------
    RankTest

    Notes
    -----
    Z_g = Σ_t Y_g (dμ_g - dμ), with dμ = Σ_g Y_g dμ_g / Y (Lawless and Nadeau 1995; Cook, Lawless
    and Nadeau 1996; with death Ghosh and Lin 2000): of two groups Σ Y_1 Y_2 / Y (dμ_1 - dμ_2).
    Pooled and without death it is the robust score test of the Andersen-Gill model with a factor of
    groups and Breslow ties.
    """
    begin = clock.perf_counter()
    parts, units, table = curve.parts, curve.units, curve.parts.table
    cells, n_groups = table.cells, table.n_groups
    if n_groups < 2:
        raise CallError("There is one group, so nothing to compare", fix="give by=")
    chosen: TestVariance = variance or ("separate" if curve.has_death else "pooled")
    check_option("variance", chosen, TEST_VARIANCES)
    if chosen == "pooled" and curve.has_death:
        raise CallError(
            "With death groups differ in who is alive too, so their events cannot be pooled",
            fix="variance='separate'",
        )
    risk = _risk_of_all(curve)
    own = risk[np.arange(len(table.group)), table.group]
    observed = table.per_group(own * parts.jumps)
    share = risk / risk.sum(axis=1, keepdims=True)
    # at one time of one group: what its events are expected to be in each
    expected = (share * (own * parts.jumps)[:, None]).sum(axis=0)
    score = observed - expected
    if chosen == "pooled":
        moved = _pooled_influence(curve)
    else:
        moved = np.empty((len(cells.group), n_groups))
        for g in range(n_groups):
            weight = own * ((table.group == g) - share[:, g])
            one = mean_influence(parts, weight)
            last = one.basis[table.first[1:] - 1]
            moved[:, g] = (one.left * last[cells.group]).sum(axis=1)
    matrix = units.covariance(n_groups, lambda some: moved[some])
    statistic, df = quadratic_form(score, matrix)
    if df == 0:
        raise EmptyCohortError(
            "The groups are never at risk together, so they cannot be compared",
            fix="check the groups and the start of their rows",
        )
    from scipy.special import chdtrc

    meta: dict[str, Any] = {
        "estimand": "equal mean numbers of events between groups of " + ", ".join(cells.by),
        "method": "Test of mean cumulative functions"
        + (", Ghosh and Lin" if curve.has_death else ", Lawless and Nadeau"),
        "variance": f"robust over persons, {chosen}",
        "n": curve.meta["n"],
        "n_event": curve.meta["n_event"],
        "n_group": n_groups,
        "n_stratum": 1,
        "dropped": curve.meta["dropped"],
        "warnings": [],
        "versions": versions(),
        "wall_time": clock.perf_counter() - begin,
    }
    return RankTest(
        meta=meta,
        statistic=statistic,
        df=df,
        p_value=float(chdtrc(df, statistic)),
        groups=table.groups,
        n=curve.persons(),
        observed=observed,
        expected=expected,
        variance=matrix,
    )


def _risk_of_all(curve: MeanCumulative) -> Floats:
    """Return how many of every group are at risk at each row of the table, (R, G)."""
    table = curve.parts.table
    columns = [
        table.at_risk(np.full(len(table.group), g), table.time) for g in range(table.n_groups)
    ]
    risk = np.column_stack(columns)
    risk[np.arange(len(table.group)), table.group] = table.n_risk
    return risk


def _pooled_influence(curve: MeanCumulative) -> Floats:
    """Return Σ_t ([g = h] - Y_g / Y) (dN_i - Y_i dN / Y) of a unit in each cell, (C, G)."""
    table, parts = curve.parts.table, curve.parts
    cells, n_groups = table.cells, table.n_groups
    times, at = np.unique(table.time, return_inverse=True)
    risk = np.column_stack([table.at_risk(np.full(len(times), g), times) for g in range(n_groups)])
    total = risk.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        jump = add_up(parts.n_event, at, len(times)) / total
        share = risk / total[:, None]
    numbers = table.causes.cast(int).to_numpy()
    events, _ = counts_of(np.append(0, numbers)[cells.event])
    out = np.searchsorted(times, cells.time)
    come = (
        np.full(len(out), -1)
        if cells.entry is None
        else np.searchsorted(times, cells.entry, side="right") - 1
    )
    drawn = np.append(0.0, np.cumsum(jump))
    moved = np.empty((len(out), n_groups))
    for g in range(n_groups):
        drawn_g = np.append(0.0, np.cumsum(jump * share[:, g]))
        own = cells.group == g
        moved[:, g] = (
            events * (own - share[out, g])
            - own * (drawn[out + 1] - drawn[come + 1])
            + (drawn_g[out + 1] - drawn_g[come + 1])
        )
    return moved
