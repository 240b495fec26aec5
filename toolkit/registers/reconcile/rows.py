"""Records to rows: the columns a table takes from a layout, in canonical types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError, MissingColumnError, UnknownCodeError, WrongTypeError, nearest
from toolkit.registers.layout import GIVEN, PART
from toolkit.registers.schema import dtypes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from toolkit.registers.layout import Layout, TableSpec

#: Which columns say that two rows are about the same thing, unless a layout says otherwise.
NATURAL_KEY: dict[str, tuple[str, ...]] = {
    "persons": ("person",),
    "residences": ("person", "start"),
    "households": ("person", "start"),
    "benefits": ("person", "scheme", "claim", "start"),
    "registrations": ("person", "start"),
    "jobs": ("person", "job", "start"),
    "enrolments": ("person", "start"),
    "programmes": ("person", "municipality", "offer"),
    "positions": ("person", "date", "scheme"),
}

_DATE, _INT = pl.Date(), pl.Int8()
#: What the columns of a procedure are called, and their types. Ends are the first day it no longer
#: holds, as everywhere: `einddatum + INTERVAL '1 day'` where the last day is delivered.
PROCEDURES: dict[str, dict[str, Any]] = {
    # A record of SRG 2010: a traject, with spells of wage subsidy and participation placement.
    "programmes": {
        **{
            name: dtypes("programmes")[name]
            for name in (
                "municipality", "target_group", "offer", "start", "end", "end_reason", "instrument",
                "aim",
            )
        },
        "subsidy_start": _DATE, "subsidy_end": _DATE,
        "placement_start": _DATE, "placement_end": _DATE,
    },
    # A record of SRG 2013 and later: a provision that was begun.
    "provisions": {
        **{
            name: dtypes("programmes")[name]
            for name in (
                "municipality", "target_group", "start", "end", "end_reason", "instrument", "aim",
            )
        },
        "provision": pl.String(),
    },
    # Either a dated position, or those at the begin and the end of a traject or period.
    "positions": {
        "date": _DATE, "position": _INT,
        "start": _DATE, "end": _DATE, "position_start": _INT, "position_end": _INT,
    },
}  # fmt: skip
_NEEDS = {
    "programmes": ("municipality", "offer", "start"),
    "provisions": ("municipality", "start", "end"),
    "positions": (),
}

#: Facts of a record that go along: its place, its delivery, and the period that was delivered.
ORDER = "_order"
FACTS = ("_file", ORDER, "period_start", "period_end")


def columns_of(layout: Layout, table: TableSpec) -> dict[str, Any]:
    """Return the columns a table of a layout fills, with their types, after a check of the names.

    Raises
    ------
    CallError
        A column that the procedure does not know, or lacks one that it needs.
    """
    if table.via in {"rows", "wage_rows"}:
        known = dtypes(table.table)
        return {name: known[name] for name in table.columns if name in known}
    known = PROCEDURES[table.via]
    where = f"layout {layout.name!r}, table {table.table!r} via {table.via!r}"
    for name in table.columns:
        if name not in known:
            hint = nearest(name, known)
            raise CallError(
                f"There is no column {name!r} to fill",
                where=where,
                fix=f"did you mean {hint!r}?" if hint else f"choose from {', '.join(known)}",
            )
    for name in _NEEDS[table.via]:
        if name not in table.columns:
            raise CallError(
                f"Column {name!r} is not filled",
                where=where,
                fix="name the field it comes from under columns",
            )
    if table.via == "positions" and not (
        {"date", "position"} <= set(table.columns)
        or {"start", "position_start"} <= set(table.columns)
    ):
        raise CallError(
            "A position needs its day",
            where=where,
            fix="fill date and position, or start, end, position_start and position_end",
        )
    return {name: known[name] for name in table.columns}


def needed(layout: Layout) -> set[str]:
    """Return the fields, and their `__status`, that reconciling a layout reads.

    Examples
    --------
    >>> from toolkit.registers.layout import built_in
    >>> "datum_aanbod" in needed(built_in()["srg_2010"])
    True
    """
    names: set[str] = set()
    for rule in layout.rules:
        if rule.kind != "record":
            names |= {
                str(name) for name in (*rule.within, rule.field, rule.start, rule.end) if name
            }
            names |= roots(rule.where)
    for table in layout.tables:
        names |= roots(table.where)
        for sql in table.columns.values():
            used = roots(sql)
            names |= used
            if table.via in {"programmes", "provisions"}:
                # not known is not the same as still running
                names |= {f"{name}__status" for name in used if not name.endswith("__status")}
    names -= {*GIVEN, PART}
    return names - {f"{name}__status" for name in GIVEN}


def roots(sql: str | None) -> set[str]:
    """Return the columns an SQL expression reads."""
    return set() if sql is None else set(pl.sql_expr(sql).meta.root_names())


def delivery_order() -> pl.Expr:
    """Return a number that grows with the period of a delivery; no period comes first."""
    days = [
        pl.col(name).to_physical().cast(pl.Int64).fill_null(-(1 << 20))
        for name in ("period_end", "period_start")
    ]
    return days[0] * (1 << 22) + days[1]


def take(
    staged: pl.DataFrame,
    layout: Layout,
    table: TableSpec,
    *,
    renamed: Mapping[str, str] | None = None,
    also: Collection[str] = (),
) -> pl.DataFrame:
    """Return what a table takes from records: person, its columns, and the facts of the record.

    Parameters
    ----------
    staged : pl.DataFrame
        Accepted records.
    layout, table
        Where they come from and what they fill.
    renamed : mapping, optional
        Municipality → the one it is carried under.
    also : collection of str
        Further columns of `staged` to carry along.

    Raises
    ------
    MissingColumnError
        When a field was not staged.
    UnknownCodeError, WrongTypeError
        When a value is no name of the column's code list, or of another type.
    """
    wanted = columns_of(layout, table)
    used = roots(table.where).union(*(roots(table.columns[name]) for name in wanted))
    for name in sorted(used):
        if name not in staged.columns:
            raise MissingColumnError(
                f"Column {name!r} was not staged",
                where=f"layout {layout.name!r}, table {table.table!r}",
                fix="stage what `reconcile.needed(layout)` lists",
            )
    lazy = staged.lazy()
    if table.where is not None:
        lazy = lazy.filter(pl.sql_expr(table.where))
    columns = []
    for name, dtype in wanted.items():
        value = pl.sql_expr(table.columns[name])
        if renamed and name == "municipality":
            value = value.replace(dict(renamed))
        columns.append(value.cast(dtype).alias(name))
        if table.via in {"programmes", "provisions"}:
            columns.append(_said(value, roots(table.columns[name]), staged).alias(f"_said_{name}"))
    person = [] if "person" in wanted else [pl.col("person").cast(pl.Int64)]
    try:
        return lazy.select(
            *person, *columns, pl.col("_file").cast(pl.UInt32), delivery_order().alias(ORDER),
            "period_start", "period_end", *also,
        ).collect()  # fmt: skip
    except pl.exceptions.PolarsError:
        # its own message shows values
        raise _explain(lazy, layout, table, wanted) from None


def _said(value: pl.Expr, fields: set[str], staged: pl.DataFrame) -> pl.Expr:
    """Tell whether a record says a value: one that is open or does not apply is said too."""
    states = [f"{name}__status" for name in fields if f"{name}__status" in staged.columns]
    if not states:
        return pl.lit(value=True)
    silent = pl.any_horizontal(
        pl.col(name).cast(pl.String).is_in(["unknown", "invalid"]) for name in states
    )
    return value.is_not_null() | silent.not_()


def _explain(
    lazy: pl.LazyFrame, layout: Layout, table: TableSpec, wanted: Mapping[str, Any]
) -> Exception:
    """Say which column cannot be read as its type; no value is shown."""
    where = f"layout {layout.name!r}, table {table.table!r}"
    for name, dtype in wanted.items():
        value = pl.sql_expr(table.columns[name])
        try:
            lazy.select(value.cast(dtype)).collect()
        except pl.exceptions.PolarsError:
            if isinstance(dtype, pl.Enum):
                return UnknownCodeError(
                    f"Column {name!r} gets a name that is not in its code list",
                    where=where,
                    fix=f"map the codes of {table.columns[name]!r} onto "
                    f"{', '.join(dtype.categories)}",
                )
            return WrongTypeError(
                f"Column {name!r} cannot be read as {dtype}",
                where=where,
                fix=f"correct {table.columns[name]!r}",
            )
    return WrongTypeError("The columns cannot be computed", where=where, fix="see its columns")
