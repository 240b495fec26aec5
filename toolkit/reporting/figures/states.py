"""Where people are, month by month since they left: shares that add up to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import month_axis, percent_axis
from toolkit.reporting.figures.canvas import Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door, require_shares
from toolkit.reporting.figures.stack import Area, draw_stack
from toolkit.reporting.labels import format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes


def state_distribution(
    frame: Any,
    *,
    month: str = "month",
    state: str = "state",
    share: str = "share",
    order: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    x_label: str | None = None,
    digits: int = 0,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw stacked areas of shares by month; months not observed are left out, and that is said.

    Parameters
    ----------
    frame : frame
        One row a month and state: `month`, `state`, `share` (between 0 and 1 of those observed
        that month). A month of which all shares are null or NaN is not observed.
    month, state, share : str
        Names of these columns.
    order : sequence of str, optional
        States from the bottom up; without it in order of first appearance.
    labels : Mapping, optional
        Own names for states.
    x_label : str, optional
        Words under the axis; months since exit without it.
    digits : int
        Decimals of the values at the end.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    CallError
        A month stands twice for one state, no month is observed, shares add up to more than
        one, or more than twelve states.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame(
    ...     {"month": [0, 0, 1, 1], "state": ["work", "other"] * 2, "share": [0.4, 0.6, 0.5, 0.5]}
    ... )
    >>> ax = figures.state_distribution(frame, title="De helft werkt na een maand")
    """
    where = "figures.state_distribution"
    data = open_door(frame, where=where, need=(month, state, share), numbers=(month, share))
    require_no_nulls(data, month, state)
    data = data.with_columns(
        pl.col(state).cast(pl.String), pl.col(share).cast(pl.Float64).fill_nan(None)
    )
    require_shares(data, share, where=where)
    if data.select(month, state).is_duplicated().any():
        raise CallError(
            "A month stands twice for one state", where=where, fix="filter the frame to one group"
        )
    known = data[state].unique(maintain_order=True).to_list()
    names = list(order) if order is not None else known
    if set(names) != set(known):
        raise CallError(
            f"order and the frame differ in {sorted(set(names) ^ set(known))}",
            where=where,
            fix="name every state once",
        )
    if len(names) > len(palette.AREAS):
        raise CallError(
            f"{len(names)} states in one figure", where=where, fix="join small states into 'other'"
        )
    months, missing = _observed(data, month, share)
    if not months:
        raise CallError(
            "No month is observed", where=where, fix="check the coverage of the sources"
        )
    x = np.arange(min(months), max(months) + 1, dtype=float)
    looks = palette.area_looks(names)
    with style():
        canvas = open_canvas(furniture, height=(165.0, 130.0))
        areas = []
        for name, look in zip(names, looks, strict=True):
            height = _heights(data.filter(pl.col(state) == name), month, share, x, set(months))
            value = format_percent(float(height[-1]), digits)
            areas.append(Area(name_of("state", name, labels), height, look, value))
        percent_axis(
            canvas.ax, [0.0, 0.25, 0.5, 0.75, 1.0] if canvas.narrow else [0, 0.2, 0.4, 0.6, 0.8, 1]
        )
        month_axis(canvas.ax, float(x[-1]), first=float(x[0]), narrow=canvas.narrow)
        draw_stack(canvas, x, areas, steps=False)
        canvas.ax.set_xlabel(x_label or label("axis.months_since_exit"), size=canvas.sizes.label)
        if missing:
            canvas.sentences.append(label("note.months_not_observed", months=name_runs(missing)))
        return close_canvas(canvas)


def _observed(data: pl.DataFrame, month: str, share: str) -> tuple[list[int], list[int]]:
    """Return the months that have a share, and those within the frame's range that have none."""
    seen = data.group_by(month).agg(pl.col(share).is_not_null().any().alias("seen")).sort(month)
    months = [int(m) for m in seen.filter("seen")[month]]
    every = [int(m) for m in seen[month]]
    missing = sorted(set(range(min(every), max(every) + 1)) - set(months)) if every else []
    return months, missing


def _heights(
    part: pl.DataFrame,
    month: str,
    share: str,
    x: np.ndarray[Any, np.dtype[np.float64]],
    observed: set[int],
) -> Any:
    """Return a state's shares along x: zero where it is empty, NaN where nobody is observed."""
    found = dict(zip(part[month].to_list(), part[share].to_list(), strict=True))
    return np.array([(found.get(int(m)) or 0.0) if int(m) in observed else np.nan for m in x])


def name_runs(numbers: Sequence[int]) -> str:
    """Return whole numbers as runs.

    Examples
    --------
    >>> name_runs([3, 19, 20, 21])
    '3, 19–21'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
