"""State probabilities as a family of curves: what bands, contrasts and pseudo-values read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import HorizonError
from toolkit.frames import require_columns, require_no_nulls, to_lazy
from toolkit.survival.curve_family import ENOUGH, Curves
from toolkit.survival.curves import check_horizon
from toolkit.survival.multi_state.influence import (
    ahead_of_area,
    ahead_of_times,
    spell_influence,
    time_in_states,
)
from toolkit.survival.units import Units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.multi_state.chain import Chain
    from toolkit.survival.multi_state.groups import Groups
    from toolkit.survival.multi_state.history import History
    from toolkit.survival.multi_state.source import Source

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ChainCurves(Curves):
    """Curves of chains: for each group one, or one a state of origin, with S states each.

    A cell is a spell that counts, in the order of the groups' histories; kind k is the state k % S
    of chain k // S of the group.

    Attributes
    ----------
    chains : tuple of tuple of Chain
        By group.
    spells : Groups
    source : Source
        The data, for clusters.
    row : (C,) array
        Row of the data of each cell.
    group_of : (C,) array
        Its group.
    number : tuple of tuple of int
        Per chain the number of its history; those of different numbers share no rows.
    owner, place : (N,) arrays
        Number of the history a row of the data is in, -1 for none, and its place among the spells.
    """

    chains: tuple[tuple[Chain, ...], ...]
    spells: Groups
    source: Source
    row: Ints
    group_of: Ints
    number: tuple[tuple[int, ...], ...]
    owner: Ints = field(repr=False)
    place: Ints = field(repr=False)
    _made: dict[tuple[object, ...], Floats] = field(default_factory=dict, repr=False)

    def jumps(self, group: int) -> Floats:
        """Return the times after the start at which somebody moves, sorted."""
        found = [
            chain.time[(chain.moves.n_move.sum(axis=(1, 2)) > 0) & (chain.time > chain.start)]
            for chain in self.chains[group]
        ]
        return np.unique(np.concatenate(found)).astype(np.float64)

    def trusted(self, group: int, kind: int) -> tuple[float, float]:
        """Return from when until when enough have moved in or out of the state, and are at risk."""
        chain, state = self._chain(group, kind)
        history, moves = chain.history, chain.moves
        n = len(moves.time)
        told = (history.target >= 0) & (moves.last >= 0) & (moves.first <= moves.last)
        touched = told & ((history.origin == state) | (history.target == state))
        seen = np.cumsum(np.bincount(moves.last[touched], minlength=n))
        there = moves.first <= moves.last
        risk = np.cumsum(
            np.bincount(moves.first[there], minlength=n + 1)
            - np.bincount(moves.last[there] + 1, minlength=n + 1)
        )[:n]
        good = (seen >= ENOUGH) & (risk >= ENOUGH)
        time = moves.time.astype(np.float64)
        return (float(time[good].min()), float(time[good].max())) if good.any() else (np.inf, 0.0)

    def at(self, group: int, times: Floats) -> tuple[Floats, Floats]:
        """Return values and standard errors at times, (K, T) each; NaN where not known."""
        pairs = [chain.at(times) for chain in self.chains[group]]
        return tuple(np.concatenate([pair[i].T for pair in pairs]) for i in range(2))  # type: ignore[return-value]

    def moved(self, kind: int, group: int, times: Floats, cells: Ints) -> Floats:
        """Return the influence of one unit of weight of cells on a group's curve, (cells, T)."""
        chain, state = self._chain(group, kind)
        key = (kind, group, tuple(times.tolist()))
        if key not in self._made:
            self._made[key] = ahead_of_times(chain, times, state)
        found = self._spread(kind, group, cells, self._made[key])
        found[:, ~chain.known(times)] = np.nan
        return found

    def areas(self, horizon: float) -> tuple[Floats, Floats]:
        """Return expected times in the states up to `horizon` and standard errors, (G, K) each."""
        check_horizon(horizon)
        value, error, ends = [], [], []
        for chains in self.chains:
            means, errors = [], []
            for chain in chains:
                known = chain.known_until(horizon)
                mean, variance = time_in_states(chain, horizon)
                means.append(np.where(known, mean, np.nan))
                errors.append(np.where(known, np.sqrt(variance), np.nan))
                ends.append(chain.end)
            value.append(np.concatenate(means))
            error.append(np.concatenate(errors))
        if np.isnan(value).all():
            raise HorizonError(
                f"The horizon {horizon:g} is past the last observed time, {max(ends):g}",
                fix="ask for a horizon within the follow-up",
            )
        return np.stack(value), np.stack(error)

    def area_moved(self, kind: int, group: int, horizon: float, cells: Ints) -> Floats:
        """Return the influence of one unit of cells on the expected time in a state, (cells,)."""
        chain, state = self._chain(group, kind)
        if not chain.known_until(horizon):
            return np.full(len(cells), np.nan)
        key = (kind, group, horizon)
        if key not in self._made:
            self._made[key] = ahead_of_area(chain, horizon)[:, :, [state]]
        return self._spread(kind, group, cells, self._made[key])[:, 0]

    def units(self, cluster: str | None) -> Units:
        """Return persons, or clusters of them; `None` asks for what the standard errors used."""
        cluster = cluster if cluster is not None else self.source.cluster
        histories = self.spells.histories
        if cluster is None:
            unit = np.concatenate([history.person[history.unit] for history in histories])
            weight = np.concatenate(
                [np.sqrt(history.times[history.unit]) * history.own for history in histories]
            )
        else:
            unit = _codes(self.source, cluster)[self.row]
            weight = np.concatenate([history.weight for history in histories])
        order = np.argsort(unit, kind="stable")
        unit = unit[order]
        return Units(
            unit=unit, cell=order, weight=weight[order], cluster=cluster,
            count=int(1 + (unit[1:] != unit[:-1]).sum()),
        )  # fmt: skip

    def own(self, *groups: int) -> NDArray[np.bool_]:
        """Return which cells lie in some groups, (C,)."""
        return np.isin(self.group_of, groups)

    def cell_of_row(self) -> tuple[Ints, Floats]:
        """Return cell (-1 at weight 0) and weight of every row of the data, (N,) each."""
        cell = np.full(self.spells.n_rows, -1)
        cell[self.row] = np.arange(len(self.row))
        weight = np.zeros(self.spells.n_rows)
        weight[self.row] = np.concatenate([history.weight for history in self.spells.histories])
        return cell, weight

    def _chain(self, group: int, kind: int) -> tuple[Chain, int]:
        chains = self.chains[group]
        n_states = chains[0].history.n_states
        return chains[kind // n_states], kind % n_states

    def _spread(self, kind: int, group: int, cells: Ints, ahead: Floats) -> Floats:
        """Return the influence of the cells that are in the chain; 0 for others."""
        chain, _ = self._chain(group, kind)
        rows = self.row[cells]
        there = self.owner[rows] == self.number[group][kind // chain.history.n_states]
        found = np.zeros((len(cells), ahead.shape[2]))
        found[there] = spell_influence(chain, ahead, self.place[rows[there]])
        return found


def chain_curves(
    chains: Sequence[Chain], labels: pl.DataFrame, states: pl.Series, column: str, groups: Groups,
    source: Source,
) -> ChainCurves:  # fmt: skip
    """Return the curves of chains, as many in every group and in the order of the groups."""
    each = len(chains) // len(groups.histories)
    parts = [tuple(chains[i : i + each]) for i in range(0, len(chains), each)]
    kinds: dict[str, pl.Series] = {}
    if column == "to":
        origins = labels["from"].head(each)
        kinds["from"] = origins.gather(np.repeat(np.arange(each), len(states)))
    kinds[column] = states.gather(np.tile(np.arange(len(states)), each)).alias(column)
    numbers: dict[int, int] = {}
    owner, place = np.full((2, groups.n_rows), -1)
    for chain in chains:  # chains of one group may share their history
        row = chain.history.row
        if id(chain.history) not in numbers:
            numbers[id(chain.history)] = len(numbers)
            owner[row] = numbers[id(chain.history)]
            place[row] = np.arange(len(row))
    histories = groups.histories
    return ChainCurves(
        groups=groups.labels,
        by=groups.by,
        kinds=kinds,
        n_kinds=each * len(states),
        rows=np.array([len(history.times) for history in histories], dtype=np.float64),
        totals=np.array([unit_weights(history).sum() for history in histories]),
        start=0.0,
        area_name="expected time",
        independent=groups.split == 0,
        chains=tuple(parts),
        spells=groups,
        source=source,
        row=np.concatenate([history.row for history in histories]),
        group_of=np.repeat(np.arange(len(histories)), [len(history.row) for history in histories]),
        number=tuple(tuple(numbers[id(chain.history)] for chain in part) for part in parts),
        owner=owner,
        place=place,
    )


def unit_weights(history: History) -> Floats:
    """Return the weight of each unit: that of its first spell, (U,)."""
    first = np.append(True, history.unit[1:] != history.unit[:-1])
    weights: Floats = history.weight[first]
    return weights


def _codes(source: Source, cluster: str) -> Ints:
    lazy = to_lazy(source.data)
    require_columns(lazy, cluster)
    column = lazy.select(cluster).collect()
    require_no_nulls(column, cluster)
    return column.to_series().rank("dense").cast(pl.Int64).to_numpy() - 1
