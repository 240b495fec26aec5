"""How much of the whole the largest units cover, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, percent_axis, steps_between
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.door import groups_of, open_door, require_shares
from toolkit.reporting.figures.text import LEADING, balance, put, text_width
from toolkit.reporting.labels import format_count, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes


def coverage(
    frame: Any,
    *,
    rank: str = "rank",
    group: str | None = None,
    x_label: str | None = None,
    threshold: float | None = None,
    published: tuple[int, float, str] | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw the share covered by the first, the first two, the first three … units.

    Parameters
    ----------
    frame : frame
        One row a unit: `rank` (1, 2, …, the largest first) and `estimate` (share covered so far).
    rank : str
        Column with the rank.
    group : str, optional
        Column that tells curves apart; the first is the subject. At most three.
    x_label : str, optional
        Words under the axis.
    threshold : float, optional
        A level to be reached: a dotted line.
    published : (int, float, str), optional
        A published point: how many units, the share they cover, its words.
    labels : Mapping, optional
        Own names for the groups.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    UnknownColumnError, CallError
        A column is missing, shares are outside 0 to 1 or fall, more than three curves.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({"rank": [1, 2, 3], "estimate": [0.5, 0.8, 1.0]})
    >>> ax = figures.coverage(frame, published=(2, 0.8, "gepubliceerd"))
    """
    where = "figures.coverage"
    data = open_door(frame, where=where, need=(rank, "estimate"), numbers=(rank, "estimate"))
    require_no_nulls(data, rank, "estimate")
    require_shares(data, "estimate", where=where)
    parts = groups_of(data, group)
    if len(parts) > 3:
        raise CallError(f"{len(parts)} curves in one figure", where=where, fix="draw at most three")
    with style():
        canvas = open_canvas(furniture, height=(175.0, 150.0))
        last = max(float(data.select(pl.col(rank).max()).item()), published[0] if published else 1)
        number_axis(canvas.ax, steps_between(0.0, last, 4 if canvas.narrow else 6), which="x")
        canvas.ax.set_xlim(0.0, last)
        percent_axis(canvas.ax, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
        if x_label:
            canvas.ax.set_xlabel(x_label, size=canvas.sizes.label)
        ends = []
        for index, ((name, part), look) in enumerate(zip(parts, palette.LINES, strict=False)):
            curve = part.sort(rank)
            if (curve["estimate"].diff() < -1e-9).any():
                raise CallError("A share covered falls", where=where, fix="add up from the largest")
            x = np.array([0.0, *curve[rank].cast(pl.Float64)])
            y = np.array([0.0, *curve["estimate"]])
            canvas.ax.plot(
                x, y, color=look.colour, linewidth=canvas.sizes.line, clip_on=False,
                zorder=3 - index / 10,  # the subject on top
                dashes=look.dash or (None, None),
            )  # fmt: skip
            if x[-1] < last:  # where it ends, and over to its label
                canvas.ax.plot([x[-1]], [y[-1]], marker=look.marker, markersize=4,
                               color=look.colour, zorder=4)  # fmt: skip
                canvas.ax.plot([x[-1], last], [y[-1]] * 2, color=look.colour, linewidth=0.6,
                               dashes=(1.0, 2.5), zorder=2)  # fmt: skip
            words = name_of(group, name, labels) if group is not None else label("word.share")
            ends.append(
                EndLabel(float(y[-1]), words, look.colour,
                         f"{format_percent(float(y[-1]))} (n = {format_count(x[-1])})")
            )  # fmt: skip
        if threshold is not None:
            canvas.ax.axhline(
                threshold, color=palette.SOFT, linewidth=0.9, dashes=(1.0, 1.6), zorder=1.6
            )
            canvas.sentences.append(label("note.threshold", value=format_percent(threshold)))
        if published is not None:
            _published(canvas, *published)
        label_ends(canvas, ends)
        return close_canvas(canvas)


def _published(canvas: Canvas, many: int, share: float, words: str) -> None:
    """Draw the published point, and its words below it to the right, where no curve is."""
    colour = palette.text_colour(palette.ORANGE)
    canvas.ax.plot(
        [many], [share], marker="D", markersize=4.8, linestyle="none", zorder=5,
        markerfacecolor=palette.PAPER, markeredgewidth=1.2, markeredgecolor=colour, clip_on=False,
    )  # fmt: skip
    size = canvas.sizes.label

    def write() -> None:
        from matplotlib.lines import Line2D

        left, bottom, right, top = canvas.box()
        x, y = canvas.place(many, share)
        room = right - left - 0.42 * (right - left)
        lines = balance(words, room, size)
        wide = max(text_width(line, size) for line in lines)
        start = min(x + 14.0, right - wide - 2.0)
        middle = bottom + 0.16 * (top - bottom)
        middle = max(middle, bottom + len(lines) * LEADING * size / 2 + 2.0)
        width, height = canvas.figure.get_size_inches() * 72
        canvas.figure.add_artist(
            Line2D(
                [x / width, x / width, (start - 3.0) / width],
                [(y - 4.0) / height, middle / height, middle / height],
                color=palette.ORANGE, linewidth=0.6, zorder=1,
            )
        )  # fmt: skip
        put(canvas.ax, start, middle, lines, size=size, colour=colour, halo=True)

    canvas.finishers.append(write)
