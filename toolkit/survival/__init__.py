"""Time to event, on any frame: from one risk table."""

from toolkit.survival.bands import Band
from toolkit.survival.difference import Difference
from toolkit.survival.incidence import CumulativeIncidence, cumulative_incidence
from toolkit.survival.kaplan_meier import KaplanMeier, kaplan_meier
from toolkit.survival.rank_tests import RankTest, gray, logrank
from toolkit.survival.risk_table import RiskTable, make_risk_table

__all__ = [
    "Band",
    "CumulativeIncidence",
    "Difference",
    "KaplanMeier",
    "RankTest",
    "RiskTable",
    "cumulative_incidence",
    "gray",
    "kaplan_meier",
    "logrank",
    "make_risk_table",
]
