"""Comparable groups, on any frame."""

from toolkit.matching.balance import Balance, balance
from toolkit.matching.sample import Nuisance, Sample, plain_sample
from toolkit.matching.treatment import ESTIMANDS, Estimand, read_treatment

__all__ = [
    "ESTIMANDS",
    "Balance",
    "Estimand",
    "Nuisance",
    "Sample",
    "balance",
    "plain_sample",
    "read_treatment",
]
