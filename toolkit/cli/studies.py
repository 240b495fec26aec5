"""Studies: each is run and writes its chapter."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.shared import Language, Out, bar, folder_of, split

if TYPE_CHECKING:
    from collections.abc import Callable

Store = Annotated[Path, typer.Argument(help="The register: a folder made by simulate or ingest.")]


def durable_outflow(register: Store, out: Out = None, language: Language = "nl") -> None:
    """Exits from WWB: still in work after a year, back on benefit within six months."""
    from analyses import durable_outflow as study

    _run(study.main, register, folder_of(out, "durable_outflow"), language)


def repeat_unemployment(register: Store, out: Out = None, language: Language = "nl") -> None:
    """Exits from WWB, WW and nug, 2004 to mid 2006: who returns, when, how often."""
    from analyses import repeat_unemployment as study

    _run(study.main, register, folder_of(out, "repeat_unemployment"), language)


def net_effect(register: Store, out: Out = None, language: Language = "nl") -> None:
    """What programmes add: gross, deadweight and net by instrument, when, for whom, how sure."""
    from analyses import net_effect as study

    _run(study.main, register, folder_of(out, "net_effect"), language)


def srg_quality(
    register: Store,
    out: Out = None,
    language: Language = "nl",
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Judge the deliveries as they stood that day; when all was in without it.",
        ),
    ] = None,
) -> None:
    """Which municipality delivers what quality, who is reminded, may positions be published."""
    from analyses import srg_quality as study
    from toolkit import registers

    folder = folder_of(out, "srg_quality")
    study.main(
        registers.open(register), folder,
        language=language, on=on.date() if on else None, progress=bar,
    )  # fmt: skip
    _done(folder)


def school_to_work(
    file: Annotated[Path | None, typer.Argument(help="The mvad panel as CSV.")] = None,
    out: Out = None,
    language: Language = "nl",
) -> None:
    """Real data: 712 young people over 72 months, from school to work (McVicar and others)."""
    from analyses import school_to_work as study

    folder = folder_of(out, "school_to_work")
    study.main(file, folder, language=language)
    _done(folder)


def sequences(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: one row a person.")],
    columns: Annotated[
        str,
        typer.Option(help="The months in order: FIRST:LAST, or names separated by commas."),
    ],
    benefit: Annotated[str, typer.Option(help="States out of work, separated by commas.")],
    work: Annotated[str, typer.Option(help="States in work, separated by commas.")],
    start: Annotated[
        str | None,
        typer.Option(help="The first month, as 1993-07, where the columns do not say it."),
    ] = None,
    person: Annotated[str | None, typer.Option(help="Column that names the person.")] = None,
    by: Annotated[str, typer.Option(help="Columns to split by, separated by commas.")] = "",
    out: Out = None,
    language: Language = "nl",
) -> None:
    """Any panel of monthly states: exits by destination, still in work, back again."""
    from analyses import sequences as study

    folder = folder_of(out, "sequences")
    study.run(
        file, folder,
        columns=columns, benefit=split(benefit), work=split(work), start=start, person=person,
        by=split(by), language=language,
    )  # fmt: skip
    _done(folder)


def _run(study: Callable[..., Any], register: Path, out: Path, language: str) -> None:
    from toolkit import registers

    opened = registers.open(register)
    registers.validate(opened)
    study(opened, out, language=language, progress=bar)
    _done(out)


def _done(out: Path) -> None:
    print(f"figures, tables and chapter: {out.as_posix()}")
