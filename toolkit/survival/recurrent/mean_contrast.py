"""Mean cumulative functions as curves that differences, ratios and their bands are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.curve_family import ENOUGH, TableCurves
from toolkit.survival.recurrent.mean_influence import mean_parts
from toolkit.survival.risk_table import table_from_cells
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.recurrent.mean_curve import MeanCumulative

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MeanCurves(TableCurves):
    """Curves made from a risk table whose causes are numbers of events, and deaths."""

    def jumps(self, group: int) -> Floats:
        """Return the times at which a group has events, sorted."""
        rows = self._rows(group)
        seen = mean_parts(self.table).n_event[rows] > 0
        return np.asarray(self.table.time[rows][seen], dtype=np.float64)

    def trusted(self, group: int, kind: int) -> tuple[float, float]:
        """Return from when until when there are enough events and people at risk."""
        del kind
        rows, cells = self._rows(group), self.table.cells
        counted = table_from_cells(replace(cells, n=cells.rows)) if cells.weighted else self.table
        seen = np.cumsum(mean_parts(counted).n_event[rows])
        good = (seen >= ENOUGH) & (counted.n_risk[rows] >= ENOUGH)
        time = self.table.time[rows].astype(np.float64)
        return (float(time[good].min()), float(time[good].max())) if good.any() else (np.inf, 0.0)


def curves_of(result: MeanCumulative) -> MeanCurves:
    """Return the curves of a result."""
    table = result.parts.table
    cells = table.cells
    return MeanCurves(
        groups=table.groups,
        by=cells.by,
        kinds={},
        n_kinds=1,
        rows=table.rows,
        totals=add_up(cells.n, cells.group, table.n_groups),
        start=0.0,
        area_name="area",
        independent=True,
        table=table,
        values=result.mean[:, None],
        std_errors=result.std_error[:, None],
        influences=[result.moved],
        known_after=np.zeros(table.n_groups, dtype=bool),
        own_units=result.units,
    )
