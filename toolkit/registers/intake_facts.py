"""What an intake found, kept beside the tables of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import MissingTableError
from toolkit.registers.store import FACTS

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.registers.register import Register


def facts(register: Register, name: str) -> pl.DataFrame:
    """Return what was found when raw files were taken in.

    Parameters
    ----------
    register : Register
        An opened store.
    name : str
        `files`, `rules`, `revisions`, `measures`, `labels`, `unusable`, or `mergers`.

    Raises
    ------
    MissingTableError
        When the register was not made from raw files.
    """
    folder = facts_folder(register)
    file = folder / f"{name}.parquet" if folder else None
    if file is None or not file.is_file():
        known = sorted(item.stem for item in folder.glob("*.parquet")) if folder else []
        raise MissingTableError(
            f"The register has no facts {name!r} of its intake",
            where=f"facts there: {', '.join(known) or 'none'}",
            fix=f"choose one of {', '.join(known)}"
            if known
            else "make the register from raw files with `reintegratie ingest`",
        )
    return pl.read_parquet(file)


def facts_folder(register: Register) -> Path | None:
    """Return the folder with the facts of the intake, if there is one."""
    if register.path is None:
        return None
    folder = register.path / str(register.meta.get("tables", "")) / FACTS
    return folder if folder.is_dir() else None
