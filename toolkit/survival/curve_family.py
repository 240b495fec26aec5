"""Curves by group and kind (cause, state) with their influences: what bands and contrasts need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError, HorizonError
from toolkit.survival.curves import check_horizon
from toolkit.survival.influence import Area
from toolkit.survival.pseudo import LeaveOneOut
from toolkit.survival.risk_table import table_from_cells
from toolkit.survival.segments import add_up
from toolkit.survival.units import Units, make_units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from toolkit.survival.influence import CurveInfluence
    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Events and people at risk from which on a curve is taken to vary as a normal variable does.
ENOUGH = 10


@dataclass(frozen=True, kw_only=True)
class Curves(ABC):
    """G groups of K curves, and how C cells of the data move them.

    Attributes
    ----------
    groups : DataFrame
        G rows; the group columns.
    by : tuple of str
        Their names.
    kinds : mapping from str to Series
        Labels of the K curves of a group (the cause, the state); empty when K is 1.
    n_kinds : int
    rows, totals : (G,) arrays
        Rows of the data, and the sum of their weights.
    start : float
        Value before a group's first time.
    area_name : str
        What the area under a curve is called as a measure.
    independent : bool
        Whether groups have no cells in common, so that only clusters can tie them.
    """

    groups: pl.DataFrame
    by: tuple[str, ...]
    kinds: Mapping[str, pl.Series]
    n_kinds: int
    rows: Floats
    totals: Floats
    start: float
    area_name: str
    independent: bool

    @abstractmethod
    def jumps(self, group: int) -> Floats:
        """Return the times at which a group's curves may change, sorted."""

    @abstractmethod
    def trusted(self, group: int, kind: int) -> tuple[float, float]:
        """Return from when until when a curve rests on enough events and people at risk."""

    @abstractmethod
    def at(self, group: int, times: Floats) -> tuple[Floats, Floats]:
        """Return values and standard errors at times, (K, T) each; NaN where not known."""

    @abstractmethod
    def moved(self, kind: int, group: int, times: Floats, cells: Ints) -> Floats:
        """Return the influence of one unit of cells on a group's curve, (cells, T)."""

    @abstractmethod
    def areas(self, horizon: float) -> tuple[Floats, Floats]:
        """Return areas under the curves up to `horizon` and standard errors, (G, K) each."""

    @abstractmethod
    def area_moved(self, kind: int, group: int, horizon: float, cells: Ints) -> Floats:
        """Return the influence of one unit of cells on a group's area, (cells,)."""

    @abstractmethod
    def units(self, cluster: str | None) -> Units:
        """Return what varies independently; `None` asks for what the standard errors used."""

    @abstractmethod
    def own(self, *groups: int) -> NDArray[np.bool_]:
        """Return which cells move some groups, (C,)."""

    @abstractmethod
    def cell_of_row(self) -> tuple[Ints, Floats]:
        """Return cell (-1 at weight 0) and weight of every row of the data, (N,) each."""

    def without_one(self, group: int, cells: Ints, where: Floats | float) -> Floats:
        """Return the curves at times, (c, K, T), or areas, (c, K), without one unit of cells."""
        del group, cells, where
        raise CallError(
            "These curves cannot be computed anew without one unit",
            fix="method='infinitesimal'",
        )


@dataclass(frozen=True, kw_only=True)
class TableCurves(Curves):
    """Curves made from a risk table.

    Attributes
    ----------
    table : RiskTable
    values, std_errors : (R, K) arrays
    influences : sequence of K CurveInfluence
    known_after : (G,) array of bool
        Groups whose curve is known past its last time (survival that has come to 0).
    own_units : Units or None
        Clusters of the standard errors.
    mean : callable, optional
        From a horizon to areas and standard errors, (G,) or (G, K), where these are not those of
        the jackknife.
    """

    table: RiskTable
    values: Floats
    std_errors: Floats
    influences: Sequence[CurveInfluence]
    known_after: NDArray[np.bool_]
    own_units: Units | None
    mean: Callable[[float], tuple[Floats, Floats]] | None = None
    _areas: dict[tuple[int, float], Floats] = field(default_factory=dict, repr=False)

    def jumps(self, group: int) -> Floats:
        """Return the times at which a group has events, sorted."""
        rows = self._rows(group)
        times = self.table.time[rows][self.table.events[rows] > 0]
        return np.asarray(times, dtype=np.float64)

    @cached_property
    def counted(self) -> RiskTable:
        """The table of rows, without their weights."""
        cells = self.table.cells
        return table_from_cells(replace(cells, n=cells.rows)) if cells.weighted else self.table

    def trusted(self, group: int, kind: int) -> tuple[float, float]:
        """Return from when until when there are enough events (of a cause) and people at risk."""
        rows = self._rows(group)
        seen = np.cumsum(self.counted.n_event[rows, kind])
        good = (seen >= ENOUGH) & (self.counted.n_risk[rows] >= ENOUGH)
        time = self.table.time[rows].astype(np.float64)
        return (float(time[good].min()), float(time[good].max())) if good.any() else (np.inf, 0.0)

    def at(self, group: int, times: Floats) -> tuple[Floats, Floats]:
        """Return values and standard errors at times, (K, T) each; NaN where not known."""
        row, known = self._rows_at(group, times)
        started = (row >= 0)[:, None]
        value = np.where(started, self.values[row], self.start)
        std_error = np.where(started, self.std_errors[row], 0.0)
        return (
            np.where(known[:, None], value, np.nan).T,
            np.where(known[:, None], std_error, np.nan).T,
        )

    def moved(self, kind: int, group: int, times: Floats, cells: Ints) -> Floats:
        """Return the influence of one unit of cells on a group's curve, (cells, T)."""
        row, known = self._rows_at(group, times)
        mine = self.table.cells.group[cells] == group
        found = np.zeros((len(cells), len(times)))
        found[mine] = self.influences[kind].at(row, cells[mine])
        found[:, ~known] = np.nan
        return found

    def areas(self, horizon: float) -> tuple[Floats, Floats]:
        """Return areas under the curves up to `horizon` and standard errors, (G, K) each."""
        if self.mean is not None:
            area, std_error = self.mean(horizon)
            return area.reshape(-1, self.n_kinds), std_error.reshape(-1, self.n_kinds)
        known = self._known_until(horizon)
        start = np.full(self.n_kinds, self.start)
        area = Area(self.table, self.values, start).until(
            np.arange(self.table.n_groups), np.full(self.table.n_groups, float(horizon))
        )
        units = self.units(None)
        variance = np.column_stack(
            [
                units.group_variance(moved.area(horizon), self.table.cells)
                for moved in self.influences
            ]
        )
        area[~known] = np.nan
        variance[~known] = np.nan
        return area, np.sqrt(variance)

    def area_moved(self, kind: int, group: int, horizon: float, cells: Ints) -> Floats:
        """Return the influence of one unit of cells on a group's area, (cells,)."""
        if not self._known_until(horizon)[group]:
            return np.full(len(cells), np.nan)
        if (kind, horizon) not in self._areas:
            self._areas[kind, horizon] = self.influences[kind].area(horizon)
        mine = self.table.cells.group[cells] == group
        return np.where(mine, self._areas[kind, horizon][cells], 0.0)

    def units(self, cluster: str | None) -> Units:
        """Return what varies independently; `None` asks for what the standard errors used."""
        if cluster is None:
            return self.own_units or make_units(self.table.cells)
        if self.own_units is not None and self.own_units.cluster == cluster:
            return self.own_units
        return make_units(self.table.cells, cluster)

    def own(self, *groups: int) -> NDArray[np.bool_]:
        """Return which cells lie in some groups, (C,)."""
        return np.isin(self.table.cells.group, groups)

    def cell_of_row(self) -> tuple[Ints, Floats]:
        """Return cell (-1 at weight 0) and weight of every row of the data, (N,) each."""
        cells = self.table.cells
        return cells.cell_of_row(), cells.counted_from.row_weights()

    def without_one(self, group: int, cells: Ints, where: Floats | float) -> Floats:
        """Return the curves at times, (c, K, T), or areas, (c, K), without one unit of cells."""
        survival = self.start == 1
        incidence = 1 - self.values if survival else self.values
        without = LeaveOneOut(self.table, 1 - incidence.sum(axis=1), incidence)
        if isinstance(where, np.ndarray):
            row, known = self._rows_at(group, where)
            found = without.at(row, cells)
            found[:, :, ~known] = np.nan
            return 1 - found if survival else found
        area = without.area(where, group, cells)
        area[:, ~self._known_until(where)[[group]].repeat(area.shape[1])] = np.nan
        return where - area if survival else area

    def _rows(self, group: int) -> slice:
        return slice(self.table.first[group], self.table.first[group + 1])

    def _rows_at(self, group: int, times: Floats) -> tuple[Ints, NDArray[np.bool_]]:
        rows = self._rows(group)
        own = self.table.time[rows]
        place = np.searchsorted(own, times, side="right") - 1
        return np.where(place >= 0, rows.start + place, -1), times <= own[-1]

    def _known_until(self, horizon: float) -> NDArray[np.bool_]:
        check_horizon(horizon)
        ends = self.table.time[self.table.first[1:] - 1]
        known: NDArray[np.bool_] = (ends >= horizon) | self.known_after
        if not known.any():
            raise HorizonError(
                f"The horizon {horizon:g} is past the last observed time, {ends.max():g}",
                fix="ask for a horizon within the follow-up",
            )
        return known


def table_curves(
    table: RiskTable,
    *,
    values: Floats,
    std_errors: Floats,
    start: float,
    influences: Sequence[CurveInfluence],
    kinds: Mapping[str, pl.Series],
    units: Units | None,
    known_after: NDArray[np.bool_],
    area_name: str,
    mean: Callable[[float], tuple[Floats, Floats]] | None = None,
) -> TableCurves:
    """Return the curves of a risk table; see `TableCurves` for the arguments."""
    cells = table.cells
    return TableCurves(
        groups=table.groups,
        by=cells.by,
        kinds=kinds,
        n_kinds=values.shape[1],
        rows=table.rows,
        totals=add_up(cells.n, cells.group, table.n_groups),
        start=start,
        area_name=area_name,
        independent=True,
        table=table,
        values=values,
        std_errors=std_errors,
        influences=influences,
        known_after=known_after,
        own_units=units,
        mean=mean,
    )
