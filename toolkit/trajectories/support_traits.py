"""What was known of a person on the first day of a month: traits, household, position, history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.calendar import month_index
from toolkit.trajectories.panel import panel_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.calendar import Window
    from toolkit.trajectories.days import IntArray
    from toolkit.trajectories.definition import Definition

#: Stretches of months before, over which labour history is counted: [from, to] back.
STRETCHES = ((1, 6), (7, 12), (13, 24))
#: A position older than this many months is not taken for the present one.
_POSITION_MONTHS = 24


def add_traits(rows: pl.DataFrame, register: Register) -> pl.DataFrame:
    """Add who the person is: sex, origin, education, work_limited, age (years) in that month."""
    persons = (
        register.persons.select(
            "person", "sex", "origin", "education", "work_limited", "birth_month"
        )
        .unique("person", keep="first")
        .collect()
    )
    places = register.municipalities.select("municipality", "region", "size_class").collect()
    return (
        rows.join(persons, on="person", how="left", maintain_order="left")
        .with_columns(
            age=((month_index(pl.col("month")) - month_index(pl.col("birth_month"))) // 12).cast(
                pl.Int16
            )
        )
        .drop("birth_month")
        .join(places, on="municipality", how="left", maintain_order="left")
    )


def add_household(rows: pl.DataFrame, register: Register) -> pl.DataFrame:
    """Add `household` (kind) and `children` as of the first day; null where none is known."""
    homes = register.households.select("person", "start", "end", "kind", "children").collect()
    found = rows.sort("month").join_asof(
        homes.sort("start"), left_on="month", right_on="start", by="person",
        check_sortedness=False,
    )  # fmt: skip
    holds = pl.col("end").is_null() | (pl.col("end") > pl.col("month"))
    return found.with_columns(
        household=pl.when(holds).then("kind"), children=pl.when(holds).then("children")
    ).drop("start", "end", "kind")


def add_position(rows: pl.DataFrame, register: Register) -> pl.DataFrame:
    """Add `position` and its scheme: the last known on the first day, at most two years old."""
    seen = register.positions.select(
        "person", "date", "position", position_scheme="scheme"
    ).collect()
    found = rows.sort("month").join_asof(
        seen.sort("date"), left_on="month", right_on="date", by="person", check_sortedness=False
    )
    fresh = pl.col("date") >= pl.col("month").dt.offset_by(f"-{_POSITION_MONTHS}mo")
    return found.with_columns(
        position=pl.when(fresh).then("position"),
        position_scheme=pl.when(fresh).then("position_scheme"),
    ).drop("date")


def add_history(
    rows: pl.DataFrame, register: Register, definition: Definition, period: Window
) -> pl.DataFrame:
    """Add months in work and on benefit before the month, by stretch, and times on benefit.

    Columns `worked_1_6, worked_7_12, worked_13_24`, `benefit_1_6 …` (months among those observed),
    `unseen_24` (months of the 24 in which the person was not there to be seen) and `spells_24`
    (times a benefit began in the 24 months before).

    Parameters
    ----------
    period : Window
        Of the months asked for and the 24 before.
    """
    persons = rows["person"].unique()
    first = month_index(period.start)
    parts = []
    for part in panel_parts(register, window=period, persons=persons, definition=definition):
        people = part["person"].to_numpy()[:: period.months]
        wanted = rows.filter(pl.col("person").is_in(people.tolist())) if len(people) else None
        if wanted is None or not wanted.height:
            continue
        parts.append(_history_of(wanted, part, people, period.months, first))
    return pl.concat(parts) if parts else rows


def _history_of(
    rows: pl.DataFrame, part: pl.DataFrame, people: IntArray, width: int, first: int
) -> pl.DataFrame:
    shape = (len(people), width)
    work = part["in_work"].fill_null(value=False).to_numpy().reshape(shape)
    benefit = part["on_benefit"].fill_null(value=False).to_numpy().reshape(shape)
    seen = part["observed"].to_numpy().reshape(shape)
    begun = benefit.copy()
    begun[:, 1:] &= ~benefit[:, :-1]
    who = np.searchsorted(people, rows["person"].to_numpy())
    month = rows.select(month_index(pl.col("month")) - first).to_series().to_numpy()
    columns = {}
    for name, held in (("worked", work), ("benefit", benefit)):
        total = _sums(held)
        for low, high in STRETCHES:
            columns[f"{name}_{low}_{high}"] = (
                total[who, month - low + 1] - total[who, month - high]
            ).astype(np.int8)
    longest = STRETCHES[-1][1]
    total = _sums(~seen)
    columns["unseen_24"] = (total[who, month] - total[who, month - longest]).astype(np.int8)
    total = _sums(begun)
    columns["spells_24"] = (total[who, month] - total[who, month - longest]).astype(np.int8)
    return rows.with_columns(pl.Series(name, values) for name, values in columns.items())


def _sums(held: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return how often, before each month: persons × (months + 1)."""
    out = np.zeros((held.shape[0], held.shape[1] + 1), np.int16)
    np.cumsum(held, axis=1, out=out[:, 1:])
    return out
