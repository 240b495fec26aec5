"""Where an exit leads: the first destination that holds, looked at in the month after.

1. died: death before the end of that month.
2. emigrated: not resident on a day from the exit date to the end of that month.
3. pension: pension age reached by the end of that month, or the benefit ended for age.
4. work: by the definition's rule.
5. other_benefit: a benefit outside the definition's schemes in that month.
6. studies: enrolled in that month, or the benefit ended for studies.
7. other.

A destination is null unless every source that decides it covers the whole month: benefits, jobs
(but where the end reason alone says what is work), and enrolments, persons and residences where the
register has them. That holds for the dead too, who are known without jobs: else they would be all
that is left of the exits at the end of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.benefits import coverage_of, one_of, scheme_spells
from toolkit.trajectories.days import day_number, first_days
from toolkit.trajectories.leaving import people_coverage
from toolkit.trajectories.work import Spans, no_spans, person_spans

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray
    from toolkit.trajectories.definition import Definition
    from toolkit.trajectories.leaving import Leaving

    BoolArray = NDArray[np.bool_]

DESTINATIONS = ("work", "other_benefit", "studies", "emigrated", "died", "pension", "other")
DESTINATION_TYPE = pl.Enum(DESTINATIONS)


@dataclass(frozen=True)
class Known:
    """A yes or no per row, and whether it is observed at all."""

    yes: BoolArray
    seen: BoolArray

    def __or__(self, other: Known) -> Known:
        """Either: known yes wins over not observed."""
        yes = (self.yes & self.seen) | (other.yes & other.seen)
        return Known(yes, yes | (self.seen & other.seen))

    def but_not(self, other: Known) -> Known:
        """Return self and not other: a known no on one side wins over not observed."""
        no = (~self.yes & self.seen) | (other.yes & other.seen)
        return Known(self.yes & ~other.yes, no | (self.seen & other.seen))

    def series(self) -> pl.Series:
        """Return booleans, null where not observed."""
        if self.seen.all():
            return pl.Series(self.yes)
        return pl.select(pl.when(pl.Series(self.seen)).then(pl.Series(self.yes))).to_series()


def destinations(
    register: Register,
    definition: Definition,
    *,
    person: IntArray,
    exit_month: IntArray,
    end_reason: pl.Series,
    left: Leaving,
    work: Spans | None,
) -> tuple[pl.Series, pl.Series, list[str]]:
    """Find for each exit whether it is to work, and its destination.

    Parameters
    ----------
    register : Register
    definition : Definition
    person, exit_month : ndarray of int64, shape (n,)
        Persons and month numbers.
    end_reason : pl.Series
        Why the benefit ended.
    left : Leaving
        When each person left.
    work : Spans or None
        Days in work; None when the register has no jobs.

    Returns
    -------
    to_work, destination : pl.Series
        Null where not observed.
    notes : list of str
        What a reader must know.
    """
    month = exit_month + definition.month_after
    first, until = first_days(month), first_days(month + 1)
    present = left.first >= until
    notes: list[str] = []

    def held(spans: Spans | None, source: tuple[date, date] | None) -> Known:
        if spans is None or source is None:
            return Known(np.zeros(len(person), bool), np.zeros(len(person), bool))
        seen = present & (first >= day_number(source[0])) & (until <= day_number(source[1]))
        return Known(spans.any_in(person, first, until), seen)

    benefits = coverage_of(register, "benefits")
    job = held(work, coverage_of(register, "jobs"))
    if definition.off_benefit_at_start:
        job = job.but_not(held(own_spans(register, definition), benefits))
    reason = _is_one_of(end_reason, definition.work_end_reasons)
    to_work = {"job": job, "end_reason": reason, "either": job | reason}[definition.to_work]
    enrolments = coverage_of(register, "enrolments")
    needed = [] if definition.to_work == "end_reason" else [coverage_of(register, "jobs")]
    if definition.off_benefit_at_start and definition.to_work != "end_reason":
        needed.append(benefits)
    to_work = Known(to_work.yes, to_work.seen & _covered(needed, first, until))
    needed += [benefits, *people_coverage(register)]
    needed += [] if enrolments is None else [enrolments]
    other = held(_other_benefits(register, definition), benefits)
    studies = _is_one_of(end_reason, ("studies",))
    if enrolments is None:
        notes.append("No enrolments: 'studies' is known from end reasons only.")
    else:
        enrolled = register.enrolments.select("person", "start", "end").collect()
        studies |= held(person_spans(enrolled), enrolments)

    # From the last rule to the first, each one overwriting the ones after it; null is past the end.
    null = len(DESTINATIONS)
    code = np.full(len(person), DESTINATIONS.index("other"), np.uint8)
    for name, rule in (("studies", studies), ("other_benefit", other), ("work", to_work)):
        code[~rule.seen] = null
        code[rule.yes & rule.seen] = DESTINATIONS.index(name)
    aged = _is_one_of(end_reason, ("age",)).yes
    code[(left.pension < until) | aged] = DESTINATIONS.index("pension")
    code[left.emigrated < until] = DESTINATIONS.index("emigrated")
    code[left.died < until] = DESTINATIONS.index("died")
    code[~_covered(needed, first, until)] = null
    return to_work.series(), enum_of(code, DESTINATION_TYPE), notes


def _covered(
    sources: Iterable[tuple[date, date] | None], first: IntArray, until: IntArray
) -> BoolArray:
    """Return which periods `[first, until)` all sources cover; None covers nothing."""
    out = np.ones(len(first), bool)
    for source in sources:
        if source is None:
            return np.zeros(len(first), bool)
        out &= (first >= day_number(source[0])) & (until <= day_number(source[1]))
    return out


def enum_of(code: NDArray[np.uint8], dtype: pl.Enum) -> pl.Series:
    """Turn codes into an Enum; codes past its categories become null."""
    codes = pl.Series("code", code)
    known = len(dtype.categories)
    if len(code) and code.max() >= known:
        codes = pl.select(pl.when(codes < known).then(codes)).to_series()
    return codes.cat.to(dtype)


def own_spans(register: Register, definition: Definition) -> Spans:
    """Return the days on a benefit of the definition's schemes."""
    return person_spans(scheme_spells(register, definition.schemes))


def _other_benefits(register: Register, definition: Definition) -> Spans:
    """Days on benefits of schemes outside the definition's; `nug` is no benefit."""
    own = one_of("scheme", [name for name in definition.schemes if name != "nug"])
    rows = register.benefits.filter(~own).select("person", "start", "end").collect()
    return person_spans(rows) if rows.height else no_spans()


def _is_one_of(end_reason: pl.Series, reasons: tuple[str, ...]) -> Known:
    """A reason is always known: without one it is none of these."""
    everywhere = np.ones(len(end_reason), bool)
    if end_reason.null_count() == len(end_reason):
        return Known(~everywhere, everywhere)
    frame = end_reason.alias("reason").to_frame()
    yes = frame.select(one_of("reason", reasons).fill_null(value=False)).to_series()
    return Known(yes.to_numpy(), everywhere)
