"""Which months at risk the chance to start is fitted on: all, or starters and a draw of others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.errors import CallError
from toolkit.matching.risk_sets.place import list_months

if TYPE_CHECKING:
    from toolkit.matching.risk_sets.runs import Floats, Ints, Runs, Small

#: All rows, or up to how many; beyond, a draw.
ScoreRows = Literal["all"] | int
#: Others drawn for each starter at least; slopes then vary 1 + 1/20 times as much as of all.
_EACH = 20
#: Share of the limit that others make up at least, however few start; and others a month.
_SHARE, _FEW = 0.2, 200
#: Turns the seed of the matching into that of this draw.
_OTHER = 0x2545F4914F6CDD1D


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """N months at risk: all starts, and others drawn within elapsed months.

    Attributes
    ----------
    run, month : (N,) arrays
    share : (M,) array
        Of those at risk in a month who do not start, how many were drawn, by weight; months from
        `low` on.
    n_start, n_other : int
    """

    run: Ints = field(repr=False)
    month: Small = field(repr=False)
    share: Floats = field(repr=False)
    n_start: int
    n_other: int

    @property
    def each(self) -> float:
        """Others a starter."""
        return self.n_other / self.n_start

    def said(self) -> str:
        """Return what a reader must know of it."""
        return (
            f"the chance to start is fitted on all {self.n_start:,} starters and "
            f"{self.n_other:,} others drawn within months ({self.each:.0f} a starter): its slopes "
            f"vary about {1 / self.each:.0%} more than fitted on all (score_rows='all')"
        )


def check_score_rows(value: object) -> None:
    """Raise for what is neither ``"all"`` nor a number of rows."""
    number = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0
    if not number and not (isinstance(value, str) and value == "all"):
        raise CallError(
            f"score_rows={value!r} is no number of rows",
            fix="score_rows='all', or a whole number from 1",
        )


def draw_rows(runs: Runs, open_: Ints, score_rows: ScoreRows, seed: int) -> Drawn | None:
    """Draw by lot; None where all are used: few enough, or hardly more than would be drawn.

    Within an elapsed month those who do not start are drawn whatever their covariates. A logit
    with an intercept a month then has the slopes it has among all, and intercepts that are
    -log `share` too high (Prentice and Pyke 1979; King and Zeng 2001, eq. 7).

    Parameters
    ----------
    open_ : array
        Months in which some start and some do not, counted from `runs.low`.
    """
    from toolkit.matching.risk_sets.lots_kernel import lot, lots

    if score_rows == "all" or len(runs) <= score_rows:
        return None
    started, others = runs.starters[open_], (runs.at_risk - runs.starters)[open_]
    each = max(float(_EACH), _SHARE * score_rows / started.sum())
    wanted = np.minimum(np.maximum(each * started, _FEW), others)
    if started.sum() + wanted.sum() > 0.5 * len(runs):
        return None
    months = [int(m) for m in open_ + runs.low]
    lists = list_months(runs, months)
    share = np.ones(len(runs.starters))
    rows, n_other = [], 0
    for month, chance in zip(months, wanted / others, strict=True):
        at = lists.of(month).astype(np.int64)
        own = runs.starts[at] & (runs.last[at] == month)
        free = at[~own]
        if chance < 1:
            now = np.uint64(lot(np.uint64(seed ^ _OTHER), np.uint64(month - runs.low)))
            free = free[lots(now, free) < np.uint64(chance * 2.0**64)]
            share[month - runs.low] = runs.weight_of(free).sum() / runs.weight_of(at[~own]).sum()
        rows.append(np.concatenate([at[own], free]))
        n_other += len(free)
    return Drawn(
        run=np.concatenate(rows), share=share,
        month=np.repeat(np.array(months, dtype=np.int32), [len(r) for r in rows]),
        n_start=int(started.sum()), n_other=n_other,
    )  # fmt: skip
