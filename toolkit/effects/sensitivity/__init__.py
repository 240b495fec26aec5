"""What could undo an effect: hidden bias, omitted variables, placebos, other choices."""

from toolkit.effects.sensitivity.e_value import EValue, e_value
from toolkit.effects.sensitivity.e_value_ratios import bounding_factor
from toolkit.effects.sensitivity.e_value_sample import e_value_of
from toolkit.effects.sensitivity.negative_controls import SystematicError, negative_controls
from toolkit.effects.sensitivity.omitted_numbers import partial_r2, robustness_value
from toolkit.effects.sensitivity.omitted_result import OmittedVariable
from toolkit.effects.sensitivity.omitted_variable import omitted_variable_bounds
from toolkit.effects.sensitivity.placebo import placebo
from toolkit.effects.sensitivity.placebo_result import PlaceboTest
from toolkit.effects.sensitivity.placebo_starts import PlaceboStarts, placebo_starts
from toolkit.effects.sensitivity.rosenbaum import amplify, rosenbaum_bounds
from toolkit.effects.sensitivity.rosenbaum_result import RosenbaumBounds
from toolkit.effects.sensitivity.specification_result import Specifications
from toolkit.effects.sensitivity.specifications import specifications
from toolkit.effects.sensitivity.together import sensitivity
from toolkit.effects.sensitivity.together_result import Sensitivity

__all__ = [
    "EValue",
    "OmittedVariable",
    "PlaceboStarts",
    "PlaceboTest",
    "RosenbaumBounds",
    "Sensitivity",
    "Specifications",
    "SystematicError",
    "amplify",
    "bounding_factor",
    "e_value",
    "e_value_of",
    "negative_controls",
    "omitted_variable_bounds",
    "partial_r2",
    "placebo",
    "placebo_starts",
    "robustness_value",
    "rosenbaum_bounds",
    "sensitivity",
    "specifications",
]
