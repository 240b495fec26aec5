"""Hazards in whole months: cloglog and logit on counted person-months, competing exits, frailty."""

from toolkit.survival.discrete.hazard import DiscreteHazard, discrete_hazard

__all__ = ["DiscreteHazard", "discrete_hazard"]
