"""Standardised survival as numbers: means of predicted curves, and how each unit moves them.

With S_i(t) = exp(-ρ_i Λ_s(t)) the survival of unit i of the population with the variable set, the
mean θ(t) = Σ w_i S_i(t) / W moves with a unit of weight 1 in cell c of the data by

    (S_c - θ) / W  -  Σ_s A_s ∂Λ_s  -  D' dfbeta_c,
    A_s = Σ_{i in s} w_i S_i ρ_i / W,   D = Σ_i w_i S_i ρ_i ((x_i - centre) Λ_s - slope_s) / W:

as one of those averaged (only where the population is the sample itself), through the baseline
hazard, and through the coefficients (see `toolkit.survival.cox.hazard` for Λ, slope and ∂Λ).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CallError, HorizonError
from toolkit.survival.cox.hazard import hazard_at, observed_until
from toolkit.survival.cox.score import score_of_cells
from toolkit.survival.curve_family import ENOUGH, Curves
from toolkit.survival.curves import check_horizon
from toolkit.survival.influence import BLOCK
from toolkit.survival.segments import Steps
from toolkit.survival.units import Units, make_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox.model import CoxModel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Event times up to which an area is summed exactly; with more, it is taken over as many.
MOST_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Level:
    """The population with the variable set to one value; P units.

    Attributes
    ----------
    x : (P, p) array
        Terms, less the centre of the fit.
    ratio : (P,) array
        Hazard ratio to a unit at the centre.
    stratum : (P,) array
    """

    x: Floats = field(repr=False)
    ratio: Floats = field(repr=False)
    stratum: Ints = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Means:
    """Sums over the population at T times.

    Attributes
    ----------
    survival : (T,) array, θ
    hazard, slope : (S, T) arrays, Λ_s and A_s
    pull : (T, p) array, D
    """

    survival: Floats
    hazard: Floats
    slope: Floats
    pull: Floats


@dataclass(frozen=True, kw_only=True)
class StandardisedCurves(Curves):
    """Standardised survival at L levels.

    Attributes
    ----------
    model : CoxModel
    levels : tuple of L Level
    weight : (P,) array
        Of the units of the population.
    random : bool
        The population is the sample the model was fitted on, drawn from a larger one.
    cluster : str or None
    """

    model: CoxModel = field(repr=False)
    levels: tuple[Level, ...] = field(repr=False)
    weight: Floats = field(repr=False)
    random: bool
    cluster: str | None
    _means_kept: dict[tuple[int, bytes], Means] = field(default_factory=dict, repr=False)
    _units_kept: dict[str | None, Units] = field(default_factory=dict, repr=False)

    @cached_property
    def dfbeta(self) -> Floats:
        """How one unit in each cell moves the coefficients, (p, C)."""
        moved = self.model.vcov_model @ score_of_cells(self.model.fitted).T
        return np.ascontiguousarray(moved)

    def jumps(self, group: int) -> Floats:
        """Return the event times of the strata, sorted."""
        times = np.unique(self.model.fitted.risk_sets.time.astype(np.float64))
        return times[times <= self._until(group)]

    def trusted(self, group: int, kind: int) -> tuple[float, float]:
        """Return from when until when there are enough events and people at risk."""
        del kind
        sets, design = self.model.fitted.risk_sets, self.model.design
        times = self.jumps(group)
        seen = np.bincount(np.searchsorted(times, sets.time).clip(0, len(times) - 1),
                           weights=sets.deaths, minlength=len(times)).cumsum()  # fmt: skip
        order = np.argsort(design.time, kind="stable")
        ends, rows = design.time[order], design.rows[order]
        there = np.append(np.cumsum(rows[::-1])[::-1], 0.0)[np.searchsorted(ends, times)]
        good = (seen >= ENOUGH) & (there >= ENOUGH)
        return (float(times[good].min()), float(times[good].max())) if good.any() else (np.inf, 0.0)

    def at(self, group: int, times: Floats) -> tuple[Floats, Floats]:
        """Return mean survival and standard errors at times, (1, T) each."""
        known = times <= self._until(group)
        value, variance = np.full((2, len(times)), np.nan)
        value[known] = self.means(group, times[known]).survival
        variance[known] = self.units(None).variance(
            int(known.sum()), lambda cells: self.moved(0, group, times[known], cells)
        )
        return value[None], np.sqrt(variance)[None]

    def means(self, group: int, times: Floats) -> Means:
        """Return the sums over the population at one level."""
        key = group, times.tobytes()
        kept = self._means_kept
        if key not in kept:
            if len(kept) > 4 * len(self.levels):  # blocks of cells ask for the same times again
                kept.clear()
            kept[key] = self._means(self.levels[group], times)
        return kept[key]

    def moved(self, kind: int, group: int, times: Floats, cells: Ints) -> Floats:
        """Return the influence of one unit of cells on a level's curve, (cells, T)."""
        from toolkit.survival.cox.standardise_kernel import (
            add_baseline,
            add_coefficients,
            fill_survival,
        )

        del kind
        fitted, design, level = self.model.fitted, self.model.design, self.levels[group]
        sets, means = fitted.risk_sets, self.means(group, times)
        pattern = design.pattern[cells]
        found: Floats = np.zeros((len(times), len(cells)))
        if self.random:
            fill_survival(level.ratio[pattern], level.stratum[pattern], means.hazard, found)
            found -= means.survival[:, None]
            found /= self.weight.sum()
        add_coefficients(np.ascontiguousarray(self.dfbeta[:, cells]), means.pull, found)
        lived, jump, own_less = self.baseline_steps
        none = np.full(len(cells), -1)
        add_baseline(
            design.stratum[pattern], sets.last[cells],
            none if sets.before is None else sets.before[cells], sets.event[cells],
            fitted.risk[pattern], self._rows(times), lived, jump, own_less, means.slope, found,
        )  # fmt: skip
        return found.T

    def areas(self, horizon: float) -> tuple[Floats, Floats]:
        """Return the areas under the mean curves and their standard errors, (L, 1) each."""
        check_horizon(horizon)
        value, std_error = np.full((2, len(self.levels), 1), np.nan)
        for group in range(len(self.levels)):
            if horizon <= self._until(group):
                times, width = self._steps(group, horizon)
                value[group] = width @ self.means(group, times).survival
                std_error[group] = np.sqrt(self._area_variance(group, horizon))
        if np.isnan(value).all():
            raise HorizonError(
                f"The horizon {horizon:g} is past the last observed time of a stratum",
                fix="ask for a horizon within the follow-up",
            )
        return value, std_error

    def area_moved(self, kind: int, group: int, horizon: float, cells: Ints) -> Floats:
        """Return the influence of one unit of cells on the area under a level's curve, (cells,)."""
        times, width = self._steps(group, horizon)
        size = max(1, BLOCK // len(times))
        parts = [
            self.moved(kind, group, times, cells[low : low + size]) @ width
            for low in range(0, len(cells), size)
        ]
        return np.concatenate(parts)

    def units(self, cluster: str | None) -> Units:
        """Return what varies independently; `None` asks for the clusters of the model."""
        cluster = cluster or self.cluster
        if cluster not in self._units_kept:
            self._units_kept[cluster] = make_units(self.model.design, cluster)
        return self._units_kept[cluster]

    def own(self, *groups: int) -> NDArray[np.bool_]:
        """Return which cells move some levels: all of them."""
        del groups
        return np.ones(len(self.model.design.time), dtype=bool)

    def cell_of_row(self) -> tuple[Ints, Floats]:
        """Return cell (-1 at weight 0) and weight of every row of the data, (N,) each."""
        design = self.model.design
        return design.cell_of_row(), design.row_weights()

    def _area_variance(self, group: int, horizon: float) -> Floats:
        def moved(cells: Ints) -> Floats:
            return self.area_moved(0, group, horizon, cells)[:, None]

        return self.units(None).variance(1, moved)

    @cached_property
    def baseline_steps(self) -> tuple[Floats, Floats, Floats]:
        """What a unit's time at risk and its event do to the baseline, at the event times."""
        fitted = self.model.fitted
        sets, sums = fitted.risk_sets, fitted.sums
        lived = sets.cumulated(fitted.mean_weight * sums.second)
        own_less = fitted.mean_weight * (sums.second - sums.own_second)
        return np.append(lived, 0.0), sums.first / sets.deaths, own_less

    def _means(self, level: Level, times: Floats) -> Means:
        from toolkit.survival.cox.standardise_kernel import add_means, fill_survival

        n_strata, n_times, p = self.model.design.strata.height, len(times), level.x.shape[1]
        base = hazard_at(
            self.model.fitted, np.repeat(np.arange(n_strata), n_times), np.tile(times, n_strata)
        )
        hazard = base.cumulative.reshape(n_strata, n_times)
        drift = base.slope.reshape(n_strata, n_times, p)
        total = float(self.weight.sum())
        survival, slope = np.zeros(n_times), np.zeros((n_strata, n_times))
        pull = np.zeros((n_times, p))
        order = np.argsort(level.stratum, kind="stable")
        first = np.searchsorted(level.stratum[order], np.arange(n_strata + 1))
        size = max(1, BLOCK // max(n_times, 1))
        for s in range(n_strata):
            for low in range(first[s], first[s + 1], size):
                units = order[low : min(low + size, first[s + 1])]
                ratio, weight = level.ratio[units], self.weight[units]
                block = np.empty((n_times, len(units)))
                fill_survival(ratio, np.zeros(len(units), dtype=np.int64), hazard[[s]], block)
                part = np.zeros((n_times, p))
                add_means(block, weight, ratio, level.x[units], survival, slope[s], part)
                pull += hazard[s][:, None] * part
        pull -= np.einsum("st,stp->tp", slope, drift)
        return Means(
            survival=survival / total, hazard=hazard, slope=slope / total, pull=pull / total
        )

    def _rows(self, times: Floats) -> Ints:
        """Return the last event time of each stratum at or before each time, (S, T)."""
        sets, n = self.model.fitted.risk_sets, self.model.design.strata.height
        stratum, time = np.repeat(np.arange(n), len(times)), np.tile(times, n)
        row = Steps(sets.stratum, sets.time).last(stratum, time)
        inside = (row >= 0) & (sets.stratum[row] == stratum)
        return np.where(inside, row, -1).reshape(n, len(times))

    def _until(self, group: int) -> float:
        """Return until when all strata of the population are observed."""
        return float(observed_until(self.model.fitted)[np.unique(self.levels[group].stratum)].min())

    def _steps(self, group: int, horizon: float) -> tuple[Floats, Floats]:
        """Return times and what the curve is multiplied by there, to give the area."""
        times = self.jumps(group)
        times = np.concatenate([[0.0], times[(times > 0) & (times < horizon)]])
        if len(times) <= MOST_STEPS:  # a step function
            return times, np.diff(np.append(times, horizon))
        some = np.unique(np.linspace(0, len(times) - 1, MOST_STEPS).round().astype(np.int64))
        times = np.append(times[some], horizon)
        width = np.diff(times)  # many small steps: a line from one to the next
        return times, (np.append(width, 0.0) + np.append(0.0, width)) / 2


def refuse_levels() -> None:
    """Raise: a level of a standardised curve is not a group of rows."""
    raise CallError(
        "Standardised curves have no pseudo-values: every row counts at every level",
        fix="use influence(), or the pseudo-values of a Kaplan-Meier curve",
    )
