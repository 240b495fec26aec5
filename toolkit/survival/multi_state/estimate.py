"""From a frame of spells to a multi-state model."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any

from toolkit.errors import CallError, EmptyCohortError, check_option
from toolkit.estimation.intervals import ConfType, check_interval
from toolkit.frames import as_columns
from toolkit.provenance import versions
from toolkit.survival.multi_state.check import refuse_flaws
from toolkit.survival.multi_state.flaws import Joins, find_joins
from toolkit.survival.multi_state.groups import Groups, check_by, make_groups
from toolkit.survival.multi_state.history import count_moves
from toolkit.survival.multi_state.model import MultiState
from toolkit.survival.multi_state.source import Source
from toolkit.survival.multi_state.spells import Spells, read_spells
from toolkit.survival.multi_state.variance import VARIANCES, VarianceType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from toolkit.survival.counts import Weighting

JUMPS = ("refuse", "allow")


def multi_state(
    data: Any,
    *,
    person: str,
    start: str,
    stop: str,
    from_state: str,
    to_state: str,
    weights: str | None = None,
    weight_type: Weighting | None = None,
    by: str | Sequence[str] | None = None,
    cluster: str | None = None,
    variance: VarianceType = "jackknife",
    jumps: Literal["refuse", "allow"] = "refuse",
    conf_level: float = 0.95,
    conf_type: ConfType = "log-log",
) -> MultiState:
    """Count moves between states, for transition and occupation probabilities over time.

    Parameters
    ----------
    data : frame
        One row a spell (start, stop] of a person in one state: polars (eager or lazy), or
        anything narwhals can read.
    person : str
        Whose spell it is. All rows of a person are one unit in the standard errors.
    start, stop : str
        Numbers ≥ 0 with start < stop, on the time scale of the study (months since inflow). A
        first start above 0 is a late entry (left truncation).
    from_state : str
        The state during the spell: text or a whole number.
    to_state : str
        The state moved to at `stop`; null where none is moved to: censored, or going on in the
        next row (rows may be cut where a covariate changes).
    weights : str, optional
        Column of weights ≥ 0; rows with weight 0 are left out and counted in `meta`.
    weight_type : {"frequency", "sampling"}, optional
        ``frequency``: a person with weight w is w equal persons. ``sampling``: a row stands for w
        (weights may vary over a person's rows). Without it frequency when all weights are whole
        and the same for all rows of a person, else sampling.
    by : str or sequence of str, optional
        Group columns: one set of curves each.
    cluster : str, optional
        Column of which persons move together (households): the units of the standard errors.
    variance : {"jackknife", "greenwood", "aalen"}
        ``jackknife``: the infinitesimal jackknife, R's `survfit`. ``greenwood`` and ``aalen``: from
        independent increments, as in R's `mstate`; they take counts, so neither sampling weights
        nor clusters.
    jumps : {"refuse", "allow"}
        Whether a person may come back after time not seen in another state than the one left in;
        ``allow`` takes it for the end of observation and a late entry.
    conf_level : float
    conf_type : {"log-log", "log", "plain"}
        Scale of the intervals, see `toolkit.estimation.intervals.interval`. R's default is ``log``.

    Returns
    -------
    MultiState
        `.occupation()`, `.probabilities(start)`, `.expected_time(horizon)`, `.hazards()`,
        `.landmark(at)`, `.markov_test()`, `.cox(formula)`.

    Raises
    ------
    toolkit.errors.OverlappingSpellsError
        A person in two places at once.
    toolkit.errors.ToolkitError
        One of the family, for columns, values or histories that cannot be used; `check_states`
        counts what is wrong with the histories.

    Notes
    -----
    At equal times moves come before censorings: who is censored at t is at risk at t. A move into
    the same state is no move; such rows are counted in `meta`. Times are equal when they are the
    same number: round computed durations before.

    The standard errors take all rows of a person together, so that a person who comes and goes
    counts once. Their cost grows with rows, not with rows × times.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.survival.multi_state import multi_state
    >>> spells = pl.DataFrame(
    ...     {"person": [1, 1, 2, 3], "start": [0, 3, 0, 0], "stop": [3, 6, 4, 5],
    ...      "state": ["benefit", "work", "benefit", "benefit"],
    ...      "next": ["work", None, "work", None]}
    ... )
    >>> model = multi_state(
    ...     spells, person="person", start="start", stop="stop", from_state="state",
    ...     to_state="next",
    ... )
    >>> model.occupation().at(4).select("state", "time", "estimate")
    shape: (2, 3)
    ┌─────────┬──────┬──────────┐
    │ state   ┆ time ┆ estimate │
    │ ---     ┆ ---  ┆ ---      │
    │ str     ┆ i64  ┆ f64      │
    ╞═════════╪══════╪══════════╡
    │ benefit ┆ 4    ┆ 0.333333 │
    │ work    ┆ 4    ┆ 0.666667 │
    └─────────┴──────┴──────────┘
    """
    begin = clock.perf_counter()
    check_interval(conf_level, conf_type)
    check_option("variance", variance, VARIANCES)
    check_option("jumps", jumps, JUMPS)
    by = as_columns(by)
    check_by(by)
    others = [*by, *(name for name in (weights, cluster) if name is not None)]
    spells = read_spells(
        data, person=person, start=start, stop=stop, from_state=from_state, to_state=to_state,
        others=others,
    )  # fmt: skip
    joins = find_joins(spells)
    refuse_flaws(spells, joins, jumps=jumps == "allow")
    groups = make_groups(
        spells, joins, by=by, weights=weights, weight_type=weight_type, cluster=cluster
    )
    if variance != "jackknife":
        _check_counts(variance, groups, cluster)
    moves = tuple(count_moves(history) for history in groups.histories)
    n_event = sum(float(table.n_move.sum()) for table in moves)
    if n_event <= 0:
        raise EmptyCohortError(
            f"Nobody moves to another state in {to_state!r}",
            fix="check its coding: null where nobody moves, else the state moved to",
        )
    meta = _describe(spells, joins, groups, variance=variance, cluster=cluster)
    meta["n_event"] = n_event if groups.weight_type == "sampling" else round(n_event)
    return MultiState(
        meta=meta | {"wall_time": clock.perf_counter() - begin},
        states=spells.states,
        groups=groups,
        moves=moves,
        variance=variance,
        conf_level=conf_level,
        conf_type=conf_type,
        source=Source(
            data=data, person=person, start=start, stop=stop, from_state=from_state,
            to_state=to_state, weights=weights, cluster=cluster,
        ),
    )  # fmt: skip


def _check_counts(variance: str, groups: Groups, cluster: str | None) -> None:
    what = "sampling weights" if groups.weight_type == "sampling" else None
    what = "clusters" if cluster is not None else what
    if what:
        raise CallError(
            f"The {variance} variance counts independent moves and cannot use {what}",
            fix="leave out variance=",
        )


def _describe(
    spells: Spells, joins: Joins, groups: Groups, *, variance: str, cluster: str | None
) -> dict[str, Any]:
    how = "infinitesimal jackknife" if variance == "jackknife" else variance.title()
    unit = "clusters" if cluster is not None else "persons"
    warnings = []
    if groups.split:
        warnings.append(
            f"{groups.split:,} persons are in more than one group: curves of groups are then not "
            "independent of one another"
        )
    same = int((spells.target == spells.origin).sum())
    return {
        "estimand": "P(state at t)",
        "method": "Multi-state model (Aalen-Johansen)",
        "variance": f"{how}, by {unit}",
        "n": len(spells.row) - groups.zero_weight,
        "n_person": sum(len(history.times) for history in groups.histories) - groups.split,
        "n_group": len(groups.histories),
        "weight_type": groups.weight_type,
        "weighted": groups.weight_type is not None,
        "left_truncated": bool((spells.start[joins.first] > spells.start.min()).any()),
        "gaps": int(joins.gap.sum()),
        "jumps": int(joins.jump.sum()),
        "same_state": same,
        "dropped": {"weight is zero": groups.zero_weight} if groups.zero_weight else {},
        "warnings": warnings,
        "versions": versions(),
    }
