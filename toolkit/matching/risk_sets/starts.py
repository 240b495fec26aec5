"""The chance to start in each month: a logit with an intercept of its own for every month."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from toolkit.errors import CollinearityError, ConvergenceError, EstimationError, SeparationError
from toolkit.estimation.coefficients import coefficient_table
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.formula import learn
from toolkit.matching.risk_sets.starts_climb import climb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.estimation.formula import Covariates
    from toolkit.estimation.newton import Optimum
    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs

#: One set of coefficients for all months, or one a month.
ScoreKind = Literal["pooled", "by_month"]
SCORE_KINDS = ("pooled", "by_month")
#: Runs of which a formula's knots and collinearity are taken at most; evenly spread.
_LEARNED = 1_000_000
#: Numbers in the matrix beyond which they are kept in 32 bits.
_SINGLE = 50_000_000
#: Runs a time that are turned into rows of the matrix.
_BLOCK = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Starts:
    """A fitted chance to start: logit p = x'β_m + α_m in month m.

    Attributes
    ----------
    x : (R, p) array
        Covariates of the runs, less their means.
    slopes : (M, p) array
        β of the months from `low` on; all the same when pooled.
    level : (M,) array
        α; -inf where nobody started, +inf where all did.
    low : int
    fixed : (R,) array or None
        x'β where β is the same in all months.
    table : DataFrame
        `term, estimate, std_error, …`, by month where fitted by month.
    """

    x: Floats = field(repr=False)
    slopes: Floats = field(repr=False)
    level: Floats = field(repr=False)
    low: int
    fixed: Floats | None = field(repr=False)
    table: pl.DataFrame = field(repr=False)

    def score(self, month: int, run: Ints) -> Floats:
        """Return x'β of some runs in a month: the score people are matched on."""
        if self.fixed is not None:
            return self.fixed[run]
        from toolkit.matching.risk_sets.starts_kernel import lines

        out: Floats = lines(self.x, run, self.slopes[month - self.low])
        return out


def fit_starts(
    formula: str,
    frame: pl.DataFrame,
    runs: Runs,
    *,
    kind: ScoreKind,
    only: Sequence[int] | None = None,
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

    Raises
    ------
    toolkit.errors.ToolkitError
        For formulas that cannot be read, collinear columns and separation.
    """
    rows = runs.rows(np.arange(len(runs)), runs.first.astype(np.int64))
    covariates, x = _matrix(formula, frame, runs, rows)
    risk, started = runs.at_risk, runs.starters
    level = np.where(started > 0, np.inf, -np.inf)
    open_ = np.flatnonzero((started > 0) & (started < risk))
    if not len(open_):
        raise EstimationError(
            "In every month with starts all who are at risk start: there is nobody to compare",
            fix="check that the data hold those who did not start as well",
        )
    if kind == "pooled":
        best = climb(x, runs.first, runs.last, runs.starts, runs.weight, runs.low, open_,
                     len(risk), covariates.terms)  # fmt: skip
        p = x.shape[1]
        slopes = np.tile(best.point[:p], (len(risk), 1))
        level[open_] = best.point[p:]
        table = coefficient_table(covariates.terms, best.point[:p], best.inverse[:p, :p])
        from toolkit.matching.risk_sets.starts_kernel import lines

        fixed = lines(x, np.arange(len(runs)), slopes[0])
        return Starts(x=x, slopes=slopes, level=level, low=runs.low, fixed=fixed, table=table)
    slopes, tables = np.zeros((len(risk), x.shape[1])), []
    wanted = open_ + runs.low
    for month in wanted if only is None else wanted[np.isin(wanted, only)]:
        best = _fit_month(x, runs, int(month), covariates)
        slopes[month - runs.low] = best.point[:-1]
        level[month - runs.low] = best.point[-1]
        found = coefficient_table(covariates.terms, best.point[:-1], best.inverse[:-1, :-1])
        tables.append(found.select(pl.lit(int(month)).alias("time"), pl.all()))
    return Starts(
        x=x, slopes=slopes, level=level, low=runs.low, fixed=None, table=pl.concat(tables)
    )


def _fit_month(x: Floats, runs: Runs, month: int, covariates: Covariates) -> Optimum:
    at = np.flatnonzero((runs.first <= month) & (runs.last >= month))
    now = np.full(len(at), month, dtype=np.int32)
    weight = runs.weight[at] if len(runs.weight) > 1 else runs.weight
    try:
        check_collinearity(x[at], covariates.terms)
        return climb(x[at], now, now, runs.starts[at] & (runs.last[at] == month), weight, month,
                     np.zeros(1, dtype=np.int64), 1, covariates.terms)  # fmt: skip
    except (CollinearityError, SeparationError, ConvergenceError) as error:
        raise type(error)(
            f"{error.what} (elapsed month {month}, fitted by itself)",
            where=error.where,
            fix="fit all months together with score='pooled', or leave the month out by window=; a "
            "column that is the same throughout every month is left out of the formula",
        ) from error


def _matrix(formula: str, frame: pl.DataFrame, runs: Runs, rows: Ints) -> tuple[Covariates, Floats]:
    """Return the covariates of the runs, (R, p), less their means; in 32 bits where it is large."""
    many = min(_LEARNED, len(runs))
    some = np.arange(many) * len(runs) // many
    counts = (runs.last[some] - runs.first[some] + 1).astype(np.int64)
    known = list(frame.columns)
    taken = rows[some]
    if len(some) < len(runs):
        taken = np.append(taken, _levels(formula, frame, taken))
        counts = np.append(counts, np.ones(len(taken) - len(counts), dtype=np.int64))
    covariates, learned = learn(formula, frame[taken], counts, known=known)
    check_collinearity(learned, covariates.terms, counts.astype(np.float64))
    p = len(covariates.terms)
    kind = np.float32 if len(runs) * p > _SINGLE else np.float64
    middle = counts @ learned / counts.sum()
    x = np.empty((len(runs), p), dtype=kind)
    for begin in range(0, len(runs), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        part = frame.select(covariates.variables)[rows[block]] if covariates.variables else frame
        x[block] = covariates.matrix(part) - middle if p else 0.0
    return covariates, x


def _levels(formula: str, frame: pl.DataFrame, taken: Ints) -> Ints:
    """Return a row of every level of text that is not among the rows taken."""
    from toolkit.estimation.formula import variables_of

    out = [np.zeros(0, dtype=np.int64)]
    for name in variables_of(formula, frame.columns):
        if isinstance(frame.schema[name], (pl.String, pl.Categorical, pl.Enum)):
            seen = frame[name][taken].unique()
            rest = frame.select(pl.col(name)).with_row_index("__row")
            rest = rest.filter(~pl.col(name).is_in(seen.implode()))
            out.append(rest.group_by(name).agg(pl.col("__row").min())["__row"].cast(pl.Int64)
                       .sort().to_numpy())  # fmt: skip
    return np.concatenate(out)
