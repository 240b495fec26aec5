"""Who shares a frailty: the rows of a person, or each spell by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError, InputError, check_option
from toolkit.frames import require_no_nulls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.discrete.months import PersonMonths

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Heterogeneity = Literal["gamma", "normal"]
HETEROGENEITIES = ("gamma", "normal")
Origin = Literal["start", "entry"]
ORIGINS = ("start", "entry")


@dataclass(frozen=True)
class Units:
    """U units of rows that share a frailty, then units for what had to be survived to be seen.

    Attributes
    ----------
    n : int
        U, the units proper. Unit u ≥ U divides the likelihood of unit ``parent[u]`` by the
        probability to be still there at entry; its weight is below 0.
    first : (V + 1,) array
        The rows of unit v are ``first[v] … first[v + 1] - 1``.
    weight, parent : (V,) arrays
    pattern, entry, time, event : (R,) arrays
    row : (R,) array or None
        The row of the data of each row here, where units are persons; units are cells otherwise.
    late : int
        Spells seen from later than their start.
    """

    n: int
    first: Ints
    weight: Floats
    parent: Ints
    pattern: Ints
    entry: Ints
    time: Ints
    event: Ints
    row: Ints | None
    late: int

    @property
    def cost(self) -> Ints:
        """Months of each unit, (V,)."""
        return np.asarray(np.add.reduceat(self.time - self.entry, self.first[:-1]))


def make_units(
    design: Design, months: PersonMonths, *, person: str | None, origin: Origin, kind: Heterogeneity
) -> Units:
    """Put the rows of a person together; a spell is a unit of its own without `person`.

    Raises
    ------
    toolkit.errors.CallError
        For rows that enter late without a `person`, or more events a person than gamma can take.
    """
    check_option("origin", origin, ORIGINS)
    if person is None:
        if design.entry is not None:
            raise CallError(
                "With entry= the rows of one person must be known, to share their heterogeneity",
                fix="name the column of the person: person=",
            )
        pattern, weight = months.pattern, months.n
        entry, time, event = months.entry, months.time, months.event
        first, row = np.arange(len(weight) + 1), None
    else:
        code = design.column(person)
        require_no_nulls(code.to_frame(), person)
        number = code.rank("dense").to_numpy().astype(np.int64)
        cell = design.cell_of_row()
        used = np.flatnonzero(cell >= 0)
        order = used[np.lexsort((months.time[cell[used]], months.entry[cell[used]], number[used]))]
        cell, number = cell[order], number[order]
        starts = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
        first = np.append(starts, len(order))
        pattern = months.pattern[cell]
        entry, time, event = months.entry[cell], months.time[cell], months.event[cell]
        own = design.row_weights()[order]
        weight, row = own[starts], order
        if (own != np.repeat(weight, np.diff(first))).any():
            raise InputError(
                f"The weights differ between rows of one {person!r}",
                fix="a person's heterogeneity is shared, so that the person has one weight",
            )
    n = len(first) - 1
    unit = np.repeat(np.arange(n), np.diff(first))
    if kind == "gamma" and (np.bincount(unit, event > 0) > 1).any():
        raise CallError(
            "Gamma heterogeneity has a closed form for one event a person only",
            fix="use heterogeneity='normal' for persons with several events",
        )
    late = _late(unit, entry, time, event)
    seen = origin == "start" and late.any()
    if not seen:
        return Units(n, first, weight, np.arange(n), pattern, entry, time, event, row,
                     int(late.sum()))  # fmt: skip
    if months.z.shape[1]:
        raise CallError(
            "Terms that use the month, with spells seen from later than their start, say nothing "
            "about the months before",
            fix="origin='entry', if the heterogeneity is that of those who entered",
        )
    # P(what was seen) = P(all from the start) / P(still there at entry): the months before entry
    # stand in the unit, and by themselves below the line
    before = np.flatnonzero(late)
    none = np.zeros(len(before), np.int64)
    owner = np.concatenate([unit, unit[before], n + unit[before]])
    order = np.argsort(owner, kind="stable")
    there = np.unique(owner)
    divided = there[n:] - n
    return Units(
        n,
        np.append(np.searchsorted(owner[order], there), len(order)),
        np.concatenate([weight, -weight[divided]]),
        np.concatenate([np.arange(n), divided]),
        np.concatenate([pattern, pattern[before], pattern[before]])[order],
        np.concatenate([entry, none, none])[order],
        np.concatenate([time, entry[before], entry[before]])[order],
        np.concatenate([event, none, none])[order],
        None if row is None else np.concatenate([row, row[before], row[before]])[order],
        len(before),
    )


def _late(unit: Ints, entry: Ints, time: Ints, event: Ints) -> NDArray[np.bool_]:
    """Rows that begin after 0 and do not go on where another row of the unit stopped."""
    width = int(time.max()) + 1
    stopped = (unit * width + time)[event == 0]
    return (entry > 0) & ~np.isin(unit * width + entry, stopped)
