"""Groups side by side at every moment of an event, within strata: what k-sample tests sum over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError
from toolkit.estimation.patterns import place_among
from toolkit.survival.segments import Steps, add_up

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Moments:
    """M moments (a stratum and a time at which anybody has an event) by K compared groups.

    Attributes
    ----------
    compared : DataFrame
        The K compared groups.
    group_of, stratum_of : (G,) arrays
        Compared group and stratum of each group of the risk table.
    number : (M, K) array
        Group of the risk table, -1 where a stratum has no such group.
    stratum, time : (M,) arrays
        Sorted by both.
    n_stratum : int
    """

    compared: pl.DataFrame
    group_of: Ints
    stratum_of: Ints
    number: Ints
    stratum: Ints
    time: NDArray[Any]
    n_stratum: int

    @property
    def shape(self) -> tuple[int, int]:
        """(M, K)."""
        return len(self.time), self.compared.height

    def at_risk(self, table: RiskTable) -> Floats:
        """Return how many of each group are at risk just before each moment, (M, K)."""
        there = self.number >= 0
        time = np.broadcast_to(self.time[:, None], self.shape)
        risk = np.zeros(self.shape)
        risk[there] = table.at_risk(self.number[there], time[there])
        return risk

    def events(self, table: RiskTable, values: Floats) -> Floats:
        """Put a count per table row, (R,), in its moment and group, (M, K)."""
        rows = np.flatnonzero(values > 0)
        where = Steps(self.stratum, self.time).last(
            self.stratum_of[table.group[rows]], table.time[rows]
        )
        place = where * self.shape[1] + self.group_of[table.group[rows]]
        return add_up(values[rows], place, self.shape[0] * self.shape[1]).reshape(self.shape)

    def just_before(self, table: RiskTable, values: Floats, start: float) -> Floats:
        """Return a curve's value just before each moment, (M, K); `start` before the first row."""
        time = np.broadcast_to(self.time[:, None], self.shape)
        number = np.maximum(self.number, 0)
        row = Steps(table.group, table.time).last(number, time, including=False)
        known = (self.number >= 0) & (row >= table.first[number])
        return np.where(known, values[row], start)


def line_up(table: RiskTable, by: list[str], strata: list[str]) -> Moments:
    """Line the groups `by` up within `strata`; the risk table was made by both."""
    if not by:
        raise CallError("by names no column", fix="name the column whose groups are compared")
    compared = table.groups.select(by).unique().sort(by)
    if compared.height < 2:
        raise CallError(
            f"by={by!r} holds a single group", fix="compare at least two groups, or give a curve"
        )
    group_of = place_among(table.groups, compared, by)
    if strata:
        layers = table.groups.select(strata).unique().sort(strata)
        stratum_of, n_stratum = place_among(table.groups, layers, strata), layers.height
    else:
        stratum_of, n_stratum = np.zeros(table.n_groups, dtype=np.int64), 1
    lookup = np.full((n_stratum, compared.height), -1)
    lookup[stratum_of, group_of] = np.arange(table.n_groups)

    rows = np.flatnonzero(table.events > 0)
    stratum, time = stratum_of[table.group[rows]], table.time[rows]
    order = np.lexsort((time, stratum))
    stratum, time = stratum[order], time[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (stratum[1:] != stratum[:-1]) | (time[1:] != time[:-1])
    return Moments(
        compared=compared,
        group_of=group_of,
        stratum_of=stratum_of,
        number=lookup[stratum[new]],
        stratum=stratum[new],
        time=time[new],
        n_stratum=n_stratum,
    )
