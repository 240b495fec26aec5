"""Tests whether groups have the same hazard (log-rank) or incidence of a cause (Gray)."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, unknown_option
from toolkit.frames import as_columns, to_lazy
from toolkit.survival.curves import describe
from toolkit.survival.incidence import aalen_johansen
from toolkit.survival.moments import line_up
from toolkit.survival.rank_result import RankTest, sum_up
from toolkit.survival.rank_scores import (
    drawing_variance,
    fleming_harrington,
    gray_scores,
    logrank_variance,
)
from toolkit.survival.risk_table import make_risk_table, table_from_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]

__all__ = ["RankTest", "gray", "logrank"]


def logrank(
    data: Any,
    *,
    time: str,
    event: str,
    by: str | Sequence[str],
    entry: str | None = None,
    weights: str | None = None,
    weight_type: Weighting = "frequency",
    strata: str | Sequence[str] | None = None,
    rho: float = 0.0,
) -> RankTest:
    """Test whether groups have the same hazard.

    Parameters
    ----------
    data, time, event, entry, weights
        As in `kaplan_meier`.
    by : str or sequence of str
        Columns whose groups are compared, two or more.
    weight_type : {"frequency", "sampling"}
        ``frequency``: a row with weight w is w equal rows. ``sampling``: a row is one unit that
        stands for w, for instance inverse-probability weights; the variance is that of Xie and
        Liu (2005), of drawing the events at random from the risk set.
    strata : str or sequence of str, optional
        Groups are only compared within a stratum.
    rho : float
        An event counts for S(t-)^ρ, the share of the stratum without an event before it (Harrington
        and Fleming 1982): 0 is the log-rank test, 1 looks at early differences (Peto and Peto's
        Wilcoxon test). Choose it before looking.

    Returns
    -------
    RankTest
        `observed` and `expected` are counted with those weights.

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used, fewer than two groups,
        no events, or groups that are never at risk together.

    Notes
    -----
    At each event time, with n_k of n at risk and d events, E_k = d n_k / n and
    V_kl = d (n - d) / (n - 1) (n_k / n) ([k = l] - n_l / n) (Mantel 1966; Peto and Peto 1972);
    summed over times and strata, χ² = (O - E)' V⁻ (O - E) on rank(V) degrees of freedom.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import survival
    >>> spells = pl.DataFrame(
    ...     {"months": [1, 2, 3, 4, 5, 6], "left": [1, 1, 1, 1, 0, 1], "sex": list("mmfmff")}
    ... )
    >>> round(survival.logrank(spells, time="months", event="left", by="sex").statistic, 4)
    2.5567
    """
    begin = clock.perf_counter()
    _check_rho(rho)
    groups, layers = as_columns(by), as_columns(strata)
    table = make_risk_table(
        data, time=time, event=event, entry=entry, by=[*layers, *groups], weights=weights,
        weighting=weight_type,
    )  # fmt: skip
    _require_events(table.events, event)
    moments = line_up(table, groups, layers)
    observed = moments.events(table, table.events)
    risk = moments.at_risk(table)
    share = risk / risk.sum(axis=1, keepdims=True)
    n, d = risk.sum(axis=1), observed.sum(axis=1)
    expected = share * d[:, None]
    weight = fleming_harrington(moments.stratum, n, d, rho)
    if table.cells.weighted and weight_type == "sampling":
        plain = table_from_cells(replace(table.cells, n=table.cells.rows))
        squared = table_from_cells(replace(table.cells, n=table.cells.n_squared))
        variance = drawing_variance(
            share=share,
            n=moments.at_risk(plain).sum(axis=1),
            d=moments.events(plain, plain.events).sum(axis=1),
            squares=moments.at_risk(squared),
            weight=weight,
        )
        how = "Xie and Liu (sampling weights)"
    else:
        variance = logrank_variance(share, n=n, d=d, weight=weight)
        how = "hypergeometric" + (" on weighted counts" if table.cells.weighted else "")
    meta = describe(
        table,
        estimand=f"equal hazards of {event} between groups of {', '.join(groups)}",
        method="Log-rank test" if rho == 0 else f"Log-rank test weighted by S(t-)^{rho:g}",
        variance=how,
        curve=None,
    )
    counts = np.ones((len(d), 1)) if weight is None else weight[:, None]
    return sum_up(table, moments, observed, expected, variance, meta, begin, counts)


def gray(
    data: Any,
    *,
    time: str,
    event: str,
    cause: Any,
    by: str | Sequence[str],
    weights: str | None = None,
    strata: str | Sequence[str] | None = None,
    rho: float = 0.0,
) -> RankTest:
    """Test whether groups have the same cumulative incidence of a cause.

    Parameters
    ----------
    data, time, event
        As in `cumulative_incidence`.
    cause
        The cause whose incidence is compared; the others compete with it.
    by, strata
        As in `logrank`.
    weights : str, optional
        Whole numbers: a row with weight w is w equal rows. The variance knows no other weights;
        for those `fine_gray` compares groups with a robust one.
    rho : float
        An event counts for (1 - F⁰(t-))^ρ, F⁰ the incidence of the cause in all groups of the
        stratum together: 1 looks at early differences.

    Returns
    -------
    RankTest

    Raises
    ------
    toolkit.errors.ToolkitError
        As `logrank`; also when `cause` does not occur in the data.

    Notes
    -----
    Gray (1988); numbers as in `cmprsk`. See `toolkit.survival.rank_scores`.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit import survival
    >>> exits = pl.DataFrame(
    ...     {"months": [1, 2, 3, 4, 5, 6], "to": [1, 1, 2, 1, 0, 1], "sex": list("mmfmff")}
    ... )
    >>> test = survival.gray(exits, time="months", event="to", cause=1, by="sex")
    >>> round(test.statistic, 4), test.df
    (4.7171, 1)
    """
    begin = clock.perf_counter()
    _check_rho(rho)
    groups, layers = as_columns(by), as_columns(strata)
    table = make_risk_table(
        data, time=time, event=event, by=[*layers, *groups], weights=weights, competing=True
    )
    _check_whole(data, weights)
    known = table.causes.to_list()
    if cause not in known or isinstance(cause, bool) != (table.causes.dtype == pl.Boolean):
        _require_events(table.events, event)
        raise unknown_option("cause", cause, [str(one) for one in known])
    number = known.index(cause)
    moments = line_up(table, groups, layers)
    event_free, incidence = aalen_johansen(table)
    own = moments.events(table, table.n_event[:, number])
    expected, counts, variance = gray_scores(
        stratum=moments.stratum,
        risk=moments.at_risk(table),
        own=own,
        other=moments.events(table, table.events) - own,
        event_free=moments.just_before(table, event_free, 1.0),
        incidence=moments.just_before(table, incidence[:, number], 0.0),
        rho=rho,
    )
    meta = describe(
        table,
        estimand=f"equal incidence of {cause} between groups of {', '.join(groups)}",
        method="Gray's test" if rho == 0 else f"Gray's test weighted by (1 - F(t-))^{rho:g}",
        variance="Gray, corrected for ties",
        curve=None,
    )
    return sum_up(table, moments, own, expected, variance, meta, begin, counts)


def _check_rho(rho: float) -> None:
    usable = isinstance(rho, (int, float)) and not isinstance(rho, bool)
    if not usable or not 0 <= rho < float("inf"):
        raise CallError(
            f"rho={rho!r} is not a number from 0 on",
            fix="0 for equal weights, 1 to look at early differences",
        )


def _check_whole(data: Any, weights: str | None) -> None:
    if weights is None:
        return
    column = pl.col(weights)
    if to_lazy(data).select((column != column.floor()).any()).collect().item():
        raise CallError(
            f"Weights {weights!r} are not whole numbers, and Gray's test only knows how often a "
            "row occurs",
            fix="fine_gray(f'C(group)', …, weights=…) compares groups with a robust variance",
        )


def _require_events(events: Floats, name: str) -> None:
    if not events.sum() > 0:
        raise EmptyCohortError(
            f"Nobody in {name!r} had an event, so there is nothing to compare",
            fix="check its coding: 0 is censored",
        )
