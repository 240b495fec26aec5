"""Gross outcomes cut in what would have happened anyway and what the programme added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, check_option
from toolkit.frames import require_no_nulls, require_numeric
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, percent_axis, steps_between
from toolkit.reporting.figures.bar_rows import (
    Column,
    Point,
    Row,
    RowLayout,
    lay_out_rows,
    write_rows,
)
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.signs import Sign, write_signs
from toolkit.reporting.figures.text import decimals, text_width
from toolkit.reporting.labels import format_number, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

NetUnit = Literal["share", "number"]
_NEED = ("label", "horizon", "gross", "deadweight", "net")
#: Above this difference gross is not deadweight plus net, in parts of gross.
_ROUNDING = 1e-6


def gross_net(
    frame: Any,
    *,
    unit: NetUnit = "share",
    digits: int | None = None,
    column: str = "instrument",
    x_label: str | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw a bar a programme and horizon: deadweight first, then what the programme added.

    A negative net effect is a hatched end: what participants have less than without a programme.

    Parameters
    ----------
    frame : frame
        In order of drawing: `label` (the programme), `horizon` (months), `gross, deadweight, net`
        (gross = deadweight + net), and where there `net_low, net_high` (the interval of net) and
        `n` (on a full page).
    unit : {"share", "number"}
        Shares become percentages.
    digits : int, optional
        Decimals of the values; 1, and more where all net effects are so small that they would have
        one digit left.
    column : str
        Code list that names the programmes.
    x_label : str, optional
        Words under the axis.
    labels : Mapping, optional
        Own names for programmes.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`. The height follows
        from the rows.

    Raises
    ------
    UnknownColumnError, WrongTypeError, MissingValueError, DuplicateKeyError, CallError
        A column is missing or no number, a horizon stands twice, gross is not deadweight plus net,
        or a gross or deadweight below 0.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({"label": ["training"], "horizon": [24], "gross": [0.333],
    ...                       "deadweight": [0.265], "net": [0.068], "net_low": [0.05],
    ...                       "net_high": [0.086]})
    >>> ax = figures.gross_net(frame, title="Een op de vijf banen is netto")
    """
    where = "figures.gross_net"
    check_option("unit", unit, get_args(NetUnit))
    data = open_door(frame, where=where, need=_NEED, numbers=_NEED[1:])
    require_no_nulls(data, *_NEED)
    bounds = {"net_low", "net_high"} <= set(data.columns)
    if bounds:
        require_numeric(data, "net_low", "net_high")
    _check(data, where)
    scale = 100 if unit == "share" else 1
    places = decimals(data["net"].to_list(), 1, scale=scale) if digits is None else digits
    words = _words(unit, places)
    signed = _words(unit, places, sign=True)
    with style():
        canvas = open_canvas(furniture, height=(1.0, 1.0))
        rows = _rows(data, column, labels, counted=not canvas.narrow)
        layout = lay_out_rows(
            canvas, rows, words, value_head=label("word.gross"), n_head=label("word.n")
        )
        layout = _with_net(canvas, layout, [signed(net) for net in data["net"]])
        signs = [Sign(label("word.deadweight"), "bar", palette.STEEL, palette.STEEL)]
        if (data["net"] >= 0).any():
            signs.append(Sign(label("word.net_effect"), "bar", palette.BLUE, palette.BLUE))
        if (data["net"] < 0).any():
            signs.append(Sign(label("word.net_loss"), "bar", palette.ORANGE, hatch="//////"))
        write_signs(canvas, signs)
        _axis(canvas, data, layout.room, unit, x_label, bounds=bounds)
        _draw(canvas, data, layout.middles, bounds=bounds)
        write_rows(canvas, rows, layout)
        if bounds:
            canvas.sentences.append(label("note.net_bar"))
        return close_canvas(canvas)


def _words(unit: NetUnit, digits: int, *, sign: bool = False) -> Callable[[float | None], str]:
    if unit == "share":
        if sign:  # a difference of shares is in points, not per cent
            return lambda value: format_percent(value, digits, sign=True).removesuffix("%")
        return lambda value: format_percent(value, digits)
    return lambda value: format_number(value, digits, sign=sign)


def _check(data: pl.DataFrame, where: str) -> None:
    if data.select("label", "horizon").is_duplicated().any():
        raise DuplicateKeyError(
            "A horizon stands twice for one programme", where=where,
            fix="filter the frame to one outcome and method",
        )  # fmt: skip
    size = pl.max_horizontal(pl.col("gross").abs(), pl.lit(1e-9))
    off = data.filter(
        (pl.col("gross") - pl.col("deadweight") - pl.col("net")).abs() > _ROUNDING * size
    ).height
    if off:
        raise CallError(
            f"Gross is not deadweight plus net in {off} rows", where=where,
            fix="take all three from one estimate, unrounded",
        )  # fmt: skip
    below = data.filter((pl.col("gross") < -1e-9) | (pl.col("deadweight") < -1e-9)).height
    if below:
        raise CallError(
            f"Gross or deadweight is below 0 in {below} rows", where=where,
            fix="draw shares, counts or amounts; leave out rows where deadweight is below 0",
        )  # fmt: skip


def _rows(
    data: pl.DataFrame, column: str, labels: Mapping[str, str] | None, *, counted: bool
) -> list[Row]:
    """Return the rows; half a page has no room for how many they rest on."""
    single = data["horizon"].n_unique() == 1
    alone = data["label"].n_unique() == 1
    rows = []
    for record in data.iter_rows(named=True):
        programme = name_of(column, record["label"], labels)
        months = label(
            "mark.month_plain" if record["horizon"] == 1 else "mark.months_plain",
            n=format_number(record["horizon"]),
        )
        heading = None if single or alone else programme[:1].upper() + programme[1:]
        rows.append(
            Row(
                name=programme if single else months, heading=heading,
                points=[Point(record["gross"], n=record.get("n") if counted else None)],
            )
        )  # fmt: skip
    return rows


def _with_net(canvas: Canvas, layout: RowLayout, texts: list[str]) -> RowLayout:
    """Return the layout with a column of net effects after that of gross outcomes."""
    from dataclasses import replace

    size = canvas.sizes.label
    head = label("word.net")
    wide = 7.0 + max(text_width(text, size, "bold") for text in [head, *texts])
    net = Column(head, [[text] for text in texts], wide)
    canvas.right += wide
    first, *others = layout.columns
    return replace(layout, columns=[first, net, *others], room=layout.room - wide)


def _axis(
    canvas: Canvas, data: pl.DataFrame, room: float, unit: NetUnit, x_label: str | None,
    *, bounds: bool,
) -> None:  # fmt: skip
    highest = float(data.select(pl.max_horizontal(pl.col("gross", "deadweight").max())).item())
    lowest = 0.0
    if bounds:
        ends = data.select(
            high=(pl.col("deadweight") + pl.col("net_high")).max(),
            low=(pl.col("deadweight") + pl.col("net_low")).min(),
        ).row(0)
        highest = max(highest, float(ends[0] or 0.0))
        lowest = min(lowest, float(ends[1] or 0.0))
    most = min(max(int(room / (canvas.sizes.tick * 4.5)), 2), 6)
    ticks = steps_between(lowest, highest if highest > lowest else 1.0, most)
    (percent_axis if unit == "share" else number_axis)(canvas.ax, ticks, which="x")
    ax = canvas.ax
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_yticks([])
    ax.axvline(0.0, color=palette.INK, linewidth=0.7, zorder=2.2)
    if x_label:
        ax.set_xlabel(x_label, size=canvas.sizes.label)


def _draw(canvas: Canvas, data: pl.DataFrame, middles: list[float], *, bounds: bool) -> None:
    from matplotlib import patheffects

    ax, tall = canvas.ax, canvas.sizes.label * 1.15
    halo = [patheffects.withStroke(linewidth=2.9, foreground=palette.PAPER)]
    for record, y in zip(data.iter_rows(named=True), middles, strict=True):
        gross, dead = record["gross"], record["deadweight"]
        ax.barh(y, min(gross, dead), height=tall, color=palette.STEEL, zorder=1.5)
        if record["net"] >= 0:
            ax.barh(y, gross - dead, left=dead, height=tall, color=palette.BLUE, zorder=1.6)
        else:
            ax.barh(
                y, dead - gross, left=gross, height=tall, facecolor=palette.PAPER,
                edgecolor=palette.ORANGE, hatch="//////", linewidth=0.7, zorder=1.6,
            )  # fmt: skip
        if bounds and record["net_low"] is not None and record["net_high"] is not None:
            ends = [dead + record["net_low"], dead + record["net_high"]]
            ax.plot(ends, [y, y], color=palette.INK, linewidth=1.1, zorder=2.5, path_effects=halo)
            for end in ends:
                ax.plot([end, end], [y - 0.18 * tall, y + 0.18 * tall], color=palette.INK,
                        linewidth=1.1, zorder=2.6)  # fmt: skip
