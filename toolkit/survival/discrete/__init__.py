"""Hazards in whole months: cloglog and logit on counted person-months, competing exits, frailty."""

from toolkit.survival.discrete.competing import DiscreteCompeting, discrete_competing
from toolkit.survival.discrete.hazard import DiscreteHazard, discrete_hazard
from toolkit.survival.discrete.mixed import MixedHazard

__all__ = [
    "DiscreteCompeting",
    "DiscreteHazard",
    "MixedHazard",
    "discrete_competing",
    "discrete_hazard",
]
