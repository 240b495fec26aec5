"""Municipalities merge: who delivered then, and which municipality that is now."""

from __future__ import annotations

import polars as pl

from toolkit.registers.reconcile.mergers import codes_as_of


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
    last = codes_as_of(mergers)
    if mergers is None or not last:
        return now.with_columns(since=none, until=none)
    old = (
        mergers.filter(pl.col("old") != pl.col("new"))
        .select(body="old", until="date")
        .with_columns(municipality=pl.col("body").replace(last))
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
