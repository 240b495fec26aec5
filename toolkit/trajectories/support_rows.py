"""Who might start a programme in a month: on benefit on its first day, and not yet supported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.days import OPEN, first_days, months, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray

    Bools = NDArray[np.bool_]


def months_on_benefit(
    spells: pl.DataFrame, first: int, until: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return the months [first, until) on whose first day a spell runs.

    Parameters
    ----------
    spells : DataFrame
        `start`, `end` (null while running).
    first, until : int
        Month numbers.

    Returns
    -------
    spell, month, elapsed : int arrays
        Row of `spells`, month number, and whole months since the spell's start on that day.
    """
    start = numbers(spells["start"])
    end = numbers(spells["end"], open_end=True)
    begun = months(start)
    # the first month whose first day lies in the spell, and the first whose first day does not
    low = begun + (first_days(begun) < start)
    last = np.where(end >= OPEN, until, months(np.minimum(end, OPEN) - 1) + 1)
    low, high = np.maximum(low, first), np.minimum(last, until)
    count = np.maximum(high - low, 0)
    spell = np.repeat(np.arange(len(start)), count)
    offset = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    month = low[spell] + offset
    elapsed = month - begun[spell] - (first_days(begun) < start)[spell]
    return spell, month, elapsed


def first_starts(
    register: Register, spells: pl.DataFrame, *, washout: int
) -> tuple[pl.DataFrame, Bools]:
    """Return each spell's first programme start, and which spells had support shortly before.

    Returns
    -------
    starts : DataFrame
        In the order of `spells`: `start_month` (number; of the last day on benefit for a start on
        the first day off it), `instrument`, `aim`, `offer_month`; null where none starts.
    before : (n,) array of bool
        Whether a programme ran on the spell's first day or in the `washout` months before it.
    """
    rows = spells.select("person", spell_start="start", spell_end="end").with_row_index("_row")
    found = (
        rows.lazy()
        .join(
            register.programmes.filter(pl.col("start").is_not_null()).select(
                "person", "programme", "start", "end", "offer", "instrument", "aim"
            ),
            on="person",
        )
        .collect()
    )
    # a subsidised job starts on the first day off benefit: it is a start from benefit all the same
    inside = (pl.col("start") >= pl.col("spell_start")) & (
        pl.col("spell_end").is_null() | (pl.col("start") <= pl.col("spell_end"))
    )
    first = (
        found.filter(inside)
        .sort("_row", "start", "programme")
        .unique("_row", keep="first", maintain_order=True)
        .select(
            "_row",
            pl.min_horizontal("start", pl.col("spell_end").dt.offset_by("-1d")).alias("start"),
            "offer",
            "instrument",
            "aim",
        )
    )
    recent = found.filter(
        pl.col("start") < pl.col("spell_start"),
        pl.col("end").is_null()
        | (pl.col("end") > pl.col("spell_start").dt.offset_by(f"-{washout}mo")),
    )
    before = np.zeros(spells.height, bool)
    before[recent["_row"].unique().to_numpy()] = True
    starts = rows.select("_row").join(first, on="_row", how="left", maintain_order="left")
    return (
        starts.select(
            start_month=_months(starts["start"]),
            instrument=starts["instrument"],
            aim=starts["aim"],
            offer_month=_months(starts["offer"]),
        ),
        before,
    )


def _months(days: pl.Series) -> pl.Series:
    number = pl.Series(months(numbers(days, open_end=True)))
    return pl.select(pl.when(days.is_not_null()).then(number)).to_series()
