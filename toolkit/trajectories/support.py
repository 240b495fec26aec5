"""Person-months in which a programme might start: what dynamic assignment is studied on."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError, EmptyCohortError, OutsideCoverageError
from toolkit.provenance import versions
from toolkit.result import Result
from toolkit.trajectories.benefits import benefit_coverage, coverage_of, merged_spells
from toolkit.trajectories.calendar import Window, month_index, month_start
from toolkit.trajectories.days import first_days, to_dates
from toolkit.trajectories.support_rows import first_starts, months_on_benefit
from toolkit.trajectories.support_traits import (
    STRETCHES,
    add_history,
    add_household,
    add_position,
    add_traits,
)

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition


@dataclass(frozen=True, kw_only=True)
class SupportPanel(Result):
    """Months at risk of a programme start; made by `support_panel`.

    Attributes
    ----------
    frame : DataFrame
        A row a spell and month, sorted by person and month; see `support_panel`.
    definition : Definition
    window : Window
    """

    frame: pl.DataFrame = field(repr=False)
    definition: Definition
    window: Window

    def tidy(self) -> pl.DataFrame:
        """Return a row per instrument (null: no start): person-months and persons."""
        return (
            self.frame.with_columns(started=pl.when("starts").then("instrument"))
            .group_by("starts", "started")
            .agg(n=pl.len(), n_person=pl.col("person").n_unique())
            .sort("starts", "started")
            .select(instrument="started", starts="starts", n="n", n_person="n_person")
        )

    def glance(self) -> pl.DataFrame:
        """Return one row: person-months, spells, persons, starts."""
        return self.frame.select(
            n=pl.len(),
            n_spell=pl.col("spell").n_unique(),
            n_person=pl.col("person").n_unique(),
            n_event=pl.col("starts").sum(),
        )


def support_panel(
    register: Register,
    definition: Definition,
    *,
    window: Window | str | tuple[date | str, date | str],
    washout: int = 12,
    pension_age: int = 65,
) -> SupportPanel:
    """Make the panel of months in which somebody on benefit might start a first programme.

    A row is a benefit spell and a calendar month on whose first day the spell runs and no programme
    has started in it; everything on it was known on that day, but for whether a programme starts.

    Parameters
    ----------
    register : Register
    definition : Definition
        Its schemes and largest gap make the spells; what is work makes the history.
    window : Window, text or pair of dates
        Months of the rows; sources must cover the 24 months before as well.
    washout : int
        Spells with a programme on their first day, or in so many months before it, are left out.
    pension_age : int
        Years; from the month of that age on nobody is at risk.

    Returns
    -------
    SupportPanel
        `frame` with `person, spell` (number), `month` (its first day), `quarter` (first day),
        `duration` (whole months on benefit); `starts` (a first programme starts in the month),
        `treated_at` (the duration at which the spell's first programme starts, null if none is
        seen), `instrument, aim` of it; `offered` (that programme's offer came in an earlier month);
        and what was known: `scheme, municipality, region, size_class, sex, origin, education,
        work_limited, age, household, children, position, position_scheme`, months in work and on
        benefit before (`worked_1_6, worked_7_12, worked_13_24, benefit_…`), `unseen_24, spells_24`.
        Nulls are what the register does not know.

    Raises
    ------
    CallError, OutsideCoverageError, EmptyCohortError

    Notes
    -----
    Dynamic assignment (Sianesi 2004; Fredriksson and Johansson 2008): who will start later is still
    a candidate now, and who leaves benefit first never starts. A frame of ever-treated persons
    would condition on that future.
    """
    begin = clock.perf_counter()
    for name, value in (("washout", washout), ("pension_age", pension_age)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise CallError(f"{name}={value!r} is no whole number from 0", fix="months, and years")
    period = Window.of(window)
    longest = STRETCHES[-1][1]
    history = Window(month_start(month_index(period.start) - longest), period.end)
    _require_coverage(register, definition, history, period)
    first = month_index(period.start)
    parts, steps = [], dict.fromkeys(_STEPS, 0)
    for index in range(max(len(register.partitions), 1)):
        part = register.part(index) if len(register.partitions) > 1 else register
        rows, counted = _rows(part, definition, first, first + period.months, washout, pension_age)
        for name, n in counted.items():
            steps[name] += n
        if rows.height:
            for add in (add_traits, add_household, add_position):
                rows = add(rows, part)
            parts.append(add_history(rows, part, definition, history))
    if not parts or not steps[_STEPS[-1]]:
        raise EmptyCohortError(
            f"Nobody on {'/'.join(definition.schemes)} might start a programme in {period}",
            where="; ".join(f"{name}: {n:,}" for name, n in steps.items()),
            fix="choose another window",
        )
    frame = pl.concat(parts).sort("person", "month")
    spell = pl.struct("person", "spell").rank("dense").cast(pl.Int64) - 1
    frame = frame.with_columns(spell=spell)
    return SupportPanel(
        meta={
            "method": "Months at risk of a programme start",
            "estimand": "first programme start, by month on benefit",
            "definition": definition,
            "n": frame.height,
            "n_event": int(frame["starts"].sum()),
            "steps": list(steps.items()),
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        frame=frame,
        definition=definition,
        window=period,
    )


_STEPS = (
    "spells after merging",
    "no programme shortly before",
    "months on benefit in the window",
    "below pension age",
    "before any programme of the spell",
)


def _rows(
    register: Register,
    definition: Definition,
    first: int,
    until: int,
    washout: int,
    pension_age: int,
) -> tuple[pl.DataFrame, dict[str, int]]:
    merged, _ = merged_spells(
        register, definition.schemes, max_gap_days=definition.max_gap_days,
        by_scheme=definition.switch_is_exit,
    )  # fmt: skip
    starts, before = first_starts(register, merged, washout=washout)
    spells = merged.hstack(starts).with_row_index("spell").filter(~pl.Series(before))
    spell, month, elapsed = months_on_benefit(spells, first, until)
    born = register.persons.select("person", born=month_index(pl.col("birth_month")))
    rows = (
        spells[pl.Series(spell)]
        .with_columns(number=pl.Series(month), duration=pl.Series(elapsed).cast(pl.Int16))
        .join(born.unique("person", keep="first").collect(), on="person", how="left")
    )
    counted = dict(zip(_STEPS, (merged.height, spells.height, rows.height, 0, 0), strict=True))
    rows = rows.filter(
        pl.col("born").is_null() | (pl.col("number") < pl.col("born") + 12 * pension_age)
    )
    counted[_STEPS[3]] = rows.height
    since = pl.col("start_month") - pl.col("number")
    rows = rows.filter(since.is_null() | (since >= 0))
    counted[_STEPS[4]] = rows.height
    date_of = to_dates(first_days(rows["number"].to_numpy())) if rows.height else None
    if date_of is None:
        return rows, counted
    return rows.select(
        "person",
        pl.col("spell").cast(pl.Int64),
        month=date_of,
        quarter=date_of.dt.truncate("1q"),
        duration="duration",
        starts=(since == 0).fill_null(value=False),
        treated_at=(pl.col("duration") + since).cast(pl.Int16),
        instrument="instrument",
        aim="aim",
        offered=(pl.col("offer_month") < pl.col("number")).fill_null(value=False),
        scheme="scheme",
        municipality="municipality",
    ), counted


def _require_coverage(
    register: Register, definition: Definition, history: Window, period: Window
) -> None:
    known: dict[str, tuple[date, date] | None] = {
        "benefits": benefit_coverage(register, definition.schemes),
        "jobs": coverage_of(register, "jobs"),
        "programmes": coverage_of(register, "programmes"),
    }
    for name, covered in known.items():
        needed = period if name == "programmes" else history
        if covered is None or covered[0] > needed.start or covered[1] < needed.end:
            raise OutsideCoverageError(
                f"{name.capitalize()} do not cover what the panel needs",
                where=f"needed {needed.start} to {needed.end}"
                + (
                    f", covered {covered[0]} to {covered[1]}"
                    if covered
                    else ", not in the register"
                ),
                fix="choose a window within it, 24 months after the sources begin",
            )
