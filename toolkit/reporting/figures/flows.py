"""Inflow, outflow and stock over calendar time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from toolkit.errors import CallError, WrongTypeError
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, steps_between
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.text import LEADING, put, text_width
from toolkit.reporting.labels import format_count, label
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from matplotlib.axes import Axes


def flows(
    frame: Any,
    *,
    date: str = "date",
    columns: Sequence[str] = ("inflow", "outflow"),
    smooth: int | None = 12,
    periods: Sequence[tuple[date, date, str]] = (),
    labels: Mapping[str, str] | None = None,
    y_label: str | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw counts by month as lines from zero, labelled at their ends.

    Inflow and outflow in one figure; the stock, another size, in a figure of its own
    (`columns=["stock"]`) or on axes below.

    Parameters
    ----------
    frame : frame
        One row a month: `date` and the columns to draw. Null is not observed: a gap.
    date : str
        Column with the first day of each month.
    columns : sequence of str
        What to draw; the first is the subject. At most five.
    smooth : int, optional
        Months of a centred moving average, drawn over the thin monthly line; None leaves it out.
        It stops where its window is not whole.
    periods : sequence of (from, to, words)
        Stretches of calendar time to shade and name, such as a recession.
    labels : Mapping, optional
        Own names for the columns.
    y_label : str, optional
        Words over the y axis; persons a month without it.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    UnknownColumnError, WrongTypeError, CallError
        A column is missing, dates are no dates, a month stands twice.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> from toolkit.reporting import figures
    >>> months = pl.date_range(date(2004, 1, 1), date(2006, 12, 1), "1mo", eager=True)
    >>> frame = pl.DataFrame({"date": months, "inflow": range(36), "outflow": range(36, 72)})
    >>> ax = figures.flows(frame, title="Meer uitstroom dan instroom")
    """
    where = "figures.flows"
    data = open_door(frame, where=where, need=(date, *columns), numbers=columns)
    if data.schema[date] != pl.Date:
        raise WrongTypeError(
            f"Column {date!r} is {data.schema[date]}, not a date", fix="cast it to pl.Date"
        )
    require_no_nulls(data, date)
    if len(columns) > len(palette.LINES):
        raise CallError(f"{len(columns)} lines in one figure", where=where, fix="draw at most five")
    if data[date].is_duplicated().any():
        raise CallError("A month stands twice", where=where, fix="sum the groups, or filter to one")
    # A month that has no row is a gap, not a straight line across it.
    data = data.sort(date).upsample(date, every="1mo")
    data = data.with_columns(pl.col(name).cast(pl.Float64) for name in columns)
    drawn_smooth = smooth is not None and data.height >= 2 * smooth
    with style():
        canvas = open_canvas(furniture, height=(150.0, 120.0))
        days = [_day(day) for day in data[date]]
        ends = []
        for name, look in zip(columns, palette.LINES, strict=False):
            line = data[name]
            if drawn_smooth and smooth is not None:
                _line(canvas, days, line, look, thin=True)
                line = moving_average(line, smooth)
            _line(canvas, days, line, look, thin=False)
            seen = line.drop_nulls()
            if seen.len():
                shown = (labels or {}).get(name) or _known(name)
                ends.append(EndLabel(float(seen[-1]), shown, look.colour, format_count(seen[-1])))
        highest: Any = data.select(pl.max_horizontal(pl.col(*columns).max())).item() or 1.0
        number_axis(canvas.ax, steps_between(0.0, float(highest), 4 if canvas.narrow else 5))
        _year_axis(canvas, data[date][0], data[date][-1])
        _periods(canvas, periods)
        _over_axis(canvas, y_label or label("axis.persons_a_month"))
        label_ends(canvas, ends)
        if drawn_smooth:
            canvas.sentences.append(label("note.smooth", n=smooth))
        return close_canvas(canvas)


def _known(name: str) -> str:
    from toolkit.reporting.labels import name_of

    return name_of("word", name)


def moving_average(line: pl.Series, months: int) -> pl.Series:
    """Return the centred moving average over `months`; null where its window is not whole.

    An even window has half a month at either end (2×12 moving average), so that it is centred.
    """
    if months % 2:
        return line.rolling_mean(months, center=True)
    weights = [0.5, *([1.0] * (months - 1)), 0.5]
    total = pl.Series(line.name, [0.0] * line.len())
    for lag, weight in zip(range(-months // 2, months // 2 + 1), weights, strict=True):
        total += line.shift(lag) * weight
    return total / months


def _day(day: Any) -> float:
    """Return a date as a number for the axis: days since the first of January 1970."""
    return float(day.toordinal() - 719163)


def _line(
    canvas: Canvas, days: list[Any], line: pl.Series, look: palette.LineLook, *, thin: bool
) -> None:
    values = [float("nan") if value is None else value for value in line]
    canvas.ax.plot(
        days, values, color=look.colour, clip_on=False,
        linewidth=0.5 if thin else canvas.sizes.line, alpha=0.55 if thin else 1.0,
        dashes=(None, None) if thin else look.dash or (None, None),
    )  # fmt: skip


def _year_axis(canvas: Canvas, first: date, last: date) -> None:
    """Put years at their January; every second or fifth where they would touch."""
    years = list(range(first.year + (first.month > 1), last.year + 1))
    each = text_width("2000", canvas.sizes.tick) + 5.0
    most = max(int(canvas.width * 0.62 / each), 2)
    step = next((s for s in (1, 2, 5, 10) if len(years) / s <= most), 20)
    shown = [year for year in years if year % step == 0]
    ticks = [_day(first.replace(year=year, month=1, day=1)) for year in shown]
    canvas.ax.set_xlim(_day(first), _day(last))
    canvas.ax.xaxis.set_ticks(ticks)
    canvas.ax.xaxis.set_ticklabels([str(year) for year in shown])


def _periods(canvas: Canvas, periods: Sequence[tuple[date, date, str]]) -> None:
    size = canvas.sizes.label
    for start, end, words in periods:
        low, high = _day(start), _day(end)
        canvas.ax.axvspan(low, high, color=palette.MIST, alpha=0.7, linewidth=0, zorder=0.5)

        def write(low: float = low, high: float = high, words: str = words) -> None:
            left, _, right, top = canvas.box()
            middle = (canvas.place(low, 0)[0] + canvas.place(high, 0)[0]) / 2
            half = text_width(words, size) / 2
            middle = min(max(middle, left + half), right - half)
            put(
                canvas.ax,
                middle,
                top - 0.8 * size,
                [words],
                size=size,
                colour=palette.SOFT,
                ha="center",
            )

        canvas.finishers.append(write)


def _over_axis(canvas: Canvas, words: str) -> None:
    """Write what the y axis counts above it, where it is read first."""
    size = canvas.sizes.label
    canvas.above += LEADING * size

    def write() -> None:
        left, _, _, top = canvas.box()
        start = 4.0 if canvas.own else left
        put(canvas.ax, start, top + LEADING * size + 1.0, [words], size=size, colour=palette.SOFT)

    canvas.finishers.append(write)
