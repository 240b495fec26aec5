"""The small files of a delivery: settings, days of receipt, municipalities, the link of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date


def settings(coverage: pl.DataFrame, sources: Iterable[str], *, as_of: date | None = None) -> str:
    """Return `delivery.toml`: the coverage of every delivered source, and who tells positions.

    The municipal records give positions at two moments, the CBS file each with its day. Where
    municipalities merged, they are to be carried under their code `as_of` a day.
    """
    wanted = set(sources)
    rows = coverage.with_columns(pl.col("source").cast(pl.String)).filter(
        pl.col("source").is_in(sorted(wanted))
    )
    lines = ['source = "synthetic"']
    if as_of is not None:
        lines.append(f"municipalities_as_of = {as_of.isoformat()}")
    lines += ["", "[coverage]"]
    lines += [
        f"{source} = [{start.isoformat()}, {end.isoformat()}]"
        for source, start, end in rows.select("source", "start", "end").iter_rows()
    ]
    if "positions" in wanted:
        lines += ["", "[use]", 'positions = "cbs_srgpositie"']
    return "\n".join(lines) + "\n"


def receipts(received: Mapping[str, date]) -> str:
    """Return `ontvangst.csv`: which file came in on which day."""
    lines = [f"{file};{day:%Y%m%d}" for file, day in received.items()]
    return "\n".join(["bestand;ontvangen", *lines]) + "\n"
