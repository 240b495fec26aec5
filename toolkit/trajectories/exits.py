"""Exits from benefit, with where people went: one row an exit, nothing dropped without a count."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import EmptyCohortError, MissingValueError, OutsideCoverageError
from toolkit.result import Result
from toolkit.trajectories.benefits import benefit_coverage, coverage_of, merged_spells
from toolkit.trajectories.calendar import Window, month_index, months_since
from toolkit.trajectories.destinations import destinations
from toolkit.trajectories.leaving import leaving

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
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

    @property
    def steps(self) -> list[tuple[str, int]]:
        """What was left after each step of selection, for a flow chart."""
        return list(self.meta["steps"])

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
    same = ["person", "scheme"] if definition.switch_is_exit else ["person"]
    following = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in same)
    ended = spells.with_columns(
        next_entry_date=pl.when(following).then(pl.col("start").shift(-1))
    ).filter(pl.col("end") >= period.start, pl.col("end") < period.end)
    steps.append(("ended in the window", ended.height))

    frame = ended.select(
        "person",
        exit_date="end",
        exit_month=_exit_month(definition),
        scheme=pl.col("scheme"),
        municipality="municipality",
        entry_date="start",
        entry_observed=pl.col("start") > known[0],
        months_on_benefit=months_since(pl.col("start"), pl.col("end")).cast(pl.Int32),
        end_reason="end_reason",
        next_entry_date="next_entry_date",
    )
    frame = frame.sort("person", "exit_date")
    gone = leaving(register, frame.select("person", day="exit_date"), definition.pension_age)
    frame = frame.hstack(gone)
    sure = pl.col("exit_date").dt.offset_by(f"{definition.max_gap_days}d")
    left_for_good = pl.min_horizontal("died", "emigrated") <= sure
    frame = _step(
        frame, steps, "end confirmed (a new start within the gap would have been seen)",
        (sure < known[1]) | left_for_good.fill_null(value=False),
    )  # fmt: skip
    frame = _step(
        frame, steps, "not lost from the register at that moment",
        pl.col("lost").is_null() | (pl.col("lost") > sure),
    )  # fmt: skip
    frame = _select_ages(register, definition, frame, steps)
    if definition.excluded_end_reasons:
        excluded = pl.col("end_reason").cast(pl.String).is_in(definition.excluded_end_reasons)
        frame = _step(
            frame, steps, f"end reason not {', '.join(definition.excluded_end_reasons)}",
            ~excluded.fill_null(value=False),
        )  # fmt: skip
    if frame.height == 0 and not allow_empty:
        raise EmptyCohortError(
            f"No exit from {'/'.join(definition.schemes)} in {period}",
            where="; ".join(f"{name}: {n:,}" for name, n in steps),
            fix="widen the window or the definition",
        )
    frame, notes = destinations(register, definition, frame)
    jobs = coverage_of(register, "jobs")
    data_end = max(known[1], jobs[1]) if jobs else known[1]
    until = pl.min_horizontal("died", "emigrated", "lost", "pensioned")
    frame = frame.with_columns(
        observed_until_benefits=pl.min_horizontal(until, pl.lit(known[1])),
        observed_until_jobs=pl.min_horizontal(until, pl.lit(jobs[1]))
        if jobs
        else pl.lit(None, pl.Date),
        left_because=pl.when(until.is_null() | (until >= data_end))
        .then(None)
        .when(pl.col("died") == until).then(pl.lit("died"))
        .when(pl.col("emigrated") == until).then(pl.lit("emigrated"))
        .when(pl.col("pensioned") == until).then(pl.lit("pension"))
        .otherwise(pl.lit("lost"))
        .cast(LEFT_TYPE),
    )  # fmt: skip
    columns = [
        "person", "exit_date", "exit_month", "scheme", "municipality", "entry_date",
        "entry_observed", "months_on_benefit", "end_reason", "to_work", "destination",
        "observed_until_benefits", "observed_until_jobs", "left_because", "next_entry_date",
    ]  # fmt: skip
    frame = frame.select(columns)
    running = int(spells["end"].is_null().sum())
    meta = {
        "method": "Exits from benefit",
        "definition": definition,
        "window": (period.start, period.end),
        "n": frame.height,
        "steps": steps,
        "dropped": {
            name: before - after
            for (_, before), (name, after) in pairwise(steps[2:])
            if before > after
        },
        "running": running,
        "covered": {"benefits": known, "jobs": jobs},
        "warnings": notes,
    }
    return Exits(frame=frame, definition=definition, window=period, meta=meta)


def _require_covered(period: Window, known: tuple[date, date]) -> None:
    if period.start < known[0] or period.end > known[1]:
        raise OutsideCoverageError(
            f"The window {period} lies outside what the benefits cover",
            where=f"benefits: {known[0]} to {known[1]} (exclusive)",
            fix="choose a window inside it",
        )


def _exit_month(definition: Definition) -> pl.Expr:
    """First day of the exit month: of the first day off benefit, or of the last day on it."""
    day = pl.col("end")
    if definition.exit_month_of == "last_day_on":
        day = day.dt.offset_by("-1d")
    return day.dt.truncate("1mo")


def _step(
    frame: pl.DataFrame, steps: list[tuple[str, int]], name: str, keep: pl.Expr
) -> pl.DataFrame:
    frame = frame.filter(keep)
    steps.append((name, frame.height))
    return frame


def _select_ages(
    register: Register,
    definition: Definition,
    frame: pl.DataFrame,
    steps: list[tuple[str, int]],
) -> pl.DataFrame:
    """Keep the ages a definition is about; the month of birth is all that is known of the day."""
    low, high, reach = definition.min_age, definition.max_age, definition.drop_if_reaching
    if low is None and high is None and reach is None:
        return frame
    births = register.persons.select("person", "birth_month").unique("person", keep="first")
    frame = frame.join(births.collect(), on="person", how="left", maintain_order="left")
    missing = frame["birth_month"].null_count()
    if missing:
        raise MissingValueError(
            f"{definition.name!r} has ages, and {missing:,} exits have no birth month",
            where="table 'persons', column 'birth_month'",
            fix="give birth months, or a definition without ages",
        )
    months = month_index(pl.col("exit_date")) - month_index(pl.col("birth_month"))
    if low is not None:
        frame = _step(frame, steps, f"aged {low} or over", months >= 12 * low)
    if high is not None:
        frame = _step(frame, steps, f"aged {high} or under", months < 12 * (high + 1))
    if reach is not None:
        end = month_index(pl.col("exit_month")) + definition.longest_horizon
        turns = month_index(pl.col("birth_month")) + 12 * reach
        frame = _step(frame, steps, f"not {reach} within follow-up", turns > end)
    return frame.drop("birth_month")
