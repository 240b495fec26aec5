"""Survival and return curves, with bands, values at the line ends and numbers at risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import month_axis, percent_axis, steps_between
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.door import groups_of, open_door, require_shares
from toolkit.reporting.figures.marks import mark_month
from toolkit.reporting.figures.risk import numbers_at_risk, write_numbers_at_risk
from toolkit.reporting.labels import format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

Kind = Literal["survival", "return", "incidence"]


def survival(
    tidy: Any,
    *,
    group: str | None = None,
    kind: Kind = "survival",
    at_risk: bool = True,
    mark: float | None = None,
    horizon: float | None = None,
    labels: Mapping[str, str] | None = None,
    x_label: str | None = None,
    digits: int = 0,
    ceiling: float | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw step curves with their bands, one a group.

    Parameters
    ----------
    tidy : frame
        Columns `time`, `estimate`, and where there: `conf_low`, `conf_high` (the band) and
        `n_risk` (numbers at risk, just before each time). Shares between 0 and 1.
    group : str, optional
        Column with the groups; the first to appear is the subject (blue), the second the
        comparison (orange, dashed). At most five.
    kind : {"survival", "return", "incidence"}
        `survival` draws the estimate as it is, from 100% down; `return` draws one minus it;
        `incidence` draws an estimate that is cumulative already (Aalen–Johansen of one cause).
    at_risk : bool
        Whether numbers at risk stand under the axis (where `n_risk` is there).
    mark : float, optional
        A month to mark with a vertical line and each curve's value there.
    horizon : float, optional
        Last month drawn; without it the last in the frame.
    labels : Mapping, optional
        Own names for groups, before those of the code lists.
    x_label : str, optional
        Words under the axis; months since exit without it.
    digits : int
        Decimals of the values at the line ends.
    ceiling : float, optional
        Top of the axis as a share; without it 100% for survival, else what the bands need.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    UnknownColumnError, WrongTypeError, CallError
        A column is missing or no number, shares are percentages, more than five groups.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> tidy = pl.DataFrame({"time": [1, 2], "estimate": [0.9, 0.8], "n_risk": [50, 45]})
    >>> ax = figures.survival(tidy, kind="return", title="Een op de vijf is terug")
    """
    check_option("kind", kind, get_args(Kind))
    where = "figures.survival"
    frame = open_door(tidy, where=where, need=("time", "estimate"), numbers=("time", "estimate"))
    require_shares(frame, "estimate", where=where)
    parts = groups_of(frame, group)
    if len(parts) > len(palette.LINES):
        raise CallError(
            f"{len(parts)} curves in one figure",
            where=where,
            fix=f"draw at most {len(palette.LINES)}; join groups or make two figures",
        )
    curves = [(key, _as_drawn(part, kind)) for key, part in parts]
    last = horizon if horizon is not None else float(frame["time"].max() or 1)  # type: ignore[arg-type]
    curves = [(key, _until(curve, last)) for key, curve in curves]
    with style():
        canvas = open_canvas(furniture, height=(165.0, 130.0))
        ends = []
        for (key, curve), look in zip(curves, palette.LINES, strict=False):
            _draw_curve(canvas, curve, look)
            value = curve["estimate"][-1]
            name = name_of(group, key, labels) if group is not None else ""
            text = format_percent(value, digits)
            ends.append(
                EndLabel(value, name, look.colour, text)
                if name
                else EndLabel(value, text, look.colour)
            )
        _axes(canvas, curves, kind, last, ceiling)
        ax = canvas.ax
        ticks = month_axis(ax, last, narrow=canvas.narrow)
        ax.set_xlabel(x_label or label("axis.months_since_exit"), size=canvas.sizes.label)
        label_ends(canvas, ends)
        if mark is not None:
            mark_month(canvas, [curve for _, curve in curves], mark, digits)
        if at_risk and "n_risk" in frame.columns:
            rows = [
                (
                    name_of(group, key, labels)
                    if group is not None
                    else label("word.n_risk_short"),
                    look.colour if group is not None else palette.SOFT,
                    numbers_at_risk(part, [float(tick) for tick in ticks]),
                )
                for (key, part), look in zip(parts, palette.LINES, strict=False)
            ]
            write_numbers_at_risk(canvas, ticks, rows)
            if group is not None:
                canvas.sentences.insert(0, label("note.at_risk"))
        return close_canvas(canvas)


def _as_drawn(part: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Return time, estimate, low, high as drawn, with the start of the curve before the rest."""
    low, high = (
        ("conf_low", "conf_high") if "conf_low" in part.columns else ("estimate", "estimate")
    )
    columns = [pl.col(name).cast(pl.Float64) for name in ("estimate", low, high)]
    if kind == "return":
        columns = [1 - column for column in (columns[0], columns[2], columns[1])]
    start = 1.0 if kind == "survival" else 0.0
    curve = (
        part.select(
            pl.col("time").cast(pl.Float64),
            *(
                column.alias(name)
                for column, name in zip(columns, ("estimate", "low", "high"), strict=True)
            ),
        )
        # An interval is undefined where nothing happened yet: no band there.
        .with_columns(pl.col("low", "high").fill_nan(None).fill_null(pl.col("estimate")))
        .sort("time")
    )
    if curve["time"][0] > 0:
        first = pl.DataFrame({"time": [0.0], "estimate": [start], "low": [start], "high": [start]})
        curve = pl.concat([first, curve])
    return curve


def _until(curve: pl.DataFrame, last: float) -> pl.DataFrame:
    """Cut a curve at the horizon; the last step runs on to it where the frame does."""
    kept = curve.filter(pl.col("time") <= last)
    if kept["time"][-1] < last < curve["time"].max():  # type: ignore[operator]
        kept = pl.concat([kept, kept.tail(1).with_columns(time=pl.lit(float(last)))])
    return kept


def _draw_curve(canvas: Canvas, curve: pl.DataFrame, look: palette.LineLook) -> None:
    ax, time = canvas.ax, curve["time"]
    ax.fill_between(
        time, curve["low"], curve["high"], step="post", color=look.colour, alpha=0.14, linewidth=0
    )
    ax.plot(
        time, curve["estimate"], drawstyle="steps-post", color=look.colour,
        linewidth=canvas.sizes.line, dashes=look.dash or (None, None), clip_on=False,
    )  # fmt: skip


def _axes(
    canvas: Canvas,
    curves: list[tuple[Any, pl.DataFrame]],
    kind: Kind,
    last: float,
    ceiling: float | None,
) -> None:
    if ceiling is None:
        highest = max(float(curve["high"].max()) for _, curve in curves)  # type: ignore[arg-type]
        ceiling = 1.0 if kind == "survival" else max(highest, 0.01)
    del last
    percent_axis(canvas.ax, steps_between(0.0, min(ceiling, 1.0), 5 if canvas.narrow else 6))
