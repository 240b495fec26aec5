"""Headings of rows that are wider than the names under them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.reporting.figures.text import text_width

if TYPE_CHECKING:
    from toolkit.reporting.figures.bar_rows import RowLayout
    from toolkit.reporting.figures.canvas import Canvas

_GAP = 7.0


def widen_for_headings(canvas: Canvas, layout: RowLayout) -> RowLayout:
    """Keep the axes clear of the headings of rows: room left of them, less room inside."""
    if layout.above or not layout.headings:
        return layout
    size = canvas.sizes.label
    widest = max(text_width(text, size, "bold") for _, text in layout.headings) + _GAP
    more = max(widest - canvas.left, 0.0)
    canvas.left += more
    return replace(layout, room=layout.room - more)
