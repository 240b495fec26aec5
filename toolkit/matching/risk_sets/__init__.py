"""Dynamic assignment: matching within the risk set of each elapsed month."""

from toolkit.matching.risk_sets.match import match_risk_sets
from toolkit.matching.risk_sets.result import RiskSetMatched

__all__ = ["RiskSetMatched", "match_risk_sets"]
