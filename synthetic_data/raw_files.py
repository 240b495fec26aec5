"""Typed records to raw files: the inverse of what intake does when it reads and decodes.

`encode` writes values as a layout says they are delivered; `write` puts them in a file of one of
its forms.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import polars as pl

from synthetic_data.raw_values import encode
from toolkit.errors import CallError, check_option, unknown_column
from toolkit.registers.layout import Format

if TYPE_CHECKING:
    from toolkit.registers.layout import FieldSpec, Layout

__all__ = ["encode", "write"]

_FORMS: dict[str, Format] = {
    ".sav": "sav", ".zsav": "sav", ".dta": "dta", ".parquet": "parquet", ".csv": "csv",
    ".txt": "fixed_width", ".asc": "fixed_width", ".dat": "fixed_width",
}  # fmt: skip
_PACKED = {".gz", ".zip"}
_NUMERIC = {"integer", "number"}


def write(
    frame: pl.DataFrame, layout: Layout, path: str | Path, form: Format | None = None
) -> Path:
    """Write delivered strings to a file.

    Parameters
    ----------
    frame : pl.DataFrame
        As `encode` gives them, or with errors put in.
    layout : Layout
        Separator, header, encoding and widths.
    path : str or Path
        Where; `.gz` and `.zip` pack it. Folders are made.
    form : {"fixed_width", "csv", "sav", "dta", "parquet"}, optional
        The form; without it the extension says so (`.txt` is fixed width where the layout is).

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CallError
        When the extension says no form, or a value does not fit its width.

    Notes
    -----
    In .sav, .dta and Parquet, fields of type integer and number are numbers, as long as every value
    is one; the rest is text. The same records give the same bytes.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    inner = target.with_suffix("") if target.suffix.lower() in _PACKED else target
    chosen = form or _form(inner, layout)
    check_option("form", chosen, get_args(Format))
    if inner == target:
        _write(frame, layout, target, chosen)
        return target
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / inner.name
        _write(frame, layout, plain, chosen)
        _pack(plain, target)
    return target


def _form(path: Path, layout: Layout) -> Format:
    found = _FORMS.get(path.suffix.lower())
    if found == "fixed_width" and found not in layout.formats:
        return "csv"
    if found is None:
        raise CallError(
            f"The extension {path.suffix!r} says no form",
            where=path.name,
            fix=f"name `form`, or end the name in one of {', '.join(_FORMS)}",
        )
    return found


def _write(frame: pl.DataFrame, layout: Layout, path: Path, form: Format) -> None:
    match form:
        case "fixed_width":
            path.write_bytes(_fixed_width(frame, layout).encode(_encoding(layout)))
        case "csv":
            # a null is an empty field, "" would be written as two quotes
            text = frame.with_columns(pl.col(pl.String).replace("", None)).write_csv(
                separator=layout.separator, include_header=layout.header
            )
            path.write_bytes(text.encode(_encoding(layout)))
        case "parquet":
            _as_numbers(frame, layout).write_parquet(path)
        case _:
            _statistical(_as_numbers(frame, layout), layout, path, form)


def _encoding(layout: Layout) -> str:
    return "utf-8" if layout.encoding == "auto" else layout.encoding


def _fixed_width(frame: pl.DataFrame, layout: Layout) -> str:
    """Return the lines: text gets blanks behind it, all else (but what is empty) zeros before."""
    parts = []
    for field in layout.fields:
        if field.name not in frame.columns:
            raise unknown_column(field.name, frame.columns, where="the records")
        width = field.width
        if width is None:
            raise CallError(
                f"Field {field.name!r} has no width",
                where=f"layout {layout.name!r}",
                fix="write it in another form, or give every field a width",
            )
        longest = frame[field.name].str.len_chars().max()
        if isinstance(longest, int) and longest > width:
            raise CallError(
                f"A value has {longest} characters, its field {width}",
                where=f"field {field.name!r} of layout {layout.name!r}",
                fix="shorten it",
            )
        value = pl.col(field.name).fill_null("")
        if field.type not in {"text", "rin_letter"} and not _has_letters(field):
            value = pl.when(value == "").then(value).otherwise(value.str.zfill(width))
        parts.append(value.str.pad_end(width))
    lines = frame.select(line=pl.concat_str(parts))["line"]
    return "".join(f"{line}\n" for line in lines)


def _has_letters(field: FieldSpec) -> bool:
    return any(not code.isdigit() for code in field.code_list)


def _as_numbers(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Turn fields of numbers into numbers, where every value is one."""
    numbers = {field.name: field.type for field in layout.fields if field.type in _NUMERIC}
    columns = []
    for name in frame.columns:
        text = pl.col(name)
        if name in numbers and frame.schema[name] == pl.String:
            plain = text.str.replace(",", ".", literal=True) if layout.decimal_comma else text
            dtype = pl.Int64 if numbers[name] == "integer" else pl.Float64
            number = plain.replace("", None).cast(dtype, strict=False)
            filled = text.is_not_null() & (text != "")
            if frame.select((number.is_not_null() == filled).all()).item():
                columns.append(number.alias(name))
                continue
        columns.append(text)
    return frame.select(columns)


def _statistical(frame: pl.DataFrame, layout: Layout, path: Path, form: Format) -> None:
    """Write a .sav or .dta. Neither knows whole numbers of 64 bits; text keeps its width."""
    import polars_readstat

    doubles = frame.with_columns(pl.col(pl.Int64).cast(pl.Float64)).with_columns(
        pl.col(pl.String).fill_null("")
    )
    if form == "dta":
        long = [name for name in doubles.columns if len(name) > 32]
        if long:
            raise CallError(
                "Stata allows names of 32 characters",
                where=f"column {long[0]!r} of layout {layout.name!r}",
                fix="write it in another form",
            )
        polars_readstat.write_readstat(doubles, str(path), format="dta")
        return
    widths = {
        field.name: field.width
        for field in layout.fields
        if field.width is not None and doubles.schema.get(field.name) == pl.String
    }
    polars_readstat.write_readstat(doubles, str(path), format="sav", string_widths=widths)


def _pack(plain: Path, target: Path) -> None:
    """Pack a file, without a time in it."""
    info = zipfile.ZipInfo(plain.name)
    info.compress_type = zipfile.ZIP_DEFLATED
    with plain.open("rb") as source:
        if target.suffix.lower() == ".zip":
            with zipfile.ZipFile(target, "w") as archive, archive.open(info, "w") as member:
                shutil.copyfileobj(source, member)
        else:
            with (
                target.open("wb") as raw,
                gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0) as packed,
            ):
                shutil.copyfileobj(source, packed)
