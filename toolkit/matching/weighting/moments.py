"""Squares and cubes of what is balanced: then spread and skewness are balanced too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError

if TYPE_CHECKING:
    from toolkit.matching.propensity.design import Design

_MOST = 3
_PROBE = 2_000


def with_moments(design: Design, moments: int) -> Design:
    """Return the design with powers 2 … `moments` of every term that takes as many values.

    A term of two values has no square of its own, one of three no cube. Powers are those of
    (x - mean) / sd, which balance the same and can be told apart better.
    """
    if not isinstance(moments, int) or isinstance(moments, bool) or not 1 <= moments <= _MOST:
        raise CallError(
            f"moments={moments!r} is not 1, 2 or 3", fix="1 balances means, 2 variances too"
        )
    names, columns = [], []
    for j, term in enumerate(design.terms):
        if moments == 1:
            break
        x = design.column(j)
        if (values := _values(x, moments + 1)) < 3:
            continue
        unit = (x - x.mean()) / x.std()
        for power in range(2, min(moments, values - 1) + 1):
            names.append(f"{term}^{power}")
            columns.append(unit**power)
    return design.with_columns(names, columns)


def _values(x: np.ndarray[tuple[int], np.dtype[np.float64]], enough: int) -> int:
    """Count distinct values, up to `enough`."""
    found = np.unique(x[: min(len(x), _PROBE)])
    if len(found) < enough:
        found = np.unique(x)
    return min(len(found), enough)
