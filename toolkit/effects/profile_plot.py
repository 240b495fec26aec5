"""Pictures of a profile and of its gross–net table, without the house style (which lies above)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import unknown_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.effects.gross_net import GrossNet
    from toolkit.effects.profile_result import Profile


def _axes(ax: Axes | None) -> Axes:
    """Return the axes, or new ones."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    axes: Axes = plt.subplots()[1]
    return axes


def _one(table: pl.DataFrame, outcome: str | None) -> tuple[str, pl.DataFrame]:
    """Return the rows of one outcome, the first without a name."""
    known = table["outcome"].unique(maintain_order=True).to_list()
    name = known[0] if outcome is None else outcome
    if name not in known:
        raise unknown_option("outcome", name, known)
    return name, table.filter(pl.col("outcome") == name)


def plot_profile(
    profile: Profile,
    *,
    ax: Axes | None = None,
    outcome: str | None = None,
    means: bool = False,
    color: str = "C0",
    against: str = "C1",
) -> Axes:
    """Draw one outcome of a profile.

    Parameters
    ----------
    profile : Profile
    outcome : str, optional
        The first when not given.
    means : bool
        The two groups instead of their difference.
    color, against : str
        Of the treated (or the difference) and of the controls.

    Returns
    -------
    Axes
        Months before the start are shaded lightly, the lock-in a little more; a line marks
        break-even.
    """
    axes = _axes(ax)
    name, table = _one(profile.tidy(), outcome)
    month = table["month"].to_numpy()
    if month[0] < 0:
        axes.axvspan(float(month[0]) - 0.5, -0.5, color="0.5", alpha=0.08, lw=0)
    if month[-1] > 0 and month[0] <= 0:
        _mark(profile, name, axes)
    if means:
        for column, colour, dash, label in (
            ("mean_treated", color, "-", "treated"),
            ("mean_control", against, "--", "controls"),
        ):
            axes.plot(month, _numbers(table, column), color=colour, ls=dash, label=label)
        axes.legend(frameon=False)
        axes.set_ylabel(name)
    else:
        axes.axhline(0, color="0.3", lw=0.8)
        for low, high, alpha in (("band_low", "band_high", 0.15), ("conf_low", "conf_high", 0.25)):
            axes.fill_between(
                month, _numbers(table, low), _numbers(table, high), color=color, alpha=alpha, lw=0
            )
        axes.plot(month, _numbers(table, "estimate"), color=color)
        axes.set_ylabel(f"{name}: treated − controls")
    axes.set_xlabel("months since start")
    return axes


def _mark(profile: Profile, name: str, axes: Axes) -> None:
    """Shade the lock-in and mark break-even, where all months from 0 on are there."""
    path = profile.path(name).between(0, int(profile.month[-1]))
    if not np.array_equal(path.month, np.arange(len(path.month))) or not len(path.month):
        return
    lock_in = profile.lock_in().row(by_predicate=pl.col("outcome") == name, named=True)
    if lock_in["month"] is not None:
        axes.axvspan(lock_in["from"] - 0.5, lock_in["to"] + 0.5, color="0.5", alpha=0.18, lw=0)
        even = profile.break_even().row(by_predicate=pl.col("outcome") == name, named=True)
        if even["month"] is not None:
            axes.axvline(even["month"], color="0.3", lw=0.8, ls=":")


def _numbers(table: pl.DataFrame, column: str) -> Any:
    return table[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def plot_gross_net(
    found: GrossNet,
    *,
    ax: Axes | None = None,
    outcome: str | None = None,
    color: str = "C0",
    anyway: str = "0.75",
) -> Axes:
    """Draw a bar a horizon: what would have happened anyway, and on top what the programme added.

    A negative difference is drawn down from the top of the lower part; the line on each bar is the
    interval of the difference.
    """
    axes = _axes(ax)
    _, table = _one(found.tidy(), outcome)
    names = table["measure"].unique(maintain_order=True).to_list()
    base, extra = (table.filter(pl.col("measure") == name) for name in names[1:3])
    at = np.arange(base.height)
    bottom, height = _numbers(base, "estimate"), _numbers(extra, "estimate")
    axes.bar(at, bottom, color=anyway, width=0.6, label=names[1])
    axes.bar(at, height, bottom=bottom, color=color, width=0.6, label=names[2])
    axes.vlines(
        at, bottom + _numbers(extra, "conf_low"), bottom + _numbers(extra, "conf_high"), color="0.2"
    )
    axes.set_xticks(at, [str(month) for month in base["month"]])
    axes.set_xlabel("months since start")
    axes.legend(frameon=False)
    return axes
