"""Which files can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Language, Own
from toolkit.errors import CheckError


def listed(context: typer.Context, own: Own = None, language: Language = "nl") -> None:
    """List the layouts that files may have; explain one; say which fits a file."""
    from toolkit.registers import explain
    from toolkit.registers.layout import layouts as known

    if context.invoked_subcommand is None:
        print(explain.listed(known(own), language))


def show(
    name: Annotated[str, typer.Argument(help="Name of a layout.")],
    own: Own = None,
    language: Language = "nl",
) -> None:
    """Explain one layout: fields, codes, rules, and where everything goes."""
    from toolkit.registers import explain
    from toolkit.registers.layout import layout

    print(explain.explained(layout(name, own), language))


def check(
    file: Annotated[Path, typer.Argument(help="A delivered file.")],
    own: Own = None,
) -> None:
    """Say which layout fits a file, and why not the others."""
    from toolkit.registers.layout import layouts as known
    from toolkit.registers.readers.matching import fits

    found = fits(file, known(own))
    good = [fit for fit in found if fit.ok]
    for fit in good or found[:3]:
        print(f"{fit.layout}: {'fits' if fit.ok else 'does not fit'}")
        for reason in fit.reasons:
            print(f"    {reason}")
    others = [fit for fit in found if not fit.ok][0 if good else 3 :]
    if others:
        print(f"{len(others)} others do not: {', '.join(fit.layout for fit in others)}")
    if not good:
        raise CheckError(
            "No layout fits this file",
            where=file.name,
            fix="write one: docs/how-to/own-data.md shows how, without Python",
        )
