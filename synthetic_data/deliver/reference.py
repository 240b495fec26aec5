"""The small files of a delivery: settings, days of receipt, municipalities, the link of keys."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthetic_data.deliver.keys import chance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Days within which a half-year must be in (WWB statistics regulation, art. 5: four weeks).
ON_TIME = 28
_RECEIPT = 31  # stream of random numbers


def settings(coverage: pl.DataFrame, sources: Iterable[str]) -> str:
    """Return `delivery.toml`: the coverage of every delivered source, and who tells positions.

    The municipal records give positions at two moments, the CBS file each with its day.
    """
    wanted = set(sources)
    rows = coverage.with_columns(pl.col("source").cast(pl.String)).filter(
        pl.col("source").is_in(sorted(wanted))
    )
    lines = ['source = "synthetic"', "", "[coverage]"]
    lines += [
        f"{source} = [{start.isoformat()}, {end.isoformat()}]"
        for source, start, end in rows.select("source", "start", "end").iter_rows()
    ]
    if "positions" in wanted:
        lines += ["", "[use]", 'positions = "cbs_srgpositie"']
    return "\n".join(lines) + "\n"


def days_of_receipt(files: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Return for each municipal file the day it came in: within four weeks of its half-year.

    Parameters
    ----------
    files : pl.DataFrame
        `file`, `end` (first day after its half-year).

    Returns
    -------
    pl.DataFrame
        With `received`.
    """
    u = chance(np.arange(files.height), 2 * seed + _RECEIPT)
    days = pl.Series(3 + (u * (ON_TIME - 4)).astype(np.int64))
    return files.with_columns(
        received=pl.col("end") + pl.Series(days * 86_400_000).cast(pl.Duration("ms"))
    )


def receipts(received: Mapping[str, date]) -> str:
    """Return `ontvangst.csv`: which file came in on which day."""
    lines = [f"{file};{day:%Y%m%d}" for file, day in received.items()]
    return "\n".join(["bestand;ontvangen", *lines]) + "\n"


def on_time(end: date, u: float) -> date:
    """Return a day within four weeks after a half-year; `u` in [0, 1)."""
    return end + timedelta(days=3 + int(u * (ON_TIME - 4)))
