"""Influence functions of curves: how far one unit of weight moves an estimate.

A unit moves a curve in a way that is fixed at its entry while it is at risk, and fixed at its exit
from there on: U(t) = a · b(t), with a few numbers `a` per cell and a few curves `b` per group. For
the survival curve, with G = Σ d / (n (n - d)) and x = G(entry),

    at risk   U = S(t) (G(t) - x)          left   U = S(t) ∂log S(exit)

and for the incidence F of a cause, with D its drift (see `toolkit.survival.jackknife`),

    at risk   U = y - x F(t) + D(t)        left   U = z + ∂log S(exit) F(t)

so that values, areas and sums over clusters come from C cells at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.jackknife import incidence_parts, influence
from toolkit.survival.segments import Steps, before, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Numbers that are held at once where rows are worked through in blocks: they stay in the cache.
BLOCK = 2**18


@dataclass(frozen=True, kw_only=True)
class CurveInfluence:
    """U of one unit of each cell on its own group's curve; C cells, R table rows, J parts.

    Attributes
    ----------
    table : RiskTable
    entry_row, exit_row : (C,) arrays
        Last table row at or before the entry (-1: before the group's first); row of the exit.
    at_risk, left : (C, J) arrays
        a, before and from the exit on.
    basis : (R, J) array
        b at the table's rows.
    start : (J,) array
        b before a group's first row.
    """

    table: RiskTable
    entry_row: Ints
    exit_row: Ints
    at_risk: Floats
    left: Floats
    basis: Floats
    start: Floats

    def at(self, rows: Ints, cells: Ints) -> Floats:
        """Return U of some cells at some table rows of their group, (cells, rows).

        A row of -1 stands for a time before the group's first: nothing has moved yet.
        """
        basis = np.where(rows[:, None] >= 0, self.basis[rows], 0.0).T
        out, come = self.exit_row[cells][:, None], self.entry_row[cells][:, None]
        moved: Floats = np.where(rows >= out, self.left[cells] @ basis, self.at_risk[cells] @ basis)
        moved[rows <= come] = 0.0
        return moved

    def area(self, horizon: float) -> Floats:
        """Return the area under U from 0 to `horizon` of every cell, (C,)."""
        cells = self.table.cells
        area = Area(self.table, self.basis, self.start)
        end = np.minimum(cells.time.astype(np.float64), horizon)
        until_end = area.until(cells.group, end)
        until_horizon = area.until(cells.group, np.full(len(end), horizon))
        there = until_end.copy()
        if cells.entry is not None:
            come = np.minimum(cells.entry.astype(np.float64), horizon)
            there -= area.until(cells.group, come)
        after = np.where((cells.time <= horizon)[:, None], until_horizon - until_end, 0.0)
        moved: Floats = (self.at_risk * there + self.left * after).sum(axis=1)
        return moved


def survival_influence(table: RiskTable, survival: Floats) -> CurveInfluence:
    """Return the influence on S."""
    parts = influence(table)
    zero = np.zeros(len(parts.after))
    return CurveInfluence(
        table=table,
        entry_row=parts.entry_row,
        exit_row=parts.exit_row,
        at_risk=np.column_stack([-parts.at_entry, zero + 1]),
        left=np.column_stack([parts.after, zero]),
        basis=np.column_stack([survival, survival * parts.growth]),
        start=np.array([1.0, 0.0]),
    )


def incidence_influence(
    table: RiskTable, event_free: Floats, incidence: Floats
) -> list[CurveInfluence]:
    """Return the influence on F_k, of the K causes."""
    parts = influence(table)
    drift, at_entry, fixed = incidence_parts(table, event_free, incidence, parts)
    one = np.ones(len(parts.after))
    return [
        CurveInfluence(
            table=table,
            entry_row=parts.entry_row,
            exit_row=parts.exit_row,
            at_risk=np.column_stack([at_entry[:, k], -parts.at_entry, one]),
            left=np.column_stack([fixed[:, k], parts.after, 0 * one]),
            basis=np.column_stack([np.ones(len(drift)), incidence[:, k], drift[:, k]]),
            start=np.array([1.0, 0.0, 0.0]),
        )
        for k in range(incidence.shape[1])
    ]


class Area:
    """The integral from 0 of step functions, (R, J); `start` before a group's first time."""

    def __init__(self, table: RiskTable, values: Floats, start: Floats) -> None:
        self._table, self._values, self._start = table, values, start
        self._time = table.time.astype(np.float64)
        self._steps = Steps(table.group, table.time)
        width = self._time - before(self._time, table.group, 0.0)
        ahead = np.column_stack(
            [before(column, table.group, one) for column, one in zip(values.T, start, strict=True)]
        )
        self._area = running_sum(ahead * width[:, None], table.group)

    def until(self, group: Ints, time: Floats) -> Floats:
        """Return the integrals from 0 to each time, (T, J)."""
        row = self._steps.last(group, time)
        past = self._area[row] + self._values[row] * (time - self._time[row])[:, None]
        known = (row >= self._table.first[group])[:, None]
        return np.where(known, past, self._start * time[:, None])
