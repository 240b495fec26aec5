"""Statistics of one covariate in two groups: moments, Kolmogorov-Smirnov, overlap.

Values that are few are counted first: the passes then are over hundreds of values, not millions of
rows, and nothing below knows which of the two it got.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.balance.groups import Groups

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: By whose standard deviation differences are divided.
Standard = Literal["treated", "control", "pooled", "all", "weighted"]

#: Whole numbers over a range no wider than this are counted, not sorted.
_COUNTED = 4096
#: Up to this many distinct values, shares at values overlap; above, densities do.
FEW_VALUES = 20
_GRID = 1024
#: A share below this is a rounding error: one person in a million millions.
_NOBODY = 1e-12


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


def describe(values: Floats, groups: Groups, *, binary: bool = False) -> list[Numbers]:
    """Return the numbers of each sample.

    Variances are Σ p (x − m)² / (1 − Σ p²), which is n − 1 in the denominator where weights are
    equal; of a binary covariate m (1 − m). With weights they are R's ``cov.wt``.

    Parameters
    ----------
    values : (N,) array
        Finite.
    groups : Groups
        Of the same N rows.
    binary : bool
        Whether the values are 0 and 1.
    """
    if not len(values):
        raise ValueError("no rows")  # the callers look: a column without a value is refused
    at, shares = _counted(values, groups)
    return _numbers(at, shares, groups, binary=binary)


def describe_shares(shares: Floats, groups: Groups) -> list[Numbers]:
    """Return the numbers of each sample of something that a share (2S,) of each group has."""
    values = np.array([0.0, 1.0])
    return _numbers(values, np.stack([1 - shares, shares]), groups, binary=True)


def _counted(values: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Return distinct values and the share of each group at each; the rows where that is long."""
    whole = _whole_range(values)
    if whole is None:
        return values, groups.shares
    low, width = whole
    from toolkit.matching.balance.kernels import add_up

    sums, rows = add_up((values - low).astype(np.int32), groups.shares, width)
    return low + np.flatnonzero(rows).astype(np.float64), sums[rows > 0]


def _whole_range(values: Floats) -> tuple[float, int] | None:
    """Return the lowest value and the width of the range of whole numbers; None for others."""
    head = values[:1000]
    if (head != np.floor(head)).any():
        return None
    low, high = float(values.min()), float(values.max())
    if high - low >= _COUNTED or (values != np.floor(values)).any():
        return None
    return low, int(high - low) + 1


def _numbers(values: Floats, shares: Floats, groups: Groups, *, binary: bool) -> list[Numbers]:
    from toolkit.matching.balance.kernels import moments

    means, sums = moments(values, shares)
    spread, sizes = groups.spread, groups.sizes
    if binary:  # what nobody or everybody has is so to a rounding: then it has no spread
        means = np.where(means < _NOBODY, 0.0, np.where(means > 1 - _NOBODY, 1.0, means))
        variances = means * (1 - means)
    else:
        some = spread > 1e-14
        variances = np.divide(sums, spread, out=np.zeros_like(sums), where=some)
    smaller = int(np.argmin(sizes[:2]))
    order = np.argsort(values)
    from toolkit.matching.balance.kernels import walk

    gaps, quarters, distinct = walk(values, order, shares, smaller)
    width = 0.0
    if distinct > FEW_VALUES and sizes[smaller]:
        width = _bandwidth(variances[smaller], quarters, int(sizes[smaller]))
    overlap = (
        _smooth_overlap(values, shares, width) if width else _exact_overlap(values, shares, order)
    )
    found = []
    for sample in range(len(gaps)):
        pair = slice(2 * sample, 2 * sample + 2)
        there = sizes[pair] > 0
        mean, variance = (np.where(there, each[pair], np.nan) for each in (means, variances))
        whole = bool(there.all())
        found.append(
            Numbers(
                mean_treated=float(mean[0]), mean_control=float(mean[1]),
                var_treated=float(variance[0]), var_control=float(variance[1]),
                var_all=_mixed(means[pair], sums[pair], spread[pair], groups.totals[pair],
                               binary=binary),
                ks=float(gaps[sample]) if whole else np.nan,
                overlap=float(overlap[sample]) if whole else np.nan,
                n_treated=int(sizes[pair][0]), n_control=int(sizes[pair][1]),
            )
        )  # fmt: skip
    return found


def _mixed(means: Floats, sums: Floats, spread: Floats, totals: Floats, *, binary: bool) -> float:
    """Return the variance of both groups together, each row with its weight.

    With a = W₁ / (W₁ + W₀), rows have shares a p₁ and (1 − a) p₀; Σ of their squares follows from
    those of the groups.
    """
    if not totals.sum() > 0:
        return float("nan")
    part = totals / totals.sum()
    mean = float(part @ means)
    if binary:
        return mean * (1 - mean)
    left = 1.0 - float(part**2 @ (1.0 - spread))
    within = float(part @ (sums + (means - mean) ** 2))
    return within / left if left > 1e-14 else 0.0


def _exact_overlap(values: Floats, shares: Floats, order: Ints) -> Floats:
    """Return Σ min(p₁, p₀) over the distinct values."""
    at = values[order]
    starts = np.flatnonzero(np.append(True, at[1:] != at[:-1]))
    mass = np.add.reduceat(shares[order], starts, axis=0)
    both: Floats = np.minimum(np.minimum(mass[:, 0::2], mass[:, 1::2]).sum(axis=0), 1.0)
    return both


def _smooth_overlap(values: Floats, shares: Floats, width: float) -> Floats:
    """Return ∫ min(f₁, f₀) of Gaussian kernel densities with one bandwidth.

    The values are put on a grid first (linear binning) and smoothed there by a Fourier transform
    (Silverman 1982): one pass, however many rows. The grid is as long again, so that nothing
    comes round to the other end.
    """
    low, high = float(values.min()) - 3 * width, float(values.max()) + 3 * width
    step = (high - low) / (_GRID - 1)
    from toolkit.matching.balance.kernels import put_on_grid

    mass = put_on_grid(values, shares, low, step, _GRID)
    frequency = np.fft.rfftfreq(2 * _GRID)[:, None]
    # the transform of the normal density, its standard deviation counted in steps of the grid
    kernel = np.exp(-2 * (np.pi * frequency * width / step) ** 2)
    dense = np.fft.irfft(np.fft.rfft(mass, 2 * _GRID, axis=0) * kernel, 2 * _GRID, axis=0)[:_GRID]
    dense = np.maximum(dense, 0.0)
    dense /= np.maximum(dense.sum(axis=0), 1e-300)  # the ends of the grid cut off a little
    both: Floats = np.minimum(np.minimum(dense[:, 0::2], dense[:, 1::2]).sum(axis=0), 1.0)
    return both


def _bandwidth(variance: float, quarters: Floats, n: int) -> float:
    """Return 1.06 min(sd, IQR / 1.34) n^(−1/5); the sd alone where half has one value.

    Scott (1992), Multivariate Density Estimation, p. 153: the normal reference rule.
    """
    robust = float(quarters[1] - quarters[0]) / 1.34
    sd = float(np.sqrt(variance))
    return 1.06 * (min(sd, robust) if robust > 0 else sd) * math.exp(-math.log(n) / 5)


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
    size = np.nanmax([abs(first.mean_treated), abs(first.mean_control), 1e-150])
    least = (1e-12 * float(size)) ** 2
    if variance > max(least, 1e-12 * first.var_all):
        return float(np.sqrt(variance)), True
    return float(np.sqrt(first.var_all)) if first.var_all > least else 0.0, False
