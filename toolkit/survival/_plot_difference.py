"""Plain plot of contrasts: steps with interval and band over time, or points with bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.survival.difference import Difference

#: From so many times on a contrast is drawn as a curve.
_CURVE = 8


def plot_difference(found: Difference, *, ax: Axes | None, **options: Any) -> Axes:
    """Draw every contrast with its interval and, lighter, its simultaneous band.

    The line of no difference is drawn: 0, or 1 for ratios, which get a logarithmic axis.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    ratio = found.measure.endswith("ratio")
    ax.axhline(1.0 if ratio else 0.0, color="0.3", lw=0.8)
    keys = [*found.layers, "contrast", *found.kinds]
    parts = found.table.partition_by(keys, maintain_order=True)
    for i, part in enumerate(parts):
        label = ", ".join(
            f"{name} {part[name][0]}" if name in found.kinds else str(part[name][0])
            for name in keys
        )
        names = ["time", "estimate", "conf_low", "conf_high"]
        banded = "band_low" in part.columns
        numbers = part.select(*names, *(["band_low", "band_high"] if banded else []))
        time, curve, low, high, *band = numbers.cast(pl.Float64).to_numpy().T
        if len(time) < _CURVE:
            moved = time + (i - (len(parts) - 1) / 2) * 0.02 * max(np.ptp(time), 1.0)
            ax.errorbar(
                moved, curve, yerr=[curve - low, high - curve], fmt="o", ms=4, label=label,
                capsize=0, **options,
            )  # fmt: skip
            continue
        (line,) = ax.step(time, curve, where="post", label=label, **options)
        colour = line.get_color()
        ax.fill_between(time, low, high, step="post", alpha=0.22, color=colour, lw=0)
        for edge in band:
            ax.step(time, edge, where="post", color=colour, lw=0.7, ls=":")
    if ratio:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(ScalarFormatter())  # 0.5 and 2 rather than powers of ten
        ax.yaxis.set_minor_formatter(ScalarFormatter())
    ax.set(xlabel="Time", ylabel=found.measure.capitalize())
    if len(parts) > 1:
        ax.legend(frameon=False)
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
