"""Layouts by name: the built-in ones and those of one's own, read from TOML."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from toolkit.errors import CallError, InputError, nearest
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
        When it is no TOML or breaks the vocabulary: which key, and the nearest known one.
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
        return Layout.model_validate(found)
    except ValidationError as error:
        raise _explain(error, file) from None


def _explain(error: ValidationError, file: Path) -> InputError:
    first = error.errors()[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    fix = "docs/how-to/own-data.md lists what a layout may say"
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        spec: dict[str, type[BaseModel]] = {
            "fields": FieldSpec, "rules": RuleSpec, "tables": TableSpec,
        }  # fmt: skip
        model: type[BaseModel] = (
            spec.get(str(first["loc"][0]), Layout) if len(first["loc"]) > 1 else Layout
        )
        hint = nearest(name, ["from" if key == "from_" else key for key in model.model_fields])
        said = f"{name!r} is not a word of layouts"
        fix = f"did you mean {hint!r}?" if hint else fix
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return InputError(
        f"A layout breaks the vocabulary: {said}{more}",
        where=f"{file.name}, {place}" if place else file.name,
        fix=fix,
    )


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
