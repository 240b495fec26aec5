"""How fast delivered files are read, beside polars-readstat and polars alone, and in what memory.

    python benchmarks/readers.py [--rows 3000000] [--files 6160]

Each work is done in a process of its own on the same files, so that its peak memory is its own,
and three times, of which the fastest counts. `alone` is the least that anybody must do: polars-
readstat's or polars' own scan of the same file, in batches of the same size. The .sav has 9
columns; its cost may be at most 1.3 × polars-readstat alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH = 1_000_000
WORKS = (
    "sav alone", "sav", "csv alone", "csv", "quoted csv alone", "quoted csv", "latin-1 csv",
    "parquet alone", "parquet", "small files alone", "small files", "small files discover",
)  # fmt: skip


def write(folder: Path, rows: int, files: int) -> None:
    import polars_readstat

    rng = np.random.default_rng(1)

    def digits(width: int) -> pl.Series:
        return pl.Series(rng.integers(0, 10**width, rows)).cast(pl.String).str.zfill(width)

    days = pl.Series(rng.integers(20060101, 20091231, rows)).cast(pl.String)
    frame = pl.DataFrame(
        {
            "RINPERSOONS": pl.repeat("R", rows, eager=True), "RINPERSOON": digits(9),
            "AANVBUS": days, "EINDBUS": days, "BEID": digits(8), "SOORTBAAN": digits(1),
            "BASISLOON": rng.integers(0, 5_000, rows).astype(float),
            "BASISUREN": rng.integers(0, 200, rows).astype(float),
            "CONTRACT": rng.integers(1, 4, rows).astype(float),
        }
    )  # fmt: skip
    polars_readstat.write_readstat(frame, str(folder / "X.sav"))
    frame.write_parquet(folder / "X.parquet")
    frame.write_csv(folder / "X.csv", separator=";")
    frame.write_csv(folder / "Q.csv", separator=";", quote_style="always")
    text = (folder / "X.csv").read_text().replace(";R;", ";é;").replace("\nR;", "\né;")
    (folder / "L.csv").write_bytes(text.encode("latin-1"))
    (folder / "small").mkdir()
    from toolkit.registers.layout import layout

    record = "".join("1" * (field.width or 0) for field in layout("srg_2010").fields) + "\n"
    for number in range(files):
        name = f"SRG_{number // 14 + 1:04d}_{2005 + number % 14 // 2}{number % 2 + 1}_V1.txt"
        (folder / "small" / name).write_text(record * 200)


def work(folder: Path, name: str) -> Callable[[], int]:
    import polars_readstat

    from toolkit.registers import readers
    from toolkit.registers.delivery import DeliveredFile
    from toolkit.registers.layout import Layout, layout
    from toolkit.registers.readers.discovery import discover

    def count(batches: Iterator[pl.DataFrame]) -> int:
        return sum(batch.height for batch in batches)

    def alone(lazy: pl.LazyFrame) -> Callable[[], int]:
        return lambda: count(iter(lazy.collect_batches(chunk_size=BATCH)))

    columns = pl.read_parquet_schema(folder / "X.parquet")
    any_table = Layout.model_validate(
        {
            "name": "x", "title": {"nl": "", "en": ""}, "about": {"nl": "", "en": ""},
            "reference": "", "formats": ["sav", "csv", "parquet"], "files": ["X"],
            "unit": "person", "period": "none",
            "fields": [{"name": column, "type": "text"} for column in columns],
        }
    )  # fmt: skip

    def ours(file: str) -> Callable[[], int]:
        path = folder / file
        found = DeliveredFile(path, file, "x", path.suffix[1:])  # type: ignore[arg-type]
        return lambda: count(readers.read([found], any_table, numbers=[0], batch_rows=BATCH))

    srg = {"srg_2010": layout("srg_2010")}
    if name == "small files":
        found = discover(folder / "small", srg).files
        numbers = range(len(found))
        return lambda: count(readers.read(found, srg["srg_2010"], numbers=numbers))
    text = {"separator": ";", "infer_schema": False}
    return {
        "sav alone": alone(polars_readstat.scan_readstat(str(folder / "X.sav"))),
        "sav": ours("X.sav"),
        "csv alone": alone(pl.scan_csv(folder / "X.csv", **text)),
        "csv": ours("X.csv"),
        "quoted csv alone": alone(pl.scan_csv(folder / "Q.csv", **text)),
        "quoted csv": ours("Q.csv"),
        "latin-1 csv": ours("L.csv"),
        "parquet alone": alone(pl.scan_parquet(folder / "X.parquet")),
        "parquet": ours("X.parquet"),
        "small files alone": alone(pl.scan_lines(sorted((folder / "small").iterdir()))),
        "small files discover": lambda: len(discover(folder / "small", srg).files),
    }[name]


def measure(folder: Path, name: str) -> dict[str, float]:
    run = work(folder, name)
    wall, cpu, rows = float("inf"), float("inf"), 0
    for _ in range(3):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        rows = run()
        wall = min(wall, time.perf_counter() - begin)
        cpu = min(cpu, time.process_time() - begin_cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"rows": rows, "wall": wall, "cpu": cpu, "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--files", type=int, default=6_160)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(Path(options.one[0]), options.one[1])))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(folder, options.rows, options.files)
        print(f"{'':22s}{'rows':>12s}{'wall s':>9s}{'cpu s':>9s}{'ratio':>8s}{'peak GiB':>10s}")
        alone: dict[str, float] = {}
        for name in WORKS:
            command = [sys.executable, __file__, "--one", made, name]
            answer = subprocess.run(command, check=True, capture_output=True).stdout
            found = json.loads(answer)
            base = alone.get(name)
            if name.endswith(" alone"):
                alone[name.removesuffix(" alone")] = found["wall"]
            ratio = f"{found['wall'] / base:.2f}" if base else ""
            print(
                f"{name:22s}{found['rows']:>12,.0f}{found['wall']:>9.2f}{found['cpu']:>9.2f}"
                f"{ratio:>8s}{found['peak']:>10.2f}"
            )


if __name__ == "__main__":
    main()
