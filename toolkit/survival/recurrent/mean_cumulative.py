"""How many events a person has had by time t, on average: the mean cumulative function."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import EmptyCohortError, check_option
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, require_columns, require_rows, to_frame
from toolkit.survival.curves import describe
from toolkit.survival.joined_times import join_times
from toolkit.survival.recurrent.histories import (
    check_columns,
    check_counts,
    check_deaths,
    read_histories,
    weighting_of_persons,
)
from toolkit.survival.recurrent.mean_curve import ConfType, MeanCumulative, check_conf_type
from toolkit.survival.recurrent.mean_influence import mean_influence, mean_parts
from toolkit.survival.recurrent.persons import persons_variance, units_of_persons
from toolkit.survival.risk_table import make_risk_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.survival.counts import Weighting

Variance = Literal["jackknife", "ghosh_lin"]
VARIANCES = ("jackknife", "ghosh_lin")
#: The column in which a row's events and death are one number.
_CODE = "\0events"


def mean_cumulative(
    data: Any,
    *,
    person: str,
    start: str,
    stop: str,
    event: str,
    death: str | None = None,
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    variance: Variance = "jackknife",
    conf_level: float = 0.95,
    conf_type: ConfType = "log",
) -> MeanCumulative:
    """Estimate the mean number of events by time t, of events that come back.

    Parameters
    ----------
    data : frame
        One row a stretch of time (start, stop] in which a person is at risk: polars (eager or
        lazy), or anything narwhals can read. Stretches of a person may not overlap; between them
        it is not at risk.
    person, start, stop : str
        Columns; times are numbers ≥ 0.
    event : str
        Whether there was an event at `stop`: true/false, or how many there were.
    death : str, optional
        Whether the person died at `stop` (or left for good in another way): no events come after.
        Then the mean counts the dead with the events they had. Without `death` the end of a
        history is a censoring, and the mean is what it would be if nobody died.
    by : str or sequence of str, optional
        Group columns: one curve each.
    weights : str, optional
        Column of weights ≥ 0; rows with weight 0 are left out and counted in `meta`.
    weight_type : {"frequency", "sampling"}, optional
        ``frequency``: a person with weight w is w such persons. ``sampling``: one that stands for
        w; such weights may change from row to row. None: ``frequency`` when all weights are whole
        and none changes within a person.
    variance : {"jackknife", "ghosh_lin"}
        With `death`: the infinitesimal jackknife, which is exact in the curve of dying too, or the
        formula of Ghosh and Lin; the same in large samples. Without `death` there is one.
    conf_level : float
    conf_type : {"log", "plain"}
        Scale of the intervals: μ exp(± z se / μ), or μ ± z se cut at 0.

    Returns
    -------
    MeanCumulative

    Raises
    ------
    toolkit.errors.OverlappingSpellsError
        When rows of a person overlap.
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used.

    Notes
    -----
    μ(t) = Σ dN/Y over times up to t (Nelson 1988), with variance Σ_i U_i(t)², U_i the sum of what
    person i's rows move (Lawless and Nadeau 1995): robust, as a person's events need
    not be independent. It is what R's `survfit` prints as cumulative hazard of
    ``Surv(start, stop, event)`` with an `id`. With `death`, μ(t) = Σ S(s-) dN/Y with S the
    Kaplan-Meier curve of dying (Ghosh and Lin 2000); derived in
    `toolkit.survival.recurrent.mean_influence`.

    Events come before deaths, and both before a censoring, at equal times.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.recurrent import mean_cumulative
    >>> spells = pl.DataFrame({
    ...     "who": [1, 1, 2], "from": [0, 3, 0], "to": [3, 8, 5], "back": [True, False, True],
    ... })
    >>> curve = mean_cumulative(spells, person="who", start="from", stop="to", event="back")
    >>> curve.at([4, 6]).select("time", "estimate").rows()
    [(4, 0.5), (6, 1.0)]
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "log")
    check_conf_type(conf_type)
    check_option("variance", variance, VARIANCES)
    groups = as_columns(by)
    frame = to_frame(data)
    require_columns(frame, *groups)
    flags = [event] if death is None else [event, death]
    check_columns(frame, person=person, times=[start, stop], flags=flags)
    require_rows(frame)
    check_counts(frame, event)
    frame = join_times(frame, start, stop)
    histories = read_histories(frame, person, start, stop)
    if death is not None:
        check_deaths(frame, histories, death)
    weighting = weighting_of_persons(frame, person, weights, weight_type)
    code = 2 * pl.col(event).cast(pl.Int64)
    if death is not None:
        code += pl.col(death).cast(pl.Int64)
    wanted = list(dict.fromkeys([person, start, stop, *groups, *([weights] if weights else [])]))
    table = make_risk_table(
        frame.select(*wanted, code.alias(_CODE)),
        time=stop, event=_CODE, entry=start, by=groups, weights=weights,
        weighting=weighting or "frequency", competing=True,
    )  # fmt: skip
    parts = mean_parts(table)
    if not parts.n_event.sum() > 0:
        raise EmptyCohortError(
            f"Nobody in {event!r} had an event", fix="check its coding: 0 is none"
        )
    moved = mean_influence(parts, plain=variance == "ghosh_lin")
    units = units_of_persons(table.cells, histories, person, weighting)
    squared = persons_variance(table, moved, units)
    how = "robust over persons"
    if death is not None:
        how += ", infinitesimal jackknife" if variance == "jackknife" else ", Ghosh and Lin"
    facts = describe(
        table,
        estimand=f"mean number of {event} by t"
        + (f", with {death} as an end" if death is not None else ""),
        method="Mean cumulative function"
        + (", Ghosh and Lin" if death is not None else ", Nelson and Aalen"),
        variance=how,
        curve=None,
    )
    total = float(parts.n_event.sum())
    meta = facts | {
        "n_person": histories.n_person,
        "n_event": total if table.cells.weighted else round(total),
        "n_hole": int(histories.hole.sum()),
        "weight_type": weighting,
        "wall_time": clock.perf_counter() - begin,
    }
    return MeanCumulative(
        meta=meta, parts=parts, std_error=np.sqrt(squared), moved=moved, units=units,
        has_death=death is not None, conf_level=conf_level, conf_type=conf_type,
    )  # fmt: skip
