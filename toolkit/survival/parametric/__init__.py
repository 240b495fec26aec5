"""Duration models with a hazard of given shape: Weibull and its kin, steps, splines."""

from toolkit.survival.parametric.fit import parametric
from toolkit.survival.parametric.model import ParametricModel

__all__ = ["ParametricModel", "parametric"]
