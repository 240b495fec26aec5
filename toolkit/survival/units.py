"""Units that vary together: single rows, or clusters of rows, also across groups.

A variance is Σ over units of the square of what the unit's rows move together. Without clusters all
rows of a cell move the same, so a cell with n of them counts n times; with clusters a piece is what
one cluster has in one cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.estimation.clusters import check_clusters, few_clusters
from toolkit.estimation.threads import cores, side_by_side
from toolkit.survival.influence import BLOCK
from toolkit.survival.segments import add_up, running_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from toolkit.survival.counts import Cells
    from toolkit.survival.design import Design
    from toolkit.survival.influence import CurveInfluence
    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Units:
    """M pieces, sorted by unit and cell.

    Attributes
    ----------
    unit, cell : (M,) arrays
        Unit and cell of each piece; without clusters every cell is a piece and a unit.
    weight : (M,) array
        What the influence of one unit of weight is multiplied by: the sum of the weights that a
        cluster has in the cell; without clusters √Σ w² (√n for frequency weights).
    cluster : str or None
        The column that tells which rows belong together.
    count : int
        How many units vary independently.
    """

    unit: Ints
    cell: Ints
    weight: Floats
    cluster: str | None
    count: int

    def of_cells(self, chosen: NDArray[np.bool_]) -> Units:
        """Return the pieces that lie in the chosen cells, (C,)."""
        kept = chosen[self.cell]
        return Units(
            unit=self.unit[kept], cell=self.cell[kept], weight=self.weight[kept],
            cluster=self.cluster, count=self.count,
        )  # fmt: skip

    def blocks(self, width: int) -> Iterator[slice]:
        """Yield slices of whole units, so that a block of (pieces, width) stays in memory."""
        size = max(1, BLOCK // max(width, 1))
        n, first = len(self.unit), 0
        while first < n:
            last = min(first + size, n)
            if last < n:
                # up to the end of the unit; a unit larger than a block is taken whole
                last = int(np.searchsorted(self.unit, self.unit[last - 1], side="right"))
            yield slice(first, last)
            first = last

    def sums(self, width: int, moved: Callable[[Ints], Floats]) -> Iterator[Floats]:
        """Yield, block by block, what each unit moves: (units, width).

        `moved` returns the influence of one unit of weight in some cells, (cells, width).
        """
        moved = self._once(width, moved)
        for block in self.blocks(width):
            yield self._sums_of(block, moved)

    def _sums_of(self, block: slice, moved: Callable[[Ints], Floats]) -> Floats:
        one = moved(self.cell[block]) * self.weight[block, None]
        unit = self.unit[block]
        start = np.flatnonzero(np.append(True, unit[1:] != unit[:-1]))
        return one if len(start) == len(unit) else np.add.reduceat(one, start, axis=0)

    def _total(
        self,
        width: int,
        moved: Callable[[Ints], Floats],
        shape: tuple[int, ...],
        add: Callable[[Floats, Floats], None],
    ) -> Floats:
        """Return what `add` makes of all blocks, a few threads working side by side."""
        moved = self._once(width, moved)
        blocks = list(self.blocks(width))

        def work(low: int, high: int) -> Floats:
            total = np.zeros(shape)
            for block in blocks[low:high]:
                add(self._sums_of(block, moved), total)
            return total

        threads = min(cores(), len(blocks) // 4, 8)
        if threads < 2:
            return work(0, len(blocks))
        total = work(0, 1)  # and what `moved` computes once
        cuts = np.linspace(1, len(blocks), threads + 1).astype(int).tolist()
        for part in side_by_side(work, list(pairwise(cuts))):
            total += part
        return total

    def _once(self, width: int, moved: Callable[[Ints], Floats]) -> Callable[[Ints], Floats]:
        """Return `moved` computed once a cell, where pieces share few cells."""
        if not len(self.cell):
            return moved
        there = np.bincount(self.cell) > 0
        count = int(there.sum())
        if 2 * count > len(self.cell) or count * width > 16 * BLOCK:
            return moved
        known, place = moved(np.flatnonzero(there)), np.cumsum(there) - 1
        return lambda cells: known[place[cells]]

    def group_variance(self, moved: Floats, cells: Cells) -> Floats:
        """Return Σ over units within each group of squares, (G,), of cells' influences, (C,)."""
        one, group = moved[self.cell] * self.weight, cells.group[self.cell]
        # pieces are sorted by unit and cell, so within a unit by group
        new = (self.unit[1:] != self.unit[:-1]) | (group[1:] != group[:-1])
        start = np.flatnonzero(np.append(True, new))
        sums = np.add.reduceat(one, start)
        variance = add_up(sums**2, group[start], cells.groups.height)
        return np.where(self.alone(cells), np.nan, variance)

    def alone(self, cells: Cells) -> NDArray[np.bool_]:
        """Return which groups have all their rows in one cluster, (G,): they have no variance."""
        n_groups = cells.groups.height
        if self.cluster is None:
            return np.zeros(n_groups, dtype=bool)
        both = np.unique(self.unit * n_groups + cells.group[self.cell])
        return np.bincount(both % n_groups, minlength=n_groups) < 2

    def notes(self, cells: Cells) -> list[str]:
        """Return what to warn of: few clusters, and groups that lie in one."""
        if self.cluster is None:
            return []
        said = few_clusters(self.count, self.cluster)
        alone = int(self.alone(cells).sum())
        if alone:
            said.append(
                f"{alone:,} of {cells.groups.height:,} groups lie in one cluster of "
                f"{self.cluster}: they have no standard error"
            )
        return said

    def covariance(self, width: int, moved: Callable[[Ints], Floats]) -> Floats:
        """Return Σ over units of outer products of what they move, (width, width)."""
        from toolkit.survival.units_kernel import add_square

        def add(sums: Floats, total: Floats) -> None:
            add_square(np.ascontiguousarray(sums), total)

        half = self._total(width, moved, (width, width), add)
        return half + np.tril(half, -1).T

    def variance(self, width: int, moved: Callable[[Ints], Floats]) -> Floats:
        """Return Σ over units of squares of what they move, (width,)."""

        def add(sums: Floats, total: Floats) -> None:
            total += np.einsum("ij,ij->j", sums, sums)

        return self._total(width, moved, (width,), add)


def make_units(cells: Cells | Design, cluster: str | None = None) -> Units:
    """Return the units of the cells: the cells themselves, or clusters of rows.

    Raises
    ------
    toolkit.errors.ToolkitError
        For a cluster column that is not there, has missing values or one value.
    """
    if cluster is None:
        every = np.arange(len(cells.n))
        rows = cells.rows if cells.n_squared is not cells.n else cells.n
        return Units(
            unit=every, cell=every, weight=np.sqrt(cells.n_squared), cluster=None,
            count=round(float(rows.sum())),
        )  # fmt: skip
    source = cells.counted_from
    code = source.cluster_codes(cluster)
    rows_in = pl.DataFrame(
        {"unit": code, "cell": cells.cell_of_row(), "w": source.row_weights()}
    ).filter(pl.col("cell") >= 0)
    both = pl.col("unit") * len(cells.n) + pl.col("cell")  # one number is grouped faster than two
    pieces = rows_in.select(both.alias("both"), "w").group_by("both").agg(pl.col("w").sum())
    pieces = pieces.sort("both")
    unit, cell = np.divmod(pieces["both"].to_numpy(), len(cells.n))
    count = int(1 + (unit[1:] != unit[:-1]).sum())
    check_clusters(count, cluster)
    return Units(unit=unit, cell=cell, weight=pieces["w"].to_numpy(), cluster=cluster, count=count)


def clustered_variance(table: RiskTable, moved: CurveInfluence, units: Units) -> Floats:
    """Return the variance of a curve at every table row, (R,), summed over units within a group.

    NaN for a group in one cluster.

    The parts `a` of a cluster's influence only change when one of its rows enters or leaves, so the
    sums over clusters of a_j a_k are running sums of their changes: the cost is that of the pieces,
    not of pieces times times.
    """
    from toolkit.survival.units_kernel import add_changes

    cells, n_rows, n_parts = table.cells, len(table.group), moved.basis.shape[1]
    group, weight = cells.group[units.cell], units.weight[:, None]
    come = np.maximum(moved.entry_row[units.cell], table.first[group])
    risk, left = moved.at_risk[units.cell] * weight, moved.left[units.cell] * weight
    row = np.concatenate([come, moved.exit_row[units.cell]])
    unit = np.tile(units.unit, 2) * table.n_groups + np.tile(group, 2)
    square = np.zeros((n_rows, n_parts, n_parts))
    # two runs that are nearly sorted: merged rather than sorted
    order = np.argsort(unit * n_rows + row, kind="stable")
    add_changes(order, unit, row, np.concatenate([risk, left - risk]), square)
    variance = np.zeros(n_rows)
    for j in range(n_parts):
        for k in range(j + 1):
            there = running_sum(square[:, j, k], table.group)
            variance += (1 if j == k else 2) * there * moved.basis[:, j] * moved.basis[:, k]
    return np.where(units.alone(cells)[table.group], np.nan, np.maximum(variance, 0.0))
