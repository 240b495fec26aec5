"""The command line: few verbs, thin. The Makefile calls them.

Exit codes: 0 done, 2 wrong call, 3 input refused, 4 checks failed, 5 cannot be written.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from contextlib import contextmanager
from datetime import datetime  # noqa: TC003 (typer reads the annotation)
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from toolkit.errors import CallError, CheckError, ToolkitError, ToolkitWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

app = typer.Typer(
    name="reintegratie",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a register of life courses to answers: does re-integration work, for whom, for how "
    "long?",
)
run_app = typer.Typer(no_args_is_help=True, help="Run a study and write its chapter.")
app.add_typer(run_app, name="run")
layouts_app = typer.Typer(help="Which files can be read: list, explain, and check a file.")
app.add_typer(layouts_app, name="layouts")

Language = Annotated[
    Literal["nl", "en"], typer.Option(help="Language of figures, tables and report.")
]
Store = Annotated[Path, typer.Argument(help="The register: a folder made by simulate or ingest.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder for figures, tables and chapter; output/<study> without it."),
]


def bar(items: Sequence[Any], *, title: str = "") -> Iterator[Any]:
    """Go through `items` behind a progress bar on a terminal, in silence elsewhere."""
    from tqdm import tqdm

    return iter(tqdm(items, desc=title, disable=None, leave=False, dynamic_ncols=True))


@contextmanager
def counter(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Count up to `total` on a terminal, in silence elsewhere: `progress(done, total)`."""
    from tqdm import tqdm

    with tqdm(total=total, desc=title, disable=None, leave=False, dynamic_ncols=True) as shown:

        def step(done: int, _: int) -> None:
            shown.update(done - shown.n)

        yield step


@app.command()
def simulate(
    path: Annotated[Path, typer.Argument(help="Folder for register, truth and calibration.")],
    persons: Annotated[
        int, typer.Option(min=2, help="Persons in the synthetic register.")
    ] = 300_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads that simulate.")] = 2,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with code 4 when a moment misses its target.")
    ] = False,
) -> None:
    """Make the synthetic register, its truth, and the table that holds it against its targets."""
    import polars as pl

    from synthetic_data import calibration
    from synthetic_data import simulate as simulate_world

    with counter("persons", persons) as progress:
        simulate_world(path, persons=persons, seed=seed, threads=threads, progress=progress)
    print(f"{persons:,} persons in {path.as_posix()}")
    try:
        calibration.check(pl.read_parquet(path / "calibration.parquet"))
    except CheckError as error:
        if strict:
            raise
        print(f"note: {error}", file=sys.stderr)


@app.command()
def deliver(
    register: Annotated[Path, typer.Argument(help="A synthetic register, made by simulate.")],
    target: Annotated[Path, typer.Argument(help="Folder for raw files, ledger and secret.")],
    dirt: Annotated[
        Literal["none", "realistic", "everything"], typer.Option(help="Which errors to make.")
    ] = "none",
    seed: Annotated[int, typer.Option(help="Of keys, days of receipt and errors.")] = 1,
) -> None:
    """Write a synthetic register as the raw files its sources would deliver, with their errors."""
    from synthetic_data import Dirt
    from synthetic_data import deliver as deliver_world
    from toolkit import registers

    chosen = {"none": Dirt.none, "realistic": Dirt.realistic, "everything": Dirt.everything}[dirt]
    done = deliver_world(registers.open(register), target, seed=seed, dirt=chosen())
    print(
        f"{done.records:,} records in {done.files:,} files in {done.raw.as_posix()}; "
        f"{done.ledger.height:,} errors in the ledger"
    )


Own = Annotated[
    Path | None, typer.Option("--layouts", help="Folder with layouts of your own (TOML).")
]
Secret = Annotated[
    Path | None,
    typer.Option(
        "--secret",
        help="File with the key for hashing citizen service numbers; else REINTEGRATIE_KEY.",
    ),
]
Letters = Annotated[str, typer.Option(help="RINPERSOONS to keep, separated by commas.")]


@app.command()
def ingest(
    source: Annotated[Path, typer.Argument(help="Folder with the delivery.")],
    target: Annotated[Path, typer.Argument(help="Folder for the register.")],
    layout: Annotated[
        str, typer.Option(help="auto, canonical, or the one layout to read.")
    ] = "auto",
    own: Own = None,
    secret: Secret = None,
    letters: Letters = "R",
    partition_size: Annotated[
        int, typer.Option(min=1, help="Persons at one time; fewer takes less memory.")
    ] = 50_000,
) -> None:
    """Read a delivery, check every record, and write what passes as a register."""
    from toolkit import registers

    register = registers.ingest(
        source, target, layout=layout, layouts=own, secret=secret, letters=_split(letters),
        partition_size=partition_size, progress=bar,
    )  # fmt: skip
    if registers.has_facts(register):
        print(registers.account(register))
    print(f"{register.meta['rows']['persons']:,} persons in {target.as_posix()}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A register, or the raw files of a delivery.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the quality report of raw files.")
    ] = None,
    own: Own = None,
    secret: Secret = None,
    letters: Letters = "R",
    language: Language = "nl",
    strict: Annotated[
        bool, typer.Option("--strict", help="End with code 4 when a record was rejected.")
    ] = False,
) -> None:
    """Check a register, or raw files and the quality of who delivered them.

    Raw files are read as `ingest` would, into a folder that is thrown away; what came in, what
    was rejected and why is shown, and written to --out with, where municipalities delivered, the
    chapter on their quality.
    """
    from toolkit import registers

    if registers.is_store(folder):
        opened = registers.open(folder)
        registers.validate(opened)
        for table, rows in opened.meta["rows"].items():
            print(f"{table:>14} {rows:>14,} rows")
        print("all rules hold")
        return
    from analyses import check_delivery

    found = check_delivery.main(
        folder, _folder(out, "check"),
        layouts=own, secret=secret, letters=_split(letters), language=language, progress=bar,
    )  # fmt: skip
    print(found.text)
    if strict and found.rejected:
        raise CheckError(f"{found.rejected:,} records were rejected", fix="see the report in --out")


@layouts_app.callback(invoke_without_command=True)
def layouts(context: typer.Context, own: Own = None, language: Language = "nl") -> None:
    """List the layouts that files may have; explain one; say which fits a file."""
    from toolkit.registers import explain
    from toolkit.registers.layout import layouts as known

    if context.invoked_subcommand is None:
        print(explain.listed(known(own), language))


@layouts_app.command("show")
def layouts_show(
    name: Annotated[str, typer.Argument(help="Name of a layout.")],
    own: Own = None,
    language: Language = "nl",
) -> None:
    """Explain one layout: fields, codes, rules, and where everything goes."""
    from toolkit.registers import explain
    from toolkit.registers.layout import layout

    print(explain.explained(layout(name, own), language))


@layouts_app.command("check")
def layouts_check(
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


@run_app.command("durable_outflow")
def durable_outflow(register: Store, out: Out = None, language: Language = "nl") -> None:
    """Exits from WWB: still in work after a year, back on benefit within six months."""
    from analyses import durable_outflow as study

    _run(study.main, register, _folder(out, "durable_outflow"), language)


@run_app.command("repeat_unemployment")
def repeat_unemployment(register: Store, out: Out = None, language: Language = "nl") -> None:
    """Exits from WWB, WW and nug, 2004 to mid 2006: who returns, when, how often."""
    from analyses import repeat_unemployment as study

    _run(study.main, register, _folder(out, "repeat_unemployment"), language)


@run_app.command("srg_quality")
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

    folder = _folder(out, "srg_quality")
    study.main(
        registers.open(register), folder,
        language=language, on=on.date() if on else None, progress=bar,
    )  # fmt: skip
    _done(folder)


@run_app.command("school_to_work")
def school_to_work(
    file: Annotated[Path | None, typer.Argument(help="The mvad panel as CSV.")] = None,
    out: Out = None,
    language: Language = "nl",
) -> None:
    """Real data: 712 young people over 72 months, from school to work (McVicar and others)."""
    from analyses import school_to_work as study

    folder = _folder(out, "school_to_work")
    study.main(file, folder, language=language)
    _done(folder)


@run_app.command("sequences")
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

    folder = _folder(out, "sequences")
    study.run(
        file, folder,
        columns=columns, benefit=_split(benefit), work=_split(work), start=start, person=person,
        by=_split(by), language=language,
    )  # fmt: skip
    _done(folder)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="Folder that holds the chapters of the studies.")],
    register: Annotated[Path | None, typer.Option(help="The register they were run on.")] = None,
    language: Language = "nl",
) -> None:
    """Put the chapters of all studies in one page, `report.html`, with a manifest."""
    from analyses import report as binder

    page = binder.main(out, register, language=language)
    print(f"report: {page.as_posix()}")


@app.command()
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


def _run(study: Callable[..., Any], register: Path, out: Path, language: str) -> None:
    from toolkit import registers

    opened = registers.open(register)
    registers.validate(opened)
    study(opened, out, language=language, progress=bar)
    _done(out)


def _done(out: Path) -> None:
    print(f"figures, tables and chapter: {out.as_posix()}")


def _folder(out: Path | None, study: str) -> Path:
    return Path("output") / study if out is None else out


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    label = "note" if issubclass(category, ToolkitWarning) else category.__name__
    print(f"{label}: {message}", file=sys.stderr)


def main() -> None:
    """Run the command line; an error of ours is one clear message and its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        app()
    except ToolkitError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except json.JSONDecodeError as error:
        print(
            f"error: a JSON file cannot be read: {error}. What to do: make it again.",
            file=sys.stderr,
        )
        sys.exit(3)
