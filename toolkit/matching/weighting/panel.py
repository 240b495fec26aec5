"""Rows of persons over time: checked, sorted, and added up along each person's rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    DuplicateKeyError,
    InputError,
    WrongTypeError,
)
from toolkit.frames import require_columns, require_no_nulls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """N rows of persons, in the order they came in, and where each stands along its person.

    Attributes
    ----------
    order : (N,) array
        Rows by person and time.
    first : (persons,) array
        Place in `order` where each person begins.
    length : (persons,) array
    """

    order: Ints = field(repr=False)
    first: Ints = field(repr=False)
    length: Ints = field(repr=False)

    def running_sum(self, values: Floats) -> Floats:
        """Return the sum up to and with each row along its person, (N,) or (N, k)."""
        out: Floats = values[self.order]
        for step in range(1, int(self.length.max())):
            here = self.first[self.length > step] + step
            out[here] += out[here - 1]
        return self._back(out)

    def before(self, values: NDArray[Kind]) -> NDArray[Kind]:
        """Return what the person's row before has; 0 at the first."""
        out = np.roll(values[self.order], 1, axis=0)
        out[self.first] = 0
        return self._back(out)

    def _back(self, values: NDArray[Kind]) -> NDArray[Kind]:
        out = np.empty_like(values)
        out[self.order] = values
        return out


def read_panel(frame: pl.DataFrame, person: str, time: str) -> Panel:
    """Sort the rows by person and time.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns that are not there or miss values, times that are no whole numbers, two rows of
        a person at one time, or times between a person's rows that are not there.
    """
    require_columns(frame, person, time)
    require_no_nulls(frame, person, time)
    if not frame.schema[time].is_integer():
        raise WrongTypeError(
            f"Time {time!r} is {frame.schema[time]}, not a whole number",
            fix="count the months (or quarters) since a start",
        )
    place = frame.select(
        who=pl.col(person).rank("dense").cast(pl.Int64), when=pl.col(time).cast(pl.Int64)
    )
    who, when = place["who"].to_numpy(), place["when"].to_numpy()
    order = np.lexsort((when, who))
    begins = np.append(True, who[order][1:] != who[order][:-1])
    step = np.diff(when[order], prepend=0)[~begins]
    if (step == 0).any():
        raise DuplicateKeyError(
            f"A person has two rows at one {time!r}",
            where=f"{int((step == 0).sum()):,} rows too many",
            fix="one row a person and time",
        )
    if (step > 1).any():
        raise InputError(
            f"Times are missing between rows of a person in {time!r}",
            where=f"{int((step > 1).sum()):,} gaps",
            fix="put the missing rows in, or end the person at the gap and name it in censored=",
        )
    first = np.flatnonzero(begins)
    return Panel(order=order, first=first, length=np.diff(np.append(first, len(order))))


def at_risk_of_start(panel: Panel, treated: Bools, treatment: str) -> Bools:
    """Return the rows of those not treated before, (N,); treatment once started must stay."""
    earlier = panel.before(treated.astype(np.int8)) > 0
    stopped = int((earlier & ~treated).sum())
    if stopped:
        raise CallError(
            f"Treatment {treatment!r} ends again: weights are for one that stays once started",
            where=f"{stopped:,} rows without it after a row with it",
            fix=f"make it 'has started': pl.col({treatment!r}).cum_max().over(person)",
        )
    return np.asarray(~earlier)
