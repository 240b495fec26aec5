"""The infinitesimal jackknife: the variance Σ v U² of a curve, from cells instead of rows.

U is the influence of one unit, the derivative of the estimate to its weight; units of one cell
(same group, entry, exit, cause) share it. v is the cell's number of units, or the sum of their
squared weights. Units that have left move with the curve in a known way, so running sums of v, and
of v times what is fixed at entry and exit, are enough for every time at once.

With dN_i, y_i a unit's event and at-risk indicators, S = ∏ (1 - d/n) and F_k = Σ S(s-) d_k/n:

    ∂ log S(t) = Σ_{s ≤ t} [ y_i d / (n (n - d)) - dN_i / (n - d) ]
    ∂ F_k(t)   = Σ_{s ≤ t} [ ∂S(s-) d_k/n + S(s-) (dN_ik - y_i d_k/n) / n ]

(Jaeckel 1972; for survival curves Therneau and Grambsch 2000, §2.2.) Without left truncation and
with frequency weights the sums telescope to the delta method: Greenwood's formula for S.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.segments import Steps, add_up, before, running_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.risk_table import RiskTable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Influence:
    """What the influences of all cells are made of; C cells, R table rows.

    Attributes
    ----------
    units : (C,) array
        v.
    exit_row, entry_row : (C,) arrays
        Table row of the exit; last row at or before the entry (-1: before the group's first).
    growth : (R,) array
        G(t) = Σ d / (n (n - d)), without the times at which the whole risk set leaves.
    at_entry : (C,) array
        G at the entry.
    after : (C,) array
        ∂ log S from the exit on.
    """

    units: Floats
    exit_row: Ints
    entry_row: Ints
    growth: Floats
    at_entry: Floats
    after: Floats


def influence(table: RiskTable) -> Influence:
    """Work out the parts of the influences."""
    cells = table.cells
    events = table.events
    stay = table.n_risk - events
    lasting = stay > 0  # where all leave, S is 0 from there on and has no influence left
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = running_sum(np.where(lasting, events / (table.n_risk * stay), 0.0), table.group)
        jump = np.where(lasting, 1 / stay, 0.0)
    steps = Steps(table.group, table.time)
    exit_row = steps.last(cells.group, cells.time)
    if cells.entry is None:
        entry_row = np.full(len(exit_row), -1)
    else:
        entry_row = steps.last(cells.group, cells.entry)
        entry_row = np.where(entry_row >= table.first[cells.group], entry_row, -1)
    at_entry = value_at(growth, entry_row)
    return Influence(
        units=cells.n_squared,
        exit_row=exit_row,
        entry_row=entry_row,
        growth=growth,
        at_entry=at_entry,
        after=growth[exit_row] - at_entry - (cells.event > 0) * jump[exit_row],
    )


def value_at(values: Floats, row: Ints) -> Floats:
    """Return a running sum at table rows, 0 before the first."""
    there = row >= 0 if values.ndim == 1 else (row >= 0)[:, None]
    return np.where(there, values[row], 0.0)


def survival_variance(table: RiskTable, survival: Floats) -> Floats:
    """Return the variance of S at every table row, (R,); 0 where S is 0."""
    parts = influence(table)
    gone = _sum_left(table, parts, parts.units * parts.after**2)
    there = [_sum_at_risk(table, parts, parts.units * parts.at_entry**power) for power in range(3)]
    growth = parts.growth
    still = growth**2 * there[0] - 2 * growth * there[1] + there[2]
    return survival**2 * np.maximum(gone + still, 0.0)


def incidence_variance(table: RiskTable, survival: Floats, incidence: Floats) -> Floats:
    """Return the variance of every F_k at every table row, (R, K)."""
    parts, cells = influence(table), table.cells
    f = incidence
    drift, y, fixed = incidence_parts(table, survival, incidence, parts)
    # at risk at t: U = drift(t) + y - x F(t), with x = G and y fixed at entry
    # left:         U = fixed + after F(t)
    v, x, after = (column[:, None] for column in (parts.units, parts.at_entry, parts.after))
    gone = (
        _sum_left(table, parts, v * fixed**2)
        + 2 * f * _sum_left(table, parts, v * fixed * after)
        + f**2 * _sum_left(table, parts, v * after**2)
    )

    def there(term: Floats) -> Floats:
        return _sum_at_risk(table, parts, term)

    still = drift**2 * there(v)
    if cells.entry is not None:  # else x = y = 0
        still += f**2 * there(v * x**2) + there(v * y**2) - 2 * drift * f * there(v * x)
        still += 2 * drift * there(v * y) - 2 * f * there(v * x * y)
    return np.maximum(gone + still, 0.0)


def incidence_parts(
    table: RiskTable, survival: Floats, incidence: Floats, parts: Influence
) -> tuple[Floats, Floats, Floats]:
    """Return the drift of every F_k, (R, K), and what is fixed at entry and exit, (C, K) each."""
    cells, f, out = table.cells, incidence, parts.exit_row
    x, after = parts.at_entry[:, None], parts.after[:, None]
    ahead = before(survival, table.group, 1.0)[:, None]  # S(t-)
    grown = before(parts.growth, table.group, 0.0)[:, None]
    n = table.n_risk[:, None]
    drift = running_sum(ahead * table.n_event / n * (grown - 1 / n), table.group)
    own = (cells.event[:, None] == np.arange(1, f.shape[1] + 1)) * (ahead / n)[out]
    y = x * value_at(f, parts.entry_row) - value_at(drift, parts.entry_row)
    fixed = drift[out] + y - x * f[out] + own - after * f[out]
    return drift, y, fixed


def _sum_left(table: RiskTable, parts: Influence, term: Floats) -> Floats:
    """Sum over the cells that have left at or before each row's time."""
    at = add_up(term, parts.exit_row, len(table.group))
    return running_sum(at, table.group)


def _sum_at_risk(table: RiskTable, parts: Influence, term: Floats) -> Floats:
    """Sum over the cells at risk after each row's time: entered by then, and not yet left."""
    n_rows = len(table.group)
    at = add_up(term, parts.exit_row, n_rows)
    if table.cells.entry is None:  # a sum from the end needs no subtraction
        return running_sum(at, table.group, reverse=True) - at
    early = parts.entry_row < 0
    start = add_up(term[early], table.first[table.cells.group[early]], n_rows)
    come = add_up(term[~early], parts.entry_row[~early], n_rows)
    return running_sum(start + come - at, table.group)
