"""Compiled counts of pairs, by trees of partial sums over the event times (Fenwick 1994)."""

from __future__ import annotations

from typing import Any

import numba as nb


@nb.njit(cache=True, nogil=True)
def _add(tree: Any, at: int, size: int, weight: float) -> None:
    """Add a weight at place `at`, 0 … size-1."""
    i = at + 1
    while i <= size:
        tree[i] += weight
        i += i & -i


@nb.njit(cache=True, nogil=True)
def _up_to(tree: Any, at: int) -> float:
    """Return the weight at places 0 … at; none for at = -1."""
    i, total = at + 1, 0.0
    while i > 0:
        total += tree[i]
        i -= i & -i
    return total


@nb.njit(cache=True, nogil=True)
def count_pairs(
    order: Any, group: Any, n: Any, last: Any, stays: Any, before: Any, event: Any,
    first: Any, size: Any, staying: Any, events: Any,
    trees: Any, work: Any, out: Any,
) -> None:  # fmt: skip
    """Write the weight of the pairs each cell is in: concordant, discordant, tied in risk, (C, 3).

    Cells come by stratum and rising risk: `order`, and where each group of equal risk starts in
    it, `group`. Trees over the times of the stratum hold those of lower risk: events at their
    time; who is at risk but does not have the event, from the last time they `stays` back to the
    last one `before` their entry (-1: neither). `staying`, (T,), is the weight of all who do, and
    `events`, (T,), the running sum of all events; `first` and `size`, (T,), the stratum's times.
    `trees`, (2, one more than the most times of a stratum), and `work`, (size of the largest
    group, 2), are room to work in.
    """
    happened, there, lower = trees[0], trees[1], work
    net = 0.0
    layer = -1
    for g in range(len(group) - 1):
        low, high = group[g], group[g + 1]
        f = first[last[order[low]]]
        m = size[f]
        if f != layer:
            layer, net = f, 0.0
            for i in range(m + 1):
                happened[i], there[i] = 0.0, 0.0
        for turn in range(2):
            for k in range(low, high):
                c = order[k]
                if event[c]:  # those of lower risk (and, second, of equal risk) who outlive it
                    below = net - _up_to(there, last[c] - f - 1)
                    if turn == 0:
                        out[c, 0] += below
                        lower[k - low, 0] = below
                    else:
                        out[c, 1] += staying[last[c]] - below
                        out[c, 2] += below - lower[k - low, 0]
                if stays[c] >= 0:  # events of lower (and of equal) risk while it stays
                    below = _up_to(happened, stays[c] - f)
                    every = events[stays[c]]
                    if before[c] >= 0:
                        below -= _up_to(happened, before[c] - f)
                        every -= events[before[c]]
                    if turn == 0:
                        out[c, 1] += below
                        lower[k - low, 1] = below
                    else:
                        out[c, 0] += every - below
                        out[c, 2] += below - lower[k - low, 1]
            if turn == 0:
                for k in range(low, high):
                    c = order[k]
                    if event[c]:
                        _add(happened, last[c] - f, m, n[c])
                    if stays[c] >= 0:
                        _add(there, stays[c] - f, m, n[c])
                        net += n[c]
                        if before[c] >= 0:
                            _add(there, before[c] - f, m, -n[c])
                            net -= n[c]
