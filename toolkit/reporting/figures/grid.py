"""A grid of cells: rows with names and headings, columns with heads, one look a cell.

The y axis of such a figure is in points from its top, so that rows are as high as their text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from toolkit.reporting import palette
from toolkit.reporting.figures.text import LEADING, cut, put, text_width
from toolkit.reporting.labels import format_count, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reporting.figures.canvas import Canvas

_GAP = 7.0


@dataclass(frozen=True)
class Cell:
    """One cell: its colour, what is written in it, and in which colour."""

    fill: str
    text: str = ""
    ink: str = palette.INK
    #: Whether its text must be there: a state is told by its sign, a share by its shade.
    sign: bool = False


@dataclass
class GridRow:
    """One row: its name, its heading, how many it rests on, its cells by column."""

    name: str
    heading: str | None = None
    n: float | None = None
    cells: dict[int, Cell] = field(default_factory=dict)


@dataclass(frozen=True)
class GridColumn:
    """One column: its head, and what stands over a run of columns (a year)."""

    name: str
    over: str | None = None


def draw_grid(canvas: Canvas, rows: Sequence[GridRow], columns: Sequence[GridColumn]) -> None:
    """Draw cells, names and heads; sets the height of the axes and the room beside them."""
    size = canvas.sizes.label
    indent = 5.0 if any(row.heading for row in rows) else 0.0
    names = [cut(row.name, canvas.width * 0.32 - indent, size) for row in rows]
    canvas.left = indent + _GAP + max(text_width(x, size) for lines in names for x in lines)
    counted = [None if row.n is None else format_count(row.n) for row in rows]
    widths = [text_width(text, size) for text in counted if text is not None]
    canvas.right = _GAP + max([*widths, text_width(label("word.n"), size)]) if widths else 0.0
    if not canvas.own:
        canvas.left = canvas.right = 0.0
    bands, headings, height = _bands(rows, names, size)
    canvas.plot_height = height
    ax = canvas.ax
    ax.set_xlim(0, len(columns))
    ax.set_ylim(height, 0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    _fill(canvas, rows, bands)
    heads = _heads(canvas, columns)

    def write() -> None:
        left, _, right, top = canvas.box()
        start = 4.0 if canvas.own else left - _GAP
        scale = 1.0 if canvas.own else (top - canvas.box()[1]) / height
        for down, text in headings:
            put(ax, start, top - down * scale, [text], size=size, colour=palette.INK, weight="bold",
                ha="left" if canvas.own else "right")  # fmt: skip
        for row, lines, (high, low), n in zip(rows, names, bands, counted, strict=True):
            y = top - (high + low) / 2 * scale
            inset = indent if row.heading and canvas.own else 0.0
            put(ax, start + inset, y, lines, size=size, colour=palette.INK,
                ha="left" if canvas.own else "right")  # fmt: skip
            if n is not None:
                put(ax, right + canvas.right if canvas.own else right + 4 * _GAP, y, [n],
                    size=size, colour=palette.SOFT, ha="right")  # fmt: skip
        if widths:
            put(ax, right + canvas.right if canvas.own else right + 4 * _GAP,
                top + 0.6 * LEADING * size, [label("word.n")], size=size, colour=palette.SOFT,
                ha="right")  # fmt: skip
        _write_cells(canvas, rows, bands, len(columns), scale)
        heads.write()

    canvas.finishers.append(write)


def _bands(
    rows: Sequence[GridRow], names: Sequence[tuple[str, ...]], size: float
) -> tuple[list[tuple[float, float]], list[tuple[float, str]], float]:
    """Return top and bottom of every row, where headings stand, and the whole height."""
    y = 0.0
    bands: list[tuple[float, float]] = []
    headings: list[tuple[float, str]] = []
    before: str | None = None
    for row, lines in zip(rows, names, strict=True):
        if row.heading != before:
            y += size * 0.7 if bands else 0.0
            if row.heading:
                headings.append((y + size * 0.75, row.heading))
                y += size * 1.6
            before = row.heading
        high = len(lines) * LEADING * size + size * 0.3
        bands.append((y, y + high))
        y += high
    return bands, headings, y


def _fill(canvas: Canvas, rows: Sequence[GridRow], bands: Sequence[tuple[float, float]]) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    boxes, fills = [], []
    for row, (high, low) in zip(rows, bands, strict=True):
        for column, cell in row.cells.items():
            boxes.append(Rectangle((column, high), 1, low - high))
            fills.append(cell.fill)
    canvas.ax.add_collection(
        PatchCollection(
            boxes, facecolors=fills, edgecolors=palette.PAPER, linewidths=0.7, zorder=2
        ),
        autolim=False,
    )


def _write_cells(
    canvas: Canvas,
    rows: Sequence[GridRow],
    bands: Sequence[tuple[float, float]],
    columns: int,
    scale: float,
) -> None:
    """Write in the cells: signs always, numbers where every one of them fits."""
    size = canvas.sizes.label
    left, _, right, top = canvas.box()
    wide = (right - left) / columns
    cells = [cell for row in rows for cell in row.cells.values() if cell.text]
    widest = max((text_width(cell.text, size) for cell in cells), default=0.0)
    for row, (high, low) in zip(rows, bands, strict=True):
        for column, cell in row.cells.items():
            if cell.text and (cell.sign or widest + 3.0 <= wide):
                put(
                    canvas.ax, left + (column + 0.5) * wide, top - (high + low) / 2 * scale,
                    [cell.text], size=size, colour=cell.ink, ha="center",
                )  # fmt: skip


@dataclass(frozen=True)
class _Heads:
    """Heads of the columns, above the axes."""

    canvas: Canvas
    columns: Sequence[GridColumn]
    lines: list[tuple[str, ...]]

    def write(self) -> None:
        """Write the heads; of those too wide for their column, every other one or fewer."""
        canvas, size = self.canvas, self.canvas.sizes.label
        left, _, right, top = canvas.box()
        wide = (right - left) / len(self.columns)
        widest = max(text_width(line, size) for lines in self.lines for line in lines)
        step = next(s for s in range(1, len(self.columns) + 2) if widest + 1.0 <= wide * s or
                    s > len(self.columns))  # fmt: skip
        tall = max(len(lines) for lines in self.lines) * LEADING * size
        for index, lines in enumerate(self.lines[::step]):
            x = left + (index * step + 0.5) * wide
            put(canvas.ax, x, top + tall / 2 + 2.0, lines, size=size, colour=palette.SOFT,
                ha="center")  # fmt: skip
        at, taken = 0, left - 1.0
        for over, run in groupby(column.over for column in self.columns):
            many = len(list(run))
            middle = left + (at + many / 2) * wide
            half = text_width(over or "", size) / 2
            if over and middle - half > taken:
                put(canvas.ax, middle, top + tall + LEADING * size / 2 + 3.0, [over], size=size,
                    colour=palette.SOFT, ha="center")  # fmt: skip
                taken = middle + half + 2.0
            at += many


def _heads(canvas: Canvas, columns: Sequence[GridColumn]) -> _Heads:
    size = canvas.sizes.label
    wide = (canvas.width - canvas.left - canvas.right - 8.0) / len(columns)
    lines = [cut(column.name, max(wide - 2.0, 1.0), size) for column in columns]
    tall = max(len(each) for each in lines) * LEADING * size
    over = LEADING * size if any(column.over for column in columns) else 0.0
    canvas.above += tall + over + 4.0
    return _Heads(canvas, columns, lines)
