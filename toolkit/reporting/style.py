"""The house style as a context manager: fonts, sizes, lines, and the language inside."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.reporting import palette
from toolkit.reporting.language import Language, current_language, speak

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Widths of a figure in centimetres: the full measure of a page, and half of it.
WIDE = 16.0
NARROW = 7.8
#: Below this a figure takes the type and the layout of half a page.
HALF_PAGE = 12.0

DPI = 300
#: No text is smaller than this at the printed width.
MIN_POINTS = 6.5


@dataclass(frozen=True)
class Sizes:
    """Type sizes in points, and line widths, at one printed width."""

    number: float
    title: float
    subtitle: float
    label: float
    tick: float
    note: float
    line: float


def sizes_for(width: float) -> Sizes:
    """Return the type sizes for a printed width in centimetres."""
    if width >= HALF_PAGE:
        return Sizes(number=7.0, title=9.8, subtitle=7.6, label=7.4, tick=7.2, note=6.6, line=1.5)
    return Sizes(number=6.5, title=8.2, subtitle=6.8, label=6.6, tick=6.6, note=6.5, line=1.2)


def settings() -> Any:
    """Return matplotlib's settings in the house style; DejaVu Sans ships with matplotlib."""
    return {
        "font.family": ["DejaVu Sans"],
        "font.size": 7.4,
        "text.color": palette.INK,
        "text.parse_math": False,
        "text.hinting": "none",
        "axes.unicode_minus": True,
        "axes.edgecolor": palette.AXIS,
        "axes.linewidth": 0.6,
        "axes.labelcolor": palette.INK,
        "axes.labelpad": 3.0,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.xmargin": 0.0,
        "axes.ymargin": 0.0,
        "axes.facecolor": "none",
        "grid.color": palette.GRID,
        "grid.linewidth": 0.6,
        "xtick.color": palette.AXIS,
        "xtick.labelcolor": palette.INK,
        "xtick.major.size": 2.5,
        "xtick.major.width": 0.6,
        "xtick.major.pad": 2.5,
        "ytick.color": palette.AXIS,
        "ytick.labelcolor": palette.INK,
        "ytick.major.size": 0.0,
        "ytick.major.pad": 3.0,
        "hatch.linewidth": 0.6,
        "lines.solid_capstyle": "butt",
        "lines.scale_dashes": True,
        "patch.linewidth": 0.0,
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "figure.facecolor": palette.PAPER,
        "savefig.facecolor": palette.PAPER,
        "svg.hashsalt": "reporting",
    }


@contextmanager
def style(language: Language | None = None) -> Iterator[None]:
    """Draw in the house style, in Dutch or English.

    Figures of this room take the style by themselves; the context sets the language for all of
    them and dresses plots of one's own.

    Parameters
    ----------
    language : {"nl", "en"}, optional
        The language of labels and numbers; without it the current one (Dutch from the start).

    Raises
    ------
    UnknownOptionError
        The language is not one of the two.

    Examples
    --------
    >>> from toolkit import reporting
    >>> with reporting.style("en"):
    ...     reporting.format_percent(0.125, 1)
    '12.5%'
    """
    import matplotlib as mpl

    with speak(language or current_language()), mpl.rc_context(settings()):
        yield
