"""Tests whether groups have the same hazard (log-rank) or incidence of a cause (Gray)."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, unknown_option
from toolkit.frames import as_columns, to_lazy
from toolkit.result import Result
from toolkit.survival.curves import describe
from toolkit.survival.incidence import aalen_johansen
from toolkit.survival.moments import Moments, line_up
from toolkit.survival.rank_scores import (
    drawing_variance,
    fleming_harrington,
    gray_scores,
    logrank_variance,
    quadratic_form,
)
from toolkit.survival.risk_table import RiskTable, make_risk_table, table_from_cells
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RankTest(Result):
    """A test whether K groups are alike; made by `logrank` and `gray`.

    Attributes
    ----------
    statistic : float
        χ², on `df` degrees of freedom.
    df : int
    p_value : float
    groups : DataFrame
        The K compared groups.
    n : (K,) array
        Rows per group.
    observed, expected : (K,) arrays
        Events, and events expected if the groups were alike.
    variance : (K, K) array
        Of observed - expected.
    """

    statistic: float
    df: int
    p_value: float
    groups: pl.DataFrame = field(repr=False)
    n: Floats = field(repr=False)
    observed: Floats = field(repr=False)
    expected: Floats = field(repr=False)
    variance: Floats = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return a row per group: the `by` columns, `n, observed, expected`."""
        return self.groups.with_columns(
            n=pl.Series(self.n.astype(np.int64)),
            observed=pl.Series(self.observed),
            expected=pl.Series(self.expected),
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: `statistic, df, p_value, n, n_event, n_group, n_stratum`."""
        return pl.DataFrame(
            {
                "statistic": [self.statistic],
                "df": [self.df],
                "p_value": [self.p_value],
                "n": [int(self.n.sum())],
                "n_event": [self.meta["n_event"]],
                "n_group": [self.groups.height],
                "n_stratum": [self.meta["n_stratum"]],
            }
        )

    def summary(self) -> str:
        """Return the test in a line, above the counts per group."""
        line = f"χ² = {self.statistic:.4f} on {self.df} df, p = {self.p_value:.4g}"
        return f"{line}\n{super().summary()}"


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
    return _test(table, moments, observed, expected, variance, meta, begin, counts)


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
    return _test(table, moments, own, expected, variance, meta, begin, counts)


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


def _test(
    table: RiskTable,
    moments: Moments,
    observed: Floats,
    expected: Floats,
    variance: Floats,
    meta: dict[str, Any],
    begin: float,
    counts: Floats,
) -> RankTest:
    """Sum over the moments, each of which counts for `counts`, (M, 1), and test."""
    from scipy.special import chdtrc

    seen, hoped = (counts * observed).sum(axis=0), (counts * expected).sum(axis=0)
    events = float(observed.sum())
    score = seen - hoped
    # scores add up to 0; the largest group's has the largest rounding error
    score[np.argmax(hoped)] -= score.sum()
    statistic, df = quadratic_form(score, variance)
    if df == 0:
        raise EmptyCohortError(
            "The groups are never at risk together, so they cannot be compared",
            fix="check the groups, the strata and the entry times",
        )
    return RankTest(
        meta=meta
        | {
            "n_event": events if table.cells.weighted else round(events),
            "n_group": moments.compared.height,
            "n_stratum": moments.n_stratum,
            "wall_time": clock.perf_counter() - begin,
        },
        statistic=statistic,
        df=df,
        p_value=float(chdtrc(df, statistic)),
        groups=moments.compared,
        n=add_up(table.rows, moments.group_of, moments.shape[1]),
        observed=seen,
        expected=hoped,
        variance=variance,
    )
