"""The door: a panel of months at risk, or spells that imply them, checked and packed into runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import DuplicateKeyError, InputError, NegativeTimeError
from toolkit.matching.risk_sets.columns import (
    begins,
    calendar_months,
    cell_codes,
    changes,
    check_columns,
    elapsed_months,
    named,
    refuse_rows,
    run_weights,
    sort_rows,
    start_months,
)
from toolkit.matching.risk_sets.runs import NEVER, Runs

if TYPE_CHECKING:
    import polars as pl

    from toolkit.matching.risk_sets.columns import Columns


def read_panel(frame: pl.DataFrame, names: Columns) -> Runs:
    """Pack a panel, one row a person and month at risk.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types or missing values; for two rows of one person in a month, for rows after
        the start of the programme, and for a start that is not the same in all rows of a spell.
    """
    time = named(names.time)
    own = check_columns(frame, names, time)
    order, sorted_ = sort_rows(frame, [*names.keys, time], own)
    month = elapsed_months(sorted_, time)
    treated_at = start_months(sorted_, names.treated_at)
    fresh_person, fresh = begins(sorted_, names)
    same = ~fresh[1:]
    refuse_rows(
        np.flatnonzero(same & (np.diff(month) == 0)) + 1, order, len(month), DuplicateKeyError,
        "A person has two rows in one elapsed month",
        "name what tells them apart with spell=, or keep one row a month",
    )  # fmt: skip
    refuse_rows(
        np.flatnonzero(same & (np.diff(treated_at) != 0)) + 1, order, len(month), InputError,
        f"Column {names.treated_at!r} changes within a spell",
        "it is the elapsed month of the first start, the same in all rows: take it from all "
        "that is known of the person; who is at risk follows from it",
    )  # fmt: skip
    refuse_rows(
        np.flatnonzero(month > treated_at), order, len(month), InputError,
        "Rows after the start of the programme: who has started is not at risk of starting",
        f"keep the rows up to and with the month of the start: pl.col({time!r}) <= "
        f"pl.col({names.treated_at!r}), or null; a start before the first month is no start "
        "of this spell",
    )  # fmt: skip
    gap = same & (np.diff(month) != 1)
    new = fresh.copy()
    new[1:] |= gap
    new |= changes(sorted_, names.values)
    calendar = calendar_months(sorted_, names.calendar)
    if calendar is not None:
        new[1:] |= np.diff(calendar) != 1
    at = np.flatnonzero(new)
    last = np.append(at[1:], len(month)) - 1
    end = np.append(fresh[1:], True)
    starts = treated_at[last] == month[last]
    codes = np.cumsum(fresh) - 1
    return Runs(
        person=(np.cumsum(fresh_person) - 1)[at].astype(np.int32),
        unit=codes[at].astype(np.int32), first=month[at], last=month[last], starts=starts,
        treated_at=treated_at[at], cell=cell_codes(sorted_, at, names.exact),
        calendar=None if calendar is None else calendar[at],
        weight=run_weights(sorted_, at, names), place=at, order=order, step=1,
        n_late=int(((treated_at != NEVER) & (month != treated_at))[end].sum()),
        n_gap=int(gap.sum()),
    )  # fmt: skip


def read_spells(frame: pl.DataFrame, names: Columns) -> Runs:
    """Pack spells: at risk from `entry` until (not with) `until`, or until the start.

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, types or missing values; for two rows of one spell, for spells that end on or
        before their entry, and for starts before it.
    """
    entry, until = named(names.entry), named(names.until)
    own = check_columns(frame, names, entry, until)
    order, sorted_ = sort_rows(frame, names.keys, own)
    first, stop = elapsed_months(sorted_, entry), elapsed_months(sorted_, until)
    treated_at = start_months(sorted_, names.treated_at)
    fresh_person, fresh = begins(sorted_, names)
    refuse_rows(
        np.flatnonzero(~fresh), order, len(first), DuplicateKeyError,
        "Two rows are of one spell",
        "name what tells them apart with spell=, or keep one row a spell",
    )  # fmt: skip
    refuse_rows(
        np.flatnonzero(stop <= first), order, len(first), NegativeTimeError,
        f"Spells end ({until!r}) on or before their entry ({entry!r})",
        "until is the first month no longer at risk: at least entry + 1",
    )  # fmt: skip
    refuse_rows(
        np.flatnonzero(treated_at < first), order, len(first), InputError,
        f"The programme starts ({names.treated_at!r}) before the entry ({entry!r})",
        "who has started is not at risk of starting: leave these spells out, and say so",
    )  # fmt: skip
    last = np.minimum(stop - 1, treated_at).astype(np.int32)
    at = np.arange(len(first))
    starts = treated_at == last
    return Runs(
        person=(np.cumsum(fresh_person) - 1).astype(np.int32), unit=at.astype(np.int32),
        first=first, last=last, starts=starts, treated_at=treated_at,
        cell=cell_codes(sorted_, at, names.exact),
        calendar=calendar_months(sorted_, names.calendar), weight=run_weights(sorted_, at, names),
        place=at, order=order, step=0,
        n_late=int(((treated_at != NEVER) & ~starts).sum()), n_gap=0,
    )  # fmt: skip
