"""For whom: effects by group, along covariates, by size, and a rule of who gets what."""

from toolkit.effects.whom.policy_tree import PolicyTree, policy_tree
from toolkit.effects.whom.projection import Projection, best_linear_projection
from toolkit.effects.whom.sorted_effects import SortedEffects, sorted_effects
from toolkit.effects.whom.subgroups import Subgroups, group_average, subgroups

__all__ = [
    "PolicyTree",
    "Projection",
    "SortedEffects",
    "Subgroups",
    "best_linear_projection",
    "group_average",
    "policy_tree",
    "sorted_effects",
    "subgroups",
]
