"""What a formula makes of rows, without ever holding the matrix where that can be helped.

Where covariates repeat, rows with the same values are one pattern. Where they do not, and the
formula only adds columns up, terms are read from the columns of the data themselves. Only what is
left, transformed terms of values that do not repeat, becomes a matrix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.estimation.formula import Covariates, learn, variables_of
from toolkit.estimation.patterns import find_patterns, repeats
from toolkit.frames import require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Column = tuple[NDArray[Any], int | None]

_PLAIN = re.compile(r"\s*(?:`([^`]+)`|([^\W\d]\w*))\s*")


@dataclass(frozen=True, kw_only=True)
class Design:
    """P patterns of p terms that N rows have.

    Attributes
    ----------
    covariates : Covariates
        The formula.
    terms : tuple of str
        Names of the p columns; more than the formula's where moments were added.
    pattern : (N,) array or None
        Pattern of each row; None where each row is its own (P = N).
    n_rows, n_patterns : int
    """

    covariates: Covariates
    terms: tuple[str, ...]
    pattern: Ints | None = field(repr=False)
    n_rows: int
    n_patterns: int
    _columns: tuple[Column, ...] = field(repr=False)

    def fill(self, some: slice, out: Floats) -> None:
        """Set `out`, (p, rows of `some`), to the terms of these patterns."""
        for (values, level), line in zip(self._columns, out, strict=True):
            line[:] = values[some] if level is None else values[some] == level

    def fill_rows(self, low: int, high: int, out: Floats) -> None:
        """Set `out`, (p, high - low), to the terms of these rows of the data."""
        if self.pattern is None:
            self.fill(slice(low, high), out)
            return
        some = self.pattern[low:high]
        for (values, level), line in zip(self._columns, out, strict=True):
            line[:] = values[some] if level is None else values[some] == level

    def matrix(self) -> Floats:
        """Return the terms of all rows, (N, p)."""
        out = np.empty((len(self.terms), self.n_rows))
        self.fill_rows(0, self.n_rows, out)
        return np.ascontiguousarray(out.T)

    def by_pattern(self, mass: Floats) -> Floats:
        """Return the sum over the rows of each pattern, (P,)."""
        if self.pattern is None:
            return mass
        sums = np.bincount(self.pattern, weights=mass, minlength=self.n_patterns)
        return sums.astype(np.float64)

    def to_rows(self, values: Floats) -> Floats:
        """Return what each row's pattern has, (N,)."""
        return values if self.pattern is None else values[self.pattern]

    def column(self, j: int) -> Floats:
        """Return term j of every pattern, (P,)."""
        values, level = self._columns[j]
        return np.asarray(values if level is None else values == level, dtype=np.float64)

    def with_columns(self, terms: Sequence[str], columns: Sequence[Floats]) -> Design:
        """Return the design with more terms, each (P,)."""
        more = tuple((values, None) for values in columns)
        return Design(
            covariates=self.covariates, terms=(*self.terms, *terms), pattern=self.pattern,
            n_rows=self.n_rows, n_patterns=self.n_patterns, _columns=(*self._columns, *more),
        )  # fmt: skip


def make_design(formula: str, frame: pl.DataFrame) -> Design:
    """Read the right-hand side of a formula on a frame.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a formula that cannot be read, a column that is not there or misses values.
    """
    variables = variables_of(formula, frame.columns)
    require_no_nulls(frame, *variables)
    if not variables:
        covariates, x = learn(formula, frame.head(1), known=frame.columns)
        nowhere = np.zeros(frame.height, dtype=np.int64)
        return _design(covariates, x, nowhere)
    if repeats(frame, variables):
        patterns, pattern = find_patterns(frame, variables)
        counts = np.bincount(pattern, minlength=patterns.height)
        covariates, x = learn(formula, patterns, counts, known=frame.columns)
        return _design(covariates, x, pattern)
    if _is_sum(formula, frame, variables):
        return _from_columns(formula, frame, variables)
    covariates, x = learn(formula, frame)
    return _design(covariates, x, None)


def _design(covariates: Covariates, x: Floats, pattern: Ints | None) -> Design:
    return Design(
        covariates=covariates, terms=covariates.terms, pattern=pattern,
        n_rows=len(x) if pattern is None else len(pattern), n_patterns=len(x),
        _columns=tuple((x[:, j], None) for j in range(x.shape[1])),
    )  # fmt: skip


def _is_sum(formula: str, frame: pl.DataFrame, variables: Sequence[str]) -> bool:
    """Tell whether a formula only adds up columns of numbers, truth values and text."""
    names = [_PLAIN.fullmatch(part) for part in formula.split("+")]
    bare = [found[1] or found[2] for found in names if found]
    usable = all(
        (dtype.is_numeric() and not dtype.is_decimal())
        or isinstance(dtype, (pl.Boolean, pl.String, pl.Categorical, pl.Enum))
        for dtype in (frame.schema[name] for name in variables)
    )
    return usable and len(bare) == len(names) and sorted(bare) == sorted(variables)


def _from_columns(formula: str, frame: pl.DataFrame, variables: Sequence[str]) -> Design:
    """Learn the formula on a few rows that hold every level; its terms are columns of the data."""
    levelled = [name for name in variables if not frame.schema[name].is_numeric()]
    keys = frame.select(variables)
    few = pl.concat([keys.head(2), *(keys.unique(name, maintain_order=True) for name in levelled)])
    covariates, _ = learn(formula, few, known=frame.columns)
    columns: list[Column] = []
    for name in covariates.term_columns():
        series = frame[name.strip("`")]
        if series.dtype.is_numeric():
            columns.append((series.to_numpy(), None))
        elif series.dtype == pl.Boolean:
            columns.append((series.to_numpy(), 1))
        else:
            levels = covariates.levels[series.name]
            codes = series.cast(pl.String).cast(pl.Enum(levels)).to_physical().to_numpy()
            columns += [(codes, k) for k in range(1, len(levels))]
    return Design(
        covariates=covariates, terms=covariates.terms, pattern=None,
        n_rows=frame.height, n_patterns=frame.height, _columns=tuple(columns),
    )  # fmt: skip
