"""Bands that hold for all numbers at once, from their correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_DRAWS = 20_000


def largest_draws(vcov: Floats, *, seed: int, draws: int = _DRAWS) -> Floats:
    """Return draws of the largest |z| of a normal with this covariance's correlation, (draws,).

    The limit of the multiplier bootstrap of Callaway and Sant'Anna (2021, algorithm 1) as the
    number of persons grows, without drawing for each of them.
    """
    scale = np.sqrt(np.diag(vcov))
    known = scale > 0
    if not known.any():
        return np.zeros(draws)
    unit = vcov[np.ix_(known, known)] / np.outer(scale[known], scale[known])
    values, vectors = np.linalg.eigh(unit)
    root = vectors * np.sqrt(np.maximum(values, 0))
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((draws, len(values))) @ root.T
    return np.asarray(np.abs(z).max(axis=1))
