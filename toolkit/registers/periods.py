"""Over which period each source was delivered, from the names of the files and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import OutsideCoverageError
from toolkit.registers.schema import PERSON_TABLES, dtypes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.layout import Layout
    from toolkit.registers.settings import Settings


def coverage_of(
    files: Sequence[DeliveredFile], layouts: Mapping[str, Layout], settings: Settings
) -> dict[str, tuple[date, date]]:
    """Return source → `[start, end)`.

    The periods of the files that bring rows of a source are joined. What was not delivered is not
    "none": a hole between them is an error. Where a file names no period, the settings must say
    it, and are taken at their word.

    Raises
    ------
    OutsideCoverageError
        Which source, and what to write in `delivery.toml`.
    """
    periods: dict[str, set[tuple[date, date]]] = {}
    histories: set[str] = {"persons"}  # who exists is told by a table of one moment
    for file in files:
        for table in layouts[file.layout].tables:
            if table.table not in PERSON_TABLES or table.role != "base" or not table.covers:
                continue
            if settings.use.get(table.table, file.layout) != file.layout:
                continue
            known = periods.setdefault(table.table, set())
            if file.period_start is not None and file.period_end is not None:
                known.add((file.period_start, file.period_end))
            else:
                histories.add(table.table)
    found = {}
    for source, known in periods.items():
        if source in settings.coverage:
            found[source] = settings.coverage[source]
            if source not in histories:
                _all_delivered(source, sorted(known), settings.coverage[source])
        elif source not in histories:
            found[source] = _joined(source, sorted(known))
        elif source == "persons":
            continue
        else:
            raise OutsideCoverageError(
                f"Over which period {source!r} was delivered is not known",
                where="the names of its files say no period",
                fix=f"write in delivery.toml, under [coverage]: {source} = "
                "[1999-01-01, 2012-01-01] (the first day, and the first day no longer covered)",
            )
    if "persons" in periods and "persons" not in settings.coverage and found:
        # persons are known as long as anything is known of them
        spans = found.values()
        found["persons"] = min(start for start, _ in spans), max(end for _, end in spans)
    return {source: found[source] for source in PERSON_TABLES if source in found}


def _joined(source: str, periods: Sequence[tuple[date, date]]) -> tuple[date, date]:
    """Return the one period that periods make together."""
    whole = periods[0][0], max(end for _, end in periods)
    _all_delivered(source, periods, whole)
    return whole


def _all_delivered(
    source: str, periods: Sequence[tuple[date, date]], whole: tuple[date, date]
) -> None:
    """Refuse a hole."""
    reached = whole[0]
    for start, end in [*periods, (whole[1], whole[1])]:
        if start > reached and reached < whole[1]:
            raise OutsideCoverageError(
                f"Of {source!r} nothing was delivered from {reached} to {min(start, whole[1])} "
                "(exclusive)",
                where="the periods in the names of its files",
                fix="deliver what is missing, or say in delivery.toml, under [coverage], which "
                "unbroken period is to be used",
            )
        reached = max(reached, end)


def coverage_table(coverage: Mapping[str, tuple[date, date]]) -> pl.DataFrame:
    """Return the canonical table `coverage`."""
    return pl.DataFrame(
        {
            "source": list(coverage),
            "start": [start for start, _ in coverage.values()],
            "end": [end for _, end in coverage.values()],
        },
        schema=dtypes("coverage"),
    )
