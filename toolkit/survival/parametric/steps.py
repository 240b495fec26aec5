"""A hazard that is constant between cuts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.parametric.rows import TINY, corner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.parametric.hazards import Link
    from toolkit.survival.parametric.rows import Rows

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A hazard exp(γ_j + η) that is constant on each of (0, c_1], (c_1, c_2], …, (c_q-1, ∞).

    z = log Σ exp(γ_j) d_j(t) + η, with d_j(t) the time spent in interval j by t.
    """

    cuts: tuple[float, ...]
    link: Link = "hazard"
    intercept: bool = False

    @property
    def terms(self) -> tuple[str, ...]:
        """A log hazard per interval."""
        edges = ("0", *(f"{cut:g}" for cut in self.cuts))
        closed = (f"({a}, {b}]" for a, b in pairwise(edges))
        return tuple(f"log(hazard) {name}" for name in (*closed, f"({edges[-1]}, inf)"))

    def basis(self, time: Floats) -> Floats:
        """Return log time (unused), the interval's number and the time spent in each interval."""
        time = np.maximum(time, TINY)
        edges = np.array([0.0, *self.cuts, np.inf])
        spent = np.clip(time[:, None] - edges[:-1], 0.0, np.diff(edges))
        return np.column_stack([self.interval(time), spent])

    def interval(self, time: Floats) -> Ints:
        """Return the number of the interval that holds each time, from 0."""
        return np.searchsorted(np.asarray(self.cuts), time, side="left")

    def breaks(self) -> Floats:
        """Return the cuts."""
        return np.asarray(self.cuts)

    def at(self, parameters: Floats, rows: Rows) -> StepsPoint:
        """Return z at the rows."""
        p = rows.x.shape[1]
        level = parameters[p:]
        hazard = rows.basis[:, 1:] * np.exp(level)
        total = hazard.sum(axis=1)
        log_total = np.log(total)
        return StepsPoint(
            z=log_total + rows.x @ parameters[:p] + rows.offset, log_total=log_total,
            share=hazard / total[:, None], level=level, x=rows.x,
            interval=rows.basis[:, 0].astype(np.int64),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StepsPoint:
    """z of a step hazard; `share` is each interval's part of the cumulative hazard, (n, q)."""

    z: Floats
    log_total: Floats
    share: Floats
    level: Floats
    x: Floats
    interval: Ints

    @property
    def jacobian(self) -> Floats:
        """Derivatives of z, (n, m)."""
        return np.hstack([self.x, self.share])

    def curvature(self, weight: Floats) -> Floats:
        """Return Σ weight ∂²z."""
        own = np.diag(weight @ self.share) - (self.share * weight[:, None]).T @ self.share
        return corner(own, self.x.shape[1])

    def log_rate(self) -> tuple[Floats, Floats]:
        """Return y = γ_j - log Σ exp(γ_j) d_j(t) and its derivatives."""
        moved = -self.share
        moved[np.arange(len(moved)), self.interval] += 1.0
        return self.level[self.interval] - self.log_total, np.hstack([np.zeros_like(self.x), moved])

    def log_rate_curvature(self, weight: Floats) -> Floats:
        """Return Σ weight ∂²y: minus that of z."""
        return -self.curvature(weight)
