"""Spells → merged spells → exits with both indicators, beside plainer ways to do the same.

    python benchmarks/trajectories.py [persons …]        (default 1,000,000)

The data are made in memory: about 2.1 benefit spells and 1.8 jobs a person, sorted as the store
sorts them, and also shuffled. Every way is checked to give the same counts. Times are the best of
three; the ratio is against a bare sort and count of the same rows (shuffled against shuffled).
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit import registers, trajectories

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.registers import Register

START, END = date(1999, 1, 1), date(2012, 1, 1)
DEFINITION = trajectories.Definition(
    name="benchmark",
    description="12 months in work, 6 months back",
    denominator="all_exits",
    horizons=(12,),
    return_horizons=(6,),
    pension_age=None,
)
WINDOW = ("1999-01-01", "2012-01-01")


def world(persons: int, *, seed: int = 1) -> Register:
    """Benefit spells and jobs with short and long gaps, for `persons` persons."""
    rng = np.random.default_rng(seed)
    days = (END - START).days

    def spells(mean: float, least: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number = rng.poisson(mean, persons)
        person = np.repeat(np.arange(persons), number)
        length = rng.integers(20, 900, len(person))
        gap = np.where(rng.random(len(person)) < 0.3, rng.integers(1, 32, len(person)), 0)
        gap = np.where(gap > 0, gap, rng.integers(40, 1500, len(person))) + least
        step = length + gap
        total = np.cumsum(step)
        first = np.concatenate([[0], np.cumsum(number)[:-1]])
        before = np.where(number > 0, (total - step)[np.minimum(first, len(step) - 1)], 0)
        start = (
            total
            - step
            - np.repeat(before, number)
            + np.repeat(rng.integers(0, 700, persons), number)
        )
        keep = start < days
        return person[keep], start[keep], np.minimum(start + length, days)[keep]

    def frame(person: np.ndarray, start: np.ndarray, end: np.ndarray) -> pl.DataFrame:
        zero = (START - date(1970, 1, 1)).days
        return pl.DataFrame(
            {
                "person": person,
                "start": (start + zero).astype("datetime64[D]"),
                "end": (end + zero).astype("datetime64[D]"),
            }
        ).with_columns(end=pl.when(pl.col("end") < END).then("end"))

    benefits = frame(*spells(2.2, 0)).with_columns(
        scheme=pl.lit("wwb"), claim=pl.int_range(pl.len()), role=pl.lit("head"),
        municipality=pl.lit("gm0363"),
    )  # fmt: skip
    jobs = frame(*spells(1.8, 0)).with_columns(
        job=pl.int_range(pl.len()), employer=pl.lit(1), kind=pl.lit("regular"), hours=pl.lit(32.0)
    )
    people = pl.DataFrame({"person": np.arange(persons)}).with_columns(
        sex=pl.lit("female"), birth_month=pl.lit(date(1970, 1, 1)), origin=pl.lit("native")
    )
    coverage = pl.DataFrame(
        {"source": ["benefits", "jobs"], "start": [START] * 2, "end": [END] * 2}
    )
    return registers.from_frames(persons=people, benefits=benefits, jobs=jobs, coverage=coverage)


def ours(register: Register) -> dict[str, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exits near the end of the data are meant
        found = trajectories.exits(register, DEFINITION, window=WINDOW)
        frame = trajectories.durability(found, register).frame
    return {
        "exits": frame.height,
        "in_work": int(frame["in_work_at_12"].sum()),
        "work_known": frame["in_work_at_12"].count(),
        "returned": int(frame["returned_within_6"].sum()),
        "return_known": frame["returned_within_6"].count(),
    }


def merge_only(register: Register) -> dict[str, int]:
    merged = trajectories.merge_spells(register.benefits, by=["person", "scheme"]).collect()
    return {"merged": merged.height}


def bare_sort(register: Register) -> dict[str, int]:
    """The limit: sort both tables by person and start on one packed key, and count rows."""
    out = {}
    for name in ("benefits", "jobs"):
        frame = getattr(register, name).collect()
        key = frame["person"] * (1 << 18) + frame["start"].to_physical()
        out[name] = len(key.sort())
    return out


def _answers(exits: pl.DataFrame, jobs: pl.DataFrame, first: str, until: str) -> dict[str, int]:
    """Counts from exits with `next`, and jobs in the month 12 months on, by a plain join."""
    sure = exits.filter(pl.col("end") + pl.duration(days=31) < END).with_row_index("exit")
    month = pl.col("end").dt.truncate("1mo")
    sure = sure.with_columns(
        month.dt.offset_by("12mo").alias(first), month.dt.offset_by("13mo").alias(until)
    )
    work_known = sure.filter(pl.col(until) <= END)
    in_work = (
        work_known.lazy()
        .join(jobs.lazy().select("person", job="start", job_end="end"), on="person")
        .filter(
            pl.col("job") < pl.col(until),
            pl.col("job_end").is_null() | (pl.col("job_end") > pl.col(first)),
        )
        .select(pl.col("exit").n_unique())
        .collect()
        .item()
    )
    limit = pl.col("end").dt.offset_by("6mo")
    return_known = sure.filter(limit < END)
    return {
        "exits": sure.height,
        "in_work": in_work,
        "work_known": work_known.height,
        "returned": return_known.filter(pl.col("next") <= limit).height,
        "return_known": return_known.height,
    }


def packed(register: Register) -> dict[str, int]:
    """The least that gives both counts: packed keys, one sort a table, nothing else kept."""
    wide = 1 << 18

    def spells(frame: pl.LazyFrame, gap: int) -> pl.DataFrame:
        day = pl.col("start").to_physical().cast(pl.Int64)
        end = pl.col("end").to_physical().cast(pl.Int64).fill_null(200_000)
        keyed = frame.select(s=pl.col("person") * wide + day, e=pl.col("person") * wide + end)
        keyed = keyed.sort("s").with_columns(reach=pl.col("e").cum_max())
        new = (pl.col("s") - pl.col("reach").shift(1) > gap).fill_null(value=True)
        last = new.shift(-1, fill_value=True)
        return keyed.select(s=pl.col("s").filter(new), e=pl.col("reach").filter(last)).collect()

    merged = spells(register.benefits, 31).with_columns(next=pl.col("s").shift(-1))
    zero = (END - date(1970, 1, 1)).days
    person, day = pl.col("e") // wide, pl.col("e") % wide
    sure = merged.filter(day + 31 < zero).with_columns(
        end=day.cast(pl.Int32).cast(pl.Date), person=person
    )
    month = pl.col("end").dt.truncate("1mo")
    sure = sure.with_columns(
        first=month.dt.offset_by("12mo").to_physical(),
        until=month.dt.offset_by("13mo").to_physical(),
        limit=pl.col("end").dt.offset_by("6mo").to_physical(),
    )
    known = sure.filter(pl.col("until") <= zero).select(
        at=pl.col("person") * wide + pl.col("until") - 1,
        first=pl.col("person") * wide + pl.col("first"),
    )
    jobs = spells(register.jobs, 0).rename({"e": "job_end"})
    found = known.set_sorted("at").join_asof(jobs.set_sorted("s"), left_on="at", right_on="s")
    seen = sure.filter(pl.col("limit") < zero)
    back = seen.filter(pl.col("next") <= pl.col("person") * wide + pl.col("limit"))
    return {
        "exits": sure.height,
        "in_work": found.filter(pl.col("job_end") > pl.col("first")).height,
        "work_known": known.height,
        "returned": back.height,
        "return_known": seen.height,
    }


def polars_over(register: Register) -> dict[str, int]:
    """Window functions per person, as one would write them first."""
    far = pl.lit(date(2100, 1, 1))
    spells = (
        register.benefits.sort("person", "start")
        .with_columns(stop=pl.col("end").fill_null(far))
        .with_columns(reach=pl.col("stop").cum_max().shift(1).over("person"))
        .with_columns(
            new=((pl.col("start") - pl.col("reach")).dt.total_days() > 31).fill_null(value=True)
        )
        .with_columns(spell=pl.col("new").cast(pl.Int32).cum_sum().over("person"))
        .group_by("person", "spell")
        .agg(pl.col("start").min(), end=pl.col("stop").max())
        .sort("person", "start")
        .with_columns(next=pl.col("start").shift(-1).over("person"))
        .filter(pl.col("end") < END)
        .collect()
    )
    return _answers(spells, register.jobs.collect(), "first", "until")


def with_pandas(register: Register) -> dict[str, int] | None:
    try:
        import pandas as pd
    except ImportError:
        return None

    def native(frame: pl.LazyFrame) -> Any:
        columns = frame.select("person", "start", "end").collect()
        return pd.DataFrame({name: columns[name].to_numpy() for name in columns.columns})

    data, jobs = native(register.benefits), native(register.jobs)
    far, end = pd.Timestamp("2100-01-01"), pd.Timestamp(END)
    data["end"] = data["end"].fillna(far)
    data = data.sort_values(["person", "start"])
    reach = data.groupby("person")["end"].cummax().groupby(data["person"]).shift()
    new = reach.isna() | ((data["start"] - reach).dt.days > 31)
    data["spell"] = new.cumsum()
    spells = data.groupby("spell").agg(
        person=("person", "first"), start=("start", "min"), end=("end", "max")
    )
    spells["next"] = spells.groupby("person")["start"].shift(-1)
    sure = spells[spells["end"] + pd.Timedelta(days=31) < end].reset_index(drop=True)
    month = sure["end"].dt.to_period("M")
    sure["first"] = (month + 12).dt.to_timestamp()
    sure["until"] = (month + 13).dt.to_timestamp()
    known = sure[sure["until"] <= end].reset_index(names="exit")
    jobs["end"] = jobs["end"].fillna(far)
    pairs = known[["exit", "person", "first", "until"]].merge(jobs, on="person")
    in_work = pairs[(pairs["start"] < pairs["until"]) & (pairs["end"] > pairs["first"])]
    limit = sure["end"] + pd.DateOffset(months=6)
    return_known = limit < end
    return {
        "exits": len(sure),
        "in_work": in_work["exit"].nunique(),
        "work_known": len(known),
        "returned": int((sure["next"] <= limit)[return_known].sum()),
        "return_known": int(return_known.sum()),
    }


def timed(
    work: Callable[[Register], Any], register: Register, *, times: int
) -> tuple[float, float, Any]:
    """Best wall time, best time of all threads together (fairer beside other work), answer."""
    best, best_cpu, answer = float("inf"), float("inf"), None
    for _ in range(times):
        start, cpu = time.perf_counter(), time.process_time()
        answer = work(register)
        best = min(best, time.perf_counter() - start)
        best_cpu = min(best_cpu, time.process_time() - cpu)
    return best, best_cpu, answer


def shuffled(register: Register) -> Register:
    """The same register with the rows of its spells in random order."""
    return registers.Register(
        tables={
            name: table.collect().sample(fraction=1.0, shuffle=True, seed=1).lazy()
            if name in {"benefits", "jobs"}
            else table
            for name, table in register.tables.items()
        },
        partitions=register.partitions,
    )


def main(sizes: list[int]) -> None:
    for persons in sizes:
        register = world(persons)
        small = persons <= 2_000_000
        times = 3 if small else 1
        ways: list[tuple[str, Callable[[Register], Any], Register, int]] = [
            ("bare sort and count", bare_sort, register, times),
            ("merge_spells", merge_only, register, times),
            ("packed, both counts only", packed, register, times),
            ("exits + durability", ours, register, times),
        ]
        if small:
            mixed = shuffled(register)
            ways += [
                ("bare sort and count, shuffled", bare_sort, mixed, times),
                ("merge_spells, shuffled", merge_only, mixed, times),
                ("packed, shuffled", packed, mixed, times),
                ("exits + durability, shuffled", ours, mixed, times),
                ("polars over", polars_over, register, 1),
                ("pandas", with_pandas, register, 1),
            ]
        rows = {
            name: getattr(register, name).select(pl.len()).collect().item()
            for name in ("benefits", "jobs")
        }
        print(f"\n{persons:,} persons, {rows['benefits']:,} benefit spells, {rows['jobs']:,} jobs")
        results: dict[str, Any] = {}
        base: dict[int, float] = {}
        for name, work, data, times in ways:
            seconds, cpu, answer = timed(work, data, times=times)
            limit = base.setdefault(id(data), seconds)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            results[name] = answer
            print(
                f"{name:34s} {seconds:7.2f} s {seconds / limit:7.1f}×   cpu {cpu:6.2f} s   "
                f"peak {peak:5.2f} GiB"
            )
        print(results["exits + durability"])
        full = [answer for answer in results.values() if answer and "returned" in answer]
        assert all(answer == full[0] for answer in full), "the ways disagree"


if __name__ == "__main__":
    main([int(size.replace("_", "").replace(",", "")) for size in sys.argv[1:]] or [1_000_000])
