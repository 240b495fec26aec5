"""Stacked areas: shares that add up, labelled where they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError
from toolkit.reporting import palette
from toolkit.reporting.figures.direct import EndLabel, label_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.reporting.figures.canvas import Canvas


@dataclass(frozen=True)
class Area:
    """One area of a stack: its height along x (shape of x; NaN where not observed)."""

    name: str
    height: NDArray[np.float64]
    look: palette.AreaLook
    value: str | None = None


def draw_stack(
    canvas: Canvas, x: NDArray[np.float64], areas: Sequence[Area], *, steps: bool
) -> None:
    """Draw areas from the bottom up and label each at its end.

    Raises
    ------
    CallError
        The areas together exceed one.
    """
    tops = np.cumsum([area.height for area in areas], axis=0)
    if np.nanmax(tops) > 1 + 1e-6:
        raise CallError(
            f"The shares add up to {np.nanmax(tops):.4f} somewhere",
            where="a stacked figure",
            fix="pass shares of one whole, one row a month and state",
        )
    bottom = np.zeros_like(x)
    labels = []
    for area, top in zip(areas, tops, strict=True):
        # What has not left is paper: the grid shows through it.
        rest = area.look.colour == palette.PAPER
        fill = "none" if rest else area.look.colour
        canvas.ax.fill_between(
            x, bottom, top, step="post" if steps else None, facecolor=fill,
            hatch=area.look.hatch, edgecolor=palette.PAPER, linewidth=0.0, zorder=2,
        )  # fmt: skip
        # A white edge on top keeps neighbours apart where colours do not.
        canvas.ax.plot(
            x, top, drawstyle="steps-post" if steps else "default", color=palette.PAPER,
            linewidth=0.0 if rest else 0.7, zorder=2.2,
        )  # fmt: skip
        seen = np.flatnonzero(np.isfinite(top))
        if seen.size:
            middle = float(bottom[seen[-1]] + top[seen[-1]]) / 2
            labels.append(EndLabel(middle, area.name, area.look.colour, area.value))
        bottom = top
    label_ends(canvas, labels, inline=True)
