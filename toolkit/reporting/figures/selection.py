"""Who is in the study: a chart of steps with how many are left and how many fell out at each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Unpack

from toolkit.errors import CallError
from toolkit.frames import require_columns, require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.text import LEADING, cut, put
from toolkit.reporting.labels import format_count, label
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_INSET = 6.0
_GAP = 15.0
_BETWEEN = 10.0


@dataclass(frozen=True)
class _Box:
    """A box of the chart: words, a number under them, and how high that makes it."""

    lines: tuple[str, ...]
    number: str
    height: float


def selection(
    steps: Any,
    *,
    step: str = "step",
    n: str = "n",
    reason: str | None = "reason",
    branches: Sequence[tuple[str, int]] = (),
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw the steps of a selection from top to bottom, who fell out beside them.

    Parameters
    ----------
    steps : frame
        In order: `step` (words) and `n` (left after it); `reason` (words) says why the
        difference with the row before fell out, the step's own words serve without it.
    step, n, reason : str
        Names of these columns; `reason` may be absent.
    branches : sequence of (words, n)
        Groups the last step divides into, side by side at the foot; they must add up to it.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`. The height follows
        from the steps.

    Raises
    ------
    CallError
        A step has more units than the one before, or branches do not add up.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> steps = pl.DataFrame({"step": ["uitstroom", "waargenomen"], "n": [1200, 1100]})
    >>> ax = figures.selection(steps, title="Van 1.200 naar 1.100 personen")
    """
    where = "figures.selection"
    data = open_door(steps, where=where, need=(step, n), numbers=(n,))
    require_no_nulls(data, step, n)
    counts = [int(value) for value in data[n]]
    if any(later > earlier for earlier, later in pairwise(counts)):
        raise CallError(
            "A step has more units than the one before", where=where, fix="order the steps"
        )
    branched = sum(count for _, count in branches)
    if branches and branched != counts[-1]:
        raise CallError(
            f"The branches add up to {branched:,}, not to {counts[-1]:,}",
            where=where,
            fix="name every group the last step divides into",
        )
    reasons: list[str | None] = [None] * len(counts)
    if reason is not None and reason in data.columns:
        require_columns(data, reason, where=where)
        reasons = data[reason].to_list()
    with style():
        canvas = open_canvas(furniture, height=(1.0, 1.0))
        chart = _Chart(canvas)
        chart.add_steps(data[step].to_list(), counts, reasons)
        if branches:
            chart.add_branches(branches)
        chart.close()
        return close_canvas(canvas)


class _Chart:
    """Boxes laid out from the top, in points; drawn once the axes have their place."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.size = canvas.sizes.label
        self.width = canvas.width - 8.0 if canvas.own else canvas.width
        self.main = self.width * 0.56 if canvas.narrow else (self.width - _BETWEEN) / 2
        self.side = self.width - self.main - (12.0 if canvas.narrow else 26.0)
        self.down = 0.0

    def _box(self, words: str, number: str, width: float) -> _Box:
        lines = cut(words, width - 2 * _INSET, self.size)
        return _Box(lines, number, (len(lines) + 1) * LEADING * self.size + 1.3 * _INSET)

    def add_steps(
        self, words: Sequence[str], counts: Sequence[int], reasons: Sequence[str | None]
    ) -> None:
        """Lay out the main column, and between two boxes who fell out."""
        for index, (text, count, why) in enumerate(zip(words, counts, reasons, strict=True)):
            box = self._box(text, label("selection.left", n=format_count(count)), self.main)
            if index:
                lost = counts[index - 1] - count
                out = self._box(
                    why or label("word.dropped"),
                    label("selection.minus", n=format_count(lost)),
                    self.side,
                )
                gap = max(_GAP, out.height + 8.0) if lost else _GAP
                self._arrow(self.main / 2, self.down, self.down + gap)
                if lost:
                    middle = self.down + gap / 2
                    self._arrow(self.main / 2, middle, middle, to=self.width - self.side)
                    self._draw(
                        out, self.width - self.side, middle - out.height / 2, self.side, soft=True
                    )
                self.down += gap
            self._draw(box, 0.0, self.down, self.main, soft=False)
            self.down += box.height

    def add_branches(self, branches: Sequence[tuple[str, int]]) -> None:
        """Lay out the groups at the foot side by side."""
        each = (self.width - _BETWEEN * (len(branches) - 1)) / len(branches)
        boxes = [
            self._box(words, label("selection.left", n=format_count(count)), each)
            for words, count in branches
        ]
        fork = self.down + _GAP * 0.55
        foot = self.down + _GAP * 1.7
        centres = [index * (each + _BETWEEN) + each / 2 for index in range(len(boxes))]
        self._line([self.main / 2, self.main / 2], [self.down, fork])
        self._line([min(*centres, self.main / 2), max(*centres, self.main / 2)], [fork, fork])
        tall = max(box.height for box in boxes)
        for box, centre in zip(boxes, centres, strict=True):
            self._arrow(centre, fork, foot)
            self._draw(_Box(box.lines, box.number, tall), centre - each / 2, foot, each, soft=False)
        self.down = foot + tall

    def close(self) -> None:
        """Set the axes to the size of the chart, in points from its top left corner."""
        ax = self.canvas.ax
        ax.set_axis_off()
        ax.set_xlim(0.0, self.width)
        ax.set_ylim(self.down, 0.0)
        self.canvas.plot_height = self.down

    def _line(self, across: list[float], down: list[float]) -> None:
        self.canvas.ax.plot(across, down, color=palette.AXIS, linewidth=0.8, clip_on=False)

    def _arrow(self, x: float, start: float, end: float, *, to: float | None = None) -> None:
        self.canvas.ax.annotate(
            "", xy=(x if to is None else to, end), xytext=(x, start),
            arrowprops={
                "arrowstyle": "-|>,head_width=0.14,head_length=0.28", "color": palette.AXIS,
                "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0,
            },
        )  # fmt: skip

    def _draw(self, box: _Box, left: float, top: float, width: float, *, soft: bool) -> None:
        from matplotlib.patches import Rectangle

        self.canvas.ax.add_patch(
            Rectangle(
                (left, top),
                width,
                box.height,
                linewidth=0.8,
                zorder=2,
                clip_on=False,
                facecolor=palette.PAPER if soft else palette.WASH,
                edgecolor=palette.STEEL if soft else palette.BLUE,
            )
        )

        def write() -> None:
            x, y = self.canvas.place(left, top)
            line = LEADING * self.size
            ink = palette.SOFT if soft else palette.INK
            words_at = y - 0.65 * _INSET - len(box.lines) * line / 2
            put(self.canvas.ax, x + _INSET, words_at, box.lines, size=self.size, colour=ink)
            number_at = y - 0.65 * _INSET - (len(box.lines) + 0.5) * line
            put(self.canvas.ax, x + _INSET, number_at, [box.number], size=self.size,
                colour=ink if soft else palette.BLUE, weight="bold")  # fmt: skip

        self.canvas.finishers.append(write)
