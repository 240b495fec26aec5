"""Intervals that hold when the instrument is weak (Fieller 1954; Anderson and Rubin 1949)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Ends of the pieces that make up a set of values not refuted; ±inf where it has no end.
Pieces = tuple[tuple[float, float], ...]


def ratio_set(effect: Floats, vcov: Floats, *, df: float, conf_level: float) -> Pieces:
    """Return all b for which effect₀ - b effect₁ is not refuted to be 0: a ratio's interval.

    Parameters
    ----------
    effect : (2,) array
        Of the instrument on the outcome and on the treatment.
    vcov : (2, 2) array
    df : float
        Of Student's t.

    Notes
    -----
    (e₀ - b e₁)² ≤ t² (v₀₀ - 2 b v₀₁ + b² v₁₁): a quadratic in b, whose solution is an interval, all
    but an interval, or everything (Fieller 1954).
    """
    from scipy.special import stdtrit

    square = float(stdtrit(min(df, 1e10), 0.5 + conf_level / 2)) ** 2
    a = effect[1] ** 2 - square * vcov[1, 1]
    b = effect[0] * effect[1] - square * vcov[0, 1]
    c = effect[0] ** 2 - square * vcov[0, 0]
    inner = b * b - a * c
    everything = ((-np.inf, np.inf),)
    if a > 0:
        root = np.sqrt(max(inner, 0.0))
        return ((float((b - root) / a), float((b + root) / a)),)
    if inner <= 0 or a == 0:
        return everything
    root = np.sqrt(inner)
    low, high = sorted(((b - root) / a, (b + root) / a))
    return ((-np.inf, float(low)), (float(high), np.inf))


def anderson_rubin_set(
    outcome: Floats, treatment: Floats, vcov: Floats, *, conf_level: float
) -> tuple[Pieces, float]:
    """Return all b that K instruments do not refute, and the smallest statistic.

    Parameters
    ----------
    outcome, treatment : (K,) arrays
        Coefficients of the instruments in the regressions of outcome and of treatment.
    vcov : (2 K, 2 K) array
        Of both, outcome first.

    Notes
    -----
    With g(b) = outcome - b treatment and V(b) its variance, AR(b) = g' V⁻¹ g is χ² on K degrees
    when b is the truth, however weak the instruments (Anderson and Rubin 1949; robust as in
    Andrews, Stock and Sun 2019, eq. 16). Its minimum is χ² on K - 1 when all instruments tell the
    same story.
    The line of b is bent to an angle, so that ±∞ is a point like any other, and scanned; crossings
    are then found to the precision of the machine.
    """
    from scipy.special import chdtri

    k = len(outcome)
    limit = float(chdtri(k, 1 - conf_level))
    first, cross, second = vcov[:k, :k], vcov[:k, k:], vcov[k:, k:]
    both = cross + cross.T
    scale = float(np.sqrt(np.trace(first) / np.trace(second)))

    def statistics(angle: Floats) -> Floats:
        one, other = np.cos(angle)[:, None], np.sin(angle)[:, None] * scale
        gap = one * outcome - other * treatment
        one, other = one[..., None], other[..., None]
        spread = one * one * first - one * other * both + other * other * second
        return np.asarray(
            np.einsum("ai,ai->a", gap, np.linalg.solve(spread, gap[..., None])[..., 0])
        )

    def statistic(angle: float) -> float:
        return float(statistics(np.array([angle]))[0])

    angles = np.linspace(-np.pi / 2, np.pi / 2, 4001)
    value = statistics(angles)
    lowest = _lowest(statistic, angles, value)
    inside = value <= limit
    edges = [
        _crossing(statistic, angles[i], angles[i + 1], limit)
        for i in np.flatnonzero(inside[1:] != inside[:-1])
    ]
    ends = [float(scale * np.tan(edge)) for edge in edges]
    if not ends:
        if inside[0]:
            return ((-np.inf, np.inf),), lowest[1]
        if lowest[1] > limit:
            return (), lowest[1]
        at = lowest[0]  # narrower than the scan: on both sides of the lowest point
        sides = [
            _crossing(statistic, low, high, limit)
            for low, high in ((float(angles[0]), at), (at, float(angles[-1])))
        ]
        left, right = (float(scale * np.tan(side)) for side in sides)
        return ((left, right),), lowest[1]
    if inside[0]:
        ends = [-np.inf, *ends]
    if inside[-1]:
        ends = [*ends, np.inf]
    return tuple(zip(ends[::2], ends[1::2], strict=True)), lowest[1]


def _crossing(statistic: Callable[[float], float], low: float, high: float, limit: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(lambda angle: statistic(angle) - limit, low, high, xtol=1e-14))


def _lowest(
    statistic: Callable[[float], float], angles: Floats, value: Floats
) -> tuple[float, float]:
    from scipy.optimize import minimize_scalar

    at = int(np.argmin(value))
    around = angles[max(at - 1, 0)], angles[min(at + 1, len(angles) - 1)]
    found = minimize_scalar(statistic, bounds=around, method="bounded", options={"xatol": 1e-12})
    return (float(found.x), float(found.fun)) if found.fun < value[at] else (
        float(angles[at]), float(value[at]))  # fmt: skip


def effective_f(
    first_stage: Floats, vcov: Floats, gram: Floats, *, bias: float = 0.1, level: float = 0.05
) -> tuple[float, float]:
    """Return the effective F of the first stage and the value it should pass.

    Parameters
    ----------
    first_stage : (K,) array
        Coefficients π of the instruments.
    vcov : (K, K) array
        Their robust variance Σ.
    gram : (K, K) array
        Z'Z of the instruments, with the other columns partialled out.
    bias : float
        Bias of two-stage least squares, as a share of the worst, that is still put up with.

    Notes
    -----
    With S = Σ^(1/2) Q Σ^(1/2), Q = Z'Z, F = π'Q π / tr(Σ Q) (Montiel Olea and Pflueger 2013, eq. 9)
    and the simplified critical value, from Patnaik's approximation of the distribution by a
    non-central χ² (their section 4): K_e = (tr S)² (1 + 2x) / (tr S² + 2 x tr S max eigenvalue S),
    x = 1/`bias`. With one instrument F is the robust F of Kleibergen and Paap, and the value 23.1.
    """
    from scipy.stats import ncx2

    trace = float(np.trace(vcov @ gram))
    f = float(first_stage @ gram @ first_stage) / trace
    x = 1 / bias
    values = np.linalg.eigvals(vcov @ gram).real
    square, top = float((values**2).sum()), float(values.max())
    freedom = trace**2 * (1 + 2 * x) / (square + 2 * x * trace * top)
    return f, float(ncx2.ppf(1 - level, freedom, freedom * x) / freedom)
