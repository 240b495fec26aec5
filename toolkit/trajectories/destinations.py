"""Where an exit leads: the first destination that holds, looked at in the month after.

1. died: death before the end of that month.
2. emigrated: not resident on a day from the exit date to the end of that month.
3. pension: pension age reached by the end of that month, or the benefit ended for age.
4. work: by the definition's rule.
5. other_benefit: a benefit outside the definition's schemes in that month.
6. studies: enrolled in that month, or the benefit ended for studies.
7. other.

Death, emigration and pension age are known whatever the jobs cover; the rest is null unless jobs
and benefits (and enrolments, where the register has them) are observed for the whole month.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.trajectories.benefits import coverage_of, one_of, scheme_spells
from toolkit.trajectories.calendar import month_index, month_start
from toolkit.trajectories.keys import day_numbers
from toolkit.trajectories.spells import merge_frame
from toolkit.trajectories.work import Spans, spans, work_spans

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition
    from toolkit.trajectories.keys import IntArray

DESTINATIONS = ("work", "other_benefit", "studies", "emigrated", "died", "pension", "other")
DESTINATION_TYPE = pl.Enum(DESTINATIONS)


def destinations(
    register: Register, definition: Definition, frame: pl.DataFrame
) -> tuple[pl.DataFrame, list[str]]:
    """Add `to_work` and `destination` to exits that carry when their person left.

    Parameters
    ----------
    register : Register
    definition : Definition
    frame : pl.DataFrame
        person, exit_date, exit_month, end_reason, died, emigrated, lost, pensioned.

    Returns
    -------
    pl.DataFrame
        The frame with both columns.
    list of str
        What a reader must know.
    """
    month = month_index(pl.col("exit_month")) + definition.month_after
    frame = frame.with_columns(_first=month_start(month), _until=month_start(month + 1))
    person = frame["person"].cast(pl.Int64).to_numpy()
    first, until = day_numbers(frame["_first"]).to_numpy(), day_numbers(frame["_until"]).to_numpy()
    notes: list[str] = []

    jobs = coverage_of(register, "jobs")
    has_job = _held(work_spans(register, definition) if jobs else None, person, first, until)
    others, benefits = _other_benefits(register, definition)
    on_other = _held(others, person, first, until)
    enrolled_spans, enrolments = _enrolments(register)
    enrolled = _held(enrolled_spans, person, first, until)
    if enrolments is None:
        notes.append("No enrolments: 'studies' is known from end reasons only.")
    own = (
        _held(_own_benefits(register, definition), person, first, until)
        if definition.off_benefit_at_start
        else pl.Series([False] * frame.height, dtype=pl.Boolean)
    )

    gone = pl.min_horizontal("died", "emigrated", "lost", "pensioned")
    present = (gone >= pl.col("_until")).fill_null(value=True)
    frame = frame.with_columns(
        _job=has_job, _other=on_other, _enrolled=enrolled, _own=own, _present=present
    )
    job = _seen("_job", jobs)
    if definition.off_benefit_at_start:
        job &= ~_seen("_own", benefits)
    reason = one_of("end_reason", definition.work_end_reasons).fill_null(value=False)
    rule = {"job": job, "end_reason": reason, "either": job | reason}
    frame = frame.with_columns(to_work=rule[definition.to_work])

    other, studies = _seen("_other", benefits), _seen("_enrolled", enrolments)
    if enrolments is None:
        studies = pl.lit(value=False)
    studies |= (pl.col("end_reason") == "studies").fill_null(value=False)
    by_end = pl.col("_until")
    aged = (pl.col("end_reason") == "age").fill_null(value=False)
    destination = (
        pl.when(pl.col("died") < by_end).then(pl.lit("died"))
        .when(pl.col("emigrated") < by_end).then(pl.lit("emigrated"))
        .when((pl.col("pensioned") < by_end) | aged).then(pl.lit("pension"))
        .when("to_work").then(pl.lit("work"))
        .when(pl.col("to_work").is_null()).then(None)
        .when(other).then(pl.lit("other_benefit"))
        .when(other.is_null()).then(None)
        .when(studies).then(pl.lit("studies"))
        .when(studies.is_null()).then(None)
        .otherwise(pl.lit("other"))
    )  # fmt: skip
    frame = frame.with_columns(destination=destination.cast(DESTINATION_TYPE))
    return frame.drop("_first", "_until", "_job", "_other", "_enrolled", "_own", "_present"), notes


def _held(found: Spans | None, person: IntArray, first: IntArray, until: IntArray) -> pl.Series:
    if found is None:
        return pl.Series([None] * len(person), dtype=pl.Boolean)
    return pl.Series(found.any_in(person, first, until))


def _seen(column: str, covered: tuple[date, date] | None) -> pl.Expr:
    """Return the column where its source and the person cover the whole month, else null."""
    if covered is None:
        return pl.lit(None, pl.Boolean)
    inside = (pl.col("_first") >= covered[0]) & (pl.col("_until") <= covered[1])
    return pl.when(inside & pl.col("_present")).then(pl.col(column))


def _other_benefits(
    register: Register, definition: Definition
) -> tuple[Spans | None, tuple[date, date] | None]:
    """Benefits of schemes outside the definition's; `nug` is no benefit."""
    rows = (
        register.benefits.filter(~one_of("scheme", [s for s in definition.schemes if s != "nug"]))
        .select("person", "start", "end")
        .collect()
    )
    return spans(merge_frame(rows, by=["person"], max_gap_days=0)), coverage_of(
        register, "benefits"
    )


def _own_benefits(register: Register, definition: Definition) -> Spans:
    rows = scheme_spells(register, definition.schemes).select("person", "start", "end")
    return spans(merge_frame(rows, by=["person"], max_gap_days=0))


def _enrolments(register: Register) -> tuple[Spans | None, tuple[date, date] | None]:
    covered = coverage_of(register, "enrolments")
    if covered is None:
        return None, None
    rows = register.enrolments.select("person", "start", "end").collect()
    return spans(merge_frame(rows, by=["person"], max_gap_days=0)), covered
