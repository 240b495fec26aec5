"""Weights that make treated and controls comparable."""

from toolkit.matching.weighting.over_time import WeightedOverTime, weigh_over_time
from toolkit.matching.weighting.weigh import weigh
from toolkit.matching.weighting.weighted import Weighted

__all__ = ["Weighted", "WeightedOverTime", "weigh", "weigh_over_time"]
