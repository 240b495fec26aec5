"""Where people are, month by month, as a multi-state model estimates it: stacked, in steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import month_axis, percent_axis
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door, require_shares
from toolkit.reporting.figures.risk import numbers_at_risk, write_numbers_at_risk
from toolkit.reporting.figures.stack import Area, draw_stack
from toolkit.reporting.labels import format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Part of the axis by which stacked steps run on past the last month.
_RUN_ON = 0.02


def occupation(
    frame: Any,
    *,
    state: str = "state",
    order: Sequence[str] | None = None,
    at_risk: bool = True,
    horizon: float | None = None,
    labels: Mapping[str, str] | None = None,
    x_label: str | None = None,
    digits: int = 0,
    intervals: bool = True,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw estimated shares in each state by month, stacked; labels and intervals at the end.

    `state_distribution` draws shares that were counted; this one shares that were estimated, with
    how sure they are.

    Parameters
    ----------
    frame : frame
        One group: columns `state`, `time`, `estimate`; where there `conf_low`, `conf_high` (shown
        with the values at the end), `top_low`, `top_high` (a light band at the upper edge of each
        area; for the states in this order) and `n_risk`.
    state : str
        Column with the states; code names are translated.
    order : sequence of str, optional
        States from the bottom up; without it in order of first appearance.
    at_risk : bool
        Whether the number at risk, all states together, stands under the axis.
    horizon : float, optional
        Last month drawn.
    labels : Mapping, optional
        Own names for states.
    x_label : str, optional
        Words under the axis; months since begin without it.
    digits : int
        Decimals of the values at the end.
    intervals : bool
        Whether values at the end carry their interval, where the frame has it.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    CallError
        A time stands twice for one state (more than one group in the frame), more than twelve
        states, or shares that add up to more than one.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame(
    ...     {"time": [0, 6, 0, 6], "state": ["work", "work", "other", "other"],
    ...      "estimate": [0.4, 0.5, 0.6, 0.5]}
    ... )
    >>> ax = figures.occupation(frame, title="De helft werkt na een half jaar")
    """
    where = "figures.occupation"
    data = open_door(
        frame, where=where, need=(state, "time", "estimate"), numbers=("time", "estimate")
    )
    require_no_nulls(data, state, "time", "estimate")
    require_shares(data, "estimate", where=where)
    data = data.with_columns(pl.col(state).cast(pl.String))
    if data.select(state, "time").is_duplicated().any():
        raise CallError(
            "A time stands twice for one state",
            where=where,
            fix="filter the frame to one group and draw a figure a group",
        )
    known = data[state].unique(maintain_order=True).to_list()
    names = list(order) if order is not None else known
    if set(names) != set(known):
        raise CallError(
            f"order and the frame differ in {sorted(set(names) ^ set(known))}",
            where=where,
            fix="name every state once",
        )
    if len(names) > len(palette.AREAS):
        raise CallError(
            f"{len(names)} states in one figure", where=where, fix="join small states into 'other'"
        )
    last = horizon if horizon is not None else float(data["time"].max() or 1)  # type: ignore[arg-type]
    x = np.unique(np.append(data["time"].to_numpy().astype(float), last))
    # The last step has no width of its own: the plot runs on a little, so that it is seen.
    x = np.append(x[x <= last], x[0] + (last - x[0]) * (1 + _RUN_ON))
    parts = [data.filter(pl.col(state) == name).sort("time") for name in names]
    with style():
        canvas = open_canvas(furniture, height=(165.0, 130.0))
        areas = []
        bounds = intervals and not canvas.narrow and {"conf_low", "conf_high"} <= set(data.columns)
        for name, part, look in zip(names, parts, palette.area_looks(names), strict=True):
            value = _value(part, last, digits, bounds=bounds)
            areas.append(
                Area(name_of("state", name, labels), _at(part, "estimate", x), look, value)
            )
        percent_axis(
            canvas.ax, [0.0, 0.25, 0.5, 0.75, 1.0] if canvas.narrow else [0, 0.2, 0.4, 0.6, 0.8, 1]
        )
        ticks = month_axis(canvas.ax, last, first=float(x[0]), narrow=canvas.narrow)
        canvas.ax.set_xlim(float(x[0]), float(x[-1]))
        draw_stack(canvas, x, areas, steps=True)
        if {"top_low", "top_high"} <= set(data.columns):
            _edges(canvas, x, parts[:-1])
        canvas.ax.set_xlabel(x_label or label("axis.months_since_begin"), size=canvas.sizes.label)
        if bounds:
            canvas.sentences.append(label("note.rest"))
        if at_risk and "n_risk" in data.columns:
            total = data.group_by("time").agg(pl.col("n_risk").sum())
            counts = numbers_at_risk(total, [float(tick) for tick in ticks])
            write_numbers_at_risk(
                canvas, ticks, [(label("word.n_risk_short"), palette.SOFT, counts)]
            )
        return close_canvas(canvas)


def _at(part: pl.DataFrame, column: str, x: Floats) -> Floats:
    """Return a step function's heights at x; NaN before its first row, and where it is null."""
    times = part["time"].to_numpy().astype(float)
    values = part[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    out: Floats = np.append(np.nan, values)[np.searchsorted(times, x, side="right")]
    return out


def _value(part: pl.DataFrame, last: float, digits: int, *, bounds: bool) -> str:
    row = part.filter(pl.col("time") <= last).row(-1, named=True)
    value = format_percent(row["estimate"], digits)
    if not bounds or row["conf_low"] is None or row["conf_high"] is None:
        return value
    low, high = (format_percent(row[key], digits) for key in ("conf_low", "conf_high"))
    between = label("number.interval", low=low.removesuffix("%"), high=high)
    return f"{value}\u00a0({between})"


def _edges(canvas: Canvas, x: Floats, parts: Sequence[pl.DataFrame]) -> None:
    """Draw a light band where the upper edge of each area may lie."""
    for part in parts:
        canvas.ax.fill_between(
            x, _at(part, "top_low", x), _at(part, "top_high", x), step="post",
            facecolor=palette.PAPER, alpha=0.35, linewidth=0.0, zorder=2.1,
        )  # fmt: skip
    canvas.sentences.append(label("note.edges"))
