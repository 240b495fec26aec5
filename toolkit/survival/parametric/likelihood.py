"""The log-likelihood of counted cells, with its exact first and second derivatives.

With h the hazard and S = exp(-Λ) the survival of the population, a cell adds n times

    log h(t) - Λ(t)               an event at t
    -Λ(t)                         censored at t
    log(1 - S(u))                 an event in (0, u]
    log(S(l) - S(u))              an event in (l, u]

and + Λ(entry) where it is only seen if still there at `entry`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.parametric.hazards import Slope, cumulative_hazard, log_hazard
from toolkit.survival.parametric.rows import Rows
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from toolkit.survival.parametric.baselines import Baseline, Point

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Cells worked on at once: what stays in the processor's cache.
_BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What was seen, C cells of P covariate patterns.

    Attributes
    ----------
    x : (P, p) array
        Columns of the location, the intercept included.
    offset : (P,) array
    ancillary : (P, q) array
        Columns of the log shape, a one first.
    pattern : (C,) array
    end : (C,) array
        Time of the event or the censoring; the end of the interval that holds the event.
    event : (C,) array of bool
    lower : (C,) array
        Start of the interval that holds the event; NaN where the time is exact or censored.
    entry : (C,) array
        Zeros without left truncation.
    n : (C,) array
        Weight.
    """

    x: Floats
    offset: Floats
    ancillary: Floats
    pattern: Ints
    end: Floats
    event: NDArray[np.bool_]
    lower: Floats
    entry: Floats
    n: Floats

    @property
    def pattern_weight(self) -> Floats:
        """Weight of each pattern, (P,)."""
        return add_up(self.n, self.pattern, len(self.x))


@dataclass(frozen=True, kw_only=True)
class Total:
    """A log-likelihood with its derivatives; `rows`, (C, m), only where asked for."""

    value: float
    score: Floats
    information: Floats
    rows: Floats | None = None


@dataclass
class _Sums:
    """Running sums over the blocks; `m` parameters, the last one log θ where there is frailty."""

    m: int
    frailty: bool
    rows: Floats | None
    value: float = 0.0
    score: Floats = field(init=False)
    hessian: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.score = np.zeros(self.m)
        self.hessian = np.zeros((self.m, self.m))

    def add_rows(self, n: Floats, cell: Ints, moved: Floats, by_f: Floats | None) -> None:
        """Add the derivatives of the cells' terms, `moved` (k, m) for one unit of weight."""
        k = moved.shape[1]
        self.score[:k] += n @ moved
        if by_f is not None:
            self.score[-1] += n @ by_f
        if self.rows is not None:
            self.rows[cell, :k] += moved
            if by_f is not None:
                self.rows[cell, -1] += by_f

    def add_curve(self, point: Point, jacobian: Floats, slope: Slope, weight: Floats) -> None:
        """Add the second derivatives of Σ weight · slope(z, f)."""
        k = jacobian.shape[1]
        self.hessian[:k, :k] += (jacobian * (weight * slope.zz)[:, None]).T @ jacobian
        self.hessian[:k, :k] += point.curvature(weight * slope.z)
        if slope.zf is not None and slope.ff is not None:
            cross = (weight * slope.zf) @ jacobian
            self.hessian[:k, -1] += cross
            self.hessian[-1, :k] += cross
            self.hessian[-1, -1] += weight @ slope.ff


class Likelihood:
    """The log-likelihood as a function of (location, shape, log θ)."""

    def __init__(self, observed: Observed, baseline: Baseline) -> None:
        self.observed, self.baseline = observed, baseline
        known = np.isnan(observed.lower)
        exact, left = observed.event & known, observed.event & (observed.lower == 0)
        between = observed.event & (observed.lower > 0)
        late = np.flatnonzero(observed.entry > 0)
        self._sets = {
            "exact": np.flatnonzero(exact),
            "censored": np.flatnonzero(~observed.event),
            "left": np.flatnonzero(left),
            "between": np.flatnonzero(between),
        }
        self._end = {name: baseline.basis(observed.end[cell]) for name, cell in self._sets.items()}
        self._low = baseline.basis(observed.lower[self._sets["between"]])
        self._late = late, baseline.basis(observed.entry[late])

    def __call__(self, parameters: Floats, *, frailty: bool = False, rows: bool = False) -> Total:
        """Return the sums at `parameters`; with `frailty` the last one is log θ."""
        m = len(parameters)
        inner = parameters[:-1] if frailty else parameters
        variance = float(np.exp(parameters[-1])) if frailty else None
        sums = _Sums(m, frailty, np.zeros((len(self.observed.n), m)) if rows else None)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for cell, point in self._blocks("exact", inner):
                self._add_event(sums, cell, point, variance)
                self._add_stay(sums, cell, point, variance, -1.0)
            for cell, point in self._blocks("censored", inner):
                self._add_stay(sums, cell, point, variance, -1.0)
            for cell, point in self._points(*self._late, inner):
                self._add_stay(sums, cell, point, variance, 1.0)
            for cell, point in self._blocks("left", inner):
                self._add_interval(sums, cell, None, point, variance)
            low = self._points(self._sets["between"], self._low, inner)
            for (cell, point), (_, start) in zip(self._blocks("between", inner), low, strict=True):
                self._add_interval(sums, cell, start, point, variance)
        return Total(
            value=sums.value if np.isfinite(sums.value) else -np.inf,
            score=sums.score, information=-sums.hessian, rows=sums.rows,
        )  # fmt: skip

    def score_of_frailty(self, parameters: Floats) -> float:
        """Return the derivative of the log-likelihood to θ at θ = 0.

        For small θ, Λ = G - θG²/2 and log h falls by θG.
        """
        n, total = self.observed.n, 0.0
        link = self.baseline.link
        for name in self._sets:
            for cell, point in self._blocks(name, parameters):
                g = cumulative_hazard(link, point.z).value
                if name in {"exact", "censored"}:
                    total += float(n[cell] @ (g * g / 2 - (g if name == "exact" else 0.0)))
                elif name == "left":
                    total -= float(n[cell] @ (g * g / 2 / np.expm1(g)))
        low = self._points(self._sets["between"], self._low, parameters)
        for (cell, point), (_, start) in zip(self._blocks("between", parameters), low, strict=True):
            g, g_low = (cumulative_hazard(link, at.z).value for at in (point, start))
            odds = 1 / np.expm1(g - g_low)
            total += float(n[cell] @ ((1 + odds) * g_low**2 / 2 - odds * g * g / 2))
        for cell, point in self._points(*self._late, parameters):
            total -= float(n[cell] @ (cumulative_hazard(link, point.z).value ** 2 / 2))
        return total

    def _blocks(self, name: str, parameters: Floats) -> Iterator[tuple[Ints, Point]]:
        return self._points(self._sets[name], self._end[name], parameters)

    def _points(
        self, cells: Ints, basis: Floats, parameters: Floats
    ) -> Iterator[tuple[Ints, Point]]:
        seen = self.observed
        for first in range(0, len(cells), _BLOCK):
            cell = cells[first : first + _BLOCK]
            pattern = seen.pattern[cell]
            rows = Rows(
                x=seen.x[pattern], offset=seen.offset[pattern],
                ancillary=seen.ancillary[pattern], basis=basis[first : first + _BLOCK],
            )  # fmt: skip
            yield cell, self.baseline.at(parameters, rows)

    def _add_event(self, sums: _Sums, cell: Ints, point: Point, variance: float | None) -> None:
        """Add log h(t)."""
        n = self.observed.n[cell]
        rate = log_hazard(self.baseline.link, point.z, variance)
        y, y_moved = point.log_rate()
        jacobian = point.jacobian
        sums.value += float(n @ (rate.value + y))
        sums.add_rows(n, cell, rate.z[:, None] * jacobian + y_moved, rate.f)
        sums.add_curve(point, jacobian, rate, n)
        k = jacobian.shape[1]
        sums.hessian[:k, :k] += point.log_rate_curvature(n)

    def _add_stay(
        self, sums: _Sums, cell: Ints, point: Point, variance: float | None, sign: float
    ) -> None:
        """Add sign · Λ."""
        n = self.observed.n[cell]
        stay = cumulative_hazard(self.baseline.link, point.z, variance)
        jacobian = point.jacobian
        sums.value += float(sign * (n @ stay.value))
        by_f = None if stay.f is None else sign * stay.f
        sums.add_rows(n, cell, (sign * stay.z)[:, None] * jacobian, by_f)
        sums.add_curve(point, jacobian, stay, sign * n)

    def _add_interval(
        self, sums: _Sums, cell: Ints, start: Point | None, end: Point, variance: float | None
    ) -> None:
        """Add log(S(l) - S(u)) = -Λ(l) + log(1 - exp(-(Λ(u) - Λ(l)))).

        With q = 1 / (exp(Λ(u) - Λ(l)) - 1): its derivative to Λ(u) is q, to Λ(l) -(1 + q), and the
        second ones are -q (1 + q) times the outer square of ∂(Λ(u) - Λ(l)).
        """
        n = self.observed.n[cell]
        link = self.baseline.link
        high = cumulative_hazard(link, end.z, variance)
        end_jacobian = end.jacobian
        gap, moved, by_f = high.value, high.z[:, None] * end_jacobian, high.f
        low = start_jacobian = None
        if start is not None:
            low = cumulative_hazard(link, start.z, variance)
            start_jacobian = start.jacobian
            gap = gap - low.value
            moved = moved - low.z[:, None] * start_jacobian
            by_f = None if by_f is None or low.f is None else by_f - low.f
            sums.value -= float(n @ low.value)
        odds = 1 / np.expm1(gap)
        sums.value += float(n @ np.log(-np.expm1(-gap)))
        to_f = None if by_f is None else odds * by_f
        sums.add_rows(n, cell, odds[:, None] * moved, to_f)
        sums.add_curve(end, end_jacobian, high, n * odds)
        if start is not None and low is not None and start_jacobian is not None:
            down = None if low.f is None else -low.f
            sums.add_rows(n, cell, -low.z[:, None] * start_jacobian, down)
            sums.add_curve(start, start_jacobian, low, -n * (1 + odds))
        whole = moved if by_f is None else np.hstack([moved, by_f[:, None]])
        sums.hessian -= (whole * (n * odds * (1 + odds))[:, None]).T @ whole
