"""A row of markers with their names above the axes, for what cannot be labelled where it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.reporting import palette
from toolkit.reporting.figures.text import LEADING, put, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reporting.figures.canvas import Canvas


@dataclass(frozen=True)
class Sign:
    """A marker and what it stands for; hollow where it has no fill."""

    name: str
    marker: str
    colour: str
    fill: str | None = None
    hatch: str | None = None

    def options(self, size: float) -> dict[str, Any]:
        """Return how `Axes.plot` draws it."""
        return {
            "marker": self.marker, "markersize": size, "linestyle": "none", "clip_on": False,
            "markerfacecolor": self.fill or palette.PAPER, "markeredgecolor": self.colour,
            "markeredgewidth": 1.0,
        }  # fmt: skip


def write_signs(canvas: Canvas, signs: Sequence[Sign]) -> None:
    """Reserve lines above what stands there already and write a marker and name for each sign."""
    size = canvas.sizes.label
    lines: list[list[tuple[Sign, float]]] = [[]]
    x = 0.0
    for sign in signs:
        wide = size * 1.5 + text_width(sign.name, size) + 10.0
        if lines[-1] and x + wide > canvas.width - 8.0:
            lines.append([])
            x = 0.0
        lines[-1].append((sign, x))
        x += wide
    base = canvas.above
    canvas.above += len(lines) * LEADING * size + 3.0

    def write() -> None:
        left, _, _, top = canvas.box()
        start = 4.0 if canvas.own else left
        for index, line in enumerate(lines):
            y = top + base + (len(lines) - index - 0.4) * LEADING * size + 2.0
            for sign, across in line:
                _draw(canvas, sign, start + across + size * 0.5, y)
                put(canvas.ax, start + across + size * 1.5, y, [sign.name], size=size,
                    colour=palette.INK)  # fmt: skip

    canvas.finishers.append(write)


def _draw(canvas: Canvas, sign: Sign, x: float, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    width, height = canvas.figure.get_size_inches() * 72
    if sign.hatch is None and sign.marker != "bar":
        canvas.figure.add_artist(
            Line2D([x / width], [y / height], **sign.options(canvas.sizes.label * 0.62))
        )
        return
    side = canvas.sizes.label * 0.85
    canvas.figure.add_artist(
        Rectangle(
            ((x - side / 2) / width, (y - side / 2) / height), side / width, side / height,
            facecolor=sign.fill or palette.PAPER, edgecolor=sign.colour, hatch=sign.hatch,
            linewidth=0.6 if sign.hatch else 0.0,
        )
    )  # fmt: skip
