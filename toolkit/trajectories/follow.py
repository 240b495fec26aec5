"""Following exits through the data: work by calendar month, return by date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.benefits import benefit_coverage, merged_spells
from toolkit.trajectories.calendar import month_index
from toolkit.trajectories.days import (
    OPEN,
    ZERO,
    day_number,
    day_numbers,
    months,
    months_to,
    numbers,
    plus_months,
    to_dates,
)
from toolkit.trajectories.destinations import Known, own_spans
from toolkit.trajectories.exits import LEFT_TYPE
from toolkit.trajectories.keys import pack
from toolkit.trajectories.work import Spans, no_spans

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray
    from toolkit.trajectories.definition import Definition
    from toolkit.trajectories.exits import Exits

#: `return_event` and `work_event`.
CENSORED, HAPPENED, DIED, EMIGRATED = 0, 1, 2, 3


def follow_work(
    frame: pl.DataFrame,
    register: Register,
    definition: Definition,
    work: Spans | None,
    jobs: tuple[date, date] | None,
) -> pl.DataFrame:
    """Add the outcomes that look at work, by calendar month after the exit month."""
    person = frame["person"].cast(pl.Int64).to_numpy()
    month = months(numbers(frame["exit_month"]))
    until = unseen_from(frame, "observed_until_jobs")
    end = day_number(jobs[1]) if jobs else 0
    seen = _months_seen(month, until, jobs)
    days = work or no_spans()
    by_month = days.in_months()
    run = by_month.reach(person, month + 1)
    columns: dict[str, pl.Series] = {}
    own = own_spans(register, definition).in_months() if definition.off_benefit_at_horizon else None
    for h in definition.horizons:
        at = month + h
        here = Known(by_month.any_in(person, at, at + 1), seen >= h)
        if own is not None:
            last = months(numbers(pl.Series([benefit_coverage(register, definition.schemes)[1]])))
            off = (seen >= h) & (at < last[0])
            here = Known(here.yes & ~own.any_in(person, at, at + 1), off)
        columns[f"in_work_at_{h}"] = here.series()
        columns[f"uninterrupted_{h}"] = Known(run >= h, seen >= h).series()
        if definition.weeks is not None:
            columns[f"cumulative_{h}"] = _cumulative(frame, days, h, definition.weeks, until, jobs)
    out = run < seen
    gone = left_first(frame, until, end) if jobs else np.zeros(len(month), np.int8)
    event = np.where(out, np.int8(HAPPENED), gone)
    # Who leaves in month k was seen in work up to month k − 1, and leaves at k.
    time = np.where(out, run + 1, np.where(gone > 0, months(until) - month, seen))
    return frame.with_columns(
        **columns,
        months_observed_jobs=pl.Series(np.maximum(seen, 0)),
        work_time=pl.Series(np.maximum(time, 0)),
        work_event=pl.Series(event, dtype=pl.Int8),
    )


def unseen_from(frame: pl.DataFrame, column: str) -> IntArray:
    """First day not observed, as day numbers; 0 where the source is not there."""
    return frame[column].to_physical().cast(pl.Int64).fill_null(-ZERO).to_numpy() + ZERO


def left_first(frame: pl.DataFrame, until: IntArray, end: int) -> NDArray[np.int8]:
    """Return the event of a person who died or emigrated before a source ended, else 0."""
    code = frame["left_because"].to_physical().fill_null(9).to_numpy()
    table = np.zeros(10, np.int8)
    table[LEFT_TYPE.categories.to_list().index("died")] = DIED
    table[LEFT_TYPE.categories.to_list().index("emigrated")] = EMIGRATED
    return np.where(until < end, table[code], np.int8(CENSORED))


def _months_seen(month: IntArray, until: IntArray, jobs: tuple[date, date] | None) -> IntArray:
    """Return how many whole months after the exit month are observed (−1: nothing)."""
    if jobs is None:
        return np.full(len(month), -1, np.int64)
    before = month_index(jobs[0]) + (1 if jobs[0].day > 1 else 0)
    # The month that holds the first unseen day is not whole; nor is one before the jobs begin.
    return np.where(month + 1 >= before, months(until) - 1 - month, -1)


def _cumulative(
    frame: pl.DataFrame,
    days: Spans,
    h: int,
    weeks: int,
    until: IntArray,
    jobs: tuple[date, date] | None,
) -> pl.Series:
    """Days in work in [exit date, exit date + h months), against 7 × weeks."""
    person, start = frame["person"].cast(pl.Int64).to_numpy(), numbers(frame["exit_date"])
    end = plus_months(start, h)
    worked = days.total_before(person, end) - days.total_before(person, start)
    first = day_number(jobs[0]) if jobs else OPEN
    return Known(worked >= 7 * weeks, (end <= until) & (start >= first)).series()


def follow_return(
    frame: pl.DataFrame,
    register: Register,
    exits: Exits,
    definition: Definition,
    benefits: tuple[date, date],
) -> pl.DataFrame:
    """Add the outcomes that look at a new benefit spell, by date."""
    start = numbers(frame["exit_date"])
    back = _next_entry(frame, register, exits, definition)
    end = day_number(benefits[1])
    # The exits were followed under their own schemes; the return schemes may be known shorter.
    until = np.minimum(unseen_from(frame, "observed_until_benefits"), end)
    came = back < until
    gone = left_first(frame, until, end)
    seen = months_to(start, until) - 1
    months_to_return = months_to(start, np.where(came, back, start))
    event = np.where(came, np.int8(HAPPENED), gone)
    time = np.where(came, months_to_return, np.where(gone > 0, seen + 1, seen))
    returned = {
        f"returned_within_{h}": Known(came & (months_to_return <= h), seen >= h).series()
        for h in definition.return_horizons
    }
    return frame.with_columns(
        **returned,
        observed_until_benefits=to_dates(until),
        months_observed_benefits=pl.Series(np.maximum(seen, 0)),
        months_to_return=pl.when(pl.Series(came)).then(pl.Series(months_to_return)),
        return_time=pl.Series(np.maximum(time, 0)),
        return_event=pl.Series(event, dtype=pl.Int8),
    )


def _next_entry(
    frame: pl.DataFrame, register: Register, exits: Exits, definition: Definition
) -> IntArray:
    """Return the day of the first new spell of a return scheme on or after the exit date.

    Spells are merged per scheme, so that a spell already running at the exit is no new one. Where
    the return schemes are those left, that is the person's next merged spell, known to the exits.
    """
    found = exits.definition
    same = found.max_gap_days == definition.max_gap_days and set(found.schemes) == set(
        definition.return_schemes
    )
    if same and (not found.switch_is_exit or len(found.schemes) == 1):
        return numbers(frame["next_entry_date"], open_end=True)
    spells, _ = merged_spells(
        register,
        definition.return_schemes,
        max_gap_days=definition.max_gap_days,
        by_scheme=True,
    )
    start = pack(spells["person"], day_numbers(spells["start"])).sort().to_numpy()
    person = frame["person"].cast(pl.Int64).to_numpy()
    return Spans(start, start).next_start(person, numbers(frame["exit_date"]))
