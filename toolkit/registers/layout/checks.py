"""Does the SQL of a layout hold together: the fields it reads, the types and names it gives.

What is wrong is found when the layout is read, not when the first delivery comes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import nearest
from toolkit.registers.delivery import STATUS
from toolkit.registers.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolkit.registers.layout.spec import Layout, TableSpec

#: Columns every row of a table must have from the file that brings it: nobody else can add them.
_OWN = ("start", "date", "offer", "scheme", "claim", "job", "municipality")
_VALUES: dict[str, type[pl.DataType]] = {
    "date": pl.Date, "integer": pl.Int64, "number": pl.Float64, "id": pl.Int64,
}  # fmt: skip
_GIVEN: dict[str, type[pl.DataType]] = {
    "person": pl.Int64, "_part": pl.UInt8, "period_start": pl.Date, "period_end": pl.Date,
    "delivered_by": pl.String,
}  # fmt: skip
#: Keys are hashed as they are read; there is no value for SQL to see.
_KEYS = ("bsn", "client", "rin")


def names_in(sql: str | None) -> set[Any]:
    """Return the columns an SQL expression reads."""
    if sql is None:
        return set()
    try:
        return set(pl.sql_expr(sql).meta.root_names())
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{sql!r} is no SQL expression: {error}") from error


def check_names(used: Iterable[Any], known: Iterable[str], where: str) -> None:
    """Raise ValueError at the first name that is no field."""
    there = set(known)
    for name in sorted(set(used) - there):
        hint = nearest(name, there)
        raise ValueError(
            f"{where}: there is no field {name!r}; "
            + (f"did you mean {hint!r}?" if hint else f"a plain word is written as \"'{name}'\"")
        )


def check_filled(table: TableSpec) -> None:
    """Raise ValueError where a base leaves out what every row of the table must have."""
    if table.role != "base" or table.via != "rows":
        return
    columns = TABLES[table.table].columns()
    lacking = [
        name for name in _OWN
        if name in columns and not columns[name].nullable and name not in table.columns
    ]  # fmt: skip
    if lacking:
        raise ValueError(
            f"table {table.table!r} does not fill {', '.join(map(repr, lacking))}, "
            "without which there is no row"
        )


def check_keys(layout: Layout) -> None:
    """Raise ValueError where a record names its person twice, or `persons` names no field."""
    types: list[str] = [field.type for field in layout.fields]
    for kind in _KEYS:
        if types.count(kind) > 1:
            raise ValueError(
                f"a record names its person by one {kind}, not by {types.count(kind)}: name the "
                "columns of each person under `persons`"
            )
    names = [field.name for field in layout.fields]
    for number, person in enumerate(layout.persons, 1):
        check_names(person, names, f"person {number} of `persons`")


def check_sql(layout: Layout) -> None:
    """Raise ValueError where SQL cannot be computed, or gives another type or name than is asked.

    It is computed over a frame without rows; a column of a code list that reads one field of codes
    over each name the field may have.
    """
    frame = _empty(layout)
    for rule in layout.rules:
        for name, sql in (("check", rule.check), ("where", rule.where)):
            if sql is not None:
                _computes(frame, sql, pl.Boolean(), f"rule {rule.id!r}, {name}", layout)
    for table in layout.tables:
        where = f"table {table.table!r}"
        if table.where is not None:
            _computes(frame, table.where, pl.Boolean(), f"{where}, where", layout)
        canonical = {name: column.dtype for name, column in TABLES[table.table].columns().items()}
        for name, sql in table.columns.items():
            dtype = canonical.get(name)
            _computes(frame, sql, dtype, f"{where}, column {name!r}", layout)
            if isinstance(dtype, pl.Enum):
                _gives_names(layout, sql, dtype, f"{where}, column {name!r}")


def _empty(layout: Layout) -> pl.DataFrame:
    columns: dict[str, Any] = dict(_GIVEN)
    for field in layout.fields:
        if field.type not in _KEYS:
            columns[field.name] = _VALUES.get(field.type, pl.String)
        columns[f"{field.name}__status"] = pl.Enum(STATUS)
    return pl.DataFrame(schema=columns)


def _computes(
    frame: pl.DataFrame, sql: str, dtype: pl.DataType | None, where: str, layout: Layout
) -> None:
    keys = {field.name for field in layout.fields if field.type in _KEYS} & names_in(sql)
    if keys:
        raise ValueError(
            f"{where}: {min(keys)!r} is a key, which SQL does not see; `person` stands for it"
        )
    try:
        found = frame.select(pl.sql_expr(sql).alias("found")).schema["found"]
        if dtype is None or found == pl.Null:
            return
        same = found == dtype or pl.Boolean not in {found, dtype}
        # a number as a day is a number of days since 1970
        same &= not (dtype == pl.Date and found.is_numeric())
        if same and not isinstance(dtype, pl.Enum):
            frame.select(pl.sql_expr(sql).cast(dtype))
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"{where}: {sql!r} cannot be computed: {str(error).splitlines()[0]}"
        ) from None
    if not same:
        raise ValueError(f"{where}: {sql!r} gives {_kind(found)}, and must give {_kind(dtype)}")


def _kind(dtype: pl.DataType) -> str:
    kinds: Mapping[type[pl.DataType], str] = {
        pl.Boolean: "true or false", pl.Date: "a date", pl.String: "text",
    }  # fmt: skip
    return kinds.get(dtype.base_type(), "a number" if dtype.is_numeric() else str(dtype))


def _gives_names(layout: Layout, sql: str, dtype: pl.Enum, where: str) -> None:
    used = names_in(sql)
    codes = {field.name: field.code_list for field in layout.fields if field.type == "code"}
    if len(used) > 1 or not used <= set(codes):
        return
    values: dict[str, list[str | None]] = {
        name: [None, *{word for word in codes[name].values() if word}] for name in used
    }
    rows = pl.DataFrame(values or {"_": [None]}, schema=dict.fromkeys(values or ["_"], pl.String))
    given = rows.select(pl.sql_expr(sql).cast(pl.String).alias("given"))["given"].drop_nulls()
    known = dtype.categories.to_list()
    for name in sorted(set(given.to_list()) - set(known)):
        hint = nearest(name, known)
        raise ValueError(
            f"{where}: {name!r} is no name of its code list"
            + (f"; did you mean {hint!r}?" if hint else f", which is {', '.join(known)}")
        )
