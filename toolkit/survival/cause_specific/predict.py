"""Incidences of given covariates from the hazards of all causes, and their standard errors.

A cause's hazard steps by dΛ_k(t | x) = ρ_k h_k(t), ρ = exp((x - centre)'b + offset). With Λ = Σ Λ_k
the chance to have had no event is S = exp(-Λ), and

    dF_k = S(t-) g(dΛ) dΛ_k,   g(u) = (1 - e^-u) / u,

so that S + Σ F_k = 1: the matrix exponential of the steps, as R's `survfit.coxphms` takes it; with
one cause it is the Cox model's 1 - exp(-Λ). A step of Λ_j at t' moves F_k(t) by

    D_kj(t', t) = A_kj(t') - F_k(t),   A_kj = S(t'-) ([j = k] g + g' dΛ_k) + F_k(t'),            (1)

and a unit moves dΛ_j(t') by ρ_j [ dm(t') + ((x - centre) h_j(t') - slope_j(t'))' dfbeta_j ], with m
the part that is there with b known (`toolkit.survival.cox.hazard`). What it moves F_k(t) by is
the sum over j and t' ≤ t of the products: running sums of h, of A h and the like, looked up where
the unit enters, leaves, or t comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.estimation.blocks import rows_times
from toolkit.survival.cox.score import score_of_cells
from toolkit.survival.segments import before
from toolkit.survival.units import Units, make_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.cox import CoxModel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The event times of all causes in one stratum, and each cause's steps there.

    Attributes
    ----------
    time : (T,) array
    stratum : int
    hazard, slope : (K, T) and (K, T, p) arrays
        h, and what it loses per unit of b.
    own : list of (T_k,) arrays
        Place in `time` of the K causes' own event times.
    first : (K,) array
        Row of the K fits' axes at which the stratum starts.
    """

    time: Floats
    stratum: int
    hazard: Floats
    slope: Floats
    own: list[Ints]
    first: Ints


def make_grid(models: list[CoxModel], stratum: int) -> Grid:
    """Line the causes' event times up."""
    rows = [np.flatnonzero(model.fitted.risk_sets.stratum == stratum) for model in models]
    times = [
        model.fitted.risk_sets.time[row].astype(np.float64)
        for model, row in zip(models, rows, strict=True)
    ]
    time = np.unique(np.concatenate(times))
    own = [np.searchsorted(time, each) for each in times]
    p = models[0].design.x.shape[1]
    hazard, slope = np.zeros((len(models), len(time))), np.zeros((len(models), len(time), p))
    for k, (model, row) in enumerate(zip(models, rows, strict=True)):
        hazard[k, own[k]] = model.fitted.hazard[row]
        slope[k, own[k]] = model.fitted.means().pull[row]
    first = np.array([np.searchsorted(m.fitted.risk_sets.stratum, stratum) for m in models])
    return Grid(time=time, stratum=stratum, hazard=hazard, slope=slope, own=own, first=first)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What happens to one unit with given covariates.

    Attributes
    ----------
    incidence : (K, T) array
        F_k at the times of the grid.
    answer : (K, K, T) array
        A of (1): k, j, t.
    """

    incidence: Floats
    answer: Floats


def follow(grid: Grid, risk: Floats) -> Course:
    """Return the incidences at hazards of `risk`, (K,), times those at the centre."""
    steps = grid.hazard * risk[:, None]
    total = steps.sum(axis=0)
    left = np.exp(-np.cumsum(total))
    one = np.zeros(len(total), dtype=np.int64)
    ahead = before(left, one, 1.0) if len(total) else left
    g = _mean_left(total)
    incidence = np.cumsum(ahead * g * steps, axis=1)
    slope = _mean_left_slope(total)
    answer = (ahead * slope * steps + incidence)[:, None, :] + (
        np.eye(len(steps))[:, :, None] * (ahead * g)
    )
    return Course(incidence=incidence, answer=answer)


def _mean_left(u: Floats) -> Floats:
    """Return (1 - e^-u) / u."""
    small = u < 1e-8
    return np.where(small, 1 - u / 2, -np.expm1(-u) / np.where(small, 1.0, u))


def _mean_left_slope(u: Floats) -> Floats:
    """Return its derivative, (e^-u (1 + u) - 1) / u²."""
    small = u < 1e-3
    series = -1 / 2 + u / 3 - u**2 / 8 + u**3 / 30 - u**4 / 144
    safe = np.where(small, 1.0, u)
    slope: Floats = np.where(small, series, (np.expm1(-u) + u * np.exp(-u)) / safe**2)
    return slope


def incidence_errors(
    models: list[CoxModel],
    grid: Grid,
    course: Course,
    *,
    risk: Floats,
    x: Floats,
    times: Floats,
    units: Units,
    influence: Floats,
) -> Floats:
    """Return the standard errors of F_k at each time, (K, T), for one unit.

    Parameters
    ----------
    risk : (K,) array
    x : (p,) array
        Its terms less the centre.
    influence : (C, K p) array
        What one unit of each cell moves the coefficients by, cause by cause.
    """
    n_cause, n_time, p = len(models), len(times), len(x)
    at = np.searchsorted(grid.time, times, side="right")  # how many grid times have come
    now = np.concatenate([np.zeros((n_cause, 1)), course.incidence], axis=1)[:, at]  # F_k(t)
    parts = [
        _CausePart(model, grid, j, course.answer[:, j], at, risk[j])
        for j, model in enumerate(models)
    ]
    pulls = [
        risk[j] * _through_coefficients(grid, j, course.answer[:, j], x, at, now)
        for j in range(n_cause)
    ]
    through = np.concatenate(pulls, axis=2).reshape(n_cause * n_time, n_cause * p)

    def moved(cells: Ints) -> Floats:
        total = rows_times(influence[cells], through.T)
        for part in parts:
            total += part.moved(cells, now).reshape(len(cells), -1)
        return total

    variance = units.variance(n_cause * n_time, moved)
    return np.sqrt(variance.reshape(n_cause, n_time))


def _through_coefficients(
    grid: Grid, j: int, answer: Floats, x: Floats, at: Ints, now: Floats
) -> Floats:
    """Return Σ_{t' ≤ t} D_kj(t', t) (x h_j(t') - slope_j(t')), (K, T, p)."""
    step = x * grid.hazard[j][:, None] - grid.slope[j]  # (T, p)
    both = np.concatenate([answer, np.ones((1, answer.shape[1]))])  # A, and 1 for F
    sums = np.cumsum(both[:, :, None] * step, axis=1)
    sums = np.concatenate([np.zeros((len(both), 1, step.shape[1])), sums], axis=1)[:, at]
    through: Floats = sums[:-1] - now[:, :, None] * sums[-1]
    return through


class _CausePart:
    """What a unit moves the incidences by, at known coefficients, through the hazard of a cause."""

    def __init__(
        self, model: CoxModel, grid: Grid, j: int, answer: Floats, at: Ints, risk: float
    ) -> None:
        fitted, sets = model.fitted, model.fitted.risk_sets
        design = model.design
        own, first = grid.own[j], grid.first[j]
        rows = slice(first, first + len(own))
        weight = fitted.mean_weight[rows]
        self._share = fitted.risk[design.pattern]
        self._inside = design.stratum[design.pattern] == grid.stratum
        # place on the cause's own axis: 0 = before its first time in the stratum
        self._last = np.where(self._inside, sets.last - first + 1, 0).clip(0)
        come = np.full(len(sets.last), -1) if sets.before is None else sets.before
        self._come = np.where(self._inside, come - first + 1, 0).clip(0)
        self._event = sets.event & self._inside & (sets.last >= 0)
        here = np.vstack([answer[:, own], np.ones(len(own))]).T  # (T_j, K + 1): A, and 1
        lived = (weight * fitted.sums.second[rows])[:, None] * here
        self._lived = risk * np.vstack([np.zeros(here.shape[1]), np.cumsum(lived, axis=0)])
        spared = weight * (fitted.sums.second - fitted.sums.own_second)[rows]
        self._jump = risk * (fitted.sums.first[rows] / sets.deaths[rows])
        self._spared = risk * spared
        self._here = here
        self._at = np.searchsorted(own, at, side="left")  # own times that have come by each time

    def moved(self, cells: Ints, now: Floats) -> Floats:
        """Return the moves of F_k at each time by one unit of the cells, (cells, K, T)."""
        last, come = self._last[cells], self._come[cells]
        until = np.minimum(last[:, None], self._at)
        lived = self._lived[until] - self._lived[np.minimum(come[:, None], until)]
        lived *= -self._share[cells][:, None, None]  # (cells, T, K + 1)
        has = np.flatnonzero(self._event[cells])
        row = last[has] - 1
        gain = self._jump[row] + self._spared[row] * self._share[cells[has]]
        come_by = self._at >= last[has][:, None]
        lived[has] += (gain[:, None] * come_by)[:, :, None] * self._here[row][:, None, :]
        total: Floats = lived[:, :, :-1].transpose(0, 2, 1) - now * lived[:, :, -1][:, None, :]
        return total


def coefficient_influence(models: list[CoxModel]) -> Floats:
    """Return what one unit of each cell moves all coefficients by, (C, K p)."""
    p = len(models[0].terms)
    out = np.empty((len(models[0].design.time), len(models) * p))
    for k, model in enumerate(models):
        scores = score_of_cells(model.fitted)
        out[:, k * p : (k + 1) * p] = rows_times(scores, model.vcov_model)
    return out


def predict(
    models: list[CoxModel],
    *,
    x: Floats,
    offset: Floats,
    stratum: Ints,
    times: Floats,
    cluster: str | None,
) -> tuple[Floats, Floats]:
    """Return incidences and standard errors of M units, (M, K, T) each."""
    value = np.empty((len(x), len(models), len(times)))
    error = np.empty_like(value)
    units = make_units(models[0].design, cluster)
    influence = coefficient_influence(models)
    for s in np.unique(stratum):
        grid = make_grid(models, int(s))
        at = np.searchsorted(grid.time, times, side="right")
        for i in np.flatnonzero(stratum == s):
            fits = [model.fitted for model in models]
            middle = x[i] - fits[0].centre
            shift = offset[i] - fits[0].offset_centre
            risk = np.exp([middle @ fit.coefficients + shift for fit in fits])
            course = follow(grid, risk)
            value[i] = np.concatenate([np.zeros((len(models), 1)), course.incidence], axis=1)[:, at]
            error[i] = incidence_errors(
                models, grid, course, risk=risk, x=middle, times=times, units=units,
                influence=influence,
            )  # fmt: skip
    return value, error
