"""Curves, quantiles and areas of a fitted model, with delta-method standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.parametric.hazards import cumulative_hazard, inverse_link, log_hazard
from toolkit.survival.parametric.rows import TINY, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.parametric.baselines import Baseline, Point

    Floats = NDArray[np.float64]

#: Pairs of row and time worked on at once.
_BLOCK = 20_000
#: Panels towards 0 of an area, each half as wide as the next, and points of each.
_PANELS, _POINTS = 40, 16


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model as numbers: enough to draw its curves.

    Attributes
    ----------
    baseline : Baseline
    parameters : (m,) array
        Location and shape, then log θ where `frailty`.
    vcov : (m, m) array
    frailty : bool
    """

    baseline: Baseline
    parameters: Floats
    vcov: Floats
    frailty: bool

    @property
    def variance(self) -> float | None:
        """θ of the heterogeneity, None without."""
        return float(np.exp(self.parameters[-1])) if self.frailty else None

    @property
    def inner(self) -> Floats:
        """Location and shape."""
        return self.parameters[:-1] if self.frailty else self.parameters

    def error(self, moved: Floats) -> Floats:
        """Return the standard errors of numbers with derivatives `moved`, (n, m)."""
        square = np.einsum("ij,jk,ik->i", moved, self.vcov, moved)
        return np.asarray(np.sqrt(np.maximum(square, 0.0)))

    def at(self, subjects: Subjects, row: NDArray[np.int64], time: Floats) -> Point:
        """Return z for pairs of a row and a time."""
        rows = Rows(
            x=subjects.x[row], offset=subjects.offset[row], ancillary=subjects.ancillary[row],
            basis=self.baseline.basis(time),
        )  # fmt: skip
        return self.baseline.at(self.inner, rows)


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """R rows to predict for: columns of the location, known part, columns of the log shape."""

    x: Floats
    offset: Floats
    ancillary: Floats

    def __len__(self) -> int:
        return len(self.x)


def cumulative(
    fitted: Fitted, subjects: Subjects, row: NDArray[np.int64], time: Floats
) -> tuple[Floats, Floats]:
    """Return Λ for pairs of a row and a time, (n,), and its derivatives, (n, m)."""
    point = fitted.at(subjects, row, time)
    with np.errstate(over="ignore"):
        slope = cumulative_hazard(fitted.baseline.link, point.z, fitted.variance)
    moved = slope.z[:, None] * point.jacobian
    if slope.f is not None:
        moved = np.column_stack([moved, slope.f])
    return slope.value, moved


def survival(fitted: Fitted, subjects: Subjects, times: Floats) -> tuple[Floats, Floats]:
    """Return S at every time of every row, and its standard error, both (R, T)."""
    estimate = np.empty((len(subjects), len(times)))
    error = np.empty_like(estimate)
    for rows in _row_blocks(len(subjects), len(times)):
        row, time = np.repeat(rows, len(times)), np.tile(times, len(rows))
        value, moved = cumulative(fitted, subjects, row, time)
        s = np.exp(-value)
        shape = len(rows), len(times)
        estimate[rows] = s.reshape(shape)
        error[rows] = np.where(s > 0, s * fitted.error(moved), 0.0).reshape(shape)
    return estimate, error


def curves_with_slope(
    fitted: Fitted, subjects: Subjects, weight: Floats, times: Floats
) -> tuple[Floats, Floats]:
    """Return S, (R, T), and the derivatives of its weighted mean over the rows, (T, m)."""
    curves = np.empty((len(subjects), len(times)))
    slope = np.zeros((len(times), len(fitted.parameters)))
    for rows in _row_blocks(len(subjects), len(times)):
        row, time = np.repeat(rows, len(times)), np.tile(times, len(rows))
        value, moved = cumulative(fitted, subjects, row, time)
        s = np.exp(-value)
        shape = len(rows), len(times)
        curves[rows] = s.reshape(shape)
        # where S is 0 so is what it moves by
        change = np.where(s[:, None] > 0, -(weight[row] * s)[:, None] * moved, 0.0)
        slope += change.reshape(*shape, -1).sum(axis=0)
    return curves, slope


def log_hazards(fitted: Fitted, subjects: Subjects, times: Floats) -> tuple[Floats, Floats]:
    """Return log h at every time of every row, and its standard error, both (R, T)."""
    estimate = np.empty((len(subjects), len(times)))
    error = np.empty_like(estimate)
    for rows in _row_blocks(len(subjects), len(times)):
        row, time = np.repeat(rows, len(times)), np.tile(times, len(rows))
        point = fitted.at(subjects, row, time)
        rate, _ = log_hazard(fitted.baseline.link, point.z, fitted.variance)
        y, y_moved = point.log_rate()
        moved = rate.z[:, None] * point.jacobian + y_moved
        if rate.f is not None:
            moved = np.column_stack([moved, rate.f])
        shape = len(rows), len(times)
        estimate[rows] = (rate.value + y).reshape(shape)
        error[rows] = fitted.error(moved).reshape(shape)
    return estimate, error


def log_quantiles(fitted: Fitted, subjects: Subjects, probability: Floats) -> tuple[Floats, Floats]:
    """Return the log time by which a share has had the event, and its standard error, (R, T).

    NaN where the curve does not come that far. The error follows from ∂ log t = -∂Λ / (∂Λ/∂log t).
    """
    target = inverse_link(fitted.baseline.link, -np.log1p(-probability), fitted.variance)
    row = np.repeat(np.arange(len(subjects)), len(target))
    wanted = np.tile(target, len(subjects))
    log_time = _solve(fitted, subjects, row, wanted)
    known = np.isfinite(log_time)
    time = np.exp(np.where(known, log_time, 0.0))
    point = fitted.at(subjects, row, time)
    slope = cumulative_hazard(fitted.baseline.link, point.z, fitted.variance)
    rise = np.exp(point.log_rate()[0]) * time  # ∂z/∂log t
    moved = point.jacobian / rise[:, None]
    if slope.f is not None:
        moved = np.column_stack([moved, slope.f / slope.z / rise])
    shape = len(subjects), len(target)
    return log_time.reshape(shape), np.where(known, fitted.error(moved), np.nan).reshape(shape)


def area(fitted: Fitted, subjects: Subjects, horizon: float) -> tuple[Floats, Floats]:
    """Return the area under S up to the horizon per row, (R,), and its derivatives, (R, m).

    Gauss and Legendre's rule on panels between the baseline's breaks, that get smaller towards 0,
    where a power of time has no derivatives.
    """
    inner = fitted.baseline.breaks()
    halves = horizon * 0.5 ** np.arange(_PANELS + 1)
    edges = np.unique(np.concatenate([[0.0], halves, inner[inner < horizon]]))
    node, weight = np.polynomial.legendre.leggauss(_POINTS)
    width = np.diff(edges)
    time = (edges[:-1, None] + width[:, None] * (node + 1) / 2).ravel()
    weight = (width[:, None] * weight / 2).ravel()
    estimate = np.empty(len(subjects))
    moved = np.empty((len(subjects), len(fitted.parameters)))
    for rows in _row_blocks(len(subjects), len(time)):
        row, at = np.repeat(rows, len(time)), np.tile(time, len(rows))
        value, change = cumulative(fitted, subjects, row, at)
        part = np.exp(-value) * np.tile(weight, len(rows))
        estimate[rows] = part.reshape(len(rows), -1).sum(axis=1)
        change = np.where(part[:, None] > 0, -part[:, None] * change, 0.0)
        moved[rows] = change.reshape(len(rows), len(time), -1).sum(axis=1)
    return estimate, moved


def _solve(fitted: Fitted, subjects: Subjects, row: NDArray[np.int64], target: Floats) -> Floats:
    """Return the log times at which z has a value, by bisection and then Newton's steps."""
    low, high = np.full(len(row), np.log(TINY)), np.full(len(row), -np.log(TINY))

    def gap(log_time: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return fitted.at(subjects, row, np.exp(log_time)).z - target

    reached = (gap(high) >= 0) & (gap(low) <= 0)
    for _ in range(70):
        middle = (low + high) / 2
        above = gap(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    found = (low + high) / 2
    for _ in range(2):
        point = fitted.at(subjects, row, np.exp(found))
        with np.errstate(over="ignore", invalid="ignore"):
            step = (point.z - target) / np.exp(point.log_rate()[0] + found)
        found = np.where(np.abs(step) < 1e-3, found - step, found)
    return np.where(reached, found, np.nan)


def _row_blocks(n_rows: int, n_times: int) -> list[NDArray[np.int64]]:
    size = max(1, _BLOCK // max(n_times, 1))
    return [np.arange(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]
