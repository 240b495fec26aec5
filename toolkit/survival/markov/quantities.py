"""What follows from intensities, and how uncertain it is (the delta method)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.intervals import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_STEP = 1e-5


def delta(
    function: Callable[[Floats], Floats], theta: Floats, vcov: Floats, spread: Floats
) -> tuple[Floats, Floats]:
    """Return function(θ) and its standard errors, by central differences.

    Parameters whose variance is not known (held on the boundary) are taken as known.
    """
    value = np.asarray(function(theta), dtype=np.float64)
    free = np.flatnonzero(np.isfinite(np.diag(vcov)))
    slopes = np.empty((len(free), value.size))
    for row, place in enumerate(free):
        step = _STEP / max(1.0, spread[place])
        low, high = theta.copy(), theta.copy()
        low[place] -= step
        high[place] += step
        slopes[row] = (function(high) - function(low)).ravel() / (2 * step)
    inner = vcov[np.ix_(free, free)]
    variance = np.einsum("ia,ij,ja->a", slopes, inner, slopes).reshape(value.shape)
    return value, np.sqrt(np.maximum(variance, 0.0))


#: Below this a number is 0 for a parameter held on the boundary (exp(-40) of its start).
_ZERO = 1e-14


def without_dust(value: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Return numbers with 0 for what is 0 but for a parameter on the boundary, and no error."""
    dust = np.abs(value) < _ZERO
    return np.where(dust, 0.0, value), np.where(dust, np.nan, error)


def positive_interval(value: Floats, error: Floats, level: float) -> tuple[Floats, Floats]:
    """Return bounds on the log scale: they stay above 0. Nan where the value is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        half = normal_quantile(level) * error / value
        low, high = value * np.exp(-half), value * np.exp(half)
    nowhere = ~(value > 0) | ~np.isfinite(half)
    return np.where(nowhere, np.nan, low), np.where(nowhere, np.nan, high)


def share_interval(
    value: Floats, error: Floats, level: float, most: float = 1.0
) -> tuple[Floats, Floats]:
    """Return bounds on the logit scale: they stay between 0 and `most`. Nan at the ends."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = value / most
        half = normal_quantile(level) * (error / most) / (p * (1 - p))
        logit = np.log(p / (1 - p))
        low, high = 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))
    nowhere = ~((p > 0) & (p < 1)) | ~np.isfinite(half)
    return np.where(nowhere, np.nan, low * most), np.where(nowhere, np.nan, high * most)


def transition_matrix(q: Floats, breaks: Floats, start: float, end: float) -> Floats:
    """Return P(start, end), (..., S, S), of generators per period (..., B + 1, S, S)."""
    from scipy.linalg import expm

    size = q.shape[-1]
    out = np.broadcast_to(np.eye(size), (*q.shape[:-3], size, size))
    for period, length in pieces(breaks, start, end):
        out = out @ expm(q[..., period, :, :] * length)
    return np.asarray(out)


def time_in_states(q: Floats, breaks: Floats, start: float, end: float) -> Floats:
    """Return ∫ P(start, t) dt up to `end`, (..., S, S); Van Loan (1978)."""
    from scipy.linalg import expm

    size = q.shape[-1]
    shape = q.shape[:-3]
    out = np.zeros((*shape, size, size))
    so_far = np.broadcast_to(np.eye(size), (*shape, size, size))
    for period, length in pieces(breaks, start, end):
        block = np.zeros((*shape, 2 * size, 2 * size))
        block[..., :size, :size] = q[..., period, :, :]
        block[..., :size, size:] = np.eye(size)
        whole = expm(block * length)
        out = out + so_far @ whole[..., :size, size:]
        so_far = so_far @ whole[..., :size, :size]
    return out


def pieces(breaks: Floats, start: float, end: float) -> list[tuple[int, float]]:
    """Return the periods between two times, each with the time spent in it."""
    inside = breaks[(breaks > start) & (breaks < end)]
    edges = [start, *inside.tolist(), end]
    first = int(np.searchsorted(breaks, start, side="right"))
    return [(first + i, b - a) for i, (a, b) in enumerate(pairwise(edges))]


def next_states(q: Floats, mask: Bools) -> Floats:
    """Return the chance that the next move goes to each state, (..., S, S)."""
    leave = -np.diagonal(q, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = q / leave[..., None]
    return np.where(mask, share, 0.0)
