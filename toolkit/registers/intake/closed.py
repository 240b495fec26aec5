"""The closed folder beside a store: the key file and rejected records, for its owner only.

`<store>.closed/` (rights 0700) holds `keys.parquet`, which links the surrogate `person` to the
delivered key, and `rejected/`, the records that were not accepted, unchanged. Nothing else the
toolkit writes holds a key.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.registers.delivery import DeliveredFile

OWNER_ONLY_FOLDER, OWNER_ONLY_FILE = 0o700, 0o600


def closed_folder(store: Path) -> Path:
    """Return the closed folder of a store; it need not exist."""
    store = Path(os.path.abspath(store))  # noqa: PTH100 ("." has no name; links stay as they are)
    return store.with_name(f"{store.name}.closed")


def make_closed(folder: Path) -> Path:
    """Make a folder that only its owner can enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(OWNER_ONLY_FOLDER)
    return folder


@contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """Open a closed folder, and give one in it for copies of delivered files while they are read.

    Copies that a killed process left there go first. A closed folder that stays empty goes too.
    """
    make_closed(folder)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield make_closed(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):  # it holds something
            folder.rmdir()


class RejectedWriter:
    """Write rejected records file by file; they take their place together.

    Parameters
    ----------
    folder : Path
        The closed folder; `rejected/` in it is replaced by `finish`.
    """

    def __init__(self, folder: Path) -> None:
        self._final = folder / "rejected"
        self._part = folder / "rejected.part"
        shutil.rmtree(self._part, ignore_errors=True)
        make_closed(folder)
        make_closed(self._part)

    def write(self, file: DeliveredFile, records: pl.DataFrame, rules: pl.DataFrame) -> int:
        """Write the rejected records of one file; return how many.

        Parameters
        ----------
        file : DeliveredFile
        records : pl.DataFrame
            `_row` and the record as delivered.
        rules : pl.DataFrame
            `_row`, `rules`: the ids of the rules it breaks.

        Text goes to `<name>.csv`, anything else to `<name>.parquet`; columns `file`, `row` (number
        of the record, from 1) and `rules` come before the record.
        """
        text = file.format in {"fixed_width", "csv"}
        frame = records.join(rules, on="_row", how="left").select(
            pl.lit(file.name).alias("file"),
            pl.col("_row").alias("row"),
            "rules",
            pl.exclude("_row", "rules", "file", "row"),
        )
        name = file.name.replace("!", "/").lstrip("/")
        target = self._part / f"{name}.{'csv' if text else 'parquet'}"
        self._own(target)
        if text:
            frame.write_csv(target, separator=";", quote_style="non_numeric")
        else:
            frame.write_parquet(target)
        target.chmod(OWNER_ONLY_FILE)
        return frame.height

    def write_table(self, table: str, rows: pl.DataFrame) -> None:
        """Write canonical rows that could not stay, with the rule they break."""
        target = self._part / "_tables" / f"{table}.parquet"
        self._own(target)
        rows.write_parquet(target)
        target.chmod(OWNER_ONLY_FILE)

    def _own(self, target: Path) -> None:
        for folder in reversed(list(self._between(target.parent))):
            make_closed(folder)

    def _between(self, folder: Path) -> Iterator[Path]:
        while folder != self._part:
            yield folder
            folder = folder.parent

    def finish(self) -> None:
        """Put the new `rejected/` in the place of the old one."""
        old = self._final.with_name("rejected.old")
        shutil.rmtree(old, ignore_errors=True)
        if self._final.exists():
            self._final.rename(old)
        self._part.rename(self._final)
        shutil.rmtree(old, ignore_errors=True)

    def drop(self) -> None:
        """Take away what was begun."""
        shutil.rmtree(self._part, ignore_errors=True)
