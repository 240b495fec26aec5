"""Means of pairs matched with replacement, with the variance of Abadie and Imbens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PairMeans:
    """Means over those for whom the effect is and over their matches, of G groups.

    Attributes
    ----------
    value : (2G,) array
        Focal mean and mean of its matches, of group 0, of group 1, …
    vcov : (2G, 2G) array
    n_focal, n_match : (G,) arrays
        People for whom the effect is, and different people matched to them.
    """

    value: Floats
    vcov: Floats = field(repr=False)
    n_focal: Ints
    n_match: Ints


@dataclass(frozen=True, kw_only=True)
class BiasCorrection:
    """A regression among matches, each as often as it is used.

    Attributes
    ----------
    fitted : (N,) array
    design : (N, q) array
        With an intercept.
    bread : (q, q) array
        (Σ K d d')⁻¹.
    weight : (N,) array
        K, how often each match is used; 0 = not.
    """

    fitted: Floats = field(repr=False)
    design: Floats = field(repr=False)
    bread: Floats = field(repr=False)
    weight: Floats = field(repr=False)


def pair_means(
    focal: Ints,
    match: Ints,
    y: Floats,
    *,
    group: Ints,
    n_group: int,
    sampling: Floats,
    variance: Floats,
    correction: BiasCorrection | None = None,
) -> PairMeans:
    """Return means of focal rows and of their matches, with their variance.

    Parameters
    ----------
    focal, match : (P,) arrays of int
        Rows of each pair; a match may stand in many.
    y, sampling : (N,) arrays
    group : (N,) array of int
        Of the focal rows, 0 … G-1; -1 = left out.
    variance : (N,) array
        Conditional variance of the outcome of each match, given what was matched on.
    correction : BiasCorrection, optional
        What a pair differs in is taken off its match (Abadie and Imbens 2011).

    Notes
    -----
    Focal i stands for s_i and its matches j for s_j; Ŷ_i is their mean, each pair has the weight
    k = s_i s_j / Σ s_j (1 / M with M matches and no weights), K_j = Σ k over the pairs of match j
    and K'_j = Σ k². For any contrast a Y - b Ŷ the variance is

        Σ s_i² (a Y_i - b Ŷ_i - mean)² / (Σ s)² + b² Σ (K_j² - K'_j) σ²_j / (Σ s)²

    (Abadie and Imbens 2006, theorem 7, for the effect on the treated in the population): the
    second part is what matches used more than once add. Two groups share what they share of
    matches: K_jg K_jh σ²_j.

    A bias correction moves weight between matches: with d the regression's terms, d̄ their mean
    among focal rows less that among their matches, K_j + Σ s · d̄'(Σ K d d')⁻¹ K_j d_j takes the
    place of K_j in K_j², as the outcome of match j counts as much as that. In large samples this
    is nothing; where the regression reaches beyond the matches it is not.
    """
    from scipy.sparse import csr_array

    kept = group[focal] >= 0
    focal, match = focal[kept], match[kept]
    rows, place = np.unique(focal, return_inverse=True)
    among = np.bincount(place, sampling[match])  # matches share by their own weights
    fitted = None if correction is None else correction.fitted
    outcome = y[match] if fitted is None else y[match] - fitted[match]
    imputed = np.bincount(place, sampling[match] * outcome) / among
    if fitted is not None:
        imputed = imputed + fitted[rows]
    s, g = sampling[rows], group[rows]
    total = np.bincount(g, s, minlength=n_group)
    value = np.empty(2 * n_group)
    off = np.empty((len(rows), 2))
    for arm, at in enumerate((y[rows], imputed)):
        mean = np.bincount(g, s * at, minlength=n_group) / total
        value[arm::2] = mean
        off[:, arm] = s * (at - mean[g]) / total[g]
    spread = np.zeros((2 * n_group, 2 * n_group))
    for first in (0, 1):
        for second in (0, 1):
            part = np.bincount(g, off[:, first] * off[:, second], minlength=n_group)
            spread[np.arange(n_group) * 2 + first, np.arange(n_group) * 2 + second] = part
    share = (s / among)[place] * sampling[match]
    used = csr_array((share, (match, g[place])), shape=(len(y), n_group))
    once = csr_array((share**2, (match, g[place])), shape=(len(y), n_group))
    reused = np.asarray((used.T @ used.multiply(variance[:, None])).todense())
    if correction is not None:
        lift = correction.design @ correction.bread * correction.weight[:, None]
        gap = (
            np.stack([np.bincount(g, s * d, minlength=n_group) for d in correction.design[rows].T])
            - (used.T @ correction.design).T
        )
        cross = np.asarray(used.T @ (lift * variance[:, None])) @ gap
        reused += cross + cross.T + gap.T @ (lift.T @ (lift * variance[:, None])) @ gap
    reused -= np.diag(once.T @ variance)
    spread[1::2, 1::2] += reused / np.outer(total, total)
    used.eliminate_zeros()
    return PairMeans(
        value=value,
        vcov=spread,
        n_focal=np.bincount(g, minlength=n_group),
        n_match=np.bincount(used.indices, minlength=n_group),
    )


def conditional_variance(y: Floats, space: Floats, asked: Ints, *, neighbours: int) -> Floats:
    """Return the variance of y given its place, from the nearest rows, (len(asked),).

    Parameters
    ----------
    y : (n,) array
        Outcomes of one arm.
    space : (n, d) array
        What was matched on, scaled as distances were.
    asked : array of int
        Rows whose variance is wanted.
    neighbours : int
        J: as many others, and all that are as near as the last of them.

    Notes
    -----
    σ²_i = J / (J + 1) (y_i - mean of the J nearest others)² (Abadie and Imbens 2006, eq. 14).
    Rows at the same place count together, so that the order of rows does not matter.
    """
    from scipy.spatial import cKDTree

    places, at, count = np.unique(space, axis=0, return_inverse=True, return_counts=True)
    at = at.ravel()
    sums = np.bincount(at, y)
    most = min(neighbours + 8, len(places))
    distance, near = cKDTree(places).query(places[at[asked]], k=most)
    distance, near = distance.reshape(len(asked), most), near.reshape(len(asked), most)
    others = np.cumsum(count[near], axis=1) - 1
    enough = np.where(others[:, -1] >= neighbours, np.argmax(others >= neighbours, axis=1), -1)
    reach = distance[np.arange(len(asked)), enough]
    inside = distance <= reach[:, None] * (1 + 1e-12)
    number = np.where(inside, count[near], 0).sum(axis=1) - 1
    total = np.where(inside, sums[near], 0.0).sum(axis=1) - y[asked]
    with np.errstate(invalid="ignore", divide="ignore"):
        off = y[asked] - total / number
    return np.where(number > 0, number / (number + 1) * off**2, 0.0)
