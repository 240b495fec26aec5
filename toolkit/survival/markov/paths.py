"""From intervals to what the likelihood is summed over: cells, sums of exact moves, and chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.markov.door import ARRIVAL, EXACT
from toolkit.survival.markov.links import Chains, firsts, link, weigh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.records import Records

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Equal intervals between two known states: C cells, by generator and interval.

    Attributes
    ----------
    first : (I + 1,) array
        Where the cells of each generator start.
    origin, target, arrival, u, n : (C,) arrays
        `n` is the sum of the weights.
    interval, cell : arrays
        The intervals that were counted, and the cell of each.
    """

    first: Ints
    generator: Ints
    origin: Ints
    target: Ints
    arrival: Bools
    u: Floats
    n: Floats
    interval: Ints
    cell: Ints


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Moves whose moment is known, and the time at risk of them, per generator.

    Attributes
    ----------
    moved : (I, S, S) array
    stayed : (I, S) array
        Time spent in each state.
    interval, generator, origin, target, u : (L,) arrays
        Of each piece of an interval; `target` is -1 where it only goes by.
    """

    moved: Floats
    stayed: Floats
    interval: Ints
    generator: Ints
    origin: Ints
    target: Ints
    u: Floats


@dataclass(frozen=True, kw_only=True)
class Paths:
    """All that is summed over, and the I generators in force: pattern and period of each.

    Attributes
    ----------
    pattern, period : (I,) arrays
    cells, sums
        None where there are none.
    blocks : tuple of Chains
    chain, last : arrays
        Of every chain before equal ones were taken together: its number among those that are
        summed (over all blocks), and the interval that ends it.
    """

    pattern: Ints
    period: Ints
    cells: Cells | None
    sums: Sums | None
    blocks: tuple[Chains, ...]
    chain: Ints
    last: Ints


def make_paths(records: Records, breaks: Floats) -> Paths:
    """Sort intervals by what is known of them.

    Parameters
    ----------
    breaks : (B,) array
        Times at which the intensities change, rising.
    """
    structure = records.structure
    end = records.end
    start_time, end_time = records.time[end - 1], records.time[end]
    before, after = records.observed[end - 1], records.observed[end]
    scheme = records.scheme[end]
    low = np.searchsorted(breaks, start_time, side="right")
    pieces = np.searchsorted(breaks, end_time, side="left") - low + 1
    size = structure.n_state
    known = (before < size) & (after < size) & (not structure.hidden)
    exact = known & (scheme == EXACT)
    plain = known & ~exact & (pieces == 1)
    rest = np.flatnonzero(~exact & ~plain)

    generators = _Generators(len(breaks) + 1)
    part_interval, part_period, part_u, final = _cut(
        np.arange(len(end)), low, pieces, start_time, end_time, breaks
    )
    part_generator = generators.number(records.pattern[part_interval], part_period)
    pattern, period = generators.known()

    cells = sums = None
    if plain.any():
        cells = _count(
            np.flatnonzero(plain), part_generator[firsts(pieces)[plain]],
            records, before, after, scheme == ARRIVAL, end_time - start_time, len(pattern),
        )  # fmt: skip
    if exact.any():
        inside = exact[part_interval]
        chosen = part_interval[inside]
        sums = _add_up(
            chosen, part_generator[inside], before[chosen],
            np.where(final[inside], after[chosen], -1), part_u[inside],
            records.weight[end][chosen], len(pattern), size,
        )  # fmt: skip
    blocks: tuple[Chains, ...] = ()
    chain, last = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if len(rest):
        opens = np.empty(len(end), dtype=bool)
        opens[0] = True
        opens[1:] = records.person[end[1:]] != records.person[end[:-1]]
        if not structure.hidden:
            opens |= before < size
        blocks, chain, last = link(
            records, rest, opens, known, start_time, end_time, scheme,
            part_interval, part_generator, part_u, final, firsts(pieces), pieces,
        )  # fmt: skip
    return Paths(pattern=pattern, period=period, cells=cells, sums=sums, blocks=blocks,
                 chain=chain, last=last)  # fmt: skip


class _Generators:
    """Numbers for the (pattern, period) that occur."""

    def __init__(self, periods: int) -> None:
        self._periods = periods
        self._keys: Ints = np.zeros(0, np.int64)

    def number(self, pattern: Ints, period: Ints) -> Ints:
        self._keys, numbers = np.unique(pattern * self._periods + period, return_inverse=True)
        return np.asarray(numbers, dtype=np.int64)

    def known(self) -> tuple[Ints, Ints]:
        return self._keys // self._periods, self._keys % self._periods


def _cut(
    interval: Ints, low: Ints, pieces: Ints, start: Floats, end: Floats, breaks: Floats
) -> tuple[Ints, Ints, Floats, Bools]:
    """Cut intervals at the breaks: interval, period and length of each piece; which is the last."""
    if (pieces == 1).all():
        return interval, low, end - start, np.ones(len(interval), dtype=bool)
    which = np.repeat(interval, pieces)
    place = np.arange(len(which)) - np.repeat(firsts(pieces), pieces)
    period = low[which] + place
    final = place == pieces[which] - 1
    edges = np.concatenate([[-np.inf], breaks, [np.inf]])
    u = np.where(final, end[which], edges[period + 1]) - np.where(
        place == 0, start[which], edges[period]
    )
    return which, period, u, final


def _count(
    interval: Ints, generator: Ints, records: Records, before: Ints, after: Ints,
    arrival: Bools, length: Floats, n_generator: int,
) -> Cells:  # fmt: skip
    size = records.structure.n_state
    lengths, code = np.unique(length[interval], return_inverse=True)
    key = (generator * len(lengths) + code) * (2 * size * size)
    key += (before[interval] * size + after[interval]) * 2 + arrival[interval]
    keys, cell = np.unique(key, return_inverse=True)
    weight = records.weight[records.end[interval]]
    place = keys // (2 * size * size)
    inside = keys % (2 * size * size)
    of = place // len(lengths)
    return Cells(
        first=np.searchsorted(of, np.arange(n_generator + 1)),
        generator=of,
        origin=inside // 2 // size, target=inside // 2 % size, arrival=inside % 2 == 1,
        u=lengths[place % len(lengths)],
        n=weigh(cell, weight, len(keys)),
        interval=interval, cell=cell,
    )  # fmt: skip


def _add_up(
    interval: Ints, generator: Ints, origin: Ints, target: Ints, u: Floats, weight: Floats,
    n_generator: int, size: int,
) -> Sums:  # fmt: skip
    at = generator * size + origin
    stayed = weigh(at, weight * u, n_generator * size)
    jump = (target >= 0) & (target != origin)
    moved = weigh(at[jump] * size + target[jump], weight[jump], n_generator * size * size)
    return Sums(
        moved=moved.reshape(n_generator, size, size), stayed=stayed.reshape(n_generator, size),
        interval=interval, generator=generator, origin=origin,
        target=np.where(jump, target, -1), u=u,
    )  # fmt: skip
