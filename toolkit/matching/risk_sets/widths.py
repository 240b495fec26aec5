"""Calipers in numbers: the values they are on, and what they are counted in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.matching.risk_sets.place import Given, Points, spread_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.risk_sets.place import Score
    from toolkit.matching.risk_sets.runs import Floats, Runs


def columns_of(frame: pl.DataFrame, runs: Runs, names: Sequence[str]) -> Floats:
    """Return columns of the runs, (R, k)."""
    rows = runs.rows(np.arange(len(runs)), runs.first.astype(np.int64))
    out = np.empty((len(runs), len(names)))
    for k, name in enumerate(names):
        out[:, k] = frame[name].cast(pl.Float64).to_numpy()[rows]
    return out


def unit_of(runs: Runs, months: Sequence[int], where: Score | Points, unit: str) -> float:
    """Return what a caliper is counted in; a distance of covariates is in sd already."""
    if unit == "raw" or isinstance(where, Points):
        return 1.0
    return spread_within(runs, months, where)


def widths_of(
    frame: pl.DataFrame, runs: Runs, months: Sequence[int], limited: dict[str, float], unit: str
) -> Floats:
    """Return the widths of calipers on columns, (k,)."""
    return np.array([
        width * unit_of(runs, months, Given(fixed=columns_of(frame, runs, [name])[:, 0]), unit)
        for name, width in limited.items()
    ])  # fmt: skip
