"""From a formula and a frame to distinct covariate patterns and counted cells."""

from toolkit.estimation.formula import Covariates, learn
from toolkit.survival.design.cells import Design, make_design

__all__ = ["Covariates", "Design", "learn", "make_design"]
