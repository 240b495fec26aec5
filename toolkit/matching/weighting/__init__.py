"""Weights that make treated and controls comparable."""

from toolkit.matching.weighting.weigh import weigh
from toolkit.matching.weighting.weighted import Weighted

__all__ = ["Weighted", "weigh"]
