"""Propensity scores, fast and never clipped."""

from toolkit.matching.propensity.fit import propensity
from toolkit.matching.propensity.model import Propensity

__all__ = ["Propensity", "propensity"]
