"""From intervals whose inner states are not known to chains of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.markov.door import EXACT, SNAPSHOT, STAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.records import Records

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Steps whose matrices are held in memory at once.
_BLOCK = 50_000


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
    generators : (G,) array
        Distinct generators, rising.
    place, pair_place : (L,) and (K,) arrays
        Where the generator of each step and pair stands among them.
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
    generators: Ints
    place: Ints
    pair_place: Ints
    head: Ints
    end: Ints


def link(
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
    n = weigh(chain, weight, len(kept))
    last = rest[head + length - 1]
    # steps of the chains that are kept
    intervals = rest[_ranges(head[kept], length[kept])]
    sizes = np.add.reduceat(pieces[intervals], firsts(length[kept]))
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
        generator = part_generator[parts[inside]]
        generators, place = np.unique(generator, return_inverse=True)
        pair_place, pair_u, pair = _pairs(place, part_u[parts[inside]])
        blocks.append(
            Chains(
                first=first[at : stop_at + 1] - lo,
                opening=opening[at:stop_at],
                n=n[at:stop_at],
                generator=generator,
                pair=pair,
                u=part_u[parts[inside]],
                observed=observed[inside],
                scheme=how[inside],
                inner=~ends[inside],
                pair_generator=generators[pair_place],
                pair_u=pair_u,
                generators=generators,
                place=place,
                pair_place=pair_place,
                head=heads[at:stop_at],
                end=np.where(ends[inside], records.end[of[inside]], -1),
            )
        )
        at = stop_at
    return tuple(blocks), chain, last


def firsts(pieces: Ints) -> Ints:
    """Return where groups of these sizes start."""
    return np.cumsum(pieces) - pieces


def weigh(number: Ints, weight: Floats, most: int) -> Floats:
    """Return the sum of weights by number, (most,)."""
    return np.asarray(np.bincount(number, weight, minlength=most), dtype=np.float64)


def _ranges(first: Ints, length: Ints) -> Ints:
    """Return first[0] … first[0]+length[0]-1, first[1] …, one after another."""
    total = int(length.sum())
    return np.repeat(first - firsts(length), length) + np.arange(total)


def _pairs(generator: Ints, u: Floats) -> tuple[Ints, Floats, Ints]:
    lengths, code = np.unique(u, return_inverse=True)
    keys, pair = np.unique(generator * len(lengths) + code, return_inverse=True)
    return keys // len(lengths), lengths[keys % len(lengths)], pair
