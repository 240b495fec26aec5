"""Means of two groups by month since start, and how sure they are: influence, summed in blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from toolkit.effects.profile_rows import Rows
    from toolkit.matching.sample import Nuisance

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Rows worked on at a time: of 85 months these are 6 MB.
_BLOCK = 8_192


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Of one outcome in K months; group 0 are the controls, 1 the treated.

    Attributes
    ----------
    mean, variance : (2, K) arrays
        Weighted means among those observed, and their variances; NaN where nobody is observed, or
        one person only.
    count : (2, K) array
        Rows observed.
    size, whole : (2, K) arrays
        Their weight, and that of all who count in the month, observed or not.
    vcov : (K, K) array
        Of the differences treated − controls.
    """

    mean: Floats
    variance: Floats = field(repr=False)
    count: Ints = field(repr=False)
    size: Floats = field(repr=False)
    whole: Floats = field(repr=False)
    vcov: Floats = field(repr=False)

    @property
    def difference(self) -> Floats:
        """Treated − controls, (K,)."""
        found: Floats = self.mean[1] - self.mean[0]
        return found

    @property
    def share(self) -> Floats:
        """Weighted share observed of controls and of treated, (2, K); 0 where nobody counts."""
        return np.divide(self.size, self.whole, out=np.zeros_like(self.size), where=self.whole > 0)

    @property
    def covariance(self) -> Floats:
        """Covariance of the two means of each month, (K,)."""
        found: Floats = (self.variance.sum(axis=0) - np.diag(self.vcov)) / 2
        return found


def moments(
    rows: Rows,
    outcome: str,
    *,
    treated: Bools,
    weight: Floats,
    clusters: Sequence[tuple[int, Ints | None]],
    nuisance: Nuisance | None,
    first: int,
    length: int,
) -> Moments:
    """Return means, differences and variances of `outcome` in months first … first + length − 1.

    Parameters
    ----------
    rows : Rows
        N of them.
    outcome : str
    treated : (N,) array of bool
    weight : (N, 1) or (N, K) array
        Of all months, or of each.
    clusters : sequence of (sign, codes)
        What the variance adds up: +1 and (N,) numbers 0 … C-1 (None = each row) for one way of
        clustering; of two ways both, less their intersection.
    nuisance : Nuisance or None
        Of weights (N, 1) that were estimated.

    Notes
    -----
    With o whether a row is observed in a month, μ_g = Σ w o y / Σ w o over group g. The difference
    δ = μ₁ − μ₀ moves with row i by ±w_i o_i (y_i − μ_g) / Σ w o; weights w(θ) add
    Σ_j ∂w_j/∂θ · ±o_j (y_j − μ_g) / Σ w o times the influence of i on θ (Newey and McFadden 1994,
    section 6). The variance is the sum over clusters of squared sums of influences; of two ways a
    and b it is V_a + V_b − V_ab (Cameron, Gelbach and Miller 2011, eq. 2.10), cut at 0.
    """
    from toolkit.effects.profile_kernels import add_up, deviate

    group = treated.astype(np.int64)
    total, size, whole = np.zeros((3, 2, length))
    count = np.zeros((2, length), np.int64)
    kept = np.flatnonzero((weight > 0).any(axis=1))
    for block, _ in _blocks(kept, None):
        seen = rows.seen(outcome, block, first, length)
        add_up(seen, group[block], weight[block], total, size, whole, count)
    with np.errstate(invalid="ignore"):
        mean = total / size

    slope = None
    if nuisance is not None:
        slope = np.zeros((2, nuisance.gradient.shape[1], length))
        for block, _ in _blocks(kept, None):
            moved = rows.seen(outcome, block, first, length)
            deviate(moved, group[block], mean, size)
            for g in (0, 1):
                own = group[block] == g
                slope[g] += nuisance.gradient[block][own].T @ moved[own]
        kept = np.arange(len(treated))  # rows out of the comparison moved θ too

    vcov, variance = np.zeros((length, length)), np.zeros((2, length))
    for sign, codes in clusters:
        work = _Squares(
            rows=rows, outcome=outcome, group=group, weight=weight, first=first, mean=mean,
            size=size, slope=slope, nuisance=nuisance,
        )  # fmt: skip
        of_difference, of_means = work.over(kept, codes)
        vcov += sign * of_difference
        variance += sign * of_means
    if len(clusters) > 1:
        values, vectors = np.linalg.eigh(vcov)
        if values[0] < 0:
            vcov = (vectors * np.maximum(values, 0)) @ vectors.T
        variance = np.maximum(variance, 0)
    alone = (count < 2).any(axis=0)
    vcov[alone], vcov[:, alone] = np.nan, np.nan
    variance[count < 2] = np.nan
    return Moments(mean=mean, variance=variance, count=count, size=size, whole=whole, vcov=vcov)


@dataclass(frozen=True, kw_only=True)
class _Squares:
    """Everything that sums of squared influences need."""

    rows: Rows
    outcome: str
    group: Ints
    weight: Floats
    first: int
    mean: Floats
    size: Floats
    slope: Floats | None
    nuisance: Nuisance | None

    def over(self, kept: Ints, cluster: Ints | None) -> tuple[Floats, Floats]:
        """Return Σ u u' of the differences, (K, K), and Σ u² of both means, (2, K)."""
        from toolkit.effects.profile_kernels import add_square, deviate, gather

        length = self.mean.shape[1]
        vcov, variance = np.zeros((length, length)), np.zeros((2, length))
        order = kept if cluster is None else kept[np.argsort(cluster[kept], kind="stable")]
        for block, codes in _blocks(order, cluster):
            group = self.group[block]
            moved = self.rows.seen(self.outcome, block, self.first, length)
            deviate(moved, group, self.mean, self.size)
            sums = np.zeros((2, int(codes[-1]) + 1, length))
            gather(moved, group, self.weight[block], codes, sums)
            if self.slope is not None and self.nuisance is not None:
                learned = np.zeros((sums.shape[1], self.nuisance.influence.shape[1]))
                np.add.at(learned, codes, self.nuisance.influence[block])
                sums += learned @ self.slope
            add_square(sums[1] - sums[0], vcov)
            variance += np.einsum("gck,gck->gk", sums, sums)
        return vcov + np.tril(vcov, -1).T, variance


def _blocks(order: Ints, cluster: Ints | None) -> Iterator[tuple[Ints, Ints]]:
    """Yield rows in blocks, each with the number of its cluster within the block, from 0.

    No cluster is in two blocks.
    """
    if cluster is None:
        for low in range(0, len(order), _BLOCK):
            block = order[low : low + _BLOCK]
            yield block, np.arange(len(block))
        return
    codes = cluster[order]
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    low = 0
    while low < len(order):
        after = int(np.searchsorted(starts, low + _BLOCK, side="left"))
        high = int(starts[after]) if after < len(starts) else len(order)
        own = codes[low:high]
        yield order[low:high], np.cumsum(np.diff(own, prepend=own[0]) != 0)
        low = high


def months_seen(rows: Rows, outcomes: list[str], used: Ints, first: int, wanted: Ints) -> Bools:
    """Return which of the rows `used` are observed in all wanted months, on all outcomes.

    Parameters
    ----------
    used : (n,) array of int
    first : int
        The first month since start.
    wanted : array of int
        Positions of months from `first` on.
    """
    whole = np.ones(len(used), bool)
    length = int(wanted[-1]) + 1
    for outcome in outcomes:
        for low in range(0, len(used), _BLOCK):
            part = slice(low, low + _BLOCK)
            seen = rows.seen(outcome, used[part], first, length)
            whole[part] &= ~np.isnan(seen[:, wanted]).any(axis=1)
    return whole
