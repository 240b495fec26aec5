"""The door: what was seen of each row, counted, and the knots that its events suggest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError, InputError, NegativeTimeError
from toolkit.estimation.formula import variables_of
from toolkit.frames import (
    require_at_least,
    require_columns,
    require_no_nulls,
    rows_where,
    to_lazy,
)
from toolkit.survival.checks import check_time_type
from toolkit.survival.design import Covariates, Design, learn, make_design

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]

#: Columns made here; no delivered column is called so.
_END, _EVENT, _LOWER = "\0end", "\0event", "\0lower"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The design, and what a parametric model knows beyond it.

    Attributes
    ----------
    design : Design
        Its `time` is the event's, the censoring's, or the end of the interval with the event.
    lower : (C,) array
        Start of that interval; NaN where the time is exact or censored.
    shape : Covariates or None
        The ancillary formula.
    ancillary : (P, q) array
        Its columns, after a column of ones.
    """

    design: Design
    lower: Floats
    shape: Covariates | None
    ancillary: Floats


def observe(
    formula: str,
    data: Any,
    *,
    time: str,
    event: str | None,
    upper: str | None,
    entry: str | None,
    ancillary: str | None,
    weights: str | None,
    weight_type: Weighting | None,
    offset: str | None,
    cluster: str | None,
) -> Seen:
    """Count the rows; `upper` and `ancillary` become keys beside the formula's columns."""
    lazy = to_lazy(data)
    known = lazy.collect_schema().names()
    if (event is None) == (upper is None):
        raise CallError(
            "Give either event= or upper=" + ("" if event is None else ", not both"),
            fix="event= says whether the event came at `time`; upper= says by when it had come "
            "(null: not yet seen; equal to `time`: exactly then)",
        )
    layers = [] if ancillary is None else list(variables_of(ancillary, known))
    columns: dict[str, Any] = {"time": time, "event": event}
    if upper is not None:
        data = _between(data, time=time, upper=upper, entry=entry)
        columns = {"time": _END, "event": _EVENT}
        layers.append(_LOWER)
    design = make_design(
        formula, data, **columns, entry=entry, weights=weights, weight_type=weight_type,
        strata=layers, offset=offset, cluster=cluster,
    )  # fmt: skip
    if not (design.event > 0).any():
        raise EmptyCohortError(
            "No event was seen, so there is no hazard to estimate",
            fix="check how the event is coded, and the window that made these rows",
        )
    lower = np.full(len(design.time), np.nan)
    if upper is not None:
        start = design.strata[_LOWER].to_numpy()[design.stratum[design.pattern]]
        lower = np.where(start >= 0, start, np.nan)
    shape, columns_of_shape = None, np.ones((len(design.x), 1))
    if ancillary is not None:
        counts = np.bincount(design.stratum[design.pattern], design.rows, design.strata.height)
        shape, matrix = learn(
            ancillary, design.strata, np.rint(counts).astype(np.int64), known=known
        )
        columns_of_shape = np.column_stack([columns_of_shape, matrix[design.stratum]])
    return Seen(design=design, lower=lower, shape=shape, ancillary=columns_of_shape)


def _between(data: Any, *, time: str, upper: str, entry: str | None) -> Any:
    """Return the data with the last time known, whether the event had come, and the interval."""
    lazy = to_lazy(data)
    given = [time, upper, *([entry] if entry is not None else [])]
    require_columns(lazy, *given)
    schema = lazy.collect_schema()
    for name in given:
        check_time_type(name, schema[name])
    frame = lazy.select(given).collect()
    require_no_nulls(frame, time)
    require_no_nulls(frame.filter(pl.col(upper).is_not_null()), upper)
    require_at_least(frame, time)
    low, high = pl.col(time), pl.col(upper)
    count, where = rows_where(frame, high < low)
    if count:
        raise NegativeTimeError(
            f"Upper {upper!r} is below {time!r}",
            where=where,
            fix=f"the event lies in ({time}, {upper}]; null where it was not seen",
        )
    seen = high.is_not_null() & (high.cast(pl.Float64) < float("inf"))
    if entry is not None:
        # an interval may start at the entry: its end is what must lie after
        end = pl.when(seen).then(high).otherwise(low)
        count, where = rows_where(frame, (pl.col(entry) > low) | (pl.col(entry) >= end))
        if count:
            raise NegativeTimeError(
                f"Entry {entry!r} is after {time!r}, or leaves no time at risk",
                where=where,
                fix="a row is at risk on (entry, time]; leave out rows that are never at risk",
            )
    made = [
        pl.when(seen).then(high).otherwise(low).alias(_END),
        seen.alias(_EVENT),
        pl.when(seen & (high > low)).then(low).otherwise(-1).cast(pl.Float64).alias(_LOWER),
    ]
    whole = data if isinstance(data, pl.DataFrame) else lazy
    return whole.with_columns(made)


def event_times(seen: Seen) -> tuple[Floats, Floats]:
    """Return the times of the events, (E,), sorted, and how many rows had theirs then.

    An event in an interval counts at its middle. A frequency weight counts as so many rows.
    """
    design = seen.design
    there = design.event > 0
    time = design.time[there].astype(np.float64)
    low = seen.lower[there]
    time = np.where(np.isnan(low), time, (low + time) / 2)
    count = design.rows if design.sampling else design.n
    order = np.argsort(time, kind="stable")
    return time[order], count[there][order]


def knots_of(seen: Seen, *, df: int | None, knots: Sequence[float] | None) -> tuple[float, ...]:
    """Return the knots in log time: the outer ones at the first and last event.

    The `df` - 1 inner ones lie at equal shares of the log event times (as in R, type 7).
    """
    time, count = event_times(seen)
    time, count = time[time > 0], count[time > 0]
    if knots is not None:
        if df is not None:
            raise CallError("Give either df= or knots=, not both", fix="leave one out")
        inner = _increasing("knots", knots)
        if inner and not time[0] < inner[0] <= inner[-1] < time[-1]:
            raise CallError(
                f"knots={list(inner)} lie outside the events",
                where=f"events from {time[0]:g} to {time[-1]:g}",
                fix="place the inner knots between the first and the last event",
            )
        found = np.log([time[0], *inner, time[-1]])
    else:
        df = 3 if df is None else df
        if isinstance(df, bool) or not isinstance(df, int) or df < 1:
            raise CallError(f"df={df!r} is not a whole number of 1 or more", fix="df=3 is usual")
        found = _quantiles(np.log(time), count, np.linspace(0, 1, df + 1))
    if (np.diff(found) <= 1e-9).any():
        raise InputError(
            f"Two knots of the spline fall together ({len(np.unique(time)):,} distinct event "
            "times)",
            fix="choose a smaller df, or name the inner knots yourself: knots=[3, 12]",
        )
    return tuple(float(knot) for knot in found)


def check_cuts(seen: Seen, cuts: Sequence[float] | None) -> tuple[float, ...]:
    """Return the cuts of a step hazard, after a look whether every step has events."""
    if cuts is None:
        raise CallError(
            "distribution='piecewise' needs cuts=",
            fix="name the times at which the hazard may change: cuts=[3, 6, 12, 24]",
        )
    found = _increasing("cuts", cuts)
    edges = np.array([0.0, *found, np.inf])
    design = seen.design
    there = design.event > 0
    end = design.time[there].astype(np.float64)
    start = np.where(np.isnan(seen.lower[there]), end, seen.lower[there])
    exact = np.isnan(seen.lower[there])
    for j, (low, high) in enumerate(pairwise(edges)):
        at = exact & ((end > low) if j else (end >= low)) & (end <= high)
        within = ~exact & (start < high) & (end > low)
        if not (at | within).any():
            raise InputError(
                f"No event between {low:g} and {high:g}, so the hazard there has no finite log",
                fix="join that interval to the next one: leave out one of its cuts",
            )
    return found


def _increasing(argument: str, values: Sequence[float]) -> tuple[float, ...]:
    try:
        found = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.array([np.nan])
    if found.ndim != 1 or not (np.isfinite(found).all() and (found > 0).all()):
        raise CallError(f"{argument} must be numbers above 0", fix=f"{argument}=[3, 6, 12]")
    if (np.diff(found) <= 0).any():
        raise CallError(f"{argument}={found.tolist()} do not increase", fix="sort them")
    return tuple(float(value) for value in found)


def _quantiles(values: Floats, count: Floats, probability: Floats) -> Floats:
    """Return quantiles (type 7) of sorted values of which each stands for `count` equal ones."""
    last = np.cumsum(count)
    place = (last[-1] - 1) * probability
    below = values[np.searchsorted(last, np.floor(place), side="right")]
    above = values[np.searchsorted(last, np.minimum(np.floor(place) + 1, last[-1] - 1),
                                   side="right")]  # fmt: skip
    return np.asarray(below + (place - np.floor(place)) * (above - below))
