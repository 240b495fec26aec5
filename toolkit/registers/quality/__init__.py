"""Who delivers what quality: deliveries judged, the verdict on publishing, who is reminded."""

from toolkit.registers.quality.caseload import caseload, coverage
from toolkit.registers.quality.deliveries import deliveries, periods_of
from toolkit.registers.quality.escalation import STEPS, escalation
from toolkit.registers.quality.mending import errors_by_municipality, errors_by_rule
from toolkit.registers.quality.representativity import Representativity, r_indicator
from toolkit.registers.quality.standards import Protocol, Standards, Thresholds
from toolkit.registers.quality.verdict import CRITERIA, verdict

__all__ = [
    "CRITERIA",
    "STEPS",
    "Protocol",
    "Representativity",
    "Standards",
    "Thresholds",
    "caseload",
    "coverage",
    "deliveries",
    "errors_by_municipality",
    "errors_by_rule",
    "escalation",
    "periods_of",
    "r_indicator",
    "verdict",
]
