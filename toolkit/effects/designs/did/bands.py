"""Bands that hold for all numbers at once, from their correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.deviations import largest_deviations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_DRAWS = 20_000


def largest_draws(vcov: Floats, *, seed: int, draws: int = _DRAWS) -> Floats:
    """Return draws of the largest |z| where nothing differs, (draws,), sorted.

    The limit of the multiplier bootstrap of Callaway and Sant'Anna (2021, algorithm 1) as the
    number of persons grows, without drawing for each of them.
    """
    scale = np.sqrt(np.diag(vcov))
    known = scale > 0
    if not known.any():
        return np.zeros(draws)
    return largest_deviations(vcov[np.ix_(known, known)], scale[known], draws=draws, seed=seed)
