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

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from _table import OURS as TIMES_OURS
from _table import PEAK, SECONDS, Work, against, clocked, in_turn, main
from survival_works import OURS, WORKS, data_of, make, plain, prepared, run_r

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {"seconds": SECONDS, "× count": against(), "× ours": TIMES_OURS, "peak MiB": PEAK}


def child(name: str, folder: str) -> dict[str, Any]:
    """Return what `name` takes, and what only counting takes in the same process."""
    path = Path(folder) / f"{data_of(name)}.parquet"
    frame = pl.read_parquet(path)
    if name.endswith(" R"):
        seconds, most = run_r(name, path.with_suffix(".csv"))
        counted = min(clocked(lambda: plain(name, frame)) for _ in range(5))
        return {"seconds": seconds, "peak": most, "beside": counted}
    run, times = prepared(name, frame)
    return in_turn(run, lambda: plain(name, frame), times, at_least=5)


def works(n: int, folder: Path) -> Iterator[Work]:
    make(n, folder)
    for name, what in WORKS.items():
        ours = None if name in OURS else name.rpartition(" ")[0]
        yield Work(
            name=name,
            what=what,
            ours=ours,
            arguments=(name, str(folder)),
            left_out=left_out(name, n),
        )


def left_out(name: str, n: int) -> str | None:
    missing = (name.endswith(" R") and shutil.which("Rscript") is None) or (
        name.endswith(" sksurv") and find_spec("sksurv") is None
    )
    if missing:
        return "not installed"
    return "left out: takes too long" if name.endswith(" R") and n > 1_000_000 else None


if __name__ == "__main__":
    main(
        __doc__, __file__, COLUMNS, sizes=[100_000, 1_000_000, 10_000_000], unit="rows",
        note="best of 3 to 5, peers once", patience=90.0, works=works, child=child,
    )  # fmt: skip
