"""Pairs and uses → the result: the frame of uses, attrition, and what a reader must know."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.errors import CallError, EmptyCohortError
from toolkit.matching.risk_sets.censoring import own_start, unseen_starts
from toolkit.matching.risk_sets.months import REASONS
from toolkit.matching.risk_sets.place import Points
from toolkit.matching.risk_sets.result import RiskSetMatched
from toolkit.matching.sample import attrition_of
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.risk_sets.censoring import Censoring
    from toolkit.matching.risk_sets.columns import Columns
    from toolkit.matching.risk_sets.months import Pairs, Rules
    from toolkit.matching.risk_sets.place import Score
    from toolkit.matching.risk_sets.result import Control
    from toolkit.matching.risk_sets.runs import Ints, Runs
    from toolkit.matching.risk_sets.starts import Starts
    from toolkit.matching.risk_sets.starts_rows import Drawn
    from toolkit.matching.risk_sets.uses import Uses

_ESTIMANDS = {
    "not_yet": "mean effect on those who start of starting now, against not now (perhaps later)",
    "censor": "mean effect on those who start of starting now, against not starting (controls "
    "censored at their own start, the others weighted for them)",
}
_LATER = {
    "not_yet": "this is the effect of now against not now; control='censor' compares with no start",
    "censor": "they are censored then, and the others weighted for them",
}
#: Factor of an inverse probability of censoring beyond which a single control weighs too much.
_HEAVY = 20.0


def build(
    frame: pl.DataFrame, names: Columns, runs: Runs, pairs: Pairs, uses: Uses,
    months: Sequence[int], where: Score | Points, rules: Rules, *, control: Control,
    censoring: Censoring | None, fitted: Starts | None, drawn: Drawn | None, on: Any,
    window: Any, weightless: int, begin: float, **options: Any,
) -> RiskSetMatched:  # fmt: skip
    """Return the result of a matching.

    Raises
    ------
    toolkit.errors.EmptyCohortError
        When no starter has a control.
    """
    sets = _sets(runs, pairs, uses, months)
    if not len(pairs.month):
        raise EmptyCohortError(
            "No starter has a control",
            where=f"{len(pairs.sought):,} starters; no control in the cell: "
            f"{sets['n_no_control'].sum():,}",
            fix="ask for fewer exact columns, a coarser calendar_unit or a wider caliper",
        )
    time_name = names.time or "time"
    calendar = names.calendar if names.time else "reference" if names.calendar else None
    used = _frame(frame, names, runs, uses, time_name, calendar)
    return RiskSetMatched(
        meta={
            "method": "nearest neighbour within risk sets (dynamic assignment)",
            "design": "risk_sets",
            "estimand": _ESTIMANDS[control],
            "n": int((uses.weight > 0).sum()),
            "n_event": int(runs.starts.sum()),
            "dropped": _dropped(runs, pairs, sets, window, weightless),
            "warnings": _warnings(runs, uses, sets, censoring, control, drawn),
            "seed": rules.seed,
            "options": {
                "on": on, "exact": list(names.exact), "window": window,
                "ratio": rules.ratio, "replace": rules.replace, "reuse": rules.reuse,
                "order": rules.order, "width": rules.width, "calendar_months": rules.period,
                "control": control, **options,
            },
            "versions": versions(),
            "wall_time": clock.perf_counter() - begin,
        },
        frame=used, treatment="treated", treated=uses.treated,
        weights=pl.Series("weight", uses.weight), sampling=uses.sampling, estimand="ATT",
        covariates=tuple(dict.fromkeys([*names.watched, *names.exact])), subclass=uses.subclass,
        cluster=names.person, score=_score(uses, months, where),
        attrition=_attrition(runs, pairs, uses, months),
        person=names.person, time=time_name, spell=names.spell, calendar=calendar,
        control=control, score_model=fitted.table if fitted else None,
        pairs=_pairs(pairs, uses), _sets=sets,
        _unmatched=_unmatched(frame, names, runs, pairs, rules), _censoring=censoring,
    )  # fmt: skip


def _frame(
    frame: pl.DataFrame, names: Columns, runs: Runs, uses: Uses, time: str, calendar: str | None
) -> pl.DataFrame:
    """Return the rows of the uses with what is added to them."""
    since, starts_later = own_start(runs, uses)
    added = [
        pl.Series("treated", uses.treated),
        pl.select(pl.when(pl.Series(starts_later)).then(pl.Series(since))).to_series()
        .cast(pl.Int32).alias("starts_after"),
    ]  # fmt: skip
    if names.time is None:
        added.append(pl.Series(time, uses.month).cast(pl.Int32))
        if calendar and names.calendar:
            month = pl.Series(calendar, runs.calendar_at(uses.run, uses.month))
            if frame.schema[names.calendar].is_temporal():
                month = month.to_frame().select(_date(pl.col(calendar))).to_series()
            added.append(month.alias(calendar))
    taken = {series.name for series in added} & set(frame.columns)
    if taken:
        raise CallError(
            f"The data have a column {min(taken)!r}, which is what is added to the uses",
            fix="rename it before matching",
        )
    return frame[runs.rows(uses.run, uses.month)].with_columns(added)


def _score(uses: Uses, months: Sequence[int], where: Score | Points) -> pl.Series | None:
    """Return the score of each use; None where there is only a distance."""
    if isinstance(where, Points):
        return None
    value = np.empty(len(uses.run))
    for month in months:
        there = uses.month == month
        value[there] = where.score(month, uses.run[there])
    return pl.Series("score", value)


def _date(month: pl.Expr) -> pl.Expr:
    """Return the first day of months counted as year * 12 + month - 1."""
    return pl.date(month // 12, month % 12 + 1, 1)


def _pairs(pairs: Pairs, uses: Uses) -> pl.DataFrame:
    own = uses.subclass[uses.pair_treated] if uses.subclass is not None else None
    return pl.DataFrame(
        {
            "time": pairs.month.astype(np.int32),
            "treated_row": uses.pair_treated,
            "control_row": uses.pair_control,
            "distance": pairs.distance,
            "subclass": own if own is not None else pl.Series([None], dtype=pl.Int64)
            .new_from_index(0, len(pairs.month)),
        }
    ).sort("treated_row", "distance", "control_row")  # fmt: skip


def _sets(runs: Runs, pairs: Pairs, uses: Uses, months: Sequence[int]) -> pl.DataFrame:
    """Return the table of `RiskSetMatched.sets`."""
    at = np.array(months, dtype=np.int64) - runs.low
    size = runs.high - runs.low + 1
    serves = ~uses.treated & (uses.weight > 0)
    later = serves & own_start(runs, uses)[1]

    def count(month: Ints) -> Ints:
        return np.bincount(month - runs.low, minlength=size)[at]

    by_reason = {
        f"n_{name}": count(pairs.sought_month[pairs.reason == code])
        for code, name in enumerate(("no_control", "used_up", "outside_caliper"))
    }
    return pl.DataFrame(
        {
            "time": np.array(months, dtype=np.int32),
            "n_at_risk": runs.at_risk[at],
            "n_start": runs.starters[at],
            "n_matched": count(pairs.sought_month[pairs.reason < 0]),
            **by_reason,
            "n_control": count(uses.month[serves]),
            "n_treated_later": count(uses.month[later]),
        }
    )


def _attrition(runs: Runs, pairs: Pairs, uses: Uses, months: Sequence[int]) -> pl.DataFrame:
    """Return what is left after each step; controls are persons in a month at risk."""
    risk, started = runs.at_risk, runs.starters
    at = np.array(months) - runs.low
    n_start, n_other = int(started.sum()), runs.months - int(started.sum())
    sought, others = len(pairs.sought), int((risk - started)[at].sum())
    steps = [("at risk", n_start, n_other), ("in a month with starts to match", sought, others)]
    for code, reason in enumerate(REASONS):
        gone = int((pairs.reason == code).sum())
        if gone:
            sought -= gone
            steps.append((f"left out: {reason}", sought, others))
    steps.append(("matched", sought, int((~uses.treated & (uses.weight > 0)).sum())))
    return attrition_of([{"step": step, "n_treated": n, "n_control": m} for step, n, m in steps])


def _unmatched(
    frame: pl.DataFrame, names: Columns, runs: Runs, pairs: Pairs, rules: Rules
) -> pl.DataFrame:
    """Count starters without control by elapsed month, calendar period, exact columns, reason."""
    without = pairs.reason >= 0
    run, month = pairs.sought[without], pairs.sought_month[without]
    exact = list(dict.fromkeys(names.exact))
    cells = frame.select(exact)[runs.rows(run, month)] if exact else pl.DataFrame()
    named = [pl.Series("time", month).cast(pl.Int32)]
    if rules.period:
        start = runs.calendar_at(run, month) // rules.period * rules.period
        named.append(pl.Series("from_month", start))
    reason = pl.Series("reason", [REASONS[code] for code in pairs.reason[without]], pl.String)
    rows = pl.DataFrame(named).hstack(cells.get_columns()).with_columns(reason)
    keys = rows.columns
    return rows.group_by(keys).agg(pl.len().cast(pl.Int64).alias("n")).sort(keys)


def _dropped(
    runs: Runs, pairs: Pairs, sets: pl.DataFrame, window: Any, weightless: int
) -> dict[str, int]:
    found = {
        f"starters: {reason}": int((pairs.reason == code).sum())
        for code, reason in enumerate(REASONS)
    }
    found["starts in no month at risk (after the exit, or without a row)"] = runs.n_late
    if window is not None:
        found["starts outside the window"] = int(runs.starts.sum()) - int(sets["n_start"].sum())
    found["rows of weight 0"] = weightless
    return {why: n for why, n in found.items() if n}


def _warnings(
    runs: Runs,
    uses: Uses,
    sets: pl.DataFrame,
    censoring: Censoring | None,
    control: Control,
    drawn: Drawn | None,
) -> list[str]:
    said = []
    later, serving = int(sets["n_treated_later"].sum()), int(sets["n_control"].sum())
    if later:
        share = f"{later / serving:.1%} of the controls start later themselves: "
        said.append(share + _LATER[control])
    if drawn is not None:
        said.append(drawn.said())
    if runs.n_gap:
        said.append(f"{runs.n_gap:,} times the months of a person are not one after the other")
    unseen = unseen_starts(runs, uses) if control == "censor" else 0
    if unseen:
        said.append(
            f"{unseen:,} of {serving:,} controls ({unseen / serving:.1%}) start after their last "
            "month at risk: they are censored there, and nobody is weighted up for them; if that "
            "is where the data end, give months at risk that run on beyond the starts studied, and "
            "name these by window="
        )
    if censoring is not None and len(censoring.cumulated):
        top = float(np.exp(censoring.cumulated.max()))
        if top > _HEAVY:
            said.append(
                f"controls who stay weigh up to {top:,.0f} times for those censored: look at the "
                "effective size of weights_at() before reading far months"
            )
    return said
