"""Check each record by itself, all rules in one pass: who stays, who goes and why."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError, InputError
from toolkit.registers.delivery import BROKEN, COUNTS, Checked
from toolkit.registers.layout import GIVEN
from toolkit.registers.rules.listing import RECORD_RULES, field_rules, rule_id, rules_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from toolkit.registers.layout import Layout, Severity

_FLAG = "__broken__"
_RECORD = ["_file", "_row"]


def check_records(
    parsed: pl.LazyFrame | pl.DataFrame,
    layout: Layout,
    *,
    letters: Collection[str] = ("R",),
    files: pl.DataFrame | None = None,
    columns: Collection[str] | None = None,
) -> Checked:
    """Evaluate the rules of fields and keys, and the layout's rules within a record.

    An error in one person of a record rejects the whole record. A person set aside leaves alone;
    the record counts as set aside when nobody of it is left. A record that could not be cut into
    fields breaks only the rule that says so.

    Parameters
    ----------
    parsed : pl.LazyFrame or pl.DataFrame
        What `values.parse` gives.
    layout : Layout
        Whose rules.
    letters : collection of str
        Letters of RIN pairs that stay.
    files : pl.DataFrame, optional
        `_file, period_start, period_end, delivered_by`; needed where a rule reads them.
    columns : collection of str, optional
        Which columns to keep of accepted records, besides `_file, _row, _part` and the keys. All.

    Returns
    -------
    Checked
        In `accepted` the records that stay, in their order. A record is in `accepted` or in
        `broken`, never both. `counts` counts records, warnings included.

    Raises
    ------
    InputError
        When a rule of the layout cannot be evaluated.
    CallError
        When a rule reads the period or sender of a file and `files` is not given.
    """
    frame = parsed.lazy()
    schema = frame.collect_schema()
    asked = {
        name
        for rule in layout.rules
        if rule.kind == "record"
        for sql in (rule.check, rule.where)
        if sql is not None
        for name in pl.sql_expr(sql).meta.root_names()
    }
    if missing := (asked & set(GIVEN)) - set(schema) - {"person"}:
        if files is None:
            raise CallError(
                f"Rules of layout {layout.name!r} read {min(missing)!r} of the file",
                fix="pass `files` with it",
            )
        given = files.lazy().select(pl.col("_file").cast(schema["_file"]), *sorted(missing))
        frame = frame.join(given, on="_file", how="left", maintain_order="left")
        schema = frame.collect_schema()
    flags = _flags(layout, schema, letters)
    kept = _kept(schema, columns, missing)
    whole = pl.col("_broken").is_null()
    table = frame.select(
        *kept,
        **{f"{_FLAG}{name}": flag & whole for name, flag in flags.items()},
        **{
            f"{_FLAG}{rule_id(layout, kind)}": pl.col("_broken") == kind.lower()
            for kind in RECORD_RULES
        },
    ).collect()
    severity: dict[str, Severity] = {rule_id(layout, kind): "error" for kind in RECORD_RULES}
    severity |= {rule.id: rule.severity for rule in rules_of(layout)}
    return _sorted_out(table, kept, severity)


def _sorted_out(table: pl.DataFrame, kept: list[str], severity: dict[str, Severity]) -> Checked:
    """Divide records with a mark for every rule into those that stay and those that go."""
    marks = [name for name in table.columns if name.startswith(_FLAG)]
    often = table.select(pl.col(marks).sum()).row(0)
    struck = [name for name, n in zip(marks, often, strict=True) if n]
    two = table.height > 0 and table["_part"].max() != 0
    broken = {name: table.filter(name).select(_RECORD) for name in struck}
    if two:
        broken = {name: records.unique() for name, records in broken.items()}
    counts = [
        records.group_by("_file").len("n").with_columns(rule=pl.lit(name.removeprefix(_FLAG)))
        for name, records in broken.items()
    ]
    errors, aside = (
        [name for name in struck if severity[name.removeprefix(_FLAG)] == kind]
        for kind in ("error", "set_aside")
    )
    accepted = table.select(kept)
    if leaving := [*errors, *aside]:
        stays = ~reduce(or_, (pl.col(name).fill_null(value=False) for name in leaving))
        accepted = table.filter(stays).select(kept)
    if two and leaving:
        # an error takes the other person of the record with it, being set aside does not
        wrong = pl.concat([table.head(0).select(_RECORD), *(broken[name] for name in errors)])
        accepted = accepted.join(wrong.unique(), on=_RECORD, how="anti", maintain_order="left")
        stay = accepted.select(_RECORD).unique()
        broken |= {name: broken[name].join(stay, on=_RECORD, how="anti") for name in aside}
    listed = [broken[name].with_columns(rule=pl.lit(name.removeprefix(_FLAG))) for name in leaving]
    return Checked(
        accepted=accepted,
        broken=_typed(listed, BROKEN).sort(*BROKEN),
        counts=_typed(counts, COUNTS).sort("_file", "rule"),
    )


def _kept(schema: pl.Schema, columns: Collection[str] | None, joined: Collection[str]) -> list[str]:
    """Columns of accepted records: not those that only the checks need."""
    always = {"_file", "_row", "_part", "_key", "_letter", "_bsn"}
    return [
        name
        for name in schema
        if name in always
        or (columns is None and not name.endswith("__range") and name not in {"_broken", *joined})
        or (columns is not None and name in columns)
    ]


def _flags(layout: Layout, schema: pl.Schema, letters: Collection[str]) -> dict[str, pl.Expr]:
    """Rule → where it is broken."""
    flags: dict[str, pl.Expr] = {}
    if layout.key_kind in {"rin", "both"}:
        flags |= _pair_flags(letters)
    if layout.key_kind in {"bsn", "both"}:
        flags["KEY-BSN"] = pl.col("_bsn").is_null()
    if layout.key_kind == "client":
        flags["KEY-CLIENT"] = pl.col("_bsn").is_null()
    for field in layout.fields:
        status = pl.col(f"{field.name}__status")
        invalid = status == "invalid"
        kinds = [kind for kind, _ in field_rules(field)]
        for kind in kinds:
            if kind == "REQUIRED":
                flag = (status != "valid") & (status != "invalid")
            elif kind == "RANGE":
                flag = pl.col(f"{field.name}__range")
            elif "RANGE" in kinds:
                flag = invalid & ~pl.col(f"{field.name}__range")
            else:
                flag = invalid
            flags[rule_id(layout, kind, field.name)] = flag
    nothing = pl.DataFrame(schema=schema)
    for rule in layout.rules:
        if rule.kind != "record" or rule.check is None:
            continue
        flag = ~pl.sql_expr(rule.check)
        if rule.where is not None:
            flag &= pl.sql_expr(rule.where)
        try:
            dtype = nothing.select(flag.alias("flag")).schema["flag"]
        except pl.exceptions.PolarsError as error:
            # no value can be in the message: the frame is empty
            raise InputError(
                f"Rule {rule.id!r} cannot be evaluated: {str(error).splitlines()[0]}",
                where=f"layout {layout.name!r}",
                fix="compare fields of one kind; a key is no field a rule can read",
            ) from None
        if dtype != pl.Boolean:
            raise InputError(
                f"Rule {rule.id!r} is not true or false",
                where=f"layout {layout.name!r}",
                fix="write `check` as a comparison",
            )
        flags[rule.id] = flag.fill_null(value=False)
    return flags


def _pair_flags(letters: Collection[str]) -> dict[str, pl.Expr]:
    # the number is what is left of a key without its letter
    number, letter = pl.col("_key") % 10**9, pl.col("_letter")
    known = number.is_not_null()
    zero = (number <= 1) & known
    other = known & (number > 1) & ~letter.is_in(list(letters))
    named = ("A", "F", "R", "S")
    return {
        "KEY-RIN": ~known,
        "KEY-ZERO": zero,
        "KEY-LETTER": other,
        **{f"KEY-LETTER-{name}": other & (letter == name) for name in named},
        "KEY-LETTER-OTHER": other & ~letter.is_in(named),
    }


def _typed(frames: list[pl.DataFrame], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    if not frames:
        return pl.DataFrame(schema=schema)
    found = pl.concat([frame.select(*schema) for frame in frames])
    return found.cast(dict(schema.items()))
