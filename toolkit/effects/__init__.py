"""What would have happened otherwise: net effects, and what may be claimed of them."""

from toolkit.effects.contrast import contrast
from toolkit.effects.contrast_result import Contrast
from toolkit.effects.designs import (
    Experiment,
    Power,
    Randomisation,
    experiment,
    minimum_detectable_effect,
    randomise,
)
from toolkit.effects.gross_net import GrossNet
from toolkit.effects.profile import Profile, profile
from toolkit.effects.registry import claim, methods
from toolkit.effects.result import EffectResult
from toolkit.effects.sensitivity import RosenbaumBounds, amplify, rosenbaum_bounds

__all__ = [
    "Contrast",
    "EffectResult",
    "Experiment",
    "GrossNet",
    "Power",
    "Profile",
    "Randomisation",
    "RosenbaumBounds",
    "amplify",
    "claim",
    "contrast",
    "experiment",
    "methods",
    "minimum_detectable_effect",
    "profile",
    "randomise",
    "rosenbaum_bounds",
]
