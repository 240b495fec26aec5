"""Text that is measured before it is drawn: wrapping, heights, labels pushed apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.reporting import palette

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

#: Distance between baselines, and ascent plus descent, in parts of the type size (DejaVu Sans).
LEADING = 1.34
_ASCENT = 0.93
_DESCENT = 0.24
EM = _ASCENT + _DESCENT
#: Width of a letter, about, in parts of the type size: a first guess.
_LETTER = 0.56


def decimals(values: Iterable[float | None], least: int, *, scale: float = 1.0) -> int:
    """Return so many decimals that the largest of small effects keeps two digits; four at most.

    Parameters
    ----------
    values : iterable of float
        Differences from no effect; null and not finite ones do not count.
    least : int
        What large ones are written with.
    scale : float
        What they are multiplied by before they are written: 100 for points.

    Examples
    --------
    >>> decimals([0.031, -0.002], 1, scale=100), decimals([0.0004], 1, scale=100)
    (1, 3)
    """
    known = [abs(value) * scale for value in values if value is not None and np.isfinite(value)]
    largest = max(known, default=0.0)
    if not largest:
        return least
    return max(least, min(1 - math.floor(math.log10(largest)), 4))


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of one line in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


@dataclass(frozen=True)
class Lines:
    """Text cut into lines."""

    lines: tuple[str, ...]
    size: float
    weight: str
    colour: str

    def draw(self, figure: Figure, left: float, top: float) -> None:
        """Write the lines with their top left corner at a place in points from the lower left."""
        width, height = figure.get_size_inches() * 72
        for index, line in enumerate(self.lines):
            figure.text(
                left / width,
                (top - (_ASCENT + index * LEADING) * self.size) / height,
                line, size=self.size, weight=self.weight, color=self.colour,
                ha="left", va="baseline",
            )  # fmt: skip


def text_height(lines: Lines) -> float:
    """Return the height of wrapped text in points."""
    return ((len(lines.lines) - 1) * LEADING + EM) * lines.size


def cut(text: str, room: float, size: float, weight: str = "normal") -> tuple[str, ...]:
    """Cut text into lines no wider than `room` points; a word wider than that stands alone.

    Examples
    --------
    >>> cut("een twee", 1.0, 7.0)
    ('een', 'twee')
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        words = paragraph.split(" ")
        start = 0
        while start < len(words):
            while not words[start] and start + 1 < len(words):
                start += 1  # no line begins with a space
            stop = _that_fit(words, start, room, size, weight)
            lines.append(" ".join(words[start:stop]))
            start = stop
    return tuple(lines)


def shorten(text: str, room: float, size: float, weight: str = "normal") -> str:
    """Return one line, cut with an ellipsis where it is wider than `room` points.

    Examples
    --------
    >>> shorten("een", 100.0, 7.0), shorten("arbeidsongeschiktheid", 40.0, 7.0)
    ('een', 'arbeidso…')
    """
    if text_width(text, size, weight) <= room:
        return text
    kept = text
    while kept and text_width(f"{kept.rstrip()}…", size, weight) > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def _that_fit(words: list[str], start: int, room: float, size: float, weight: str) -> int:
    """Return where a line that begins at a word ends; from a guess, for measuring is slow."""
    guess, letters = start, room / (_LETTER * size)
    while guess < len(words) and letters > 0:
        letters -= len(words[guess]) + 1
        guess += 1
    stop = max(guess, start + 1)

    def fits(end: int) -> bool:
        return text_width(" ".join(words[start:end]), size, weight) <= room

    if stop == start + 1 or fits(stop):
        while stop < len(words) and fits(stop + 1):
            stop += 1
        return stop
    while stop > start + 1 and not fits(stop):
        stop -= 1
    return stop


def balance(text: str, room: float, size: float, weight: str = "normal") -> tuple[str, ...]:
    """Cut text into as few lines as `room` allows, of about the same length."""
    lines = cut(text, room, size, weight)
    low, high = room / 2, room
    while len(lines) > 1 and high - low > 1.0:
        middle = (low + high) / 2
        if len(cut(text, middle, size, weight)) > len(lines):
            low = middle
        else:
            high = middle
    return cut(text, high, size, weight)


def wrap(
    text: str,
    room: float,
    size: float,
    *,
    weight: str = "normal",
    colour: str = palette.INK,
    balanced: bool = False,
) -> Lines:
    """Return text cut to a width, ready to draw. `n = 18.650` is kept on one line."""
    kept = text.replace("n = ", "n\u00a0=\u00a0")
    lines = (balance if balanced else cut)(kept, room, size, weight)
    return Lines(lines, size, weight, colour)


def spread(
    wanted: Sequence[float], heights: Sequence[float], low: float, high: float
) -> list[float]:
    """Push labels apart: centres as near to where they want to be as their heights allow.

    Least squares under "no overlap" is isotonic regression after taking off the room the labels
    below take (pool adjacent violators); the result is then held between `low` and `high`.

    Parameters
    ----------
    wanted, heights : sequences of float
        Centre and height of every label.
    low, high : float
        Where labels may stand. Too little room pushes them past `high`, never over each other.

    Examples
    --------
    >>> spread([0.0, 0.0], [2.0, 2.0], -10.0, 10.0)
    [-1.0, 1.0]
    """
    if not wanted:
        return []
    order = np.argsort(np.asarray(wanted), kind="stable")
    want = np.asarray(wanted, dtype=float)[order]
    tall = np.asarray(heights, dtype=float)[order]
    offset = np.concatenate([[0.0], np.cumsum((tall[:-1] + tall[1:]) / 2)])
    blocks: list[tuple[float, int]] = []  # mean, count
    for value in want - offset:
        mean, count = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean = (before * many + mean * count) / (many + count)
            count += many
        blocks.append((mean, count))
    fitted = np.repeat([b[0] for b in blocks], [b[1] for b in blocks])
    first, last = low + tall[0] / 2, high - tall[-1] / 2 - offset[-1]
    fitted = np.maximum(np.minimum(fitted, last), first)
    placed = np.empty(len(want))
    placed[order] = fitted + offset
    return [float(value) for value in placed]


def put(
    ax: Any,
    x: float,
    y: float,
    lines: Sequence[str],
    *,
    size: float,
    colour: str,
    weight: str = "normal",
    ha: str = "left",
    halo: bool = False,
) -> None:
    """Write lines on the figure, centred on `y`; the place is in points from its lower left corner.

    With a `halo` the paper shows around the letters, where they stand on lines of the plot.
    """
    from matplotlib import patheffects

    figure = ax.get_figure(root=True)
    width, height = figure.get_size_inches() * 72
    middle = y + ((len(lines) - 1) * LEADING / 2) * size - (_ASCENT - EM / 2) * size
    effects = [patheffects.withStroke(linewidth=3.0, foreground=palette.PAPER)] if halo else None
    for index, line in enumerate(lines):
        figure.text(
            x / width, (middle - index * LEADING * size) / height, line,
            size=size, color=colour, weight=weight, ha=ha, va="baseline", path_effects=effects,
        )  # fmt: skip
