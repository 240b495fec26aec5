"""A power of time: z is a straight line in log t."""

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
class Power:
    """z = k log t + η, or k (log t - η) where covariates stretch time; k > 0.

    The one parameter is log k, or log σ = -log k where it is reported as a scale. Covariates on it
    are the ancillary formula's. Without it (`fixed`) k is 1.
    """

    link: Link
    stretch: bool
    fixed: bool = False
    intercept: bool = True

    @property
    def terms(self) -> tuple[str, ...]:
        """The log shape, or the log scale in the metric of time."""
        if self.fixed:
            return ()
        return ("log(scale)",) if self.stretch else ("log(shape)",)

    @staticmethod
    def basis(time: Floats) -> Floats:
        """Return log t, (n, 1)."""
        log_time: Floats = np.log(np.maximum(time, TINY))[:, None]
        return log_time

    @staticmethod
    def breaks() -> Floats:
        """Return nothing: a power is smooth."""
        return np.empty(0)

    def at(self, parameters: Floats, rows: Rows) -> PowerPoint:
        """Return z at the rows."""
        p = rows.x.shape[1]
        eta = rows.x @ parameters[:p] + rows.offset
        sign = -1.0 if self.stretch else 1.0
        log_shape = np.zeros(len(eta)) if self.fixed else sign * (rows.ancillary @ parameters[p:])
        shape = np.exp(log_shape)
        log_time = rows.basis[:, 0]
        if self.stretch:
            z = shape * (log_time - eta)
            by_eta, by_shape = -shape, z
        else:
            by_shape = shape * log_time
            z, by_eta = by_shape + eta, None
        return PowerPoint(
            z=z, y=log_shape - log_time, by_eta=by_eta, by_shape=by_shape, sign=sign,
            x=rows.x, ancillary=rows.ancillary[:, :0] if self.fixed else rows.ancillary,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PowerPoint:
    """z = k log t + η, or k (log t - η), with its derivatives to η and a = log k.

    `by_eta` is None where it is 1; else it is also what η and a do together.
    """

    z: Floats
    y: Floats
    by_eta: Floats | None
    by_shape: Floats
    sign: float
    x: Floats
    ancillary: Floats

    @property
    def jacobian(self) -> Floats:
        """Derivatives of z, (n, m)."""
        left = self.x if self.by_eta is None else self.by_eta[:, None] * self.x
        return np.hstack([left, (self.sign * self.by_shape)[:, None] * self.ancillary])

    def curvature(self, weight: Floats) -> Floats:
        """Return Σ weight ∂²z; ∂²z/∂a² = ∂z/∂a, and z is linear in η."""
        own = (self.ancillary * (weight * self.by_shape)[:, None]).T @ self.ancillary
        out = corner(own, self.x.shape[1])
        if self.by_eta is not None:
            p = self.x.shape[1]
            cross = self.sign * (self.x * (weight * self.by_eta)[:, None]).T @ self.ancillary
            out[:p, p:], out[p:, :p] = cross, cross.T
        return out

    def log_rate(self) -> tuple[Floats, Floats]:
        """Return y = log k - log t and its derivatives."""
        return self.y, np.hstack([np.zeros_like(self.x), self.sign * self.ancillary])

    def log_rate_curvature(self, weight: Floats) -> Floats:
        """Return zeros: y is linear."""
        del weight
        m = self.x.shape[1] + self.ancillary.shape[1]
        return np.zeros((m, m))
