"""Whether people stand on one side of a border on purpose: a jump in their density."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Least bins on a side that a polynomial of the fourth degree can be fitted to.
_LEAST = 10
_KAPPA = 3.348


@dataclass(frozen=True, kw_only=True)
class DensityTest:
    """A jump in the density at a border (McCrary 2008).

    Attributes
    ----------
    estimate, std_error, p_value : float
        Of the logarithm of density just right over just left.
    left, right : float
        The densities.
    bin_width, bandwidth : float
    bins : DataFrame
        `middle, n`: how many stand in each bin.
    """

    estimate: float
    std_error: float
    p_value: float
    left: float
    right: float
    bin_width: float
    bandwidth: float
    bins: pl.DataFrame = field(repr=False)


def density_test(
    x: Floats, cutoff: float, *, bin_width: float | None = None, bandwidth: float | None = None
) -> DensityTest:
    """Test for a jump in the density of `x` at `cutoff`, which belongs to the right.

    Parameters
    ----------
    x : (N,) array
        Where people stand; with months or years as values, bins hold whole values.
    bin_width, bandwidth : float, optional
        By McCrary's rules when not given.

    Raises
    ------
    toolkit.errors.EmptyCohortError
        With fewer than ten bins on a side.

    Notes
    -----
    Counts per bin of width 2 sd n^(-1/2), no bin across the border, smoothed on each side by a
    local line with a triangular kernel; θ = log f⁺ - log f⁻, with standard error
    √(24/5 (1/f⁺ + 1/f⁻) / (n h)) (McCrary 2008, eq. 5). The bandwidth h is the mean over both sides
    of 3.348 (σ² length / Σ f''²)^(1/5), from a polynomial of the fourth degree (his section 3.2).
    """
    from scipy.special import ndtr

    width = _width(x) if bin_width is None else bin_width
    place = np.floor((x - cutoff) / width + 1e-9).astype(np.int64)
    low, high = int(place.min()), int(place.max())
    if -low < _LEAST or high + 1 < _LEAST:
        raise EmptyCohortError(
            "Too few values on a side of the border to see a jump in the density",
            where=f"{max(-low, 0):,} bins left, {max(high + 1, 0):,} right, of {_LEAST} needed",
            fix="take people further from the border in, or narrower bins",
        )
    count = np.bincount(place - low)
    middle = np.asarray((np.arange(low, high + 1) + 0.5) * width, dtype=np.float64)
    density = np.asarray(count / (len(x) * width), dtype=np.float64)
    sides = middle < 0, middle > 0
    h = bandwidth
    if h is None:
        h = float(np.mean([_rule(middle[side], density[side]) for side in sides]))
    h = max(h, 3 * width)  # three bins make a line with something left over
    left, right = (_at_border(middle[side], density[side], h) for side in sides)
    if min(left, right) <= 0:
        raise EmptyCohortError(
            "Nobody stands next to the border on one of its sides",
            fix="a gap there is an answer too: look at bins and at how the border is applied",
        )
    estimate = float(np.log(right / left))
    error = float(np.sqrt(24 / 5 * (1 / left + 1 / right) / (len(x) * h)))
    return DensityTest(
        estimate=estimate, std_error=error, p_value=float(2 * ndtr(-abs(estimate / error))),
        left=left, right=right, bin_width=width, bandwidth=h,
        bins=pl.DataFrame({"middle": middle + cutoff, "n": count}),
    )  # fmt: skip


def _width(x: Floats) -> float:
    """Return McCrary's bin width; whole steps where the values lie on a grid."""
    width = float(2 * x.std(ddof=1) / np.sqrt(len(x)))
    values = np.unique(x)
    if len(values) > len(x) / 5:
        return width
    step = float(np.diff(values).min())
    return step * max(round(width / step), 1)


def _rule(middle: Floats, density: Floats) -> float:
    scale = np.abs(middle).max()
    u = middle / scale
    powers = np.vander(u, 5, increasing=True)
    b, *_ = np.linalg.lstsq(powers, density, rcond=None)
    noise = float(((density - powers @ b) ** 2).sum()) / max(len(u) - 5, 1)
    bend = (2 * b[2] + 6 * b[3] * u + 12 * b[4] * u**2) / scale**2
    total = float((bend**2).sum())
    if total == 0:
        return float(scale)
    return float(min(_KAPPA * (noise * scale / total) ** 0.2, scale))


def _at_border(middle: Floats, density: Floats, h: float) -> float:
    w = np.maximum(1 - np.abs(middle) / h, 0)
    s0, s1, s2 = w.sum(), w @ middle, w @ middle**2
    return float((s2 * (w @ density) - s1 * (w @ (middle * density))) / (s0 * s2 - s1**2))
