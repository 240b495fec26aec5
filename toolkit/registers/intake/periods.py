"""Over which period each source was delivered, from the names of the files and the settings.

Several layouts may fill one source: one after the other as one series (POLIS, then SPOLIS), or
side by side (social assistance, unemployment insurance). A day counts as covered when every series
was delivered for it: half of the benefits is not the benefits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import OutsideCoverageError
from toolkit.registers.schema import PERSON_TABLES, dtypes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.intake.settings import Settings
    from toolkit.registers.layout import Layout

    Span = tuple[date, date]

_MEND = (
    "deliver what is missing, or say in delivery.toml, under [coverage], which unbroken period "
    "is to be used"
)


def coverage_of(
    files: Sequence[DeliveredFile], layouts: Mapping[str, Layout], settings: Settings
) -> dict[str, Span]:
    """Return source → `[start, end)`.

    What was not delivered is not "none": a hole between the periods of a series is an error. A
    file that names no period holds the whole history; then the settings must say which period
    that is, and are taken at their word. Who exists is told by a table of one moment: persons are
    covered as long as anything is.

    Raises
    ------
    OutsideCoverageError
        Which source, and what to write in `delivery.toml`.
    """
    found = {}
    periods, histories = _periods(files, layouts, settings)
    for source in periods.keys() | histories:
        said = settings.coverage.get(source)
        if source in histories or source == "persons":
            if said is not None:
                found[source] = said
            elif source != "persons":
                raise OutsideCoverageError(
                    f"Over which period {source!r} was delivered is not known",
                    where="the names of its files say no period",
                    fix=f"write in delivery.toml, under [coverage]: {source} = "
                    "[1999-01-01, 2012-01-01] (the first day, and the first day no longer covered)",
                )
        else:
            found[source] = _covered(source, periods[source], said)
    if "persons" in periods.keys() | histories and "persons" not in found and found:
        spans = found.values()
        found["persons"] = min(start for start, _ in spans), max(end for _, end in spans)
    return {source: found[source] for source in PERSON_TABLES if source in found}


def _periods(
    files: Sequence[DeliveredFile], layouts: Mapping[str, Layout], settings: Settings
) -> tuple[dict[str, dict[str, set[Span]]], set[str]]:
    """Return source → series → periods, and the sources with a file that names none."""
    periods: dict[str, dict[str, set[Span]]] = {}
    histories: set[str] = set()
    for file in files:
        for table in layouts[file.layout].tables:
            if table.table not in PERSON_TABLES or table.role != "base" or not table.covers:
                continue
            if settings.use.get(table.table, file.layout) != file.layout:
                continue
            if file.period_start is None or file.period_end is None:
                histories.add(table.table)
            else:
                series = table.series or file.layout
                known = periods.setdefault(table.table, {}).setdefault(series, set())
                known.add((file.period_start, file.period_end))
    return periods, histories


def _covered(source: str, by_series: Mapping[str, set[Span]], said: Span | None) -> Span:
    """Return the period covered by every series."""
    start = max(min(spans)[0] for spans in by_series.values())
    end = min(max(last for _, last in spans) for spans in by_series.values())
    if said is None and end <= start:
        raise OutsideCoverageError(
            f"What fills {source!r} has no period in common",
            where=", ".join(sorted(by_series)),
            fix=_MEND,
        )
    wanted = said or (start, end)
    for name, spans in by_series.items():
        _no_hole(source, name, sorted(spans), wanted)
    return wanted


def _no_hole(source: str, name: str, periods: Sequence[Span], wanted: Span) -> None:
    reached = wanted[0]
    for start, end in [*periods, (wanted[1], wanted[1])]:
        if start > reached and reached < wanted[1]:
            raise OutsideCoverageError(
                f"Of {source!r} nothing was delivered from {reached} to {min(start, wanted[1])} "
                "(exclusive)",
                where=f"the periods in the names of the files of {name!r}",
                fix=_MEND,
            )
        reached = max(reached, end)


def coverage_table(coverage: Mapping[str, Span]) -> pl.DataFrame:
    """Return the canonical table `coverage`."""
    return pl.DataFrame(
        {
            "source": list(coverage),
            "start": [start for start, _ in coverage.values()],
            "end": [end for _, end in coverage.values()],
        },
        schema=dtypes("coverage"),
    )
