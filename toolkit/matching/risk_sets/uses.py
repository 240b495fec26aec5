"""Pairs → uses: one row a person and reference month, with the weight it has in the comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.matching.risk_sets.place import list_months

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.risk_sets.months import Pairs
    from toolkit.matching.risk_sets.runs import Bools, Floats, Ints, Runs

#: At most this many rows of a month are all kept, whatever share is asked.
_FEW = 200
#: Turns the seed of the matching into that of the background.
_OTHER = 0x5DEECE66D


@dataclass(frozen=True, kw_only=True)
class Uses:
    """N rows: those in the comparison, starters without control, and others at risk.

    Attributes
    ----------
    run, month : (N,) arrays
    treated : (N,) array of bool
    weight : (N,) array
        In the comparison: of a treated their own; of a control the sum over those they stand for
        of the treated's weight over the number of its controls. 0 = not in.
    sampling : (N,) array
        How many rows at risk each stands for.
    subclass : (N,) array or None
        Number of the starter matched to, from 0; -1 = none. None with replacement.
    pair_treated, pair_control : (P,) arrays
        Rows, from 0, of the two of each pair.
    """

    run: Ints = field(repr=False)
    month: Ints = field(repr=False)
    treated: Bools = field(repr=False)
    weight: Floats = field(repr=False)
    sampling: Floats = field(repr=False)
    subclass: Ints | None = field(repr=False)
    pair_treated: Ints = field(repr=False)
    pair_control: Ints = field(repr=False)


def make_uses(
    runs: Runs, pairs: Pairs, months: Sequence[int], *, replace: bool, background: int, seed: int
) -> Uses:
    """Return the uses, sorted by month, treated first, and person; then the background.

    Parameters
    ----------
    background : int
        About how many rows at risk that are not used to keep beside them, drawn by lot within
        months: what `balance` compares with as the state before matching.
    """
    size = np.int64(len(runs))
    # a row is a run in a month: starters and controls of a month are never the same
    key = pairs.month * size + pairs.control
    control, place = np.unique(key, return_inverse=True)
    sought = pairs.sought_month * size + pairs.sought
    order = np.argsort(sought, kind="stable")
    sought = sought[order]
    reason = pairs.reason[order]
    starter_at = np.searchsorted(sought, pairs.month * size + pairs.starter)
    n_controls = np.bincount(starter_at, minlength=len(sought))
    own = runs.weight_of(sought % size)
    share = own[starter_at] / n_controls[starter_at]
    weight_control = np.bincount(place, share, minlength=len(control))
    rest, rest_stands = _background(runs, months, control, background, seed)
    run = np.concatenate([sought % size, control % size, rest % size])
    month = np.concatenate([sought // size, control // size, rest // size])
    treated = np.arange(len(run)) < len(sought)
    weight = np.concatenate([np.where(reason < 0, own, 0.0), weight_control, np.zeros(len(rest))])
    stands = np.concatenate([np.ones(len(sought) + len(control)), rest_stands])
    number = np.cumsum(reason < 0) - 1
    subclass = None
    if not replace:
        subclass = np.full(len(run), -1, dtype=np.int64)
        subclass[: len(sought)] = np.where(reason < 0, number, -1)
        subclass[len(sought) + place] = number[starter_at]
    behind = np.arange(len(run)) >= len(sought) + len(control)
    sort = np.lexsort((run, ~treated, month, behind))
    back = np.empty_like(sort)
    back[sort] = np.arange(len(sort))
    return Uses(
        run=run[sort], month=month[sort], treated=treated[sort], weight=weight[sort],
        sampling=(stands * runs.weight_of(run))[sort],
        subclass=None if subclass is None else subclass[sort],
        pair_treated=back[starter_at], pair_control=back[len(sought) + place],
    )  # fmt: skip


def _background(
    runs: Runs, months: Sequence[int], control: Ints, most: int, seed: int
) -> tuple[Ints, Floats]:
    """Return rows at risk that neither start nor serve, and how many each stands for."""
    from toolkit.matching.risk_sets.lots_kernel import lot, lots

    none = np.zeros(0, dtype=np.int64), np.zeros(0)
    size = np.int64(len(runs))
    risk = runs.at_risk - runs.starters
    total = int(sum(risk[month - runs.low] for month in months))
    if most <= 0 or total == 0:
        return none
    share = min(1.0, most / total)
    rows, stands = [none[0]], [none[1]]
    lists = list_months(runs, months)
    other = np.ones(len(runs), dtype=bool)
    for month in months:
        low, high = np.searchsorted(control, [month * size, (month + 1) * size])
        serves = control[low:high] - month * size
        other[serves] = False
        at = lists.of(month)
        at = at[other[at] & ~(runs.starts[at] & (runs.last[at] == month))].astype(np.int64)
        other[serves] = True
        n = len(at)
        wanted = max(share, min(_FEW / n, 1.0)) if n else 1.0
        if wanted < 1:
            now = np.uint64(lot(np.uint64(seed ^ _OTHER), np.uint64(month - runs.low)))
            at = at[lots(now, at) < np.uint64(wanted * 2.0**64)]
        rows.append(month * size + at)
        stands.append(np.full(len(at), n / max(len(at), 1)))
    return np.concatenate(rows), np.concatenate(stands)
