"""Curves and duration models, beside peers and beside only counting.

    python benchmarks/survival.py [--sizes 100000 1000000 10000000] [--patience 90] [--only cox]

Monthly durations up to ten years, three causes, 400 groups. Every figure comes from one run on one
machine: each work is done in a process of its own on the same data, so that its peak memory is its
own. What is timed is the work, not reading the data, importing or compiling. The ratio is against
polars' own count of the same cells, the least that anybody must do, measured in the same process
in turn; and against our own time for the same work, for peers.

A peer that needs longer than `--patience` seconds is stopped, and left out at larger sizes; the
table says so. R and scikit-survival take part where they are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from survival_works import OURS, WORKS, data_of, make, plain, prepared, run_r

if TYPE_CHECKING:
    from collections.abc import Callable


def work(name: str, folder: Path) -> tuple[float, float, float]:
    """Return the seconds `name` takes, its peak MiB, and the seconds of only counting.

    The two are run in turn, and the best of each counts, so that a busy moment of the machine
    does not fall on one of them.
    """
    path = folder / f"{data_of(name)}.parquet"
    frame = pl.read_parquet(path)
    if name.endswith(" R"):
        seconds, peak = run_r(name, path.with_suffix(".csv"))
        return seconds, peak, min(clocked(lambda: plain(name, frame)) for _ in range(5))
    run, times = prepared(name, frame)
    took, counted, peak = [], [], 0.0
    for _ in range(times):
        took.append(clocked(run))
        peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        counted.append(clocked(lambda: plain(name, frame)))
    counted += [clocked(lambda: plain(name, frame)) for _ in range(5 - times)]
    return min(took), peak, min(counted)


def clocked(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


class Table:
    """Prints a line a work, and remembers who was too slow and what ours took."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.gave_up: set[str] = set()
        self.ours: dict[str, float] = {}

    def head(self, n: int) -> None:
        self.ours = {}
        print(
            f"\n{n:,} rows\n{'work':<70}{'seconds':>9}{'× count':>9}{'× ours':>9}{'peak MiB':>10}"
        )

    def line(self, name: str, n: int, folder: Path) -> None:
        what = WORKS[name]
        why = self._left_out(name, n)
        if why is None:
            command = [sys.executable, __file__, "--child", name, str(folder)]
            # a session of its own, so that stopping a work stops the R it started too
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                start_new_session=True,
            )  # fmt: skip
            try:
                said, _ = child.communicate(timeout=None if name in OURS else self.patience)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
                self.gave_up.add(name)
                why = f"stopped after {self.patience:.0f} s"
            else:
                if child.returncode:
                    self.gave_up.add(name)
                    why = "failed (out of memory?)" if name not in OURS else "FAILED"
        if why is not None:
            print(f"{what:<70}{why:>37}", flush=True)
            return
        seconds, peak, counted = json.loads(said)
        ours = self._ours(name)
        beside = f"{seconds / ours:>9.1f}" if ours and name not in OURS else " " * 9
        if name in OURS:
            self.ours[name] = seconds
        print(
            f"{what:<70}{seconds:>9.3f}{seconds / counted:>9.2f}{beside}{peak:>10,.0f}", flush=True
        )

    def _ours(self, name: str) -> float | None:
        return self.ours.get(name.rpartition(" ")[0])

    def _left_out(self, name: str, n: int) -> str | None:
        if name in OURS:
            return None
        if name.endswith(" R") and shutil.which("Rscript") is None:
            return "not installed"
        if name.endswith(" sksurv") and find_spec("sksurv") is None:
            return "not installed"
        if name in self.gave_up or (name.endswith(" R") and n > 1_000_000):
            return "left out: takes too long"
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--patience", type=float, default=90.0, help="seconds a peer may take")
    parser.add_argument("--only", default="", help="works whose name starts with this")
    parser.add_argument("--child", nargs=2, metavar=("WORK", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(work(options.child[0], Path(options.child[1]))))
        return
    table = Table(options.patience)
    print(f"polars {pl.__version__}, numpy {np.__version__}; best of 3 to 5, peers once")
    for n in sorted(options.sizes):
        table.head(n)
        with tempfile.TemporaryDirectory() as folder:
            make(n, Path(folder))
            for name in WORKS:
                if name.startswith(options.only):
                    table.line(name, n, Path(folder))


if __name__ == "__main__":
    main()
