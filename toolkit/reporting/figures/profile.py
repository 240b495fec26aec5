"""Treated and controls by month since the start, and the difference between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import numpy as np
import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, check_option
from toolkit.frames import require_columns, require_no_nulls, require_numeric
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import (
    month_axis,
    number_axis,
    point_axis,
    steps_between,
)
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.free_place import FreePlaces
from toolkit.reporting.figures.levels import draw_levels
from toolkit.reporting.figures.risk import write_numbers_at_risk
from toolkit.reporting.figures.text import cut, decimals
from toolkit.reporting.labels import format_number, format_percent, label
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Panels = Literal["both", "difference", "levels"]
ProfileUnit = Literal["share", "number"]
#: Columns drawn where they are there.
_BANDS = (("conf_low", "conf_high"), ("band_low", "band_high"))
#: A run of months behind that begins later after the start than this is no lock-in.
_EARLY = 12


def profile(
    tidy: Any,
    *,
    panels: Panels | None = None,
    unit: ProfileUnit = "share",
    break_even: float | None = None,
    placebo: bool = True,
    lock_in: bool = True,
    counts: bool = False,
    digits: int | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw levels of both groups above, and the effect with its bands below, by month since start.

    Months on which the estimate is below zero, around the lowest of the runs that begin within a
    year of the start, are shaded as the lock-in. Months before the start are the placebo: the
    figure says whether any interval there leaves out zero, and nothing without intervals.

    Parameters
    ----------
    tidy : frame
        One outcome: `month`, `estimate`, and where there `mean_treated, mean_control`,
        `conf_low, conf_high` (of each month), `band_low, band_high` (of all at once),
        `n_treated, n_control`. Null is not observed: a gap.
    panels : {"both", "difference", "levels"}, optional
        Both where the frame has the levels and the figure its own canvas.
    unit : {"share", "number"}
        Shares become percentages and their differences percentage points.
    break_even : float, optional
        Month to mark as the one from which the cumulated effect is not negative.
    placebo, lock_in : bool
        Whether to remark on the months before the start, and shade those behind.
    counts : bool
        Whether numbers observed stand under the axis, where the frame has them.
    digits : int, optional
        Decimals of the values at the line ends; 1, and more where all effects are so small that
        they would have one digit left.
    x_label, y_label : str, optional
        Words under the axis, and above the panel of the effect.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`; the height is that of
        the panel of the effect.

    Raises
    ------
    UnknownColumnError, WrongTypeError, UnknownOptionError, DuplicateKeyError, CallError
        A column or option does not exist, a month stands twice (more than one outcome), nothing is
        observed.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> tidy = pl.DataFrame({"month": [-1, 0, 1, 2], "estimate": [0.0, -0.02, -0.01, 0.03]})
    >>> ax = figures.profile(tidy, title="Na twee maanden staan deelnemers voor")
    """
    where = "figures.profile"
    check_option("unit", unit, get_args(ProfileUnit))
    frame = open_door(tidy, where=where, need=("month", "estimate"), numbers=("month", "estimate"))
    require_no_nulls(frame, "month")
    if frame["month"].is_duplicated().any():
        raise DuplicateKeyError(
            "A month stands twice", where=where, fix="filter the frame to one outcome and group"
        )
    frame = frame.sort("month").with_columns(pl.selectors.float().fill_nan(None))
    if frame["estimate"].null_count() == frame.height:
        raise CallError("No month has an estimate", where=where, fix="leave the figure out")
    scale = 100 if unit == "share" else 1
    places = decimals(frame["estimate"].to_list(), 1, scale=scale) if digits is None else digits
    shown = _panels(frame, panels, own=furniture.get("ax") is None, where=where)
    with style():
        canvas = open_canvas(furniture, height=(150.0, 125.0))
        first, last = (float(frame["month"].to_numpy()[at]) for at in (0, -1))
        ticks = month_axis(canvas.ax, last, first=first, narrow=canvas.narrow)
        canvas.ax.set_xlabel(x_label or label("axis.months_since_start"), size=canvas.sizes.label)
        if shown == "levels":
            draw_levels(canvas, frame, canvas.ax, unit=unit, digits=places)
        else:
            _draw_effect(canvas, frame, unit, places)
            behind = _lock_in(frame) if lock_in else None
            if behind is not None:
                _shade(canvas, behind)
            _remarks(canvas, frame, behind, break_even, placebo=placebo)
            if shown == "both":
                words = y_label or label(
                    "axis.difference_points" if unit == "share" else "axis.difference"
                )
                draw_levels(canvas, frame, None, unit=unit, digits=places, under=words)
        if counts and {"n_treated", "n_control"} <= set(frame.columns):
            _counts(canvas, frame, ticks)
        return close_canvas(canvas)


def _panels(frame: pl.DataFrame, panels: Panels | None, *, own: bool, where: str) -> Panels:
    levels = {"mean_treated", "mean_control"} <= set(frame.columns)
    if panels is None:
        return "both" if levels and own else "difference"
    check_option("panels", panels, get_args(Panels))
    if panels != "difference":
        require_columns(frame, "mean_treated", "mean_control", where=where)
        require_numeric(frame, "mean_treated", "mean_control")
    if panels == "both" and not own:
        raise CallError(
            "Two panels do not fit in one axes", where=where,
            fix='draw panels="levels" and panels="difference" in an axes each',
        )  # fmt: skip
    return panels


def values(frame: pl.DataFrame, name: str) -> Any:
    """Return a column as floats; null, not observed, as NaN."""
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _draw_effect(canvas: Canvas, frame: pl.DataFrame, unit: ProfileUnit, digits: int) -> None:
    ax, month = canvas.ax, values(frame, "month")
    bands = _bands(frame)
    for pair, depth in zip(bands[::-1], (0.12, 0.2)[2 - len(bands) :], strict=True):
        low, high = (values(frame, name) for name in pair)
        ax.fill_between(month, low, high, color=palette.BLUE, alpha=depth, linewidth=0, zorder=1.5)
        if pair[0] == "band_low":  # the outer band keeps an edge of its own in print
            for edge in (low, high):
                ax.plot(month, edge, color=palette.SKY, linewidth=0.5, zorder=1.6)
    ax.plot(month, values(frame, "estimate"), color=palette.BLUE, zorder=3, clip_on=False,
            linewidth=canvas.sizes.line)  # fmt: skip
    every = [values(frame, name) for pair in bands for name in pair] + [values(frame, "estimate")]
    low, high = min(float(np.nanmin(v)) for v in every), max(float(np.nanmax(v)) for v in every)
    ticks = steps_between(min(low, 0.0), max(high, 0.0), 5 if canvas.narrow else 6)
    if len(ticks) < 2:
        ticks = [-0.01, 0.0, 0.01]
    write_effect_axis(ax, ticks, unit)
    ax.axhline(0.0, color=palette.INK, linewidth=0.8, zorder=2.2)
    if float(month[0]) < 0:
        ax.axvline(0.0, color=palette.SOFT, linewidth=0.8, dashes=(1.0, 1.6), zorder=1.4)
    end = frame.drop_nulls("estimate")["estimate"][-1]
    text = effect_words(end, unit, digits)
    label_ends(canvas, [EndLabel(end, text, palette.BLUE)])
    if len(bands) == 2:
        canvas.sentences.append(label("note.both_bands"))
    elif bands:
        canvas.sentences.append(label("note.band"))


def write_effect_axis(ax: Axes, ticks: list[float], unit: ProfileUnit) -> None:
    """Put signed points, or signed numbers, along the y axis."""
    if unit == "share":
        point_axis(ax, ticks)
    else:
        number_axis(ax, ticks, sign=True)


def effect_words(value: float, unit: ProfileUnit, digits: int) -> str:
    """Return an effect in words: +5,2 procentpunt."""
    if unit == "share":
        number = format_percent(value, digits, sign=True).removesuffix("%")
        return label("number.points", value=number)
    return format_number(value, digits, sign=True)


def _bands(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of bounds that the frame has, each known in some month."""
    there = [pair for pair in _BANDS if set(pair) <= set(frame.columns)]
    return [pair for pair in there if frame.select(pair).drop_nulls().height]


def _lock_in(frame: pl.DataFrame) -> pl.DataFrame | None:
    """Return the run of months below zero around the lowest after the start, with its ends at 0."""
    after = frame.filter(pl.col("month") >= 0).drop_nulls("estimate")
    if not after.height:
        return None
    estimate, month = values(after, "estimate"), values(after, "month")
    below = np.flatnonzero(np.diff(np.concatenate([[False], estimate < 0, [False]]).astype(int)))
    runs = [(a, b - 1) for a, b in below.reshape(-1, 2).tolist() if month[a] <= month[0] + _EARLY]
    if not runs:
        return None
    begin, end = min(runs, key=lambda run: float(estimate[run[0] : run[1] + 1].min()))
    x, y = list(month[begin : end + 1]), list(estimate[begin : end + 1])
    for near, far, place in ((begin, begin - 1, 0), (end, end + 1, len(x) + 1)):
        if 0 <= far < len(month):  # where the line crosses zero on its way to the next month
            part = estimate[near] / (estimate[near] - estimate[far])
            x.insert(place, month[near] + part * (month[far] - month[near]))
            y.insert(place, 0.0)
    return pl.DataFrame({"month": x, "estimate": y})


def _shade(canvas: Canvas, behind: pl.DataFrame) -> None:
    # the comparison group is ahead here: its colour, hatched for print in grey
    canvas.ax.fill_between(
        behind["month"], behind["estimate"], 0.0, facecolor=palette.ORANGE, alpha=0.45,
        linewidth=0, zorder=1.8,
    )  # fmt: skip
    canvas.ax.fill_between(
        behind["month"], behind["estimate"], 0.0, facecolor="none", edgecolor=palette.ORANGE,
        hatch="////", linewidth=0, zorder=1.9,
    )  # fmt: skip


def _remarks(
    canvas: Canvas, frame: pl.DataFrame, behind: pl.DataFrame | None, break_even: float | None,
    *, placebo: bool,
) -> None:  # fmt: skip
    """Write what is drawn beside it, once the axes have their place."""
    if break_even is not None:
        canvas.ax.plot(
            [break_even], [0.0], marker="o", markersize=4.0, color=palette.INK, linestyle="none",
            markerfacecolor=palette.PAPER, markeredgewidth=1.0, zorder=4, clip_on=False,
        )  # fmt: skip

    def write() -> None:
        seen = frame.drop_nulls("estimate")
        every = [name for pair in _bands(seen) for name in pair] + ["estimate"]
        arms = np.stack([values(seen, name) for name in every])
        places = FreePlaces(
            canvas, values(seen, "month"), np.nanmin(arms, axis=0), np.nanmax(arms, axis=0)
        )
        left, _, right, _ = canvas.box()
        _, zero = canvas.place(0.0, 0.0)
        places.taken.append((left, zero - 2, right, zero + 2))
        before = frame.filter(pl.col("month") < 0)
        if placebo and before.height >= 3:
            _write_placebo(canvas, places, before)
        if break_even is not None:
            key = "mark.break_even_one" if break_even == 1 else "mark.break_even"
            words = label(key, n=format_number(break_even))
            room = canvas.width * (0.28 if canvas.narrow else 0.5)
            lines = cut(words, room, canvas.sizes.label)
            places.write(lines, (break_even, 0.0), palette.SOFT)
        if behind is not None:
            low = behind.row(int(np.argmin(behind["estimate"].to_numpy())), named=True)
            middle = (float(low["month"]), float(low["estimate"]) * 0.6)
            places.write(
                [label("mark.lock_in")], middle, palette.text_colour(palette.ORANGE),
                within=(0.0, float(frame["month"].to_numpy()[-1])),
            )  # fmt: skip

    canvas.finishers.append(write)


def _write_placebo(canvas: Canvas, places: FreePlaces, before: pl.DataFrame) -> None:
    bands = _bands(before)
    if not bands:
        return
    low, high = bands[-1]
    if before.drop_nulls("estimate").select(low, high).null_count().sum_horizontal().item():
        return  # a month of which nobody knows how sure it is
    off = before.filter((pl.col(low) > 0) | (pl.col(high) < 0)).height
    short = "_short" if canvas.narrow else ""
    words = label(f"mark.placebo_{'some' if off else 'none'}{short}")
    first, last = (float(before["month"].to_numpy()[at]) for at in (0, -1))
    room = canvas.place(0.0, 0.0)[0] - canvas.place(first, 0.0)[0] - 6.0
    top = float(np.nanmax(values(before, high)))
    lines = cut(words, room, canvas.sizes.label)
    places.write(lines, ((first + last) / 2, top), palette.SOFT, within=(first, 0.0))


def _counts(canvas: Canvas, frame: pl.DataFrame, ticks: list[int]) -> None:
    """Write how many of each group are observed under the axis."""
    rows = []
    for name, colour in (("treated", palette.BLUE), ("control", palette.ORANGE)):
        found = dict(frame.select(pl.col("month").cast(pl.Int64), f"n_{name}").rows())
        numbers = [found.get(tick) for tick in ticks]
        rows.append((label(f"word.mean_{name}"), colour, numbers))
    write_numbers_at_risk(canvas, ticks, rows)
