"""The Cox model, on counted cells."""

from toolkit.survival.cox.concordance import Concordance
from toolkit.survival.cox.fit import cox, fit_design
from toolkit.survival.cox.model import CoxModel
from toolkit.survival.cox.proportionality import Proportionality

__all__ = ["Concordance", "CoxModel", "Proportionality", "cox", "fit_design"]
