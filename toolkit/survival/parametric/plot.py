"""Smooth curves with their bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.estimation.intervals import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def plot_curves(
    times: Floats,
    curves: Floats,
    error: Floats,
    labels: Sequence[str],
    *,
    conf_level: float,
    ax: Axes | None,
    **options: Any,
) -> Axes:
    """Draw (R, T) survival curves, each labelled at its end; `options` go to `Axes.plot`."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    for curve, spread, label in zip(curves, error, labels, strict=True):
        (line,) = ax.plot(times, curve, label=label or None, **options)
        low, high = interval(curve, spread, conf_level=conf_level, conf_type="log-log")
        ax.fill_between(times, low, high, alpha=0.15, color=line.get_color(), lw=0)
        if label:
            ax.annotate(
                label, (times[-1], curve[-1]), xytext=(4, 0), textcoords="offset points",
                color=line.get_color(), va="center",
            )  # fmt: skip
    ax.set(xlabel="Time", ylabel="Survival", xlim=(0, None), ylim=(0, 1))
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
