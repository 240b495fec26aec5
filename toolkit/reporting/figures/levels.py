"""Levels of treated and controls by month: a figure, or the upper panel of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, percent_axis, steps_between
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.text import LEADING, cut, put, spread, text_width
from toolkit.reporting.labels import format_number, format_percent, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.reporting.figures.canvas import Canvas

_GROUPS = ("mean_treated", "mean_control")
#: Height of the upper panel, and what stands between it and the lower, in points.
_HEIGHT = (105.0, 92.0)
_GAP = 32.0


def draw_levels(
    canvas: Canvas, frame: pl.DataFrame, ax: Axes | None, *, unit: Literal["share", "number"],
    digits: int, under: str | None = None,
) -> None:  # fmt: skip
    """Draw both groups, in the axes given or in a panel of their own above those of the canvas.

    Parameters
    ----------
    under : str, optional
        Head of the panel below.
    """
    if ax is not None:
        _draw(ax, frame, canvas, unit)
        label_ends(canvas, _ends(frame, unit, digits))
        return
    size = canvas.sizes.label
    height = _HEIGHT[canvas.narrow]
    room = canvas.width * 0.3
    ends = _ends(frame, unit, digits)
    texts = [[*cut(end.text, room, size), str(end.value)] for end in ends]
    canvas.right = max(canvas.right, 5.0 + max(text_width(x, size) for t in texts for x in t))
    base = canvas.above + _GAP
    canvas.above = base + height
    # its tick labels may be wider than those of the panel below
    canvas.left = max(canvas.left, text_width("100%", canvas.sizes.tick) + 6.0)

    def write() -> None:
        left, _, right, top = canvas.box()
        width, tall = canvas.figure.get_size_inches() * 72
        upper = canvas.figure.add_axes(
            (left / width, (top + base) / tall, (right - left) / width, height / tall)
        )
        upper.tick_params(labelsize=canvas.sizes.tick)
        _draw(upper, frame, canvas, unit)
        upper.set_xlim(canvas.ax.get_xlim())
        upper.xaxis.set_ticks(canvas.ax.get_xticks())
        upper.xaxis.set_ticklabels([])
        low, high = upper.get_ylim()
        wanted = [top + base + (end.y - low) / (high - low) * height for end in ends]
        heights = [(len(lines) * LEADING + 0.12) * size for lines in texts]
        placed = spread(wanted, heights, top + base - size, top + base + height + size)
        for end, lines, y in zip(ends, texts, placed, strict=True):
            put(upper, right + 5.0, y, lines, size=size, colour=palette.text_colour(end.colour))
        if under:
            start = 4.0 if canvas.own else left
            put(canvas.ax, start, top + 1.5 * size, [under], size=size, colour=palette.SOFT)

    canvas.finishers.append(write)


def _draw(ax: Axes, frame: pl.DataFrame, canvas: Canvas, unit: str) -> None:
    month = _values(frame, "month")
    highest, lowest = 0.0, 0.0
    for name, look in zip(_GROUPS, palette.LINES, strict=False):
        y = _values(frame, name)
        ax.plot(
            month, y, color=look.colour, linewidth=canvas.sizes.line, clip_on=False, zorder=3,
            dashes=look.dash or (None, None),
        )  # fmt: skip
        highest, lowest = max(highest, float(np.nanmax(y))), min(lowest, float(np.nanmin(y)))
    most = 4 if canvas.narrow else 5
    if unit == "share":
        percent_axis(ax, steps_between(0.0, min(max(highest, 0.01), 1.0), most))
    else:
        number_axis(ax, steps_between(lowest, max(highest, lowest + 1e-9), most))
    if float(month[0]) < 0:
        ax.axvline(0.0, color=palette.SOFT, linewidth=0.8, dashes=(1.0, 1.6), zorder=1.4)


def _ends(frame: pl.DataFrame, unit: str, digits: int) -> list[EndLabel]:
    ends = []
    for name, look in zip(_GROUPS, palette.LINES, strict=False):
        value = float(frame[name].drop_nulls()[-1])
        text = format_percent(value, digits) if unit == "share" else format_number(value, digits)
        ends.append(EndLabel(value, label(f"word.{name}"), look.colour, text))
    return ends


def _values(frame: pl.DataFrame, name: str) -> Any:
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
