"""What the benchmarks share: each work in a process of its own, and one kind of table.

A script names its works by size and says what a child process does for one of them; a child
answers with numbers (`seconds`, `peak` in MiB, and what else the script's columns need).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Answer = dict[str, Any]
    #: From an answer, and that of our work it stands beside (None: it is ours), to a cell.
    Column = Callable[[Answer, Answer | None], str]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One line of the table.

    `ours` names our work that a peer is held against, and is None for ours; `left_out` says why a
    work is not tried; `env` is added to the environment of its process.
    """

    name: str
    what: str
    arguments: tuple[str, ...]
    ours: str | None = None
    left_out: str | None = None
    env: dict[str, str] = field(default_factory=dict)


def clocked(run: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def peak(who: int = resource.RUSAGE_SELF) -> float:
    """Return the peak MiB of this process, or of its children."""
    return resource.getrusage(who).ru_maxrss / 1024


def in_turn(
    run: Callable[[], object], beside: Callable[[], object], times: int, *, at_least: int = 0
) -> Answer:
    """Return the best seconds of a work, its peak, and the best seconds of a yardstick.

    The two are run in turn, so that a busy moment of the machine does not fall on one of them.
    """
    took, other, most = [], [], 0.0
    for _ in range(times):
        took.append(clocked(run))
        most = most or peak()
        other.append(clocked(beside))
    other += [clocked(beside) for _ in range(at_least - times)]
    return {"seconds": min(took), "peak": most, "beside": min(other)}


def against(digits: int = 2) -> Column:
    """Return the column of times a work takes what the yardstick in its own process took."""
    return lambda own, _: f"{own['seconds'] / own['beside']:.{digits}f}"


#: Columns that most tables have.
SECONDS: Column = lambda own, _: f"{own['seconds']:.3f}"  # noqa: E731
PEAK: Column = lambda own, _: f"{own['peak']:,.0f}"  # noqa: E731
OURS: Column = lambda own, ours: "" if ours is None else f"{own['seconds'] / ours['seconds']:.1f}"  # noqa: E731


class Table:
    """Prints a line a work, and remembers what ours took and which peers cannot go on."""

    def __init__(self, script: str, columns: dict[str, Column], patience: float) -> None:
        self.script, self.columns, self.patience = script, columns, patience
        self.stopped: dict[str, str] = {}
        self.answers: dict[str, Answer] = {}
        self.wide = 70

    def head(self, title: str, works: Iterable[Work]) -> None:
        self.answers = {}
        self.wide = max(len(work.what) for work in works) + 2
        print(f"\n{title}\n{'work':<{self.wide}}{''.join(f'{name:>11}' for name in self.columns)}")

    def line(self, work: Work) -> None:
        why = work.left_out or self.stopped.get(work.name) or self._try(work)
        if why is not None:
            print(f"{work.what:<{self.wide}}{why:>{11 * len(self.columns)}}", flush=True)
            return
        own = self.answers[work.name]
        ours = None if work.ours is None else self.answers.get(work.ours)
        cells = (column(own, ours) for column in self.columns.values())
        print(f"{work.what:<{self.wide}}{''.join(f'{cell:>11}' for cell in cells)}", flush=True)

    def _try(self, work: Work) -> str | None:
        """Keep what a process of its own answers; or return why there is no answer."""
        # a session of its own, so that stopping a work stops the R it started too
        child = subprocess.Popen(
            [sys.executable, self.script, "--child", *work.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, **work.env},
        )  # fmt: skip
        try:
            said, wrong = child.communicate(timeout=None if work.ours is None else self.patience)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            why = f"stopped after {self.patience:.0f} s"
            self.stopped[work.name] = "left out: takes too long"
            return why
        if child.returncode:
            self.stopped[work.name] = "left out: failed"
            last = (wrong.strip().splitlines() or ["out of memory?"])[-1]
            return f"FAILED: {last[:60]}"
        self.answers[work.name] = json.loads(said.splitlines()[-1])
        return None


def main(
    doc: str,
    script: str,
    columns: dict[str, Column],
    *,
    sizes: list[int],
    unit: str,
    note: str,
    patience: float,
    works: Callable[[int, Path], Iterable[Work]],
    child: Callable[..., Answer],
) -> None:
    """Read the command line, and print a table a size, or do one work and answer.

    `works` gets a size and an empty folder, writes the data there and names the works; `child` gets
    the arguments of one work.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--patience", type=float, default=patience, help="seconds a peer may take")
    parser.add_argument("--only", default="", help="works whose name starts with this")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(*options.child)))
        return
    table = Table(script, columns, options.patience)
    print(f"polars {pl.__version__}, numpy {np.__version__}; {note}")
    for n in sorted(options.sizes):
        with tempfile.TemporaryDirectory() as folder:
            some = [w for w in works(n, Path(folder)) if w.name.startswith(options.only)]
            table.head(f"{n:,} {unit}", some)
            for work in some:
                table.line(work)
