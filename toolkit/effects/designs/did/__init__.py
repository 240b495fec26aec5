"""Difference-in-differences with staggered starts."""

from toolkit.effects.designs.did.fit import difference_in_differences
from toolkit.effects.designs.did.result import DifferenceInDifferences, LeadTest

__all__ = ["DifferenceInDifferences", "LeadTest", "difference_in_differences"]
