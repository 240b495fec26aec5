"""The risk sets of a subdistribution, as sums over cells that running sums turn into all of them.

At a moment, an event time t of the cause in a stratum, are at risk: who is still there, with weight
1, and who left by another cause before t, with weight w(t) (see `jumps`). The first are a running
sum back from the last moment; the second one forward, times w of the moment over w of the leaving.
Which cells go where does not depend on coefficients, so it is worked out once, as sparse matrices
from patterns to moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import EstimationError
from toolkit.survival.segments import Steps, add_up, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.fine_gray.jumps import Jumps

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RiskSets:
    """M moments, sorted by stratum and time; L rows of weights; C cells; P patterns.

    Attributes
    ----------
    stratum, time : (M,) arrays
    first : (S + 1,) array
        First moment of each stratum.
    n_event, units : (M,) arrays
        Events of the cause: weighted, and how many units had them (rows for sampling weights).
    last, come : (C,) arrays
        Last moment at or before a cell's exit and entry; below the stratum's first: none.
    own : (C,) array
        Whether the cell is of the cause.
    moment, run, weight : (L,) arrays
        A row for each pair of stratum and censoring group and each moment of the stratum: the
        moment, w there, and a number that changes where nothing is carried on.
    carried : (K,) array
        Cells that left by another cause and count at a later moment.
    place, share : (K,) arrays
        First row at which they count, and 1 / w at their leaving.
    jump_group : (runs,) array
        Censoring group of each run.
    still, gone, events : sparse (M, P), (L, P), (M, P)
        Weights of the cells by place and pattern: exits less entries, who left by another cause
        (times `share`), events of the cause.
    events_of_pattern : (P,) array
    """

    stratum: Ints
    time: NDArray[Any]
    first: Ints
    n_event: Floats
    units: Floats
    last: Ints
    come: Ints
    own: NDArray[np.bool_]
    moment: Ints
    run: Ints
    weight: Floats
    carried: Ints
    place: Ints
    share: Floats
    jump_group: Ints
    still: Any = field(repr=False)
    gone: Any = field(repr=False)
    events: Any = field(repr=False)
    events_of_pattern: Floats = field(repr=False)

    def sums(self, values: Floats) -> Floats:
        """Return the weighted sums over the risk sets of values per pattern: (P, q) to (M, q)."""
        there = running_sum(np.asarray(self.still @ values), self.stratum, reverse=True)
        if len(self.carried):
            left = running_sum(np.asarray(self.gone @ values), self.run) * self.weight[:, None]
            there += add_up(left, self.moment, len(self.time))
        return there

    def exposure(self, hazard: Floats) -> Floats:
        """Return Σ over a pattern's cells of n Σ_t w(t) hazard(t), (P,), of (M,) hazards."""
        total = running_sum(hazard, self.stratum)
        spent: Floats = self.still.T @ total
        if len(self.carried):
            spent += self.gone.T @ self.to_come(hazard[:, None])[:, 0]
        return spent

    def to_come(self, hazard: Floats) -> Floats:
        """Return Σ w(t) hazard(t) from each row of weights to the end of its run, (L, q)."""
        return running_sum(self.weight[:, None] * hazard[self.moment], self.run, reverse=True)


def lay_out(design: Design, cause: int, jumps: Jumps, group: Ints) -> RiskSets:
    """Find the moments, and the place of every cell among them.

    Raises
    ------
    toolkit.errors.EstimationError
        When a weight does not exist: with left truncation, when nobody is at risk for a while.
    """
    from scipy.sparse import csr_array

    stratum_of = design.stratum[design.pattern]
    own = design.event == cause
    stratum, time = _distinct(stratum_of[own], design.time[own])
    n_moment, n_pattern = len(time), len(design.x)
    first = np.searchsorted(stratum, np.arange(design.strata.height + 1))
    steps = Steps(stratum, time)
    last = steps.last(stratum_of, design.time)
    start = first[stratum_of]
    come = start - 1 if design.entry is None else steps.last(stratum_of, design.entry)

    # rows of weights: a pair of stratum and censoring group has all moments of the stratum
    other = (design.event > 0) & ~own
    carried = np.flatnonzero(other & (last + 1 < first[stratum_of + 1]))
    n_group = int(group.max()) + 1
    pair, pair_of = np.unique(stratum_of[carried] * n_group + group[carried], return_inverse=True)
    length = np.diff(first)[pair // n_group]
    base = np.concatenate([[0], np.cumsum(length)])
    which = np.repeat(np.arange(len(pair)), length)
    moment = np.arange(base[-1]) - base[which] + first[(pair // n_group)[which]]
    level, fresh, behind = jumps.before((pair % n_group)[which], time[moment])
    new = np.ones(len(moment), dtype=bool)
    new[1:] = (which[1:] != which[:-1]) | (fresh[1:] != fresh[:-1])
    run = np.cumsum(new) - 1

    left, left_fresh, left_behind = jumps.before(group[carried], design.time[carried])
    place = base[pair_of] + last[carried] + 1 - start[carried]
    kept = fresh[place] == left_fresh
    end = base[pair_of + 1] - 1
    if (kept & (behind[end] != left_behind)).any():
        raise EstimationError(
            "Nobody is at risk for a while before later entries, so that it is not known how many "
            f"of those who left by another cause before that would have entered later: {kept.sum()}"
            " cells",
            fix="start the analysis later, where entry is set to a time from which on somebody is "
            "always at risk",
        )
    carried, place = carried[kept], place[kept]
    share = np.exp(-left[kept])

    def spread(n: Floats, row: Ints, cells: Ints, rows: int) -> Any:
        return csr_array((n, (row, design.pattern[cells])), shape=(rows, n_pattern))

    stay = np.flatnonzero(last >= start)
    late = np.flatnonzero(come >= start)
    both = np.concatenate([stay, late])
    events = np.flatnonzero(own)
    return RiskSets(
        stratum=stratum,
        time=time,
        first=first,
        n_event=add_up(design.n[own], last[own], n_moment),
        units=add_up((design.rows if design.sampling else design.n)[own], last[own], n_moment),
        last=last,
        come=come,
        own=own,
        moment=moment,
        run=run,
        weight=np.exp(level),
        carried=carried,
        place=place,
        share=share,
        jump_group=(pair % n_group)[which[new]] if len(which) else pair,
        still=spread(
            np.concatenate([design.n[stay], -design.n[late]]),
            np.concatenate([last[stay], come[late]]), both, n_moment,
        ),
        gone=spread(design.n[carried] * share, place, carried, len(moment)),
        events=spread(design.n[events], last[events], events, n_moment),
        events_of_pattern=add_up(design.n[events], design.pattern[events], n_pattern),
    )  # fmt: skip


def _distinct(stratum: Ints, time: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    order = np.lexsort((time, stratum))
    stratum, time = stratum[order], time[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (stratum[1:] != stratum[:-1]) | (time[1:] != time[:-1])
    return stratum[new], time[new]
