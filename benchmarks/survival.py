"""Kaplan-Meier and Aalen-Johansen for 400 groups, beside peers and beside only counting.

    python benchmarks/survival.py [--sizes 100000 1000000 10000000] [--patience 90]

Monthly durations up to ten years, three causes. Every figure comes from one run on one machine:
each work is done in a process of its own on the same data, so that its peak memory is its own. What
is timed is the work, not reading the data or importing. `count` is polars' own
`group_by([group, time, event]).len()`, the least that anybody must do; ratios are against it,
measured in the same process in turn.

A peer that needs longer than `--patience` seconds is stopped, and left out at larger sizes; the
table says so. R takes part where `Rscript` with the survival package is installed.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

N_GROUPS = 400
PLAIN = {"km": "count", "aj": "count causes"}
WORKS = {
    "count": "polars: count group × time × event",
    "km": "toolkit.survival.kaplan_meier().tidy()",
    "km lifelines": "lifelines KaplanMeierFitter, a loop over groups",
    "km statsmodels": "statsmodels SurvfuncRight, a loop over groups",
    "km R": "R survfit(Surv(time, event) ~ group)",
    "count causes": "polars: count group × time × cause",
    "aj": "toolkit.survival.cumulative_incidence().tidy()",
    "aj lifelines": "lifelines AalenJohansenFitter, a loop over groups, one cause",
    "aj statsmodels": "statsmodels CumIncidenceRight, a loop over groups",
    "aj R": "R survfit(Surv(time, factor(cause)) ~ group)",
}
R_CODE = """
suppressMessages(library(survival))
d <- read.csv("{path}")
took <- system.time({call})["elapsed"]
cat(took, max(0, as.numeric(sub("[^0-9]*([0-9]+).*", "\\\\1",
  grep("VmHWM", readLines("/proc/self/status"), value = TRUE)))) / 1024)
"""


def make(n: int, path: Path) -> None:
    rng = np.random.default_rng(20080101)
    cause = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    frame = pl.DataFrame(
        {
            "group": rng.integers(0, N_GROUPS, n),
            "time": np.minimum(rng.geometric(0.03, n), 120),
            "event": cause > 0,
            "cause": cause,
        }
    )
    frame.write_parquet(path)
    if n <= 1_000_000:
        frame.cast({"event": pl.Int8}).write_csv(path.with_suffix(".csv"))


def work(name: str, path: Path) -> tuple[float, float, float]:
    """Return the seconds `name` takes, its peak MiB, and the seconds of only counting.

    The two are run in turn, and the best of each counts, so that a busy moment of the machine
    does not fall on one of them.
    """
    if name.endswith(" R"):
        calls = {
            "km R": "survfit(Surv(time, event) ~ group, d)",
            "aj R": "survfit(Surv(time, factor(cause)) ~ group, d)",
        }
        code = R_CODE.format(path=path.with_suffix(".csv"), call=calls[name])
        done = subprocess.run(
            ["Rscript", "-e", code],  # noqa: S607
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
    frame = pl.read_parquet(path)
    count = OURS[PLAIN[name[:2]]] if name[:2] in PLAIN else OURS[name]
    if name.endswith(" R"):
        plain = min(clocked(lambda: count(frame)) for _ in range(5))
        return float(done[0]), float(done[1]), plain
    run, times = prepared(name, frame)
    seconds, plain, peak = [], [], 0.0
    for _ in range(times):
        seconds.append(clocked(run))
        peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        plain.append(clocked(lambda: count(frame)))
    plain += [clocked(lambda: count(frame)) for _ in range(5 - times)]
    return min(seconds), peak, min(plain)


def clocked(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def prepared(name: str, frame: pl.DataFrame) -> tuple[Callable[[], object], int]:
    """Return the work as a function without arguments, and how often to do it."""
    if name in OURS:
        return lambda: OURS[name](frame), 5
    parts = [
        (part["time"].to_numpy(), part["event"].to_numpy(), part["cause"].to_numpy())
        for part in frame.partition_by("group")
    ]
    return lambda: [PEERS[name](*part) for part in parts], 1


def kaplan_meier(frame: pl.DataFrame) -> pl.DataFrame:
    from toolkit.survival import kaplan_meier

    return kaplan_meier(frame, time="time", event="event", by="group").tidy()


def cumulative_incidence(frame: pl.DataFrame) -> pl.DataFrame:
    from toolkit.survival import cumulative_incidence

    return cumulative_incidence(frame, time="time", event="cause", by="group").tidy()


def lifelines_km(time: np.ndarray, event: np.ndarray, _: np.ndarray) -> object:
    from lifelines import KaplanMeierFitter

    return KaplanMeierFitter().fit(time, event)


def lifelines_aj(time: np.ndarray, _: np.ndarray, cause: np.ndarray) -> object:
    from lifelines import AalenJohansenFitter

    return AalenJohansenFitter(seed=1).fit(time, cause, 1)


def statsmodels_km(time: np.ndarray, event: np.ndarray, _: np.ndarray) -> object:
    from statsmodels.duration.survfunc import SurvfuncRight

    return SurvfuncRight(time, event)


def statsmodels_aj(time: np.ndarray, _: np.ndarray, cause: np.ndarray) -> object:
    from statsmodels.duration.survfunc import CumIncidenceRight

    return CumIncidenceRight(time, cause)


OURS: dict[str, Callable[[pl.DataFrame], object]] = {
    "count": lambda frame: frame.group_by(["group", "time", "event"]).len(),
    "count causes": lambda frame: frame.group_by(["group", "time", "cause"]).len(),
    "km": kaplan_meier,
    "aj": cumulative_incidence,
}
PEERS: dict[str, Callable[..., object]] = {
    "km lifelines": lifelines_km,
    "km statsmodels": statsmodels_km,
    "aj lifelines": lifelines_aj,
    "aj statsmodels": statsmodels_aj,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--patience", type=float, default=90.0, help="seconds a peer may take")
    parser.add_argument("--child", nargs=2, metavar=("WORK", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(work(options.child[0], Path(options.child[1]))))
        return
    gave_up: set[str] = set()
    print(
        f"polars {pl.__version__}, numpy {np.__version__}, {N_GROUPS} groups, best of 5 (peers: 1)"
    )
    for n in sorted(options.sizes):
        print(f"\n{n:,} rows\n{'work':<64}{'seconds':>9}{'× count':>9}{'peak MiB':>10}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            make(n, path)
            for name, what in WORKS.items():
                compare(name, what, n, path, gave_up, options.patience)


def compare(name: str, what: str, n: int, path: Path, gave_up: set[str], patience: float) -> None:
    if name.endswith(" R") and shutil.which("Rscript") is None:
        print(f"{what:<64}{'not installed':>28}")
        return
    if name not in OURS and (name in gave_up or (name.endswith(" R") and n > 1_000_000)):
        print(f"{what:<64}{'left out: takes too long':>28}")
        return
    command = [sys.executable, __file__, "--child", name, str(path)]
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=patience if name not in OURS else None,
        )
    except subprocess.TimeoutExpired:
        gave_up.add(name)
        print(f"{what:<64}{f'stopped after {patience:.0f} s':>28}")
        return
    seconds, peak, plain = json.loads(done.stdout)
    print(f"{what:<64}{seconds:>9.3f}{seconds / plain:>9.2f}{peak:>10,.0f}", flush=True)


if __name__ == "__main__":
    main()
