"""Shares or indicators over periods: lines from period to period, with a threshold and remarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import numpy as np
import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, check_option
from toolkit.frames import require_columns, require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, percent_axis
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.door import open_door, require_shares
from toolkit.reporting.figures.text import LEADING, balance, put, text_width
from toolkit.reporting.labels import format_number, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

TrendUnit = Literal["share", "number"]


def trend(
    frame: Any,
    *,
    period: str = "period",
    columns: Sequence[str] = ("estimate",),
    low: str | None = None,
    high: str | None = None,
    threshold: float | None = None,
    remarks: Sequence[tuple[str, str]] = (),
    unit: TrendUnit = "share",
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw lines over periods from 0 to 1, a marker at each period, labelled where they end.

    Parameters
    ----------
    frame : frame
        One row a period, in order: `period` (its name) and the columns to draw, all between 0 and
        1. Null is not observed: a gap.
    period : str
        Column with the names of the periods.
    columns : sequence of str
        What to draw; the first is the subject. At most five.
    low, high : str, optional
        Columns with the interval of the first line: a band.
    threshold : float, optional
        A level to be reached: a dotted line, with its value.
    remarks : sequence of (period, words)
        What to say at a period: a thin line with words at the foot of the plot.
    unit : {"share", "number"}
        Percentages, or numbers with two decimals.
    labels : Mapping, optional
        Own names for the columns.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    UnknownColumnError, UnknownOptionError, CallError, DuplicateKeyError
        A column or option is unknown, a value is outside 0 to 1, a period stands twice.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({"period": ["2009-1", "2009-2"], "estimate": [0.6, 0.8]})
    >>> ax = figures.trend(frame, threshold=0.8, title="De drempel is gehaald")
    """
    where = "figures.trend"
    check_option("unit", unit, get_args(TrendUnit))
    data = open_door(frame, where=where, need=(period, *columns), numbers=columns)
    band = [name for name in (low, high) if name is not None]
    require_columns(data, *band, where=where)
    require_shares(data, *columns, *band, where=where)
    require_no_nulls(data, period)
    if not 1 <= len(columns) <= len(palette.LINES):
        raise CallError(f"{len(columns)} lines in one figure", where=where, fix="draw one to five")
    names = [str(name) for name in data[period]]
    if len(set(names)) < len(names):
        raise DuplicateKeyError("A period stands twice", where=where, fix="filter to one group")
    for when, _ in remarks:
        if when not in names:
            raise CallError(f"There is no period {when!r} to remark on", where=where)
    words = _words(unit)
    with style():
        canvas = open_canvas(furniture, height=(160.0, 130.0))
        x = np.arange(len(names), dtype=float)
        ends = []
        for name, look in zip(columns, palette.LINES, strict=False):
            y = _values(data[name])
            canvas.ax.plot(
                x, y, color=look.colour, linewidth=canvas.sizes.line, marker=look.marker,
                markersize=3.0, dashes=look.dash or (None, None), clip_on=False, zorder=3,
                markeredgecolor=palette.PAPER, markeredgewidth=0.4,
            )  # fmt: skip
            seen = y[~np.isnan(y)]
            if len(seen):
                shown = (labels or {}).get(name) or name_of("word", name)
                ends.append(EndLabel(float(seen[-1]), shown, look.colour, words(float(seen[-1]))))
        if low is not None and high is not None:
            canvas.ax.fill_between(
                x, _values(data[low]), _values(data[high]), color=palette.LINES[0].colour,
                alpha=0.16, linewidth=0, zorder=1.5,
            )  # fmt: skip
            canvas.sentences.append(label("note.band"))
        ticks = [0.0, 0.25, 0.5, 0.75, 1.0] if unit == "number" else [0, 0.2, 0.4, 0.6, 0.8, 1.0]
        (percent_axis if unit == "share" else number_axis)(canvas.ax, ticks)
        _period_axis(canvas, names)
        if threshold is not None:
            _threshold(canvas, threshold)
            canvas.sentences.append(label("note.threshold", value=words(threshold)))
        _remarks(canvas, [(names.index(when), text) for when, text in remarks])
        label_ends(canvas, ends)
        return close_canvas(canvas)


def _values(series: pl.Series) -> Any:
    """Return a column as floats; null, not observed, as NaN."""
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _words(unit: TrendUnit) -> Any:
    return format_percent if unit == "share" else lambda value: format_number(value, 2)


def _threshold(canvas: Canvas, level: float) -> None:
    canvas.ax.axhline(level, color=palette.SOFT, linewidth=0.9, dashes=(1.0, 1.6), zorder=2)


def _period_axis(canvas: Canvas, names: Sequence[str]) -> None:
    """Put the names of periods along the axis; every second or fewer where they would touch."""
    each = max(text_width(name, canvas.sizes.tick) for name in names) + 6.0
    room = canvas.width * 0.66
    step = next(
        (s for s in (1, 2, 4, 6, 12) if len(names) / s * each <= room), max(len(names) // 3, 1)
    )
    shown = range(0, len(names), step)
    canvas.ax.set_xlim(-0.25, len(names) - 0.75)
    canvas.ax.xaxis.set_ticks(list(shown))
    canvas.ax.xaxis.set_ticklabels([names[i] for i in shown])


def _remarks(canvas: Canvas, remarks: Sequence[tuple[int, str]]) -> None:
    size = canvas.sizes.label
    for index, text in remarks:
        canvas.ax.axvline(index, color=palette.SOFT, linewidth=0.7, dashes=(1.0, 1.6), zorder=1)

        def write(index: int = index, text: str = text) -> None:
            left, bottom, right, _ = canvas.box()
            at, _ = canvas.place(index, 0.0)
            # On the side of the line with most room.
            on_right = right - at >= at - left
            room = (right - at if on_right else at - left) - 5.0
            lines = balance(text, room, size)
            put(
                canvas.ax, at + 4.0 if on_right else at - 4.0,
                bottom + (len(lines) / 2) * LEADING * size + 2.0, lines,
                size=size, colour=palette.SOFT, ha="left" if on_right else "right", halo=True,
            )  # fmt: skip

        canvas.finishers.append(write)
