"""How fast the made-up country is simulated, and in how much memory.

Run: python benchmarks/simulate.py [persons …]      (default 100,000 and 1,000,000)

Each size runs in a process of its own, so that its peak memory is its own. Compilation is measured
apart. Ratios are to counting the written person-months once (one pass over all spells in polars):
machines differ, ratios less so.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl


def measure(persons: int) -> dict[str, float]:
    from synthetic_data import simulate
    from synthetic_data.engine import Engine
    from synthetic_data.world import World
    from toolkit import registers
    from toolkit.registers.schema import PERSON_TABLES

    begin = time.perf_counter()
    engine = Engine.build(World(), 1)
    engine.run(0, 10)
    compiled = time.perf_counter() - begin
    begin = time.perf_counter()
    engine.run(0, 20_000)
    kernel = (time.perf_counter() - begin) / 20_000 * persons
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        root = simulate(Path(folder) / "world", persons=persons, seed=1)
        whole = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        register = registers.open(root / "register")
        begin = time.perf_counter()
        rows = 0
        for name in PERSON_TABLES:
            frame = register.table(name)
            rows += frame.select(pl.len()).collect().item()
            frame.select(pl.all().hash().sum()).collect()
        count = time.perf_counter() - begin
        size = sum(path.stat().st_size for path in root.rglob("*.parquet")) / 2**20
    return {
        "persons": persons,
        "load kernel (s)": compiled,
        "kernel alone, 1 thread (s)": kernel,
        "simulate, 2 threads (s)": whole,
        "persons a second": persons / whole,
        "one pass over all rows (s)": count,
        "ratio": whole / count,
        "rows": rows,
        "parquet (MiB)": size,
        "peak memory (GiB)": peak,
    }


def main(sizes: list[int]) -> None:
    for persons in sizes:
        command = [sys.executable, __file__, "--one", str(persons)]
        answer = subprocess.run(command, check=True, capture_output=True).stdout
        found = json.loads(answer)
        for name, value in found.items():
            print(f"{name:28s} {value:>14,.2f}" if value % 1 else f"{name:28s} {value:>14,.0f}")
        print()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
    else:
        main([int(text.replace("_", "")) for text in sys.argv[1:]] or [100_000, 1_000_000])
