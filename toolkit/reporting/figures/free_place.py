"""A place for words beside a curve: the free one nearest to what they are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.reporting import palette
from toolkit.reporting.figures.text import LEADING, put, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.reporting.figures.canvas import Canvas

    Floats = NDArray[np.float64]
    Box = tuple[float, float, float, float]

#: Candidates tried along each side of the plot.
_ACROSS, _UP = 60, 40


@dataclass
class FreePlaces:
    """What is taken in the plot, in points from the lower left corner of the figure.

    Attributes
    ----------
    canvas : Canvas
        Its axes have their final place.
    x, low, high : (K,) arrays
        A curve with its band, in units of the data.
    taken : list of (x0, y0, x1, y1)
        Boxes where something else stands.
    words : list of (x0, y0, x1, y1)
        Those of them that hold words written here.
    """

    canvas: Canvas
    x: Floats
    low: Floats
    high: Floats
    taken: list[Box] = field(default_factory=list)
    words: list[Box] = field(default_factory=list)

    def write(
        self, lines: Sequence[str], about: tuple[float, float], colour: str, *,
        within: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        """Write lines at the free place nearest to a point of the data, a leader where it is far.

        Parameters
        ----------
        lines : sequence of str
        about : (x, y)
            What the words are about, in units of the data.
        colour : str
        within : (x0, x1), optional
            Stretch of the x axis the words must stay in.
        """
        size = self.canvas.sizes.label
        wide = max(text_width(line, size) for line in lines)
        tall = len(lines) * LEADING * size
        left, bottom, right, top = self.canvas.box()
        if within is not None:
            ends = [self.canvas.place(x, 0.0)[0] for x in within]
            left, right = max(left, ends[0]), min(right, ends[1])
        at = self.canvas.place(*about)
        found = self._nearest(at, wide, tall, (left + 2, bottom + 1, right - 1, top - 1))
        x0, y0 = found
        self.words.append((x0 - 3, y0 - 1, x0 + wide + 3, y0 + tall + 1))
        self.taken.append(self.words[-1])
        self._lead(at, (x0, y0, x0 + wide, y0 + tall))
        put(self.canvas.ax, x0, y0 + tall / 2, list(lines), size=size, colour=colour, halo=True)

    def _nearest(
        self, at: tuple[float, float], wide: float, tall: float, room: Box
    ) -> tuple[float, float]:
        """Return the lower left corner of the free place nearest to a point."""
        left, bottom, right, top = room
        across = np.linspace(left, max(right - wide, left), _ACROSS)
        up = np.linspace(bottom, max(top - tall, bottom), _UP)
        x0, y0 = (grid.ravel() for grid in np.meshgrid(across, up))
        x1, y1 = x0 + wide, y0 + tall
        cover = np.zeros(len(x0))
        points = [self.canvas.place(x, 0.0)[0] for x in self.x]
        lows = np.array([self.canvas.place(0.0, y)[1] for y in self.low]) - 3
        highs = np.array([self.canvas.place(0.0, y)[1] for y in self.high]) + 3
        for x, low, high in zip(points, lows, highs, strict=True):
            inside = (x0 - 3 <= x) & (x <= x1 + 3)
            cover += inside * np.clip(np.minimum(y1, high) - np.maximum(y0, low), 0, None)
        for box in self.taken:
            wide_over = np.clip(np.minimum(x1, box[2]) - np.maximum(x0, box[0]), 0, None)
            high_over = np.clip(np.minimum(y1, box[3]) - np.maximum(y0, box[1]), 0, None)
            cover += 10 * wide_over * high_over
        # from the nearest point of the box, not its corner
        off = np.hypot(
            at[0] - np.clip(at[0], x0, x1), at[1] - np.clip(at[1], y0, y1)
        ) + 0.02 * np.hypot(at[0] - (x0 + x1) / 2, at[1] - (y0 + y1) / 2)
        off += 1000 * self._crossed(at, x0, y0, x1, y1)
        best = np.lexsort((off, np.round(cover, 6)))[0]
        return float(x0[best]), float(y0[best])

    def _crossed(
        self, at: tuple[float, float], x0: Floats, y0: Floats, x1: Floats, y1: Floats
    ) -> Floats:
        """Return how many boxes with words a leader to each place would run through."""
        end_x, end_y = np.clip(at[0], x0, x1), np.clip(at[1], y0, y1)
        crossed = np.zeros(len(x0))
        for box in self.words:
            hit = np.zeros(len(x0), dtype=bool)
            for part in np.linspace(0.0, 1.0, 12):
                x, y = at[0] + part * (end_x - at[0]), at[1] + part * (end_y - at[1])
                hit |= (box[0] <= x) & (x <= box[2]) & (box[1] <= y) & (y <= box[3])
            crossed += hit
        return crossed

    def _lead(self, at: tuple[float, float], box: Box) -> None:
        """Draw a thin line from the words to what they are about, where that is not beside them."""
        from matplotlib.lines import Line2D

        end = (
            float(np.clip(at[0], box[0], box[2])),
            float(np.clip(at[1], box[1] + 2, box[3] - 2)),
        )
        away = float(np.hypot(end[0] - at[0], end[1] - at[1]))
        if away < 9.0:
            return
        for part in np.linspace(0.2, 0.9, 8):  # words to come keep off the leader
            x, y = at[0] + part * (end[0] - at[0]), at[1] + part * (end[1] - at[1])
            self.taken.append((x - 2, y - 2, x + 2, y + 2))
        short = 3.0 / away
        width, height = self.canvas.figure.get_size_inches() * 72
        start = (at[0] + (end[0] - at[0]) * short, at[1] + (end[1] - at[1]) * short)
        stop = (end[0] - (end[0] - at[0]) * short, end[1] - (end[1] - at[1]) * short)
        self.canvas.figure.add_artist(
            Line2D(
                [start[0] / width, stop[0] / width], [start[1] / height, stop[1] / height],
                color=palette.FAINT, linewidth=0.6,
            )
        )  # fmt: skip
