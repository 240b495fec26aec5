"""The picture of a test of proportional hazards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.survival.cox.proportionality import Proportionality

    Floats = NDArray[np.float64]

#: Points drawn at most; the curve is made from all of them.
_MOST_POINTS = 3_000


def plot_residuals(
    test: Proportionality, column: int, *, df: int, ax: Axes | None, **options: Any
) -> Axes:
    """Draw the residuals of a column over time on the scale of the test, curve and band."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    g, y, w = test.scale, test.scaled[:, column], test.weight
    some = np.unique(np.linspace(0, len(g) - 1, min(len(g), _MOST_POINTS)).astype(int))
    ax.scatter(g[some], y[some], s=10, alpha=0.35, linewidths=0, color="0.4")
    at = np.linspace(g.min(), g.max(), 200)
    curve, half = smooth(g, y, w, at, df=df, spread=test.variance[column])
    (line,) = ax.plot(at, curve, **options)
    ax.fill_between(at, curve - half, curve + half, alpha=0.15, color=line.get_color(), lw=0)
    ax.axhline(test.coefficients[column], color="0.3", lw=0.8, ls=":")
    ticks = _ticks(test)
    ax.set_xticks([where for where, _ in ticks], [f"{time:g}" for _, time in ticks])
    ax.set(xlabel="Time", ylabel=f"b(t) of {test.columns[column]}")
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def smooth(
    g: Floats, y: Floats, weight: Floats, at: Floats, *, df: int, spread: float
) -> tuple[Floats, Floats]:
    """Return a natural cubic spline through (g, y), and twice its standard error, at `at`.

    `spread` is the variance of one residual: events times the variance of the coefficient.
    Fewer degrees of freedom are taken where the events have fewer distinct times.
    """
    df = min(df, len(np.unique(g)))
    knots = np.quantile(np.repeat(g, np.maximum(np.rint(weight), 1).astype(int)),
                        np.linspace(0, 1, df)) if df > 1 else g[:1]  # fmt: skip
    basis, wanted = (natural_spline(x, knots) for x in (g, at))
    q, r = np.linalg.qr(basis * np.sqrt(weight)[:, None])
    curve = wanted @ np.linalg.lstsq(r, q.T @ (y * np.sqrt(weight)), rcond=None)[0]
    lever = np.linalg.lstsq(r.T, wanted.T, rcond=None)[0]
    return curve, 2 * np.sqrt(spread * (lever**2).sum(axis=0))


def natural_spline(x: Floats, knots: Floats) -> Floats:
    """Return the basis 1, x, N_3 … of natural cubic splines (Hastie and others 2009, eq. 5.4)."""
    knots = np.unique(knots)
    low, high = knots[0], knots[-1]
    width = high - low if high > low else 1.0
    u, k = (x - low) / width, (knots - low) / width
    columns = [np.ones_like(u)]
    if len(k) > 1:
        columns.append(u)

    def bend(i: int) -> Floats:
        top: Floats = np.maximum(u - k[i], 0) ** 3 - np.maximum(u - k[-1], 0) ** 3
        bent: Floats = top / (k[-1] - k[i])
        return bent

    columns += [bend(i) - bend(len(k) - 2) for i in range(len(k) - 2)]
    return np.column_stack(columns)


def _ticks(test: Proportionality) -> list[tuple[float, float]]:
    """Return places on the axis and the times that stand there."""
    known, first = np.unique(test.time, return_index=True)
    place = test.scale[first]
    chosen: list[tuple[float, float]] = []
    apart = (place.max() - place.min()) / 8
    for where, time in zip(place, known, strict=True):
        if not chosen or where - chosen[-1][0] >= apart:
            chosen.append((float(where), float(time)))
    return chosen
