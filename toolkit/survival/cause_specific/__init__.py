"""Cox models of all causes in one, and the incidences they add up to."""

from toolkit.survival.cause_specific.fit import cause_specific
from toolkit.survival.cause_specific.model import CauseSpecific

__all__ = ["CauseSpecific", "cause_specific"]
