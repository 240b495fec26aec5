"""From a formula and a frame to distinct covariate patterns and counted cells."""

from toolkit.survival.design.cells import Design, make_design
from toolkit.survival.design.formula import Covariates, learn

__all__ = ["Covariates", "Design", "learn", "make_design"]
