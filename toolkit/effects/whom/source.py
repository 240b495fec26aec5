"""What all answers to "for whom" start from: scores of rows whose mean is the effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.effects.doubly_robust.result import DoublyRobust
from toolkit.errors import CallError, WrongTypeError, unknown_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Scores of one outcome: the effect among any rows is Σ w s / Σ w d.

    Attributes
    ----------
    frame : DataFrame
        N rows.
    score, denominator, weight : (N,) arrays
    predicted : (N,) array
        The effect that the outcome's model foretold, outside the fold.
    fold : (N,) array of int
    """

    frame: pl.DataFrame = field(repr=False)
    score: Floats = field(repr=False)
    denominator: Floats = field(repr=False)
    weight: Floats = field(repr=False)
    predicted: Floats = field(repr=False)
    fold: Ints = field(repr=False)
    n_fold: int
    cluster: Ints | None = field(repr=False)
    counts: Floats | None = field(repr=False)


def read_source(x: object, outcome: str | None) -> Source:
    """Return the scores of a doubly robust result, of one of its outcomes."""
    if not isinstance(x, DoublyRobust):
        raise WrongTypeError(
            f"A {type(x).__name__} is no doubly robust result",
            fix="effects.doubly_robust(…) gives the scores that this is made of",
        )
    if outcome is None and len(x.outcomes) > 1:
        raise CallError(
            "There are several outcomes", fix=f"name one of {', '.join(map(repr, x.outcomes[:8]))}"
        )
    if outcome is not None and outcome not in x.outcomes:
        raise unknown_option("outcome", outcome, x.outcomes)
    k = 0 if outcome is None else x.outcomes.index(outcome)
    weight = x.scores.weight
    return Source(
        frame=x.frame, score=x.scores.effect[:, k], denominator=x.scores.denominator,
        weight=weight[:, min(k, weight.shape[1] - 1)], predicted=x.effects[:, k], fold=x.fold,
        n_fold=x.n_fold, cluster=x.cluster, counts=x.counts,
    )  # fmt: skip


def judged(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a gate said of the effect that an answer is made from."""
    return {key: meta[key] for key in ("supported", "gate") if key in meta}


def group_means(source: Source, group: Ints, n_group: int, score: Floats) -> tuple[Floats, Floats]:
    """Return the mean of a score in groups, (G,), and how far each row moves its own group's, (N,).

    Parameters
    ----------
    group : (N,) array of int
        0 … G-1; -1 = in none.
    """
    rows = (group >= 0) & (source.weight > 0)
    w, d, g = source.weight[rows], source.denominator[rows], group[rows]
    total = np.bincount(g, w * d, minlength=n_group)
    mean = np.bincount(g, w * score[rows], minlength=n_group) / np.where(total > 0, total, np.nan)
    moved = np.zeros(len(group))
    moved[rows] = w * (score[rows] - mean[g] * d) / total[g]
    return mean, moved


def group_vcov(source: Source, moved: Floats, group: Ints, n_group: int) -> Floats:
    """Return the variance of group means, times n / (n - 1) of each group or C / (C - 1) of all."""
    rows = (group >= 0) & (source.weight > 0)
    if source.cluster is None:
        size = np.ones(len(group)) if source.counts is None else source.counts
        part = np.where(rows, moved**2 / np.where(size > 0, size, 1.0), 0.0)[rows]
        number = np.bincount(group[rows], size[rows], minlength=n_group)
        diagonal = np.bincount(group[rows], part, minlength=n_group)
        return np.diag(diagonal * number / np.maximum(number - 1, 1))
    from scipy.sparse import csr_array

    shape = (int(source.cluster.max()) + 1, n_group)
    sums = csr_array((moved[rows], (source.cluster[rows], group[rows])), shape=shape)
    clusters = len(np.unique(source.cluster[rows]))
    return np.asarray((sums.T @ sums).todense()) * clusters / max(clusters - 1, 1)
