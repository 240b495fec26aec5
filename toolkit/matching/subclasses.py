"""Subclassification: rows cut by the quantiles of a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import CallError, EmptyCohortError
from toolkit.matching.sample import as_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def cut_by_score(
    score: Floats, treated: Bools, sampling: Floats, *, subclasses: Any, least: int, estimand: str
) -> tuple[Ints, int]:
    """Return the subclass of each row, (N,), from the lowest score up, and how many were moved.

    The cuts are quantiles of the scores of the treated (ATT), the controls (ATC) or all (ATE), so
    that those whom the effect is for are spread evenly (Rosenbaum and Rubin 1984); a subclass
    holds its lower cut. Where a subclass has fewer than `least` of a group, rows of that group are
    moved to it over its borders, as few as possible and the nearest, so the order by score stays.

    Parameters
    ----------
    score, treated, sampling : (N,) arrays
        Quantiles count weights as rows.
    subclasses : int, or sequence of numbers between 0 and 1
        How many, or at which shares to cut.
    least : int
        Of each group in each subclass; 0 leaves subclasses with one group, which drop out.
    estimand : {"ATT", "ATC", "ATE"}

    Raises
    ------
    toolkit.errors.ToolkitError
    """
    shares = _shares(subclasses)
    who = {"ATT": treated, "ATC": ~treated, "ATE": np.ones_like(treated)}[estimand]
    cuts = np.unique(quantiles(score[who], as_counts(sampling)[who], shares))
    code = np.searchsorted(cuts, score, side="right").astype(np.int64)
    if not isinstance(least, (int, np.integer)) or isinstance(least, bool) or least < 0:
        raise CallError(f"min_subclass={least!r} is no number of rows", fix="0, 1, …")
    moved = 0
    for group in (treated, ~treated):
        rows = np.flatnonzero(group)
        rows = rows[np.lexsort((score[rows], code[rows]))]
        have = np.bincount(code[rows], minlength=len(cuts) + 1)
        if have.min() >= least:
            continue
        if len(rows) < least * len(have):
            raise EmptyCohortError(
                f"{len(rows):,} rows of a group cannot fill {len(have)} subclasses with {least}",
                fix="fewer subclasses, or a lower min_subclass",
            )
        ends = fill(np.cumsum(have), least)
        made = np.searchsorted(ends, np.arange(len(rows)), side="right")
        moved += int((made != code[rows]).sum())
        code[rows] = made
    return code, moved


def _shares(subclasses: Any) -> Floats:
    if isinstance(subclasses, int) and not isinstance(subclasses, bool):
        if subclasses < 1:
            raise CallError(f"subclasses={subclasses} is below 1", fix="6, say")
        return np.arange(1, subclasses) / subclasses
    if isinstance(subclasses, float) and 0 < subclasses < 1:
        subclasses = [subclasses]
    if isinstance(subclasses, (Sequence, np.ndarray)) and not isinstance(subclasses, str):
        shares = np.unique(np.asarray(subclasses, dtype=np.float64))
        if ((shares >= 0) & (shares <= 1)).all():
            return shares[(shares > 0) & (shares < 1)]
    raise CallError(
        f"subclasses={subclasses!r} is no number of subclasses and no shares between 0 and 1",
        fix="6, or [0.1, 0.5, 0.9]",
    )


def quantiles(values: Floats, weights: Floats, shares: Floats) -> Floats:
    """Return quantiles (Hyndman and Fan's type 7, R's default), where a weight counts rows."""
    order = np.argsort(values, kind="stable")
    values, upto = values[order], np.cumsum(weights[order])
    at = shares * (upto[-1] - 1)
    below = np.floor(at + 1e-9)
    pick = [
        values[np.minimum(np.searchsorted(upto, place, side="right"), len(values) - 1)]
        for place in (below, np.minimum(below + 1, np.ceil(upto[-1] - 1)))
    ]
    return np.asarray(pick[0] + np.clip(at - below, 0, 1) * (pick[1] - pick[0]))


def fill(ends: Ints, least: int) -> Ints:
    """Return cumulative counts moved as little as possible, so that each step is `least`."""
    made = ends.copy()
    before = 0
    for k in range(len(made)):
        made[k] = before = max(made[k], before + least)
    after = int(ends[-1])
    for k in range(len(made) - 1, -1, -1):
        made[k] = min(made[k], after)
        after = int(made[k]) - least
    return made
