"""The regression behind omitted-variable bounds, from one matrix of cross products."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CollinearityError, InputError
from toolkit.estimation.collinearity import check_collinearity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Share of a variable's spread below which nothing is left of it.
_NOTHING = 1e-10
#: Rows whose cross products are taken at a time.
_BLOCK = 100_000


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A least-squares regression of an outcome on treatment, p covariates and a constant.

    Attributes
    ----------
    gram : (p + 2, p + 2) array
        Weighted cross products of covariates, treatment and outcome, less their means.
    df : float
        Rows less p + 2.
    """

    gram: Floats = field(repr=False)
    df: float

    @property
    def estimate(self) -> float:
        """Coefficient of treatment."""
        (dd, dy), _ = self.left_over()
        return dy / dd

    @property
    def std_error(self) -> float:
        """Its standard error, rows taken as independent and of equal variance."""
        (dd, dy), (_, yy) = self.left_over()
        return math.sqrt((yy - dy**2 / dd) / self.df / dd)

    def left_over(
        self, without: Sequence[int] = ()
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the cross products of treatment and outcome less what covariates explain, 2 × 2.

        Parameters
        ----------
        without : sequence of int
            Covariates left out of the regression.
        """
        p = len(self.gram) - 2
        kept = [j for j in range(p) if j not in set(without)]
        block = self.gram[p:, p:].copy()
        if kept:
            cross = self.gram[np.ix_(kept, [p, p + 1])]
            size = np.sqrt(np.diag(self.gram)[kept])
            unit = self.gram[np.ix_(kept, kept)] / np.outer(size, size)
            cross = cross / size[:, None]
            block -= cross.T @ np.linalg.solve(unit, cross)
        return (block[0, 0], block[0, 1]), (block[1, 0], block[1, 1])

    def strength(self, columns: Sequence[int]) -> tuple[float, float]:
        """Return the partial R² of a group of covariates with treatment and with the outcome."""
        (dd, dy), (_, yy) = self.left_over()
        (dd_without, dy_without), (_, yy_without) = self.left_over(columns)
        rest = yy - dy**2 / dd
        rest_without = yy_without - dy_without**2 / dd_without
        return max(1 - dd / dd_without, 0.0), max(1 - rest / rest_without, 0.0)


def regress(
    outcome: Floats,
    treated: Floats,
    covariates: Floats,
    weight: Floats,
    *,
    terms: Sequence[str],
    n: float,
) -> Regression:
    """Return the regression of n rows.

    Parameters
    ----------
    outcome, treated, weight : (N,) arrays
    covariates : (N, p) array
    terms : sequence of str
        Names of the covariates, for the messages.
    n : float
        How many rows they count for.

    Raises
    ------
    toolkit.errors.ToolkitError
        Where covariates make up each other, the treatment, or the outcome; or there are too few
        rows.
    """
    p = covariates.shape[1]
    df = n - p - 2
    if df <= 1:
        raise InputError(
            f"{n:,.0f} rows are too few for {p:,} covariates", fix="name fewer covariates"
        )
    check_collinearity(covariates, terms, weight)
    total = weight.sum()
    columns = (*covariates.T, treated, outcome)
    mean = np.array([weight @ column for column in columns]) / total
    gram = np.zeros((p + 2, p + 2))
    for start in range(0, len(outcome), _BLOCK):
        part = slice(start, start + _BLOCK)
        rows = np.column_stack([column[part] for column in columns]) - mean
        gram += (rows * weight[part, None]).T @ rows
    fitted = Regression(gram=gram, df=df)
    (dd, dy), (_, yy) = fitted.left_over()
    if dd <= _NOTHING * gram[p, p]:
        raise CollinearityError(
            "The covariates tell treated and controls apart without fail",
            fix="leave out the covariate that treatment follows from",
        )
    if yy - dy**2 / dd <= _NOTHING * max(gram[p + 1, p + 1], 1e-300):
        raise InputError(
            "Treatment and covariates foretell the outcome without fail: nothing is left",
            fix="look at the outcome and at the covariates",
        )
    return fitted


def columns_of(
    variable: str, terms: Mapping[str, tuple[Sequence[str], Sequence[int]]]
) -> list[int]:
    """Return the columns of every term that names a variable.

    Parameters
    ----------
    terms : mapping
        Term → the variables it names, and its columns.
    """
    return sorted({j for names, at in terms.values() if variable in names for j in at})
