"""Municipalities merge: carry every municipality under the code it has on one day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import InputError
from toolkit.frames import require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

#: A concordance: municipality `old` went up in `new` on `date`.
CONCORDANCE = {"old": pl.String, "new": pl.String, "date": pl.Date}


def codes_as_of(mergers: pl.DataFrame | None, as_of: date | None = None) -> dict[str, str]:
    """Return municipality → the one it is part of on a day, for those that changed.

    Parameters
    ----------
    mergers : pl.DataFrame or None
        `old` went up in `new` on `date` (the first day of the new one).
    as_of : date, optional
        Mergers up to and including this day count; None: all.

    Raises
    ------
    InputError
        When a municipality goes up in two on one day, or two mergers of one day form a chain.

    Examples
    --------
    >>> from datetime import date
    >>> table = pl.DataFrame({
    ...     "old": ["gm0001", "gm0002"], "new": ["gm0002", "gm0009"],
    ...     "date": [date(2005, 1, 1), date(2010, 1, 1)],
    ... })
    >>> codes_as_of(table, date(2007, 1, 1))
    {'gm0001': 'gm0002'}
    >>> codes_as_of(table)
    {'gm0001': 'gm0009', 'gm0002': 'gm0009'}
    """
    if mergers is None:
        return {}
    require_columns(mergers, *CONCORDANCE, where="the concordance of municipalities")
    require_no_nulls(mergers, *CONCORDANCE)
    steps = mergers.filter(pl.col("old") != pl.col("new"))
    if as_of is not None:
        steps = steps.filter(pl.col("date") <= as_of)
    steps = steps.select(*CONCORDANCE).unique().sort("date", "old", "new")
    if steps.select("old", "date").is_duplicated().any():
        raise InputError(
            "A municipality goes up in two others on one day",
            where="the concordance of municipalities",
            fix="keep the row of the municipality that took over its deliveries",
        )
    found: dict[str, str] = {}
    for _, day in steps.group_by("date", maintain_order=True):
        step = dict(day.select("old", "new").iter_rows())
        if not step.keys().isdisjoint(step.values()):
            raise InputError(
                "A municipality goes up in one that goes up itself on the same day",
                where="the concordance of municipalities",
                fix="name the last one in 'new'",
            )
        found = {old: step.get(new, new) for old, new in found.items()} | step
        # a code that is given out again stands for itself from then on
        found = {old: new for old, new in found.items() if old != new}
    return dict(sorted(found.items()))


def merger_days(mergers: pl.DataFrame | None, as_of: date | None = None) -> Sequence[date]:
    """Return the days on which a municipality changed, up to `as_of`."""
    if mergers is None:
        return []
    days = mergers["date"].unique().sort()
    return days.filter(days <= as_of).to_list() if as_of is not None else days.to_list()


def carry_as_of(
    frame: pl.DataFrame, mergers: pl.DataFrame | None, *, as_of: date | None = None,
    column: str = "municipality",
) -> pl.DataFrame:  # fmt: skip
    """Return a frame with its municipalities as they were on a day.

    Examples
    --------
    >>> from datetime import date
    >>> table = pl.DataFrame({"old": ["gm0001"], "new": ["gm0002"], "date": [date(2005, 1, 1)]})
    >>> carry_as_of(pl.DataFrame({"municipality": ["gm0001"]}), table)["municipality"].to_list()
    ['gm0002']
    """
    renamed = codes_as_of(mergers, as_of)
    return frame.with_columns(pl.col(column).replace(renamed)) if renamed else frame
