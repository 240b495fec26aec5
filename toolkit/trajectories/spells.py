"""The algebra of spells: merge, subtract, clip, check. A spell is `[start, end)`; null runs on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, ReversedSpellError
from toolkit.frames import as_columns, require_columns, rows_where, to_frame, to_lazy
from toolkit.result import Result
from toolkit.trajectories.calendar import Window
from toolkit.trajectories.days import day_numbers, to_dates
from toolkit.trajectories.keys import MAX_GAP, SHIFT, days_of, group_numbers, pack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date


def merge_spells(spells: Any, *, by: str | Sequence[str], max_gap_days: int = 31) -> pl.LazyFrame:
    """Join spells of the same `by` that overlap, touch or lie at most `max_gap_days` apart.

    The gap is next start − end in days: with 31, a spell that ends on 1 January (first day off) and
    one that starts on 1 February are one; a start on 2 February is a new spell. A running spell
    (null end) stays running.

    Parameters
    ----------
    spells : frame
        Columns `start`, `end` (Date), those in `by`, and any others.
    by : str or sequence of str
        What makes spells belong together, such as ``["person", "scheme"]``.
    max_gap_days : int
        Longest gap, in days, that is no break.

    Returns
    -------
    pl.LazyFrame
        The same columns, sorted by `by` and start. Columns whose name begins with ``start`` come
        from the first row of a merged spell, all others from the row that ends last (of rows that
        end on the same day, the one that starts last).

    Raises
    ------
    ReversedSpellError, MissingValueError, UnknownColumnError, CallError

    Examples
    --------
    >>> from datetime import date
    >>> spells = pl.DataFrame({
    ...     "person": [1, 1],
    ...     "start": [date(2006, 1, 1), date(2006, 4, 1)],
    ...     "end": [date(2006, 3, 1), None],
    ... })
    >>> merge_spells(spells, by="person").collect()["start"].to_list()
    [datetime.date(2006, 1, 1)]
    """
    lazy, group = _at_the_door(spells, by, max_gap_days)
    return lazy.map_batches(
        lambda frame: merge_frame(frame, by=group, max_gap_days=max_gap_days),
        schema=lazy.collect_schema(),
    )


def merge_frame(frame: pl.DataFrame, *, by: Sequence[str], max_gap_days: int) -> pl.DataFrame:
    """Merge spells of an eager frame: one sort on a packed key, one scan. See `merge_spells`."""
    names = frame.columns
    keyed = _keyed(frame, by)
    others = [name for name in names if name not in {*by, "start", "end"}]
    if not keyed["_start"].is_sorted():
        keyed = keyed.sort("_start", maintain_order=True)
    if others and (keyed["_start"].diff() == 0).any():
        # Attributes of spells with the same start must not depend on the order of the rows.
        keyed = keyed.sort("_start", "_end", *others, nulls_last=True)
    reach = keyed["_end"].cum_max()
    new = (keyed["_start"] - reach.shift(1) > max_gap_days).fill_null(value=True)
    last = new.shift(-1, fill_value=True)
    first_rows = keyed.filter(new)
    ends = to_dates(days_of(reach.filter(last)))
    if not others:
        return first_rows.with_columns(ends.alias("end")).select(names)
    late = keyed.select(name for name in others if not name.startswith("start"))
    if (keyed["_end"] == reach).all():  # nothing nested: the last row ends last
        last_rows = late.filter(last)
    else:  # the row that reaches furthest so far; a group's first row always does
        furthest = pl.select(
            pl.when(keyed["_end"] == reach)
            .then(pl.int_range(keyed.height, dtype=pl.UInt32))
            .forward_fill()
        ).to_series()
        last_rows = late[furthest.filter(last)]
    return first_rows.with_columns(ends.alias("end"), *last_rows.get_columns()).select(names)


def subtract_spells(spells: Any, minus: Any, *, by: str | Sequence[str]) -> pl.LazyFrame:
    """Cut out of `spells` every day that a spell in `minus` of the same `by` holds.

    Each row is cut by itself and keeps its other columns; a row wholly covered disappears.

    Parameters
    ----------
    spells, minus : frame
        Columns `start`, `end` and those in `by`.
    by : str or sequence of str
        What makes spells belong together.

    Returns
    -------
    pl.LazyFrame
        The columns of `spells`, sorted by `by` and start.

    Examples
    --------
    >>> from datetime import date
    >>> whole = pl.DataFrame({"person": [1], "start": [date(2006, 1, 1)], "end": [None]},
    ...     schema_overrides={"end": pl.Date})
    >>> hole = pl.DataFrame(
    ...     {"person": [1], "start": [date(2006, 2, 1)], "end": [date(2006, 3, 1)]})
    >>> subtract_spells(whole, hole, by="person").collect().height
    2
    """
    lazy, group = _at_the_door(spells, by, 0)
    other, _ = _at_the_door(minus, by, 0)
    return lazy.map_batches(
        lambda frame: subtract_frame(frame, other.collect(), by=group),
        schema=lazy.collect_schema(),
    )


def subtract_frame(frame: pl.DataFrame, minus: pl.DataFrame, *, by: Sequence[str]) -> pl.DataFrame:
    """Subtract spells of eager frames. See `subtract_spells`."""
    groups, holes = group_numbers([frame, minus], by)
    keyed = _keyed(frame, by, groups).sort("_start", "_end", maintain_order=True)
    start, end = keyed["_start"].to_numpy(), keyed["_end"].to_numpy()
    cut = merge_frame(minus.select("start", "end", _group=holes), by=["_group"], max_gap_days=0)
    cut_start = pack(cut["_group"], day_numbers(cut["start"])).to_numpy()
    cut_end = pack(cut["_group"], day_numbers(cut["end"], open_end=True)).to_numpy()
    # Holes low … high − 1 overlap the spell and cut it into high − low + 1 pieces, some empty.
    low = np.searchsorted(cut_end, start, side="right")
    pieces = np.maximum(np.searchsorted(cut_start, end, side="left") - low, 0) + 1
    row = np.repeat(np.arange(len(start)), pieces)
    piece = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    left, right = start[row], end[row]
    hole = low[row] + piece
    inner = piece > 0
    left[inner] = cut_end[hole[inner] - 1]
    inner = piece < pieces[row] - 1
    right[inner] = cut_start[hole[inner]]
    keep = right > left
    out = keyed[pl.Series(row[keep], dtype=pl.UInt32)].with_columns(
        to_dates(days_of(pl.Series(left[keep]))).alias("start"),
        to_dates(days_of(pl.Series(right[keep]))).alias("end"),
    )
    return out.with_columns(_start=pl.Series(left[keep])).sort("_start").select(frame.columns)


def clip_spells(spells: Any, window: Window | str | tuple[date | str, date | str]) -> pl.LazyFrame:
    """Keep the part of each spell inside a window; a spell running past its end ends there.

    Examples
    --------
    >>> from datetime import date
    >>> spells = pl.DataFrame({"start": [date(2005, 5, 1)], "end": [date(2006, 5, 1)]})
    >>> clip_spells(spells, "2006").collect()["start"].to_list()
    [datetime.date(2006, 1, 1)]
    """
    inside = Window.of(window)
    lazy = to_lazy(spells)
    require_columns(lazy, "start", "end")
    return lazy.filter(
        pl.col("start") < inside.end,
        pl.col("end").is_null() | (pl.col("end") > inside.start),
    ).with_columns(
        pl.max_horizontal("start", pl.lit(inside.start)).alias("start"),
        pl.min_horizontal(pl.col("end"), pl.lit(inside.end)).alias("end"),
    )


@dataclass(frozen=True, kw_only=True)
class SpellCheck(Result):
    """What is odd in a table of spells, counted. Made by `check_spells`.

    Attributes
    ----------
    counts : Mapping[str, int]
        `spells`, `groups`, `running`, `reversed`, `duplicated` (same `by`, start and end as another
        row), `overlaps` (starts before an earlier spell ended), `gaps` and `gap_days`.
    """

    counts: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """True when nothing is reversed, duplicated or overlapping."""
        return not any(self.counts[name] for name in ("reversed", "duplicated", "overlaps"))

    def tidy(self) -> pl.DataFrame:
        """Return one row a count."""
        return pl.DataFrame(
            {"term": list(self.counts), "estimate": list(self.counts.values())},
            schema={"term": pl.String, "estimate": pl.Int64},
        )

    def glance(self) -> pl.DataFrame:
        """Return one row with all counts and whether the table is clean."""
        return pl.DataFrame({**self.counts, "clean": self.clean})


def check_spells(spells: Any, *, by: str | Sequence[str]) -> SpellCheck:
    """Count gaps, overlaps, reversed and duplicated spells; changes nothing.

    Reversed spells (end on or before start) are left out of the other counts but the first.

    Examples
    --------
    >>> from datetime import date
    >>> spells = pl.DataFrame({
    ...     "person": [1, 1],
    ...     "start": [date(2006, 1, 1), date(2006, 2, 1)],
    ...     "end": [date(2006, 3, 1), date(2006, 4, 1)],
    ... })
    >>> check_spells(spells, by="person").counts["overlaps"]
    1
    """
    lazy, group = _at_the_door(spells, by, 0)
    frame = to_frame(lazy.select(*group, "start", "end"))
    wrong = (frame["end"] <= frame["start"]).fill_null(value=False)
    right = frame.filter(~wrong)
    keyed = _keyed(right, group).sort("_start", "_end")
    start, reach = keyed["_start"], keyed["_end"].cum_max()
    step = start - reach.shift(1)
    same = ((start // (1 << SHIFT)) == (start.shift(1) // (1 << SHIFT))).fill_null(value=False)
    gaps = step.filter(same & (step > 0))
    twice = ((start.diff() == 0) & (keyed["_end"].diff() == 0)).fill_null(value=False)
    counts = {
        "spells": frame.height,
        "groups": frame.select(group).n_unique()
        if group and frame.height
        else min(frame.height, 1),
        "running": frame["end"].null_count(),
        "reversed": int(wrong.sum()),
        "duplicated": int(twice.sum()),
        "overlaps": int((same & (step < 0) & ~twice).sum()),
        "gaps": len(gaps),
        "gap_days": int(gaps.sum()),
    }
    return SpellCheck(counts=counts, meta={"method": "Check of spells", "n": frame.height})


def _at_the_door(
    spells: Any, by: str | Sequence[str], max_gap_days: int
) -> tuple[pl.LazyFrame, list[str]]:
    lazy, group = to_lazy(spells), as_columns(by)
    require_columns(lazy, *group, "start", "end", where="the spells")
    if not 0 <= max_gap_days < MAX_GAP:
        raise CallError(
            f"max_gap_days={max_gap_days} is not a gap", fix=f"choose 0 to {MAX_GAP - 1} days"
        )
    return lazy, group


def _keyed(frame: pl.DataFrame, by: Sequence[str], groups: pl.Series | None = None) -> pl.DataFrame:
    """Add the packed keys of start and end, after a check that no spell is reversed."""
    group = group_numbers([frame], by)[0] if groups is None else groups
    start = pack(group, day_numbers(frame["start"]))
    end = pack(group, day_numbers(frame["end"], open_end=True))
    if (end <= start).any():
        _, where = rows_where(frame, pl.col("end") <= pl.col("start"))
        raise ReversedSpellError(
            "A spell ends on or before its start",
            where=where,
            fix="correct or leave out these rows; check_spells counts them",
        )
    return frame.with_columns(start.alias("_start"), end.alias("_end"))
