"""How fast raw deliveries of all sources, 1999–2011, become a register, and in how much memory.

    python benchmarks/intake.py [persons …]      (default 100,000 and 1,000,000)

Each step of each size runs in a process of its own, so that its peak memory is its own. `scan` is
the least that anybody must do: every file read once by polars or polars-readstat, nothing kept.
`read` is our readers alone. The bound to hold: 1M persons in 3 minutes and 6 GiB on 2 cores, and a
peak that does not grow with the number of persons beyond the key file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

STEPS = ("scan", "read", "ingest")


def scan(folder: Path) -> int:
    """Read every file with the library's own reader; return the records."""
    import polars_readstat

    rows = 0
    text = []
    for file in sorted((folder / "raw").rglob("*")):
        kind = file.suffix.lower()
        if kind in {".sav", ".dta"}:
            for batch in polars_readstat.scan_readstat(str(file)).collect_batches():
                rows += batch.height
        elif kind == ".parquet":
            pl.scan_parquet(file).select(pl.all().hash().sum()).collect()  # read every column
            rows += pl.scan_parquet(file).select(pl.len()).collect().item()
        elif kind in {".txt", ".csv", ".gz"} and file.is_file():
            text.append(file)
    for name in text:
        if name.suffix == ".txt":
            continue
        rows += (
            pl.scan_csv(name, separator=";", infer_schema=False, encoding="utf8-lossy")
            .select(pl.len())
            .collect()
            .item()
        )
    lines = [file for file in text if file.suffix == ".txt"]
    for start in range(0, len(lines), 2_000):
        rows += pl.scan_lines(lines[start : start + 2_000]).select(pl.len()).collect().item()
    return rows


def read(folder: Path) -> int:
    """Read every file with our readers; return the records."""
    from toolkit.registers.layout import layouts
    from toolkit.registers.readers import read as read_files
    from toolkit.registers.readers.discovery import discover

    known = layouts()
    files = discover(folder / "raw", known).files
    rows = 0
    for name in {file.layout for file in files}:
        own = [file for file in files if file.layout == name]
        for batch in read_files(own, known[name], numbers=range(len(own))):
            rows += batch.height
    return rows


def ingest(folder: Path) -> int:
    from toolkit import registers

    register = registers.ingest(folder / "raw", folder / "store", secret=folder / "secret.key")
    return int(registers.facts(register, "files")["rows"].sum())


def prepare(folder: Path, persons: int) -> None:
    from synthetic_data import deliver, simulate
    from toolkit import registers

    world = simulate(folder / "world", persons=persons, seed=1)
    deliver(registers.open(world / "register"), folder / "delivery")


def one(step: str, folder: Path) -> None:
    begin = time.perf_counter()
    rows = {"scan": scan, "read": read, "ingest": ingest}[step](folder)
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"step": step, "seconds": took, "GiB": peak, "records": rows}))


def main(sizes: list[int]) -> None:
    rows = []
    for persons in sizes:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            subprocess.run([sys.executable, __file__, "prepare", work, str(persons)], check=True)
            found = {}
            for step in STEPS:
                done = subprocess.run(
                    [sys.executable, __file__, step, str(folder / "delivery")],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                found[step] = json.loads(done.stdout.splitlines()[-1])
        rows.append(
            {
                "persons": persons,
                "records": found["ingest"]["records"],
                **{f"{step} (s)": found[step]["seconds"] for step in STEPS},
                "ingest / scan": found["ingest"]["seconds"] / found["scan"]["seconds"],
                "read / scan": found["read"]["seconds"] / found["scan"]["seconds"],
                **{f"{step} (GiB)": found[step]["GiB"] for step in STEPS},
            }
        )
        with pl.Config(tbl_cols=-1, tbl_width_chars=200, float_precision=2):
            print(pl.DataFrame(rows))


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]), int(sys.argv[3]))
    elif len(sys.argv) > 1 and sys.argv[1] in STEPS:
        one(sys.argv[1], Path(sys.argv[2]))
    else:
        main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000])
