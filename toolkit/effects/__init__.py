"""What would have happened otherwise: net effects, and what may be claimed of them."""

from toolkit.effects.contrast import contrast
from toolkit.effects.contrast_result import Contrast
from toolkit.effects.registry import claim, methods
from toolkit.effects.result import EffectResult
from toolkit.effects.sensitivity import RosenbaumBounds, amplify, rosenbaum_bounds

__all__ = [
    "Contrast",
    "EffectResult",
    "RosenbaumBounds",
    "amplify",
    "claim",
    "contrast",
    "methods",
    "rosenbaum_bounds",
]
