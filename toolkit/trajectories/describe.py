"""What kind of person an exit is: traits, place, and whether a programme came before."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
import polars as pl

from toolkit.trajectories.benefits import coverage_of
from toolkit.trajectories.calendar import add_months, month_index
from toolkit.trajectories.exits import Exits

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register


@overload
def describe(exits: Exits, register: Register, *, programme_months: int = 24) -> Exits: ...
@overload
def describe(
    exits: pl.DataFrame, register: Register, *, programme_months: int = 24
) -> pl.DataFrame: ...
def describe(
    exits: Exits | pl.DataFrame, register: Register, *, programme_months: int = 24
) -> Exits | pl.DataFrame:
    """Add traits to exits: who, where, and with or without a programme.

    Parameters
    ----------
    exits : Exits or pl.DataFrame
        With columns person, exit_date and municipality.
    register : Register
    programme_months : int
        How far to look back from the exit date for a programme.

    Returns
    -------
    Exits or pl.DataFrame
        With sex, origin, education, work_limited; age_at_exit (years; of birth the month is known);
        region and size_class of the municipality; household (its kind on the exit date, null where
        none is known); and

        ``with_programme``
            a programme started in the `programme_months` months before the exit (or on its day), or
            one was running on it; null when the programmes do not cover all of that time, also
            where one is seen: else those would be the only ones known.
        ``instrument``, ``target_group``
            of the last such programme to start.

    Notes
    -----
    Every trait is null for a person who is not in `persons`.
    """
    frame = exits.frame if isinstance(exits, Exits) else exits
    columns = ["person", "sex", "origin", "education", "work_limited", "birth_month"]
    persons = register.persons.select(columns).unique("person", keep="first").collect()
    places = register.municipalities.select("municipality", "region", "size_class").collect()
    out = (
        frame.join(persons, on="person", how="left", maintain_order="left")
        .with_columns(
            age_at_exit=(
                (month_index(pl.col("exit_date")) - month_index(pl.col("birth_month"))) // 12
            ).cast(pl.Int16)
        )
        .drop("birth_month")
        .join(places, on="municipality", how="left", maintain_order="left")
    )
    out = _with_household(out, register)
    out = _with_programme(out, register, programme_months)
    if isinstance(exits, Exits):
        return Exits(
            frame=out,
            definition=exits.definition,
            window=exits.window,
            work=exits.work,
            meta={**exits.meta, "programme_months": programme_months},
        )
    return out


def _with_household(frame: pl.DataFrame, register: Register) -> pl.DataFrame:
    """Add the kind of household on the exit date; the one that began last where several hold."""
    found = (
        frame.lazy()
        .select("person", "exit_date")
        .with_row_index("_row")
        .join(register.households.select("person", "start", "end", "kind"), on="person")
        .filter(
            pl.col("start") <= pl.col("exit_date"),
            pl.col("end").is_null() | (pl.col("end") > pl.col("exit_date")),
        )
        .sort("_row", "start")
        .group_by("_row", maintain_order=True)
        .agg(household=pl.col("kind").last())
        .collect()
    )
    return (
        frame.with_row_index("_row")
        .join(found, on="_row", how="left", maintain_order="left")
        .drop("_row")
    )


def _with_programme(frame: pl.DataFrame, register: Register, back: int) -> pl.DataFrame:
    covered: tuple[date, date] | None = coverage_of(register, "programmes")
    rows = frame.select("person", "exit_date").with_row_index("_row")
    found = (
        rows.lazy()
        .join(
            register.programmes.filter(pl.col("start").is_not_null()).select(
                "person", "start", "end", "instrument", "target_group", "programme"
            ),
            on="person",
        )
        .filter(
            pl.col("start") <= pl.col("exit_date"),
            (pl.col("start") >= add_months(pl.col("exit_date"), -back))
            | pl.col("end").is_null()
            | (pl.col("end") > pl.col("exit_date")),
        )
        .sort("_row", "start", "programme")
        .group_by("_row", maintain_order=True)
        .agg(pl.col("instrument").last(), pl.col("target_group").last())
        .collect()
    )
    if covered is None:
        seen = pl.lit(value=False)
    else:
        seen = (add_months(pl.col("exit_date"), -back) >= covered[0]) & (
            pl.col("exit_date") < covered[1]
        )
    has = np.zeros(frame.height, bool)
    has[found["_row"].to_numpy()] = True
    return (
        frame.with_columns(_has=pl.Series(has))
        .with_row_index("_row")
        .with_columns(with_programme=pl.when(seen).then("_has"))
        .join(found, on="_row", how="left", maintain_order="left")
        .drop("_row", "_has")
    )
