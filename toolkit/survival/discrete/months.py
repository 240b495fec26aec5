"""Who is at risk in which month, counted; person-months are never written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, InputError, WrongTypeError
from toolkit.estimation.formula import variables_of
from toolkit.survival.design import Covariates, learn, make_design
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.design import Design

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Later months than this are no months (a century has 1,200).
_LAST_MONTH = 20_000


@dataclass(frozen=True, kw_only=True)
class PersonMonths:
    """C cells of P patterns, each at risk in the months entry + 1 … time.

    A slot is a stratum and a month: slot ``stratum * M + month - 1`` of S × M.

    Attributes
    ----------
    n_month, n_stratum, n_cause : int
        M, the last month at risk; S; K.
    first_cell : (P + 1,) array
        The cells of pattern i are ``first_cell[i] … first_cell[i + 1] - 1``.
    stratum : (P,) array
    entry, time, event : (C,) arrays of whole numbers
    n : (C,) array
        Weighted rows.
    offset : (P,) array
    x : (P, q) array
        Terms that stay the same from month to month.
    z : (R, d) array
        Terms that use the month at risk; that of pattern i in month m is row
        ``first_row[i] + m``.
    first_row : (P,) array
    order : (q + d,) array
        Where the columns of x, then z, stand in `terms`.
    terms : tuple of str
    at_risk : (S M,) array
        Weighted person-months by slot.
    events : (S M, K) array
    settled : (S M,) array of bool
        Slots in which all rows at risk had an event.
    """

    n_month: int
    n_stratum: int
    n_cause: int
    first_cell: Ints
    stratum: Ints
    entry: Ints
    time: Ints
    event: Ints
    n: Floats
    offset: Floats
    x: Floats
    z: Floats
    first_row: Ints
    order: Ints
    terms: tuple[str, ...]
    at_risk: Floats
    events: Floats
    settled: NDArray[np.bool_]

    @property
    def pattern(self) -> Ints:
        """Pattern of each cell, (C,)."""
        return np.repeat(np.arange(len(self.stratum)), np.diff(self.first_cell))

    @property
    def rows_to_visit(self) -> Ints:
        """Months from a pattern's first to its last at risk, (P,)."""
        first, last = _span(self.first_cell, self.entry, self.time)
        return last - first


def find_design(
    formula: str, data: Any, *, time: str, **options: Any
) -> tuple[Design, tuple[str, ...]]:
    """Return the design of the formula's columns but for the month at risk, and the latter's name.

    Where the formula names the `time` column, the design holds the other columns as patterns;
    the terms are evaluated month by month afterwards.
    """
    from toolkit.frames import to_lazy

    lazy = to_lazy(data)
    used = variables_of(formula, lazy.collect_schema().names())
    if time not in used:
        return make_design(formula, data, time=time, **options), ()
    others = [f"`{name}`" for name in used if name != time]
    return make_design(" + ".join(others) or "1", data, time=time, **options), (time,)


def count_months(
    design: Design, formula: str, month: tuple[str, ...]
) -> tuple[PersonMonths, Covariates]:
    """Turn the cells of a design into person-months.

    Raises
    ------
    toolkit.errors.InputError
        For times that are not whole, or beyond what can be months.
    toolkit.errors.EmptyCohortError
        When there is no event.
    """
    time = _whole(design.time, "time")
    entry = np.zeros(len(time), np.int64) if design.entry is None else _whole(design.entry, "entry")
    if not (design.event > 0).any():
        raise EmptyCohortError(
            "No event happens in the data", fix="check how the event column is coded"
        )
    if (time == 0).any():
        rows = int(design.rows[time == 0].sum())
        raise InputError(
            "A spell that ends in month 0 is never at risk", where=f"{rows:,} rows",
            fix="count months from 1: time is the month in which the spell ends",
        )  # fmt: skip
    n_month, n_stratum = int(time.max()), design.strata.height
    if n_month > _LAST_MONTH:
        raise InputError(
            f"The last time is {n_month:,}, which is no number of months",
            fix="count in months (or weeks); days ask for cox",
        )
    first_cell = np.searchsorted(design.pattern, np.arange(len(design.x) + 1))
    covariates, x, z, first_row, order = _terms(design, formula, month, first_cell, entry, time)
    slots = n_stratum * n_month
    place = design.stratum[design.pattern] * (n_month + 1)
    slot = design.stratum[design.pattern] * n_month + time - 1

    def present(n: Floats) -> Floats:
        edges = n_stratum * (n_month + 1)
        steps = add_up(n, place + entry, edges) - add_up(n, place + time, edges)
        return np.asarray(np.cumsum(steps.reshape(-1, n_month + 1), axis=1)[:, :-1].ravel())

    at_risk, there = present(design.n), present(design.rows)
    at_risk[there == 0] = 0.0  # sums of fractions leave a rounding error there
    n_cause = len(design.causes)
    events = np.column_stack(
        [add_up(design.n * (design.event == k), slot, slots) for k in range(1, n_cause + 1)]
    )
    happened = add_up(design.rows * (design.event > 0), slot, slots)
    return PersonMonths(
        n_month=n_month, n_stratum=n_stratum, n_cause=n_cause, first_cell=first_cell,
        stratum=design.stratum, entry=entry, time=time, event=design.event, n=design.n,
        offset=design.offset, x=x, z=z, first_row=first_row, order=order, terms=covariates.terms,
        at_risk=at_risk, events=events, settled=(happened == there) & (there > 0),
    ), covariates  # fmt: skip


def _terms(
    design: Design, formula: str, month: tuple[str, ...], first_cell: Ints, entry: Ints, time: Ints
) -> tuple[Covariates, Floats, Floats, Ints, Ints]:
    n_pattern = len(design.x)
    if not month:
        x = np.ascontiguousarray(design.x)
        none = np.zeros(n_pattern, np.int64)
        return design.covariates, x, np.zeros((0, 0)), none, np.arange(x.shape[1])
    first, last = _span(first_cell, entry, time)
    length = last - first
    start = np.cumsum(length) - length
    pattern = np.repeat(np.arange(n_pattern), length)
    months = np.arange(length.sum()) - start[pattern] + first[pattern] + 1
    frame = design.patterns[pattern].with_columns(pl.Series(month[0], months))
    covariates, every = learn(formula, frame, _counts(design, entry, time, start - first, length))
    known = (*month, *design.patterns.columns)
    moving = np.zeros(len(covariates.terms), bool)
    for term, columns in covariates.term_columns().items():
        moving[columns] = month[0] in variables_of(term, known)
    order = np.concatenate([np.flatnonzero(~moving), np.flatnonzero(moving)])
    x = np.ascontiguousarray(every[start][:, ~moving])
    z = np.ascontiguousarray(every[:, moving])
    return covariates, x, z, start - first - 1, order


def _counts(design: Design, entry: Ints, time: Ints, shift: Ints, length: Ints) -> Ints:
    """Return the rows at risk of every pattern and month: what knots are taken from."""
    total, at = int(length.sum()), shift[design.pattern]
    # a pattern's last month is followed by the next one's first, where its leavers do not count
    steps = add_up(design.rows, at + entry, total + 1)
    steps -= add_up(design.rows, at + time, total + 1)
    return np.rint(np.cumsum(steps)[:total]).astype(np.int64)


def _span(first_cell: Ints, entry: Ints, time: Ints) -> tuple[Ints, Ints]:
    return (
        np.minimum.reduceat(entry, first_cell[:-1]),
        np.maximum.reduceat(time, first_cell[:-1]),
    )


def _whole(values: NDArray[Any], what: str) -> Ints:
    if values.dtype.kind == "f" and not (values == np.rint(values)).all():
        odd = float(values[values != np.rint(values)][0])
        raise WrongTypeError(
            f"A {what} is {odd:g}, not a whole number of months",
            fix="round it up to the month in which it falls, or use cox for exact times",
        )
    return values.astype(np.int64)


def check_heavy(slots: int, terms: int) -> None:
    """Raise when a table of slots by terms would not fit."""
    if slots * max(terms, 1) > 2e8:
        raise CallError(
            f"{slots:,} months × strata with {terms} terms are too many",
            fix="leave out strata, or use cox with strata",
        )
