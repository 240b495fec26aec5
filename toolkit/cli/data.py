"""Registers from nothing, from files, and held against their rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from toolkit.cli.shared import Language, Own, bar, counter, folder_of, split
from toolkit.errors import CheckError

Secret = Annotated[
    Path | None,
    typer.Option(
        "--secret",
        help="File with the key for hashing citizen service numbers; else REINTEGRATIE_KEY.",
    ),
]
Letters = Annotated[str, typer.Option(help="RINPERSOONS to keep, separated by commas.")]


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
        source, target, layout=layout, layouts=own, secret=secret, letters=split(letters),
        partition_size=partition_size, progress=bar,
    )  # fmt: skip
    if registers.has_facts(register):
        print(registers.account(register))
    print(f"{register.meta['rows']['persons']:,} persons in {target.as_posix()}")


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
        folder, folder_of(out, "check"),
        layouts=own, secret=secret, letters=split(letters), language=language, progress=bar,
    )  # fmt: skip
    print(found.text)
    if strict and found.rejected:
        raise CheckError(f"{found.rejected:,} records were rejected", fix="see the report in --out")
