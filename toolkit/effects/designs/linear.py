"""Least squares with standard errors that stay honest in small samples: HC2, and CR2 by cluster.

What is asked of a regression here is a few linear contrasts of its coefficients (an effect, a mean)
for a few outcomes at once, and what each row or cluster adds to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.collinearity import check_collinearity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: A leverage this near to 1 fits its row or cluster exactly: there is no residual to learn from.
_WHOLE = 1 - 1e-10
#: Clusters worked on at a time.
_BLOCK = 20_000


@dataclass(frozen=True, kw_only=True)
class Contrasts:
    """q linear contrasts of the coefficients of m regressions on the same columns.

    Attributes
    ----------
    estimate : (q, m) array
    influence : (U, q, m) array
        What each row (without clusters) or cluster adds, already corrected for its leverage: the
        variance is the sum of squares.
    df : (q,) array
        Degrees of freedom of each contrast (Bell and McCaffrey 2002).
    leverage : float
        The largest one.
    """

    estimate: Floats
    influence: Floats = field(repr=False)
    df: Floats
    leverage: float

    def vcov(self) -> Floats:
        """Return the covariance of all contrasts, (q m, q m), contrast after contrast."""
        flat = self.influence.reshape(len(self.influence), -1)
        return np.asarray(flat.T @ flat)


def linear_contrasts(
    x: Floats,
    y: Floats,
    contrast: Floats,
    *,
    names: Sequence[str],
    weight: Floats | None = None,
    cluster: Ints | None = None,
) -> Contrasts:
    """Fit y on x by (weighted) least squares and return contrasts of the coefficients.

    Parameters
    ----------
    x : (N, k) array
        With a constant among its columns, or dummies that add up to one.
    y : (N, m) array
    contrast : (k, q) array
    names : sequence of str
        Of the k columns, for the messages.
    weight : (N,) array, optional
        Positive.
    cluster : (N,) array, optional
        Numbers 0 … C-1.

    Raises
    ------
    toolkit.errors.CollinearityError
        When columns make each other up.

    Notes
    -----
    With M = (X'WX)⁻¹ and residuals e, HC2 divides a row's w e by √(1 - h), h its leverage
    (MacKinnon and White 1985); CR2 multiplies a cluster's by (I - H_g)^(-1/2) (Bell and McCaffrey
    2002), here through the k × k matrix that has the same eigenvalues. The working model has
    variance 1/w: then w equal rows in one cluster and one row of weight w are the same. Degrees of
    freedom are 2 / the squared coefficient of variation of the variance estimate under that model
    (Imbens and Kolesár 2016, eq. 14).
    """
    w = np.ones(len(x)) if weight is None else weight
    check_collinearity(x, names, w, centred=False)
    root = np.sqrt(w)[:, None]
    scaled = x * root
    half = np.linalg.inv(np.linalg.cholesky(_unit(scaled))).T / _size(scaled)[:, None]
    basis = scaled @ half  # orthonormal columns
    against = half.T @ contrast
    gain = basis.T @ (y * root)
    residual = _cleaned(y * root - basis @ gain, y * root)
    if cluster is None:
        influence, df, leverage = _by_row(basis, residual, against)
    else:
        influence, df, leverage = _by_cluster(basis, residual, against, cluster)
    return Contrasts(
        estimate=np.asarray(against.T @ gain), influence=influence, df=df, leverage=leverage
    )


def cell_contrasts(
    cell: Ints, y: Floats, contrast: Floats, *, weight: Floats | None = None
) -> Contrasts:
    """Return contrasts of the means of cells: `linear_contrasts` on their dummies, in one pass.

    Parameters
    ----------
    cell : (N,) array
        Numbers 0 … k-1, none empty.
    y : (N, m) array
    contrast : (k, q) array
    """
    w = np.ones(len(cell)) if weight is None else weight
    k, q = contrast.shape
    total = np.bincount(cell, w, minlength=k)
    mean = np.stack([np.bincount(cell, w * column, minlength=k) / total for column in y.T], axis=1)
    root = np.sqrt(w)
    residual = _cleaned((y - mean[cell]) * root[:, None], y * root[:, None])
    leverage = w / total[cell]
    free = leverage < _WHOLE
    shrink = np.where(free, 1 / np.sqrt(np.where(free, 1 - leverage, 1.0)), 0.0)
    reach = (contrast / total[:, None])[cell] * (root * shrink)[:, None]
    df = np.zeros(q)
    for j in range(q):
        size = reach[:, j] ** 2
        held = np.bincount(cell, leverage * size, minlength=k)
        square = size @ size - 2 * float(size @ (leverage * size)) + held @ held
        df[j] = (size.sum() - held.sum()) ** 2 / square if square > 0 else 0.0
    return Contrasts(
        estimate=contrast.T @ mean,
        influence=reach[:, :, None] * residual[:, None, :],
        df=df,
        leverage=float(leverage.max()),
    )


def _cleaned(residual: Floats, y: Floats) -> Floats:
    """Return residuals that are 0 where only the rounding of y is left."""
    noise = 1e-12 * np.abs(y).max(axis=0, initial=0)
    return np.where(np.abs(residual) <= noise, 0.0, residual)


def _size(x: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("ij,ij->j", x, x)))


def _unit(x: Floats) -> Floats:
    size = _size(x)
    return np.asarray((x.T @ x) / np.outer(size, size))


def _by_row(basis: Floats, residual: Floats, against: Floats) -> tuple[Floats, Floats, float]:
    leverage = np.einsum("ij,ij->i", basis, basis)
    free = leverage < _WHOLE
    shrink = np.where(free, 1 / np.sqrt(np.where(free, 1 - leverage, 1.0)), 0.0)
    reach = (basis @ against) * shrink[:, None]  # (N, q)
    influence = reach[:, :, None] * residual[:, None, :]
    df = np.array([_freedom(reach[:, j] ** 2, basis * reach[:, [j]]) for j in range(len(reach.T))])
    return influence, df, float(leverage.max(initial=0))


def _by_cluster(
    basis: Floats, residual: Floats, against: Floats, cluster: Ints
) -> tuple[Floats, Floats, float]:
    order = np.argsort(cluster, kind="stable")
    basis, residual = basis[order], residual[order]
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    count, k, q = len(starts), basis.shape[1], against.shape[1]
    each = basis[:, :, None] * residual[:, None, :]
    scores = np.add.reduceat(each, starts, axis=0)  # (C, k, m)
    scores[np.abs(scores) <= 1e-12 * np.abs(each).sum(axis=0)] = 0.0  # only rounding is left
    influence = np.zeros((count, q, residual.shape[1]))
    size, reach = np.zeros((count, q)), np.zeros((count, k, q))
    top = 0.0
    ends = np.append(starts[1:], len(basis))
    for first in range(0, count, _BLOCK):
        some = slice(first, min(first + _BLOCK, count))
        gram = _grams(basis, starts[some], ends[some])
        values, vectors = np.linalg.eigh(gram)
        top = max(top, float(values[:, -1].max()))
        free = values < _WHOLE
        rest = np.where(free, 1 - values, 1.0)
        root = np.where(free, 1 / np.sqrt(rest), 0.0)
        toward = np.einsum("cij,iq->cjq", vectors, against)
        influence[some] = np.einsum(
            "cjq,cj,cij,cim->cqm", toward, root, vectors, scores[some], optimize=True
        )
        held = np.where(free, np.maximum(values, 0), 0.0)
        size[some] = np.einsum("cjq,cj->cq", toward**2, held / rest)
        reach[some] = np.einsum("cij,cj,cjq->ciq", vectors, held * root, toward)
    df = np.array([_freedom(size[:, j], reach[:, :, j]) for j in range(q)])
    return influence, df, top


def _grams(basis: Floats, starts: Ints, ends: Ints) -> Floats:
    """Return the sums of b b' over the rows of each cluster, (C, k, k)."""
    rows = basis[starts[0] : ends[-1]]
    k = basis.shape[1]
    if len(rows) * k * k <= 20_000_000:
        return np.asarray(np.add.reduceat(rows[:, :, None] * rows[:, None, :], starts - starts[0]))
    return np.stack(
        [basis[start:end].T @ basis[start:end] for start, end in zip(starts, ends, strict=True)]
    )


def _freedom(size: Floats, reach: Floats) -> float:
    """Return (tr A)² / tr A², with A = diag(size) - reach reach' of units.

    A is the covariance, under the working model, of what units add; its eigenvalues make the
    variance estimate a sum of χ² of one degree each.
    """
    between = reach.T @ reach
    trace = size.sum() - np.trace(between)
    square = (
        (size**2).sum() - 2 * float(size @ np.einsum("ij,ij->i", reach, reach))
        + (between**2).sum()
    )  # fmt: skip
    return float(trace**2 / square) if square > 1e-14 * max(trace**2, 1e-300) else 0.0
