"""Until when a person is seen: death, emigration, loss from the register, pension age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.trajectories.benefits import coverage_of
from toolkit.trajectories.calendar import add_months
from toolkit.trajectories.days import OPEN, day_number, day_numbers, numbers
from toolkit.trajectories.keys import SHIFT, last_at_or_before, pack
from toolkit.trajectories.spells import merge_frame

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.days import IntArray


@dataclass(frozen=True)
class Leaving:
    """Day numbers on which persons leave; `days.OPEN` where they do not.

    Attributes
    ----------
    died, emigrated, lost, pension : ndarray of int64, shape (n,)
        First day of being dead, abroad, out of the register, of pension age.
    unseen : int
        First day on which persons or residences are not covered: nobody is known to be there.
    """

    died: IntArray
    emigrated: IntArray
    lost: IntArray
    pension: IntArray
    unseen: int = OPEN

    def __getitem__(self, rows: IntArray) -> Leaving:
        """Return the chosen rows."""
        return Leaving(
            self.died[rows],
            self.emigrated[rows],
            self.lost[rows],
            self.pension[rows],
            self.unseen,
        )

    @property
    def first(self) -> IntArray:
        """First day on which the person is no longer seen, for whatever reason."""
        stays = np.minimum(
            np.minimum(self.died, self.emigrated), np.minimum(self.lost, self.pension)
        )
        return np.minimum(stays, self.unseen)


def leaving(
    register: Register, person: IntArray, day: IntArray, pension_age: int | None
) -> Leaving:
    """Return when persons, each followed from a day on, are no longer seen.

    A stay outside the residences counts as emigration from its first day on (the day itself for who
    is abroad then), unless the residence before it ended in a move, or for any reason but
    emigration while no residence follows: that person is lost from the register. Without residences
    nobody leaves. Who dies did not also emigrate on that day or later.

    Parameters
    ----------
    register : Register
    person, day : ndarray of int64, shape (n,)
        Persons, and day numbers from which on each is followed.
    pension_age : int or None
        Age in years from the month of which on nobody is followed.
    """
    died, pension = _from_persons(register, person, pension_age)
    emigrated, lost = _from_residences(register, person, day)
    return Leaving(
        died,
        np.where(emigrated >= died, OPEN, emigrated),
        np.where(lost >= died, OPEN, lost),
        pension,
        min((day_number(covered[1]) for covered in people_coverage(register)), default=OPEN),
    )


def people_coverage(register: Register) -> list[tuple[date, date]]:
    """Return the periods of the sources that say who is there: persons and residences."""
    found = (coverage_of(register, source) for source in ("persons", "residences"))
    return [covered for covered in found if covered is not None]


def _from_persons(
    register: Register, person: IntArray, pension_age: int | None
) -> tuple[IntArray, IntArray]:
    """Look up death and pension age, among the few persons that have either before the data end."""
    ends = register.coverage.select(pl.col("end").max()).collect().item()
    aged = (
        pl.lit(None, pl.Date)
        if pension_age is None
        else add_months(pl.col("birth_month"), 12 * pension_age)
    )
    few = (
        register.persons.select("person", died="death_date", pension=aged)
        .filter(pl.col("died").is_not_null() | (pl.col("pension") <= ends))
        .unique("person", keep="first")
        .collect()
        .sort("person")
    )
    nobody = np.full(len(person), OPEN, np.int64)
    if few.height == 0:
        return nobody, nobody
    known = few["person"].to_numpy()
    at = np.minimum(np.searchsorted(known, person), few.height - 1)
    found = known[at] == person
    return (
        np.where(found, numbers(few["died"], open_end=True)[at], OPEN),
        np.where(found, numbers(few["pension"], open_end=True)[at], OPEN),
    )


def _from_residences(
    register: Register, person: IntArray, day: IntArray
) -> tuple[IntArray, IntArray]:
    """Look up the end of the residence on `day`: emigrated, lost."""
    nobody = np.full(len(person), OPEN, np.int64)
    covered = coverage_of(register, "residences")
    if covered is None:
        return nobody, nobody
    rows = register.residences.select("person", "start", "end", "end_reason").collect()
    if rows.height == 0:
        return nobody, nobody
    homes = merge_frame(rows, by=["person"], max_gap_days=0)
    who = homes["person"].to_numpy()
    start = pack(homes["person"], day_numbers(homes["start"])).to_numpy()
    end = numbers(homes["end"], open_end=True)
    emigrates = (homes["end_reason"] == "emigrated").fill_null(value=False).to_numpy()
    moves = (homes["end_reason"] == "moved").fill_null(value=False).to_numpy()
    # Before the residences were delivered nobody is known to be abroad.
    at = last_at_or_before(start, (person << SHIFT) + np.maximum(day, day_number(covered[0])))
    here = (at >= 0) & (who[at] == person)
    comes_back = np.append(who, np.iinfo(np.int64).min)[at + 1] == person
    # A person whose first residence starts later is abroad until then; unknown persons never leave.
    leaves = np.where(here, np.maximum(end[at], np.where(end[at] < OPEN, day, 0)), OPEN)
    leaves = np.where(~here & comes_back, day, leaves)
    abroad = (comes_back & ~(here & moves[at])) | (here & emigrates[at])
    return np.where(abroad, leaves, OPEN), np.where(abroad, OPEN, leaves)
