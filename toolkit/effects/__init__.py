"""What would have happened otherwise: net effects, and what may be claimed of them."""

from toolkit.effects.contrast import contrast
from toolkit.effects.contrast_result import Contrast
from toolkit.effects.designs import (
    DifferenceInDifferences,
    Experiment,
    Power,
    Randomisation,
    difference_in_differences,
    experiment,
    minimum_detectable_effect,
    randomise,
)
from toolkit.effects.doubly_robust import (
    ArmScores,
    DoublyRobust,
    doubly_robust,
    doubly_robust_arms,
)
from toolkit.effects.gate import Verdict, gate
from toolkit.effects.gross_net import GrossNet
from toolkit.effects.profile import Profile, profile
from toolkit.effects.protocol import Protocol, example_protocol, protocol
from toolkit.effects.registry import claim, methods
from toolkit.effects.result import EffectResult
from toolkit.effects.sensitivity import (
    EValue,
    OmittedVariable,
    PlaceboStarts,
    PlaceboTest,
    RosenbaumBounds,
    Sensitivity,
    Specifications,
    SystematicError,
    amplify,
    bounding_factor,
    e_value,
    e_value_of,
    negative_controls,
    omitted_variable_bounds,
    partial_r2,
    placebo,
    placebo_starts,
    robustness_value,
    rosenbaum_bounds,
    sensitivity,
    specifications,
)
from toolkit.effects.thresholds import Thresholds

__all__ = [
    "ArmScores",
    "Contrast",
    "DifferenceInDifferences",
    "DoublyRobust",
    "EValue",
    "EffectResult",
    "Experiment",
    "GrossNet",
    "OmittedVariable",
    "PlaceboStarts",
    "PlaceboTest",
    "Power",
    "Profile",
    "Protocol",
    "Randomisation",
    "RosenbaumBounds",
    "Sensitivity",
    "Specifications",
    "SystematicError",
    "Thresholds",
    "Verdict",
    "amplify",
    "bounding_factor",
    "claim",
    "contrast",
    "difference_in_differences",
    "doubly_robust",
    "doubly_robust_arms",
    "e_value",
    "e_value_of",
    "example_protocol",
    "experiment",
    "gate",
    "methods",
    "minimum_detectable_effect",
    "negative_controls",
    "omitted_variable_bounds",
    "partial_r2",
    "placebo",
    "placebo_starts",
    "profile",
    "protocol",
    "randomise",
    "robustness_value",
    "rosenbaum_bounds",
    "sensitivity",
    "specifications",
]
