"""The best shallow tree, found exactly: sums of scores over cells of two variables say it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A leaf with an action, or a split: rows whose bin of a variable is ≤ `bin` go left."""

    action: int = -1
    variable: int = -1
    bin: int = -1
    left: Node | None = field(default=None)
    right: Node | None = field(default=None)

    @property
    def is_leaf(self) -> bool:
        """Whether it ends here."""
        return self.left is None


def search(
    bins: Ints, n_bin: Ints, gains: Floats, depth: int, min_leaf: float, mass: Floats
) -> Node:
    """Return the tree of at most `depth` splits in a row that has the largest sum of gains.

    Parameters
    ----------
    bins : (N, p) array of int
        In which bin of each variable a row is, 0 … n_bin - 1, in the order of its values.
    gains : (N, A) array
        What each action is worth for each row, times its weight.
    min_leaf : float
        Least mass of a leaf.
    mass : (N,) array

    Notes
    -----
    Exact over all trees whose thresholds lie between bins. A tree of depth 2 with first split on
    (j, b) is worth, on each side, the best over (k, c) of the sums over {x_j ≤ b, x_k ≤ c}: prefix
    sums of a table of sums by the bins of two variables. Tables are made in one pass, in work
    N p² A / 2 instead of the N² p² A of trying all thresholds; depth 3 moves rows from right to
    left bin by bin and does so p times. Of trees that are worth the same the one with fewer splits
    is taken, then the first variable and lowest threshold.
    """
    if depth == 0 or bins.shape[1] == 0:
        return Node(action=int(np.argmax(gains.sum(axis=0))))
    width = int(n_bin.max())
    values = np.ascontiguousarray(np.column_stack([gains, mass]))
    bins = np.ascontiguousarray(bins.astype(np.int64))
    if depth == 1:
        single = _run("single")(bins, values, width)
        return _of_depth_1(single, n_bin, min_leaf)[1]
    if depth == 2:
        table = _run("pairs")(bins, values, width, np.arange(len(bins)))
        return _of_depth_2(table, n_bin, min_leaf)[1]
    return _of_depth_3(bins, values, n_bin, width, min_leaf)


def follow(node: Node, bins: Ints) -> Ints:
    """Return the action of each row, (N,)."""
    if node.is_leaf or node.left is None or node.right is None:
        return np.full(len(bins), node.action)
    left = bins[:, node.variable] <= node.bin
    return np.where(left, follow(node.left, bins), follow(node.right, bins))


def _leaf(sums: Floats) -> tuple[float, Node]:
    action = int(np.argmax(sums))
    return float(sums[action]), Node(action=action)


def _of_depth_1(single: Floats, n_bin: Ints, min_leaf: float) -> tuple[float, Node]:
    """Return the best tree of one split; `single` is (p, B, A + 1), sums by bin."""
    total = single[0].sum(axis=0)
    best, node = _leaf(total[:-1])
    edge = best + _rounding(total)
    for j in range(len(n_bin)):
        left = np.cumsum(single[j], axis=0)[: n_bin[j] - 1]
        right = total - left
        worth = left[:, :-1].max(axis=1, initial=-np.inf) + right[:, :-1].max(
            axis=1, initial=-np.inf
        )
        worth = np.where((left[:, -1] >= min_leaf) & (right[:, -1] >= min_leaf), worth, -np.inf)
        if len(worth) and worth.max() > edge:
            b = int(np.argmax(worth))
            best, edge = float(worth[b]), float(worth[b]) + _rounding(total)
            node = Node(variable=j, bin=b, left=_leaf(left[b, :-1])[1],
                        right=_leaf(right[b, :-1])[1])  # fmt: skip
    return best, node


def _of_depth_2(table: Floats, n_bin: Ints, min_leaf: float) -> tuple[float, Node]:
    """Return the best tree of depth 2; `table` is (p, p, B, B, A + 1), sums by two bins."""
    p = len(n_bin)
    # of one variable: the sums over the bins of any other
    single = np.stack([table[j, (j + 1) % p if p > 1 else j].sum(axis=1) for j in range(p)])
    total = single[0].sum(axis=0)
    best, node = _of_depth_1(single, n_bin, min_leaf)
    edge = best + _rounding(total)
    for j in range(p):
        worth = _run("sides")(table[j], n_bin, j, min_leaf)
        for b in range(n_bin[j] - 1):
            if worth[b] > edge:
                sides = []
                for rows in (slice(0, b + 1), slice(b + 1, None)):
                    part = table[j][:, rows].sum(axis=1)
                    sides.append(_of_depth_1(part, n_bin, min_leaf))
                best = sides[0][0] + sides[1][0]
                edge = best + _rounding(total)
                node = Node(variable=j, bin=b, left=sides[0][1], right=sides[1][1])
    return best, node


def _of_depth_3(bins: Ints, values: Floats, n_bin: Ints, width: int, min_leaf: float) -> Node:
    """Return the best tree of depth 3: rows move to the left side bin by bin."""
    whole = _run("pairs")(bins, values, width, np.arange(len(bins)))
    total = values.sum(axis=0)
    best, node = _of_depth_2(whole, n_bin, min_leaf)
    edge = best + _rounding(total)
    for j in range(bins.shape[1]):
        left = np.zeros_like(whole)
        order = np.argsort(bins[:, j], kind="stable")
        ends = np.searchsorted(bins[order, j], np.arange(n_bin[j] + 1))
        for b in range(n_bin[j] - 1):
            left += _run("pairs")(bins, values, width, order[ends[b] : ends[b + 1]])
            right = whole - left
            size = left[0, 0, :, :, -1].sum()
            if size < min_leaf or total[-1] - size < min_leaf:
                continue
            sides = [_of_depth_2(part, n_bin, min_leaf) for part in (left, right)]
            worth = sides[0][0] + sides[1][0]
            if worth > edge:
                best, edge = worth, worth + _rounding(total)
                node = Node(variable=j, bin=b, left=sides[0][1], right=sides[1][1])
    return node


def _rounding(total: Floats) -> float:
    """Return what a worth must be above another's to be more than rounding."""
    return 1e-9 * float(np.abs(total[:-1]).max() + 1e-300)


@cache
def _run(name: str) -> Callable[..., Any]:
    """Compile a kernel when it is first asked for."""
    from numba import njit

    kernels: dict[str, Any] = {"single": _single, "pairs": _pairs, "sides": _sides}
    compiled: Callable[..., Any] = njit(cache=True, nogil=True)(kernels[name])
    return compiled


def _single(bins: Any, values: Any, width: Any) -> Any:
    """Sum by the bins of each variable, (p, B, m)."""
    n, p = bins.shape
    m = values.shape[1]
    out = np.zeros((p, width, m))
    for i in range(n):
        for j in range(p):
            for a in range(m):
                out[j, bins[i, j], a] += values[i, a]
    return out


def _pairs(bins: Any, values: Any, width: Any, rows: Any) -> Any:
    """Sum by the bins of each two variables, (p, p, B, B, m)."""
    p = bins.shape[1]
    m = values.shape[1]
    out = np.zeros((p, p, width, width, m))
    for i in rows:
        for j in range(p):
            b = bins[i, j]
            for k in range(j, p):
                c = bins[i, k]
                for a in range(m):
                    out[j, k, b, c, a] += values[i, a]
    for j in range(p):
        for k in range(j):
            for b in range(width):
                for c in range(width):
                    for a in range(m):
                        out[j, k, b, c, a] = out[k, j, c, b, a]
    return out


def _sides(table: Any, n_bin: Any, j: Any, min_leaf: Any) -> Any:
    """Return what the best two sides of each split of a variable are worth, (B,).

    `table` is (p, B, B, m): sums by the variable's bin and each other's.
    """
    p, width, _, m = table.shape
    actions = m - 1
    worth = np.full(width, -np.inf)
    grown = np.zeros((p, width, m))
    whole = np.zeros((p, width, m))
    for k in range(p):
        for b in range(width):
            for c in range(width):
                for a in range(m):
                    whole[k, c, a] += table[k, b, c, a]
    side, other = np.zeros(m), np.zeros(m)
    for b in range(n_bin[j] - 1):
        for k in range(p):
            for c in range(width):
                for a in range(m):
                    grown[k, c, a] += table[k, b, c, a]
        value = 0.0
        for which in range(2):
            total = np.zeros(m)
            for c in range(width):
                for a in range(m):
                    own = grown[0, c, a]
                    total[a] += own if which == 0 else whole[0, c, a] - own
            if total[actions] < min_leaf:
                value = -np.inf
                break
            best = -np.inf
            for a in range(actions):
                best = max(best, total[a])
            for k in range(p):
                for a in range(m):
                    side[a] = 0.0
                for c in range(n_bin[k] - 1):
                    for a in range(m):
                        own = grown[k, c, a]
                        side[a] += own if which == 0 else whole[k, c, a] - own
                        other[a] = total[a] - side[a]
                    if side[actions] < min_leaf or other[actions] < min_leaf:
                        continue
                    low, high = -np.inf, -np.inf
                    for a in range(actions):
                        low = max(low, side[a])
                        high = max(high, other[a])
                    best = max(best, low + high)
            value += best
        worth[b] = value
    return worth
