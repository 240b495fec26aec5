"""From a delivery to the store: whatever comes in, canonical tables come out or a clear refusal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError, EmptyCohortError, nearest
from toolkit.registers.intake.canonical import is_canonical, read_canonical
from toolkit.registers.layout import layouts as known_layouts
from toolkit.registers.schema import PERSON_TABLES
from toolkit.registers.store import StoreWriter, open_store
from toolkit.registers.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.registers.register import Register

#: Choices of `layout` that are no layout: find out file by file, or tables that are canonical.
AUTO, CANONICAL = "auto", "canonical"


def ingest(
    source: str | Path,
    target: str | Path,
    *,
    layout: str = AUTO,
    layouts: str | Path | None = None,
    secret: bytes | str | Path | None = None,
    letters: Sequence[str] = ("R",),
    partition_size: int = 50_000,
    progress: Callable[..., Iterator[Any]] | None = None,
) -> Register:
    """Read a delivery, check it, and write it as a store.

    Raw files are recognised by their names (`toolkit.registers.layouts`). Each record is checked by
    itself and then beside the other records of its person; half-yearly and yearly deliveries
    become one history. Records that break a rule go, unchanged, to `<target>.closed/rejected`;
    for every file, accepted and rejected add up to what came in. The key that was delivered stays
    in `<target>.closed/keys.parquet`; the store knows persons by a surrogate only.

    Parameters
    ----------
    source : str or Path
        A folder with raw files, with `delivery.toml` for what their names do not say; or with
        `<table>.parquet` or `.csv` for each canonical table; or a store.
    target : str or Path
        Where the store goes. An older one is replaced in one step, or stays as it was.
    layout : str
        `auto`; `canonical`; or the name of one layout, which then reads every file whose name
        fits.
    layouts : str or Path, optional
        A folder with layouts of one's own (TOML); they come before the built-in ones.
    secret : bytes, str or Path, optional
        The key for hashing citizen service numbers, or the file that holds it (at least 16 bytes);
        else the environment variable `REINTEGRATIE_KEY`. Only needed where numbers were delivered.
    letters : sequence of str
        RINPERSOONS that are kept; the others are set aside and counted.
    partition_size : int
        Persons a partition. Bounds the memory.
    progress : callable, optional
        Wraps a list of steps, as tqdm does; called with `title`.

    Returns
    -------
    Register
        The store, opened. `registers.facts` reads what was found on the way.

    Raises
    ------
    CallError
        When the folder, layout or secret does not exist, letters are none, the target lies in the
        delivery, or the secret is another one than that of the persons known already.
    InputError
        When a file cannot be read as what it seems to be, or (canonical tables) a rule is broken.
    StorageError
        When the disk is full or another process writes there. The older store stays.
    """
    if partition_size < 1:
        raise CallError(f"partition_size={partition_size} is below 1", fix="leave it out")
    if not letters or any(re.fullmatch("[A-Z]", letter) is None for letter in letters):
        raise CallError(
            "RINPERSOONS to keep are capital letters", fix="write R, or R,A for more than one"
        )
    folder = Path(source)
    if not folder.is_dir():
        raise CallError(
            f"There is no folder {folder.as_posix()!r}", fix="check the path of the delivery"
        )
    if layout == CANONICAL or (layout == AUTO and is_canonical(folder)):
        return _ingest_canonical(folder, Path(target), partition_size, progress)
    if folder.resolve() in Path(target).resolve().parents:
        raise CallError(
            "The register would lie inside the delivery",
            where=Path(target).as_posix(),
            fix="choose a folder outside it, or the next intake finds the register among the files",
        )
    known = known_layouts(layouts)
    if layout != AUTO and layout not in known:
        hint = nearest(layout, [AUTO, CANONICAL, *known])
        raise CallError(
            f"There is no layout {layout!r}",
            fix=f"did you mean {hint!r}?" if hint else "`reintegratie layouts` lists them",
        )
    from toolkit.registers.intake.run import Intake

    intake = Intake(
        folder,
        Path(target),
        layouts=known,
        only=None if layout == AUTO else layout,
        secret=secret,
        letters=tuple(letters),
        group_size=partition_size,
    )
    intake.run(progress)
    return open_store(target)


def _ingest_canonical(
    folder: Path,
    target: Path,
    partition_size: int,
    progress: Callable[..., Iterator[Any]] | None,
) -> Register:
    """Write tables that are canonical already; the first broken rule refuses the delivery."""
    register = read_canonical(folder)
    validate(register)
    keys = register.persons.select("person").collect().to_series()
    if not len(keys):
        raise EmptyCohortError(
            "Table 'persons' has no rows",
            where=f"folder {folder.as_posix()!r}",
            fix="deliver the persons that the other tables are about",
        )
    cuts = keys.gather_every(partition_size).to_list()
    ends = [*cuts[1:], register.partitions[-1].high]
    pairs = list(zip(cuts, ends, strict=True))
    meta = {"source": register.meta.get("source", folder.name), "layout": CANONICAL}
    with StoreWriter(
        target,
        municipalities=register.municipalities.collect(),
        coverage=register.coverage.collect(),
        meta=meta | {k: v for k, v in register.meta.items() if k == "ignored_columns"},
    ) as writer:
        for low, high in progress(pairs) if progress else pairs:
            inside = (pl.col("person") >= low) & (pl.col("person") < high)
            writer.write(
                low,
                high,
                {name: register.table(name).filter(inside).collect() for name in PERSON_TABLES},
            )
    return open_store(target)
