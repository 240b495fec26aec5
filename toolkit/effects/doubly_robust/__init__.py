"""Doubly robust estimates: a model of treatment and one of the outcome, one of which must do."""

from toolkit.effects.doubly_robust.arms import ArmScores, doubly_robust_arms
from toolkit.effects.doubly_robust.fit import doubly_robust
from toolkit.effects.doubly_robust.result import DoublyRobust

__all__ = ["ArmScores", "DoublyRobust", "doubly_robust", "doubly_robust_arms"]
