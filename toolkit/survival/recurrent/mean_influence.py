"""The mean cumulative function, with or without death, and how far one person moves it.

With dN_i a unit's events, D_i its death and Y_i whether it is at risk,

    R(t) = Σ_{s ≤ t} dN/Y          S(t) = ∏ (1 - d/Y)          μ(t) = Σ_{s ≤ t} S(s-) dN/Y

(Nelson 1988; Lawless and Nadeau 1995; with death Ghosh and Lin 2000). The influence of unit
i, the derivative of μ to its weight, is

    U_i(t) = Σ_{s ≤ t} S(s-) (dN_i - Y_i dN/Y) / Y
             - Σ_{s ≤ t} f(s) (dD_i - Y_i d/Y) (μ(t) - μ(s))           f = 1 / (Y - d)

(Ghosh and Lin 2000 have f = 1/Y there, the same in large samples). Written as a · b(t)
with b = (1, μ, μ L - B - M), where B = Σ dμ/Y, L = Σ f d/Y and M = Σ f d/Y μ, a changes only where
a row begins and ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.influence import CurveInfluence
from toolkit.survival.jackknife import value_at
from toolkit.survival.segments import Steps, before, running_product, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class MeanParts:
    """What a mean cumulative function is made of; R table rows.

    Attributes
    ----------
    table : RiskTable
        Counted with causes that say how many events and whether a death, see `cause_of`.
    n_event, n_death : (R,) arrays
    alive : (R,) array
        S(s-); ones without death.
    mean : (R,) array
        μ.
    """

    table: RiskTable = field(repr=False)
    n_event: Floats
    n_death: Floats
    alive: Floats
    mean: Floats

    @property
    def jumps(self) -> Floats:
        """dμ, (R,)."""
        return self.alive * self.n_event / self.table.n_risk


def counts_of(causes: Ints) -> tuple[Ints, Ints]:
    """Return events and deaths that a cause stands for: 2 × events + death."""
    return causes // 2, causes % 2


def mean_parts(table: RiskTable) -> MeanParts:
    """Compute μ from a risk table."""
    events, deaths = counts_of(table.causes.cast(int).to_numpy())
    n_event, n_death = table.n_event @ events, table.n_event @ deaths
    risk = table.n_risk
    alive = before(running_product((risk - n_death) / risk, table.group), table.group, 1.0)
    mean = running_sum(alive * n_event / risk, table.group)
    return MeanParts(table=table, n_event=n_event, n_death=n_death, alive=alive, mean=mean)


def mean_influence(
    parts: MeanParts, weight: Floats | None = None, *, plain: bool = False
) -> CurveInfluence:
    """Return the influence on Σ k dμ, with k = 1 on μ itself.

    Parameters
    ----------
    parts : MeanParts
    weight : (R,) array, optional
        k at the table's rows, taken as known: the weights of a test.
    plain : bool
        f = 1 / Y, as Ghosh and Lin have it.
    """
    table, cells = parts.table, parts.table.cells
    k = np.ones(len(table.group)) if weight is None else weight
    risk = table.n_risk
    target = running_sum(k * parts.jumps, table.group)
    stay = risk if plain else risk - parts.n_death
    with np.errstate(divide="ignore", invalid="ignore"):
        # where all die nothing happens afterwards: μ(t) - μ(s) is 0
        f = np.where(risk > parts.n_death, 1 / stay, 0.0)
    lost = running_sum(f * parts.n_death / risk, table.group)
    lost_mean = running_sum(f * parts.n_death / risk * target, table.group)
    drawn = running_sum(k * parts.jumps / risk, table.group)
    steps = Steps(table.group, table.time)
    out = steps.last(cells.group, cells.time)
    if cells.entry is None:
        come = np.full(len(out), -1)
    else:
        come = steps.last(cells.group, cells.entry)
        come = np.where(come >= table.first[cells.group], come, -1)
    numbers = table.causes.cast(int).to_numpy()
    events, deaths = counts_of(np.append(0, numbers)[cells.event])
    lost_at, lost_mean_at, drawn_at = (value_at(x, come) for x in (lost, lost_mean, drawn))
    gone = deaths * f[out]
    own = events * (k * parts.alive / risk)[out]
    constant = drawn_at + lost_mean_at
    zero, one = np.zeros(len(out)), np.ones(len(out))
    return CurveInfluence(
        table=table,
        entry_row=come,
        exit_row=out,
        at_risk=np.column_stack([constant, -lost_at, one]),
        left=np.column_stack(
            [
                own + constant - drawn[out] - lost_mean[out] + gone * target[out],
                lost[out] - lost_at - gone,
                zero,
            ]
        ),
        basis=np.column_stack([np.ones(len(target)), target, target * lost - drawn - lost_mean]),
        start=np.array([1.0, 0.0, 0.0]),
    )
