"""Columns that know the future: what nobody could know in the month they stand in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs

#: Rank correlation with what is still to come beyond which a column is taken to be made from it.
_TELLS = 0.98
#: Fewer rows than this tell nothing.
_ENOUGH = 50
_MOST = 10_000


def refuse_foresight(frame: pl.DataFrame, runs: Runs, columns: Sequence[str]) -> None:
    """Raise for a column that foretells who starts later, or how many months are left.

    Looked at are those at risk, and not starting, in the month with most starts. A column made from
    what happens later (ever treated, length of the spell, months until work) orders them almost as
    the future does; what is known in time cannot. Weaker traces of the future go unseen: only who
    made a column knows as of when it is.

    Raises
    ------
    toolkit.errors.InputError
        It names the column.
    """
    from toolkit.matching.risk_sets.risk_kernel import last_of_unit

    month = runs.low + int(np.argmax(runs.starters))
    there = (runs.first <= month) & (runs.last >= month) & (runs.treated_at != month)
    run = np.flatnonzero(there)
    if len(run) > _MOST:
        run = run[np.linspace(0, len(run) - 1, _MOST).astype(np.int64)]
    if len(run) < _ENOUGH:
        return
    final = last_of_unit(runs.unit, runs.last)[run].astype(np.float64)
    starts = (runs.treated_at[run] == final).astype(np.float64)
    rows = runs.rows(run, np.full(len(run), month))
    for name in columns:
        dtype = frame.schema[name]
        if not (dtype.is_numeric() or dtype == pl.Boolean):
            continue
        value = frame[name][rows].cast(pl.Float64).to_numpy()
        for future, what in ((starts, "who starts later"), (final, "how long the spell lasts")):
            if _correlation(value, future) > _TELLS:
                raise InputError(
                    f"Column {name!r} foretells {what}: it cannot be known in its month",
                    where=f"{len(run):,} rows at risk in elapsed month {month}",
                    fix="match on what was known at the start of each month only; leave it out",
                )


def _correlation(value: Floats, future: Floats) -> float:
    """Return |rank correlation|, as a share of the most that the ties allow; 0 without spread."""
    ranks = [_rank(value), _rank(future)]
    centred = [rank - rank.mean() for rank in ranks]
    if min(float(c @ c) for c in centred) == 0:
        return 0.0
    few = min(len(np.unique(c)) for c in centred)
    if few == 2 and min(_smaller(value), _smaller(future)) < _ENOUGH // 5:
        return 0.0  # a handful on one side may be told apart by chance
    along = [np.sort(c) for c in centred]
    most = float(along[0] @ along[1])
    return abs(float(centred[0] @ centred[1])) / most if most > 0 else 0.0


def _smaller(value: Floats) -> int:
    """Return how many hold the rarer of two values; all where there are more."""
    levels, counts = np.unique(value, return_counts=True)
    return int(counts.min()) if len(levels) == 2 else len(value)


def _rank(value: Floats) -> Ints | Floats:
    """Return mean ranks."""
    out: Floats = pl.Series(value).rank("average").to_numpy().astype(np.float64)
    return out
