"""Matching of persons treated or not, beside peers and beside the plainest code that does it.

    python benchmarks/matching.py [--sizes 100000 1000000] [--patience 120] [--only nearest]

A score and three covariates, 18% treated, 50 exact cells. Every figure comes from one run on one
machine: each work is done in a process of its own on the same data, so that its peak memory is its
own. What is timed is the whole call, not reading the data, importing or compiling. The ratio is
against plain code: one sort of the score and a compiled walk that links who is taken to the next
who is free, on bare arrays, with nothing checked, counted or weighted; measured in the same process
in turn. Peers also have their ratio against our time for the same work.

Peers match with replacement where they cannot do without: the table says so. MatchIt takes part
where R has it. A peer that needs longer than `--patience` seconds is stopped, and left out at
larger sizes.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np
import polars as pl
from _table import OURS as TIMES_OURS
from _table import PEAK, SECONDS, Work, against, clocked, in_turn, main, peak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLUMNS = {"seconds": SECONDS, "× plain": against(1), "× ours": TIMES_OURS, "peak MiB": PEAK}
ROWS = "rows.parquet"
COVARIATES = ["x0", "x1", "x2"]
CALIPER = 0.2

#: Name → what it is, and the options of ours; peers are named after the work they do.
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "nearest": ("toolkit nearest 1:1, caliper", {"on": "score", "caliper": CALIPER}),
    "cells": (
        "toolkit nearest 1:1, caliper, in 50 exact cells",
        {"on": "score", "caliper": CALIPER, "exact": "cell"},
    ),
    "three": (
        "toolkit nearest 1:3, caliper, in 50 exact cells",
        {"on": "score", "caliper": CALIPER, "exact": "cell", "ratio": 3},
    ),
    "closest": (
        "toolkit nearest 1:1, caliper, closest pairs first",
        {"on": "score", "caliper": CALIPER, "order": "closest"},
    ),
    "replace": (
        "toolkit nearest 1:1, caliper, with replacement",
        {"on": "score", "caliper": CALIPER, "replace": True},
    ),
    "optimal": ("toolkit optimal pairs", {"on": "score", "method": "optimal"}),
    "full": ("toolkit optimal full matching", {"on": "score", "method": "full"}),
    "coarsened": ("toolkit coarsened exact", {"on": COVARIATES, "method": "coarsened"}),
    "mahalanobis": ("toolkit nearest 1:1, Mahalanobis on 3 covariates", {"on": COVARIATES}),
    "mahalanobis again": (
        "toolkit nearest 1:1, Mahalanobis, with replacement",
        {"on": COVARIATES, "replace": True},
    ),
}
PEERS = {
    "nearest R": "R MatchIt, the same",
    "cells R": "R MatchIt, the same",
    "replace sklearn": "scikit-learn kd-tree, with replacement, bare neighbours",
    "replace scipy": "scipy cKDTree, with replacement, bare neighbours",
    "mahalanobis again sklearn": "scikit-learn kd-tree on whitened covariates, bare neighbours",
    "mahalanobis again scipy": "scipy cKDTree on whitened covariates, bare neighbours",
}
NAMES = [
    one
    for name in OURS
    for one in (name, *(peer for peer in PEERS if peer.rpartition(" ")[0] == name))
]


def make(n: int, path: Path) -> None:
    """Write the data of `n` persons, 18% of whom are treated."""
    rng = np.random.default_rng(20080101)
    x = rng.normal(size=(n, 3))
    score = 1 / (1 + np.exp(1.75 - x @ np.array([0.6, 0.4, -0.3])))
    pl.DataFrame(
        {
            "treated": rng.random(n) < score,
            "score": score,
            "cell": rng.integers(0, 50, n),
            **{name: x[:, k] for k, name in enumerate(COVARIATES)},
        }
    ).write_parquet(path)


@nb.njit(cache=True)
def plain_walk(score: Any, treated: Any, order: Any, caliper: float) -> Any:
    """From the highest score down, pair each treated with the nearest free control."""
    m = (~treated).sum()
    place, row = np.empty(m), np.empty(m, np.int64)
    seek, at = np.empty(len(score) - m, np.int64), np.empty(len(score) - m, np.int64)
    left, right = np.arange(m + 1), np.arange(m + 1)
    k = s = 0
    for i in order:
        if treated[i]:
            seek[s], at[s] = i, k
            s += 1
        else:
            place[k], row[k] = score[i], i
            k += 1
    pairs = np.full((s, 2), -1)
    for q in range(s - 1, -1, -1):
        i, a, b = seek[q], at[q], at[q]
        while left[a] != a:
            left[a] = left[left[a]]
            a = left[a]
        while right[b] != b:
            right[b] = right[right[b]]
            b = right[b]
        below = score[i] - place[a - 1] if a > 0 else np.inf
        above = place[b] - score[i] if b < m else np.inf
        j = b if above < below else a - 1
        if min(below, above) <= caliper:
            pairs[q] = i, row[j]
            left[j + 1], right[j] = j, j + 1
    return pairs


def plain(frame: pl.DataFrame) -> Callable[[], object]:
    score, treated = frame["score"].to_numpy(), frame["treated"].to_numpy()
    width = CALIPER * score.std()
    return lambda: plain_walk(score, treated, np.argsort(score), width)


def prepared(name: str, frame: pl.DataFrame) -> tuple[Callable[[], object], int]:
    """Return what is to be timed, with imports and compiling done, and how often."""
    if name in OURS:
        from toolkit.matching import match

        options = {"treatment": "treated", **OURS[name][1]}
        match(frame.head(3000), **options)
        return (lambda: match(frame, **options)), (2 if name.startswith("mah") else 4)
    treated = frame["treated"].to_numpy()
    values = frame[["score"]].to_numpy()
    if name.startswith("mahalanobis"):
        x = frame[COVARIATES].to_numpy()
        values = x @ np.linalg.cholesky(np.linalg.inv(np.cov(x.T)))
    if name.endswith("sklearn"):
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=1, algorithm="kd_tree")
        return (lambda: search.fit(values[~treated]).kneighbors(values[treated])), 1
    from scipy.spatial import cKDTree

    return (lambda: cKDTree(values[~treated]).query(values[treated])), 1


def child(name: str, folder: str) -> dict[str, Any]:
    """Return what `name` takes, and what plain code takes in the same process."""
    path = Path(folder) / ROWS
    frame = pl.read_parquet(path)
    bare = plain(frame)
    bare()
    if name.endswith(" R"):
        seconds, most = run_r(name, path)
        return {"seconds": seconds, "peak": most, "beside": min(clocked(bare) for _ in range(3))}
    run, times = prepared(name, frame)
    return in_turn(run, bare, times)


R = """
suppressPackageStartupMessages(library(MatchIt))
d <- read.csv("{path}")
begin <- proc.time()[[3]]
m <- matchit(treated ~ score, data = d, distance = d$score, caliper = {caliper}{exact})
cat(proc.time()[[3]] - begin)
"""


def run_r(name: str, path: Path) -> tuple[float, float]:
    """Return the seconds and peak MiB of MatchIt on the same rows."""
    table = path.with_suffix(".csv")
    pl.read_parquet(path).cast({"treated": pl.Int8}).write_csv(table)
    exact = ", exact = ~cell" if name.startswith("cells") else ""
    script = R.format(path=table, caliper=CALIPER, exact=exact)
    said = subprocess.run(
        [shutil.which("Rscript") or "", "-e", script], check=True, capture_output=True, text=True
    ).stdout
    return float(said), peak(resource.RUSAGE_CHILDREN)


def has_matchit() -> bool:
    if shutil.which("Rscript") is None:
        return False
    ask = [
        shutil.which("Rscript") or "",
        "-e",
        'quit(status = !requireNamespace("MatchIt", quietly = TRUE))',
    ]
    return subprocess.run(ask, check=False, capture_output=True).returncode == 0


def works(n: int, folder: Path) -> Iterator[Work]:
    make(n, folder / ROWS)
    missing = "not installed" if not has_matchit() else None
    for name in NAMES:
        own = name in OURS
        yield Work(
            name=name, what=OURS[name][0] if own else PEERS[name], arguments=(name, str(folder)),
            ours=None if own else name.rpartition(" ")[0],
            left_out=missing if name.endswith(" R") else None, env={"OMP_NUM_THREADS": "2"},
        )  # fmt: skip


if __name__ == "__main__":
    main(
        __doc__, __file__, COLUMNS, sizes=[100_000, 1_000_000], unit="persons",
        note="best of 2 to 4, peers once", patience=120.0, works=works, child=child,
    )  # fmt: skip
