"""Labels where lines and areas end, in their own colour, pushed apart where they would touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.reporting import palette
from toolkit.reporting.figures.text import LEADING, cut, put, spread, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reporting.figures.canvas import Canvas

#: Between the axes and a label; with a leader line in between where a label had to move.
_GAP = 5.0
_GAP_WITH_LEADER = 15.0
_PART_OF_WIDTH = 0.30
#: How far labels may stand out of the plot, top and bottom together, in parts of their size.
_OVER = 1.0


@dataclass(frozen=True)
class EndLabel:
    """Words at the end of a line or area, at `y` in units of the data."""

    y: float
    text: str
    colour: str
    value: str | None = None


def label_ends(canvas: Canvas, labels: Sequence[EndLabel], *, inline: bool = False) -> None:
    """Reserve room right of the axes and write the labels there once the axes have their place.

    Parameters
    ----------
    labels : sequence of EndLabel
        In any order; where they do not fit beside the plot, the plot grows.
    inline : bool
        Whether a value stands on the line of its name where it fits, or always on its own.
    """
    if not labels:
        return
    size = canvas.sizes.label
    room = canvas.width * _PART_OF_WIDTH
    blocks = [_block(item, room, size, inline=inline) for item in labels]
    heights = [(len(lines) * LEADING + 0.12) * size for lines in blocks]
    if canvas.own:
        canvas.plot_height = max(canvas.plot_height, sum(heights) - _OVER * size)
    low, high = canvas.ax.get_ylim()
    rough = [(item.y - low) / (high - low) * canvas.plot_height for item in labels]
    placed = spread(rough, heights, -_OVER * size / 2, canvas.plot_height + _OVER * size / 2)
    moved = any(abs(a - b) > 0.45 * size for a, b in zip(rough, placed, strict=True))
    gap = _GAP_WITH_LEADER if moved else _GAP
    canvas.right = max(
        canvas.right, gap + max(text_width(line, size) for lines in blocks for line in lines)
    )

    def write() -> None:
        from matplotlib.lines import Line2D

        _, bottom, edge, top = canvas.box()
        width, height = canvas.figure.get_size_inches() * 72
        ends = [canvas.place(0, item.y)[1] for item in labels]
        final = spread(ends, heights, bottom - _OVER * size / 2, top + _OVER * size / 2)
        for item, lines, end, y in zip(labels, blocks, ends, final, strict=True):
            colour = palette.text_colour(item.colour)
            if moved and abs(end - y) > 0.45 * size:
                across = [edge + 1.5, edge + 5, edge + gap - 4, edge + gap - 1.5]
                canvas.figure.add_artist(
                    Line2D(
                        [x / width for x in across],
                        [v / height for v in (end, end, y, y)],
                        color=palette.STEEL,
                        linewidth=0.5,
                    )
                )
            put(canvas.ax, edge + gap, y, lines, size=size, colour=colour)

    canvas.finishers.append(write)


def _block(item: EndLabel, room: float, size: float, *, inline: bool) -> list[str]:
    """Return the lines of a label."""
    if item.value is None:
        return list(cut(item.text, room, size))
    whole = f"{item.text} {item.value}"
    if inline and text_width(whole, size) <= room:
        return [whole]
    return [*cut(item.text, room, size), *cut(item.value, room, size)]
