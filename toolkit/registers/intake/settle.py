"""The second half of intake: a group of persons at a time, from checked records to canonical rows.

What several deliveries say is brought together (`reconcile`); rows that still break a rule of the
canonical tables are set aside and counted, never lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.registers.reconcile.assemble import assemble
from toolkit.registers.register import conform
from toolkit.registers.schema import PERSON_TABLES, dtypes, empty
from toolkit.registers.validate import NO_OVERLAP, Violation, violations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from toolkit.registers.delivery import Assembled
    from toolkit.registers.intake.settings import Settings
    from toolkit.registers.intake.staging import Staged
    from toolkit.registers.layout import Layout

UNUSABLE = {"table": pl.String, "rule": pl.String, "n": pl.UInt32}


@dataclass(frozen=True)
class Settled:
    """Canonical rows of a group of persons, and what could not be one.

    Attributes
    ----------
    tables : dict of str to pl.DataFrame
    assembled : Assembled
        What reconciling found.
    unusable : dict of str to pl.DataFrame
        Canonical rows that break a rule of their table, with `rule`.
    clipped : dict of str to int
        Spells that ended after the coverage of their source and run on to its end instead.
    """

    tables: dict[str, pl.DataFrame]
    assembled: Assembled
    unusable: dict[str, pl.DataFrame] = field(default_factory=dict)
    clipped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Settler:
    """Settle groups of persons.

    Attributes
    ----------
    staged : sequence of Staged
    layouts : mapping of str to Layout
    files : pl.DataFrame
        `_file`, `period_start`, `period_end`, `delivered_by`.
    coverage : mapping
        Source → `[start, end)`.
    settings : Settings
    mergers : pl.DataFrame or None
        The concordance of municipalities.
    """

    staged: Sequence[Staged]
    layouts: Mapping[str, Layout]
    files: pl.DataFrame
    coverage: Mapping[str, tuple[date, date]]
    settings: Settings
    mergers: pl.DataFrame | None = None

    def group(self, number: int) -> Settled:
        """Settle one group of persons."""
        records: dict[str, pl.DataFrame] = {}
        for staged in self.staged:
            found = staged.group(number)
            if found is not None:
                records[staged.layout] = found.join(self.files, on="_file", how="left")
        assembled = assemble(records, self.layouts, use=self.settings.use, **self._choices())
        tables, unusable, clipped = {}, {}, {}
        persons = empty("persons")
        for name in PERSON_TABLES:
            rows = assembled.tables.get(name)
            frame = empty(name) if rows is None else conform(rows.lazy(), name)
            covered = self.coverage.get(name)
            if covered is not None:
                frame, n = clip(frame, covered)
                if n:
                    clipped[name] = n
            frame, bad = set_aside(frame, name, persons, covered)
            if bad.height:
                unusable[name] = bad
            if name == "persons":
                persons = frame
            tables[name] = frame
        return Settled(tables, assembled, unusable, clipped)

    def _choices(self) -> dict[str, Any]:
        choices: dict[str, Any] = {
            "mergers": self.mergers,
            "as_of": self.settings.municipalities_as_of,
            "until": {source: end for source, (_, end) in self.coverage.items()},
        }
        if self.settings.crosswalk is not None:
            choices["crosswalk"] = self.settings.crosswalk
        return choices


def clip(frame: pl.DataFrame, covered: tuple[date, date]) -> tuple[pl.DataFrame, int]:
    """Let spells that end after the coverage of their source run on: that end was not observed."""
    if "end" not in frame.columns:
        return frame, 0
    late = pl.col("end") > covered[1]
    n = frame.select(late.sum()).item() or 0
    if not n:
        return frame, 0
    gone = [name for name in ("end", "end_reason") if name in frame.columns]
    return frame.with_columns(
        pl.when(late).then(None).otherwise(pl.col(name)).alias(name) for name in gone
    ), n


def set_aside(
    frame: pl.DataFrame, table: str, persons: pl.DataFrame, covered: tuple[date, date] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows that break a rule of their table from those that do not.

    Of spells that overlap the later ones go, one at a time.

    Returns
    -------
    kept, broken : pl.DataFrame
        `broken` has the column `rule`.
    """
    broken = [pl.DataFrame(schema=dtypes(table) | {"rule": pl.String})]
    while frame.height:
        found = next(violations(frame, table, persons, covered), None)
        if found is None:
            break
        rows = _first_of_chain(frame, table, found) if found.rule == "overlap" else found.rows
        rule = f"TABLE-{table.upper()}-{found.rule.upper()}"
        broken.append(frame.filter(rows).with_columns(rule=pl.lit(rule)))
        frame = frame.filter(~rows)
    return frame, pl.concat(broken)


def _first_of_chain(frame: pl.DataFrame, table: str, found: Violation) -> pl.Series:
    """Of the overlapping spells of a person only the first: the others may be free without it."""
    bad = frame.with_row_index("_row").filter(found.rows).sort("start", "_row")
    first = bad.unique(NO_OVERLAP[table], keep="first", maintain_order=True)["_row"]
    rows = pl.Series([False]).new_from_index(0, frame.height)
    return rows.scatter(first.to_list(), values=True)
