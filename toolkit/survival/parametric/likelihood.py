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
from typing import TYPE_CHECKING, NamedTuple

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


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Cells of which the same was seen, and their rows at one of their times."""

    cell: Ints
    n: Floats
    rows: Rows

    def blocks(self, baseline: Baseline, parameters: Floats) -> Iterator[_Block]:
        """Return z of some thousands of cells at a time."""
        for first in range(0, len(self.cell), _BLOCK):
            some = slice(first, first + _BLOCK)
            point = baseline.at(parameters, self.rows.block(some))
            yield _Block(self.cell[some], self.n[some], point)


class _Block(NamedTuple):
    cell: Ints
    n: Floats
    point: Point


class Likelihood:
    """The log-likelihood as a function of (location, shape, log θ)."""

    def __init__(self, observed: Observed, baseline: Baseline) -> None:
        self.observed, self.baseline = observed, baseline
        exact = observed.event & np.isnan(observed.lower)
        between = np.flatnonzero(observed.event & (observed.lower > 0))
        late = np.flatnonzero(observed.entry > 0)
        self._exact = self._part(np.flatnonzero(exact), observed.end)
        self._censored = self._part(np.flatnonzero(~observed.event), observed.end)
        self._late = self._part(late, observed.entry)
        self._left = self._part(
            np.flatnonzero(observed.event & (observed.lower == 0)), observed.end
        )
        self._low = self._part(between, observed.lower)
        self._high = self._part(between, observed.end)

    def __call__(self, parameters: Floats, *, frailty: bool = False, rows: bool = False) -> Total:
        """Return the sums at `parameters`; with `frailty` the last one is log θ."""
        m = len(parameters)
        inner = parameters[:-1] if frailty else parameters
        variance = float(np.exp(parameters[-1])) if frailty else None
        sums = _Sums(m, np.zeros((len(self.observed.n), m)) if rows else None)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for block in self._blocks(self._exact, inner):
                self._add_event(sums, block, variance)
            for block in self._blocks(self._censored, inner):
                self._add_stay(sums, block, variance, -1.0)
            for block in self._blocks(self._late, inner):
                self._add_stay(sums, block, variance, 1.0)
            for block in self._blocks(self._left, inner):
                self._add_interval(sums, None, block, variance)
            for start, end in self._pairs(inner):
                self._add_interval(sums, start, end, variance)
        return Total(
            value=sums.value if np.isfinite(sums.value) else -np.inf,
            score=sums.score, information=-sums.hessian, rows=sums.rows,
        )  # fmt: skip

    def score_of_frailty(self, parameters: Floats) -> float:
        """Return the derivative of the log-likelihood to θ at θ = 0.

        For small θ, Λ = G - θG²/2 and log h falls by θG.
        """
        total = 0.0
        for part, known in ((self._exact, 1.0), (self._censored, 0.0)):
            for block in self._blocks(part, parameters):
                g = self._total(block)
                total += float(block.n @ (g * g / 2 - known * g))
        for block in self._blocks(self._late, parameters):
            total -= float(block.n @ (self._total(block) ** 2 / 2))
        for block in self._blocks(self._left, parameters):
            g = self._total(block)
            total -= float(block.n @ (g * g / 2 / np.expm1(g)))
        for start, end in self._pairs(parameters):
            low, high = self._total(start), self._total(end)
            odds = 1 / np.expm1(high - low)
            total += float(end.n @ ((1 + odds) * low**2 / 2 - odds * high**2 / 2))
        return total

    def _part(self, cell: Ints, time: Floats) -> _Part:
        seen = self.observed
        pattern = seen.pattern[cell]
        return _Part(
            cell=cell,
            n=seen.n[cell],
            rows=Rows(
                x=seen.x[pattern], offset=seen.offset[pattern],
                ancillary=seen.ancillary[pattern], basis=self.baseline.basis(time[cell]),
            ),
        )  # fmt: skip

    def _blocks(self, part: _Part, parameters: Floats) -> Iterator[_Block]:
        return part.blocks(self.baseline, parameters)

    def _pairs(self, parameters: Floats) -> Iterator[tuple[_Block, _Block]]:
        """Return both ends of the intervals."""
        low, high = (self._blocks(part, parameters) for part in (self._low, self._high))
        return zip(low, high, strict=True)

    def _total(self, block: _Block) -> Floats:
        return cumulative_hazard(self.baseline.link, block.point.z).value

    def _add_event(self, sums: _Sums, block: _Block, variance: float | None) -> None:
        """Add log h(t) - Λ(t)."""
        cell, n, point = block
        rate, stay = log_hazard(self.baseline.link, point.z, variance)
        own = rate.minus(stay)
        y, y_moved = point.log_rate()
        jacobian = point.jacobian
        sums.value += float(n @ (own.value + y))
        sums.add_rows(n, cell, own.z[:, None] * jacobian + y_moved, own.f)
        sums.add_curve(point, jacobian, own, n)
        k = jacobian.shape[1]
        sums.hessian[:k, :k] += point.log_rate_curvature(n)

    def _add_stay(self, sums: _Sums, block: _Block, variance: float | None, sign: float) -> None:
        """Add sign · Λ."""
        cell, n, point = block
        stay = cumulative_hazard(self.baseline.link, point.z, variance)
        jacobian = point.jacobian
        sums.value += sign * float(n @ stay.value)
        by_f = None if stay.f is None else sign * stay.f
        sums.add_rows(n, cell, (sign * stay.z)[:, None] * jacobian, by_f)
        sums.add_curve(point, jacobian, stay, sign * n)

    def _add_interval(
        self, sums: _Sums, start: _Block | None, end: _Block, variance: float | None
    ) -> None:
        """Add log(S(l) - S(u)) = -Λ(l) + log(1 - exp(-(Λ(u) - Λ(l)))).

        With q = 1 / (exp(Λ(u) - Λ(l)) - 1): its derivative to Λ(u) is q, to Λ(l) -(1 + q), and the
        second ones are -q (1 + q) times the outer square of ∂(Λ(u) - Λ(l)).
        """
        cell, n, point = end
        link = self.baseline.link
        high = cumulative_hazard(link, point.z, variance)
        jacobian = point.jacobian
        gap, moved, by_f = high.value, high.z[:, None] * jacobian, high.f
        if start is not None:
            low = cumulative_hazard(link, start.point.z, variance)
            start_jacobian = start.point.jacobian
            gap = gap - low.value
            moved = moved - low.z[:, None] * start_jacobian
            by_f = None if by_f is None or low.f is None else by_f - low.f
        odds = 1 / np.expm1(gap)
        sums.value += float(n @ np.log(-np.expm1(-gap)))
        sums.add_rows(n, cell, odds[:, None] * moved, None if by_f is None else odds * by_f)
        sums.add_curve(point, jacobian, high, n * odds)
        if start is not None:
            self._add_stay(sums, start, variance, -1.0)
            sums.add_curve(start.point, start_jacobian, low, -n * odds)
        whole = moved if by_f is None else np.column_stack([moved, by_f])
        sums.hessian -= (whole * (n * odds * (1 + odds))[:, None]).T @ whole


def scores(observed: Observed, baseline: Baseline, parameters: Floats, *, frailty: bool) -> Floats:
    """Return the derivative of every cell's log-likelihood for one unit of weight, (C, m)."""
    rows = Likelihood(observed, baseline)(parameters, frailty=frailty, rows=True).rows
    return np.empty((0, len(parameters))) if rows is None else rows
