"""Weighted squares of covariates about a centre, added up by a few threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.threads import added, ranges, side_by_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def weighted_square(
    x: Floats, centre: Floats, weight: Floats, factor: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return Σ weight v v', (p, p), and Σ factor v, (p,), with v = x - centre over patterns.

    Without `factor` the second is 0. The product is not left to BLAS, whose threads make it many
    times slower when others use the machine too.
    """
    from toolkit.survival.cox.kernels import add_square

    p = x.shape[1]
    factors = np.zeros(len(x)) if factor is None else factor

    def work(low: int, high: int) -> tuple[Floats, Floats]:
        square, total = np.zeros((p, p)), np.zeros(p)
        add_square(x, centre, weight, factors, low, high, square, total)
        return square, total

    done = side_by_side(work, ranges(len(x)))
    lower = added([square for square, _ in done])
    return lower + np.tril(lower, -1).T, added([total for _, total in done])
