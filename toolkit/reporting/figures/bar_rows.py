"""Rows of a bar figure: names left, numbers right, and the height that follows from them.

The y axis of such a figure is in points from its top, so that rows are as high as their text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.reporting import palette
from toolkit.reporting.figures.text import LEADING, balance, cut, put, shorten, text_width
from toolkit.reporting.labels import format_count, label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.reporting.figures.canvas import Canvas

_GAP = 7.0
#: Share of the figure's width that the plot keeps, however long names and headings are.
_PLOT = 0.35


@dataclass(frozen=True)
class Point:
    """One estimate of a row."""

    estimate: float | None
    low: float | None = None
    high: float | None = None
    published: float | None = None
    n: float | None = None
    series: int = 0


@dataclass
class Row:
    """One line of the figure: its name, its heading, its estimates."""

    name: str
    heading: str | None = None
    total: bool = False
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True)
class Column:
    """Numbers right of the axes: a head and, by row, one text a point."""

    head: str
    texts: list[list[str]]
    width: float
    coloured: bool = False


@dataclass(frozen=True)
class RowLayout:
    """Where every row stands, and what is written beside it; a heading is a line or several."""

    middles: list[float]
    names: list[tuple[str, ...]]
    headings: list[tuple[float, str]]
    columns: list[Column]
    pitch: float
    name_middles: list[float]
    above: bool
    room: float


def lay_out_rows(
    canvas: Canvas,
    rows: Sequence[Row],
    words: Callable[[float | None], str],
    *,
    value_head: str,
    n_head: str,
) -> RowLayout:
    """Set the height of the axes and the room beside them; return where rows stand."""
    size = canvas.sizes.label
    columns = _columns(canvas, rows, words, value_head, n_head)
    canvas.right = sum(column.width for column in columns)
    indent = 6.0 if any(row.heading for row in rows) else 0.0
    whole = canvas.width - 8.0
    room, most = canvas.width * 0.34, whole - canvas.right - _PLOT * canvas.width - _GAP
    names = _names(rows, room - indent, most - indent, size)
    heads = {
        row.heading: _short(balance(row.heading, room, size, "bold"), most, size, "bold")
        for row in rows
        if row.heading
    }
    wide = [
        text_width(line, size, _weight(row)) + (indent if row.heading else 0.0)
        for row, lines in zip(rows, names, strict=True)
        for line in lines
    ]
    wide += [text_width(line, size, "bold") for lines in heads.values() for line in lines]
    beside = max(wide) + _GAP
    # Half a page has no room for names beside the plot: they stand above their rows.
    above = canvas.narrow and whole - canvas.right - beside < 0.4 * canvas.width
    if above:
        names = _names(rows, whole - canvas.right, whole - canvas.right, size)
        over = whole - 18.0  # nothing is drawn beside a heading: it runs over the plot
        heads = {t: _short(cut(t, over, size, "bold"), over, size, "bold") for t in heads}
    y = 0.0
    middles: list[float] = []
    name_middles: list[float] = []
    headings: list[tuple[float, str]] = []
    before: str | None = None
    pitch = size * 1.3
    for row, lines in zip(rows, names, strict=True):
        if row.heading != before:
            y += size * (0.6 if middles else 0.0)
            if row.heading:
                lines_of_head = heads[row.heading]
                for index, line in enumerate(lines_of_head):
                    headings.append((y + size * (0.75 + index * LEADING), line))
                y += size * (1.65 + (len(lines_of_head) - 1) * LEADING)
            before = row.heading
        text, marks = len(lines) * LEADING * size, len(row.points) * pitch
        if above:
            name_middles.append(y + text / 2)
            # The halo of a name must not bite into its bar.
            middles.append(y + text + marks / 2 + size * 0.2)
            high = text + marks + size * 0.5
        else:
            high = max(text, marks) + size * 0.45
            name_middles.append(y + high / 2)
            middles.append(y + high / 2)
        y += high + (size * 0.4 if row.total else 0.0)
    canvas.ax.set_ylim(y, 0.0)
    canvas.plot_height = y
    canvas.left = 0.0 if above else beside
    canvas.above += LEADING * size + 2.0
    return RowLayout(
        middles,
        names,
        headings,
        columns,
        pitch,
        name_middles,
        above,
        whole - canvas.right - canvas.left,
    )


def _names(rows: Sequence[Row], room: float, most: float, size: float) -> list[tuple[str, ...]]:
    return [
        _short(cut(row.name, room, size, _weight(row)), most, size, _weight(row)) for row in rows
    ]


def _short(lines: tuple[str, ...], most: float, size: float, weight: str) -> tuple[str, ...]:
    """Return lines of which a word wider than `most` ends in an ellipsis."""
    return tuple(shorten(line, max(most, 0.0), size, weight) for line in lines)


def _weight(row: Row) -> str:
    return "bold" if row.total else "normal"


def _columns(
    canvas: Canvas,
    rows: Sequence[Row],
    words: Callable[[float | None], str],
    value_head: str,
    n_head: str,
) -> list[Column]:
    size = canvas.sizes.label
    points = [point for row in rows for point in row.points]
    several = any(len(row.points) > 1 for row in rows)
    parts: list[tuple[str, list[list[str]], bool]] = [
        (value_head, [[words(p.estimate) for p in row.points] for row in rows], several)
    ]
    if any(point.published is not None for point in points):
        head = "◇ " + label("word.published_short" if canvas.narrow else "word.published")
        shown = [
            ["" if p.published is None else words(p.published) for p in r.points] for r in rows
        ]
        parts.append((head, shown, False))
    if any(point.n is not None for point in points):
        shown = [["" if p.n is None else format_count(p.n) for p in r.points] for r in rows]
        parts.append((n_head, shown, False))
    columns = []
    for head, texts, coloured in parts:
        widest = max(text_width(text, size, "bold") for row in texts for text in row)
        columns.append(Column(head, texts, _GAP + max(widest, text_width(head, size)), coloured))
    return columns


def write_rows(canvas: Canvas, rows: Sequence[Row], layout: RowLayout) -> None:
    """Write names, headings and numbers once the axes have their place."""

    def write() -> None:
        size, ax = canvas.sizes.label, canvas.ax
        left, _, right, top = canvas.box()
        # Above their rows, names stand on the plot and off its zero line.
        start = left + 3.0 if layout.above else 4.0 if canvas.own else left - canvas.left
        indent = 6.0 if layout.headings and not layout.above else 0.0
        for down, text in layout.headings:
            put(
                ax,
                start,
                top - down,
                [text],
                size=size,
                colour=palette.INK,
                weight="bold",
                halo=layout.above,
            )
        for row, lines, down in zip(rows, layout.names, layout.name_middles, strict=True):
            weight = _weight(row)
            inset = 0.0 if row.heading is None else indent
            put(
                ax,
                start + inset,
                top - down,
                lines,
                size=size,
                colour=palette.INK,
                weight=weight,
                halo=layout.above,
            )
        edge = right
        for column in layout.columns:
            edge += column.width
            put(ax, edge, top + LEADING * size * 0.6 + 2, [column.head], size=size,
                colour=palette.SOFT, ha="right")  # fmt: skip
            for row, texts, down in zip(rows, column.texts, layout.middles, strict=True):
                weight = _weight(row)
                for index, text in enumerate(texts):
                    if not text:
                        continue
                    look = palette.LINES[row.points[index].series]
                    colour = palette.text_colour(look.colour) if column.coloured else palette.INK
                    y = top - down - offset(index, len(texts), layout.pitch)
                    put(ax, edge, y, [text], size=size, colour=colour, weight=weight, ha="right")

    canvas.finishers.append(write)


def offset(index: int, count: int, pitch: float) -> float:
    """Return how far below the middle of its row a point stands."""
    return (index - (count - 1) / 2) * pitch
