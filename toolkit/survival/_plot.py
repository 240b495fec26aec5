"""Plain step plots of curves; the printed reports draw their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

#: How many groups fit under an axis; with more the numbers at risk are left out.
_MOST_ROWS = 8


def plot_curves(
    tidy: pl.DataFrame,
    *,
    by: Sequence[str],
    ax: Axes | None,
    start: float | None,
    smooth: bool = False,
    at_risk: Callable[[list[float]], pl.DataFrame] | None,
    ylabel: str,
    **options: Any,
) -> Axes:
    """Draw each group's curve as steps from (0, `start`), with its band, labelled at its end.

    A curve without a start begins at its first time; a smooth one is drawn as a line.

    Parameters
    ----------
    tidy : DataFrame
        Columns `by…, time, estimate, conf_low, conf_high`.
    at_risk : callable, optional
        From times to a frame with `by…, time, n_risk`; drawn under the axis.
    **options
        Passed on to `Axes.plot`.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    parts = tidy.partition_by(by, maintain_order=True) if by else [tidy]
    for part in parts:
        label = _label(part, by)
        time = part["time"].cast(pl.Float64).to_numpy()
        curve, low, high = (
            part[name].fill_null(float("nan")).to_numpy()
            for name in ("estimate", "conf_low", "conf_high")
        )
        if start is not None:
            time = np.concatenate([[0.0], time])
            curve, low, high = (np.concatenate([[start], values]) for values in (curve, low, high))
        step: Literal["post"] | None = None if smooth else "post"
        (line,) = ax.plot(
            time, curve, drawstyle="default" if smooth else "steps-post", label=label, **options
        )
        ax.fill_between(time, low, high, step=step, alpha=0.15, color=line.get_color(), lw=0)
        if label:
            ax.annotate(
                label, (time[-1], curve[-1]), xytext=(4, 0), textcoords="offset points",
                color=line.get_color(), va="center",
            )  # fmt: skip
    ax.set(xlabel="Time", ylabel=ylabel, xlim=(0, None), ylim=(0, 1 if start else None))
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    if at_risk is not None:
        _write_at_risk(ax, at_risk, [name for name in by if name != "cause"])
    return ax


def _label(part: pl.DataFrame, by: Sequence[str]) -> str:
    said = (part[name][0] for name in by)
    return ", ".join(
        # a number or a truth value says nothing without its name
        value if isinstance(value, str) else f"{name} = {value}"
        for name, value in zip(by, said, strict=True)
    )


def _write_at_risk(
    ax: Axes, at_risk: Callable[[list[float]], pl.DataFrame], by: Sequence[str]
) -> None:
    ticks = [float(tick) for tick in ax.get_xticks() if 0 <= tick <= ax.get_xlim()[1]]
    ax.set_xticks(ticks)
    columns = [*by, "time", "n_risk"]
    counts = at_risk(ticks).select(columns).unique(maintain_order=True)
    parts = counts.partition_by(by, maintain_order=True) if by else [counts]
    if len(parts) > _MOST_ROWS:
        return
    step = 12  # points from row to row
    ax.annotate(
        "At risk", (0, 0), xytext=(0, -40), xycoords="axes fraction", textcoords="offset points",
        ha="left", fontsize="small", fontweight="bold",
    )  # fmt: skip
    for i, part in enumerate(parts):
        down = -40 - step * (i + 1)
        if by:
            ax.annotate(
                _label(part, by), (0, 0), xytext=(-22, down), xycoords="axes fraction",
                textcoords="offset points", ha="right", fontsize="small",
            )  # fmt: skip
        for tick, n in zip(part["time"], part["n_risk"], strict=True):
            ax.annotate(
                f"{n:,.0f}", (tick, 0), xytext=(0, down), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", fontsize="small",
            )  # fmt: skip
