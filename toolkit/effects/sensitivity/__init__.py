"""What could undo an effect: hidden bias, omitted variables, placebos, other choices."""

from toolkit.effects.sensitivity.e_value import EValue, e_value
from toolkit.effects.sensitivity.e_value_ratios import bounding_factor
from toolkit.effects.sensitivity.e_value_sample import e_value_of
from toolkit.effects.sensitivity.omitted_numbers import partial_r2, robustness_value
from toolkit.effects.sensitivity.omitted_result import OmittedVariable
from toolkit.effects.sensitivity.omitted_variable import omitted_variable_bounds
from toolkit.effects.sensitivity.rosenbaum import RosenbaumBounds, amplify, rosenbaum_bounds

__all__ = [
    "EValue",
    "OmittedVariable",
    "RosenbaumBounds",
    "amplify",
    "bounding_factor",
    "e_value",
    "e_value_of",
    "omitted_variable_bounds",
    "partial_r2",
    "robustness_value",
    "rosenbaum_bounds",
]
