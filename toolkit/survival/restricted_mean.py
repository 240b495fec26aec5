"""The area under a survival curve up to a horizon, and its standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import HorizonError
from toolkit.survival.curves import check_horizon
from toolkit.survival.influence import survival_influence
from toolkit.survival.segments import running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.risk_table import RiskTable
    from toolkit.survival.units import Units

    Floats = NDArray[np.float64]


def restricted_mean(
    table: RiskTable, survival: Floats, horizon: float, *, units: Units | None = None
) -> tuple[Floats, Floats]:
    """Return the area under S from 0 to `horizon` and its standard error, both (G,).

    NaN for groups not observed up to the horizon. The variance is Σ A(t)² d / (n (n - d)) over
    the event times t before the horizon, with A(t) the area from t to the horizon (Klein and
    Moeschberger 2003, eq. 4.5.2); a time at which the curve falls to 0 has A = 0 and adds nothing.
    With `units` it is the infinitesimal jackknife's, summed over them.
    """
    check_horizon(horizon)
    last = table.first[1:] - 1
    known = (table.time[last] >= horizon) | (survival[last] <= 0)
    if not known.any():
        raise HorizonError(
            f"The horizon {horizon:g} is past the last observed time, {table.time.max():g}",
            fix="ask for a horizon within the follow-up",
        )
    start = np.minimum(table.time.astype(np.float64), horizon)
    stop = np.append(start[1:], horizon)  # the next time, or the horizon after a group's last
    stop[last] = horizon
    # the first stretch, from 0 to the first time, has S = 1
    ahead = running_sum(survival * (stop - start), table.group, reverse=True)
    area = start[table.first[:-1]] + ahead[table.first[:-1]]
    stay = table.n_risk - table.events
    with np.errstate(divide="ignore", invalid="ignore"):
        term = np.where(stay > 0, ahead**2 * table.events / (table.n_risk * stay), 0.0)
    # `ahead` is 0 from the horizon on
    if units is not None:
        moved = survival_influence(table, survival).area(horizon)
        variance = units.group_variance(moved, table.cells)
    else:
        variance = table.per_group(term)
    return np.where(known, area, np.nan), np.where(known, np.sqrt(variance), np.nan)
