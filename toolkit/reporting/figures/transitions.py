"""Who goes from where to where between months: blocks of states, and ribbons between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from toolkit.errors import CallError
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.direct import EndLabel, label_ends
from toolkit.reporting.figures.door import open_door, require_shares
from toolkit.reporting.figures.text import LEADING, cut, put, spread, text_width
from toolkit.reporting.labels import format_number, format_percent, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

#: Width of a block and free height between blocks, in parts of the plot.
_BLOCK = 0.035
_FREE = 0.10
#: How much of a colour ribbons have: of those who move, and of those who stay.
_MOVING, _STAYING = 0.62, 0.24


def transitions(
    frame: Any,
    *,
    time: str = "time",
    time_to: str = "time_to",
    origin: str = "from",
    target: str = "to",
    share: str = "estimate",
    order: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    x_label: str | None = None,
    digits: int = 0,
    smallest: float = 0.02,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw states at some months as blocks, and between them ribbons as wide as who goes there.

    Parameters
    ----------
    frame : frame
        One group, one row a period, state from and state to: the two months, the two states and
        the share of all people. Each period begins where the one before it ends.
    time, time_to, origin, target, share : str
        Names of these columns.
    order : sequence of str, optional
        States from the bottom up; without it in order of first appearance.
    labels : Mapping, optional
        Own names for states.
    x_label : str, optional
        Words under the axis; months since begin without it.
    digits : int
        Decimals of the shares.
    smallest : float
        Blocks and moves of a smaller share are drawn without a number.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`.

    Raises
    ------
    CallError
        Periods that do not join up, a flow that stands twice, shares of a period that do not add
        up to one, or more than twelve states.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> frame = pl.DataFrame(
    ...     {"time": [0] * 3, "time_to": [12] * 3, "from": ["benefit", "benefit", "work"],
    ...      "to": ["benefit", "work", "work"], "estimate": [0.5, 0.3, 0.2]}
    ... )
    >>> ax = figures.transitions(frame, title="Drie op de tien gaan van uitkering naar werk")
    """
    where = "figures.transitions"
    data = _door(frame, where, time, time_to, origin, target, share)
    months = _months(data, where)
    known = list(dict.fromkeys([*data["from"].to_list(), *data["to"].to_list()]))
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
    looks = dict(zip(names, palette.area_looks(names), strict=True))
    columns = [_stack(data, month, months, names) for month in months]
    with style():
        canvas = open_canvas(furniture, height=(185.0, 165.0))
        ax = canvas.ax
        ax.grid(visible=False)
        ax.spines["bottom"].set_visible(False)
        ax.yaxis.set_ticks([])
        ax.set_ylim(0.0, 1.0 + _FREE)
        ax.set_xlim(-_BLOCK / 2 * (len(months) - 1), (len(months) - 1) * (1 + _BLOCK / 2))
        ax.xaxis.set_ticks(range(len(months)))
        ax.xaxis.set_ticklabels([format_number(month) for month in months])
        ax.tick_params(axis="x", length=0.0)
        ax.set_xlabel(x_label or label("axis.months_since_begin"), size=canvas.sizes.label)
        wide = _BLOCK * (len(months) - 1)
        for k in range(len(months) - 1):
            _ribbons(canvas, data, months[k], k, columns[k], columns[k + 1], looks, wide, digits,
                     smallest)  # fmt: skip
        for k, column in enumerate(columns):
            for block in column.values():
                _draw_block(canvas, block, k, wide, looks)
        _name_blocks(canvas, columns[0], columns[-1], looks, labels, digits)
        _shares_between(canvas, columns[1:-1], wide, digits, smallest)
        canvas.sentences.append(label("note.flow"))
        return close_canvas(canvas)


@dataclass(frozen=True)
class Block:
    """A state at a month: from `low` up, `share` high."""

    state: str
    low: float
    share: float

    @property
    def middle(self) -> float:
        """Height of the middle."""
        return self.low + self.share / 2


def _door(frame: Any, where: str, *names: str) -> pl.DataFrame:
    time, time_to, origin, target, share = names
    data = open_door(frame, where=where, need=names, numbers=(time, time_to, share))
    require_no_nulls(data, *names)
    require_shares(data, share, where=where)
    data = data.select(
        pl.col(time).cast(pl.Float64).alias("time"),
        pl.col(time_to).cast(pl.Float64).alias("time_to"),
        pl.col(origin).cast(pl.String).alias("from"),
        pl.col(target).cast(pl.String).alias("to"),
        pl.col(share).cast(pl.Float64).alias("share"),
    )
    if data.select("time", "from", "to").is_duplicated().any():
        raise CallError(
            "A flow stands twice", where=where, fix="filter the frame to one group, or sum"
        )
    off = (
        data.group_by("time").agg(pl.col("share").sum()).filter((pl.col("share") - 1).abs() > 1e-6)
    )
    if off.height:
        raise CallError(
            f"The shares of the period from {off['time'][0]:g} add up to {off['share'][0]:.4f}",
            where=where,
            fix="pass shares of all people at the start of the period",
        )
    return data


def _months(data: pl.DataFrame, where: str) -> list[float]:
    periods = data.select("time", "time_to").unique().sort("time", "time_to")
    start, stop = periods["time"].to_list(), periods["time_to"].to_list()
    if start[1:] != stop[:-1] or any(a >= b for a, b in zip(start, stop, strict=True)):
        raise CallError(
            "The periods do not join up", where=where, fix="each begins where the last one ended"
        )
    return [*start, stop[-1]]


def _stack(
    data: pl.DataFrame, month: float, months: Sequence[float], names: Sequence[str]
) -> dict[str, Block]:
    """Return the blocks of a month from the bottom up, with free height in between."""
    first = month == months[0]
    column, key = ("from", "time") if first else ("to", "time_to")
    shares = data.filter(pl.col(key) == month).group_by(column).agg(pl.col("share").sum())
    found = dict(shares.iter_rows())
    there = [name for name in names if found.get(name, 0.0) > 0]
    between = _FREE / max(len(there) - 1, 1)
    low, blocks = 0.0 if len(there) > 1 else _FREE / 2, {}
    for name in there:
        blocks[name] = Block(name, low, found[name])
        low += found[name] + between
    return blocks


def _ribbons(
    canvas: Canvas, data: pl.DataFrame, month: float, k: int, left: dict[str, Block],
    right: dict[str, Block], looks: Mapping[str, palette.AreaLook], wide: float, digits: int,
    smallest: float,
) -> None:  # fmt: skip
    """Draw the flows of one period, those who stay under those who move."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    flows = {(a, b): share for _, _, a, b, share in data.filter(pl.col("time") == month).rows()}
    x0, x1 = k + wide / 2, k + 1 - wide / 2
    middle = (x0 + x1) / 2
    leave = {name: block.low for name, block in left.items()}
    ends: dict[tuple[str, str], tuple[float, float]] = {}
    for a in left:
        for b in right:
            ends[a, b] = (leave[a], 0.0)
            leave[a] += flows.get((a, b), 0.0)
    arrive = {name: block.low for name, block in right.items()}
    for b in right:
        for a in left:
            ends[a, b] = (ends[a, b][0], arrive[b])
            arrive[b] += flows.get((a, b), 0.0)
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    for (a, b), (y0, y1) in sorted(ends.items(), key=lambda item: item[0][0] != item[0][1]):
        share = flows.get((a, b), 0.0)
        if share <= 0:
            continue
        points = [
            (x0, y0), (middle, y0), (middle, y1), (x1, y1), (x1, y1 + share),
            (middle, y1 + share), (middle, y0 + share), (x0, y0 + share), (x0, y0),
        ]  # fmt: skip
        canvas.ax.add_patch(
            PathPatch(
                Path(points, codes), facecolor=looks[a].colour, edgecolor="none",
                alpha=_STAYING if a == b else _MOVING, zorder=1.5 if a == b else 2.0,
            )
        )  # fmt: skip
        if a != b and share >= smallest:
            _write_share(canvas, share, (x0, x1), (y0, y1), digits)


def _write_share(
    canvas: Canvas, share: float, x: tuple[float, float], y: tuple[float, float], digits: int
) -> None:
    """Write a flow's share at its beginning, where the ribbon is high enough for it."""
    size = max(canvas.sizes.tick - 0.4, 6.5)

    def write() -> None:
        _, low = canvas.place(0.0, 0.0)
        _, high = canvas.place(0.0, share)
        words = format_percent(share, digits)
        across = canvas.place(x[1], 0.0)[0] - canvas.place(x[0], 0.0)[0]
        if high - low < 1.05 * size or across < 2.4 * text_width(words, size):
            return
        at = 0.06  # along the ribbon, where it is still level
        across, up = canvas.place(x[0] + (x[1] - x[0]) * at, y[0] + share / 2)
        put(canvas.ax, across, up, [words], size=size, colour=palette.INK)

    canvas.finishers.append(write)


def _draw_block(
    canvas: Canvas, block: Block, k: int, wide: float, looks: Mapping[str, palette.AreaLook]
) -> None:
    from matplotlib.patches import Rectangle

    look = looks[block.state]
    canvas.ax.add_patch(
        Rectangle(
            (k - wide / 2, block.low), wide, block.share, facecolor=look.colour, hatch=look.hatch,
            edgecolor=palette.PAPER, linewidth=0.0, zorder=3, clip_on=False,
        )
    )  # fmt: skip


def _name_blocks(
    canvas: Canvas, first: dict[str, Block], last: dict[str, Block],
    looks: Mapping[str, palette.AreaLook], labels: Mapping[str, str] | None, digits: int,
) -> None:  # fmt: skip
    """Write names and shares left of the first blocks and right of the last."""
    size = canvas.sizes.label
    room = canvas.width * 0.22
    ends = [
        EndLabel(block.middle, name_of("state", name, labels), looks[name].colour,
                 format_percent(block.share, digits))
        for name, block in last.items()
    ]  # fmt: skip
    label_ends(canvas, ends, inline=True)
    blocks = [
        (block, [*cut(name_of("state", name, labels), room, size),
                 format_percent(block.share, digits)])
        for name, block in first.items()
    ]  # fmt: skip
    canvas.left = max(
        canvas.left,
        5.0 + max(text_width(line, size) for _, lines in blocks for line in lines),
    )
    heights = [(len(lines) * LEADING + 0.12) * size for _, lines in blocks]

    def write() -> None:
        left, bottom, _, top = canvas.box()
        wanted = [canvas.place(0, block.middle)[1] for block, _ in blocks]
        for (block, lines), y in zip(blocks, spread(wanted, heights, bottom, top), strict=True):
            colour = palette.text_colour(looks[block.state].colour)
            put(canvas.ax, left - 5.0, y, lines, size=size, colour=colour, ha="right")

    canvas.finishers.append(write)


def _shares_between(
    canvas: Canvas, columns: Sequence[dict[str, Block]], wide: float, digits: int, smallest: float
) -> None:
    """Write the shares of the blocks in between left of them, bold: numbers of flows are not."""
    size = max(canvas.sizes.tick - 0.4, 6.5)

    def write() -> None:
        for k, column in enumerate(columns, start=1):
            blocks = [block for block in column.values() if block.share >= smallest]
            wanted = [canvas.place(k, block.middle)[1] for block in blocks]
            _, bottom, _, top = canvas.box()
            places = spread(wanted, [1.3 * size] * len(blocks), bottom, top)
            for block, y in zip(blocks, places, strict=True):
                across, _ = canvas.place(k - wide / 2, block.middle)
                put(canvas.ax, across - 3.0, y, [format_percent(block.share, digits)], size=size,
                    colour=palette.INK, weight="bold",
                    ha="right")  # fmt: skip

    canvas.finishers.append(write)
