"""Wage rows → job months: plain ways beside `job_months` and `stream_job_months`, time and memory.

    python benchmarks/job_months.py [rows …]        (default 10,000,000 30,000,000)

Wage rows of one year as in SPOLISBUS (13 a person; a third of employers four-weekly, some
corrections) are written to Parquet once. Each way then runs in a process of its own, from those
files to a result it keeps in memory or (stream) on disk: seconds, rows a second, peak memory, and
the ratio of time to the plain polars group-by, which sums hours, wage and days and takes the first
kind: no cutting at month ends, no union of days, no corrections, no unknowns. pandas does the same
as the plain one, on at most 10 million rows. Every way is checked to give the same groups and sums.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from toolkit.registers.codes import CONTRACT, JOB_KIND
from toolkit.registers.wages.job_months import job_months
from toolkit.registers.wages.stream import stream_job_months

ROWS_A_PERSON = 13
BATCH = 1_000_000
PANDAS_MOST = 10_000_000


def wage_rows(rows: int, folder: Path) -> None:
    """Write `rows` wage rows of 2010, a million a file, in the order of months, as they come in."""
    rng = np.random.default_rng(1)
    persons = rows // ROWS_A_PERSON
    months = pl.date_range(date(2010, 1, 1), date(2011, 1, 1), "1mo", eager=True)
    firsts = months.to_physical().to_numpy()
    for number in range(-(-rows // BATCH)):
        n = min(BATCH, rows - number * BATCH)
        # files go through the year: rows come sorted by month, not by person
        month = np.minimum(11, (number * BATCH + np.arange(n)) * 12 // rows)
        person = rng.integers(0, persons, n)
        job = person * 10 + (rng.random(n) < 0.15)
        four = job % 3 == 0
        begin, until = firsts[month].copy(), firsts[month + 1].copy()
        seam = begin + 4 + (month * 2) % 24
        head = rng.random(n) < 0.5
        until[four & head] = seam[four & head]
        begin[four & ~head] = seam[four & ~head]
        days = until - begin
        sign = np.where(rng.random(n) < 0.01, -0.1, 1.0)
        level = 60 + job % 60
        pl.DataFrame(
            {
                "person": person,
                "job": job,
                "employer": job % 300_000,
                "start": pl.Series(begin.astype(np.int32)).cast(pl.Date),
                "end": pl.Series(until.astype(np.int32)).cast(pl.Date),
                "wage": np.round(level * days * sign, 2),
                "hours": np.round(days * 36 / 7 * sign, 2),
                "kind": pl.Series(["regular"], dtype=pl.Enum(JOB_KIND)).new_from_index(0, n),
                "contract": pl.Series(
                    np.array(CONTRACT)[job % 4].tolist(), dtype=pl.Enum(CONTRACT)
                ),
                "period": pl.Series(
                    np.where(four, "four_weekly", "month").tolist(), dtype=pl.Categorical
                ),
            }
        ).write_parquet(folder / f"rows-{number:04d}.parquet")


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("rows-*.parquet"))


def count_only(folder: Path) -> pl.LazyFrame:
    """The floor: read every column and add up."""
    return pl.scan_parquet(files(folder)).select(
        pl.len().alias("n_rows"), pl.col("wage").sum().alias("wage_paid"),
        pl.col("job", "person", "employer", "start", "end", "hours").max(),
    ).collect(engine="streaming").lazy()  # fmt: skip


def plain_polars(folder: Path) -> pl.LazyFrame:
    days = (pl.col("end") - pl.col("start")).dt.total_days()
    return (
        pl.scan_parquet(files(folder))
        .group_by("person", "job", "employer", pl.col("start").dt.month_start().alias("month"))
        .agg(
            pl.col("hours").sum().alias("hours_paid"),
            pl.col("wage").sum().alias("wage_paid"),
            days.sum().alias("days"),
            pl.col("kind", "contract").first(),
            pl.len().alias("n_rows"),
        )
        .with_columns(hours=pl.col("hours_paid") * 7 / pl.col("days"))
        .collect(engine="streaming")
        .lazy()
    )


def plain_pandas(folder: Path) -> pl.LazyFrame:
    import pandas as pd

    names = ["person", "job", "employer", "start", "end", "wage", "hours"]
    # without pyarrow: by way of numpy
    read = pl.read_parquet(files(folder), columns=names)
    frame = pd.DataFrame({name: read[name].to_numpy() for name in names})
    del read
    frame["month"] = frame["start"].to_numpy().astype("datetime64[M]").astype(np.int64)
    frame["days"] = (frame["end"] - frame["start"]).dt.days
    found = frame.groupby(["person", "job", "employer", "month"], sort=False).agg(
        hours_paid=("hours", "sum"), wage_paid=("wage", "sum"), days=("days", "sum"),
        n_rows=("days", "size"),
    )  # fmt: skip
    return pl.LazyFrame(
        {name: found[name].to_numpy() for name in ("wage_paid", "hours_paid", "n_rows")}
    )


def ours(folder: Path) -> pl.LazyFrame:
    return job_months(pl.scan_parquet(files(folder))).collect(engine="streaming").lazy()


def ours_stream(folder: Path) -> pl.LazyFrame:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    return stream_job_months((pl.read_parquet(file) for file in files(folder)), out)


WAYS = {
    "read and add up": count_only,
    "plain polars group_by": plain_polars,
    "job_months": ours,
    "stream_job_months": ours_stream,
    "pandas groupby": plain_pandas,
}


def one(name: str, folder: str) -> None:
    """Run one way and print what it took."""
    began = time.perf_counter()
    found = WAYS[name](Path(folder))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    groups, rows = found.select(pl.len(), pl.col("n_rows").sum()).collect().row(0)
    print(json.dumps({"seconds": seconds, "gib": peak, "groups": groups, "rows": rows}))


def main(sizes: list[int]) -> None:
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            wage_rows(rows, folder)
            size = sum(file.stat().st_size for file in files(folder)) / 2**30
            print(
                f"\n{rows:,} wage rows, {rows // ROWS_A_PERSON:,} persons, {size:.2f} GiB Parquet"
            )
            print(
                f"{'way':<24}{'s':>8}{'M rows/s':>10}{'× plain':>9}{'peak GiB':>10}{'groups':>14}"
            )
            took: dict[str, dict[str, float]] = {}
            for way in WAYS:
                if way == "pandas groupby" and rows > PANDAS_MOST:
                    continue
                done = subprocess.run(
                    [sys.executable, __file__, "--one", way, name],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                took[way] = found = json.loads(done.stdout)
                base = took.get("plain polars group_by")
                ratio = f"{found['seconds'] / base['seconds']:.2f}" if base else ""
                print(
                    f"{way:<24}{found['seconds']:>8.2f}{rows / found['seconds'] / 1e6:>10.2f}"
                    f"{ratio:>9}{found['gib']:>10.2f}{found['groups']:>14,}",
                    flush=True,
                )
                assert found["rows"] == rows, way
            same = {found["groups"] for way, found in took.items() if way != "read and add up"}
            assert len(same) == 1, took


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main(
            [int(arg.replace(",", "").replace("_", "")) for arg in sys.argv[1:]]
            or [10**7, 3 * 10**7]
        )
