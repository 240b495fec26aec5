"""Standardised differences by covariate, before and after: the love plot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import polars as pl

from toolkit.errors import CallError, DuplicateKeyError, check_option
from toolkit.frames import require_no_nulls
from toolkit.reporting import palette
from toolkit.reporting.figures.axes import number_axis, steps_between
from toolkit.reporting.figures.bar_rows import Point, Row, lay_out_rows, write_rows
from toolkit.reporting.figures.canvas import Canvas, Furniture, close_canvas, open_canvas
from toolkit.reporting.figures.door import open_door
from toolkit.reporting.figures.signs import Sign, write_signs
from toolkit.reporting.labels import format_number, label, name_of
from toolkit.reporting.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

Order = Literal["size", "given"]
_LEVEL = re.compile(r"(?P<name>.+)\[(?P<level>[^\[\]]*)\]$")


@dataclass(frozen=True)
class _Pair:
    """A covariate and its absolute differences; null where a sample does not have it."""

    name: str
    before: float | None
    after: float | None

    @property
    def largest(self) -> float:
        return max(self.before or 0.0, self.after or 0.0)


def love_plot(
    tidy: Any,
    *,
    threshold: float = 0.1,
    most: int = 30,
    order: Order = "size",
    digits: int = 2,
    x_label: str | None = None,
    labels: Mapping[str, str] | None = None,
    **furniture: Unpack[Furniture],
) -> Axes:
    """Draw the absolute standardised difference of each covariate: before hollow, after filled.

    Parameters
    ----------
    tidy : frame
        `covariate`, `sample` ("before", and where there is one "after") and `smd`, a row each;
        where there, `scale` ("raw" for shares that were not standardised). Levels are called
        ``name[level]``, missing shares ``name[missing]``, squares ``name^2``, products ``a:b``.
    threshold : float
        The line that differences should stay under.
    most : int
        Rows drawn at most: the largest differences, before or after. The note says how many were
        left out and how large they are.
    order : {"size", "given"}
        By size, or as the frame has them.
    digits : int
        Decimals of the values after (before, where there is no after).
    x_label : str, optional
        Words under the axis.
    labels : Mapping, optional
        Own names: of a whole covariate (``education[low]``), or of what stands before the bracket.
    **furniture
        `number, title, subtitle, note, width, height, ax`: see `Furniture`. The height follows
        from the rows.

    Raises
    ------
    UnknownColumnError, WrongTypeError, UnknownOptionError, DuplicateKeyError, CallError
        A column or option does not exist, a covariate stands twice in a sample, another sample.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.reporting import figures
    >>> tidy = pl.DataFrame({"covariate": ["age", "age", "sex[male]", "sex[male]"],
    ...                      "sample": ["before", "after"] * 2, "smd": [-0.3, 0.02, 0.2, -0.05]})
    >>> ax = figures.love_plot(tidy, title="Na koppeling lijken de groepen op elkaar")
    """
    where = "figures.love_plot"
    check_option("order", order, get_args(Order))
    frame = open_door(tidy, where=where, need=("covariate", "sample", "smd"), numbers=("smd",))
    require_no_nulls(frame, "covariate", "sample")
    if most < 1 or threshold < 0:
        raise CallError("most and threshold are positive", where=where, fix="most=30, threshold=.1")
    pairs = _pairs(frame, where, labels)
    drawn = sorted(pairs, key=lambda pair: -pair.largest)[:most]
    if order == "given":
        drawn = [pair for pair in pairs if pair in drawn]
    with_after = any(pair.after is not None for pair in pairs)
    rows = [
        Row(pair.name, points=[Point(pair.after if with_after else pair.before)]) for pair in drawn
    ]
    with style():
        canvas = open_canvas(furniture, height=(1.0, 1.0))
        head = label("word.after_short" if with_after else "word.before_short")
        layout = lay_out_rows(
            canvas, rows, lambda value: format_number(value, digits), value_head=head, n_head=""
        )
        before = Sign(label("word.before_matching"), "o", palette.SOFT)
        after = Sign(label("word.after_matching"), "o", palette.BLUE, palette.BLUE)
        if with_after:
            write_signs(canvas, [before, after])
        _axis(canvas, drawn, threshold, layout.room, x_label)
        _draw(canvas, drawn, layout.middles, before, after)
        write_rows(canvas, rows, layout)
        canvas.sentences.append(label("note.threshold", value=format_number(threshold, 2)))
        if "scale" in frame.columns and (frame["scale"] == "raw").any():
            canvas.sentences.append(label("note.raw_shares"))
        if len(pairs) > len(drawn):
            left = max(pair.largest for pair in pairs if pair not in drawn)
            canvas.sentences.append(
                label(
                    "note.not_drawn", n=format_number(len(pairs) - len(drawn)),
                    value=format_number(left, digits),
                )
            )  # fmt: skip
        return close_canvas(canvas)


def _pairs(frame: pl.DataFrame, where: str, labels: Mapping[str, str] | None) -> list[_Pair]:
    """Return the covariates in the order of the frame."""
    odd = set(frame["sample"].unique()) - {"before", "after"}
    if odd:
        raise CallError(
            f"There are other samples than before and after: {min(map(str, odd))!r}",
            where=where, fix="filter the frame to one comparison",
        )  # fmt: skip
    if frame.select("covariate", "sample").is_duplicated().any():
        raise DuplicateKeyError(
            "A covariate stands twice in a sample", where=where,
            fix="filter the frame to one comparison",
        )  # fmt: skip
    size = frame.with_columns(pl.col("smd").cast(pl.Float64).fill_nan(None).abs())
    found = {(row["covariate"], row["sample"]): row["smd"] for row in size.iter_rows(named=True)}
    names = frame["covariate"].unique(maintain_order=True)
    return [
        _Pair(covariate_name(name, labels), found.get((name, "before")), found.get((name, "after")))
        for name in names
    ]


def covariate_name(name: str, labels: Mapping[str, str] | None = None) -> str:
    """Return how a covariate of a table of balance is called.

    Examples
    --------
    >>> covariate_name("sex[female]")
    'geslacht: vrouwen'
    >>> covariate_name("age^2", {"age": "leeftijd"})
    'leeftijd²'
    """
    own = labels or {}
    if name in own:
        return own[name]
    parts = _split(name)
    if len(parts) > 1:
        return " × ".join(covariate_name(part, labels) for part in parts)
    found = _LEVEL.match(name)
    if found:
        variable, level = found["name"], found["level"]
        shown = label("word.missing") if level == "missing" else name_of(variable, level, labels)
        return f"{covariate_name(variable, labels)}: {shown}"
    if name.endswith("^2"):
        return f"{covariate_name(name[:-2], labels)}²"
    return name_of("word", name, labels)


def _split(name: str) -> list[str]:
    """Cut a product at the colons that stand outside brackets."""
    parts, depth = [""], 0
    for sign in name:
        depth += (sign == "[") - (sign == "]")
        if sign == ":" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _axis(
    canvas: Canvas, pairs: list[_Pair], threshold: float, room: float, x_label: str | None
) -> None:
    highest = max([threshold * 1.2, *(pair.largest for pair in pairs)])
    most = min(max(int(room / (canvas.sizes.tick * 4.5)), 2), 6)
    ax = canvas.ax
    number_axis(ax, steps_between(0.0, highest, most), which="x")
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_yticks([])
    ax.axvline(0.0, color=palette.INK, linewidth=0.7, zorder=2.2)
    ax.axvline(threshold, color=palette.INK, linewidth=0.9, dashes=(1.0, 1.6), zorder=2.1)
    ax.set_xlabel(x_label or label("axis.smd"), size=canvas.sizes.label)


def _draw(
    canvas: Canvas, pairs: list[_Pair], middles: list[float], before: Sign, after: Sign
) -> None:
    size = 4.2
    for pair, y in zip(pairs, middles, strict=True):
        if pair.before is not None and pair.after is not None:
            canvas.ax.plot(
                [pair.before, pair.after], [y, y], color=palette.STEEL, linewidth=0.8, zorder=2.5
            )
        if pair.before is not None:
            canvas.ax.plot([pair.before], [y], zorder=3, **before.options(size))
        if pair.after is not None:
            canvas.ax.plot([pair.after], [y], zorder=4, **after.options(size))
