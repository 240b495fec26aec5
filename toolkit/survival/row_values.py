"""A value for every row of the data: its influence on the curve of its group, or a pseudo-value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError
from toolkit.survival.curves import check_horizon, check_times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from toolkit.survival.curve_family import Curves
    from toolkit.survival.pseudo import PseudoMethod

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def row_influence(
    curves: Curves, times: float | Sequence[float] | None, horizon: float | None
) -> Floats:
    """Return the weighted influence of every row on its own group's curves or areas, (N, …)."""
    where = _where(times, horizon)
    cell, weight = curves.cell_of_row()
    moved = _moved(curves, where)[cell]
    moved *= np.where(cell >= 0, weight, 0.0).reshape(-1, *[1] * (moved.ndim - 1))
    moved[cell < 0] = 0.0
    return moved


def row_pseudo_values(
    curves: Curves,
    times: float | Sequence[float] | None,
    horizon: float | None,
    method: PseudoMethod,
) -> Floats:
    """Return a pseudo-value for every row, (N, …); NaN at weight 0."""
    where = _where(times, horizon)
    cell, _ = curves.cell_of_row()
    if method == "infinitesimal":
        values = _moved(curves, where)
        scale = curves.totals
    else:

        def change(group: int, cells: Ints) -> Floats:
            everybody = _estimates(curves, where, group)
            found: Floats = everybody - curves.without_one(group, cells, where)
            return found

        values = _by_group(curves, where, change)
        scale = curves.totals - 1
    for group in range(len(curves.totals)):
        mine = curves.own(group)
        theta = _estimates(curves, where, group).reshape(values.shape[1:])
        values[mine] = theta + scale[group] * values[mine]
    rows = values[cell]
    rows[cell < 0] = np.nan
    return rows


def _where(times: float | Sequence[float] | None, horizon: float | None) -> Floats | float:
    """Return the times, or the horizon: one of the two is asked for."""
    if (times is None) == (horizon is None):
        raise CallError(
            "Either times or a horizon is asked for", fix="for instance [6, 12], or horizon=12"
        )
    if horizon is None:
        assert times is not None  # noqa: S101 - one of the two, see above
        return check_times(times)
    check_horizon(horizon)
    return float(horizon)


def _estimates(curves: Curves, where: Floats | float, group: int) -> Floats:
    """Return the estimates of a group, (K, T) or (K,)."""
    if isinstance(where, np.ndarray):
        return curves.at(group, where)[0]
    areas: Floats = curves.areas(where)[0][group]
    return areas


def _moved(curves: Curves, where: Floats | float) -> Floats:
    """Return the influence of one unit of every cell, without the axis of a single kind."""

    def moved(group: int, cells: Ints) -> Floats:
        kinds = range(curves.n_kinds)
        if isinstance(where, np.ndarray):
            return np.stack([curves.moved(k, group, where, cells) for k in kinds], axis=1)
        return np.stack([curves.area_moved(k, group, where, cells) for k in kinds], axis=1)

    return _by_group(curves, where, moved)


def _by_group(
    curves: Curves, where: Floats | float, value: Callable[[int, Ints], Floats]
) -> Floats:
    """Return values of every cell, (C, K, T) or (C, K); (C, T) or (C,) where K is no axis."""
    widths = (len(where),) if isinstance(where, np.ndarray) else ()
    mine = [np.flatnonzero(curves.own(group)) for group in range(len(curves.totals))]
    found = np.empty((sum(map(len, mine)), curves.n_kinds, *widths))
    for group, cells in enumerate(mine):
        found[cells] = value(group, cells)
    return found if curves.kinds else found[:, 0]
