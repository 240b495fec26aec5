"""Tests whether groups have the same hazard (log-rank) or incidence of a cause (Gray)."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError, unknown_option
from toolkit.frames import as_columns
from toolkit.result import Result
from toolkit.survival.curves import describe
from toolkit.survival.incidence import aalen_johansen
from toolkit.survival.moments import Moments, line_up
from toolkit.survival.rank_scores import (
    drawing_variance,
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

    Returns
    -------
    RankTest

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
    expected = share * observed.sum(axis=1, keepdims=True)
    if table.cells.weighted and weight_type == "sampling":
        plain = table_from_cells(replace(table.cells, n=table.cells.rows))
        squared = table_from_cells(replace(table.cells, n=table.cells.n_squared))
        variance = drawing_variance(
            share=share,
            n=moments.at_risk(plain).sum(axis=1),
            d=moments.events(plain, plain.events).sum(axis=1),
            squares=moments.at_risk(squared),
        )
        how = "Xie and Liu (sampling weights)"
    else:
        variance = logrank_variance(share, n=risk.sum(axis=1), d=observed.sum(axis=1))
        how = "hypergeometric" + (" on weighted counts" if table.cells.weighted else "")
    meta = describe(
        table,
        estimand=f"equal hazards of {event} between groups of {', '.join(groups)}",
        method="Log-rank test",
        variance=how,
        curve=None,
    )
    return _test(table, moments, observed, expected, variance, meta, begin)


def gray(
    data: Any,
    *,
    time: str,
    event: str,
    cause: Any,
    by: str | Sequence[str],
    strata: str | Sequence[str] | None = None,
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

    Returns
    -------
    RankTest

    Raises
    ------
    toolkit.errors.ToolkitError
        As `logrank`; also when `cause` does not occur in the data.

    Notes
    -----
    Gray (1988), with ρ = 0; numbers as in `cmprsk`. See `toolkit.survival.rank_scores`.

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
    groups, layers = as_columns(by), as_columns(strata)
    table = make_risk_table(data, time=time, event=event, by=[*layers, *groups], competing=True)
    known = table.causes.to_list()
    if cause not in known or isinstance(cause, bool) != (table.causes.dtype == pl.Boolean):
        _require_events(table.events, event)
        raise unknown_option("cause", cause, [str(one) for one in known])
    number = known.index(cause)
    moments = line_up(table, groups, layers)
    event_free, incidence = aalen_johansen(table)
    own = moments.events(table, table.n_event[:, number])
    expected, variance = gray_scores(
        stratum=moments.stratum,
        risk=moments.at_risk(table),
        own=own,
        other=moments.events(table, table.events) - own,
        event_free=moments.just_before(table, event_free, 1.0),
        incidence=moments.just_before(table, incidence[:, number], 0.0),
    )
    meta = describe(
        table,
        estimand=f"equal incidence of {cause} between groups of {', '.join(groups)}",
        method="Gray's test",
        variance="Gray, corrected for ties",
        curve=None,
    )
    return _test(table, moments, own, expected, variance, meta, begin)


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
) -> RankTest:
    """Sum over the moments and test."""
    from scipy.special import chdtrc

    seen, hoped = observed.sum(axis=0), expected.sum(axis=0)
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
            "n_event": float(seen.sum()) if table.cells.weighted else round(seen.sum()),
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
