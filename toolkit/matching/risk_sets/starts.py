"""The chance to start in each month: a logit with an intercept of its own for every month."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from toolkit.errors import CollinearityError, ConvergenceError, EstimationError, SeparationError
from toolkit.estimation.coefficients import coefficient_table
from toolkit.estimation.collinearity import check_collinearity
from toolkit.matching.risk_sets.starts_climb import climb
from toolkit.matching.risk_sets.starts_matrix import learn_columns
from toolkit.matching.risk_sets.starts_rows import draw_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.estimation.newton import Optimum
    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs
    from toolkit.matching.risk_sets.starts_rows import Drawn, ScoreRows

#: One set of coefficients for all months, or one a month.
ScoreKind = Literal["pooled", "by_month"]
SCORE_KINDS = ("pooled", "by_month")
#: Runs of which a formula's knots and collinearity are taken at most, and where rows are drawn.
_LEARNED, _LEARNED_DRAWN = 1_000_000, 200_000


@dataclass(frozen=True, kw_only=True)
class Starts:
    """A fitted chance to start: logit p = x'β_m + α_m in month m.

    Attributes
    ----------
    x : (R, p) array or None
        Covariates of the runs, less their means, where β is not the same in all months.
    slopes : (M, p) array
        β of the months from `low` on; all the same when pooled.
    level : (M,) array
        α; -inf where nobody started, +inf where all did.
    low : int
    fixed : (R,) array or None
        x'β where β is the same in all months.
    table : DataFrame
        `term, estimate, std_error, …`, by month where fitted by month.
    drawn : Drawn or None
        The rows it was fitted on, where they are not all.
    """

    x: Floats | None = field(repr=False)
    slopes: Floats = field(repr=False)
    level: Floats = field(repr=False)
    low: int
    fixed: Floats | None = field(repr=False)
    table: pl.DataFrame = field(repr=False)
    drawn: Drawn | None = field(default=None, repr=False)

    def score(self, month: int, run: Ints) -> Floats:
        """Return x'β of some runs in a month: the score people are matched on."""
        if self.fixed is not None:
            return self.fixed[run]
        from toolkit.matching.risk_sets.starts_kernel import lines

        x, slopes = self.factors()
        out: Floats = lines(x, run, slopes[month - self.low])
        return out

    def factors(self) -> tuple[Floats, Floats]:
        """Return what is multiplied to x'β, (R, p) and (M, p): x'β itself and 1 where it is one."""
        if self.fixed is not None:
            return self.fixed[:, None], np.ones((len(self.level), 1))
        if self.x is None:
            raise AssertionError
        return self.x, self.slopes


def fit_starts(
    formula: str,
    frame: pl.DataFrame,
    runs: Runs,
    *,
    kind: ScoreKind,
    only: Sequence[int] | None = None,
    score_rows: ScoreRows = "all",
    seed: int = 1,
) -> Starts:
    """Fit the chance to start among those at risk by maximum likelihood.

    Parameters
    ----------
    formula : str
    frame : DataFrame
        As handed in.
    runs : Runs
    kind : {"pooled", "by_month"}
    only : sequence of int, optional
        Months to fit one by one; all with starts unless given. A pooled fit is of all.
    score_rows : "all" or int
        Runs beyond which a pooled fit is of a draw.
    seed : int
        Of that draw.

    Raises
    ------
    toolkit.errors.ToolkitError
        For formulas that cannot be read, collinear columns and separation.
    """
    rows = runs.rows(np.arange(len(runs)), runs.first.astype(np.int64))
    risk, started = runs.at_risk, runs.starters
    level = np.where(started > 0, np.inf, -np.inf)
    open_ = np.flatnonzero((started > 0) & (started < risk))
    if not len(open_):
        raise EstimationError(
            "In every month with starts all who are at risk start: there is nobody to compare",
            fix="check that the data hold those who did not start as well",
        )
    if kind == "pooled":
        drawn = draw_rows(runs, open_, score_rows, seed)
        return _fit_pooled(formula, frame, runs, rows, level, open_, drawn)
    learned = learn_columns(formula, frame, runs, rows, most=_LEARNED)
    x = learned.matrix(frame, rows)
    slopes, tables = np.zeros((len(risk), x.shape[1])), []
    wanted = open_ + runs.low
    for month in wanted if only is None else wanted[np.isin(wanted, only)]:
        best = _fit_month(x, runs, int(month), learned.terms)
        slopes[month - runs.low] = best.point[:-1]
        level[month - runs.low] = best.point[-1]
        found = coefficient_table(learned.terms, best.point[:-1], best.inverse[:-1, :-1])
        tables.append(found.select(pl.lit(int(month)).alias("time"), pl.all()))
    return Starts(
        x=x, slopes=slopes, level=level, low=runs.low, fixed=None, table=pl.concat(tables)
    )


def _fit_pooled(
    formula: str, frame: pl.DataFrame, runs: Runs, rows: Ints, level: Floats, open_: Ints,
    drawn: Drawn | None,
) -> Starts:  # fmt: skip
    """Fit one set of slopes, on all runs or on the months drawn; score all."""
    from toolkit.matching.risk_sets.starts_kernel import lines

    most = _LEARNED if drawn is None else _LEARNED_DRAWN
    learned = learn_columns(formula, frame, runs, rows, most=most)
    p = len(learned.terms)
    if drawn is None:
        x = learned.matrix(frame, rows)
        best = climb(x, runs.first, runs.last, runs.starts, runs.weight, runs.low, open_,
                     len(level), learned.terms)  # fmt: skip
        fixed = lines(x, np.arange(len(x)), best.point[:p])
    else:
        run, now = drawn.run, drawn.month
        best = climb(
            learned.matrix(frame, runs.rows(run, now.astype(np.int64))), now, now,
            runs.starts[run] & (runs.last[run] == now), runs.weight_of(run), runs.low, open_,
            len(level), learned.terms,
        )  # fmt: skip
        fixed = learned.lines(frame, rows, best.point[:p])
    level[open_] = best.point[p:]
    if drawn is not None:
        level[open_] += np.log(drawn.share[open_])
    return Starts(
        x=None, slopes=np.tile(best.point[:p], (len(level), 1)), level=level, low=runs.low,
        fixed=fixed, drawn=drawn,
        table=coefficient_table(learned.terms, best.point[:p], best.inverse[:p, :p]),
    )  # fmt: skip


def _fit_month(x: Floats, runs: Runs, month: int, terms: Sequence[str]) -> Optimum:
    at = np.flatnonzero((runs.first <= month) & (runs.last >= month))
    now = np.full(len(at), month, dtype=np.int32)
    weight = runs.weight[at] if len(runs.weight) > 1 else runs.weight
    try:
        check_collinearity(x[at], terms)
        return climb(x[at], now, now, runs.starts[at] & (runs.last[at] == month), weight, month,
                     np.zeros(1, dtype=np.int64), 1, terms)  # fmt: skip
    except (CollinearityError, SeparationError, ConvergenceError) as error:
        raise type(error)(
            f"{error.what} (elapsed month {month}, fitted by itself)",
            where=error.where,
            fix="fit all months together with score='pooled', or leave the month out by window=; a "
            "column that is the same throughout every month is left out of the formula",
        ) from error
