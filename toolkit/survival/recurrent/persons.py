"""Persons as the units of a variance: their rows follow each other, so one pass is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.segments import running_sum
from toolkit.survival.units import Units, clustered_variance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.counts import Cells, Weighting
    from toolkit.survival.influence import CurveInfluence
    from toolkit.survival.recurrent.histories import Histories
    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]


def units_of_persons(
    cells: Cells, histories: Histories, person: str, weighting: Weighting | None
) -> Units:
    """Return the persons as units; one of frequency weight w counts as w of them."""
    cell = cells.cell_of_row()[histories.order]
    weight = cells.counted_from.row_weights()[histories.order]
    unit = histories.person
    if cells.zero_weight:
        there = cell >= 0
        unit, cell, weight = unit[there], cell[there], weight[there]
    if weighting == "frequency":
        weight = np.sqrt(weight)
    if _change_group(cells, unit, cell):
        order = np.lexsort((cell, unit))
        unit, cell, weight = unit[order], cell[order], weight[order]
    return Units(unit=unit, cell=cell, weight=weight, cluster=person, count=_count_runs(unit))


def persons_variance(table: RiskTable, moved: CurveInfluence, units: Units) -> Floats:
    """Return the variance of a curve at every table row, (R,), summed over persons."""
    cells = table.cells
    if _change_group(cells, units.unit, units.cell):
        return clustered_variance(table, moved, units)
    from toolkit.survival.recurrent.kernels import square_changes

    come = np.maximum(moved.entry_row, table.first[cells.group])
    changes = square_changes(
        units.unit, units.cell, units.weight, come, moved.exit_row, moved.at_risk, moved.left,
        len(table.group),
    )  # fmt: skip
    variance, size = np.zeros(len(table.group)), np.zeros(len(table.group))
    for j in range(changes.shape[1]):
        for k in range(j + 1):
            change = np.ascontiguousarray(changes[:, j, k])
            curves = (1 if j == k else 2) * moved.basis[:, j] * moved.basis[:, k]
            variance += running_sum(change, table.group) * curves
            size += running_sum(np.abs(change), table.group) * np.abs(curves)
    # what is left when all persons of a group move together is rounding
    return np.where(variance > 1e-14 * size, variance, 0.0)


def _change_group(cells: Cells, unit: NDArray[np.int64], cell: NDArray[np.int64]) -> bool:
    """Tell whether a person has rows in more than one group."""
    if cells.groups.height == 1:
        return False
    group = cells.group[cell]
    return bool(((unit[1:] == unit[:-1]) & (group[1:] != group[:-1])).any())


def _count_runs(unit: NDArray[np.int64]) -> int:
    return int((unit[1:] != unit[:-1]).sum()) + 1
