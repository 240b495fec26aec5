"""Folds for cross-fitting that do not depend on the order of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError, EmptyCohortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def check_folds(cross_fit: int, repeats: int, seed: int) -> None:
    """Raise unless the numbers of folds and of splits, and the seed, can be used."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise CallError(f"seed={seed!r} is no whole number from 0 on", fix="for instance seed=0")
    for name, value in (("cross_fit", cross_fit), ("repeats", repeats)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise CallError(
                f"{name}={value!r} is not a whole number from 1 on",
                fix="cross_fit=5 serves; 1 fits on the very rows that are predicted",
            )
    if cross_fit == 1 and repeats > 1:
        raise CallError("Without folds all repeats are the same", fix="leave out repeats=")


def row_marks(columns: Sequence[Floats], seed: int) -> NDArray[np.uint64]:
    """Return a scrambled number a row, (N,), that equal rows share.

    Folds are made in their order: shuffling the rows changes nothing.
    """
    mark = np.full(len(columns[0]), _scrambled(np.array([seed], np.uint64))[0], np.uint64)
    for column in columns:
        # + 0.0: no -0.0
        mark = _scrambled(mark ^ (np.ascontiguousarray(column, np.float64) + 0.0).view(np.uint64))
    return mark


def make_folds(
    marks: NDArray[np.uint64], arm: Ints, n_fold: int, cluster: Ints | None = None
) -> Ints:
    """Return the fold of each row, (N,), 0 … n_fold - 1.

    Parameters
    ----------
    arm : (N,) array of int
        Each arm is spread evenly over the folds (without clusters).
    cluster : (N,) array, optional
        Rows of a cluster stay together.
    """
    if n_fold == 1:
        return np.zeros(len(marks), np.int64)
    fold = np.empty(len(marks), np.int64)
    if cluster is None:
        for one in np.unique(arm):
            rows = np.flatnonzero(arm == one)
            order = rows[np.argsort(marks[rows], kind="stable")]
            fold[order] = np.arange(len(order)) % n_fold
        return fold
    count = int(cluster.max()) + 1
    if count < n_fold:
        raise CallError(
            f"{count:,} clusters cannot be spread over {n_fold} folds",
            fix=f"cross_fit={max(count // 2, 1)}, or clusters of a smaller kind",
        )
    least = np.full(count, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, cluster, marks)
    of_cluster = np.empty(count, np.int64)
    of_cluster[np.argsort(least, kind="stable")] = np.arange(count) % n_fold
    return of_cluster[cluster]


def require_arms(arm: Ints, n_arm: int, weight: Floats, known: Bools) -> None:
    """Raise when an arm has nobody with a weight and an outcome.

    Parameters
    ----------
    known : (N, K) array
        Of which outcome of whom is known.
    """
    for k in range(known.shape[1]):
        there = known[:, k] & (weight > 0)
        number = np.bincount(arm[there], minlength=n_arm)
        if (number == 0).any():
            raise EmptyCohortError(
                "An arm has nobody with a weight above 0 whose outcome is known",
                where=f"arm {int(np.argmin(number))} of {n_arm}, outcome {k + 1}",
                fix="look at the weights, and at whose outcome is missing",
            )


def check_arms(fold: Ints, arm: Ints, n_fold: int, there: Bools | None = None) -> None:
    """Raise when what is left outside a fold lacks an arm, counting rows that are `there`."""
    table = np.zeros((n_fold, int(arm.max()) + 1), np.int64)
    rows = np.ones(len(arm), bool) if there is None else there
    np.add.at(table, (fold[rows], arm[rows]), 1)
    rest = table.sum(axis=0) - table if n_fold > 1 else table
    if (rest == 0).any():
        raise CallError(
            "Outside a fold one of the arms has nobody to learn from",
            fix="fewer folds (cross_fit=), or merge small arms",
        )


def _scrambled(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return splitmix64 of each number."""
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
