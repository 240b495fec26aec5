"""Scores of the two groups, back to back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def plot_scores(
    score: Floats,
    treated: Bools,
    weight: Floats,
    *,
    ax: Axes | None,
    bins: int = 40,
    **options: Any,
) -> Axes:
    """Draw the share of each group by score: treated upwards, controls downwards."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    if ax is None:
        _, ax = plt.subplots()
    edges = np.linspace(0, 1, bins + 1)
    for who, sign, label in ((treated, 1, "treated"), (~treated, -1, "controls")):
        count, _ = np.histogram(score[who], edges, weights=weight[who])
        share = sign * count / weight[who].sum()
        ax.bar(edges[:-1], share, width=1 / bins, align="edge", label=label, **options)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0%}"))
    ax.set(xlabel="propensity score", ylabel="share of the group", xlim=(0, 1))
    ax.legend(frameon=False)
    return ax
