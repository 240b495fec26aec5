"""How far each row moves the means of groups, kept small: a row moves its own group, and θ."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.estimation.clusters import check_clusters, cluster_sums, few_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class MeansInfluence:
    """By how much each of N rows moves the means of treated and controls in G groups.

    The means stand as treated, control of group 0, treated, control of group 1, …: 2G in all.

    Attributes
    ----------
    own : (N, 2) array
        By how much a row moves the two means of its own group.
    group : (N,) array of int
        0 … G-1; -1 = in no group.
    n_group : int
    nuisance : (N, q) array or None
        By how much each row moves parameters θ that weights were made with.
    slopes : (q, 2G) array or None
        ∂ mean / ∂ θ.
    counts : (N,) array or None
        How many equal rows each row is; None = 1.
    """

    own: Floats = field(repr=False)
    group: Ints = field(repr=False)
    n_group: int
    nuisance: Floats | None = field(default=None, repr=False)
    slopes: Floats | None = field(default=None, repr=False)
    counts: Floats | None = field(default=None, repr=False)

    def dense(self) -> Floats:
        """Return the influences as one array, (N, 2G); a row with count c is c rows together."""
        rows = np.flatnonzero(self.group >= 0)
        out = np.zeros((len(self.group), 2 * self.n_group))
        for arm in (0, 1):
            out[rows, 2 * self.group[rows] + arm] = self.own[rows, arm]
        if self.nuisance is not None and self.slopes is not None:
            out += self.nuisance @ self.slopes
        return out

    def vcov(self, cluster: Ints | None = None, factor: Floats | None = None) -> Floats:
        """Return the variance of the means, Σ over clusters of u u', (2G, 2G).

        Parameters
        ----------
        cluster : (N,) array, optional
            Numbers from 0 on.
        factor : (G,) array, optional
            What the variance of each group is multiplied by: small-sample corrections.
        """
        from scipy.sparse import csr_array

        own, nuisance = self.own, self.nuisance
        units = len(self.group)
        if cluster is None:
            code = np.arange(units)
            if self.counts is not None:  # c equal rows move it by u / c each: c (u / c)²
                scale = 1 / np.sqrt(np.maximum(self.counts, 1e-300))
                own = own * scale[:, None]
                nuisance = None if nuisance is None else nuisance * scale[:, None]
        else:
            code, units = cluster, int(cluster.max()) + 1
            nuisance = None if nuisance is None else cluster_sums(nuisance, cluster)
        rows = np.flatnonzero(self.group >= 0)
        column = 2 * self.group[rows]
        size = 2 * self.n_group
        sums = csr_array(
            (own[rows].T.ravel(), (np.tile(code[rows], 2), np.concatenate([column, column + 1]))),
            shape=(units, size),
        )
        vcov = np.asarray((sums.T @ sums).todense())
        if nuisance is not None and self.slopes is not None:
            cross = np.asarray(sums.T @ nuisance) @ self.slopes
            vcov = vcov + cross + cross.T + self.slopes.T @ (nuisance.T @ nuisance) @ self.slopes
        if factor is not None:
            root = np.sqrt(np.repeat(factor, 2))
            vcov = vcov * np.outer(root, root)
        return np.asarray(vcov)


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """One or more ways in which rows belong together.

    Attributes
    ----------
    names : tuple of str
    codes : tuple of (N,) arrays
        Numbers from 0 on; a row that is not used may have any.
    """

    names: tuple[str, ...] = ()
    codes: tuple[Ints, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def label(self) -> str:
        """Return the names as text."""
        return " and ".join(self.names)

    def ways(self) -> list[tuple[int, tuple[int, ...], Ints]]:
        """Return what a variance adds up: sign, which ways, and the clusters of them together.

        Of two ways a and b: a + b - both (Cameron, Gelbach and Miller 2011, eq. 2.10).
        """
        every = range(len(self.codes))
        return [
            ((-1) ** (size + 1), chosen, _joined([self.codes[i] for i in chosen]))
            for size in range(1, len(self.codes) + 1)
            for chosen in combinations(every, size)
        ]


def clustered_vcov(
    influence: MeansInfluence, clustering: Clustering, used: Any, factors: Any
) -> tuple[Floats, int | None, list[str]]:
    """Return the variance of the means, the number of clusters, and what to warn of.

    Parameters
    ----------
    used : (N,) array of bool
        Rows in the comparison: only their clusters count.
    factors : callable
        From the number of clusters in each group (None without) to a factor of each.

    Notes
    -----
    With two ways a and b, V = V_a + V_b - V_(a and b) (Cameron, Gelbach and Miller 2011, eq. 2.10);
    where that is no variance, its negative part is set to 0.
    """
    if not clustering:
        return influence.vcov(None, factors(None)), None, []
    total = np.zeros((2 * influence.n_group,) * 2)
    fewest, said = None, []
    for sign, chosen, code in clustering.ways():
        if len(chosen) == 1:
            found = len(np.unique(code[used]))
            check_clusters(found, clustering.names[chosen[0]])
            said += few_clusters(found, clustering.names[chosen[0]])
            fewest = found if fewest is None else min(fewest, found)
        each = clusters_by_group(code, influence.group, influence.n_group)
        total += sign * influence.vcov(code, factors(each))
    if len(clustering.codes) > 1:
        total, cut = positive(total)
        if cut:
            said.append("the variance by two ways of clustering was not positive: cut at 0")
    return total, fewest, said


def positive(products: Floats) -> tuple[Floats, bool]:
    """Return a symmetric matrix without its negative part, and whether there was one."""
    values, vectors = np.linalg.eigh(products)
    if values[0] >= -1e-12 * max(values[-1], 0):
        return products, False
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T), True


def clusters_by_group(code: Ints, group: Ints, n_group: int) -> Floats:
    """Return how many clusters have a row in each group, (G,)."""
    rows = group >= 0
    pairs = np.unique(group[rows] * (int(code.max()) + 1) + code[rows])
    return np.bincount(pairs // (int(code.max()) + 1), minlength=n_group).astype(np.float64)


def _joined(codes: Sequence[Ints]) -> Ints:
    """Return the numbers of the combinations of codes."""
    joined = codes[0]
    for other in codes[1:]:
        joined = np.unique(joined * (int(other.max()) + 1) + other, return_inverse=True)[1]
    return np.asarray(joined)
