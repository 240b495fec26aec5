"""Job months of more wage rows than memory holds: cut by person on disk, then group by group."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import CallError, EmptyCohortError
from toolkit.registers.wages.job_months import HOURS_CAP, cut_by_month, rates, standard, sums

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Name of a file of the result; one a bucket.
_FILE = "job_months-{:04d}.parquet"


def stream_job_months(
    batches: Iterator[pl.DataFrame],
    folder: str | Path,
    *,
    buckets: int = 64,
    rows_in_memory: int = 4_000_000,
    hours_cap: float = HOURS_CAP,
    **columns: Any,
) -> pl.LazyFrame:
    """Sum wage rows to job months in bounded memory.

    Rows are cut into `buckets` by a hash of the person and kept on disk (20 to 50 bytes a row)
    until all batches are read; then each bucket is summed by itself. Memory is that of
    `rows_in_memory` rows, or of the largest bucket: a year of the Netherlands (126 million rows)
    in 64 buckets is two million rows each.

    Parameters
    ----------
    batches : iterator of DataFrame
        Wage rows, in any order.
    folder : path
        Where the result goes, one Parquet file a bucket; made when it is not there.
    buckets : int
        Groups of persons.
    rows_in_memory : int
        Rows gathered before they are written.
    hours_cap : float
        See `job_months`.
    **columns
        Columns and unknown amounts, as in `job_months`.

    Returns
    -------
    LazyFrame
        As `job_months`, and the same rows whatever the buckets and batches. Sorted by person, job
        and month within a file; all rows of a person are in one file.

    Raises
    ------
    CallError
        When `folder` holds job months already, or a number is below one.
    EmptyCohortError
        When no row came in.
    """
    for name, value in (("buckets", buckets), ("rows_in_memory", rows_in_memory)):
        if value < 1:
            raise CallError(f"{name}={value!r} is below one", fix="give a whole number above zero")
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.glob(_FILE.replace("{:04d}", "*"))):
        raise CallError(
            "The folder holds job months already", where=out.as_posix(), fix="name an empty folder"
        )
    with tempfile.TemporaryDirectory(dir=out, prefix=".buckets-") as name:
        pieces = Path(name)
        _scatter(batches, pieces, buckets, rows_in_memory, columns)
        done = []
        for bucket in range(buckets):
            found = sorted(pieces.glob(f"{bucket:04d}-*.arrow"))
            if not found:
                continue
            months = rates(
                sums(cut_by_month(pl.scan_ipc(found)), by=("person", "job", "employer")),
                hours_cap=hours_cap,
            )
            ready = pieces / _FILE.format(bucket)
            months.collect(engine="streaming").sort(
                "person", "job", "employer", "month", nulls_last=True
            ).write_parquet(ready)
            done.append(ready)
            for piece in found:
                piece.unlink()
        if not done:
            raise EmptyCohortError("No wage rows came in", fix="check what the batches read")
        # all or nothing: the folder has a result only when it has the whole of it
        for ready in done:
            ready.rename(out / ready.name)
    return pl.scan_parquet([out / ready.name for ready in done])


def _scatter(
    batches: Iterator[pl.DataFrame],
    pieces: Path,
    buckets: int,
    rows_in_memory: int,
    columns: dict[str, Any],
) -> None:
    """Write every row to a piece of its person's bucket."""
    held: list[pl.DataFrame] = []
    rows = piece = 0
    for batch in batches:
        held.append(standard(batch.lazy(), **columns).collect())
        rows += batch.height
        if rows >= rows_in_memory:
            _write(held, pieces, buckets, piece)
            rows, piece = 0, piece + 1
    if held:
        _write(held, pieces, buckets, piece)


def _write(held: list[pl.DataFrame], pieces: Path, buckets: int, piece: int) -> None:
    """Write what is held, by bucket, and let go of it."""
    together = pl.concat(held)
    held.clear()
    bucket = (pl.col("person").hash(seed=0) % buckets).cast(pl.UInt32)
    cut = together.with_columns(_bucket=bucket).partition_by("_bucket", as_dict=True)
    del together
    while cut:
        (number, *_), rows = cut.popitem()
        rows.drop("_bucket").write_ipc(
            pieces / f"{number:04d}-{piece:05d}.arrow", compression="lz4"
        )
