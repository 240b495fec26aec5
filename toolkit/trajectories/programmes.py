"""What follows the start of support: regular work within 24 months (the 60% target)."""

from __future__ import annotations

import time as clock
import warnings
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, FollowUpWarning, HorizonError
from toolkit.provenance import versions
from toolkit.trajectories.calendar import Window, add_months
from toolkit.trajectories.days import (
    OPEN,
    day_number,
    months_to,
    numbers,
    plus_months,
    to_dates,
)
from toolkit.trajectories.destinations import Known
from toolkit.trajectories.durability import Durability
from toolkit.trajectories.follow import HAPPENED
from toolkit.trajectories.leaving import leaving
from toolkit.trajectories.work import work_spans

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers import Register
    from toolkit.trajectories.definition import Definition


def reintegration_outcome(
    register: Register,
    definition: Definition,
    *,
    window: Window | str | tuple[date | str, date | str],
    allow_empty: bool = False,
) -> Durability:
    """Follow starts of re-integration support to work within each horizon.

    Parameters
    ----------
    register : Register
    definition : Definition
        With ``event="programme_start"``; its `horizons` and what counts as work.
    window : Window, text or pair of dates
        Period of starts.
    allow_empty : bool
        Return no rows where nobody starts, instead of an error (for one partition of many).

    Returns
    -------
    Durability
        One row a person, with the first start in the window: person, start_date, instrument, aim,
        target_group, municipality; work_date (first day in counted work after the start, null when
        not observed), and per horizon h ``work_within_h``: work begins on or before start + h
        months; null unless all of that is observed. ``work_time`` and ``work_event`` (1 work,
        0 censored, 2 died, 3 emigrated) use all that is observed. Someone in counted work on the
        day of start is left out and counted.

    Raises
    ------
    CallError, EmptyCohortError, HorizonError, OutsideCoverageError
    """
    if definition.event != "programme_start":
        raise CallError(
            f"{definition.name!r} is about exits from benefit",
            fix="take one with event='programme_start', such as 'reintegration_24_months'",
        )
    begin = clock.perf_counter()
    period = Window.of(window)
    jobs = register.covers("jobs")
    longest = max(definition.horizons)
    if add_months(period.start, longest) >= jobs[1]:
        raise HorizonError(
            f"Work within {longest} months lies past the data for every start in {period}",
            where=f"source 'jobs' ends on {jobs[1]}",
            fix="choose an earlier window or a shorter horizon",
        )
    first = (
        register.programmes.filter(pl.col("start") >= period.start, pl.col("start") < period.end)
        .sort("person", "start", "programme")
        .unique("person", keep="first", maintain_order=True)
        .select("person", "instrument", "aim", "target_group", "municipality", start_date="start")
        .collect()
    )
    steps = [("persons with a start in the window", first.height)]
    work = work_spans(register, definition)
    person, start = first["person"].to_numpy(), numbers(first["start_date"])
    free = ~work.any_in(person, start, start + 1)
    first, person, start = first.filter(pl.Series(free)), person[free], start[free]
    steps.append(("not in such work on that day", first.height))
    if first.height == 0 and not allow_empty:
        raise EmptyCohortError(
            f"No start of support in {period}",
            where="; ".join(f"{name}: {n:,}" for name, n in steps),
            fix="widen the window",
        )
    left = leaving(register, person, start, definition.pension_age)
    end = day_number(jobs[1])
    until = np.minimum(left.first, end)
    begins = work.next_start(person, start)
    came = begins < until
    seen = months_to(start, until) - 1
    months_to_work = months_to(start, np.where(came, begins, start))
    gone = np.where(left.died == until, 2, np.where(left.emigrated == until, 3, 0))
    gone = np.where(until < end, gone, 0)
    columns = {
        f"work_within_{h}": Known(came & (months_to_work <= h), seen >= h).series()
        for h in definition.horizons
    }
    frame = first.with_columns(
        work_date=to_dates(np.where(came, begins, OPEN)),
        **columns,
        months_observed_jobs=pl.Series(np.maximum(seen, 0)),
        work_time=pl.Series(
            np.maximum(np.where(came, months_to_work, np.where(gone > 0, seen + 1, seen)), 0)
        ),
        work_event=pl.Series(np.where(came, HAPPENED, gone)).cast(pl.Int8),
    )
    late = {h: int((plus_months(start, h) >= end).sum()) for h in definition.horizons}
    notes = [
        f"work_within_{h}: {n:,} of {first.height:,} starts lie too close to the end of the data; "
        "their outcome is missing, not 'no'"
        for h, n in late.items()
        if n
    ]
    for note in notes:
        warnings.warn(note, FollowUpWarning, stacklevel=2)
    meta = {
        "method": "Work after the start of support",
        "estimand": f"in work within a horizon, share of {definition.denominator_text} (gross)",
        "versions": versions(),
        "wall_time": clock.perf_counter() - begin,
        "definition": definition,
        "window": (period.start, period.end),
        "n": frame.height,
        "n_event": int(came.sum()),
        "steps": steps,
        "dropped": {"in such work on the day of start": steps[0][1] - steps[1][1]},
        "not_observed": {
            name: {"coverage": late[h], "left": frame[name].null_count() - late[h]}
            for name, h in zip(columns, definition.horizons, strict=True)
        },
        "warnings": notes,
    }
    return Durability(frame=frame, definition=definition, window=period, meta=meta)
