"""From intervals to what the likelihood is summed over: cells, sums of exact moves, and chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.markov.records import ARRIVAL, EXACT, SNAPSHOT, STAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.records import Records

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Steps whose matrices are held in memory at once.
_BLOCK = 100_000


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
class Chains:
    """Steps between observations of which some do not tell the state: C chains, L steps, K pairs.

    Attributes
    ----------
    first : (C + 1,) array
        Where the steps of each chain start.
    opening : (C,) array
        Number of the observation that it starts from.
    n : (C,) array
    generator, pair, u, observed, scheme : (L,) arrays
    inner : (L,) array
        Whether the step ends where only the period changes.
    pair_generator, pair_u : (K,) arrays
        Distinct generator and interval of steps.
    head : (C,) array
        Observation (of the records) that each chain starts from.
    end : (L,) array
        Observation that the step ends with; -1 for inner steps.
    """

    first: Ints
    opening: Ints
    n: Floats
    generator: Ints
    pair: Ints
    u: Floats
    observed: Ints
    scheme: Ints
    inner: Bools
    pair_generator: Ints
    pair_u: Floats
    head: Ints
    end: Ints


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
            np.flatnonzero(plain), part_generator[_firsts(pieces)[plain]],
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
        blocks, chain, last = _link(
            records, rest, opens, known, start_time, end_time, scheme,
            part_interval, part_generator, part_u, final, _firsts(pieces), pieces,
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


def _firsts(pieces: Ints) -> Ints:
    return np.cumsum(pieces) - pieces


def _cut(
    interval: Ints, low: Ints, pieces: Ints, start: Floats, end: Floats, breaks: Floats
) -> tuple[Ints, Ints, Floats, Bools]:
    """Cut intervals at the breaks: interval, period and length of each piece; which is the last."""
    if (pieces == 1).all():
        return interval, low, end - start, np.ones(len(interval), dtype=bool)
    which = np.repeat(interval, pieces)
    place = np.arange(len(which)) - np.repeat(_firsts(pieces), pieces)
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
        n=_weigh(cell, weight, len(keys)),
        interval=interval, cell=cell,
    )  # fmt: skip


def _add_up(
    interval: Ints, generator: Ints, origin: Ints, target: Ints, u: Floats, weight: Floats,
    n_generator: int, size: int,
) -> Sums:  # fmt: skip
    at = generator * size + origin
    stayed = _weigh(at, weight * u, n_generator * size)
    jump = (target >= 0) & (target != origin)
    moved = _weigh(at[jump] * size + target[jump], weight[jump], n_generator * size * size)
    return Sums(
        moved=moved.reshape(n_generator, size, size), stayed=stayed.reshape(n_generator, size),
        interval=interval, generator=generator, origin=origin,
        target=np.where(jump, target, -1), u=u,
    )  # fmt: skip


def _link(
    records: Records, rest: Ints, opens: Bools, known: Bools, start: Floats, stop: Floats,
    scheme: Ints, part_interval: Ints, part_generator: Ints, part_u: Floats, final: Bools,
    part_first: Ints, pieces: Ints,
) -> tuple[tuple[Chains, ...], Ints, Ints]:  # fmt: skip
    """Link intervals whose inner states are not known to chains; take equal ones together."""
    head = np.flatnonzero(opens[rest])  # in `rest`, of each chain
    length = np.diff(np.append(head, len(rest)))
    weight = records.weight[records.end[rest[head]]]
    kept, chain = np.arange(len(head)), np.arange(len(head))
    alone = known[rest[head]]  # one interval between known states, over a break
    if alone.any():
        first = rest[head[alone]]
        same = np.stack(
            [
                records.pattern[first], start[first], stop[first], scheme[first],
                records.observed[records.end[first] - 1], records.observed[records.end[first]],
            ],
            axis=1,
        )  # fmt: skip
        _, one, back = np.unique(same, axis=0, return_index=True, return_inverse=True)
        chain[alone] = np.flatnonzero(alone)[one][back.ravel()]
        kept, chain = np.unique(chain, return_inverse=True)
    n = _weigh(chain, weight, len(kept))
    last = rest[head + length - 1]
    # steps of the chains that are kept
    intervals = rest[_ranges(head[kept], length[kept])]
    sizes = np.add.reduceat(pieces[intervals], _firsts(length[kept]))
    parts = _ranges(part_first[intervals], pieces[intervals])
    of = part_interval[parts]
    ends = final[parts]
    observed = np.where(ends, records.observed[records.end[of]], records.structure.nothing)
    how = np.where(ends, scheme[of], np.where(scheme[of] == EXACT, STAY, SNAPSHOT))
    heads = records.end[rest[head[kept]]] - 1
    opening = records.observed[heads]
    first = np.concatenate([[0], np.cumsum(sizes)])
    blocks = []
    at = 0
    while at < len(kept):
        stop_at = max(int(np.searchsorted(first, first[at] + _BLOCK, side="right")) - 1, at + 1)
        lo, hi = first[at], first[stop_at]
        inside = slice(lo, hi)
        pair_generator, pair_u, pair = _pairs(part_generator[parts[inside]], part_u[parts[inside]])
        blocks.append(
            Chains(
                first=first[at : stop_at + 1] - lo,
                opening=opening[at:stop_at],
                n=n[at:stop_at],
                generator=part_generator[parts[inside]],
                pair=pair,
                u=part_u[parts[inside]],
                observed=observed[inside],
                scheme=how[inside],
                inner=~ends[inside],
                pair_generator=pair_generator,
                pair_u=pair_u,
                head=heads[at:stop_at],
                end=np.where(ends[inside], records.end[of[inside]], -1),
            )
        )
        at = stop_at
    return tuple(blocks), chain, last


def _weigh(number: Ints, weight: Floats, most: int) -> Floats:
    """Return the sum of weights by number, (most,)."""
    return np.asarray(np.bincount(number, weight, minlength=most), dtype=np.float64)


def _ranges(first: Ints, length: Ints) -> Ints:
    """Return first[0] … first[0]+length[0]-1, first[1] …, one after another."""
    total = int(length.sum())
    return np.repeat(first - _firsts(length), length) + np.arange(total)


def _pairs(generator: Ints, u: Floats) -> tuple[Ints, Floats, Ints]:
    lengths, code = np.unique(u, return_inverse=True)
    keys, pair = np.unique(generator * len(lengths) + code, return_inverse=True)
    return keys // len(lengths), lengths[keys % len(lengths)], pair
