"""Overlap of scores in bins, and balance inside each subclass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.matching.balance.columns import Levels, read_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from toolkit.matching.balance.columns import Compared, Missing
    from toolkit.matching.balance.groups import Groups

#: Subclasses up to this number are strata, of which each is looked at; more are pairs.
MOST_SUBCLASSES = 50


def score_overlap(score: pl.Series, groups: Groups, bins: int) -> pl.DataFrame:
    """Count both groups by bin of the score, before and after.

    Returns
    -------
    DataFrame
        ``sample, low, high, n_treated, n_control`` (rows with weight), ``share_treated,
        share_control`` (weighted, of their group). Bins are [low, high), the last one closed, as
        wide as each other: from 0 to 1, or over the range of a score that leaves it.
    """
    values = score.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = np.isfinite(values)
    seen, some = values[known], groups.only(known)
    low, high = float(seen.min()), float(seen.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    edges = low + ((high - low) or 1.0) * (np.arange(bins + 1) / bins)
    codes = np.minimum(np.searchsorted(edges, seen, side="right") - 1, bins - 1)
    parts = []
    for place, sample in enumerate(some.samples):
        pair = some.shares[:, 2 * place : 2 * place + 2].T
        counts = [np.bincount(codes[share > 0], minlength=bins) for share in pair]
        shares = [np.bincount(codes, share, minlength=bins) for share in pair]
        parts.append(
            pl.DataFrame(
                {
                    "sample": [sample] * bins,
                    "low": edges[:-1],
                    "high": edges[1:],
                    "n_treated": counts[0],
                    "n_control": counts[1],
                    "share_treated": shares[0],
                    "share_control": shares[1],
                }
            )
        )
    return pl.concat(parts)


def subclass_table(
    frame: pl.DataFrame,
    groups: Groups,
    subclass: NDArray[np.int64],
    covariates: Sequence[str],
    denominators: dict[str, float],
    missing: Missing,
) -> pl.DataFrame:
    """Return means and differences inside each subclass, divided as those of the whole.

    Returns
    -------
    DataFrame
        ``subclass, covariate, n_treated, n_control, mean_treated, mean_control, smd``.
    """
    count = int(subclass.max(initial=-1)) + 1
    if not 0 < count <= MOST_SUBCLASSES:
        raise CallError(
            f"{count:,} subclasses are no strata to look at one by one",
            fix="by_subclass=True is for at most 50; pairs are looked at together",
        )
    weights = groups.shares[:, -2:].sum(axis=1)
    inside = (subclass >= 0) & (weights > 0)
    cell = 2 * subclass[inside] + groups.treated[inside]
    parts = []
    for name in covariates:
        for column in _columns(read_column(frame, name, missing)):
            values = column.values[inside]
            known = np.ones(len(values), bool) if column.known is None else column.known[inside]
            at, weight = cell[known], weights[inside][known]
            sums = np.bincount(at, weight, minlength=2 * count)
            sizes = np.bincount(at, minlength=2 * count)
            with np.errstate(invalid="ignore"):
                means = np.bincount(at, weight * values[known], minlength=2 * count) / sums
            sd = denominators.get(column.name, 0.0)
            gap = means[1::2] - means[0::2]
            parts.append(
                pl.DataFrame(
                    {
                        "subclass": np.arange(count),
                        "covariate": [column.name] * count,
                        "n_treated": sizes[1::2],
                        "n_control": sizes[0::2],
                        "mean_treated": means[1::2],
                        "mean_control": means[0::2],
                        "smd": gap / sd if sd else np.where(np.isnan(gap), np.nan, 0.0),
                    }
                )
            )
    return pl.concat(parts).with_columns(pl.selectors.float().fill_nan(None))


def _columns(column: Compared | Levels) -> Iterator[Compared]:
    if isinstance(column, Levels):
        yield from column.columns()
    else:
        yield column
