"""Rows that belong together: the variance of summed influences, and when not to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Below this many clusters the robust variance is known to be too small (Cameron, Miller 2015).
FEW_CLUSTERS = 30


def few_clusters(count: int, cluster: str) -> list[str]:
    """Return what to warn of when there are few clusters; nothing when there are enough."""
    if count >= FEW_CLUSTERS:
        return []
    said = f"only {count:,} clusters of {cluster}: robust standard errors are too small"
    return [f"{said}, the more so the fewer there are"]


def check_clusters(count: int, cluster: str) -> None:
    """Raise when all rows are in one cluster: the sum of all influences is 0, no variance."""
    if count < 2:
        raise InputError(
            f"Cluster {cluster!r} has the same value in every row that counts",
            fix="a variance is that between clusters: name a column with many, or none",
        )


def cluster_codes(column: pl.Series) -> Ints:
    """Return clusters as numbers 0 … C-1, (N,)."""
    return column.rank("dense").cast(pl.Int64).to_numpy() - 1


def cluster_sums(influence: Floats, cluster: Ints | None) -> Floats:
    """Return the influences summed by cluster, (C, k); as they are without clusters.

    Parameters
    ----------
    influence : (N,) or (N, k) array
    cluster : (N,) array or None
        Numbers 0 … C-1, as `cluster_codes` gives them.
    """
    rows = influence[:, None] if influence.ndim == 1 else influence
    if cluster is None:
        return rows
    count = int(cluster.max()) + 1
    return np.stack([np.bincount(cluster, column, minlength=count) for column in rows.T], axis=1)


def influence_vcov(influence: Floats, cluster: Ints | None = None) -> Floats:
    """Return the variance of k estimates from their influences, Σ over clusters of u u', (k, k)."""
    sums = cluster_sums(influence, cluster)
    return np.asarray(sums.T @ sums)
