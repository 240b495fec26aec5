"""One effect under every defensible choice: estimates in order, and the choices below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.frames import require_columns, require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, point_axis, steps_between
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.text import LEADING, cut, decimals, put, text_width
from toolkit.reporting.labels import format_number, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

CurveUnit = Literal["points", "number"]
_NUMBERS = ("estimate", "conf_low", "conf_high")
#: Columns that are no choices.
_NO_CHOICES = {*_NUMBERS, "std_error", "statistic", "p_value", "n", "n_treated", "n_control"}
_HEIGHT = (135.0, 110.0)
_GAP = 9.0
#: More options than this are not read any more.
_MOST_OPTIONS = 40


@dataclass(frozen=True)
class _Line:
    """One option of a choice: where it stands (from the top), its words, and who took it."""

    words: tuple[str, ...]
    y: float
    taken: tuple[int, ...]


def specification_curve(
    frame: Any,
    *,
    choices: Sequence[str] | None = None,
    main: Mapping[str, Any] | None = None,
    unit: CurveUnit = "points",
    digits: int | None = None,
    y_label: str | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw estimates in order with their intervals, and under each a dot a choice it rests on.

    Parameters
    ----------
    frame : frame
        One row a specification: `estimate, conf_low, conf_high`, and a column a choice.
    choices : sequence of str, optional
        Columns with the choices, in order of drawing; without it all others but counts and errors.
    main : Mapping, optional
        Choice → option of the main analysis, which is marked; all choices named must fit one row.
    unit : {"points", "number"}
        Differences of shares become signed percentage points; numbers are signed.
    digits : int, optional
        Decimals of the values written in the figure; 1, and more where all effects are so small
        that they would have one digit left.
    y_label : str, optional
        Words above the estimates.
    labels : Mapping, optional
        Own names for choices and options.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`. The height follows
        from the options; in the caller's axes only the estimates are drawn.

    Raises
    ------
    UnknownColumnError, WrongTypeError, MissingValueError, UnknownOptionError, CallError
        A column or option does not exist, no choice is left, `main` fits no row or several.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({"estimate": [0.03, 0.05], "conf_low": [-0.01, 0.02],
    ...                       "conf_high": [0.07, 0.08], "method": ["matching", "weighting"]})
    >>> ax = figures.specification_curve(frame, title="Het effect hangt niet aan de methode")
    """
    where = "figures.specification_curve"
    check_option("unit", unit, get_args(CurveUnit))
    data = open_door(frame, where=where, need=_NUMBERS, numbers=_NUMBERS)
    require_no_nulls(data, *_NUMBERS)
    scale = 100 if unit == "points" else 1
    places = decimals(data["estimate"].to_list(), 1, scale=scale) if digits is None else digits
    named = [x for x in data.columns if x not in _NO_CHOICES] if choices is None else list(choices)
    require_columns(data, *named, where=where)
    if not named:
        raise CallError("There is no column with a choice", where=where, fix="name it in choices=")
    data = data.with_columns(pl.col(name).cast(pl.String).fill_null("—") for name in named)
    chosen = _main(data, main, where)
    options = {name: data[name].unique(maintain_order=True).to_list() for name in named}
    order = data.with_row_index("row").sort("estimate", *named)["row"].to_numpy()
    data = data[order]
    place = None if chosen is None else int(np.flatnonzero(order == chosen)[0])
    if sum(map(len, options.values())) > _MOST_OPTIONS:
        raise CallError(
            f"The choices have more than {_MOST_OPTIONS} options together", where=where,
            fix="name fewer in choices=, or join options",
        )  # fmt: skip
    with style():
        canvas = open_canvas(furniture, height=_HEIGHT)
        if not canvas.own:
            _draw_estimates(canvas, canvas.ax, data, place, unit, places)
            return close_canvas(canvas)
        _draw_matrix(canvas, data, options, place, labels)
        _reserve(canvas, data, place, unit, places, y_label, furniture.get("height"))
        canvas.sentences.append(label("note.specifications"))
        canvas.sentences.append(label("note.bar"))
        return close_canvas(canvas)


def _main(data: pl.DataFrame, main: Mapping[str, Any] | None, where: str) -> int | None:
    """Return the row of the main analysis."""
    if main is None:
        return None
    require_columns(data, *main, where=where)
    fits = pl.all_horizontal(pl.col(name) == str(option) for name, option in main.items())
    found = data.select(fits.arg_true()).to_series()
    if len(found) != 1:
        raise CallError(
            f"main fits {len(found)} specifications, not one", where=where,
            fix="name an option of every choice",
        )  # fmt: skip
    return int(found[0])


def _draw_matrix(
    canvas: Canvas, data: pl.DataFrame, options: Mapping[str, Sequence[str]], place: int | None,
    labels: Mapping[str, str] | None,
) -> None:  # fmt: skip
    """Draw a dot for every option a specification took; sets the height and the room left."""
    size = canvas.sizes.label
    room = canvas.width * (0.34 if canvas.narrow else 0.3)
    heads: list[tuple[str, float]] = []
    lines: list[_Line] = []
    y = size * 0.4
    for name, own in options.items():
        shown = name_of("word", name, labels)
        heads.append((shown[:1].upper() + shown[1:], y + size * 0.75))
        y += size * 1.55
        for option in own:
            words = cut(name_of(name, option, labels), room - 6.0, size)
            tall = len(words) * LEADING * size + size * 0.12
            taken = (data[name] == option).arg_true().to_list()
            lines.append(_Line(words, y + tall / 2, tuple(taken)))
            y += tall
        y += size * 0.45
    canvas.plot_height = y
    widest = [text_width(word, size) + 6.0 for line in lines for word in line.words]
    canvas.left = 7.0 + max(*widest, *(text_width(head, size, "bold") for head, _ in heads))
    ax = canvas.ax
    ax.set_xlim(-0.7, data.height - 0.3)
    ax.set_ylim(y, 0.0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    every = (canvas.width - canvas.left - 40.0) / data.height
    dot = float(np.clip(every * 0.62, 0.9, 3.6))
    # where dots would run together, upright strokes stay apart
    look: dict[str, Any] = {"marker": "o", "markersize": dot, "markeredgewidth": 0.0}
    if every < 2.4:
        look = {"marker": "|", "markersize": 5.0, "markeredgewidth": 0.7 * every}
    for line in lines:
        ax.axhline(line.y, color=palette.GRID, linewidth=0.5, zorder=0.5)
        ax.plot(
            line.taken, [line.y] * len(line.taken), linestyle="none", color=palette.INK, zorder=2,
            clip_on=False, **look,
        )  # fmt: skip
        if place is not None and place in line.taken:
            ax.plot([place], [line.y], marker="D", markersize=max(dot, 3.2), linestyle="none",
                    color=palette.text_colour(palette.ORANGE), zorder=3, clip_on=False)  # fmt: skip

    def write() -> None:
        _, _, _, top = canvas.box()
        for head, down in heads:
            put(ax, 4.0, top - down, [head], size=size, colour=palette.INK, weight="bold")
        for line in lines:
            put(ax, 10.0, top - line.y, line.words, size=size, colour=palette.INK)

    canvas.finishers.append(write)


def _reserve(
    canvas: Canvas, data: pl.DataFrame, place: int | None, unit: CurveUnit, digits: int,
    y_label: str | None, given: float | None,
) -> None:  # fmt: skip
    """Keep room for the estimates above the dots, and draw them there."""
    size = canvas.sizes.label
    height = _HEIGHT[canvas.narrow] if given is None else given * 72 / 2.54
    canvas.above += _GAP + height + LEADING * size + 4.0
    canvas.left = max(canvas.left, text_width("+100", canvas.sizes.tick) + 6.0)
    words = y_label or (label("axis.effect_points") if unit == "points" else "")
    middle = float(np.median(data["estimate"].to_numpy()))
    said = label("mark.median", value=_say(middle, unit, digits)).split(" ")
    canvas.right = max(canvas.right, 5.0 + max(text_width(word, size) for word in said))

    def write() -> None:
        left, _, right, top = canvas.box()
        width, tall = canvas.figure.get_size_inches() * 72
        upper = canvas.figure.add_axes(
            (left / width, (top + _GAP) / tall, (right - left) / width, height / tall)
        )
        upper.tick_params(labelsize=canvas.sizes.tick)
        _draw_estimates(canvas, upper, data, place, unit, digits)
        upper.set_xlim(canvas.ax.get_xlim())
        low, high = upper.get_ylim()
        y = top + _GAP + (middle - low) / (high - low) * height
        put(upper, right + 5.0, y, said, size=size, colour=palette.BLUE)
        if words:
            y = top + _GAP + height + LEADING * size * 0.6 + 3.0
            put(upper, 4.0, y, [words], size=size, colour=palette.SOFT)

    canvas.finishers.append(write)


def _draw_estimates(
    canvas: Canvas, ax: Axes, data: pl.DataFrame, place: int | None, unit: CurveUnit, digits: int
) -> None:
    estimate, low, high = (data[name].cast(pl.Float64).to_numpy() for name in _NUMBERS)
    at = np.arange(data.height)
    every = canvas.width * 0.6 / data.height
    thick, dot = float(np.clip(every * 0.3, 0.35, 1.1)), float(np.clip(every * 0.6, 1.2, 3.6))
    clear = (low > 0) | (high < 0)
    for some, colour in ((clear, palette.BLUE), (~clear, palette.FAINT)):
        if some.any():
            ax.vlines(at[some], low[some], high[some], color=colour, linewidth=thick, zorder=2)
            ax.plot(at[some], estimate[some], marker="o" if colour == palette.BLUE else "s",
                    markersize=dot, color=colour, linestyle="none", markeredgewidth=0.0, zorder=3,
                    markerfacecolor=colour)  # fmt: skip
    ticks = steps_between(min(float(low.min()), 0.0), max(float(high.max()), 0.0),
                          4 if canvas.narrow else 5)  # fmt: skip
    if unit == "points":
        point_axis(ax, ticks)
    else:
        number_axis(ax, ticks, sign=True)
    ax.set_xlim(-0.7, data.height - 0.3)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.axhline(0.0, color=palette.INK, linewidth=0.8, zorder=1.8)
    middle = float(np.median(estimate))
    ax.axhline(middle, color=palette.BLUE, linewidth=0.8, dashes=(1.0, 1.6), zorder=1.7)
    if place is not None:
        _mark_main(canvas, ax, data, place, _say(float(estimate[place]), unit, digits))


def _say(value: float, unit: CurveUnit, digits: int) -> str:
    if unit == "points":
        return format_percent(value, digits, sign=True).removesuffix("%")
    return format_number(value, digits, sign=True)


def _mark_main(canvas: Canvas, ax: Axes, data: pl.DataFrame, place: int, said: str) -> None:
    """Draw the main analysis in the colour of comparison, with its value."""
    from matplotlib import patheffects

    value, low, high = (float(data[name][place]) for name in _NUMBERS)
    orange = palette.text_colour(palette.ORANGE)
    ax.plot([place, place], [low, high], color=orange, linewidth=1.2, zorder=4)
    ax.plot([place], [value], marker="D", markersize=4.4, color=orange, linestyle="none", zorder=5)
    share = place / max(data.height - 1, 1)
    ax.annotate(
        f"{label('word.main_specification')} {said}", (place, high), xytext=(0, 4),
        textcoords="offset points", size=canvas.sizes.label, color=orange, va="bottom",
        ha="left" if share < 0.3 else "right" if share > 0.7 else "center", annotation_clip=False,
        path_effects=[patheffects.withStroke(linewidth=3.0, foreground=palette.PAPER)],
    )  # fmt: skip
