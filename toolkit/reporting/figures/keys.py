"""A row of keys above the axes, for figures whose parts cannot be labelled where they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.reporting import palette
from toolkit.reporting.figures.text import LEADING, put, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reporting.figures.canvas import Canvas


def write_keys(canvas: Canvas, keys: Sequence[tuple[str, str]], *, ink: bool = False) -> None:
    """Reserve lines above what stands there already and write a swatch and name for each key.

    Parameters
    ----------
    keys : sequence of (name, colour)
        In order; they run on to a next line where they do not fit.
    ink : bool
        Write the names in ink, not in the colour of their swatch.
    """
    size = canvas.sizes.label
    lines: list[list[tuple[str, str, float]]] = [[]]
    x = 0.0
    for name, colour in keys:
        wide = size * 1.3 + text_width(name, size) + 10.0
        if lines[-1] and x + wide > canvas.width - 8.0:
            lines.append([])
            x = 0.0
        lines[-1].append((name, colour, x))
        x += wide
    base = canvas.above
    canvas.above += len(lines) * LEADING * size + 3.0

    def write() -> None:
        from matplotlib.patches import Rectangle

        width, height = canvas.figure.get_size_inches() * 72
        left, _, _, top = canvas.box()
        start = 4.0 if canvas.own else left
        for index, line in enumerate(lines):
            y = top + base + (len(lines) - index - 0.4) * LEADING * size + 2.0
            for name, colour, across in line:
                side = size * 0.85
                canvas.figure.add_artist(
                    Rectangle(
                        ((start + across) / width, (y - side / 2) / height),
                        side / width,
                        side / height,
                        facecolor=colour,
                        edgecolor="none",
                    )
                )
                shade = palette.INK if ink else palette.text_colour(colour)
                put(canvas.ax, start + across + size * 1.3, y, [name], size=size, colour=shade)

    canvas.finishers.append(write)
