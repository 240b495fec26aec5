"""Days and months in work: which jobs count, added up per person into disjoint spells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.benefits import one_of
from toolkit.trajectories.days import OPEN, day_numbers, months
from toolkit.trajectories.keys import SHIFT, last_at_or_before, pack
from toolkit.trajectories.spells import merge_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray
    from toolkit.trajectories.definition import Definition

_MASK = (1 << SHIFT) - 1


@dataclass(frozen=True)
class Spans:
    """Disjoint spells as sorted packed keys, for look-ups by person and day (or month).

    Attributes
    ----------
    start, end : ndarray of int64, shape (n,)
        `person × 2^18 + number`, ends exclusive.
    """

    start: IntArray
    end: IntArray

    def reach(self, person: IntArray, first: IntArray) -> IntArray:
        """Return how long the spell that holds on `first` goes on from there; 0 if none."""
        if not len(self.end):
            return np.zeros(len(person), np.int64)
        asked = (person << SHIFT) + first
        at = last_at_or_before(self.start, asked)
        return np.where(at >= 0, np.maximum(self.end[at] - asked, 0), 0)

    def any_in(self, person: IntArray, first: IntArray, until: IntArray) -> NDArray[np.bool_]:
        """Return whether a spell holds on any of `[first, until)`."""
        if not len(self.end):
            return np.zeros(len(person), bool)
        key = person << SHIFT
        at = last_at_or_before(self.start, key + (until - 1))
        return (at >= 0) & (self.end[at] > key + first)

    def total_before(self, person: IntArray, day: IntArray) -> IntArray:
        """Return the days covered before `day`, over all spells sorted up to there.

        Only differences for the same person mean anything.
        """
        if not len(self.end):
            return np.zeros(len(person), np.int64)
        length = np.concatenate([[0], np.cumsum(self.end - self.start)])
        asked = (person << SHIFT) + day
        at = last_at_or_before(self.start, asked)
        beyond = np.where(at >= 0, np.maximum(self.end[at] - asked, 0), 0)
        return length[at + 1] - beyond

    def next_start(self, person: IntArray, day: IntArray) -> IntArray:
        """Return the number of the first start on or after `day`, `OPEN` where there is none."""
        at = np.searchsorted(self.start, (person << SHIFT) + day, side="left")
        start = np.append(self.start, np.int64(-1))[at]
        return np.where((start >> SHIFT) == person, start & _MASK, OPEN)

    def in_months(self) -> Spans:
        """Return the spells of calendar months touched; months that follow each other are one."""
        if not len(self.start):
            return self
        person = (self.start >> SHIFT) << SHIFT
        last = self.end & _MASK
        until = np.where(last >= OPEN, OPEN, months(np.minimum(last, OPEN) - 1) + 1)
        start, end = person + months(self.start & _MASK), person + until
        reach = np.maximum.accumulate(end)
        new = np.append(True, start[1:] > reach[:-1])
        return Spans(start[new], reach[np.append(new[1:], True)])


def no_spans() -> Spans:
    """Return spans without any spell."""
    return Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))


def person_spans(spells: pl.DataFrame) -> Spans:
    """Merge spells per person over any overlap, and pack them."""
    if spells.height == 0:
        return no_spans()
    merged = merge_frame(spells.select("person", "start", "end"), by=["person"], max_gap_days=0)
    return Spans(
        pack(merged["person"], day_numbers(merged["start"])).to_numpy(),
        pack(merged["person"], day_numbers(merged["end"], open_end=True)).to_numpy(),
    )


def counted_jobs(register: Register, definition: Definition) -> pl.LazyFrame:
    """Return the jobs that count as work under a definition: person, start, end, hours."""
    jobs = register.jobs.filter(one_of("kind", definition.work_kinds))
    if definition.work_contracts is not None:
        jobs = jobs.filter(one_of("contract", definition.work_contracts))
    return jobs.select("person", "start", "end", "hours")


def work_spans(register: Register, definition: Definition) -> Spans:
    """Return the days in work: counted jobs added up, with enough hours together."""
    jobs = counted_jobs(register, definition)
    if definition.min_hours > 0:
        return _enough_hours(jobs.collect(), definition.min_hours)
    return person_spans(jobs.select("person", "start", "end").collect())


def _enough_hours(jobs: pl.DataFrame, min_hours: float) -> Spans:
    """Return the days on which the hours of all jobs held together reach `min_hours`.

    Hours are summed in hundredths as integers, so that a person's sum is exactly 0 again after the
    last job ended (running jobs end on day `OPEN`).
    """
    hours = (jobs["hours"].fill_null(0.0).cast(pl.Float64) * 100).round().cast(pl.Int64)
    start = pack(jobs["person"], day_numbers(jobs["start"]))
    end = pack(jobs["person"], day_numbers(jobs["end"], open_end=True))
    events = (
        pl.DataFrame({"at": pl.concat([start, end]), "change": pl.concat([hours, -hours])})
        .group_by("at")
        .agg(pl.col("change").sum())
        .sort("at")
        .with_columns(enough=pl.col("change").cum_sum() >= round(min_hours * 100))
    )
    turn = events.filter(pl.col("enough") != pl.col("enough").shift(1, fill_value=False))
    return Spans(
        turn.filter("enough")["at"].to_numpy(), turn.filter(~pl.col("enough"))["at"].to_numpy()
    )
