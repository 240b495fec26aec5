"""What a test of groups gives back, and how it sums up over moments."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError
from toolkit.result import Result
from toolkit.survival.rank_scores import quadratic_form
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.moments import Moments
    from toolkit.survival.risk_table import RiskTable

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


def sum_up(
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
