"""Headings of rows that are wider than the names under them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.reporting.figures.text import text_width

if TYPE_CHECKING:
    from toolkit.reporting.figures.bar_rows import RowLayout
    from toolkit.reporting.figures.canvas import Canvas

_GAP = 7.0


#: Share of the figure's width that the plot keeps, however long its headings are.
_PLOT = 0.3


def widen_for_headings(canvas: Canvas, layout: RowLayout) -> RowLayout:
    """Keep the axes clear of the headings of rows: room left of them, less room inside.

    A heading that would leave the plot too little, or sticks out, ends in an ellipsis.
    """
    if not layout.headings:
        return layout
    size, whole = canvas.sizes.label, canvas.width - 8.0
    room = whole - 18.0 if layout.above else whole - canvas.right - _PLOT * canvas.width - _GAP
    headings = [(y, _shortened(text, max(room, 0.0), size)) for y, text in layout.headings]
    if layout.above:
        return replace(layout, headings=headings)
    widest = max(text_width(text, size, "bold") for _, text in headings) + _GAP
    more = max(widest - canvas.left, 0.0)
    canvas.left += more
    return replace(layout, headings=headings, room=layout.room - more)


def _shortened(text: str, room: float, size: float) -> str:
    """Return the text, cut with an ellipsis where it is wider than the room."""
    if text_width(text, size, "bold") <= room:
        return text
    kept = text
    while kept and text_width(f"{kept.rstrip()}…", size, "bold") > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"
