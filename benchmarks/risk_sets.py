"""Matching within risk sets: time and memory, from spells and from a panel of person-months.

    python benchmarks/risk_sets.py [--sizes 100000 1000000] [--only panel]

People on benefit for at most 36 months, of whom some start a programme. `spells` gives a row a
person; `panel` a row a person and month at risk, in which age and months of work change; `censor`
is the panel with weights for censored controls. The score is fitted on five covariates; pairs are
exact on sex and calendar quarter, within a caliper. `count` is the least that anybody must do: the
numbers at risk and starting by month. Each runs in a process of its own, so that its peak memory is
its own. The bound to hold: 1M persons × 36 months in 60 s and 8 GiB. (No other Python package
matches within risk sets; loops over months in R take hours at this size.)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from _table import PEAK, SECONDS, Work, main, peak

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAYS = {
    "count": "polars: count at risk and starting, by month",
    "spells": "toolkit match_risk_sets, a row a person",
    "panel": "toolkit match_risk_sets, a row a person and month",
    "censor": "the same, with weights for censored controls",
}
MONTHS = 36
FORM = {
    "person": "person", "treated_at": "treated_at", "on": "age + sex + education + wage + work",
    "exact": "sex", "calendar": "month", "caliper": 0.2,
}  # fmt: skip


def spells(persons: int) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    age, sex = rng.integers(18, 64, persons), rng.integers(0, 2, persons)
    education, work = rng.integers(0, 5, persons), rng.integers(0, 25, persons)
    wage = rng.gamma(2, 500, persons)
    risk = 0.02 * (age - 40) / 10 + 0.3 * sex - 0.1 * education + 0.0002 * wage
    stay = np.minimum(rng.geometric(np.clip(0.012 * np.exp(0.3 * risk), 0, 1)), MONTHS)
    wait = rng.geometric(np.clip(0.005 * np.exp(risk), 0, 1))
    return pl.DataFrame(
        {
            "person": np.arange(persons),
            "entry": np.ones(persons, dtype=np.int16),
            "until": (stay + 1).astype(np.int16),
            "treated_at": pl.Series(
                np.where(wait <= stay, wait, -1).astype(np.int16)
            ).replace(-1, None),
            "age": age.astype(np.int16), "sex": sex.astype(np.int8),
            "education": education.astype(np.int8), "wage": wage, "work": work.astype(np.int8),
            "month": rng.integers(2000 * 12, 2008 * 12, persons).astype(np.int32),
        }
    )  # fmt: skip


def panel_of(frame: pl.DataFrame) -> pl.DataFrame:
    stop = pl.min_horizontal("until", pl.col("treated_at") + 1)
    since = pl.col("time") - 1
    return (
        frame.lazy().with_columns(time=pl.int_ranges("entry", stop, dtype=pl.Int16))
        .drop("entry", "until").explode("time")
        .with_columns(
            age=(pl.col("age") + since // 12).cast(pl.Int16),
            work=((pl.col("work") + since * pl.col("education")) % 25).cast(pl.Int8),
            month=pl.col("month") + since,
        ).collect(engine="streaming")
    )  # fmt: skip


def child(way: str, persons: str) -> dict[str, Any]:
    from toolkit.matching import match_risk_sets

    frame, form = spells(int(persons)), {"entry": "entry", "until": "until"}
    warm = spells(2000)
    if way != "spells":
        frame, warm, form = panel_of(frame), panel_of(warm), {"time": "time"}
    options = FORM | form | ({"control": "censor"} if way == "censor" else {})
    match_risk_sets(warm, **options)  # compiles
    held, begin, busy = peak(), time.perf_counter(), time.process_time()
    if way == "count":
        starts = pl.col("treated_at") == pl.col("time")
        frame.group_by("time").agg(pl.len(), starts.sum())
        rows, pairs = frame.height, 0
    else:
        found = match_risk_sets(frame, **options)
        rows, pairs = int(found.attrition["n_control"][0]), len(found.pairs)
    return {
        "seconds": time.perf_counter() - begin, "cpu": time.process_time() - busy,
        "peak": peak(), "held": held, "rows": rows, "pairs": pairs,
    }  # fmt: skip


def works(n: int, _: Path) -> Iterator[Work]:
    for way, what in WAYS.items():
        yield Work(name=way, what=what, arguments=(way, str(n)))


COLUMNS = {
    "seconds": SECONDS,
    "cpu": lambda own, _: f"{own['cpu']:.3f}",
    "peak MiB": PEAK,
    "of it data": lambda own, _: f"{own['held']:,.0f}",
    "months": lambda own, _: f"{own['rows']:,}",
    "pairs": lambda own, _: f"{own['pairs']:,}",
}

if __name__ == "__main__":
    main(
        __doc__, __file__, COLUMNS, sizes=[100_000, 1_000_000], unit="persons", note="once",
        patience=120.0, works=works, child=child,
    )  # fmt: skip
