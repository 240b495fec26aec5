"""Months at risk, packed: stretches of a person's months in which nothing that counts changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Small = NDArray[np.int32]
    Bools = NDArray[np.bool_]

#: The month of the start of those who are never seen to start.
NEVER = 2**30


@dataclass(frozen=True, kw_only=True)
class Runs:
    """R stretches of months at risk, sorted by person, spell and month.

    A spell of fixed covariates is one stretch; a panel has as many as its covariates change.

    Attributes
    ----------
    person, unit : (R,) arrays
        Codes of the person and of the person's spell, from 0, not falling.
    first, last : (R,) arrays
        Elapsed months, both at risk.
    starts : (R,) array of bool
        Whether the programme starts in the last month.
    treated_at : (R,) array
        Elapsed month of the start of this spell; `NEVER` when none is seen.
    cell : (R,) array
        Code of what must be equal, from 0.
    calendar : (R,) array or None
        Calendar month of `first`, counted in months.
    weight : (R,) array
        Of length 1 where all weigh the same.
    place : (R,) array
        Row of the first month in the frame, sorted.
    order : (N,) array or None
        From sorted rows to those handed in; None = they came sorted.
    step : {0, 1}
        Rows a month: 1 in a panel, 0 where a spell is one row.
    n_late : int
        Spells whose start is known and in no month at risk.
    n_gap : int
        Times that a person's months are not one after the other.
    """

    person: Small = field(repr=False)
    unit: Small = field(repr=False)
    first: Small = field(repr=False)
    last: Small = field(repr=False)
    starts: Bools = field(repr=False)
    treated_at: Small = field(repr=False)
    cell: Small = field(repr=False)
    calendar: Small | None = field(repr=False)
    weight: Floats = field(repr=False)
    place: Ints = field(repr=False)
    order: Ints | None = field(repr=False)
    step: int
    n_late: int
    n_gap: int

    def __len__(self) -> int:
        """Return the number of stretches."""
        return len(self.first)

    @cached_property
    def low(self) -> int:
        """First month at risk of anybody."""
        return int(self.first.min())

    @cached_property
    def high(self) -> int:
        """Last month at risk of anybody."""
        return int(self.last.max())

    @cached_property
    def months(self) -> int:
        """Number of person-months at risk."""
        return int(self.last.sum(dtype=np.int64) - self.first.sum(dtype=np.int64)) + len(self)

    @cached_property
    def several(self) -> bool:
        """Whether some person has more than one spell."""
        return bool(self.unit[-1] > self.person[-1])

    @cached_property
    def starters(self) -> Ints:
        """Number of starts in each month from `low` to `high`."""
        return np.bincount(self.last[self.starts] - self.low, minlength=self.high - self.low + 1)

    @cached_property
    def at_risk(self) -> Ints:
        """Number at risk in each month from `low` to `high`."""
        size = self.high - self.low + 2
        come = np.bincount(self.first - self.low, minlength=size)
        gone = np.bincount(self.last - self.low + 1, minlength=size)
        return np.cumsum(come - gone)[:-1]

    def rows(self, run: Ints, month: Ints | int) -> Ints:
        """Return the rows of the frame handed in that tell of some runs in a month."""
        at = self.place[run] + self.step * (month - self.first[run].astype(np.int64))
        return at if self.order is None else self.order[at]

    def calendar_at(self, run: Ints, month: Ints | int) -> Ints:
        """Return the calendar months of some runs in an elapsed month."""
        if self.calendar is None:
            raise AssertionError
        since = month - self.first[run].astype(np.int64)
        return self.calendar[run].astype(np.int64) + since

    def weight_of(self, run: NDArray[Any]) -> Floats:
        """Return the weights of some runs."""
        return self.weight[run] if len(self.weight) > 1 else np.full(len(run), self.weight[0])
