"""Comparable groups, on any frame."""

from toolkit.matching.balance import Balance, balance
from toolkit.matching.match import match
from toolkit.matching.match_result import Matched
from toolkit.matching.propensity import Propensity, propensity
from toolkit.matching.risk_sets import RiskSetMatched, match_risk_sets
from toolkit.matching.sample import Nuisance, Sample, plain_sample
from toolkit.matching.treatment import ESTIMANDS, Estimand, read_treatment
from toolkit.matching.weighting import (
    Weighted,
    WeightedOverTime,
    weigh,
    weigh_over_time,
)

__all__ = [
    "ESTIMANDS",
    "Balance",
    "Estimand",
    "Matched",
    "Nuisance",
    "Propensity",
    "RiskSetMatched",
    "Sample",
    "Weighted",
    "WeightedOverTime",
    "balance",
    "match",
    "match_risk_sets",
    "plain_sample",
    "propensity",
    "read_treatment",
    "weigh",
    "weigh_over_time",
]
