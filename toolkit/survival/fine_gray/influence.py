"""What each unit moves: score residuals, and its part in the estimated censoring distribution.

A unit of weight 1 moves the score by η + ψ (Fine and Gray 1999, section 3.2): η is its own score
residual; ψ comes in because it moves G, and with it the weight of all who left by another cause.
With Q(c) what the score gains when log w falls by 1 over the jump at c,

    ψ = Σ_c Q(c) (dN(c) - y(c) d/n) / n*,      n* = n in the paper, n - d in the exact derivative

dN, y the unit's censoring and at-risk indicators. The paper's form is for times without ties; the
exact one is right for months too, where d is a sizeable share of n. A jump of H counts the other
way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.blocks import rows_times
from toolkit.survival.fine_gray.censoring_part import CensoringPart
from toolkit.survival.segments import running_sum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.survival.design import Design
    from toolkit.survival.fine_gray.jumps import CensoringType, Jumps
    from toolkit.survival.fine_gray.likelihood import AtPoint
    from toolkit.survival.fine_gray.risk_sets import RiskSets

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


#: Cells worked on at once: what is computed of them stays in the cache.
_BLOCK = 16_384


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What influences are made of: the design, its risk sets and the model at its optimum."""

    design: Design
    sets: RiskSets
    jumps: Jumps
    group: Ints
    censoring: CensoringType
    at: AtPoint
    centre: Floats

    def risk(self, cells: slice | Ints = slice(None)) -> Floats:
        """Return r of cells."""
        return self.at.risk[self.design.pattern[cells]]

    def x(self, cells: slice | Ints) -> Floats:
        """Return the centred terms of cells, (cells, p)."""
        middle: Floats = self.design.x[self.design.pattern[cells]] - self.centre
        return middle

    def blocks(self) -> Iterator[slice]:
        """Yield slices of the cells."""
        for low in range(0, len(self.design.time), _BLOCK):
            yield slice(low, min(low + _BLOCK, len(self.design.time)))

    def carried(self, cells: slice) -> slice:
        """Return which of the carried cells are among some cells."""
        low, high = np.searchsorted(self.sets.carried, [cells.start, cells.stop])
        return slice(int(low), int(high))


def coefficient_influence(parts: Parts, bread: Floats, *, exact: bool | None) -> Floats:
    """Return what a unit in every cell moves the coefficients by, (C, p).

    Parameters
    ----------
    bread : (p, p) array
        Inverse information.
    exact : bool or None
        Form of ψ: its exact derivative, that of the paper, or (None) none.
    """
    through = CensoringPart.of_score(parts, exact=exact) if exact is not None else None
    out = np.empty((len(parts.design.time), len(parts.centre)))
    for cells, eta in score_blocks(parts):
        moved = eta if through is None else eta + through.moved(cells)
        out[cells] = rows_times(moved, bread)
    return out


def score_residuals(parts: Parts) -> Floats:
    """Return η of a unit in every cell, (C, p)."""
    return np.concatenate([block for _, block in score_blocks(parts)])


def score_blocks(parts: Parts) -> Iterator[tuple[slice, Floats]]:
    """Yield η block by block, (cells, p)."""
    from toolkit.survival.cox.kernels import score_residuals as fill

    design, sets, at = parts.design, parts.sets, parts.at
    means = at.means
    pull = running_sum(means.pull, sets.stratum)
    own_pull = means.own_pull - means.pull
    later = sets.to_come(np.column_stack([at.hazard, means.pull]))
    for cells in parts.blocks():
        out = np.empty((cells.stop - cells.start, len(parts.centre)))
        fill(
            design.x, parts.centre, at.risk, design.pattern, sets.last, sets.come, sets.own,
            at.exposure, pull, own_pull, means.own, cells.start, cells.stop, out,
        )  # fmt: skip
        gone = parts.carried(cells)
        some = sets.carried[gone]
        then = later[sets.place[gone]]
        weight = (parts.risk(some) * sets.share[gone])[:, None]
        out[some - cells.start] += weight * (then[:, 1:] - parts.x(some) * then[:, :1])
        yield cells, out


def martingale_residuals(parts: Parts) -> Floats:
    """Return the events of a unit in every cell less those expected of it, (C,)."""
    at, sets = parts.at, parts.sets
    expected = at.exposure.copy()
    expected[sets.carried] += sets.share * sets.to_come(at.hazard[:, None])[sets.place, 0]
    return sets.own - parts.risk() * expected


def baseline_residuals(parts: Parts, seen: NDArray[np.bool_], *, exact: bool | None) -> Floats:
    """Return what a unit in every cell moves sums of the baseline's increments, (C, q), β held.

    Parameters
    ----------
    seen : (M, q) array
        The moments that each sum takes.
    exact : bool or None
        As in `coefficient_influence`.
    """
    at, sets = parts.at, parts.sets
    spent = exposed(parts, at.squared[:, None] * seen)
    moved = -parts.risk()[:, None] * spent
    own = np.flatnonzero(sets.own)
    m = sets.last[own]
    gain = (at.sums.first / sets.units)[m]
    gain += parts.risk(own) * (at.squared - at.own_squared)[m]
    moved[own] += gain[:, None] * seen[m]
    if exact is not None:
        through = CensoringPart.of_baseline(parts, seen, exact=exact)
        for cells in parts.blocks():
            moved[cells] += through.moved(cells)
    return moved


def exposed(parts: Parts, hazard: Floats) -> Floats:
    """Return Σ_t w(t) hazard(t) over the moments a unit of each cell is at risk, (C, q)."""
    sets = parts.sets
    total = _from_0(running_sum(hazard, sets.stratum))
    spent = total[sets.last + 1]
    if len(sets.come):
        spent -= total[sets.come + 1]
    spent[sets.carried] += sets.share[:, None] * sets.to_come(hazard)[sets.place]
    return spent


def _from_0(total: Floats) -> Floats:
    """Put a row of zeros, for nothing yet, on top of running sums."""
    return np.concatenate([np.zeros((1, total.shape[1])), total])
