"""Weights that are a function of the propensity score, and their slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.treatment import Estimand

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def score_weights(score: Floats, treated: Bools, estimand: Estimand) -> tuple[Floats, Floats]:
    """Return the weight of each row and its derivative by the score, (N,) each.

    A group is weighted to h(e) times the density of all: its weight is h / e if treated and
    h / (1 - e) if not, with h = e (ATT), 1 - e (ATC), 1 (ATE), e (1 - e) (ATO; Li, Morgan and
    Zaslavsky 2018).
    """
    e, one = score, np.ones_like(score)
    if estimand == "ATT":
        weight = np.where(treated, one, e / (1 - e))
        slope = np.where(treated, 0.0, 1 / (1 - e) ** 2)
    elif estimand == "ATC":
        weight = np.where(treated, (1 - e) / e, one)
        slope = np.where(treated, -1 / e**2, 0.0)
    elif estimand == "ATE":
        weight = np.where(treated, 1 / e, 1 / (1 - e))
        slope = np.where(treated, -1 / e**2, 1 / (1 - e) ** 2)
    else:
        weight = np.where(treated, 1 - e, e)
        slope = np.where(treated, -one, one)
    return weight, slope


def stabilised(
    weight: Floats, slope: Floats, treated: Bools, sampling: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return weights and slopes times the share of the row's own group, which is estimated too.

    Also the influence of each row on the share treated, and the weight's derivative by that share.
    """
    share = float(sampling[treated].sum() / sampling.sum())
    own = np.where(treated, share, 1 - share)
    influence = sampling * (treated - share) / sampling.sum()
    return weight * own, slope * own, influence, np.where(treated, weight, -weight)
