"""Cox models of events that come back: Andersen and Gill; Prentice, Williams and Peterson."""

from __future__ import annotations

import time as clock_time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from toolkit.errors import CallError, check_option
from toolkit.frames import as_columns, require_columns, require_no_nulls, require_rows, to_frame
from toolkit.survival.checks import check_time_type
from toolkit.survival.cox import CoxModel, cox
from toolkit.survival.joined_times import join_times
from toolkit.survival.recurrent.by_order import CoxByOrder, fit_by_order
from toolkit.survival.recurrent.histories import check_columns, weighting_of_persons
from toolkit.survival.recurrent.orders import ORDER, Holes, Orders, order_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.counts import Weighting

    Floats = NDArray[np.float64]

Model = Literal["andersen_gill", "pwp_total", "pwp_gap"]
MODELS = ("andersen_gill", "pwp_total", "pwp_gap")
Effects = Literal["common", "by_order"]
EFFECTS = ("common", "by_order")
RecurrentTies = Literal["efron", "breslow"]
TIES = ("efron", "breslow")

_METHODS = {
    "andersen_gill": "Andersen-Gill: one baseline rate, whatever came before",
    "pwp_total": "Prentice-Williams-Peterson: a baseline per event, in time since the start",
    "pwp_gap": "Prentice-Williams-Peterson: a baseline per event, in time since the one before",
}
_ENTRY, _TIME = "\0entry", "\0time"
#: Digits of the largest time to which computed gaps are told apart.
_DIGITS = 11
#: Fewer events than this in a stratum are said in `meta`.
_FEW = 10


def recurrent(
    formula: str,
    data: Any,
    *,
    person: str,
    start: str,
    stop: str,
    event: str,
    model: Model = "andersen_gill",
    effects: Effects = "common",
    max_order: int | None = None,
    holes: Holes = "refuse",
    clock: str | None = None,
    strata: str | Sequence[str] | None = None,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    ties: RecurrentTies = "efron",
    offset: str | None = None,
    conf_level: float = 0.95,
) -> CoxModel | CoxByOrder:
    """Fit a proportional rates model of events that come back.

    Parameters
    ----------
    formula : str
        Right-hand side, as in `cox`; with a PWP model `event_order` may stand in it.
    data : frame
        One row a stretch of time (start, stop] in which a person is at risk: polars (eager or
        lazy), or anything narwhals can read. Stretches of a person may not overlap.
    person, start, stop : str
        Columns; times are numbers ≥ 0.
    event : str
        Whether there was an event at `stop`, true or false.
    model : {"andersen_gill", "pwp_total", "pwp_gap"}
        What a person who waits for the k-th event is compared with: all at risk; those who wait
        for the k-th event too, at the same time since the start; or at the same time since the
        event before.
    effects : {"common", "by_order"}
        One coefficient, or one for every event: then a `CoxByOrder`.
    max_order : int, optional
        Events from this one on share a baseline (and, by order, coefficients): few persons have
        many events.
    holes : {"refuse", "ignore"}
        In a PWP model, what to do where a person is out of sight after a row without an event.
        A hole after an event (on benefit, so not at risk of coming back) is no problem.
    clock : str, optional
        In gap time, the column that says when the wait began, where that was before the person's
        first row of the event; else that row's start. Gaps that differ by a rounding error
        are equal.
    strata, weights, ties, offset, conf_level
        As in `cox`; ``exact`` ties have no robust variance.
    weight_type : {"frequency", "sampling"}, optional
        ``frequency``: a person with weight w is w such persons. ``sampling``: one that stands for
        w; such weights may change from row to row. None: ``frequency`` when all weights are whole
        and none changes within a person.

    Returns
    -------
    CoxModel or CoxByOrder
        Standard errors are robust, with persons as the clusters.

    Raises
    ------
    toolkit.errors.OverlappingSpellsError
        When rows of a person overlap.
    toolkit.errors.ToolkitError
        One of the family, for columns or values that cannot be used.

    Notes
    -----
    Andersen and Gill (1982), Annals of Statistics 10; Prentice, Williams and Peterson (1981),
    Biometrika 68; robust variance for rates of Lin, Wei, Yang and Ying (2000), JRSS B 62. The
    Andersen-Gill coefficients are effects on the rate of events, however these depend on each
    other. Those of PWP are effects given that the events before have happened, and who has them is
    no random draw: from the second event on groups differ in more than the covariate.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.recurrent import recurrent
    >>> rows = pl.DataFrame({
    ...     "who": [1, 1, 2, 3, 3, 4], "from": [0, 3, 0, 0, 2, 0], "to": [3, 8, 5, 2, 9, 7],
    ...     "back": [1, 1, 0, 1, 0, 1], "young": [1, 1, 0, 0, 0, 1],
    ... })
    >>> fit = recurrent("young", rows, person="who", start="from", stop="to", event="back")
    >>> fit.tidy().columns[:4]
    ['term', 'estimate', 'std_error', 'robust_se']
    """
    begin = clock_time.perf_counter()
    check_option("model", model, MODELS)
    check_option("effects", effects, EFFECTS)
    check_option("ties", ties, TIES)
    _check_choices(model, effects, max_order, clock)
    frame = to_frame(data)
    layers = as_columns(strata)
    named = [name for name in (weights, offset, clock) if name is not None]
    check_columns(
        frame, person=person, times=[start, stop], flags=[event], others=[*layers, *named]
    )
    require_rows(frame)
    if clock is not None:
        check_time_type(clock, frame.schema[clock])
        require_no_nulls(frame, clock)
    _check_event(frame, event)
    frame = join_times(frame, start, stop, *([clock] if clock is not None else []))
    orders = order_events(
        frame, person=person, start=start, stop=stop, event=event, max_order=max_order,
        holes=holes if model != "andersen_gill" else "ignore", clock=clock,
    )  # fmt: skip
    weighting = weighting_of_persons(frame, person, weights, weight_type)
    prepared, entry, time, layers = _prepare(frame, orders, model, start, stop, layers)
    asked: dict[str, Any] = {
        "time": time, "event": event, "entry": entry, "weights": weights,
        "weight_type": weighting, "strata": layers or None, "cluster": person, "ties": ties,
        "offset": offset, "conf_level": conf_level,
    }  # fmt: skip
    facts = _facts(orders, frame[event].cast(pl.Boolean).to_numpy(), model, event)
    if effects == "by_order":
        return fit_by_order(formula, prepared, orders, asked, facts, begin=begin)
    fitted = cox(formula, prepared, **asked)
    if weighting == "frequency":
        fitted = replace(fitted, vcov=persons_vcov(fitted, prepared, person, str(weights)))
    warnings = [*fitted.meta["warnings"], *facts.pop("warnings")]
    seconds = clock_time.perf_counter() - begin
    meta = {**fitted.meta, **facts, "warnings": warnings, "wall_time": seconds}
    return replace(fitted, meta=meta)


def persons_vcov(fitted: CoxModel, data: pl.DataFrame, person: str, weights: str) -> Floats:
    """Return the robust variance where a person of weight w is w persons: Σ w u u'."""
    moved = fitted.influence()
    code = data[person].rank("dense").cast(pl.Int64).to_numpy() - 1
    order = np.argsort(code, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(code[order]) > 0))
    sums = np.add.reduceat(moved[order], first, axis=0)
    weight = data[weights].cast(pl.Float64).to_numpy()[order][first]
    sums, weight = sums[weight > 0], weight[weight > 0]
    vcov: Floats = (sums / weight[:, None]).T @ sums
    return vcov


def _prepare(
    frame: pl.DataFrame, orders: Orders, model: Model, start: str, stop: str, layers: list[str]
) -> tuple[pl.DataFrame, str, str, list[str]]:
    """Return the data with what the model needs, and the columns it goes by."""
    if model == "andersen_gill":
        return frame, start, stop, layers
    if ORDER in frame.columns:
        raise CallError(
            f"The data has a column {ORDER!r}, which is what the model adds", fix="rename it"
        )
    frame = frame.with_columns(pl.Series(ORDER, orders.order))
    if model == "pwp_total":
        return frame, start, stop, [ORDER, *layers]
    since = pl.Series("\0since", orders.clock)
    gaps = (pl.col(start) - since).alias(_ENTRY), (pl.col(stop) - since).alias(_TIME)
    if not (frame.schema[start].is_integer() and frame.schema[stop].is_integer()):
        # 4.3 - 1.1 and 3.2 are one gap, though not one number: ties must not hang on rounding
        largest = max(float(frame[stop].max()), 1e-300)  # type: ignore[arg-type]
        decimals = max(_DIGITS - int(np.ceil(np.log10(largest))), 0)
        gaps = gaps[0].round(decimals), gaps[1].round(decimals)
    return frame.with_columns(gaps), _ENTRY, _TIME, [ORDER, *layers]


def _facts(orders: Orders, happened: NDArray[np.bool_], model: Model, event: str) -> dict[str, Any]:
    counts = orders.counts(happened)
    warnings = []
    if orders.interruptions:
        warnings.append(
            f"{orders.interruptions:,} rows start after a time out of sight without an event "
            "before it: events in it are taken not to have happened"
        )
    few = counts.filter(pl.col("n_event") < _FEW)
    if model != "andersen_gill" and few.height:
        warnings.append(
            f"events {', '.join(map(str, few['order']))} have fewer than {_FEW} cases: "
            "take them together with max_order"
        )
    return {
        "estimand": f"log ratios of the rate of {event}",
        "method": _METHODS[model],
        "model": model,
        "n_person": orders.histories.n_person,
        "events_by_order": dict(zip(counts["order"], counts["n_event"], strict=True)),
        "n_hole": orders.holes,
        "n_interruption": orders.interruptions,
        "warnings": warnings,
    }


def _check_choices(
    model: Model, effects: Effects, max_order: int | None, clock: str | None
) -> None:
    if model == "andersen_gill" and (effects == "by_order" or max_order is not None):
        raise CallError(
            "The Andersen-Gill model does not tell the first event from later ones",
            fix="model='pwp_total' or 'pwp_gap' for effects, or baselines, by order",
        )
    if clock is not None and model != "pwp_gap":
        raise CallError("clock= is when a gap began", fix="leave it out, or model='pwp_gap'")


def _check_event(frame: pl.DataFrame, event: str) -> None:
    from toolkit.survival.recurrent.histories import check_counts

    require_columns(frame, event)
    check_counts(frame, event)
    if frame.schema[event] != pl.Boolean and frame.select((pl.col(event) > 1).any()).item():
        raise CallError(
            f"Event {event!r} counts more than one event at a time",
            fix="give each event a row of its own; mean_cumulative takes counts",
        )
