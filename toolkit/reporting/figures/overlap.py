"""Scores of treated and controls in bins, mirrored: where there is somebody to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import polars as pl

from toolkit.errors import CallError, DuplicateKeyError
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import nice_step, number_axis, steps_between
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.door import open_door, require_shares
from toolkit.reporting.labels import format_count, format_percent, label
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GROUPS = (("treated", palette.BLUE, 1.0, "mean_treated"),
           ("control", palette.ORANGE, -1.0, "mean_control"))  # fmt: skip
#: With more bins than this white edges would leave nothing of the bars.
_MANY = 50


def overlap(
    frame: Any,
    *,
    x_label: str | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw the share of each group by bin of the score: treated upwards, controls downwards.

    With a sample after matching or weighting the bars are that, and a line shows the groups as
    they came.

    Parameters
    ----------
    frame : frame
        `low, high` (the bin), `share_treated, share_control` (of their group), and where there
        `n_treated, n_control` (rows in the bin) and `sample` ("before", "after").
    x_label : str, optional
        Words under the axis.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    UnknownColumnError, WrongTypeError, CallError, DuplicateKeyError
        A column is missing or no number, shares are percentages, a bin stands twice.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> bins = pl.DataFrame({"low": [0.0, 0.5], "high": [0.5, 1.0], "share_treated": [0.3, 0.7],
    ...                      "share_control": [0.8, 0.2], "n_treated": [30, 70],
    ...                      "n_control": [80, 20]})
    >>> ax = figures.overlap(bins, title="Bij bijna elke score is er vergelijking")
    """
    where = "figures.overlap"
    need = ("low", "high", "share_treated", "share_control")
    data = open_door(frame, where=where, need=need, numbers=need)
    require_no_nulls(data, *need)
    require_shares(data, "share_treated", "share_control", where=where)
    if "sample" not in data.columns:
        data = data.with_columns(sample=pl.lit("before"))
    names = data["sample"].unique(maintain_order=True).to_list()
    if not set(names) <= {"before", "after"}:
        raise CallError(
            "There are other samples than before and after", where=where,
            fix="filter the frame to one comparison",
        )  # fmt: skip
    if data.select("sample", "low").is_duplicated().any():
        raise DuplicateKeyError(
            "A bin stands twice in a sample", where=where, fix="filter the frame to one comparison"
        )
    parts = {name: data.filter(pl.col("sample") == name).sort("low") for name in names}
    bars = parts.get("after", parts.get("before"))
    line = parts.get("before") if "after" in parts else None
    if bars is None:  # pragma: no cover - one of the two is there
        raise CallError("No sample", where=where)
    with style():
        canvas = open_canvas(furniture, height=(150.0, 130.0))
        tops = [_draw(canvas, bars, line, *group) for group in _GROUPS]
        _axes(canvas, data, max(*tops, 0.01), x_label)
        low, high = canvas.ax.get_ylim()
        ends = []
        for (group, colour, side, word), _ in zip(_GROUPS, tops, strict=True):
            text = label(f"word.{word}")
            n = f"n_{group}"
            value = f"n = {format_count(float(bars[n].sum()))}" if n in bars.columns else None
            ends.append(EndLabel((high if side > 0 else low) / 2, text, colour, value))
        label_ends(canvas, ends)
        if line is not None:
            canvas.sentences.append(label("note.outline", label=label("word.before_matching")))
        alone = _alone(data)
        if alone:
            canvas.sentences.append(label("note.nobody_alike", n=format_count(alone)))
        return close_canvas(canvas)


def _draw(
    canvas: Canvas, bars: pl.DataFrame, line: pl.DataFrame | None,
    group: str, colour: str, side: float, _word: str,
) -> float:  # fmt: skip
    """Draw one group on its side of zero; return its highest share."""
    name = f"share_{group}"
    ax = canvas.ax
    edge = 0.5 if bars.height <= _MANY else 0.0
    ax.bar(
        bars["low"], side * bars[name], width=bars["high"] - bars["low"], align="edge",
        color=colour, edgecolor=palette.PAPER, linewidth=edge, zorder=2,
        hatch=None if side > 0 else "////",
    )  # fmt: skip
    highest = float(bars[name].to_numpy().max())
    if line is not None:
        edges = np.append(line["low"].to_numpy(), float(line["high"][-1]))
        ax.stairs(side * line[name].to_numpy(), edges, color=palette.INK, linewidth=0.9, zorder=3)
        highest = max(highest, float(line[name].to_numpy().max()))
    return highest


def _axes(canvas: Canvas, data: pl.DataFrame, top: float, x_label: str | None) -> None:
    step = nice_step(top, 2 if canvas.narrow else 3)
    count = int(top / step + 1e-9)
    ticks = [float(f"{step * index:.12g}") for index in range(-count, count + 1)]
    ax = canvas.ax
    ax.set_ylim(-1.08 * top, 1.08 * top)
    digits = 0 if abs(round(step * 100) - step * 100) < 1e-9 else 1
    ax.yaxis.set_ticks(ticks)
    ax.yaxis.set_ticklabels([format_percent(abs(tick), digits) for tick in ticks])
    used = data.filter((pl.col("share_treated") > 0) | (pl.col("share_control") > 0))
    low, high = float(used["low"].to_numpy().min()), float(used["high"].to_numpy().max())
    number_axis(ax, steps_between(low, high, 4 if canvas.narrow else 6), which="x")
    ax.axhline(0.0, color=palette.INK, linewidth=0.8, zorder=4)
    ax.set_xlabel(x_label or label("axis.score"), size=canvas.sizes.label)
    ax.set_ylabel(label("axis.group_share"), size=canvas.sizes.label)


def _alone(data: pl.DataFrame) -> int:
    """Return how many treated, as they came, stand in bins without any control."""
    if not {"n_treated", "n_control"} <= set(data.columns):
        return 0
    first = data.filter(pl.col("sample") == "before")
    return int(first.filter(pl.col("n_control") == 0)["n_treated"].sum())
