"""The covariates behind the chance to start: learned on some of the runs, made for any."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.formula import learn, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.estimation.formula import Covariates
    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs

#: Numbers in the matrix beyond which they are kept in 32 bits.
_SINGLE = 50_000_000
#: Runs a time that are turned into rows of the matrix.
_BLOCK = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A formula and the means of its columns.

    Attributes
    ----------
    covariates : Covariates
    middle : (p,) array
    """

    covariates: Covariates = field(repr=False)
    middle: Floats = field(repr=False)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.covariates.terms

    def matrix(self, frame: pl.DataFrame, rows: Ints) -> Floats:
        """Return the covariates of some rows, (n, p), less the means; in 32 bits where large."""
        p = len(self.terms)
        kind = np.float32 if len(rows) * p > _SINGLE else np.float64
        x = np.empty((len(rows), p), dtype=kind)

        def keep(begin: int, part: Floats) -> None:
            x[begin : begin + len(part)] = part

        self._in_blocks(frame, rows, keep)
        return x

    def lines(self, frame: pl.DataFrame, rows: Ints, beta: Floats) -> Floats:
        """Return x'β of some rows, (n,), without keeping their covariates."""
        from toolkit.matching.risk_sets.starts_kernel import lines

        out = np.empty(len(rows))

        def keep(begin: int, part: Floats) -> None:
            out[begin : begin + len(part)] = lines(part, np.arange(len(part)), beta)

        self._in_blocks(frame, rows, keep)
        return out

    def _in_blocks(
        self, frame: pl.DataFrame, rows: Ints, keep: Callable[[int, Floats], None]
    ) -> None:
        needed = frame.select(self.covariates.variables) if self.covariates.variables else frame
        for begin in range(0, len(rows), _BLOCK):
            some = rows[begin : begin + _BLOCK]
            part = self.covariates.matrix(needed[some]) if self.terms else np.zeros((len(some), 0))
            keep(begin, part - self.middle)


def learn_columns(
    formula: str, frame: pl.DataFrame, runs: Runs, rows: Ints, *, most: int
) -> Learned:
    """Learn a formula on at most so many of the runs, evenly spread, and check its columns.

    Parameters
    ----------
    rows : (R,) array
        The row of the frame that tells of each run.

    Raises
    ------
    toolkit.errors.ToolkitError
        For formulas that cannot be read, and collinear columns.
    """
    many = min(most, len(runs))
    some = np.arange(many) * len(runs) // many
    counts = (runs.last[some] - runs.first[some] + 1).astype(np.int64)
    known = list(frame.columns)
    taken = rows[some]
    if len(some) < len(runs):
        taken = np.append(taken, _levels(formula, frame, taken))
        counts = np.append(counts, np.ones(len(taken) - len(counts), dtype=np.int64))
    covariates, learned = learn(formula, frame[taken], counts, known=known)
    check_collinearity(learned, covariates.terms, counts.astype(np.float64))
    return Learned(covariates=covariates, middle=counts @ learned / counts.sum())


def _levels(formula: str, frame: pl.DataFrame, taken: Ints) -> Ints:
    """Return a row of every level of text that is not among the rows taken."""
    out = [np.zeros(0, dtype=np.int64)]
    for name in variables_of(formula, frame.columns):
        if isinstance(frame.schema[name], (pl.String, pl.Categorical, pl.Enum)):
            seen = frame[name][taken].unique()
            rest = frame.select(pl.col(name)).with_row_index("__row")
            rest = rest.filter(~pl.col(name).is_in(seen.implode()))
            out.append(rest.group_by(name).agg(pl.col("__row").min())["__row"].cast(pl.Int64)
                       .sort().to_numpy())  # fmt: skip
    return np.concatenate(out)
