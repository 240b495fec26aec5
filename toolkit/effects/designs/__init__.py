"""Designs that do without a model of who takes part: chance, policy, borders in time and age."""

from toolkit.effects.designs.did import DifferenceInDifferences, difference_in_differences
from toolkit.effects.designs.experiment import experiment
from toolkit.effects.designs.experiment_result import Experiment
from toolkit.effects.designs.power import Power, minimum_detectable_effect
from toolkit.effects.designs.randomise import Randomisation, randomise

__all__ = [
    "DifferenceInDifferences",
    "Experiment",
    "Power",
    "Randomisation",
    "difference_in_differences",
    "experiment",
    "minimum_detectable_effect",
    "randomise",
]
