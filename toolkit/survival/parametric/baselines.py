"""The shapes of z(t): a power of time, a step hazard, a natural spline in log time.

A baseline tells, for times and parameters, the linear predictor z(t) and y = log ∂z/∂t, and how
they move with the parameters: location (the intercept, where there is one, and the covariates),
then shape. All have

- `link`, `intercept`, `terms` (names of the shape's parameters);
- `breaks()`, the times where z is not smooth;
- `basis(time)`, what is needed of the times, computed once; `at(parameters, rows)`, a point;

and a point has `z`, `jacobian` (n, m), `curvature(weight)` = Σ weight ∂²z, and for events
`log_rate()` = y with its derivatives, `log_rate_curvature(weight)` = Σ weight ∂²y.
"""

from __future__ import annotations

from toolkit.survival.parametric.power import Power, PowerPoint
from toolkit.survival.parametric.spline import Spline, SplinePoint
from toolkit.survival.parametric.steps import Steps, StepsPoint

Baseline = Power | Steps | Spline
Point = PowerPoint | StepsPoint | SplinePoint

__all__ = ["Baseline", "Point", "Power", "Spline", "Steps"]
