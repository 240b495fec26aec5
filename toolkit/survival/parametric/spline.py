"""A natural cubic spline in log time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.parametric.rows import TINY, corner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.parametric.hazards import Link
    from toolkit.survival.parametric.rows import Rows

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Spline:
    """z = η + γ_1 v_1(x) + … + γ_q v_q(x), a natural cubic spline in x = log t.

    v_1 = x and, for the inner knots k_j between the outer ones a < b and λ = (b - k_j) / (b - a),
    v_j+1 = (x - k_j)³₊ - λ (x - a)³₊ - (1 - λ) (x - b)³₊: linear beyond a and b
    (Royston and Parmar 2002, eq. 2).
    """

    knots: tuple[float, ...]
    """Of log time, the outer ones included."""
    link: Link
    intercept: bool = True

    @property
    def terms(self) -> tuple[str, ...]:
        """A coefficient of log time, and one per inner knot."""
        return ("log(time)", *(f"log(time) spline {j}" for j in range(1, len(self.knots) - 1)))

    def basis(self, time: Floats) -> Floats:
        """Return log t, v_1 … v_q and their derivatives to log t, (n, 1 + 2q)."""
        x = np.log(np.maximum(time, TINY))
        low, *inner, high = self.knots
        value, slope = [x], [np.ones_like(x)]

        def above(knot: float) -> Floats:
            return np.asarray(np.maximum(x - knot, 0.0))

        for knot in inner:
            part = (high - knot) / (high - low)
            from_knot, from_low, from_high = above(knot), above(low), above(high)
            value.append(from_knot**3 - part * from_low**3 - (1 - part) * from_high**3)
            slope.append(3 * (from_knot**2 - part * from_low**2 - (1 - part) * from_high**2))
        return np.column_stack([x, *value, *slope])

    def breaks(self) -> Floats:
        """Return the knots as times: there the third derivative jumps."""
        return np.asarray(np.exp(np.asarray(self.knots)))

    def falling(self, shape: Floats, last: float) -> tuple[float, float] | None:
        """Return the first and last of many times up to `last` at which z falls, or None."""
        time = np.exp(np.linspace(self.knots[0], max(np.log(last), self.knots[-1]), 1001))
        down = self.basis(time)[:, 1 + len(shape) :] @ shape <= 0
        return (float(time[down].min()), float(time[down].max())) if down.any() else None

    def at(self, parameters: Floats, rows: Rows) -> SplinePoint:
        """Return z at the rows."""
        p = rows.x.shape[1]
        gamma = parameters[p:]
        q = len(gamma)
        value, slope = rows.basis[:, 1 : 1 + q], rows.basis[:, 1 + q :]
        return SplinePoint(
            z=rows.x @ parameters[:p] + rows.offset + value @ gamma,
            rise=slope @ gamma, value=value, slope=slope, log_time=rows.basis[:, 0], x=rows.x,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SplinePoint:
    """z of a spline; `rise` is ∂z/∂log t."""

    z: Floats
    rise: Floats
    value: Floats
    slope: Floats
    log_time: Floats
    x: Floats

    @property
    def jacobian(self) -> Floats:
        """Derivatives of z, (n, m)."""
        return np.hstack([self.x, self.value])

    def curvature(self, weight: Floats) -> Floats:
        """Return zeros: z is linear."""
        del weight
        m = self.x.shape[1] + self.value.shape[1]
        return np.zeros((m, m))

    def log_rate(self) -> tuple[Floats, Floats]:
        """Return y = log ∂z/∂log t - log t (NaN where the hazard would be negative)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            y = np.log(self.rise) - self.log_time
        return y, np.hstack([np.zeros_like(self.x), self.slope / self.rise[:, None]])

    def log_rate_curvature(self, weight: Floats) -> Floats:
        """Return Σ weight ∂²y."""
        unit = self.slope / self.rise[:, None]
        return corner(-(unit * weight[:, None]).T @ unit, self.x.shape[1])
