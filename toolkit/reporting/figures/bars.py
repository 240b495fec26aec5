"""Shares or effects by group with their intervals, the published figure drawn beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

from toolkit.errors import CallError, check_option
from toolkit.frames import require_columns, require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import (
    number_axis,
    percent_axis,
    point_axis,
    ratio_axis,
    steps_between,
)
from toolkit.reporting.figures.bar_rows import (
    Point,
    Row,
    RowLayout,
    lay_out_rows,
    offset,
    write_rows,
)
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.keys import write_keys
from toolkit.reporting.labels import format_number, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

Mark = Literal["bar", "dot"]
Unit = Literal["share", "points", "number", "ratio"]


def bars(
    frame: Any,
    *,
    group: str = "group",
    heading: str | None = None,
    series: str | None = None,
    published: str | None = None,
    n: str | None = "n",
    total: str | None = None,
    mark: Mark = "bar",
    unit: Unit = "share",
    digits: int | None = None,
    x_label: str | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw one row a group: a bar or dot, its interval, its value, and how many it rests on.

    Serves breakdowns (`heading`), two or three series a row (`series`), effects around a zero
    line (`mark="dot", unit="points"`), and one cohort under several definitions.

    Parameters
    ----------
    frame : frame
        In order of drawing: `group` and `estimate`, and where there `conf_low`, `conf_high`,
        `n` (unweighted). Null estimates are drawn as a point: not observed.
    group : str
        Column with the names of the rows; codes are translated.
    heading : str, optional
        Column with the breakdown each row belongs to; a heading stands above each.
    series : str, optional
        Column that tells two or three estimates of one row apart.
    published : str, optional
        Column with the published figure (null where there is none), in the same unit.
    n : str, optional
        Column with the number of persons; None or an absent column leaves it out.
    total : str, optional
        The row for everybody: bold, a diamond, and a dotted line through the figure.
    mark : {"bar", "dot"}
        Bars start at zero; dots only show the estimate and its interval.
    unit : {"share", "points", "number", "ratio"}
        Shares become percentages, `points` (differences of shares) signed percentage points;
        ratios (of hazards, of odds) stand as dots on a logarithmic axis around 1.
    digits : int, optional
        Decimals of the values; 0 for shares, 2 for ratios, 1 otherwise.
    x_label : str, optional
        Words under the axis.
    labels : Mapping, optional
        Own names for groups, headings and series, and for the columns `estimate` and `n`.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`. The height follows
        from the rows.

    Raises
    ------
    UnknownColumnError, UnknownOptionError, CallError
        A column or option does not exist, more than three series, `total` not among the rows,
        ratios that are not above 0 or drawn as bars.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({"group": ["male", "female"], "estimate": [0.8, 0.85], "n": [40, 50]})
    >>> ax = figures.bars(frame, title="Vrouwen blijven vaker aan het werk")
    """
    check_option("mark", mark, get_args(Mark))
    check_option("unit", unit, get_args(Unit))
    where = "figures.bars"
    data = open_door(frame, where=where, need=(group, "estimate"), numbers=("estimate",))
    extra = [name for name in (heading, series, published) if name is not None]
    require_columns(data, *extra, where=where)
    require_no_nulls(data, group, *(name for name in (heading, series) if name is not None))
    places = {"share": 0, "ratio": 2}.get(unit, 1) if digits is None else digits
    if unit == "ratio" and mark == "bar":
        raise CallError(
            "A bar has no foot on a logarithmic axis", where=where, fix='mark="dot" for ratios'
        )
    words = _words(unit, places)
    rows, names = _rows(data, group, heading, series, published, n, total, labels)
    if len(names) > 3:
        raise CallError(f"{len(names)} series in one row", where=where, fix="draw at most three")
    if total is not None and not any(row.total for row in rows):
        raise CallError(
            f"total={total!r} is not among the rows", where=where, fix=f"name a value of {group!r}"
        )
    with style():
        canvas = open_canvas(furniture, height=(1.0, 1.0))
        own = labels or {}
        layout = lay_out_rows(
            canvas, rows, words,
            value_head=own.get("estimate") or label("word.ours" if published else "word.estimate"),
            n_head=own.get("n") or label("word.n"),
        )  # fmt: skip
        if series is not None:
            looks = palette.LINES[: len(names)]
            keys = [name_of(series, name, labels) for name in names]
            write_keys(canvas, [(key, look.colour) for key, look in zip(keys, looks, strict=True)])
        _axis(canvas, rows, layout.room, mark, unit, x_label)
        _draw(canvas, rows, layout, mark)
        write_rows(canvas, rows, layout)
        if any(point.low is not None for row in rows for point in row.points):
            canvas.sentences.append(label("note.bar"))
        if total is not None:
            canvas.sentences.append(
                label("note.reference", label=next(r.name for r in rows if r.total))
            )
        return close_canvas(canvas)


def _words(unit: Unit, digits: int) -> Callable[[float | None], str]:
    if unit == "share":
        return lambda value: format_percent(value, digits)
    if unit == "points":
        return lambda value: format_percent(value, digits, sign=True).removesuffix("%")
    return lambda value: format_number(value, digits)


def _rows(
    data: Any, group: str, heading: str | None, series: str | None, published: str | None,
    n: str | None, total: str | None, labels: Mapping[str, str] | None,
) -> tuple[list[Row], list[Any]]:  # fmt: skip
    """Return the rows in order, and the names of the series."""
    columns = set(data.columns)
    names: list[Any] = []
    rows: dict[tuple[Any, Any], Row] = {}
    for record in data.iter_rows(named=True):
        name = record[series] if series is not None else None
        if name not in names:
            names.append(name)
        above = record[heading] if heading is not None else None
        key = (above, record[group])
        if key not in rows:
            rows[key] = Row(
                # Rows of a breakdown by sex are called what the code list of sex calls them.
                name=name_of(str(above) if above else group, record[group], labels),
                heading=_capital(name_of("word", above, labels)) if above else None,
                total=str(record[group]) == total,
            )
        low, high = (
            (record["conf_low"], record["conf_high"])
            if {"conf_low", "conf_high"} <= columns
            else (None, None)
        )
        rows[key].points.append(
            Point(
                estimate=record["estimate"],
                low=low,
                high=high,
                published=record[published] if published is not None else None,
                n=record[n] if n is not None and n in columns else None,
                series=names.index(name),
            )
        )
    return list(rows.values()), names


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _axis(
    canvas: Canvas, rows: list[Row], room: float, mark: Mark, unit: Unit, x_label: str | None
) -> None:
    values = [
        float(value)
        for row in rows
        for point in row.points
        for value in (point.estimate, point.low, point.high, point.published)
        if value is not None
    ]
    if not values:
        raise CallError("No row has an estimate", where="figures.bars", fix="leave the figure out")
    if unit == "ratio":
        _ratio_axis(canvas, values, room, x_label)
        return
    # Shares start at zero, effects around a visible zero.
    from_zero = mark == "bar" or unit != "number"
    low = min(*values, 0.0) if from_zero else min(values)
    high = max(*values, 0.0) if from_zero else max(values)
    most = min(max(int(room / (canvas.sizes.tick * 4.5)), 2), 6)
    ticks = steps_between(low, high if high > low else low + 1, most)
    write = {"share": percent_axis, "points": point_axis, "number": number_axis}[unit]
    write(canvas.ax, ticks, which="x")
    ax = canvas.ax
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_yticks([])
    if from_zero:
        ax.axvline(0.0, color=palette.INK, linewidth=0.7, zorder=2.2)
    words = x_label or (label("axis.points") if unit == "points" else None)
    if words:
        ax.set_xlabel(words, size=canvas.sizes.label)


def _ratio_axis(canvas: Canvas, values: list[float], room: float, x_label: str | None) -> None:
    """Draw a logarithmic axis with 1 in view: as far below it as the values ask, as far above."""
    if min(values) <= 0:
        raise CallError(
            "A ratio is not above 0", where="figures.bars", fix="pass ratios, not their logarithms"
        )
    most = max(int(room / (canvas.sizes.tick * 3.6)), 3)
    ax = canvas.ax
    ax.set_xscale("log")
    ax.minorticks_off()
    ratio_axis(ax, min(*values, 1.0), max(*values, 1.0), most)
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_yticks([])
    ax.axvline(1.0, color=palette.INK, linewidth=0.7, zorder=2.2)
    if x_label:
        ax.set_xlabel(x_label, size=canvas.sizes.label)


def _draw(canvas: Canvas, rows: list[Row], layout: RowLayout, mark: Mark) -> None:
    from matplotlib import patheffects

    ax, size = canvas.ax, canvas.sizes.label
    halo = [patheffects.withStroke(linewidth=2.9, foreground=palette.PAPER)]
    has_total = any(row.total for row in rows)
    for row, middle in zip(rows, layout.middles, strict=True):
        several = len(row.points) > 1
        for index, point in enumerate(row.points):
            if point.estimate is None:
                continue
            y = middle + offset(index, len(row.points), layout.pitch)
            look = palette.LINES[point.series]
            if row.total and not several:
                ax.axvline(
                    point.estimate, color=palette.BLUE, linewidth=0.8, dashes=(1.0, 1.6), zorder=1.4
                )
            colour = look.colour
            if mark == "bar":
                if has_total and not row.total and not several:
                    colour = palette.SKY
                ax.barh(
                    y,
                    point.estimate,
                    height=size * (0.95 if several else 1.2),
                    color=colour,
                    zorder=1.5,
                )
                colour = palette.INK
            else:
                if has_total and not row.total and not several:
                    colour = palette.INK
                marker = "D" if row.total else look.marker if several else "s"
                ax.plot(
                    [point.estimate], [y], marker=marker, markersize=4.6 if row.total else 4.0,
                    color=colour, linestyle="none", zorder=3, clip_on=False,
                )  # fmt: skip
            if point.low is not None and point.high is not None:
                ax.plot(
                    [point.low, point.high], [y, y], color=colour, linewidth=1.1, zorder=2.5,
                    path_effects=halo if mark == "bar" else None,
                )  # fmt: skip
            if point.published is not None:
                ax.plot(
                    [point.published], [y], marker="D", markersize=4.6, linestyle="none", zorder=4,
                    markerfacecolor=palette.PAPER, markeredgewidth=1.1, clip_on=False,
                    markeredgecolor=palette.text_colour(palette.ORANGE),
                )  # fmt: skip
