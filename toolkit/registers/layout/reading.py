"""Layouts by name: the built-in ones and those of one's own, read from TOML."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from toolkit.errors import CallError, InputError, nearest
from toolkit.registers.layout.checks import check_keys, check_sql
from toolkit.registers.layout.spec import HERE, FieldSpec, Layout, RuleSpec, TableSpec

if TYPE_CHECKING:
    from pydantic import BaseModel


def read_layout(path: str | Path) -> Layout:
    """Read a layout of one's own.

    Raises
    ------
    CallError
        When the file is not there.
    InputError
        When it is no TOML or breaks the vocabulary: which key, and the nearest known one; or when
        its SQL cannot be computed, or gives what a table cannot hold.
    """
    file = Path(path)
    if not file.is_file():
        raise CallError(f"There is no layout file {file.as_posix()!r}", fix="check the path")
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"A layout is not valid TOML: {error}", where=file.name, fix="correct that line"
        ) from error
    try:
        layout = Layout.model_validate(found)
    except ValidationError as error:
        raise _explain(error, file, found) from None
    try:
        check_keys(layout)
        check_sql(layout)
    except ValueError as error:
        raise InputError(
            f"A layout does not hold together: {error}",
            where=file.name,
            fix="correct it; toolkit/registers/schema.py has the columns of the tables, "
            "codes.py the names in them",
        ) from None
    return layout


#: What pydantic says → what to write.
_SAYINGS = {
    "missing": "is missing",
    "tuple_type": 'is a list, in square brackets: ["…"]',
    "string_too_long": 'is one character (a tab is written "\\t")',
    "string_too_short": 'is one character (a tab is written "\\t")',
    "string_pattern_mismatch": "is letters, digits and _, with a letter first (of a layout and no "
    "capitals; what stands above a column goes under aliases)",
    "model_type": 'is written as { nl = "…", en = "…" }',
    "literal_error": "is one of EXPECTED",
    "int_parsing": "is a whole number",
    "bool_parsing": "is true or false",
    "string_type": 'is text, in double quotes: "…"',
}
_PARTS: dict[str, type[BaseModel]] = {
    "fields": FieldSpec, "rules": RuleSpec, "tables": TableSpec,
}  # fmt: skip


def _explain(error: ValidationError, file: Path, found: dict[str, Any]) -> InputError:
    first = error.errors()[0]
    loc, kind = first["loc"], first["type"]
    said = first["msg"].removeprefix("Value error, ")
    fix = "docs/how-to/own-data.md lists what a layout may say"
    name = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        model = _PARTS.get(str(loc[0]), Layout) if len(loc) > 1 else Layout
        hint = nearest(name, ["from" if key == "from_" else key for key in model.model_fields])
        said = f"{name!r} is not a word of layouts"
        fix = f"did you mean {hint!r}?" if hint else fix
    elif kind in _SAYINGS:
        words = [str(part) for part in loc if not isinstance(part, int)]
        saying = _SAYINGS[kind].replace("EXPECTED", first.get("ctx", {}).get("expected", ""))
        said = f"{words[-1]!r} {saying}"
        if kind == "literal_error":
            choices = saying.split("'")[1::2]
            hint = nearest(str(first["input"]), choices)
            said = f"{words[-1]!r} cannot be {str(first['input'])!r}; it {saying}"
            fix = f"did you mean {hint!r}?" if hint else fix
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return InputError(
        f"A layout breaks the vocabulary: {said}{more}", where=_place(loc, file, found), fix=fix
    )


def _place(loc: tuple[int | str, ...], file: Path, found: dict[str, Any]) -> str:
    """Return where in the file: a field, rule or table by its name."""
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc)
    named = ""
    if len(loc) > 1 and loc[0] in _PARTS and isinstance(loc[1], int):
        part = found[str(loc[0])][loc[1]]
        label = {"fields": "name", "rules": "id", "tables": "table"}[str(loc[0])]
        named = f" ({part[label]})" if isinstance(part, dict) and label in part else ""
    return f"{file.name}, {place}{named}" if place else file.name


@cache
def built_in() -> dict[str, Layout]:
    """Return the layouts that come with the toolkit, by name."""
    found = [read_layout(file) for file in sorted(HERE.glob("[!_]*.toml"))]
    return {layout.name: layout for layout in found}


def layouts(folder: str | Path | None = None) -> dict[str, Layout]:
    """Return the built-in layouts, and those of one's own in `folder`, which come first.

    A layout of one's own with the name of a built-in one takes its place.
    """
    found: dict[str, Layout] = {}
    if folder is not None:
        root = Path(folder)
        if not root.is_dir():
            raise CallError(
                f"There is no folder of layouts {root.as_posix()!r}", fix="check the path"
            )
        for file in sorted(root.glob("*.toml")):
            own = read_layout(file)
            if own.name in found:
                raise InputError(
                    f"Layout {own.name!r} is there twice", where=file.name, fix="rename one"
                )
            found[own.name] = own
    return found | {name: layout for name, layout in built_in().items() if name not in found}


def layout(name: str, folder: str | Path | None = None) -> Layout:
    """Return one layout by name."""
    known = layouts(folder)
    if name not in known:
        hint = nearest(name, known)
        raise CallError(
            f"There is no layout {name!r}",
            fix=f"did you mean {hint!r}?" if hint else "`reintegratie layouts` lists them",
        )
    return known[name]
