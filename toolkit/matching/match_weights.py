"""Weights that make the one group stand for the other, from pairs or from subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def pair_weights(focal: Ints, partner: Ints, sampling: Floats) -> Floats:
    """Return the weights of rows by the pairs they are in, (N,); 0 = in none.

    A focal row keeps its sampling weight s. Its partners share it in proportion to their own,
    s · s_j / Σ s_j, as the survey weight of the treated is handed on to those who stand for them
    (Lenis, Nguyen, Dong and Stuart 2019). The partners' weights are then scaled to the sum of
    their own sampling weights: without sampling weights this is MatchIt's scale, where the
    controls' weights are 1 on average.

    Parameters
    ----------
    focal, partner : (pairs,) array
        Row numbers.
    sampling : (N,) array
    """
    weight = np.zeros(len(sampling))
    if len(focal) == 0:
        return weight
    shared = np.bincount(focal, sampling[partner], minlength=len(sampling))
    share = np.divide(
        sampling[focal] * sampling[partner], shared[focal],
        out=np.zeros(len(focal)), where=shared[focal] > 0,
    )  # fmt: skip
    weight = np.bincount(partner, share, minlength=len(sampling)).astype(np.float64)
    used = np.zeros(len(sampling), bool)
    used[partner] = True
    weight *= _ratio(sampling[used].sum(), weight.sum())
    weight[focal] = sampling[focal]
    return weight


def subclass_weights(subclass: Ints, treated: Bools, sampling: Floats, estimand: str) -> Floats:
    """Return the weights of rows by their subclass, (N,); 0 = in none (-1).

    In each subclass a group stands for the treated (ATT), the controls (ATC) or both (ATE):
    w = s · Σ s of those it stands for / Σ s of its own; each group is scaled to the sum of its
    sampling weights, so that without these its weights are 1 on average, as MatchIt's are.
    """
    weight = np.zeros(len(sampling))
    there = subclass >= 0
    if not there.any():
        return weight
    code, s, t = subclass[there], sampling[there], treated[there]
    total = [np.bincount(code[who], s[who], minlength=code.max() + 1) for who in (t, ~t)]
    aim = {"ATT": total[0], "ATC": total[1], "ATE": total[0] + total[1]}[estimand]
    made = np.zeros(len(code))
    for who, own in ((t, total[0]), (~t, total[1])):
        ratio = np.divide(aim, own, out=np.zeros_like(aim), where=own > 0)
        raw = s[who] * ratio[code[who]]
        made[who] = raw * _ratio(s[who].sum(), raw.sum())
    weight[there] = made
    return weight


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else 0.0
