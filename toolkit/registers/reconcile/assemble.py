"""Deliveries to one history: accepted records of some persons in, canonical tables out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError, nearest
from toolkit.registers.delivery import Assembled
from toolkit.registers.reconcile import crosswalk as schemes
from toolkit.registers.reconcile.mergers import codes_as_of, merger_days
from toolkit.registers.reconcile.residences import with_end_reason
from toolkit.registers.reconcile.sources import add_layout
from toolkit.registers.reconcile.tables import make_table
from toolkit.registers.reconcile.work import Work
from toolkit.registers.schema import PERSON_TABLES, dtypes, sort_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from toolkit.registers.layout import Layout


def assemble(
    staged: Mapping[str, pl.DataFrame],
    layouts: Mapping[str, Layout],
    *,
    mergers: pl.DataFrame | None = None,
    as_of: date | None = None,
    use: Mapping[str, str] | None = None,
    crosswalk: schemes.Crosswalk | str | None = None,
    until: Mapping[str, date] | None = None,
) -> Assembled:
    """Reconcile the deliveries of some persons into canonical tables.

    Person-local: for a union of persons, the union of the tables. The order of files and of rows
    does not matter except through the period of a file.

    Parameters
    ----------
    staged : mapping of str to pl.DataFrame
        Layout → its accepted records: person, `_file`, `_row`, `_part`, period_start, period_end,
        delivered_by, and what `needed(layout)` names.
    layouts : mapping of str to Layout
        The layouts by name.
    mergers : pl.DataFrame, optional
        Concordance `old`, `new`, `date`.
    as_of : date, optional
        Every municipality is carried as it is on this day by the concordance, and spells that only
        a merger cut are joined. None: municipalities stay as delivered.
    use : mapping, optional
        Canonical table → the one layout whose base rows fill it.
    crosswalk : Crosswalk or str, optional
        How positions of two schemes meet: a crosswalk or its name, or ``"apart"``.
    until : mapping, optional
        Canonical table → end of its coverage. Pieces of a table with `merge` that end there
        were cut, and run on.

    Returns
    -------
    Assembled

    Raises
    ------
    CallError
        A layout or a column that does not exist.
    InputError
        Two schemes without a crosswalk; values that are no canonical ones.
    """
    chosen = dict(use or {})
    walk = _walk(crosswalk)
    present = {name: frame for name, frame in staged.items() if frame.height}
    for name in present:
        if name not in layouts:
            raise CallError(f"There is no layout {name!r}", fix="pass it in `layouts`")
    _check_use(chosen, layouts)
    schemes.check_schemes(
        (
            str(layouts[name].position_scheme)
            for name in present
            for table in layouts[name].tables
            if table.table == "positions" and chosen.get("positions", name) == name
        ),
        walk,
    )
    chosen_mergers = mergers if as_of is not None else None
    work = Work(layouts, codes_as_of(chosen_mergers, as_of), dict(until or {}), walk)
    for name in sorted(present):
        add_layout(work, present[name], layouts[name], chosen)
    tables = {
        table: make_table(work, table, merger_days(chosen_mergers, as_of))
        for table in PERSON_TABLES
        if work.bases.get(table) or (table == "programmes" and work.provisions)
    }
    if "residences" in tables:
        tables["residences"] = with_end_reason(tables)
    return Assembled(
        tables={name: _finish(rows, name) for name, rows in tables.items()},
        broken=pl.concat(work.broken),
        counts=pl.concat(work.counts).group_by("_file", "rule").agg(pl.col("n").sum())
        .sort("_file", "rule"),
        revisions=pl.concat(work.revisions),
        measures=pl.concat(work.measures),
    )  # fmt: skip


def _walk(chosen: schemes.Crosswalk | str | None) -> schemes.Crosswalk | str | None:
    if isinstance(chosen, str) and chosen != schemes.APART:
        return schemes.crosswalk(chosen)
    return chosen


def _check_use(use: Mapping[str, str], layouts: Mapping[str, Layout]) -> None:
    for table, name in use.items():
        filling = [
            other.name for other in layouts.values()
            if any(spec.table == table and spec.role == "base" for spec in other.tables)
        ]  # fmt: skip
        if name not in filling:
            hint = nearest(name, filling)
            raise CallError(
                f"Layout {name!r} does not fill table {table!r}",
                fix=f"did you mean {hint!r}?"
                if hint
                else f"choose from {', '.join(filling) or 'none'}",
            )


def _finish(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Give rows the columns and types of their table, in its order."""
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in dtypes(table).items()
    ).sort(*sort_key(table))
