"""Municipalities merge: who delivered then, and which municipality that is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import InputError
from toolkit.frames import require_columns, require_no_nulls

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A concordance: municipality `old` went up in `new` on `date`.
MERGERS = {"old": pl.String, "new": pl.String, "date": pl.Date}


def successors(mergers: pl.DataFrame | None) -> dict[str, str]:
    """Return for every merged municipality the one it is part of in the end.

    Parameters
    ----------
    mergers : frame or None
        `old`, `new` and the `date` of the merger.

    Raises
    ------
    InputError
        When mergers run in a circle, or a municipality goes up in two.

    Examples
    --------
    >>> from datetime import date
    >>> successors(pl.DataFrame({
    ...     "old": ["gm0001", "gm0002"], "new": ["gm0002", "gm0009"],
    ...     "date": [date(2005, 1, 1), date(2010, 1, 1)],
    ... }))
    {'gm0001': 'gm0009', 'gm0002': 'gm0009'}
    """
    if mergers is None or mergers.height == 0:
        return {}
    require_columns(mergers, *MERGERS, where="mergers")
    require_no_nulls(mergers, *MERGERS)
    if mergers["old"].is_duplicated().any():
        raise InputError(
            "A municipality goes up in two others",
            where="mergers: a value of 'old' stands twice",
            fix="keep the row of the municipality that took over its deliveries",
        )
    step = dict(mergers.select("old", "new").iter_rows())
    return {old: _last(old, step) for old in step}


def _last(start: str, step: Mapping[str, str]) -> str:
    seen = {start}
    here = start
    while here in step:
        here = step[here]
        if here in seen:
            raise InputError(
                "Mergers run in a circle", where=f"mergers: {start}", fix="correct the concordance"
            )
        seen.add(here)
    return here


def bodies(
    municipalities: pl.DataFrame, mergers: pl.DataFrame | None, first_seen: pl.DataFrame
) -> pl.DataFrame:
    """Return who had to deliver: `body`, the `municipality` it is now, and `since`, `until`.

    A municipality that came out of a merger counts as new (from its date on) unless it delivered
    for a period before: then it had taken the others in.

    Parameters
    ----------
    municipalities : frame
        `municipality`: those there are now.
    mergers : frame or None
        Concordance.
    first_seen : frame
        `body` and `first`: start of the first period it delivered for.
    """
    now = municipalities.select(body="municipality", municipality="municipality")
    none = pl.lit(None, dtype=pl.Date)
    last = successors(mergers)
    if mergers is None or not last:
        return now.with_columns(since=none, until=none)
    old = mergers.select(body="old", until="date").with_columns(
        municipality=pl.col("body").replace_strict(last, return_dtype=pl.String)
    )
    everyone = pl.concat([now.with_columns(until=none), old], how="diagonal").unique(
        "body", keep="last", maintain_order=True
    )
    born = (
        mergers.group_by("new").agg(since=pl.col("date").min())
        .join(first_seen, left_on="new", right_on="body", how="left")
        .filter(pl.col("first").is_null() | (pl.col("first") >= pl.col("since")))
        .select(body="new", since="since")
    )  # fmt: skip
    return everyone.join(born, on="body", how="left").select(
        "body", "municipality", "since", "until"
    )
