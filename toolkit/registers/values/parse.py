"""Delivered values decoded: each becomes a typed value, or a word for why there is none.

A value is `valid`, `open` (still runs), `not_applicable`, `unknown`, or `invalid`; never two of
these, never none. Only valid values are not null, and of these only codes that say nothing are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import InputError, MissingColumnError, WrongTypeError, nearest
from toolkit.registers.delivery import RECORD
from toolkit.registers.keys.numbers import key_of
from toolkit.registers.layout import GIVEN
from toolkit.registers.values.decode import NUMBERED, decode

if TYPE_CHECKING:
    from toolkit.registers.layout import FieldSpec, Layout


def parse(raw: pl.LazyFrame | pl.DataFrame, layout: Layout) -> pl.LazyFrame:
    """Decode the fields of raw records.

    Parameters
    ----------
    raw : pl.LazyFrame or pl.DataFrame
        What `readers.read` gives: `_file`, `_row`, and where there are any `_part`, `_broken`; one
        column a field, text without outer blanks, or numbers and dates as the file holds them.
    layout : Layout
        What the fields mean.

    Returns
    -------
    pl.LazyFrame
        `_file, _row, _part, _broken`; for each field `<name>` (not for a key's number) and
        `<name>__status`; for fields with a range `<name>__range`, true where a number is outside
        it. A RIN pair gives `_key` (letter × 10⁹ + number) and `_letter`; a BSN gives `_bsn`. What
        is not asked of it is not computed.

    Raises
    ------
    MissingColumnError
        When a field that may not lack is not there.
    WrongTypeError
        When a column has a type its field cannot be read from.
    InputError
        When the layout names two keys of one kind.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.registers.layout import layout
    >>> srg = layout("srg_2010")
    >>> raw = pl.DataFrame({field.name: [""] for field in srg.fields} | {"_file": [0], "_row": [1]})
    >>> raw = raw.with_columns(begindatum_traject=pl.lit("20090230"))
    >>> parse(raw, srg).select("begindatum_traject__status").collect().item()
    'invalid'
    """
    frame = raw.lazy()
    schema = frame.collect_schema()
    _one_key_of_a_kind(layout)
    prepared: dict[str, pl.Expr] = {}
    decoded: dict[str, pl.Expr] = {}
    for field in layout.fields:
        name = field.name
        dtype = schema.get(name)
        if dtype is None and not field.may_lack:
            raise _absent(field, layout, schema.names())
        column = pl.col(name) if dtype is not None else pl.lit(None, pl.String)
        column, number, dtype = _prepare(field, column, dtype or pl.String(), layout)
        prepared |= {name: column, f"{name}__number": number}
        found = decode(field, dtype)
        if field.type == "bsn":
            decoded["_bsn"] = found.value
        elif field.type == "client":  # a word before it, so that no BSN has the same hash
            decoded["_bsn"] = pl.lit("client ") + found.value
        elif field.type != "rin":
            decoded[name] = found.value
        if field.type == "rin_letter":
            decoded["_letter"] = found.value
        decoded[f"{name}__status"] = found.status
        if found.range is not None:
            decoded[f"{name}__range"] = found.range
    if "rin" in (kinds := {field.type: field.name for field in layout.fields}):
        letter, number = (pl.col(f"{kinds[kind]}__number") for kind in ("rin_letter", "rin"))
        decoded["_key"] = key_of(letter, number)
    given = {
        "_part": pl.col("_part") if "_part" in schema else pl.lit(0, RECORD["_part"]),
        "_broken": pl.col("_broken") if "_broken" in schema else pl.lit(None, pl.String),
    }
    kept = [name for name in GIVEN if name in schema and name not in prepared]
    return frame.with_columns(**prepared).select("_file", "_row", *kept, **given, **decoded)


def _prepare(
    field: FieldSpec, column: pl.Expr, dtype: pl.DataType, layout: Layout
) -> tuple[pl.Expr, pl.Expr, pl.DataType]:
    """Bring what a column may be to few kinds: String, whole numbers, Float64, Date.

    Returns the column, the number it is, and its type.
    """
    kind = NUMBERED[field.type]
    if isinstance(dtype, (pl.Categorical, pl.Enum, pl.Null)):
        column, dtype = column.cast(pl.String), pl.String()
    if isinstance(dtype, (pl.Date, pl.Datetime)) and field.type == "date":
        return column.cast(pl.Date), pl.lit(None, kind), pl.Date()
    if isinstance(dtype, pl.String):
        text = column
        if field.type == "rin_letter":
            # upper case is 32 below lower case in ASCII
            place = column.cast(pl.Binary).bin.get(0, null_on_oob=True)
            place = pl.when(place >= ord("a")).then(place - 32).otherwise(place)
            is_letter = (column.str.len_bytes() == 1) & place.is_between(ord("A"), ord("Z"))
            return column, pl.when(is_letter).then(place), dtype
        if field.type == "number" and layout.decimal_comma:
            # 1.234,50 is sure; of 1.234 nobody knows whether the point marks thousands
            sure = column.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+,\d*$")
            bare = column.str.replace_all(".", "", literal=True)
            whole = pl.when(sure).then(bare).otherwise(column)
            text = whole.str.replace_many([".", ","], ["?", "."])
        if field.type == "municipality":
            bare = column.str.strip_prefix("gm").str.strip_prefix("GM")
            text = column = pl.when(column.str.len_bytes() == 6).then(bare).otherwise(column)
        return column, text.cast(kind, strict=False), dtype
    if dtype.is_numeric() or isinstance(dtype, pl.Boolean):
        if dtype.is_decimal() or dtype.is_float():
            # SPSS and Stata have no other word for missing than not-a-number
            column, dtype = column.cast(pl.Float64).fill_nan(None), pl.Float64()
        elif isinstance(dtype, pl.Boolean):
            column, dtype = column.cast(pl.Int64), pl.Int64()
        if field.type == "rin_letter":
            return column, pl.lit(None, kind), dtype
        return column, column.cast(kind, strict=False), dtype
    raise WrongTypeError(
        f"A column of type {dtype} cannot be read as a field of type {field.type!r}",
        where=f"field {field.name!r} of layout {layout.name!r}",
        fix="deliver it as text, or correct the type in the layout",
    )


def _one_key_of_a_kind(layout: Layout) -> None:
    kinds = [field.type for field in layout.fields]
    for kind in ("rin", "rin_letter", "bsn", "client"):
        if kinds.count(kind) > 1:
            raise InputError(
                f"A record names its person by one {kind}, not by {kinds.count(kind)}",
                where=f"layout {layout.name!r}",
                fix="name the columns of each person under `persons`",
            )


def _absent(field: FieldSpec, layout: Layout, known: list[str]) -> MissingColumnError:
    hint = nearest(field.name, known)
    return MissingColumnError(
        f"Column {field.name!r} is not there",
        where=f"records read by layout {layout.name!r}",
        fix=f"did you mean {hint!r}? Then name it as an alias"
        if hint
        else "set `may_lack = true` in the layout if it may be absent",
    )
