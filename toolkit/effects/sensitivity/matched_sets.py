"""Matched sets: who was compared with whom, each person in one set only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.effects.sensitivity.door import as_sample, read_outcome
from toolkit.errors import CallError, EmptyCohortError
from toolkit.frames import require_columns

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from toolkit.matching.sample import Sample

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class MatchedSets:
    """M rows in S sets that each hold somebody treated and somebody not.

    Attributes
    ----------
    outcome : (M,) array
        Sorted by set, and within it the treated first.
    treated : (M,) array of bool
    code : (M,) array
        Set of each row, 0 … S-1.
    size, n_treated : (S,) arrays
        Rows, and treated rows, of each set.
    dropped : dict
        Reason → rows left out.
    """

    outcome: Floats = field(repr=False)
    treated: Bools = field(repr=False)
    code: Ints = field(repr=False)
    size: Ints = field(repr=False)
    n_treated: Ints = field(repr=False)
    dropped: dict[str, int]

    @property
    def paired(self) -> bool:
        """Whether every set is one treated and one control."""
        return bool((self.size == 2).all())

    @property
    def single(self) -> bool:
        """Whether every set has one treated, or one control."""
        return bool(((self.n_treated == 1) | (self.size - self.n_treated == 1)).all())

    def differences(self) -> Floats:
        """Return treated minus control of each pair, (S,)."""
        return self.outcome[0::2] - self.outcome[1::2]


def read_sets(
    x: Any, *, outcome: str, treatment: str | None = None, subclass: str | None = None
) -> tuple[Sample, MatchedSets]:
    """Return the sample with its matched sets.

    Parameters
    ----------
    x : Sample or frame
        A matched sample, with `pairs` or `subclass`; or a frame, with `treatment` and the column
        `subclass` that says who belongs together (null = in no set).

    Raises
    ------
    toolkit.errors.ToolkitError
        Also when there are no sets, or a control stands in several of them.
    """
    sample = as_sample(x, treatment=treatment)
    code = _codes(sample, subclass)
    used = code >= 0
    values = read_outcome(sample.frame, outcome, used)
    return sample, make_sets(values, sample.treated, code)


def make_sets(outcome: Floats, treated: Bools, code: Ints) -> MatchedSets:
    """Return the sets of rows with the same code ≥ 0; sets of one kind of people are left out."""
    rows = np.flatnonzero(code >= 0)
    if not len(rows):
        raise EmptyCohortError("No row is in a matched set", fix="look at the attrition of x")
    dense = np.unique(code[rows], return_inverse=True)[1]
    size = np.bincount(dense)
    n_treated = np.bincount(dense, weights=treated[rows]).astype(np.int64)
    mixed = (n_treated > 0) & (n_treated < size)
    keep = mixed[dense]
    if not keep.any():
        raise EmptyCohortError(
            "No matched set holds both a treated and a control", fix="check the column of sets"
        )
    number = np.cumsum(mixed) - 1
    rows, dense = rows[keep], number[dense[keep]]
    order = np.lexsort((~treated[rows], dense))
    rows = rows[order]
    lone = int((~keep).sum())
    return MatchedSets(
        outcome=outcome[rows], treated=treated[rows], code=dense[order],
        size=size[mixed], n_treated=n_treated[mixed],
        dropped={"in a set without treated, or without controls": lone} if lone else {},
    )  # fmt: skip


def _codes(sample: Sample, subclass: str | None) -> Ints:
    if subclass is not None:
        require_columns(sample.frame, subclass)
        column = sample.frame[subclass]
        return _dense(column)
    if sample.subclass is not None:
        return np.where(sample.weights.to_numpy() > 0, sample.subclass, -1)
    if getattr(sample, "pairs", None) is not None:
        raise CallError(
            "Controls stand in several matched sets: the bounds need each person in one",
            fix="match without replacement (replace=False)",
        )
    raise CallError(
        "There are no matched pairs or sets to bound",
        fix="match first (matching.match), or name the column of sets: subclass=",
    )


def _dense(column: pl.Series) -> Ints:
    return column.rank("dense").fill_null(0).to_numpy().astype(np.int64) - 1
