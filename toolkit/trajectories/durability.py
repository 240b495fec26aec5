"""What becomes of an exit: in work, without interruption, back on benefit; null if unseen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError, FollowUpWarning, HorizonError
from toolkit.result import Result
from toolkit.trajectories.benefits import (
    benefit_coverage,
    coverage_of,
    merged_spells,
    scheme_spells,
)
from toolkit.trajectories.calendar import Window, add_months, month_index, month_start, months_until
from toolkit.trajectories.indicators import indicators
from toolkit.trajectories.keys import OPEN, day_numbers, pack, to_dates
from toolkit.trajectories.spells import merge_frame
from toolkit.trajectories.work import Spans, spans, work_spans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition
    from toolkit.trajectories.exits import Exits
    from toolkit.trajectories.keys import IntArray

#: `return_event` and `work_event`.
CENSORED, HAPPENED, DIED, EMIGRATED = 0, 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Durability(Result):
    """What became of exits, one row an exit. Made by `durability`.

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
        """Return one row: exits, persons and the longest follow-up in months."""
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
    frame = _follow_work(frame, register, chosen, jobs)
    frame = _follow_return(frame, register, exits, chosen, benefits)
    unseen = _not_observed(frame, chosen, jobs, benefits)
    notes = [
        f"{column}: {row['coverage']:,} of {frame.height:,} exits lie too close to the end of the "
        "data; their outcome is missing, not 'no'"
        for column, row in unseen.items()
        if row["coverage"]
    ]
    for note in notes:
        warnings.warn(note, FollowUpWarning, stacklevel=2)
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
    jobs: tuple[date, date] | None,
) -> pl.DataFrame:
    """Add the outcomes that look at work, by calendar month after the exit month."""
    person = frame["person"].cast(pl.Int64).to_numpy()
    month = frame.select(month_index(pl.col("exit_month"))).to_series().to_numpy()
    seen = _months_seen(frame, month, jobs)
    days = work_spans(register, definition) if jobs else _none()
    months = days.in_months()
    run = months.reach(person, month + 1)
    columns: dict[str, pl.Series] = {}
    on_benefit = None
    if definition.off_benefit_at_horizon:
        rows = scheme_spells(register, definition.schemes).select("person", "start", "end")
        on_benefit = spans(merge_frame(rows, by=["person"], max_gap_days=0)).in_months()
    for h in definition.horizons:
        observed = seen >= h
        at = months.any_in(person, month + h, month + h + 1)
        if on_benefit is not None:
            at &= ~on_benefit.any_in(person, month + h, month + h + 1)
            # Both sources must cover the month; leaving the register is in `seen` already.
            observed &= month + h < month_index(benefit_coverage(register, definition.schemes)[1])
        columns[f"in_work_at_{h}"] = _where(at, observed)
        columns[f"uninterrupted_{h}"] = _where(run >= h, seen >= h)
        if definition.weeks is not None:
            columns[f"cumulative_{h}"] = _cumulative(frame, days, person, h, definition.weeks, jobs)
    out = run < seen
    gone = frame["left_because"].cast(pl.String)
    until = frame["observed_until_jobs"]
    left_month = frame.select(month_index(pl.col("observed_until_jobs"))).to_series()
    at_end = until < jobs[1] if jobs else pl.Series([False] * frame.height, dtype=pl.Boolean)
    parts = {"out": out, "seen": seen, "run": run, "gone": gone, "at_end": at_end}
    left = pl.DataFrame(parts).select(
        work_time=pl.when("out").then(pl.col("run") + 1)
        .when(pl.col("at_end") & pl.col("gone").is_in(["died", "emigrated"]))
        .then(pl.max_horizontal(left_month - pl.Series(month), 0))
        .otherwise(pl.max_horizontal("seen", 0)),
        work_event=pl.when("out").then(HAPPENED)
        .when(pl.col("at_end") & (pl.col("gone") == "died")).then(DIED)
        .when(pl.col("at_end") & (pl.col("gone") == "emigrated")).then(EMIGRATED)
        .otherwise(CENSORED).cast(pl.Int8),
    )  # fmt: skip
    return frame.with_columns(
        **columns, months_observed_jobs=pl.Series(np.maximum(seen, 0)), **left.to_dict()
    )


def _months_seen(frame: pl.DataFrame, month: IntArray, jobs: tuple[date, date] | None) -> IntArray:
    """Return how many whole months after the exit month are observed (−1: nothing)."""
    if jobs is None:
        return np.full(frame.height, -1, np.int64)
    until = frame.select(month_index(pl.col("observed_until_jobs"))).to_series()
    before = month_index(jobs[0]) + (1 if jobs[0].day > 1 else 0)
    # The month that holds the first unseen day is not whole; nor is one before the jobs begin.
    return np.where(month + 1 >= before, until.to_numpy() - 1 - month, -1)


def _cumulative(
    frame: pl.DataFrame,
    days: Spans,
    person: IntArray,
    h: int,
    weeks: int,
    jobs: tuple[date, date] | None,
) -> pl.Series:
    """Days in work in [exit date, exit date + h months), against 7 × weeks."""
    end = frame.select(add_months(pl.col("exit_date"), h)).to_series()
    worked = days.total_before(person, day_numbers(end).to_numpy()) - days.total_before(
        person, day_numbers(frame["exit_date"]).to_numpy()
    )
    if jobs is None:
        return _where(worked >= 0, np.zeros(frame.height, bool))
    observed = (end <= frame["observed_until_jobs"]) & (frame["exit_date"] >= jobs[0])
    return _where(worked >= 7 * weeks, observed.to_numpy())


def _follow_return(
    frame: pl.DataFrame,
    register: Register,
    exits: Exits,
    definition: Definition,
    benefits: tuple[date, date],
) -> pl.DataFrame:
    """Add the outcomes that look at a new benefit spell, by date."""
    frame = frame.with_columns(
        _return=_next_entry(frame, register, exits, definition),
        # The exits were followed under their own schemes; the return schemes may be known shorter.
        observed_until_benefits=pl.min_horizontal("observed_until_benefits", pl.lit(benefits[1])),
    )
    until = pl.col("observed_until_benefits")
    came = (pl.col("_return") < until).fill_null(value=False)
    left_first = until < benefits[1]
    seen = months_until(pl.col("exit_date"), until) - 1
    frame = frame.with_columns(
        months_to_return=pl.when(came).then(months_until(pl.col("exit_date"), pl.col("_return"))),
        months_observed_benefits=pl.max_horizontal(seen, 0),
        _seen=seen,
        return_event=pl.when(came).then(HAPPENED)
        .when(left_first & (pl.col("left_because") == "died")).then(DIED)
        .when(left_first & (pl.col("left_because") == "emigrated")).then(EMIGRATED)
        .otherwise(CENSORED).cast(pl.Int8),
    )  # fmt: skip
    return frame.with_columns(
        *(
            pl.when(pl.col("_seen") >= h)
            .then((pl.col("months_to_return") <= h).fill_null(value=False))
            .alias(f"returned_within_{h}")
            for h in definition.return_horizons
        ),
        return_time=pl.when(pl.col("return_event") == HAPPENED)
        .then("months_to_return")
        .when(pl.col("return_event") == CENSORED)
        .then("months_observed_benefits")
        .otherwise(pl.max_horizontal(pl.col("_seen") + 1, 0)),
    ).drop("_return", "_seen")


def _next_entry(
    frame: pl.DataFrame, register: Register, exits: Exits, definition: Definition
) -> pl.Series:
    """Return the start of the first new spell of a return scheme on or after the exit date.

    Spells are merged per scheme, so that a spell already running at the exit is no new one. Where
    the return schemes are those left, that is the person's next merged spell, known to the exits.
    """
    found = exits.definition
    same = found.max_gap_days == definition.max_gap_days and set(found.schemes) == set(
        definition.return_schemes
    )
    if same and (not found.switch_is_exit or len(found.schemes) == 1):
        return frame["next_entry_date"]
    spells, _ = merged_spells(
        register,
        definition.return_schemes,
        max_gap_days=definition.max_gap_days,
        by_scheme=True,
    )
    start = pack(spells["person"], day_numbers(spells["start"])).sort().to_numpy()
    starts = Spans(start, start)
    person = frame["person"].cast(pl.Int64).to_numpy()
    number = starts.next_start(person, day_numbers(frame["exit_date"]).to_numpy())
    return to_dates(pl.Series(np.where(number < 0, OPEN, number)))


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
        left = missing.filter(pl.col(until) < end) if end is not None else missing.clear()
        counts: dict[str, Any] = {
            str(why): n
            for why, n in left["left_because"]
            .value_counts(sort=True)
            .sort("left_because")
            .iter_rows()
        }
        out[name] = {"coverage": missing.height - left.height, **counts}
    return out


def _where(value: Any, observed: Any) -> pl.Series:
    """Return booleans, null where not observed."""
    return pl.select(
        pl.when(pl.Series(observed)).then(pl.Series(value, dtype=pl.Boolean))
    ).to_series()


def _none() -> Spans:
    empty = np.zeros(0, np.int64)
    return Spans(empty, empty)
