"""A plain love plot; the printed reports draw their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_love_plot(tidy: pl.DataFrame, threshold: float, ax: Axes | None, **options: Any) -> Axes:
    """Draw |smd| by covariate, largest before on top: hollow before, filled after."""
    import matplotlib.pyplot as plt

    first = tidy.filter(pl.col("sample") == "before").with_columns(size=pl.col("smd").abs())
    order = first.sort("size", "covariate", nulls_last=False)["covariate"]
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 1.2 + 0.22 * len(order)), layout="constrained")
    place = {name: row for row, name in enumerate(order)}
    for sample, face in (("before", "none"), ("after", "C0")):
        part = tidy.filter(pl.col("sample") == sample)
        if part.height:
            ax.scatter(
                part["smd"].abs(), [place[name] for name in part["covariate"]],
                facecolors=face, edgecolors="C0", label=sample, **options,
            )  # fmt: skip
    ax.axvline(threshold, color="0.4", linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(order)), list(order))
    ax.set(xlabel="Absolute standardised mean difference", xlim=(0, None))
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax
