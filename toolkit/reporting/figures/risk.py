"""Numbers at risk under a curve."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from toolkit.reporting import palette
from toolkit.reporting.figures.text import EM, LEADING, cut, put, text_width
from toolkit.reporting.labels import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reporting.figures.canvas import Canvas


def numbers_at_risk(part: pl.DataFrame, times: Sequence[float]) -> list[float | None]:
    """Return how many are at risk just before each time; null past the last row.

    Rows of a tidy frame are event times: just before t those are at risk who are at risk at the
    first row at or after t.

    Examples
    --------
    >>> numbers_at_risk(pl.DataFrame({"time": [2, 5], "n_risk": [9, 4]}), [0, 3, 6])
    [9.0, 4.0, None]
    """
    rows = part.select(pl.col("time").cast(pl.Float64), pl.col("n_risk").cast(pl.Float64))
    rows = rows.unique("time", keep="first").sort("time")
    found = []
    for time in times:
        later = rows.filter(pl.col("time") >= time)
        found.append(float(later["n_risk"][0]) if later.height else None)
    return found


def write_numbers_at_risk(
    canvas: Canvas, ticks: Sequence[float], rows: Sequence[tuple[str, str, Sequence[float | None]]]
) -> None:
    """Reserve room under the axis and write a row of numbers a group, under the ticks.

    Row names stand left of the axis where they fit, else on a line of their own above the numbers.
    """
    size = max(canvas.sizes.tick - 0.2, 6.5)
    words = [
        ["" if value is None else format_count(value) for value in numbers]
        for _, _, numbers in rows
    ]
    half = max((text_width(row[0], size) for row in words), default=0.0) / 2
    name_room = max(text_width(name, size) for name, _, _ in rows)
    beside = name_room <= (0.12 if canvas.narrow else 0.19) * canvas.width
    canvas.left = max(canvas.left, half + (name_room + 5.0 if beside else 0.0))
    canvas.right = max(canvas.right, max(text_width(row[-1], size) for row in words) / 2)
    line = LEADING * size
    lines_each = 1 if beside else 2
    before = 5.0 if not beside or len(rows) > 1 else 3.0
    canvas.below += before + len(rows) * lines_each * line

    def write() -> None:
        left, bottom, _, _ = canvas.box()
        renderer = canvas.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        under = canvas.ax.xaxis.get_tightbbox(renderer)
        scale = 72 / canvas.figure.dpi
        y = (under.y0 * scale if under is not None else bottom) - before - EM * size / 2
        room = min(
            (canvas.place(b, 0)[0] - canvas.place(a, 0)[0] for a, b in pairwise(ticks)),
            default=1e9,
        )
        widest = max(text_width(word, size) for row in words for word in row)
        every = 1 if widest + 3 <= room else 2
        for (name, colour, _), row in zip(rows, words, strict=True):
            shade = palette.text_colour(colour)
            if beside:
                put(canvas.ax, left - half - 5.0, y, [name], size=size, colour=shade, ha="right")
            else:
                whole = cut(name, canvas.width, size)[0]
                put(canvas.ax, left - half, y, [whole], size=size, colour=shade)
                y -= line
            for tick, word in list(zip(ticks, row, strict=True))[::every]:
                put(
                    canvas.ax,
                    canvas.place(tick, 0)[0],
                    y,
                    [word],
                    size=size,
                    colour=shade,
                    ha="center",
                )
            y -= line

    canvas.finishers.append(write)
