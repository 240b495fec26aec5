"""Cumulative incidence by destination, stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import month_axis, percent_axis
from toolkit.reporting.figures.canvas import Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door, require_shares
from toolkit.reporting.figures.risk import numbers_at_risk, write_numbers_at_risk
from toolkit.reporting.figures.stack import Area, draw_stack
from toolkit.reporting.labels import format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

#: Part of the axis by which stacked steps run on past the last month.
_RUN_ON = 0.02


def cumulative_incidence(
    tidy: Any,
    *,
    cause: str = "cause",
    order: Sequence[str] | None = None,
    rest: str | None = None,
    at_risk: bool = True,
    horizon: float | None = None,
    labels: Mapping[str, str] | None = None,
    x_label: str | None = None,
    digits: int = 0,
    intervals: bool = True,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw the share that has left to each destination by month, stacked; steps, labels at the end.

    Parameters
    ----------
    tidy : frame
        One group: columns `cause`, `time`, `estimate`, and where there `conf_low`, `conf_high`
        (shown with the values at the end) and `n_risk`.
    cause : str
        Column with the destinations; code names are translated.
    order : sequence of str, optional
        Destinations from the bottom up; without it by size at the end, the largest
        below and `other` on top.
    rest : str, optional
        Name for the part that has not left; it fills the figure up to 100%.
    at_risk : bool
        Whether numbers at risk stand under the axis.
    horizon : float, optional
        Last month drawn.
    labels : Mapping, optional
        Own names for destinations.
    x_label : str, optional
        Words under the axis; months on benefit without it.
    digits : int
        Decimals of the values at the end.
    intervals : bool
        Whether values at the end carry their interval, where the frame has it.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    CallError
        A time stands twice for a destination (more than one group in the frame), or shares add
        up to more than one.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> tidy = pl.DataFrame(
    ...     {"cause": ["work", "other"] * 2, "time": [1, 1, 2, 2],
    ...      "estimate": [0.1, 0.05, 0.2, 0.1]}
    ... )
    >>> ax = figures.cumulative_incidence(tidy, rest="nog in de bijstand")
    """
    where = "figures.cumulative_incidence"
    frame = open_door(
        tidy, where=where, need=(cause, "time", "estimate"), numbers=("time", "estimate")
    )
    require_no_nulls(frame, cause, "time", "estimate")
    require_shares(frame, "estimate", where=where)
    if frame.select(cause, "time").is_duplicated().any():
        raise CallError(
            "A time stands twice for one destination",
            where=where,
            fix="filter the frame to one group and draw a figure a group",
        )
    last = horizon if horizon is not None else float(frame["time"].max() or 1)  # type: ignore[arg-type]
    frame = frame.with_columns(pl.col(cause).cast(pl.String))
    ends = _last_rows(frame, cause, last)
    names = list(order) if order is not None else ends[cause].to_list()
    missing = set(names) ^ set(ends[cause].to_list())
    if missing:
        raise CallError(
            f"order and the frame differ in {sorted(missing)}",
            where=where,
            fix="name every destination once",
        )
    x = np.unique(np.concatenate([[0.0], frame["time"].to_numpy(), [last]]).astype(float))
    # The last step has no width of its own: the plot runs on a little, so that it is seen.
    x = np.append(x[x <= last], last * (1 + _RUN_ON))
    heights = [_on_grid(frame.filter(pl.col(cause) == name), x) for name in names]
    with style():
        canvas = open_canvas(furniture, height=(165.0, 130.0))
        bounds = intervals and not canvas.narrow and {"conf_low", "conf_high"} <= set(frame.columns)
        places = _digits(ends, digits) if bounds else digits
        looks = palette.area_looks(names)
        areas = []
        for name, height, look in zip(names, heights, looks, strict=True):
            row = ends.filter(pl.col(cause) == name).row(0, named=True)
            value = format_percent(row["estimate"], places)
            if bounds and row["conf_low"] is not None:
                low, high = (format_percent(row[key], places) for key in ("conf_low", "conf_high"))
                interval = label("number.interval", low=low.removesuffix("%"), high=high)
                value = f"{value}\u00a0({interval})"
            shown = name_of("destination", name, labels)
            areas.append(Area(shown, height, look, value))
        if rest is not None:
            left = 1 - np.sum(heights, axis=0)
            areas.append(
                Area(rest, left, palette.AreaLook(palette.PAPER), format_percent(left[-1], places))
            )
        top = 1.0 if rest is not None else max(float(np.max(np.sum(heights, axis=0))), 0.01)
        _share_axis(canvas.ax, top, narrow=canvas.narrow)
        ticks = month_axis(canvas.ax, last, narrow=canvas.narrow)
        canvas.ax.set_xlim(0.0, float(x[-1]))
        draw_stack(canvas, x, areas, steps=True)
        canvas.ax.set_xlabel(x_label or label("axis.months_on_benefit"), size=canvas.sizes.label)
        if bounds:
            canvas.sentences.append(label("note.rest"))
        if at_risk and "n_risk" in frame.columns:
            numbers = numbers_at_risk(frame, [float(tick) for tick in ticks])
            write_numbers_at_risk(
                canvas, ticks, [(label("word.n_risk_short"), palette.SOFT, numbers)]
            )
        return close_canvas(canvas)


def _share_axis(ax: Axes, top: float, *, narrow: bool) -> None:
    from toolkit.reporting.figures.axes import steps_between

    percent_axis(ax, steps_between(0.0, top, 5 if narrow else 6))


def _digits(ends: pl.DataFrame, digits: int) -> int:
    """Return the decimals at which no interval's bounds look the same: one more at most."""
    rows = ends.drop_nulls(["conf_low", "conf_high"]).iter_rows(named=True)
    alike = any(
        format_percent(row["conf_low"], digits) == format_percent(row["conf_high"], digits)
        for row in rows
        if row["conf_low"] < row["conf_high"]
    )
    return digits + 1 if alike else digits


def _last_rows(frame: pl.DataFrame, cause: str, last: float) -> pl.DataFrame:
    """Return each destination's last row up to the horizon: the largest first, 'other' last."""
    ends = (
        frame.filter(pl.col("time") <= last)
        .sort("time")
        .group_by(cause, maintain_order=True)
        .last()
    )
    return ends.sort(pl.col(cause) == "other", -pl.col("estimate"))


def _on_grid(part: pl.DataFrame, x: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Return a step function's heights at x; zero before its first row."""
    part = part.sort("time")
    times = part["time"].to_numpy().astype(float)
    values = np.concatenate([[0.0], part["estimate"].to_numpy().astype(float)])
    return values[np.searchsorted(times, x, side="right")]
