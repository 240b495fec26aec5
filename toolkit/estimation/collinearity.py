"""Columns that others make up, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CollinearityError
from toolkit.estimation.blocks import blocks, weighted_cross
from toolkit.estimation.threads import ranges, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Share of a column's spread that the others may leave unexplained before it counts as made up.
_COLLINEAR = 1e-9


def check_collinearity(
    x: Floats, terms: Sequence[str], weight: Floats | None = None, *, centred: bool = True
) -> None:
    """Raise `CollinearityError`, naming the column and those that make it up.

    Parameters
    ----------
    x : (P, p) array
    weight : (P,) array, optional
    centred : bool
        Whether a constant counts as one of the others (there is a baseline or an intercept).
    """
    if x.shape[1] == 0:
        return
    gram, size = _moments(x, weight, centred=centred)
    found = first_made_up(gram, (1e-10 * np.maximum(size, 1e-300)) ** 2)
    if found is None:
        return
    j, others = found
    if not others:
        raise CollinearityError(
            f"Column {terms[j]!r} has the same value in every row",
            fix="leave it out of the formula, or look whether a filter made it constant",
        )
    raise CollinearityError(
        f"Column {terms[j]!r} is made up of {', '.join(repr(terms[k]) for k in others[:6])}",
        fix="leave one of them out of the formula",
    )


def first_made_up(gram: Floats, least: Floats) -> tuple[int, list[int]] | None:
    """Return the first column made up of those before it, and which these are.

    Parameters
    ----------
    gram : (p, p) array
        Products of the columns.
    least : (p,) array
        A column whose square is not above this is constant: it is made up of none.
    """
    done: list[int] = []
    for j in range(len(gram)):
        if gram[j, j] <= least[j]:
            return j, []
        if done:
            scale = np.sqrt(np.diag(gram))
            inner = gram[np.ix_(done, done)] / np.outer(scale[done], scale[done])
            with_j = gram[done, j] / (scale[done] * scale[j])
            b = np.linalg.solve(inner, with_j)
            if 1 - with_j @ b < _COLLINEAR:
                return j, [k for k, c in zip(done, b, strict=True) if abs(c) > 1e-6]
        done.append(j)
    return None


def _moments(x: Floats, weight: Floats | None, *, centred: bool) -> tuple[Floats, Floats]:
    """Return the mean products of columns about their means (or 0), (p, p), and mean sizes, (p,).

    In two passes over blocks of rows: in one, differences of large numbers would drown.
    """

    def some_rows(low: int, high: int) -> tuple[Floats, Floats]:
        return x[low:high], np.ones(high - low) if weight is None else weight[low:high]

    def sums(low: int, high: int) -> Floats:
        total = np.zeros((2, x.shape[1]))
        for start, stop in blocks(low, high):
            rows, w = some_rows(start, stop)
            total[0] += np.einsum("n,np->p", w, rows)
            total[1] += np.einsum("n,np,np->p", w, rows, rows)
        return total

    parts, everyone = ranges(len(x)), float(len(x) if weight is None else weight.sum())
    first, second = np.sum(side_by_side(sums, parts), axis=0) / everyone
    mean = first if centred else np.zeros_like(first)

    def products(low: int, high: int) -> Floats:
        total = np.zeros((x.shape[1], x.shape[1]))
        for start, stop in blocks(low, high):
            rows, w = some_rows(start, stop)
            total += weighted_cross(rows - mean, w)
        return total

    return np.sum(side_by_side(products, parts), axis=0) / everyone, np.sqrt(second)
