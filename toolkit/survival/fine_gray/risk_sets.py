"""The risk sets of a subdistribution, as sums over cells that running sums turn into all of them.

At a moment, an event time t of the cause in a stratum, are at risk: who is still there, with weight
1, and who left by another cause before t, with weight w(t) (see `jumps`). The first are a running
sum back from the last moment; the second one forward, times w of the moment over w of the leaving.
Which cells go where does not depend on coefficients, so it is worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """M moments, sorted by stratum and time; L rows of weights; C cells.

    Attributes
    ----------
    stratum, time, start : (M,) arrays
        The moments, and the first moment of their stratum.
    n_event, units : (M,) arrays
        Events of the cause: weighted, and how many units had them (rows for sampling weights).
    last : (C,) array
        Last moment at or before a cell's exit, -1 if there is none in its stratum.
    come : (C,) array
        The same of its entry; of length 0 without left truncation.
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
    """

    stratum: Ints
    time: NDArray[Any]
    start: Ints
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
    stratum_of = design.stratum[design.pattern]
    own = design.event == cause
    stratum, time = _distinct(stratum_of[own], design.time[own])
    first = np.searchsorted(stratum, np.arange(design.strata.height + 1))
    steps = Steps(stratum, time)
    last = steps.last(stratum_of, design.time)
    start = first[stratum_of]
    come = last[:0] if design.entry is None else steps.last(stratum_of, design.entry)

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

    return RiskSets(
        stratum=stratum,
        time=time,
        start=first[stratum],
        n_event=add_up(design.n[own], last[own], len(time)),
        units=add_up((design.rows if design.sampling else design.n)[own], last[own], len(time)),
        last=np.where(last >= start, last, -1),
        come=np.where(come >= start, come, -1) if len(come) else come,
        own=own,
        moment=moment,
        run=run,
        weight=np.exp(level),
        carried=carried,
        place=place,
        share=share,
        jump_group=(pair % n_group)[which[new]] if len(which) else pair,
    )


def _distinct(stratum: Ints, time: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    order = np.lexsort((time, stratum))
    stratum, time = stratum[order], time[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (stratum[1:] != stratum[:-1]) | (time[1:] != time[:-1])
    return stratum[new], time[new]
