"""Cohorts for duration analysis: who comes in during a window, and who is there on a day."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError, OutsideCoverageError, check_option
from toolkit.provenance import versions
from toolkit.result import Result
from toolkit.trajectories.benefits import benefit_coverage, coverage_of, merged_spells
from toolkit.trajectories.calendar import Window, month_index, month_start
from toolkit.trajectories.days import (
    OPEN,
    day_number,
    first_days,
    months,
    months_to,
    numbers,
    to_dates,
)
from toolkit.trajectories.destinations import destinations
from toolkit.trajectories.leaving import leaving, people_coverage
from toolkit.trajectories.work import work_spans

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray
    from toolkit.trajectories.definition import Definition

Spells = Literal["first", "all"]


@dataclass(frozen=True, kw_only=True)
class Cohort(Result):
    """Benefit spells with their duration, ready for survival. Made by `inflow` and `stock`.

    Attributes
    ----------
    frame : pl.DataFrame
        person, entry_date, exit_date, scheme, municipality; `entry` (months already gone when
        followed from: 0 for inflow), `time` (months from the start of the spell to exit or
        censoring), `event` (1 exit, 0 censored), `cause` (destination; null when censored).
    definition : Definition
    """

    frame: pl.DataFrame = field(repr=False)
    definition: Definition

    @property
    def steps(self) -> list[tuple[str, int]]:
        """What was left after each step of selection, for a flow chart."""
        return list(self.meta["steps"])

    def tidy(self) -> pl.DataFrame:
        """Return one row a cause (null: censored): n and its share."""
        return (
            self.frame.group_by("cause")
            .len("n")
            .sort("cause", nulls_last=True)
            .with_columns(pl.col("cause").cast(pl.String), estimate=pl.col("n") / pl.col("n").sum())
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: spells, persons, exits, and months followed."""
        months_followed = (self.frame["time"] - self.frame["entry"]).sum()
        return pl.DataFrame(
            {
                "definition": self.definition.name,
                "n": self.frame.height,
                "n_person": self.frame["person"].n_unique(),
                "n_event": int(self.frame["event"].sum()),
                "months_followed": months_followed,
            }
        )


def inflow(
    register: Register,
    definition: Definition,
    *,
    window: Window | str | tuple[date | str, date | str],
    spells: Spells = "first",
    allow_empty: bool = False,
) -> Cohort:
    """Follow the benefit spells that start in a window, from their start.

    Parameters
    ----------
    register : Register
    definition : Definition
        Schemes, gap and what is work.
    window : Window, text or pair of dates
        Period of starts. A start on the first day the benefits cover may be an older spell, so the
        window must begin later; nor may the day be within the gap of it.
    spells : {"first", "all"}
        A person's first start in the window, or every one (then cluster by person).
    allow_empty : bool
        Return no rows where nobody starts, instead of an error (for one partition of many).

    Returns
    -------
    Cohort
        An exit in the h-th month of a spell stands at time h, a censoring after h whole months at
        time h. A spell is censored where the person is lost from the register, and from the day on
        which an exit could not be confirmed (the gap) or its destination not be observed (the month
        after) for want of data. Death, emigration and pension are causes.

    Raises
    ------
    OutsideCoverageError, EmptyCohortError
    """
    check_option("spells", spells, ("first", "all"))
    period = Window.of(window)
    known = benefit_coverage(register, definition.schemes)
    earliest = day_number(known[0]) + definition.max_gap_days
    if day_number(period.start) <= earliest or period.end > known[1]:
        raise OutsideCoverageError(
            f"New spells in {period} cannot be told from older ones",
            where=f"benefits: {known[0]} to {known[1]} (exclusive), gap "
            f"{definition.max_gap_days} days",
            fix="begin the window later than the coverage plus the gap, and end it within",
        )
    _require_destinations(register, definition, period.start)
    merged, raw = _merged(register, definition)
    steps = [("benefit spells", raw), ("spells after merging", merged.height)]
    chosen = merged.filter(pl.col("start") >= period.start, pl.col("start") < period.end)
    steps.append(("started in the window", chosen.height))
    if spells == "first":
        chosen = chosen.sort("person", "start", "scheme").unique(
            "person", keep="first", maintain_order=True
        )
        steps.append(("first of a person", chosen.height))
    start = numbers(chosen["start"])
    return _follow(
        register, definition, chosen, steps, entry_day=start,
        method=f"Inflow, {period}", allow_empty=allow_empty,
    )  # fmt: skip


def stock(
    register: Register,
    definition: Definition,
    *,
    date: date,
    allow_empty: bool = False,
) -> Cohort:
    """Follow the benefit spells that run on a day, from that day: left truncation.

    Long spells are over-represented among those on benefit on a day. `entry` holds the months gone
    by then, a begun month counted as gone: only part of it is seen, so nobody is at risk in it and
    who leaves in it is left out. An estimator that takes `entry` keeps the person at risk after it.

    Parameters
    ----------
    register : Register
    definition : Definition
    date : date
        On benefit on this day.
    allow_empty : bool
        Return no rows where nobody is, instead of an error (for one partition of many).

    Returns
    -------
    Cohort
        As `inflow`, with ``time > entry``. Durations of spells running at the start of the data
        count from the start date delivered.

    Raises
    ------
    OutsideCoverageError, EmptyCohortError
    """
    known = benefit_coverage(register, definition.schemes)
    if not known[0] <= date < known[1]:
        raise OutsideCoverageError(
            f"{date} lies outside what the benefits cover",
            where=f"benefits: {known[0]} to {known[1]} (exclusive)",
            fix="choose a day inside it",
        )
    _require_destinations(register, definition, date)
    merged, raw = _merged(register, definition)
    steps = [("benefit spells", raw), ("spells after merging", merged.height)]
    chosen = merged.filter(
        pl.col("start") <= date, pl.col("end").is_null() | (pl.col("end") > date)
    )
    steps.append((f"running on {date}", chosen.height))
    day = np.full(chosen.height, day_number(date), np.int64)
    return _follow(
        register, definition, chosen, steps, entry_day=day,
        method=f"Stock on {date}", allow_empty=allow_empty,
    )  # fmt: skip


def _merged(register: Register, definition: Definition) -> tuple[pl.DataFrame, int]:
    return merged_spells(
        register,
        definition.schemes,
        max_gap_days=definition.max_gap_days,
        by_scheme=definition.switch_is_exit,
    )


def _follow(
    register: Register,
    definition: Definition,
    chosen: pl.DataFrame,
    steps: list[tuple[str, int]],
    *,
    entry_day: IntArray,
    method: str,
    allow_empty: bool,
) -> Cohort:
    """Give spells their time, event and cause."""
    begin = clock.perf_counter()
    person = chosen["person"].cast(pl.Int64).to_numpy()
    start, end = numbers(chosen["start"]), numbers(chosen["end"], open_end=True)
    left = leaving(register, person, np.where(end < OPEN, end, entry_day), definition.pension_age)
    # Death, emigration and pension age end a spell even where no end of the benefit was delivered.
    gone = np.minimum(np.minimum(left.died, left.emigrated), left.pension)
    end = np.where(end < OPEN, end, gone)
    jobs = coverage_of(register, "jobs")
    day = np.where(end < OPEN, end, entry_day)
    _, cause, notes = destinations(
        register,
        definition,
        person=person,
        exit_month=months(day - (1 if definition.exit_month_of == "last_day_on" else 0)),
        end_reason=chosen["end_reason"],
        left=left,
        work=work_spans(register, definition) if jobs else None,
    )
    out_of_sight = np.minimum(
        left.lost - definition.max_gap_days, _last_known_exit(register, definition, jobs)
    )
    exited = end < out_of_sight
    time = np.where(
        exited, months_to(start, np.where(exited, end, start)), months_to(start, out_of_sight) - 1
    )
    frame = chosen.select(
        "person",
        entry_date="start",
        exit_date=to_dates(np.where(exited, end, OPEN)),
        scheme="scheme",
        municipality="municipality",
        entry=pl.Series(months_to(start, entry_day)),
        time=pl.Series(time),
        event=pl.Series(exited).cast(pl.Int8),
        cause=pl.when(pl.Series(exited)).then(cause),
    )
    frame = frame.filter(pl.col("time") > pl.col("entry"))
    steps.append(("at risk for at least a month", frame.height))
    if frame.height == 0 and not allow_empty:
        raise EmptyCohortError(
            f"No spell of {'/'.join(definition.schemes)} to follow",
            where="; ".join(f"{name}: {n:,}" for name, n in steps),
            fix="choose another window or date",
        )
    return Cohort(
        frame=frame.sort("person", "entry_date"),
        definition=definition,
        meta={
            "method": method,
            "estimand": "months on benefit up to the exit, by destination",
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
            "definition": definition,
            "n": frame.height,
            "n_event": int(frame["event"].sum()),
            "steps": steps,
            "warnings": notes,
        },
    )


def _deciding(register: Register, jobs: tuple[date, date] | None) -> list[tuple[date, date]]:
    """Return the periods of the sources, beside benefits, that destinations come from."""
    found = (jobs, coverage_of(register, "enrolments"))
    return [*(c for c in found if c is not None), *people_coverage(register)]


def _require_destinations(register: Register, definition: Definition, first: date) -> None:
    """Raise when exits are followed from before their destination can be seen in some source.

    Their cause would be null, and an estimator would take them for censored.
    """
    needed = month_start(month_index(first) + definition.month_after)
    for begin, _ in _deciding(register, coverage_of(register, "jobs")):
        if begin > needed:
            raise OutsideCoverageError(
                f"Where exits from {first} on lead cannot be seen: a source begins on {begin}",
                where=f"needed from {needed}",
                fix="begin later, or leave the source out of 'coverage' to follow exits without it",
            )


def _last_known_exit(
    register: Register, definition: Definition, jobs: tuple[date, date] | None
) -> int:
    """First day on which an exit could not be confirmed, or its destination not be observed."""
    known = benefit_coverage(register, definition.schemes)
    limit = day_number(known[1]) - definition.max_gap_days
    for _, last in [known, *_deciding(register, jobs)]:
        # The month after the exit month must be covered whole.
        first_unseen = months(np.array([day_number(last)], np.int64))
        exits_before = first_days(first_unseen - definition.month_after)[0]
        limit = min(limit, int(exits_before) + (definition.exit_month_of == "last_day_on"))
    return limit
