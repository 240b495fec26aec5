"""Columns that others make up, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CollinearityError

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
    p = x.shape[1]
    if p == 0:
        return
    w = np.ones(len(x)) if weight is None else weight
    mean = (w @ x) / w.sum() if centred else np.zeros(p)
    middle = x - mean
    gram = (middle * w[:, None]).T @ middle / w.sum()
    size = np.sqrt((w @ (x * x)) / w.sum())
    done: list[int] = []
    for j in range(p):
        spread = gram[j, j]
        if spread <= (1e-10 * max(size[j], 1e-300)) ** 2:
            raise CollinearityError(
                f"Column {terms[j]!r} has the same value in every row",
                fix="leave it out of the formula, or look whether a filter made it constant",
            )
        if done:
            scale = np.sqrt(np.diag(gram))
            inner = gram[np.ix_(done, done)] / np.outer(scale[done], scale[done])
            with_j = gram[done, j] / (scale[done] * scale[j])
            b = np.linalg.solve(inner, with_j)
            if 1 - with_j @ b < _COLLINEAR:
                others = [terms[k] for k, c in zip(done, b, strict=True) if abs(c) > 1e-6]
                raise CollinearityError(
                    f"Column {terms[j]!r} is made up of {', '.join(map(repr, others[:6]))}",
                    fix="leave one of them out of the formula",
                )
        done.append(j)
