"""What becomes of an exit: in work, without interruption, back on benefit; null if unseen."""

from __future__ import annotations

import time as clock
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import EmptyCohortError, FollowUpWarning, HorizonError
from toolkit.result import Result
from toolkit.trajectories.benefits import benefit_coverage, coverage_of
from toolkit.trajectories.calendar import Window, add_months, month_index, month_start
from toolkit.trajectories.follow import (
    HAPPENED,
    follow_return,
    follow_work,
)
from toolkit.trajectories.indicators import indicators
from toolkit.trajectories.work import work_spans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition
    from toolkit.trajectories.exits import Exits


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
    begin = clock.perf_counter()
    chosen = definition or exits.definition
    frame, steps = _in_denominator(exits, chosen)
    jobs = coverage_of(register, "jobs")
    benefits = benefit_coverage(register, chosen.return_schemes)
    _require_horizons(chosen, exits.window, jobs, benefits)
    work = exits.work if same_work(chosen, exits.definition) else None
    if work is None and jobs is not None:
        work = work_spans(register, chosen)
    frame = follow_work(frame, register, chosen, work, jobs)
    frame = follow_return(frame, register, exits, chosen, benefits)
    unseen = _not_observed(frame, chosen, jobs, benefits)
    notes = _too_short(unseen, frame.height)
    if notes:
        warnings.warn(" ".join(notes), FollowUpWarning, stacklevel=2)
    meta = {
        **exits.meta,
        "method": "Durability of exits",
        "estimand": f"in work and back on benefit, share of {chosen.denominator_text} (gross)",
        "wall_time": clock.perf_counter() - begin,
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
