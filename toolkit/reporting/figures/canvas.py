"""The canvas of a figure: axes in the middle, furniture around, and a height that grows to fit.

All lengths are points (1/72 inch) unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypedDict
from weakref import WeakKeyDictionary

from toolkit.errors import CallError
from toolkit.reporting import palette
from toolkit.reporting.figures.text import Lines, cut, text_height, wrap
from toolkit.reporting.labels import label
from toolkit.reporting.style import DPI, HALF_PAGE, WIDE, Sizes, sizes_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS_PER_CM = 72 / 2.54
_PAD = 4.0


class Furniture(TypedDict, total=False):
    """What stands around every figure; all of it may be left out.

    Attributes
    ----------
    number : str
        "2.1" becomes "Figuur 2.1".
    title : str
        The finding in one sentence, computed by the caller, or a neutral title.
    subtitle : str
        Measure, unit, group, interval.
    note : str
        Method in three words, source, n (unweighted), definition, what is not observed.
    width : float
        Centimetres: `WIDE` (16) or `NARROW` (7.8).
    height : float
        Centimetres of the plot itself, without what stands around it.
    ax : Axes
        Draw here instead of on a canvas of its own; furniture is then the caller's.
    """

    number: str | None
    title: str | None
    subtitle: str | None
    note: str | None
    width: float
    height: float | None
    ax: Axes | None


@dataclass(frozen=True)
class Caption:
    """What a figure says about itself, kept for the report."""

    number: str | None = None
    title: str | None = None
    subtitle: str | None = None
    note: str | None = None


_CAPTIONS: WeakKeyDictionary[Figure, Caption] = WeakKeyDictionary()


def caption_of(figure: Figure) -> Caption:
    """Return what a figure of this room says about itself."""
    return _CAPTIONS.get(figure, Caption())


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (sizes in points) that no window or global list holds on to."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _figure_class()(figsize=(width / 72, height / 72), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


@cache
def _figure_class() -> type[Figure]:
    """Return a figure that a notebook shows at its printed width; made late: it is heavy."""
    from matplotlib.figure import Figure

    class HouseFigure(Figure):
        """A figure no list of pyplot's holds on to: `ax.figure` at the end of a cell shows it."""

        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            buffer = BytesIO()
            self.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
            return buffer.getvalue(), {"width": round(self.get_figwidth() * 96)}

    return HouseFigure


@dataclass
class Canvas:
    """A figure being drawn, and what is to stand around its axes.

    Attributes
    ----------
    width : float
        Width of the whole figure.
    plot_height : float
        Height of the axes.
    right : float
        Room needed right of the axes.
    left : float
        Room needed left of the axes, beyond what tick labels take.
    below : float
        Room needed under the tick and axis labels.
    above : float
        Room needed between subtitle and axes.
    sentences : list of str
        What the figure itself adds to the note.
    finishers : list of callable
        Run when the axes have their final place: labels that depend on it.
    """

    figure: Figure
    ax: Axes
    own: bool
    width: float
    plot_height: float
    sizes: Sizes
    caption: Caption
    left: float = 0.0
    right: float = 0.0
    above: float = 0.0
    below: float = 0.0
    sentences: list[str] = field(default_factory=list)
    finishers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def narrow(self) -> bool:
        """Whether this is a figure of half a page."""
        return self.width < HALF_PAGE * POINTS_PER_CM

    def box(self) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top of the axes, in points from the lower left corner."""
        extent = self.ax.get_window_extent()
        scale = 72 / self.figure.dpi
        return extent.x0 * scale, extent.y0 * scale, extent.x1 * scale, extent.y1 * scale

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the data stands, in points from the lower left corner."""
        across, up = self.ax.transData.transform((x, y))
        return float(across) * 72 / self.figure.dpi, float(up) * 72 / self.figure.dpi


def open_canvas(furniture: Furniture, *, height: tuple[float, float]) -> Canvas:
    """Return a canvas to draw on: the caller's axes, or a figure of its own.

    Parameters
    ----------
    furniture : Furniture
        As the figure function got it.
    height : (float, float)
        Height of the plot in points where the caller gave none: on a full and on half a page.
    """
    unknown = set(furniture) - set(Furniture.__annotations__)
    if unknown:
        raise CallError(
            f"Unknown argument {min(unknown)!r}",
            where="a figure function",
            fix=f"the furniture is {', '.join(Furniture.__annotations__)}",
        )
    ax = furniture.get("ax")
    caption = Caption(
        *(furniture.get(key) for key in ("number", "title", "subtitle", "note"))  # type: ignore[arg-type]
    )
    if ax is not None:
        figure: Any = ax.get_figure(root=True)
        box = ax.get_window_extent()
        scale = 72 / figure.dpi
        return Canvas(
            figure, ax, own=False, width=box.width * scale, plot_height=box.height * scale,
            sizes=sizes_for(figure.get_figwidth() * 2.54), caption=caption,
        )  # fmt: skip
    width_cm = furniture.get("width", WIDE)
    if width_cm < 6.0:
        raise CallError(f"width={width_cm} is too narrow", fix="give centimetres: WIDE or NARROW")
    given = furniture.get("height")
    plot_height = given * POINTS_PER_CM if given is not None else height[width_cm < HALF_PAGE]
    width = width_cm * POINTS_PER_CM
    figure = new_figure(width, plot_height)
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    sizes = sizes_for(width_cm)
    ax.tick_params(labelsize=sizes.tick)
    return Canvas(
        figure, ax, own=True, width=width, plot_height=plot_height, sizes=sizes, caption=caption
    )


def close_canvas(canvas: Canvas) -> Axes:
    """Give the axes their place, the figure its height, and write the furniture."""
    if canvas.own:
        _arrange(canvas)
    for finish in canvas.finishers:
        finish()
    return canvas.ax


def _head(canvas: Canvas) -> list[tuple[Lines, float]]:
    """Return the lines above the axes with the gap under each."""
    caption, sizes = canvas.caption, canvas.sizes
    room = canvas.width - 2 * _PAD
    head: list[tuple[Lines, float]] = []
    if caption.number:
        number = label("figure.number", number=caption.number)
        head.append((wrap(number, room, sizes.number, colour=palette.FAINT), 3.0))
    if caption.title:
        head.append((wrap(caption.title, room, sizes.title, weight="bold", balanced=True), 3.0))
    if caption.subtitle:
        head.append(
            (wrap(caption.subtitle, room, sizes.subtitle, colour=palette.SOFT, balanced=True), 3.0)
        )
    return head


def _wrap_label(canvas: Canvas) -> None:
    """Put the words under the axis in lines where they would run off the page."""
    axis = canvas.ax.xaxis
    words = axis.get_label_text()
    middle = (canvas.left + canvas.width - canvas.right) / 2
    room = 2 * min(middle, canvas.width - middle) - 2 * _PAD
    if words and "\n" not in words and "$" not in words:
        size = float(axis.get_label().get_fontsize())
        axis.set_label_text("\n".join(cut(words, room, size)))


def _arrange(canvas: Canvas) -> None:
    figure, ax, sizes = canvas.figure, canvas.ax, canvas.sizes
    head = _head(canvas)
    note_text = " ".join([(canvas.caption.note or "").strip(), *canvas.sentences]).strip()
    note = (
        wrap(note_text, canvas.width - 2 * _PAD, sizes.note, colour=palette.SOFT)
        if note_text
        else None
    )
    _CAPTIONS[figure] = Caption(
        canvas.caption.number, canvas.caption.title, canvas.caption.subtitle, note_text or None
    )

    _wrap_label(canvas)
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    scale = 72 / figure.dpi
    # Provisional place, to measure what ticks and axis labels take around the axes.
    figure.set_size_inches(canvas.width / 72, (canvas.plot_height + 200) / 72)
    total = canvas.plot_height + 200
    wish = max(canvas.width - canvas.left - canvas.right - 30, 40)
    ax.set_position((0.1, 100 / total, wish / canvas.width, canvas.plot_height / total))
    ax.apply_aspect()
    box = ax.get_window_extent(renderer)
    around = ax.get_tightbbox(renderer, for_layout_only=False, bbox_extra_artists=[])
    if around is None:
        around = box
    left = max((box.x0 - around.x0) * scale, canvas.left) + _PAD
    right = max((around.x1 - box.x1) * scale, canvas.right) + _PAD
    bottom = max((box.y0 - around.y0) * scale, 0.0)
    above = max((around.y1 - box.y1) * scale, 1.0) + canvas.above

    gap = 7.0 if head else 0.0
    head_height = sum(text_height(lines) + space for lines, space in head)
    note_height = text_height(note) + 8.0 if note else 0.0
    height = (
        _PAD
        + head_height
        + gap
        + above
        + canvas.plot_height
        + bottom
        + canvas.below
        + note_height
        + _PAD
    )
    figure.set_size_inches(canvas.width / 72, height / 72)
    floor = _PAD + note_height + canvas.below + bottom
    ax.set_position(
        (
            left / canvas.width,
            floor / height,
            (canvas.width - left - right) / canvas.width,
            canvas.plot_height / height,
        )
    )
    top = height - _PAD
    for lines, space in head:
        lines.draw(figure, _PAD, top)
        top -= text_height(lines) + space
    if note:
        note.draw(figure, _PAD, _PAD + text_height(note))
