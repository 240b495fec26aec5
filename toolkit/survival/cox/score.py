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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.survival.cox.likelihood import Fitted
    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]

#: Cells a block: their score residuals stay in the cache.
_BLOCK = 16_384


def score_blocks(fitted: Fitted) -> Iterator[tuple[slice, Floats]]:
    """Yield the score residuals of one unit in each cell, block by block, (cells, p)."""
    from toolkit.survival.cox.kernels import score_residuals

    design, sets = fitted.design, fitted.risk_sets
    means = fitted.means()
    pull = sets.cumulated(means.pull)
    own = means.own_pull - means.pull
    before = sets.before if sets.before is not None else np.full(len(sets.last), -1)
    for low in range(0, len(sets.last), _BLOCK):
        high = min(low + _BLOCK, len(sets.last))
        out = np.empty((high - low, design.x.shape[1]))
        score_residuals(
            design.x, fitted.centre, fitted.risk, design.pattern, sets.last, before, sets.event,
            fitted.exposure, pull, own, means.own, low, high, out,
        )  # fmt: skip
        yield slice(low, high), out


def score_of_cells(fitted: Fitted) -> Floats:
    """Return the score residuals of one unit in each cell, (C, p)."""
    out = np.empty((len(fitted.risk_sets.last), fitted.design.x.shape[1]))
    for rows, block in score_blocks(fitted):
        out[rows] = block
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
        meat = np.zeros((len(bread), len(bread)))
        for rows, block in score_blocks(fitted):
            meat += (block * design.n_squared[rows, None]).T @ block
        units = round(float((design.rows if design.sampling else design.n).sum()))
    variance = bread @ meat @ bread
    return (variance + variance.T) / 2, units


def unit_sums(design: Design, values: Floats, cluster: str | None) -> Floats:
    """Return one unit's values, (C, K), so that the sum of squares over rows is their variance.

    Added up by cluster with their weights, (clusters, K), or times the root of Σ w² per cell.
    """
    if cluster is None:
        return values * np.sqrt(design.n_squared)[:, None]
    return design.cluster_sums(values, cluster)
