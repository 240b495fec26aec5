"""Time to event, on any frame: from one risk table."""

from toolkit.survival.incidence import CumulativeIncidence, cumulative_incidence
from toolkit.survival.kaplan_meier import KaplanMeier, kaplan_meier
from toolkit.survival.risk_table import RiskTable, make_risk_table

__all__ = [
    "CumulativeIncidence",
    "KaplanMeier",
    "RiskTable",
    "cumulative_incidence",
    "kaplan_meier",
    "make_risk_table",
]
