"""A marked month: a line with each curve's value there, written where the curves are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.reporting import palette
from toolkit.reporting.figures.text import LEADING, put, text_width
from toolkit.reporting.labels import format_number, format_percent, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reporting.figures.canvas import Canvas

#: Words and their colour.
Piece = tuple[str, str]
_OFF_LINE = 3.0


def value_at(curve: pl.DataFrame, time: float) -> float:
    """Return the height of a step function (right-continuous) at a time."""
    return float(curve.filter(pl.col("time") <= time)["estimate"][-1])


def mark_month(canvas: Canvas, curves: Sequence[pl.DataFrame], mark: float, digits: int) -> None:
    """Draw the vertical line, a marker on every curve, and the values beside the line."""
    ax = canvas.ax
    ax.axvline(mark, color=palette.SOFT, linewidth=0.8, dashes=(1.0, 1.6), zorder=1.5)
    values = [value_at(curve, mark) for curve in curves]
    for value, look in zip(values, palette.LINES, strict=False):
        ax.plot(
            [mark], [value], marker=look.marker, markersize=3.2, color=look.colour,
            markeredgecolor=palette.PAPER, markeredgewidth=0.5, zorder=3,
        )  # fmt: skip
    pieces = _pieces(values, mark, digits)

    def write() -> None:
        size = canvas.sizes.label
        rows, x, y = _best_place(canvas, curves, mark, pieces)
        for index, row in enumerate(rows):
            at = x
            for text, colour in row:
                down = y - index * LEADING * size
                put(ax, at, down, [text], size=size, colour=colour, halo=True)
                at += text_width(text, size) + _space(size)

    canvas.finishers.append(write)


def _pieces(values: Sequence[float], mark: float, digits: int) -> list[Piece]:
    number = format_number(mark)
    key = "mark.month" if mark == 1 else "mark.months"
    if len(values) == 1:
        return [(label(key, n=number, value=format_percent(values[0], digits)), palette.INK)]
    return [
        (label(f"{key}_plain", n=number) + ":", palette.SOFT),
        *(
            (format_percent(value, digits), palette.text_colour(look.colour))
            for value, look in zip(values, palette.LINES, strict=False)
        ),
    ]


def _space(size: float) -> float:
    return text_width("n", size)


def _arrangements(pieces: Sequence[Piece]) -> list[list[list[Piece]]]:
    """Return ways to cut the pieces in rows, the flattest first."""
    head, rest = list(pieces[:1]), list(pieces[1:])
    cuts = [each for each in (len(rest), 2, 1) if 0 < each <= len(rest)]
    in_rows = [
        [head, *(rest[start : start + each] for start in range(0, len(rest), each))]
        for each in cuts
    ]
    return [[list(pieces)], *in_rows]


def _best_place(
    canvas: Canvas, curves: Sequence[pl.DataFrame], mark: float, pieces: Sequence[Piece]
) -> tuple[list[list[Piece]], float, float]:
    """Return rows of pieces and where the first begins.

    One row before more, right of the line before left, at the top before the foot: the first of
    these where no curve or band is; where there is none, the one with most room.
    """
    left, bottom, right, top = canvas.box()
    size = canvas.sizes.label
    line, _ = canvas.place(mark, 0.0)
    found: list[tuple[float, list[list[Piece]], float, float]] = []
    for rows in _arrangements(pieces):
        width = max(
            sum(text_width(text, size) for text, _ in row) + _space(size) * (len(row) - 1)
            for row in rows
        )
        tall = (len(rows) - 1) * LEADING * size
        for x in (line + _OFF_LINE, line - _OFF_LINE - width):
            if x < left or x + width > right + _OFF_LINE:
                continue
            heights = [
                canvas.place(0.0, value)[1]
                for curve in curves
                for value in _over(canvas, curve, x - 2.0, x + width + 2.0)
            ]
            above = top - max(heights, default=bottom) - tall - 1.6 * size
            below = min(heights, default=top) - bottom - tall - 1.6 * size
            found.append((above, rows, x, top - 0.75 * size))
            found.append((below, rows, x, bottom + 0.9 * size + tall))
    if not found:
        return _arrangements(pieces)[-1], left, top - 0.75 * size
    _, rows, x, y = next((place for place in found if place[0] > 0), max(found, key=lambda p: p[0]))
    return rows, x, y


def _over(canvas: Canvas, curve: pl.DataFrame, start: float, end: float) -> list[float]:
    """Return the heights a curve and its band take between two places across the canvas."""
    across = [canvas.place(float(time), 0.0)[0] for time in curve["time"]]
    after = [*across[1:], float("inf")]
    rows = [
        i for i, (a, b) in enumerate(zip(across, after, strict=True)) if a <= end and b >= start
    ]
    return [float(value) for name in ("low", "high") for value in curve[name].gather(rows)]
