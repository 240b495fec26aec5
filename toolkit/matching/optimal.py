"""Optimal matching: the pairs, or the full matching, whose distances sum to the least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError
from toolkit.matching.distances import twelve_digits
from toolkit.matching.nearest import by_cell_and_score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.matching.nearest import Task

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Distances held at once in one block: 25 million of 8 bytes, and as much again to solve it.
LARGEST_BLOCK = 25_000_000


def optimal_pairs(task: Task) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of least total distance, as many as there can be: rows, rows, distances.

    On a score without further limits by a sweep over the sorted rows, n log n at any size. With
    covariates or calipers by the Hungarian method (scipy) in blocks: the cells, cut further where
    the gap between scores is wider than the caliper.

    Raises
    ------
    CallError
        For a block of more than `LARGEST_BLOCK` distances.
    """
    if _is_free_line(task):
        focal, partner = _pairs_on_line(task)
        return focal, partner, np.abs(task.points[focal, 0] - task.points[partner, 0])
    from scipy.optimize import linear_sum_assignment

    found = []
    for rows, pool in _blocks(task):
        copies = np.repeat(rows, task.wanted[rows])
        _check_size(len(copies), len(pool))
        gap = _distances(task, copies, pool)
        ok = np.isfinite(gap)
        if not ok.any():
            continue
        # more than all distances together, so that no pair is given up to shorten others
        gap[~ok] = (gap[ok].max() + 1.0) * (min(gap.shape) + 1)
        i, j = linear_sum_assignment(gap)
        kept = ok[i, j]
        found.append((copies[i[kept]], pool[j[kept]], gap[i[kept], j[kept]]))
    return _stacked(found)


def full_matching(task: Task) -> tuple[Ints, Ints, Floats]:
    """Return the edges of the full matching of least total distance: rows, rows, distances.

    Everybody is in a set of one treated with controls or one control with treated. This is the
    cheapest cover of all rows by pairs, exact, not an approximation. On a score without further
    limits in one pass after sorting (Colannino et al. 2007). Otherwise everybody takes the
    nearest, and those pairs are joined for whom that saves most: a matching of greatest saving,
    by the Hungarian method in blocks. Rows without anyone they may be matched to stay out.

    Raises
    ------
    CallError
        For a block of more than `LARGEST_BLOCK` distances.
    """
    if _is_free_line(task):
        focal, partner = _cover_on_line(task)
        gap = np.abs(task.points[focal, 0] - task.points[partner, 0])
    else:
        found = []
        for rows, pool in _blocks(task):
            _check_size(len(rows), len(pool))
            distance = _distances(task, rows, pool)
            i, j = cheapest_cover_dense(distance)
            found.append((rows[i], pool[j], distance[i, j]))
        focal, partner, gap = _stacked(found)
    keep = without_chains(focal, partner, gap, len(task.focal))
    return focal[keep], partner[keep], gap[keep]


def cheapest_cover_dense(distance: Floats) -> tuple[Ints, Ints]:
    """Return the edges of the cheapest cover of a matrix of distances; inf = not allowed.

    With μ the distance of each to its nearest, a cover costs Σ μ less the savings
    μ_i + μ_j - d_ij of pairs who take each other.
    """
    from scipy.optimize import linear_sum_assignment

    reach = [distance.min(axis=axis) for axis in (1, 0)]
    near = [distance.argmin(axis=axis) for axis in (1, 0)]
    with np.errstate(invalid="ignore"):
        saving = np.add.outer(*reach) - distance
    saving = np.where(np.isfinite(saving) & (saving > 0), saving, 0.0)
    i, j = linear_sum_assignment(saving, maximize=True)
    taken = saving[i, j] > 0
    i, j = i[taken], j[taken]
    rows = np.setdiff1d(np.flatnonzero(np.isfinite(reach[0])), i)
    columns = np.setdiff1d(np.flatnonzero(np.isfinite(reach[1])), j)
    edges = {*zip(i.tolist(), j.tolist(), strict=True)}
    edges |= {*zip(rows.tolist(), near[0][rows].tolist(), strict=True)}
    edges |= {*zip(near[1][columns].tolist(), columns.tolist(), strict=True)}
    pairs = np.array(sorted(edges), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def without_chains(focal: Ints, partner: Ints, gap: Floats, n: int) -> Bools:
    """Return which edges stay, so that every set has one row that all others hang on.

    An edge whose both ends have another one is not needed; in a cheapest cover it has length 0.
    """
    degree = np.bincount(focal, minlength=n) + np.bincount(partner, minlength=n)
    keep = np.ones(len(focal), bool)
    spare = np.flatnonzero((degree[focal] > 1) & (degree[partner] > 1))
    for edge in spare[np.argsort(-gap[spare], kind="stable")]:
        one, two = focal[edge], partner[edge]
        if degree[one] > 1 and degree[two] > 1:
            keep[edge] = False
            degree[one] -= 1
            degree[two] -= 1
    return keep


def sets_of(focal: Ints, partner: Ints, n: int) -> Ints:
    """Return the set of each row, (n,), from edges that form stars; -1 = in none."""
    degree = np.bincount(focal, minlength=n)
    centre = np.where(degree[focal] > 1, focal, partner)
    code = np.full(n, -1, np.int64)
    code[focal] = code[partner] = centre
    there = code >= 0
    first = np.full(n, n, np.int64)  # sets are numbered by their first row
    np.minimum.at(first, code[there], np.flatnonzero(there))
    code[there] = np.unique(first[code[there]], return_inverse=True)[1]
    return code


def _is_free_line(task: Task) -> bool:
    plain = task.caliper == np.inf and not len(task.width) and not task.other.shape[1]
    return task.points.shape[1] == 1 and plain


def _line(task: Task, keep: Bools) -> tuple[Ints, Ints, Ints]:
    order = by_cell_and_score(task.cell, task.points[:, 0], task.rank)
    order = order[keep[order]]
    cell = task.cell[order]
    cells = np.unique(cell)
    return order, np.searchsorted(cell, cells, "left"), np.searchsorted(cell, cells, "right")


def _pairs_on_line(task: Task) -> tuple[Ints, Ints]:
    from toolkit.matching.optimal_kernels import cheapest_choice

    order, start, stop = _line(task, np.ones(len(task.focal), bool))
    times = np.where(task.focal[order], task.wanted[order], 1)
    bound = np.concatenate([[0], np.cumsum(times)])
    order = np.repeat(order, times)
    seeker = task.focal[order]
    used = cheapest_choice(task.points[order, 0], seeker, bound[start], bound[stop])
    # on a line the chosen are paired in their order; in each cell there are as many of both
    return order[used & seeker], order[used & ~seeker]


def _cover_on_line(task: Task) -> tuple[Ints, Ints]:
    from toolkit.matching.optimal_kernels import cheapest_cover

    size = int(task.cell.max(initial=0)) + 1
    focal = np.bincount(task.cell[task.focal], minlength=size)
    both = (focal > 0) & (np.bincount(task.cell, minlength=size) > focal)
    order, start, stop = _line(task, both[task.cell])
    one, two = cheapest_cover(task.points[order, 0], task.focal[order], start, stop)
    one, two = order[one], order[two]
    swap = ~task.focal[one]
    return np.where(swap, two, one), np.where(swap, one, two)


def _blocks(task: Task) -> Iterator[tuple[Ints, Ints]]:
    """Give the focal rows and the partners of each block nobody is matched across."""
    score = task.points[:, 0]
    order = by_cell_and_score(task.cell, score, task.rank)
    ends = np.diff(task.cell[order]) > 0
    if task.points.shape[1] == 1:
        ends |= np.diff(score[order]) > task.caliper
    for rows in np.split(order, np.flatnonzero(ends) + 1):
        focal = task.focal[rows]
        if focal.any() and not focal.all():
            yield rows[focal], rows[~focal]


def _check_size(n_focal: int, n_pool: int) -> None:
    if n_focal * n_pool > LARGEST_BLOCK:
        raise CallError(
            f"A block of {n_focal:,} × {n_pool:,} distances is too large for an exact optimum",
            fix="more exact= columns, a narrower caliper on a score, no caliper on a score "
            "(solved at any size), or method='nearest'",
        )


def _distances(task: Task, rows: Ints, pool: Ints) -> Floats:
    """Return the distances of a block, (rows, pool); inf where a pair is not allowed."""
    gap = np.zeros((len(rows), len(pool)))
    for column in task.points.T:
        gap += np.subtract.outer(column[rows], column[pool]) ** 2
    gap = np.sqrt(twelve_digits(gap))
    if task.points.shape[1] == 1:  # no rounding by squares
        gap = np.abs(np.subtract.outer(task.points[rows, 0], task.points[pool, 0]))
    gap[gap > task.caliper] = np.inf
    for values, width in zip(task.near.T, task.width, strict=True):
        gap[np.abs(np.subtract.outer(values[rows], values[pool])) > width] = np.inf
    for codes in task.other.T:
        gap[np.equal.outer(codes[rows], codes[pool])] = np.inf
    return gap


def _stacked(found: list[tuple[Ints, Ints, Floats]]) -> tuple[Ints, Ints, Floats]:
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    rows, pool, gap = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, pool, gap
