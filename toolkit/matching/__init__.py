"""Comparable groups, on any frame."""

from toolkit.matching.sample import Nuisance, Sample, plain_sample
from toolkit.matching.treatment import ESTIMANDS, Estimand, read_treatment

__all__ = [
    "ESTIMANDS",
    "Estimand",
    "Nuisance",
    "Sample",
    "plain_sample",
    "read_treatment",
]
