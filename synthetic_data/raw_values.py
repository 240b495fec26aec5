"""Typed values as the text in which they are delivered: the inverse of decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import CallError, UnknownCodeError, masked, unknown_column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.registers.layout import FieldSpec, Layout

#: What parsing calls the keys that a record's fields hold.
_KEYS = {"rin_letter": "_letter", "rin": "_key", "bsn": "_bsn"}


def encode(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Write typed records as the strings that are delivered.

    Parameters
    ----------
    frame : pl.DataFrame
        One row a record: a column a field (dates, names of codes, `gm0000`, numbers, keys as text
        or numbers), and where null may mean more than one thing `<field>__status`. Further columns
        are left out. Keys may also be `_key` (letter × 10⁹ + number) and `_bsn`, as parsing gives
        them. Columns of a second person stand under their delivered names.
    layout : Layout
        How they are delivered.

    Returns
    -------
    pl.DataFrame
        The delivered columns in the layout's order, all String; an empty value is "". Fields that
        may lack and are not in `frame` are left out, unless the layout has a fixed width.

    Raises
    ------
    UnknownColumnError
        When a field is not there that may not lack.
    UnknownCodeError
        When a name has no code in the field's list.
    CallError
        When a null cannot be written: its status is `invalid`, or the field has no value for it.

    Notes
    -----
    A name is written as its first code. A null without a status becomes the first value that stands
    for `open`; without one, for `not_applicable`; without that, it is left empty. Numbers of a
    fixed-width layout, codes, keys and identifiers get zeros in front, up to the width.

    Examples
    --------
    >>> from datetime import date
    >>> from toolkit.registers.layout import layout
    >>> deaths = pl.DataFrame({
    ...     "RINPERSOONS": ["R"], "RINPERSOON": [17], "GBADatumOverlijden": [date(2009, 3, 1)],
    ... })
    >>> encode(deaths, layout("cbs_gbaoverlijdentab")).row(0)
    ('R', '000000017', '20090301')
    """
    columns = []
    for name, field in _delivered(frame, layout):
        value = _value(frame, name, field, layout)
        columns.append(_with_sentinels(frame, name, field, value, layout).alias(name))
    return frame.select(columns)


def _delivered(frame: pl.DataFrame, layout: Layout) -> Iterator[tuple[str, FieldSpec]]:
    """Yield the delivered columns, with the field that says what is in them."""
    fixed = "fixed_width" in layout.formats
    for field in layout.fields:
        if field.name in frame.columns or _KEYS.get(field.type) in frame.columns:
            yield field.name, field
        elif not field.may_lack:
            raise unknown_column(field.name, frame.columns, where="the records")
        elif fixed:
            yield field.name, field
    names = {field.name for field in layout.fields}
    for person in layout.persons:
        for name, column in person.items():
            if column not in names and column in frame.columns:
                names.add(column)
                yield column, layout.field(name)


def _value(frame: pl.DataFrame, name: str, field: FieldSpec, layout: Layout) -> pl.Expr:
    """Return the value as text; null where there is none."""
    key = _KEYS.get(field.type)
    if name not in frame.columns and key in frame.columns:
        value = pl.col(key)
        if field.type == "rin":
            value = value % 10**9
    elif name not in frame.columns:
        return pl.lit(None, pl.String)
    else:
        value = pl.col(name)
    return _text(value, field, layout) if field.type != "code" else _code(frame, name, field)


def _text(value: pl.Expr, field: FieldSpec, layout: Layout) -> pl.Expr:
    """Return a value that is no code as text."""
    width = field.width
    if field.type == "date":
        text = value.cast(pl.Date).dt.strftime("%Y%m%d")
    elif field.type == "municipality":
        text = value.cast(pl.String).str.strip_prefix("gm")
    elif field.type == "number":
        text = value.cast(pl.Float64).cast(pl.String).str.strip_suffix(".0")
        text = text.str.replace(".", ",", literal=True) if layout.decimal_comma else text
    elif field.type in {"integer", "id"}:
        text = value.cast(pl.Int64).cast(pl.String)
        if width is not None and (field.type == "id" or "fixed_width" in layout.formats):
            text = text.str.zfill(width)
    elif field.type in {"rin", "bsn"}:
        text = value.cast(pl.String).str.zfill(9)
    else:
        text = value.cast(pl.String)
    return text


def _code(frame: pl.DataFrame, name: str, field: FieldSpec) -> pl.Expr:
    """Return the first code of each name."""
    codes: dict[str, str] = {}
    for code, word in field.code_list.items():
        codes.setdefault(word, _padded(code, field))
    known = frame[name].drop_nulls().unique().cast(pl.String)
    strange = sorted(set(known) - set(codes))
    if strange:
        raise UnknownCodeError(
            f"A name has no code: {masked(strange[0])!r}",
            where=f"field {field.name!r}",
            fix=f"choose from {', '.join(word for word in codes if word)}",
        )
    return (
        pl.col(name)
        .cast(pl.String)
        .replace_strict(list(codes), list(codes.values()), default=None, return_dtype=pl.String)
    )


def _padded(code: str, field: FieldSpec) -> str:
    return code.zfill(field.width) if field.width is not None and code.isdigit() else code


def _with_sentinels(
    frame: pl.DataFrame, name: str, field: FieldSpec, value: pl.Expr, layout: Layout
) -> pl.Expr:
    """Return the value, and where there is none what stands for the reason."""
    usual = (*field.open, *field.not_applicable, "")[0]
    status = f"{name}__status"
    if status not in frame.columns:
        return value.fill_null(usual)
    said = {
        "open": next(iter(field.open), None),
        "not_applicable": next(iter(field.not_applicable), None),
        "unknown": (*field.unknown, "")[0],
        "valid": next((_padded(c, field) for c, word in field.code_list.items() if not word), None),
    }
    empty = frame.select(_v=value, _s=pl.col(status).cast(pl.String)).filter(pl.col("_v").is_null())
    for state in empty["_s"].drop_nulls().unique():
        if said.get(state) is None:
            raise CallError(
                f"A null with status {state!r} cannot be written",
                where=f"field {field.name!r} of layout {layout.name!r}",
                fix="give it a value, or another status",
            )
    known = {state: text for state, text in said.items() if text is not None}
    spoken = (
        pl.col(status)
        .cast(pl.String)
        .replace_strict(list(known), list(known.values()), default=usual, return_dtype=pl.String)
    )
    return pl.coalesce(value, spoken)
