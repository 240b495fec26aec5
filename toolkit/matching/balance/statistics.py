"""Statistics of one covariate in two groups: moments, Kolmogorov-Smirnov, overlap.

All come from one table: the distinct values in order, and the share of each group at each. Few
values are counted, many are sorted; nothing below knows which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.balance.groups import Groups

    Floats = NDArray[np.float64]

#: By whose standard deviation differences are divided.
Standard = Literal["treated", "control", "pooled", "all", "weighted"]

#: Whole numbers over a range no wider than this are counted, not sorted.
_COUNTED = 4096
#: Up to this many distinct values, shares at values overlap; above, densities do.
FEW_VALUES = 20
_GRID = 1024


@dataclass(frozen=True, kw_only=True)
class Table:
    """A covariate's distribution: values (K,) from low to high, and shares (2S, K) of the groups.

    `spread` (2S,) is 1 − Σ share² over the rows of each group, which the values do not tell;
    `sizes` (2S,) counts rows and `totals` (2S,) sums weights.
    """

    values: Floats
    shares: Floats
    spread: Floats
    sizes: NDArray[np.int64]
    totals: Floats


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """One covariate in one sample."""

    mean_treated: float
    mean_control: float
    var_treated: float
    var_control: float
    var_all: float
    ks: float
    overlap: float
    n_treated: int
    n_control: int


def tabulate(values: Floats, groups: Groups) -> Table:
    """Return the distribution of N values (finite) over the groups."""
    whole = _whole_range(values)
    if whole is None:
        order = np.argsort(values)
        at, shares = values[order], groups.shares[:, order]
    else:
        low, width = whole
        codes = (values - low).astype(np.int64)
        shares = np.stack([np.bincount(codes, row, minlength=width) for row in groups.shares])
        there = np.bincount(codes, minlength=width) > 0
        at, shares = low + np.flatnonzero(there).astype(np.float64), shares[:, there]
    return Table(
        values=at, shares=shares, spread=groups.spread, sizes=groups.sizes(), totals=groups.totals
    )


def _whole_range(values: Floats) -> tuple[float, int] | None:
    """Return the lowest value and the width of the range of whole numbers; None for others."""
    head = values[:1000]
    if (head != np.floor(head)).any():
        return None
    low, high = float(values.min()), float(values.max())
    if high - low >= _COUNTED or (values != np.floor(values)).any():
        return None
    return low, int(high - low) + 1


def describe(table: Table, *, binary: bool = False) -> list[Numbers]:
    """Return the numbers of each sample.

    Variances are Σ p (x − m)² / (1 − Σ p²), which is n − 1 in the denominator where weights are
    equal; of a binary covariate m (1 − m). With weights they are R's `cov.wt`.
    """
    means = table.shares @ table.values
    away = (table.values[None, :] - means[:, None]) ** 2
    sums = np.einsum("gk,gk->g", table.shares, away)
    if binary:
        variances = means * (1 - means)
    else:
        some = table.spread > 1e-14
        variances = np.divide(sums, table.spread, out=np.zeros_like(sums), where=some)
    ends = np.append(table.values[1:] != table.values[:-1], True)
    width = _bandwidth(table, variances[:2])
    found = []
    for sample in range(len(means) // 2):
        one, other = 2 * sample, 2 * sample + 1
        gap = np.cumsum(table.shares[one] - table.shares[other])
        pair = slice(one, other + 1)
        known = bool((table.sizes[pair] > 0).all())
        found.append(
            Numbers(
                mean_treated=_known(means[one], table.sizes[one]),
                mean_control=_known(means[other], table.sizes[other]),
                var_treated=_known(variances[one], table.sizes[one]),
                var_control=_known(variances[other], table.sizes[other]),
                var_all=_mixed(table, means[pair], sums[pair], pair, binary=binary),
                ks=float(np.abs(gap[ends]).max()) if known else float("nan"),
                overlap=_overlap(table, one, width) if known else float("nan"),
                n_treated=int(table.sizes[one]),
                n_control=int(table.sizes[other]),
            )
        )
    return found


def _known(value: float, size: int) -> float:
    return float(value) if size else float("nan")


def _mixed(table: Table, means: Floats, sums: Floats, pair: slice, *, binary: bool) -> float:
    """Return the variance of both groups together, each row with its weight.

    With a = W₁ / (W₁ + W₀), rows have shares a p₁ and (1 − a) p₀; Σ of their squares follows from
    those of the groups.
    """
    totals = table.totals[pair]
    if not totals.sum() > 0:
        return float("nan")
    part = totals / totals.sum()
    mean = float(part @ means)
    if binary:
        return mean * (1 - mean)
    spread = 1.0 - float(part**2 @ (1.0 - table.spread[pair]))
    within = float(part @ (sums + (means - mean) ** 2))
    return within / spread if spread > 1e-14 else 0.0


def _overlap(table: Table, one: int, width: float) -> float:
    """Return ∫ min(f₁, f₀): 1 where the groups are alike, 0 where they never meet.

    Over the values where there are few; else of two Gaussian kernel densities with one bandwidth,
    Scott's normal reference rule for the smaller group before matching. Values are put on a grid
    first (linear binning; Silverman 1982), so that it costs one pass.
    """
    if not width > 0:
        ends = np.append(np.flatnonzero(table.values[1:] != table.values[:-1]), -1)
        sums = np.cumsum(table.shares[one : one + 2], axis=1)[:, ends]
        shares = np.diff(sums, axis=1, prepend=0.0)
        return float(min(np.minimum(shares[0], shares[1]).sum(), 1.0))
    low, high = table.values[0] - 3 * width, table.values[-1] + 3 * width
    step = (high - low) / (_GRID - 1)
    place = (table.values - low) / step
    left = np.minimum(place.astype(np.int64), _GRID - 2)
    right_part = place - left
    frequency = np.fft.rfftfreq(2 * _GRID)
    # the Fourier transform of the normal density with this bandwidth, in steps of the grid
    kernel = np.exp(-2 * (np.pi * frequency * width / step) ** 2)
    densities = []
    for share in table.shares[one : one + 2]:
        mass = np.bincount(left, share * (1 - right_part), minlength=_GRID)
        mass += np.bincount(left + 1, share * right_part, minlength=_GRID)
        smooth = np.fft.irfft(np.fft.rfft(mass, 2 * _GRID) * kernel, 2 * _GRID)[:_GRID]
        densities.append(np.maximum(smooth, 0.0))
    return float(min(np.minimum(*densities).sum(), 1.0))


def _bandwidth(table: Table, variances: Floats) -> float:
    """Return 1.06 min(sd, IQR / 1.34) n^(−1/5) of the smaller group; 0 for few distinct values.

    Scott (1992), p. 153; the sd alone where half of the group has one value.
    """
    changes = np.flatnonzero(table.values[1:] != table.values[:-1])
    if len(changes) < FEW_VALUES or not (table.sizes[:2] > 0).all():
        return 0.0
    group = int(np.argmin(table.sizes[:2]))
    sums = np.cumsum(table.shares[group])
    quarters = table.values[np.minimum(np.searchsorted(sums, [0.25, 0.75]), len(table.values) - 1)]
    robust = float(quarters[1] - quarters[0]) / 1.34
    sd = float(np.sqrt(variances[group]))
    scale = min(sd, robust) if robust > 0 else sd
    size: float = float(table.sizes[group])
    return float(1.06 * scale * size**-0.2)


def denominator(numbers: list[Numbers], standard: Standard) -> tuple[float, bool]:
    """Return the standard deviation that differences are divided by, and whether it is its own.

    The same before and after: `treated`, `control`, `pooled` (root of the mean of both variances)
    and `all` as the rows came, `weighted` of all as weighted afterwards. Where it is 0, that of
    all as they came stands in (False); 0 when the covariate is constant.
    """
    first, last = numbers[0], numbers[-1]
    variance = {
        "treated": first.var_treated,
        "control": first.var_control,
        "pooled": (first.var_treated + first.var_control) / 2,
        "all": first.var_all,
        "weighted": last.var_all,
    }[standard]
    # a constant has a rounding error for its variance
    size = max(abs(first.mean_treated), abs(first.mean_control), 1e-300)
    if variance > (1e-12 * size) ** 2:
        return float(np.sqrt(variance)), True
    whole = first.var_all if first.var_all > (1e-12 * size) ** 2 else 0.0
    return float(np.sqrt(whole)), False
