"""The largest of many correlated deviations: what takes the place of 1.96 for all at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def largest_deviations(covariance: Floats, scale: Floats, *, draws: int, seed: int) -> Floats:
    """Return draws of max |Z(t)| / scale(t) with Z ~ N(0, covariance), (draws,), sorted.

    Parameters
    ----------
    covariance : (T, T) array
        Symmetric; directions without variance count for nothing.
    scale : (T,) array
        Above 0: the standard errors for deviations of equal precision.

    Notes
    -----
    The root of the scaled covariance is the symmetric one. One by eigenvectors alone turns where
    eigenvalues are nearly equal, and changes sign: this one moves little where the covariance does,
    so the draws do not hang on the order of the data, nor on the machine.

    Examples
    --------
    >>> import numpy as np
    >>> alone = largest_deviations(np.eye(1), np.ones(1), draws=100_000, seed=1)
    >>> both = largest_deviations(np.eye(2), np.ones(2), draws=100_000, seed=1)
    >>> [round(float(np.quantile(found, 0.95)), 1) for found in (alone, both)]
    [2.0, 2.2]
    """
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    normal = _normals(seed, draws, len(scale))
    largest: Floats = np.abs(normal @ root).max(axis=1)
    return np.sort(largest)


@lru_cache(maxsize=1)
def _normals(seed: int, draws: int, width: int) -> Floats:
    """Return standard normal draws, (draws, width); kept for the next curve with as many times."""
    return np.random.default_rng(seed).standard_normal((draws, width))


def critical_value(deviations: Floats, conf_level: float) -> float:
    """Return the value that a share `conf_level` of the (sorted) deviations stay under."""
    return float(np.quantile(deviations, conf_level))


def sup_p_value(deviations: Floats, observed: float) -> float:
    """Return how often the process deviates as much as was observed, never below 1/(draws + 1)."""
    above = len(deviations) - np.searchsorted(deviations, observed, side="left")
    return float((above + 1) / (len(deviations) + 1))
