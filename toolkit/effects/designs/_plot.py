"""Plain pictures of designs; the printed reports draw their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_of(ax: Axes | None) -> Axes:
    """Return the axes, new ones when there are none, without a frame."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_points(tidy: pl.DataFrame, *, ax: Axes | None, xlabel: str, **options: Any) -> Axes:
    """Draw a point with its interval for each term, from top to bottom, beside a line at 0.

    An end that is not there is drawn to the edge.
    """
    ax = axes_of(ax)
    at = np.arange(tidy.height)[::-1]
    estimate = tidy["estimate"].to_numpy()
    (points,) = ax.plot(estimate, at, "o", **options)
    for y, low, high in zip(at, tidy["conf_low"], tidy["conf_high"], strict=True):
        left, right = ax.get_xlim()
        ax.plot([left if low is None else low, right if high is None else high], [y, y],
                color=points.get_color())  # fmt: skip
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set(xlabel=xlabel, yticks=at, yticklabels=tidy["term"].str.replace_all("_", " ").to_list())
    ax.margins(y=0.2)
    return ax


def plot_path(
    tidy: pl.DataFrame, *, x: str, ax: Axes | None, xlabel: str, ylabel: str, **options: Any
) -> Axes:
    """Draw estimates over time with their intervals, and the band around all where there is one."""
    ax = axes_of(ax)
    time = tidy[x].cast(pl.Float64).to_numpy()
    (line,) = ax.plot(time, tidy["estimate"].to_numpy(), marker="o", ms=3, **options)
    for low, high, alpha in (("conf_low", "conf_high", 0.25), ("band_low", "band_high", 0.12)):
        if low in tidy.columns:
            bottom, top = (tidy[name].fill_null(float("nan")).to_numpy() for name in (low, high))
            ax.fill_between(time, bottom, top, alpha=alpha, lw=0, color=line.get_color())
    ax.axhline(0, color="0.6", lw=0.8, zorder=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="y", alpha=0.3)
    return ax
