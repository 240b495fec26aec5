"""Days and months in work: which jobs count, added up per person into disjoint spells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.benefits import one_of
from toolkit.trajectories.keys import OPEN, SHIFT, day_numbers, last_at_or_before, pack
from toolkit.trajectories.spells import merge_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition
    from toolkit.trajectories.keys import IntArray

#: Month index of a spell that still runs.
OPEN_MONTH = OPEN


@dataclass(frozen=True)
class Spans:
    """Disjoint spells as sorted packed keys, for look-ups by person and day (or month).

    Attributes
    ----------
    start, end : ndarray of int64, shape (n,)
        `group × 2^18 + number`, ends exclusive.
    """

    start: IntArray
    end: IntArray

    def reach(self, person: IntArray, first: IntArray) -> IntArray:
        """Return how long the spell that holds on `first` goes on from there; 0 if none."""
        at = last_at_or_before(self.start, asked := (person << SHIFT) + first)
        if not len(self.end):
            return np.zeros(len(asked), np.int64)
        return np.where(at >= 0, np.maximum(self.end[at] - asked, 0), 0)

    def any_in(self, person: IntArray, first: IntArray, until: IntArray) -> NDArray[np.bool_]:
        """Return whether a spell holds on any of `[first, until)`."""
        at = last_at_or_before(self.start, (person << SHIFT) + until - 1)
        if not len(self.end):
            return np.zeros(len(person), bool)
        return (at >= 0) & (self.end[at] > (person << SHIFT) + first)

    def total_before(self, person: IntArray, day: IntArray) -> IntArray:
        """Return the days covered before `day`, over all spells sorted up to there.

        Only differences for the same person mean anything.
        """
        length = np.concatenate([[0], np.cumsum(self.end - self.start)])
        asked = (person << SHIFT) + day
        at = last_at_or_before(self.start, asked)
        if not len(self.end):
            return np.zeros(len(asked), np.int64)
        beyond = np.where(at >= 0, np.maximum(self.end[at] - asked, 0), 0)
        return length[at + 1] - beyond

    def next_start(self, person: IntArray, day: IntArray) -> IntArray:
        """Return the number of the first start on or after `day`, −1 where there is none."""
        asked = (person << SHIFT) + day
        at = np.searchsorted(self.start, asked, side="left")
        start = np.append(self.start, np.int64(-1))[at]
        return np.where((start >> SHIFT) == person, start & ((1 << SHIFT) - 1), -1)

    def in_months(self) -> Spans:
        """Return the spells of calendar months touched; months that follow each other are one."""
        return month_spans(self)


def spans(frame: pl.DataFrame) -> Spans:
    """Pack merged spells (person, start, end; sorted, disjoint)."""
    return Spans(
        pack(frame["person"], day_numbers(frame["start"])).to_numpy(),
        pack(frame["person"], day_numbers(frame["end"], open_end=True)).to_numpy(),
    )


def month_spans(days: Spans) -> Spans:
    """Turn spells of days into spells of calendar months touched, joined where months adjoin."""
    mask = (1 << SHIFT) - 1
    person = days.start >> SHIFT
    first, until = _month_of(days.start & mask), _month_of((days.end & mask) - 1) + 1
    until[(days.end & mask) >= OPEN] = OPEN_MONTH
    start, end = (person << SHIFT) + first, (person << SHIFT) + until
    if not len(start):
        return Spans(start, end)
    reach = np.maximum.accumulate(end)
    new = np.append(True, start[1:] > reach[:-1])
    return Spans(start[new], reach[np.append(new[1:], True)])


def _month_of(number: IntArray) -> IntArray:
    """Month index of day numbers, by NumPy's calendar (months since 1970)."""
    from toolkit.trajectories.keys import _ZERO

    days = (number - _ZERO).astype("datetime64[D]")
    return days.astype("datetime64[M]").astype(np.int64) + 1970 * 12


def counted_jobs(register: Register, definition: Definition) -> pl.LazyFrame:
    """Return the jobs that count as work under a definition: person, start, end, hours."""
    jobs = register.jobs.filter(one_of("kind", definition.work_kinds))
    if definition.work_contracts is not None:
        jobs = jobs.filter(one_of("contract", definition.work_contracts))
    return jobs.select("person", "start", "end", "hours")


def work_spans(register: Register, definition: Definition) -> Spans:
    """Return the days in work: counted jobs added up, with enough hours together."""
    jobs = counted_jobs(register, definition).collect()
    if definition.min_hours > 0:
        return _enough_hours(jobs, definition.min_hours)
    return spans(merge_frame(jobs.drop("hours"), by=["person"], max_gap_days=0))


def _enough_hours(jobs: pl.DataFrame, min_hours: float) -> Spans:
    """Return the days on which the hours of all jobs held together reach `min_hours`.

    Hours are summed in hundredths as integers, so that a person's sum is exactly 0 again after the
    last job ended (running jobs end on day `OPEN`).
    """
    hours = (jobs["hours"].fill_null(0.0).cast(pl.Float64) * 100).round().cast(pl.Int64)
    person = jobs["person"]
    events = (
        pl.DataFrame({
            "at": pl.concat([
                pack(person, day_numbers(jobs["start"])),
                pack(person, day_numbers(jobs["end"], open_end=True)),
            ]),
            "change": pl.concat([hours, -hours]),
        })
        .group_by("at")
        .agg(pl.col("change").sum())
        .sort("at")
        .with_columns(enough=pl.col("change").cum_sum() >= round(min_hours * 100))
    )  # fmt: skip
    turn = events.filter(pl.col("enough") != pl.col("enough").shift(1, fill_value=False))
    return Spans(
        turn.filter("enough")["at"].to_numpy(), turn.filter(~pl.col("enough"))["at"].to_numpy()
    )
