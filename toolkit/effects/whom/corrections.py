"""Many tests at once: p-values and intervals that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.estimation.deviations import largest_deviations
from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Correction = Literal["max_t", "holm", "benjamini_hochberg", "none"]
CORRECTIONS = ("max_t", "holm", "benjamini_hochberg", "none")
#: Draws of the largest deviation.
_DRAWS = 20_000


def holm(p: Floats) -> Floats:
    """Return p-values adjusted for the chance of any false finding (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, and never below the one before it.
    """
    order = _ordered(p)
    raised = p[order] * np.arange(len(order), 0, -1)
    out = np.full(len(p), np.nan)
    out[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return out


def benjamini_hochberg(p: Floats) -> Floats:
    """Return p-values adjusted for the share of false findings (Benjamini and Hochberg 1995).

    The i-th smallest of m is multiplied by m / i, and never above the one after it.
    """
    order = _ordered(p)
    raised = p[order] * len(order) / np.arange(1, len(order) + 1)
    out = np.full(len(p), np.nan)
    out[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return out


def _ordered(p: Floats) -> NDArray[np.int64]:
    """Return the places of the p-values there are, smallest first."""
    known = np.flatnonzero(~np.isnan(p))
    return known[np.argsort(p[known], kind="stable")]


def _largest(vcov: Floats, seed: int) -> Floats:
    """Return draws of the largest |z| when nothing is there, (R,), sorted.

    Estimates without a variance count for nothing.
    """
    error = np.sqrt(np.diag(vcov))
    known = error > 0
    if not known.any():
        return np.zeros(_DRAWS)
    return largest_deviations(vcov[np.ix_(known, known)], error[known], draws=_DRAWS, seed=seed)


def adjusted(
    p: Floats, z: Floats, vcov: Floats, correction: Correction, conf_level: float, seed: int
) -> tuple[Floats, Floats]:
    """Return adjusted p-values, and the critical value of intervals of each estimate.

    Parameters
    ----------
    p, z : (m,) arrays
        NaN where there is no test.
    vcov : (m, m) array

    Notes
    -----
    ``max_t``: the largest of m correlated normals (Hothorn, Bretz and Westfall 2008): all
    intervals hold at once. Holm's intervals are Bonferroni's; those of Benjamini and Hochberg are
    single ones, as it controls no chance of error of an interval.
    """
    count = max(int((~np.isnan(p)).sum()), 1)
    plain = normal_quantile(conf_level)
    if correction == "max_t":
        draws = _largest(vcov, seed)
        above = len(draws) - np.searchsorted(draws, np.abs(z), side="left")
        tail = np.where(np.isnan(z), np.nan, (above + 1) / (len(draws) + 1))
        # draws do not reach far into the tail: there Bonferroni's bound is as good
        tail = np.minimum(np.maximum(tail, p), np.minimum(count * p, 1.0))
        critical = max(float(np.quantile(draws, conf_level)), plain)
    elif correction == "holm":
        tail, critical = holm(p), normal_quantile(1 - (1 - conf_level) / count)
    elif correction == "benjamini_hochberg":
        tail, critical = benjamini_hochberg(p), plain
    else:
        tail, critical = p, plain
    return tail, np.full(len(p), critical)
