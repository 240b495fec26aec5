"""What a search for nearest neighbours is given, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

ORDERS = ("largest", "smallest", "data", "random", "closest")


@dataclass(frozen=True, kw_only=True)
class Task:
    """N rows, some of which (focal: the treated, for the ATT) look for partners among the others.

    Attributes
    ----------
    points : (N, p) array
        Euclidean distance counts.
    focal : (N,) array of bool
    cell : (N,) array of int
        Partners are sought in the own cell.
    rank : (N,) array of int or None
        Decides between equals; None = the order of the rows.
    visit : (focal,) array of int
        Rows in the order of their turn.
    wanted : (N,) array of int
        How many partners each focal row looks for.
    caliper : float
        Widest distance of a pair.
    near, width : (N, q), (q,) arrays
        Values that may differ by at most `width` within a pair.
    other : (N, r) array of int
        Codes that must differ within a pair.
    again : bool
        Whether partners may be used more than once.
    closest : bool
        The closest of all pairs first, in place of `visit`.
    """

    points: Floats = field(repr=False)
    focal: Bools = field(repr=False)
    cell: Ints = field(repr=False)
    rank: Ints | None = field(default=None, repr=False)
    visit: Ints = field(repr=False)
    wanted: Ints = field(repr=False)
    caliper: float
    near: Floats = field(repr=False)
    width: Floats
    other: Ints = field(repr=False)
    again: bool = False
    closest: bool = False


def visiting_order(
    focal: Bools, order: str, score: Floats | None, rank: Ints | None, seed: int | None
) -> Ints:
    """Return the focal rows in the order of their turn; equal scores by rank.

    Raises
    ------
    CallError
        For an order that needs a score, or a seed, that is not there.
    """
    rows = np.flatnonzero(focal)
    if order == "data":
        return rows
    if rank is not None:
        rows = rows[np.argsort(rank[rows], kind="stable")]
    if order == "closest":
        return rows
    if order == "random":
        if seed is None:
            raise CallError(
                "order='random' without a seed cannot be repeated", fix="for instance seed=1"
            )
        return np.random.default_rng(seed).permutation(rows)
    if score is None:
        raise CallError(
            f"order={order!r} is by score, and there is none",
            fix="order='data', 'closest' or 'random'; or on= a score",
        )
    sign = -1.0 if order == "largest" else 1.0
    return rows[np.argsort(sign * score[rows], kind="stable")]


def partners_wanted(
    visit: Ints, n: int, ratio: float, low: int | None, high: int | None, score: Floats | None
) -> Ints:
    """Return how many partners each focal row looks for, (N,); 0 for others.

    With `low` and `high` the number differs: as few rows as possible get between the two, and
    those least likely to be treated, who have most controls like them, get most, so that the mean
    is `ratio` (the extremal plan of Ming and Rosenbaum 2000).

    Raises
    ------
    CallError
    """
    wanted = np.zeros(n, np.int64)
    if low is None and high is None:
        if not _whole(ratio) or ratio < 1:
            raise CallError(f"ratio={ratio!r} is not a whole number from 1", fix="ratio=1, 2, …")
        wanted[visit] = int(ratio)
        return wanted
    low, top = 1 if low is None else low, high
    usable = _whole(low) and _whole(top) and isinstance(ratio, (int, float, np.number))
    if not usable or top is None or not 1 <= low <= ratio <= top or low == top:
        raise CallError(
            f"min_ratio={low!r}, ratio={ratio!r}, max_ratio={top!r} do not rise from 1",
            fix="ratio is the mean number of controls, between min_ratio and max_ratio",
        )
    if score is None:
        raise CallError("A variable ratio goes by the score", fix="on= a score, or a fixed ratio")
    low, top = int(low), int(top)
    count = len(visit)
    spare = int(np.floor(ratio * count + 1e-9)) - low * count
    most = spare // (top - low)
    rows = visit[np.argsort(score[visit], kind="stable")]
    wanted[rows] = low
    wanted[rows[:most]] = top
    if most < count:
        wanted[rows[most]] += spare - most * (top - low)
    return wanted


def _whole(value: Any) -> bool:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return bool(number and np.isfinite(value) and int(value) == value)
