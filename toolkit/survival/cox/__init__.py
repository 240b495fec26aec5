"""The Cox model, on counted cells."""

from toolkit.survival.cox.fit import cox, fit_design
from toolkit.survival.cox.model import CoxModel

__all__ = ["CoxModel", "cox", "fit_design"]
