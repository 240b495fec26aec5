"""The revolving door: who goes in and out of benefit again and again within a window."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import (
    CallError,
    EmptyCohortError,
    InputError,
    ReversedSpellError,
    check_option,
)
from toolkit.estimation.intervals import check_interval
from toolkit.frames import (
    as_columns,
    require_at_least,
    require_columns,
    require_no_nulls,
    require_rows,
    rows_where,
    to_frame,
)
from toolkit.provenance import versions
from toolkit.result import Result
from toolkit.survival.checks import check_time_type
from toolkit.survival.kaplan_meier import KaplanMeier, kaplan_meier
from toolkit.survival.recurrent.histories import weighting_of_persons
from toolkit.survival.recurrent.rounds import (
    WEIGHT,
    changes_said,
    follow_rounds,
    merge_spells,
    shares_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.survival.counts import Weighting

Among = Literal["all", "left"]
AMONG = ("all", "left")
_RESERVED = {
    "person", "n_in", "n_out", "revolving", "time", "event", "n", "n_revolving", "estimate",
    "std_error", "conf_low", "conf_high", WEIGHT,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RevolvingDoor(Result):
    """Shares of persons who go round in the revolving door; made by `revolving_door`.

    Attributes
    ----------
    persons : DataFrame
        One row a person on benefit in the window: `person`, the `by` columns, `n_in, n_out`
        (inflows and outflows), `weight`, `revolving`, and of those with an inflow `time` since the
        first until the last outflow that was asked for, or until the window closes, and `event`.
    table : DataFrame
        What `tidy` returns.
    by : tuple of str
    conf_level : float
    weighting : {"frequency", "sampling"} or None
    """

    persons: pl.DataFrame = field(repr=False)
    table: pl.DataFrame = field(repr=False)
    by: tuple[str, ...]
    conf_level: float
    weighting: Weighting | None

    def tidy(self) -> pl.DataFrame:
        """Return a row per group.

        Columns: the `by` columns, `n` (persons that the share is of), `n_revolving, estimate,
        std_error, conf_low, conf_high`; counts are unweighted, intervals Wilson's.
        """
        return self.table

    def glance(self) -> pl.DataFrame:
        """Return one row: persons, inflows and outflows in the window, groups."""
        flows = self.persons.select(pl.col("n_in", "n_out").sum())
        return pl.DataFrame({"n": [self.meta["n"]]}).hstack(flows).with_columns(
            n_group=self.table.height, conf_level=pl.lit(self.conf_level)
        )  # fmt: skip

    def since_inflow(self, **options: Any) -> KaplanMeier:
        """Return the curve of not yet having gone round, by time since the first inflow.

        A window cuts off those who came in late, so that shares in it are too small; here they are
        censored when it closes. One minus the curve at 24 is the share that within 24 months of
        coming in has left, and come back and left again, as often as asked for.

        Parameters
        ----------
        **options
            Of `kaplan_meier`, such as `conf_type`.
        """
        first = self.persons.filter(pl.col("time").is_not_null())
        if self.weighting is not None:
            options |= {"weights": WEIGHT, "weight_type": self.weighting}
        return kaplan_meier(first, time="time", event="event", by=list(self.by), **options)


def revolving_door(
    data: Any,
    *,
    person: str,
    start: str,
    stop: str,
    window: tuple[float, float],
    times: int = 2,
    max_gap: float = 0,
    among: Among = "all",
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    conf_level: float = 0.95,
) -> RevolvingDoor:
    """Estimate the share of persons who go in and out of benefit at least `times` times.

    The revolving-door group ("draaideurgroep") of Statistics Netherlands: at least twice in and
    at least twice out within the period.

    Parameters
    ----------
    data : frame
        One row a spell on benefit, [start, stop): polars (eager or lazy), or anything narwhals can
        read. The spells' own beginnings and ends, not cut at the window.
    person, start, stop : str
        Columns; times are numbers (months since some month), `stop` null
        (or NaN) while the spell runs.
    window : tuple of two numbers
        The period, [first, end). An inflow is a start in it, an outflow a stop after its first
        moment and before its end.
    times : int
        How often in, and how often out.
    max_gap : float
        Spells that start within so much time after the last one are one spell; also overlapping
        ones.
    among : {"all", "left"}
        Of whom the share is: of all on benefit at some time in the window, or of those who left.
    by : str or sequence of str, optional
        Group columns; a person counts in the group of its first spell in the window.
    weights : str, optional
        Column of weights ≥ 0 that do not change within a person.
    weight_type : {"frequency", "sampling"}, optional
        ``frequency``: a person with weight w is w such persons. ``sampling``: one that stands for
        w. None: ``frequency`` when all weights are whole.
    conf_level : float

    Returns
    -------
    RevolvingDoor

    Raises
    ------
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used.

    Notes
    -----
    The standard error is √(Σ w² (z - p)²) / Σ w, with z whether a person revolves; the interval is
    Wilson's for the number of persons that would give it. A window of a few years sees too few
    rounds of those who came in late, as Statistics Netherlands says of its own figure; see
    `RevolvingDoor.since_inflow`.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.recurrent import revolving_door
    >>> spells = pl.DataFrame({
    ...     "who": [1, 1, 2, 3], "from": [1, 9, 0, 4], "to": [5, 14, None, 8],
    ... })
    >>> door = revolving_door(spells, person="who", start="from", stop="to", window=(0, 24))
    >>> door.tidy()["estimate"].round(3).to_list()
    [0.333]
    """
    begin = clock.perf_counter()
    check_option("among", among, AMONG)
    check_interval(conf_level, "plain")
    first, end = _check_window(window, times, max_gap)
    frame, groups = to_frame(data), as_columns(by)
    require_columns(frame, person, start, stop, *groups, *([weights] if weights else []))
    for name in groups:
        if name in _RESERVED:
            raise CallError(
                f"Group column {name!r} has the name of a result column",
                fix=f"rename it, for instance to {name + '_group'!r}",
            )
    require_rows(frame)
    require_no_nulls(frame, person, start, *groups)
    frame = _mark_running(frame, stop)
    for name in (start, stop):
        check_time_type(name, frame.schema[name])
    count, where = rows_where(frame, pl.col(stop) <= pl.col(start))
    if count:
        raise ReversedSpellError(
            f"{stop!r} is at or before {start!r}", where=where,
            fix="a spell is [start, stop); leave out spells without a day",
        )  # fmt: skip
    weighting = _weighting(frame, person, weights, weight_type)
    spells, merged = merge_spells(frame, person, start, stop, max_gap)
    seen = spells.between(first, end)
    persons = follow_rounds(seen, frame, person, groups, weights, first=first, end=end, times=times)
    if among == "left":
        persons = persons.filter(pl.col("n_out") > 0)
    zero = persons.filter(pl.col(WEIGHT) == 0).height
    persons = persons.filter(pl.col(WEIGHT) > 0)
    if not persons.height:
        raise EmptyCohortError(
            "Nobody is on benefit in the window"
            if among == "all"
            else "Nobody leaves in the window",
            fix="check window= and the unit of the times",
        )
    whom = "persons on benefit" if among == "all" else "persons who left benefit"
    meta = {
        "estimand": f"share of {whom} in [{first:g}, {end:g}) with at least {times} inflows and "
        f"{times} outflows",
        "method": "Revolving-door index",
        "definition": f"at least {times} times in and {times} times out in the window; spells at "
        f"most {max_gap:g} apart are one",
        "variance": "robust over persons",
        "n": persons.height,
        "n_event": int(persons["revolving"].sum()),
        "n_merged": merged,
        "weight_type": weighting,
        "dropped": {"weight is zero": zero} if zero else {},
        "warnings": changes_said(seen, frame, groups),
        "versions": versions(),
        "wall_time": clock.perf_counter() - begin,
    }
    return RevolvingDoor(
        meta=meta,
        persons=persons,
        table=shares_of(persons, groups, weighting, conf_level),
        by=tuple(groups),
        conf_level=conf_level,
        weighting=weighting,
    )


def _check_window(window: tuple[float, float], times: int, max_gap: float) -> tuple[float, float]:
    try:
        first, end = (float(value) for value in window)
    except (TypeError, ValueError) as error:
        raise CallError(
            f"window={window!r} is not two numbers", fix="for instance window=(0, 24)"
        ) from error
    if not first < end or not np.isfinite([first, end]).all():
        raise CallError(f"window={window!r} is empty", fix="give its first moment and its end")
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise CallError(f"times={times!r} is no number of rounds", fix="2 is the usual one")
    if not 0 <= max_gap < np.inf:
        raise CallError(f"max_gap={max_gap!r} is no length of time", fix="0 bridges nothing")
    return first, end


def _mark_running(frame: pl.DataFrame, stop: str) -> pl.DataFrame:
    """Make the stop of a running spell null: NaN, as pandas has it, or a column of nulls only."""
    if frame.schema[stop] == pl.Null:
        return frame.with_columns(pl.col(stop).cast(pl.Float64))
    if frame.schema[stop].is_float():
        return frame.with_columns(pl.col(stop).fill_nan(None))
    return frame


def _weighting(
    frame: pl.DataFrame, person: str, weights: str | None, weight_type: Weighting | None
) -> Weighting | None:
    if weights is not None:
        require_no_nulls(frame, weights)
        check_time_type(weights, frame.schema[weights])
        require_at_least(frame, weights)
        spread = frame.group_by(person).agg(n=pl.col(weights).n_unique())
        several = int((spread["n"] > 1).sum())
        if several:
            raise InputError(
                f"Weights {weights!r} change within a person",
                where=f"{several:,} of {spread.height:,} persons",
                fix="a person has one weight here",
            )
    return weighting_of_persons(frame, person, weights, weight_type)
