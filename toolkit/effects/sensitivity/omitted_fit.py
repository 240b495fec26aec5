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
#: Products in a block of rows: so few that the linear algebra below keeps to one thread, as many
#: threads on a busy machine take ten times as long.
_WORK = 200_000


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
        dd, dy, _ = self._rest()
        return dy / dd

    @property
    def std_error(self) -> float:
        """Its standard error, rows taken as independent and of equal variance."""
        dd, dy, yy = self._rest()
        return math.sqrt((yy - dy**2 / dd) / self.df / dd)

    def with_outcome(self, columns: Sequence[int]) -> float:
        """Return the partial R² of a group of covariates with the outcome, given treatment."""
        p = len(self.gram) - 2
        return strength(self.gram, p + 1, columns, [j for j in range(p + 1) if j not in columns])

    def with_treatment(self, columns: Sequence[int]) -> float:
        """Return the partial R² of a group of covariates with treatment."""
        p = len(self.gram) - 2
        return strength(self.gram, p, columns, [j for j in range(p) if j not in columns])

    def _rest(self) -> tuple[float, float, float]:
        p = len(self.gram) - 2
        rest = left_over(self.gram, [p, p + 1], range(p))
        return rest[0, 0], rest[0, 1], rest[1, 1]


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
    gram, mean = cross_products([covariates, treated[:, None], outcome[:, None]], weight)
    check_collinearity(_stand_in(gram[:p, :p] / weight.sum(), mean[:p]), terms)
    rest = left_over(gram, [p, p + 1], range(p))
    if rest[0, 0] <= _NOTHING * gram[p, p]:
        raise CollinearityError(
            "The covariates tell treated and controls apart without fail",
            fix="leave out the covariate that treatment follows from",
        )
    if rest[1, 1] - rest[0, 1] ** 2 / rest[0, 0] <= _NOTHING * max(gram[-1, -1], 1e-300):
        raise InputError(
            "Treatment and covariates foretell the outcome without fail: nothing is left",
            fix="look at the outcome and at the covariates",
        )
    return Regression(gram=gram, df=df)


def cross_products(parts: Sequence[Floats], weight: Floats) -> tuple[Floats, Floats]:
    """Return the weighted cross products of k columns less their means, (k, k), and the means.

    Parameters
    ----------
    parts : sequence of (N, ·) arrays
        Together the k columns.
    """
    k = sum(part.shape[1] for part in parts)
    step = max(16, _WORK // max(k * k, 1))
    blocks = [slice(start, start + step) for start in range(0, len(weight), step)]
    mean = np.zeros(k)
    for at in blocks:
        mean += weight[at] @ np.hstack([part[at] for part in parts])
    mean /= weight.sum()
    gram = np.zeros((k, k))
    for at in blocks:
        rows = np.hstack([part[at] for part in parts]) - mean
        gram += (rows * weight[at, None]).T @ rows
    return gram, mean


def _stand_in(variance: Floats, mean: Floats) -> Floats:
    """Return 2p rows with this mean and variance, (p, p): a million rows need no second look."""
    p = len(mean)
    scale = np.sqrt(np.maximum(np.diag(variance), 1e-300))
    value, vector = np.linalg.eigh(variance / np.outer(scale, scale))
    root = np.sqrt(np.maximum(value, 0) * p)[:, None] * vector.T * scale
    return np.vstack([mean + root, mean - root])


def left_over(gram: Floats, targets: Sequence[int], given: Sequence[int]) -> Floats:
    """Return the cross products of some columns less what others explain of them."""
    block = gram[np.ix_(targets, targets)].copy()
    if len(given):
        size = np.sqrt(np.diag(gram)[list(given)])
        unit = gram[np.ix_(given, given)] / np.outer(size, size)
        cross = gram[np.ix_(given, targets)] / size[:, None]
        block -= cross.T @ np.linalg.solve(unit, cross)
    return np.asarray(block)


def strength(gram: Floats, target: int, columns: Sequence[int], given: Sequence[int]) -> float:
    """Return the partial R² of a group of columns with another, given some."""
    without = left_over(gram, [target], given)[0, 0]
    with_them = left_over(gram, [target], [*given, *columns])[0, 0]
    return float(min(max(1 - with_them / without, 0.0), 1.0))


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
