"""Exits from benefit, with where people went: one row an exit, nothing dropped without a count."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError, MissingValueError, OutsideCoverageError
from toolkit.provenance import versions
from toolkit.result import Result
from toolkit.trajectories.benefits import benefit_coverage, coverage_of, merged_spells
from toolkit.trajectories.calendar import Window
from toolkit.trajectories.days import (
    OPEN,
    day_number,
    first_days,
    months,
    months_gone,
    numbers,
    to_dates,
)
from toolkit.trajectories.destinations import destinations, enum_of
from toolkit.trajectories.leaving import Leaving, leaving
from toolkit.trajectories.work import Spans, work_spans

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray
    from toolkit.trajectories.definition import Definition

LEFT_TYPE = pl.Enum(["died", "emigrated", "pension", "lost"])


@dataclass(frozen=True, kw_only=True)
class Exits(Result):
    """Exits from benefit under a definition. Made by `exits`.

    Attributes
    ----------
    frame : pl.DataFrame
        One row an exit, sorted by person and exit date; columns in `exits`.
    definition : Definition
    window : Window
        Exit dates lie in it.
    """

    frame: pl.DataFrame = field(repr=False)
    definition: Definition
    window: Window
    #: Days in work under `definition`, kept for `durability`; None without jobs.
    work: Spans | None = field(default=None, repr=False, compare=False)

    @property
    def steps(self) -> list[tuple[str, int]]:
        """What was left after each step of selection, for a flow chart."""
        return list(self.meta["steps"])

    def keep(self, condition: pl.Expr, *, step: str) -> Exits:
        """Keep the exits where `condition` holds; the step of selection is counted."""
        frame = self.frame.filter(condition)
        meta = {
            **self.meta,
            "n": frame.height,
            "steps": [*self.steps, (step, frame.height)],
            "dropped": {**self.meta["dropped"], step: self.frame.height - frame.height},
        }
        return replace(self, frame=frame, meta=meta)

    def tidy(self) -> pl.DataFrame:
        """Return one row a destination: n and the share of exits whose destination is known."""
        counts = (
            self.frame.group_by("destination")
            .len("n")
            .sort("destination", nulls_last=True)
            .with_columns(pl.col("destination").cast(pl.String))
        )
        known = pl.col("destination").is_not_null()
        return counts.with_columns(
            estimate=pl.when(known).then(pl.col("n") / pl.col("n").filter(known).sum())
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: exits, those to work, those not known, and persons."""
        to_work = self.frame["to_work"]
        return pl.DataFrame(
            {
                "definition": self.definition.name,
                "start": self.window.start,
                "end": self.window.end,
                "n": self.frame.height,
                "n_person": self.frame["person"].n_unique(),
                "n_to_work": int(to_work.sum()),
                "n_not_observed": to_work.null_count(),
            }
        )


def exits(
    register: Register,
    definition: Definition,
    *,
    window: Window | str | tuple[date | str, date | str],
    allow_empty: bool = False,
) -> Exits:
    """Find the exits from benefit in a window, and where each went.

    The spells of `definition.schemes` of a person are merged over gaps of at most `max_gap_days`
    (per scheme if `switch_is_exit`); a merged spell that ends is an exit on its first day off
    benefit. A spell that still runs is none, nor is one that ended so late that a new start within
    the gap lies outside the data. Moving to another municipality without a gap is no exit.

    Parameters
    ----------
    register : Register
    definition : Definition
    window : Window, text or pair of dates
        Period of exit dates, within what the benefits cover.
    allow_empty : bool
        Return no rows where there is no exit, instead of an error (for one partition of many).

    Returns
    -------
    Exits
        `frame` has: person; exit_date (first day off); exit_month (its first day); scheme and
        municipality (of the last spell); entry_date; entry_observed (false when the spell may have
        started before the data); months_on_benefit (whole months); end_reason; to_work and
        destination (null where not observed); observed_until_benefits and observed_until_jobs
        (first day not observed: end of the source, death, emigration or pension age);
        left_because (what that is where a person left before the data ended: died, emigrated,
        pension, lost); next_entry_date (next spell in the same schemes).

    Raises
    ------
    OutsideCoverageError
        When the window or a source is not covered.
    EmptyCohortError
        When there is no exit.
    MissingValueError
        When the definition has ages and a birth month is missing.
    """
    begin = clock.perf_counter()
    period = Window.of(window)
    known = benefit_coverage(register, definition.schemes)
    _require_covered(period, known)
    spells, raw = merged_spells(
        register,
        definition.schemes,
        max_gap_days=definition.max_gap_days,
        by_scheme=definition.switch_is_exit,
    )
    steps = [("benefit spells", raw), ("spells after merging", spells.height)]
    person = spells["person"].cast(pl.Int64).to_numpy()
    start, end = numbers(spells["start"]), numbers(spells["end"], open_end=True)
    at = np.flatnonzero((end >= day_number(period.start)) & (end < day_number(period.end)))
    steps.append(("ended in the window", len(at)))
    left = leaving(register, person[at], end[at], definition.pension_age)
    exit_month = months(end[at] - (1 if definition.exit_month_of == "last_day_on" else 0))

    # Until this day a new start would make the end an interruption.
    sure = end[at] + definition.max_gap_days
    keep = sure < day_number(known[1])  # also of who died: else only those would be kept
    steps.append(("no new start within the gap can be unseen", int(keep.sum())))
    keep &= left.lost > sure
    steps.append(("not lost from the register by then", int(keep.sum())))
    for name, rule in _age_rules(register, definition, person[at], end[at], exit_month):
        keep &= rule
        steps.append((name, int(keep.sum())))
    if definition.excluded_end_reasons:
        reasons = spells["end_reason"].cast(pl.String)[at]
        keep &= ~reasons.is_in(definition.excluded_end_reasons).fill_null(value=False).to_numpy()
        steps.append(
            (f"end reason not {', '.join(definition.excluded_end_reasons)}", int(keep.sum()))
        )
    if not keep.any() and not allow_empty:
        raise EmptyCohortError(
            f"No exit from {'/'.join(definition.schemes)} in {period}",
            where="; ".join(f"{name}: {n:,}" for name, n in steps),
            fix="widen the window or the definition",
        )
    following = np.append(person[1:] == person[:-1], False)[at] if len(person) else keep
    if definition.switch_is_exit and len(person):
        scheme = spells["scheme"].to_physical().to_numpy()
        following &= np.append(scheme[1:] == scheme[:-1], False)[at]
    next_start = np.where(following, np.append(start[1:], OPEN)[at], OPEN)

    if definition.switch_is_exit:  # the spells are sorted by person and scheme
        rows = np.lexsort((end[at], person[at]))
        rows = rows[keep[rows]]
    else:
        rows = np.flatnonzero(keep)
    chosen = _rows(spells.select("person", "scheme", "municipality", "end_reason"), at[rows])
    at, left = at[rows], left[rows]
    jobs = coverage_of(register, "jobs")
    work = work_spans(register, definition) if jobs else None
    to_work, destination, notes = destinations(
        register,
        definition,
        person=person[at],
        exit_month=exit_month[rows],
        end_reason=chosen["end_reason"],
        left=left,
        work=work,
    )
    until = left.first
    ends = {"benefits": day_number(known[1]), "jobs": day_number(jobs[1]) if jobs else 0}
    frame = chosen.select(
        "person",
        exit_date=to_dates(end[at]),
        exit_month=to_dates(first_days(exit_month[rows])),
        scheme="scheme",
        municipality="municipality",
        entry_date=to_dates(start[at]),
        entry_observed=pl.Series(start[at] > day_number(known[0])),
        months_on_benefit=pl.Series(months_gone(start[at], end[at])).cast(pl.Int32),
        end_reason="end_reason",
        to_work=to_work,
        destination=destination,
        observed_until_benefits=to_dates(np.minimum(until, ends["benefits"])),
        observed_until_jobs=to_dates(np.minimum(until, ends["jobs"]))
        if jobs
        else pl.lit(None, pl.Date),
        left_because=_left_because(left, max(ends.values())),
        next_entry_date=to_dates(next_start[rows]),
    )
    meta = {
        "method": "Exits from benefit",
        "estimand": f"exits from {'/'.join(definition.schemes)} and where they lead",
        "versions": versions(),
        "wall_time": clock.perf_counter() - begin,
        "definition": definition,
        "window": (period.start, period.end),
        "n": frame.height,
        "steps": steps,
        "dropped": {
            f"not: {name}": before - after
            for (_, before), (name, after) in pairwise(steps[2:])
            if before > after
        },
        "running": int(spells["end"].null_count()),
        "covered": {"benefits": known, "jobs": jobs},
        "warnings": notes,
    }
    return Exits(frame=frame, definition=definition, window=period, work=work, meta=meta)


def _rows(frame: pl.DataFrame, at: IntArray) -> pl.DataFrame:
    """Return rows by number; in rising order a filter is faster than picking them one by one."""
    if len(at) and (at[1:] > at[:-1]).all():
        mask = np.zeros(frame.height, bool)
        mask[at] = True
        return frame.filter(pl.Series(mask))
    return frame[pl.Series(at, dtype=pl.UInt32)]


def _require_covered(period: Window, known: tuple[date, date]) -> None:
    if period.start < known[0] or period.end > known[1]:
        raise OutsideCoverageError(
            f"The window {period} lies outside what the benefits cover",
            where=f"benefits: {known[0]} to {known[1]} (exclusive)",
            fix="choose a window inside it",
        )


def _left_because(left: Leaving, data_end: int) -> pl.Series:
    """Why a person left before the data ended."""
    first = left.first
    code = np.full(len(first), 3, np.uint8)
    for number, days in ((2, left.pension), (1, left.emigrated), (0, left.died)):
        code[days == first] = number
    code[first >= min(data_end, left.unseen)] = len(LEFT_TYPE.categories)
    return enum_of(code, LEFT_TYPE)


def _age_rules(
    register: Register,
    definition: Definition,
    person: IntArray,
    day: IntArray,
    exit_month: IntArray,
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Say which exits have the ages a definition is about; of birth only the month is known."""
    low, high, reach = definition.min_age, definition.max_age, definition.drop_if_reaching
    if low is None and high is None and reach is None:
        return []
    births = register.persons.select("person", "birth_month").unique("person", keep="first")
    found = (
        pl.DataFrame({"person": person})
        .join(births.collect(), on="person", how="left", maintain_order="left")
        .get_column("birth_month")
    )
    if found.null_count():
        raise MissingValueError(
            f"{definition.name!r} has ages, and {found.null_count():,} exits have no birth month",
            where="table 'persons', column 'birth_month'",
            fix="give birth months, or a definition without ages",
        )
    born = months(numbers(found))
    age = months(day) - born
    rules = []
    if low is not None:
        rules.append((f"aged {low} or over", age >= 12 * low))
    if high is not None:
        rules.append((f"aged {high} or under", age < 12 * (high + 1)))
    if reach is not None:
        end = exit_month + definition.longest_horizon
        rules.append((f"not {reach} within follow-up", born + 12 * reach > end))
    return rules
