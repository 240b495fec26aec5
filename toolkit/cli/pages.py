"""Pages: the report of all studies, and the protocol written before one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Language
from toolkit.errors import CallError


def report(
    out: Annotated[Path, typer.Argument(help="Folder that holds the chapters of the studies.")],
    register: Annotated[Path | None, typer.Option(help="The register they were run on.")] = None,
    language: Language = "nl",
) -> None:
    """Put the chapters of all studies in one page, `report.html`, with a manifest."""
    from analyses import report as binder

    page = binder.main(out, register, language=language)
    print(f"report: {page.as_posix()}")


def protocol(
    config: Annotated[
        Path | None, typer.Argument(help="The protocol as TOML; --example prints one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for protocol.html, .txt and .json.")
    ] = None,
    language: Language = "nl",
    example: Annotated[
        bool, typer.Option("--example", help="Print a protocol to start from.")
    ] = False,
) -> None:
    """Check a research protocol and put it on one page: question, data, concepts, method."""
    from toolkit import effects

    if example:
        print(effects.example_protocol(), end="")
        return
    if config is None:
        raise CallError("No protocol is named", fix="reintegratie protocol FILE.toml, or --example")
    found = effects.protocol(config)
    print(found.text(language), end="")
    if out is not None:
        print(f"\nprotocol: {found.save(out, language=language).as_posix()}")
