"""Compiled counts of pairs, by a tree of partial sums over the ranks (Fenwick 1994)."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)
def _add(tree: Any, rank: int, ranks: int, weight: float) -> None:
    i = rank + 1
    while i <= ranks:
        tree[i] += weight
        i += i & -i


@nb.njit(cache=True, nogil=True)
def _below(tree: Any, rank: int) -> float:
    """Return the weight of ranks lower than `rank`."""
    i, total = rank, 0.0
    while i > 0:
        total += tree[i]
        i -= i & -i
    return total


@nb.njit(cache=True, nogil=True)
def compare_with_staying(
    rank: Any,
    ranks: Any,
    n: Any,
    first: Any,
    events: Any,
    leaving: Any,
    entering: Any,
    out: Any,
) -> None:
    """Write, for cells with the event, the weight of those who stay with lower, higher, same risk.

    `ranks` is how many ranks the stratum of a time has. Event times run backwards; `leaving`
    brings a cell in at the last time it stays, `entering` takes it out at the last time before
    its entry. Each is (cells by row, start of each row).
    """
    tree, same = np.zeros(ranks.max() + 1), np.zeros(ranks.max())
    total = 0.0
    for t in range(len(first) - 1, -1, -1):
        if t < len(first) - 1 and first[t + 1] != first[t]:  # another stratum
            tree[: ranks[t] + 1] = 0.0
            same[: ranks[t]] = 0.0
            total = 0.0
        for k in range(leaving[1][t], leaving[1][t + 1]):
            c = leaving[0][k]
            _add(tree, rank[c], ranks[t], n[c])
            same[rank[c]] += n[c]
            total += n[c]
        for k in range(entering[1][t], entering[1][t + 1]):
            c = entering[0][k]
            _add(tree, rank[c], ranks[t], -n[c])
            same[rank[c]] -= n[c]
            total -= n[c]
        for k in range(events[1][t], events[1][t + 1]):
            c = events[0][k]
            low, equal = _below(tree, rank[c]), same[rank[c]]
            out[c, 0] += low
            out[c, 1] += total - low - equal
            out[c, 2] += equal


@nb.njit(cache=True, nogil=True)
def compare_with_events(
    rank: Any,
    ranks: Any,
    n: Any,
    first: Any,
    event: Any,
    leaving: Any,
    entering: Any,
    out: Any,
) -> None:
    """Write, for each cell, the weight of events while it stays with higher, lower, same risk.

    Event times run forwards. At the end of a cell all events since the start of the stratum are
    counted (but for those of its own event's time), and those before its entry taken off.
    """
    tree, same = np.zeros(ranks.max() + 1), np.zeros(ranks.max())
    total = 0.0
    for t in range(len(first)):
        if first[t] == t:  # another stratum
            tree[: ranks[t] + 1] = 0.0
            same[: ranks[t]] = 0.0
            total = 0.0
        for own in range(2):  # cells with the event at t look before its events are counted
            for k in range(leaving[1][t], leaving[1][t + 1]):
                c = leaving[0][k]
                if event[c] == (own == 0):
                    low, equal = _below(tree, rank[c]), same[rank[c]]
                    out[c, 0] += total - low - equal
                    out[c, 1] += low
                    out[c, 2] += equal
            if own == 0:
                for k in range(leaving[1][t], leaving[1][t + 1]):
                    c = leaving[0][k]
                    if event[c]:
                        _add(tree, rank[c], ranks[t], n[c])
                        same[rank[c]] += n[c]
                        total += n[c]
        for k in range(entering[1][t], entering[1][t + 1]):
            c = entering[0][k]
            low, equal = _below(tree, rank[c]), same[rank[c]]
            out[c, 0] -= total - low - equal
            out[c, 1] -= low
            out[c, 2] -= equal
