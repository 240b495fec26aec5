"""What becomes of an exit: in work, without interruption, back on benefit; null if unseen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError, FollowUpWarning, HorizonError
from toolkit.result import Result
from toolkit.trajectories.benefits import benefit_coverage, coverage_of, merged_spells
from toolkit.trajectories.calendar import Window, add_months, month_index, month_start
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
from toolkit.trajectories.indicators import indicators
from toolkit.trajectories.keys import pack
from toolkit.trajectories.work import Spans, no_spans, work_spans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray
    from toolkit.trajectories.definition import Definition
    from toolkit.trajectories.exits import Exits

#: `return_event` and `work_event`.
CENSORED, HAPPENED, DIED, EMIGRATED = 0, 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Durability(Result):
    """What became of exits (or of starts of support), one row each. Made by `durability`.

    Attributes
    ----------
    frame : pl.DataFrame
        The columns of the exits and those of `durability`.
    definition : Definition
    window : Window
    """

    frame: pl.DataFrame = field(repr=False)
    definition: Definition
    window: Window

    @property
    def steps(self) -> list[tuple[str, int]]:
        """What was left after each step of selection, for a flow chart."""
        return list(self.meta["steps"])

    def indicators(
        self, by: str | Sequence[str] | None = None, *, conf_level: float = 0.95
    ) -> pl.DataFrame:
        """Return shares with their denominators; see `toolkit.trajectories.indicators`."""
        return indicators(self.frame, self.definition, by=by, conf_level=conf_level)

    def tidy(self) -> pl.DataFrame:
        """Return the indicators over all exits."""
        return self.indicators()

    def glance(self) -> pl.DataFrame:
        """Return one row: exits, persons and the months of work history observed."""
        return pl.DataFrame(
            {
                "definition": self.definition.name,
                "denominator": self.definition.denominator_text,
                "n": self.frame.height,
                "n_person": self.frame["person"].n_unique(),
                "longest_return_follow_up": self.frame["months_observed_benefits"].max(),
                "longest_work_follow_up": self.frame["months_observed_jobs"].max(),
            }
        )


def durability(
    exits: Exits, register: Register, definition: Definition | None = None
) -> Durability:
    """Follow exits: work at each horizon, return to benefit, and time to either.

    Parameters
    ----------
    exits : Exits
    register : Register
    definition : Definition, optional
        Work, horizons, return and denominator; the one the exits were found with when not given.

    Returns
    -------
    Durability
        `frame` has the columns of the exits in the denominator, and for each horizon h

        ``in_work_at_h``
            a counted job on any day of the calendar month h months after the exit month;
        ``uninterrupted_h``
            a counted job in every month 1 … h after it;
        ``cumulative_h`` (when the definition has `weeks`)
            at least that many weeks in work in [exit date, exit date + h months);
        ``returned_within_h``
            a new spell of a return scheme starts on or before exit date + h months.

        Each is null unless the whole of its period is observed, also where the answer could be
        known before: else early returns would count and late ones not. ``months_to_return`` is
        the smallest such h (null without an observed return). ``return_time`` (months) and
        ``return_event`` (0 censored, 1 returned, 2 died, 3 emigrated), ``work_time`` (the first
        month after the exit month without work) and ``work_event`` use all that is observed; an
        event in month h stands at time h, a censoring after h whole months at time h.
        ``months_observed_benefits`` and ``months_observed_jobs`` say how far that is.

    Raises
    ------
    HorizonError
        When a horizon lies past the data even for the first day of the window.
    EmptyCohortError
        When exits were found but none is in the denominator.

    Warns
    -----
    FollowUpWarning
        When a horizon lies past the data for a part; counted in ``meta["not_observed"]``.
    """
    chosen = definition or exits.definition
    frame, steps = _in_denominator(exits, chosen)
    jobs = coverage_of(register, "jobs")
    benefits = benefit_coverage(register, chosen.return_schemes)
    _require_horizons(chosen, exits.window, jobs, benefits)
    work = exits.work if same_work(chosen, exits.definition) else None
    if work is None and jobs is not None:
        work = work_spans(register, chosen)
    frame = _follow_work(frame, register, chosen, work, jobs)
    frame = _follow_return(frame, register, exits, chosen, benefits)
    unseen = _not_observed(frame, chosen, jobs, benefits)
    notes = _too_short(unseen, frame.height)
    if notes:
        warnings.warn(" ".join(notes), FollowUpWarning, stacklevel=2)
    meta = {
        **exits.meta,
        "method": "Durability of exits",
        "definition": chosen,
        "n": frame.height,
        "n_event": int((frame["return_event"] == HAPPENED).sum()),
        "steps": steps,
        "not_observed": unseen,
        "warnings": [*exits.meta.get("warnings", ()), *notes],
    }
    return Durability(frame=frame, definition=chosen, window=exits.window, meta=meta)


def same_work(one: Definition, other: Definition) -> bool:
    """Return whether the same jobs count as work under both."""
    return (set(one.work_kinds), one.work_contracts, one.min_hours) == (
        set(other.work_kinds),
        other.work_contracts,
        other.min_hours,
    )


def _in_denominator(
    exits: Exits, definition: Definition
) -> tuple[pl.DataFrame, list[tuple[str, int]]]:
    frame, steps = exits.frame, exits.steps
    if definition.denominator == "exits_to_work":
        known = frame.filter(pl.col("to_work").is_not_null())
        steps.append(("to work or not is observed", known.height))
        found = known.filter("to_work")
        steps.append(("to work", found.height))
        if frame.height and not found.height:
            raise EmptyCohortError(
                "No exit to work",
                where="; ".join(f"{name}: {n:,}" for name, n in steps),
                fix="widen the window or what counts as work",
            )
        frame = found
    return frame, steps


def _require_horizons(
    definition: Definition,
    window: Window,
    jobs: tuple[date, date] | None,
    benefits: tuple[date, date],
) -> None:
    """Raise when not even an exit on the first day of the window is seen up to a horizon."""
    first = month_index(window.start)
    if jobs is not None:
        last = max(definition.horizons)
        needed = month_start(first + last + 1)
        if needed > jobs[1]:
            raise HorizonError(
                f"Work at {last} months lies past the data for every exit in {window}",
                where=f"source 'jobs' ends on {jobs[1]}, needed is {needed}",
                fix="choose an earlier window or a shorter horizon",
            )
    last = max(definition.return_horizons)
    if add_months(window.start, last) >= benefits[1]:
        raise HorizonError(
            f"A return within {last} months lies past the data for every exit in {window}",
            where=f"source 'benefits' ends on {benefits[1]}",
            fix="choose an earlier window or a shorter horizon",
        )


def _follow_work(
    frame: pl.DataFrame,
    register: Register,
    definition: Definition,
    work: Spans | None,
    jobs: tuple[date, date] | None,
) -> pl.DataFrame:
    """Add the outcomes that look at work, by calendar month after the exit month."""
    person = frame["person"].cast(pl.Int64).to_numpy()
    month = months(numbers(frame["exit_month"]))
    until = _until(frame, "observed_until_jobs")
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
    gone = _left_first(frame, until, end) if jobs else np.zeros(len(month), np.int8)
    event = np.where(out, np.int8(HAPPENED), gone)
    # Who leaves in month k was seen in work up to month k − 1, and leaves at k.
    time = np.where(out, run + 1, np.where(gone > 0, months(until) - month, seen))
    return frame.with_columns(
        **columns,
        months_observed_jobs=pl.Series(np.maximum(seen, 0)),
        work_time=pl.Series(np.maximum(time, 0)),
        work_event=pl.Series(event, dtype=pl.Int8),
    )


def _until(frame: pl.DataFrame, column: str) -> IntArray:
    """First day not observed, as day numbers; 0 where the source is not there."""
    return frame[column].to_physical().cast(pl.Int64).fill_null(-ZERO).to_numpy() + ZERO


def _left_first(frame: pl.DataFrame, until: IntArray, end: int) -> NDArray[np.int8]:
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


def _follow_return(
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
    until = np.minimum(_until(frame, "observed_until_benefits"), end)
    came = back < until
    gone = _left_first(frame, until, end)
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


def _too_short(unseen: dict[str, dict[str, int]], total: int) -> list[str]:
    """Say which outcomes are missing because the data end, those of as many exits in one line."""
    alike: dict[int, list[str]] = {}
    for column, counts in unseen.items():
        alike.setdefault(counts["coverage"], []).append(column)
    return [
        f"{', '.join(columns)}: {n:,} of {total:,} exits lie too close to the end of the data; "
        "their outcome is missing, not 'no'."
        for n, columns in alike.items()
        if n
    ]


def _not_observed(
    frame: pl.DataFrame,
    definition: Definition,
    jobs: tuple[date, date] | None,
    benefits: tuple[date, date],
) -> dict[str, dict[str, int]]:
    """Count, for each outcome, the exits not observed: because the data end, or the person left."""
    out: dict[str, dict[str, int]] = {}
    names = [
        name
        for h in sorted({*definition.horizons, *definition.return_horizons})
        for name in (
            f"in_work_at_{h}",
            f"uninterrupted_{h}",
            f"cumulative_{h}",
            f"returned_within_{h}",
        )
        if name in frame.columns
    ]
    for name in names:
        until, end = (
            ("observed_until_benefits", benefits[1])
            if name.startswith("returned")
            else ("observed_until_jobs", jobs[1] if jobs else None)
        )
        missing = frame.filter(pl.col(name).is_null())
        gone = (pl.col(until) < end) & pl.col("left_because").is_not_null()
        left = missing.filter(gone) if end is not None else missing.clear()
        counts: dict[str, Any] = {
            str(why): n
            for why, n in left["left_because"]
            .value_counts(sort=True)
            .sort("left_because")
            .iter_rows()
        }
        out[name] = {"coverage": missing.height - left.height, **counts}
    return out
