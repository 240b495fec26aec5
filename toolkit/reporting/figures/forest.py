"""Effects by subgroup with their intervals, around zero and beside that of everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

from toolkit.errors import CallError, DuplicateKeyError, check_option
from toolkit.frames import require_no_nulls, require_numeric
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, point_axis, ratio_axis, steps_between
from toolkit.reporting.figures.bar_rows import Point, Row, lay_out_rows, write_rows
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.signs import Sign, write_signs
from toolkit.reporting.figures.text import decimals
from toolkit.reporting.labels import format_number, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl
    from matplotlib.axes import Axes

ForestUnit = Literal["points", "number", "ratio"]
_NEED = ("level", "estimate", "conf_low", "conf_high")


def forest(
    frame: Any,
    *,
    overall: str | None = None,
    unit: ForestUnit = "points",
    digits: int | None = None,
    x_label: str | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw one row a subgroup: its effect, its interval, its size, under a heading a grouping.

    Parameters
    ----------
    frame : frame
        In order of drawing: `level` (the subgroup), `estimate, conf_low, conf_high`, and where
        there `group` (what the subgroups are by; null for everybody), `n` (unweighted) and
        `truth` (the true effect, where the data are synthetic). A null estimate is drawn as a
        point: not observed, or not to be shown.
    overall : str, optional
        The level of everybody: bold, a diamond, with its interval as a band through the figure.
    unit : {"points", "number", "ratio"}
        Differences of shares become signed percentage points, numbers are signed, ratios stand on
        a logarithmic axis around 1.
    digits : int, optional
        Decimals of the values; 2 for ratios and 1 otherwise, and more where all effects are so
        small that they would have one digit left.
    x_label : str, optional
        Words under the axis.
    labels : Mapping, optional
        Own names for groups and levels.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`. The height follows
        from the rows.

    Raises
    ------
    UnknownColumnError, WrongTypeError, UnknownOptionError, DuplicateKeyError, CallError
        A column or option does not exist, a level stands twice in a group, `overall` is not among
        the levels, an interval lies beside its estimate, ratios are not above 0.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame({"group": [None, "sex", "sex"], "level": ["all", "male", "female"],
    ...                       "n": [90, 40, 50], "estimate": [0.05, 0.03, 0.07],
    ...                       "conf_low": [0.01, -0.02, 0.02], "conf_high": [0.09, 0.08, 0.12]})
    >>> ax = figures.forest(frame, overall="all", title="Vrouwen winnen het meest")
    """
    where = "figures.forest"
    check_option("unit", unit, get_args(ForestUnit))
    data = open_door(frame, where=where, need=_NEED, numbers=_NEED[1:])
    require_no_nulls(data, "level")
    for name in ("n", "truth"):
        if name in data.columns:
            require_numeric(data, name)
    _check(data, where, unit)
    rows, truths = _rows(data, overall, labels)
    if overall is not None and not any(row.total for row in rows):
        raise CallError(
            f"overall={overall!r} is not among the levels", where=where, fix="name one of them"
        )
    places = _places(data, unit) if digits is None else digits
    with style():
        canvas = open_canvas(furniture, height=(1.0, 1.0))
        layout = lay_out_rows(
            canvas, rows, _words(unit, places),
            value_head=label("word.estimate"), n_head=label("word.n"),
        )  # fmt: skip
        sign = Sign(label("word.truth"), "D", palette.text_colour(palette.ORANGE))
        if any(truth is not None for truth in truths):
            write_signs(canvas, [Sign(label("word.estimate"), "s", palette.INK, palette.INK), sign])
            canvas.sentences.append(label("note.truth"))
        _axis(canvas, rows, truths, layout.room, unit, x_label)
        _draw(canvas, rows, layout.middles, truths, sign)
        write_rows(canvas, rows, layout)
        canvas.sentences.append(label("note.bar"))
        total = next((row for row in rows if row.total), None)
        if total is not None:
            canvas.sentences.append(label("note.overall_band", label=total.name))
        return close_canvas(canvas)


def _places(data: pl.DataFrame, unit: ForestUnit) -> int:
    if unit == "ratio":
        return decimals((data["estimate"] - 1).to_list(), 2)
    return decimals(data["estimate"].to_list(), 1, scale=100 if unit == "points" else 1)


def _words(unit: ForestUnit, digits: int) -> Callable[[float | None], str]:
    if unit == "points":
        return lambda value: format_percent(value, digits, sign=True).removesuffix("%")
    return lambda value: format_number(value, digits, sign=unit == "number")


def _check(data: pl.DataFrame, where: str, unit: ForestUnit) -> None:
    import polars as pl

    keys = ["group", "level"] if "group" in data.columns else ["level"]
    if data.select(keys).is_duplicated().any():
        raise DuplicateKeyError(
            "A level stands twice in its group", where=where, fix="filter the frame to one outcome"
        )
    beside = data.filter(
        (pl.col("conf_low") > pl.col("estimate") + 1e-12)
        | (pl.col("conf_high") < pl.col("estimate") - 1e-12)
    ).height
    if beside:
        raise CallError(
            f"{beside} intervals do not hold their estimate", where=where,
            fix="look whether conf_low and conf_high belong to these estimates",
        )  # fmt: skip
    if data["estimate"].null_count() == data.height:
        raise CallError("No row has an estimate", where=where, fix="leave the figure out")
    if unit == "ratio":
        lowest: Any = data.select(pl.min_horizontal(pl.col("estimate", "conf_low").min())).item()
        if lowest <= 0:
            raise CallError(
                "A ratio is not above 0", where=where, fix="pass ratios, not their logarithms"
            )


def _rows(
    data: pl.DataFrame, overall: str | None, labels: Mapping[str, str] | None
) -> tuple[list[Row], list[float | None]]:
    """Return the rows in order, and the true effect of each."""
    rows: list[Row] = []
    truths: list[float | None] = []
    for record in data.iter_rows(named=True):
        group = record.get("group")
        heading = name_of("word", group, labels) if group else None
        rows.append(
            Row(
                name=name_of(str(group) if group else "group", record["level"], labels),
                heading=heading[:1].upper() + heading[1:] if heading else None,
                total=overall is not None and str(record["level"]) == overall,
                points=[
                    Point(
                        record["estimate"], record["conf_low"], record["conf_high"],
                        n=record.get("n"),
                    )
                ],
            )
        )  # fmt: skip
        truths.append(record.get("truth"))
    return rows, truths


def _axis(
    canvas: Canvas, rows: list[Row], truths: list[float | None], room: float, unit: ForestUnit,
    x_label: str | None,
) -> None:  # fmt: skip
    points = [row.points[0] for row in rows]
    found = [v for p in points for v in (p.estimate, p.low, p.high) if v is not None]
    found += [truth for truth in truths if truth is not None]
    ax = canvas.ax
    if unit == "ratio":
        ax.set_xscale("log")
        ax.minorticks_off()
        most = max(int(room / (canvas.sizes.tick * 3.6)), 3)
        ratio_axis(ax, min(*found, 1.0), max(*found, 1.0), most)
    else:
        low, high = min(*found, 0.0), max(*found, 0.0)
        most = min(max(int(room / (canvas.sizes.tick * 4.5)), 2), 6)
        ticks = steps_between(low, high if high > low else low + 1, most)
        if unit == "points":
            point_axis(ax, ticks, which="x")
        else:
            number_axis(ax, ticks, which="x", sign=True)
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_yticks([])
    ax.axvline(1.0 if unit == "ratio" else 0.0, color=palette.INK, linewidth=0.8, zorder=2.2)
    words = x_label or (label("axis.effect_points") if unit == "points" else None)
    if words:
        ax.set_xlabel(words, size=canvas.sizes.label)


def _draw(
    canvas: Canvas, rows: list[Row], middles: list[float], truths: list[float | None], sign: Sign
) -> None:
    ax = canvas.ax
    for row, y, truth in zip(rows, middles, truths, strict=True):
        point = row.points[0]
        if point.estimate is not None:
            colour = palette.BLUE if row.total else palette.INK
            if row.total:
                ax.axvline(point.estimate, color=palette.BLUE, linewidth=0.8, dashes=(1.0, 1.6),
                           zorder=1.4)  # fmt: skip
                if point.low is not None and point.high is not None:
                    ax.axvspan(point.low, point.high, color=palette.MIST, alpha=0.55, linewidth=0,
                               zorder=0.5)  # fmt: skip
            if point.low is not None and point.high is not None:
                ax.plot([point.low, point.high], [y, y], color=colour, linewidth=1.1, zorder=2.5)
            ax.plot(
                [point.estimate], [y], marker="D" if row.total else "s", color=colour,
                markersize=4.8 if row.total else 4.0, linestyle="none", zorder=3, clip_on=False,
            )  # fmt: skip
        if truth is not None:
            # larger than the estimate and empty, so that both are seen where they coincide
            ax.plot([truth], [y], zorder=4, **{**sign.options(7.0), "markerfacecolor": "none"})
