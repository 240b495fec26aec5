"""From a delivery to the store. Layout `canonical`: one Parquet or CSV file a canonical table.

Raw deliveries (SPSS, fixed width, wage rows) get their readers and layouts in this room.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from toolkit.errors import CallError, MissingTableError, WrongTypeError, check_option
from toolkit.registers.register import Register, conform, from_frames
from toolkit.registers.schema import PERSON_TABLES, TABLES, dtypes
from toolkit.registers.store import INDEX, StoreWriter, open_store
from toolkit.registers.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Layout = Literal["canonical"]
_BOOLEAN = {"true": True, "false": False, "1": True, "0": False}


def ingest(
    source: str | Path,
    target: str | Path,
    *,
    layout: str = "canonical",
    partition_size: int = 50_000,
    progress: Callable[[Sequence[Any]], Iterator[Any]] | None = None,
) -> Register:
    """Read a delivery, check it, and write it as a store.

    Parameters
    ----------
    source : str or Path
        A folder with `<table>.parquet` or `<table>.csv` for each canonical table (or a store).
        CSV: UTF-8, comma, header, dates as `2006-01-31`. Tables other than `persons` and
        `coverage` may be left out when nothing was delivered.
    target : str or Path
        Where the store goes; replaced only when all is well.
    layout : {"canonical"}
        The layout of the delivery.
    partition_size : int
        Persons a partition.
    progress : callable, optional
        Wraps the list of partitions, as tqdm does.

    Raises
    ------
    CallError
        When the folder or layout does not exist.
    InputError
        The first rule of `registers.validate` that is broken; the older store stays.
    """
    check_option("layout", layout, get_args(Layout))
    folder = Path(source)
    if not folder.is_dir():
        raise CallError(
            f"There is no folder {folder.as_posix()!r}", fix="check the path of the delivery"
        )
    if (folder / INDEX).is_file():
        register = open_store(folder)
    else:
        register = from_frames({"source": folder.name}, **_files(folder))
    validate(register)
    keys = register.persons.select("person").collect().to_series()
    cuts = keys.gather_every(partition_size).to_list()
    ends = [*cuts[1:], register.partitions[-1].high]
    pairs = list(zip(cuts, ends, strict=True))
    with StoreWriter(
        target,
        municipalities=register.municipalities.collect(),
        coverage=register.coverage.collect(),
        meta={"source": register.meta.get("source", folder.name), "layout": layout},
    ) as writer:
        for low, high in progress(pairs) if progress else pairs:
            inside = (pl.col("person") >= low) & (pl.col("person") < high)
            writer.write(
                low,
                high,
                {name: register.table(name).filter(inside).collect() for name in PERSON_TABLES},
            )
    return open_store(target)


def _files(folder: Path) -> dict[str, pl.DataFrame]:
    found = {}
    for table in TABLES:
        parquet, csv = folder / f"{table}.parquet", folder / f"{table}.csv"
        if parquet.is_file():
            found[table] = conform(pl.scan_parquet(parquet), table)
        elif csv.is_file():
            text = pl.read_csv(csv, infer_schema=False, null_values="")
            found[table] = conform(_parse(text, table, csv).lazy(), table)
    if not found:
        raise MissingTableError(
            "No canonical table is there",
            where=f"folder {folder.as_posix()!r}",
            fix="deliver persons.parquet, coverage.parquet, benefits.parquet, … (or .csv)",
        )
    return found


def _parse(text: pl.DataFrame, table: str, file: Path) -> pl.DataFrame:
    """Read CSV text as the schema's types; what cannot be read is an error, never null."""
    parsed = []
    for name, dtype in dtypes(table).items():
        if name not in text.columns:
            continue
        column = text[name]
        if dtype == pl.Date:
            read = column.str.to_date("%Y-%m-%d", strict=False)
        elif dtype == pl.Boolean:
            read = column.str.to_lowercase().replace_strict(_BOOLEAN, default=None)
        elif dtype.is_numeric():
            read = column.cast(dtype, strict=False)
        else:
            read = column
        bad = (column.is_not_null() & read.is_null()).arg_true()
        if len(bad):
            raise WrongTypeError(
                f"Column {name!r} has {len(bad):,} values that cannot be read as {dtype}",
                where=f"{file.name}, first at line {bad[0] + 2}",
                fix="dates are 2006-01-31, booleans true or false, numbers with a decimal point",
            )
        parsed.append(read)
    return pl.DataFrame(parsed)
