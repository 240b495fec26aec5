"""The command line: few verbs, thin. The Makefile calls them.

Exit codes: 0 done, 2 wrong call, 3 input refused, 4 checks failed, 5 cannot be written.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from toolkit.errors import CheckError, ToolkitError, ToolkitWarning

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
def ingest(
    source: Annotated[Path, typer.Argument(help="Folder with the delivery.")],
    target: Annotated[Path, typer.Argument(help="Folder for the register.")],
    layout: Annotated[str, typer.Option(help="Layout of the delivery.")] = "canonical",
) -> None:
    """Read a delivery of one's own, check it, and write it as a register."""
    from toolkit import registers

    register = registers.ingest(source, target, layout=layout, progress=bar)
    print(f"{register.meta['rows']['persons']:,} persons in {target.as_posix()}")


@app.command()
def check(register: Store) -> None:
    """Check every table of a register: codes, dates, overlap, coverage, persons."""
    from toolkit import registers

    opened = registers.open(register)
    registers.validate(opened)
    for table, rows in opened.meta["rows"].items():
        print(f"{table:>14} {rows:>14,} rows")
    print("all rules hold")


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
