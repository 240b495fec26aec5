"""A plain picture of seen and expected shares; the printed reports draw their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from toolkit.survival.markov.chain import MarkovChain


def plot_prevalence(
    chain: MarkovChain,
    *,
    ax: Axes | None,
    times: Sequence[float] | None = None,
    **options: Any,
) -> Axes:
    """Draw the share expected in each state as a line with its band, and the share seen as dots."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    if times is None:
        time = chain.records.time
        times = np.linspace(time.min(), np.quantile(time, 0.95), 25).tolist()
    table = chain.prevalence(times).with_columns(
        pl.col("observed", "expected", "conf_low", "conf_high") / pl.col("n_risk")
    )
    for (state,), part in table.partition_by("state", maintain_order=True, as_dict=True).items():
        time = part["time"].cast(pl.Float64).to_numpy()
        (line,) = ax.plot(time, part["expected"].to_numpy(), **options)
        color = line.get_color()
        if part["conf_low"].null_count() == 0:
            ax.fill_between(time, part["conf_low"].to_numpy(), part["conf_high"].to_numpy(),
                            alpha=0.15, color=color, lw=0)  # fmt: skip
        ax.plot(time, part["observed"].to_numpy(), "o", ms=3, color=color)
        ax.annotate(
            str(state), (time[-1], part["expected"][-1]), xytext=(5, 0),
            textcoords="offset points", color=color, va="center",
        )  # fmt: skip
    ax.set(xlabel="Time", ylabel="Share (line: expected, dots: seen)", ylim=(0, None))
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
