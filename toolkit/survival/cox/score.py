"""Score residuals of a fitted model, their influence on the coefficients, and robust variance.

The score residual of a unit is its event's deviation from the mean of those at risk, less what it
was exposed to (Lin and Wei 1989; with Efron's ties every risk set of a tied time counts):

    U_i = event (x_i - x̄(t_i)) - r_i (x_i A_i - B_i),   A = ∫ dΛ, B = ∫ x̄ dΛ over its time at risk.

Times the inverse information it is the dfbeta: by how much the coefficients move when one such
unit is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.threads import added, ranges, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted
    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]

#: Cells a block: their score residuals stay in the cache.
_BLOCK = 4_096


def score_of_cells(fitted: Fitted) -> Floats:
    """Return the score residuals of one unit in each cell, (C, p)."""
    out = np.empty((len(fitted.risk_sets.last), fitted.design.x.shape[1]))
    write = _writer(fitted)

    def work(low: int, high: int) -> None:
        write(low, high, out[low:high])

    side_by_side(work, ranges(len(out)))
    return out


def robust_variance(fitted: Fitted, bread: Floats, cluster: str | None) -> tuple[Floats, int]:
    """Return the sandwich, (p, p), and the number of clusters (or units) it is a sum over.

    Parameters
    ----------
    bread : (p, p) array
        Inverse information.
    cluster : str, optional
        Column of the data whose rows belong together.
    """
    design = fitted.design
    if cluster is not None:
        meat, units = design.meat(score_of_cells(fitted), cluster)
    else:
        meat = _meat(fitted)
        units = round(float((design.rows if design.sampling else design.n).sum()))
    variance = bread @ meat @ bread
    return (variance + variance.T) / 2, units


def _meat(fitted: Fitted) -> Floats:
    """Return Σ w² U U' over units, (p, p), without ever holding the residuals of all."""
    from toolkit.survival.cox.kernels import add_square

    weight, p = fitted.design.n_squared, fitted.design.x.shape[1]
    write, nowhere = _writer(fitted), np.zeros(p)

    def work(low: int, high: int) -> Floats:
        square, total = np.zeros((p, p)), np.zeros(p)
        block = np.empty((min(_BLOCK, high - low), p))
        for start in range(low, high, _BLOCK):
            stop = min(start + _BLOCK, high)
            some = block[: stop - start]
            write(start, stop, some)
            here = weight[start:stop]
            add_square(some, nowhere, here, here, 0, len(some), square, total)
        return square

    lower = added(side_by_side(work, ranges(len(weight))))
    return lower + np.tril(lower, -1).T


def _writer(fitted: Fitted) -> Callable[[int, int, Floats], None]:
    """Return a function that writes the score residuals of a range of cells."""
    from toolkit.survival.cox.kernels import score_residuals

    design, sets, means = fitted.design, fitted.risk_sets, fitted.means()
    pull = sets.cumulated(means.pull)
    own = means.own_pull - means.pull
    before = sets.last[:0] if sets.before is None else sets.before

    def write(low: int, high: int, out: Floats) -> None:
        score_residuals(
            design.x, fitted.centre, fitted.risk, design.pattern, sets.last, before, sets.event,
            fitted.exposure, pull, own, means.own, low, high, out,
        )  # fmt: skip

    return write


def unit_sums(design: Design, values: Floats, cluster: str | None) -> Floats:
    """Return one unit's values, (C, K), so that the sum of squares over rows is their variance.

    Added up by cluster with their weights, (clusters, K), or times the root of Σ w² per cell.
    """
    if cluster is None:
        return values * np.sqrt(design.n_squared)[:, None]
    return design.cluster_sums(values, cluster)
