"""Comparable groups, on any frame."""

from toolkit.matching.balance import Balance, balance
from toolkit.matching.propensity import Propensity, propensity
from toolkit.matching.risk_sets import RiskSetMatched, match_risk_sets
from toolkit.matching.sample import Nuisance, Sample, plain_sample
from toolkit.matching.treatment import ESTIMANDS, Estimand, read_treatment

__all__ = [
    "ESTIMANDS",
    "Balance",
    "Estimand",
    "Nuisance",
    "Propensity",
    "RiskSetMatched",
    "Sample",
    "balance",
    "match_risk_sets",
    "plain_sample",
    "propensity",
    "read_treatment",
]
