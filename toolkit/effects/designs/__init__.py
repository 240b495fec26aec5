"""Designs that do without a model of who takes part: chance, policy, borders in time and age."""

from toolkit.effects.designs.before_after import BeforeAfter, before_after
from toolkit.effects.designs.density import DensityTest
from toolkit.effects.designs.did import DifferenceInDifferences, difference_in_differences
from toolkit.effects.designs.discontinuity import regression_discontinuity
from toolkit.effects.designs.discontinuity_result import RegressionDiscontinuity
from toolkit.effects.designs.experiment import experiment
from toolkit.effects.designs.experiment_result import Experiment
from toolkit.effects.designs.instruments import instrumental_variables
from toolkit.effects.designs.instruments_result import InstrumentalVariables
from toolkit.effects.designs.leniency import leave_one_out
from toolkit.effects.designs.natural_experiment import NaturalExperiment, natural_experiment
from toolkit.effects.designs.policy_calendar import find_cutoffs, policy_calendar
from toolkit.effects.designs.power import Power, minimum_detectable_effect
from toolkit.effects.designs.randomise import Randomisation, randomise

__all__ = [
    "BeforeAfter",
    "DensityTest",
    "DifferenceInDifferences",
    "Experiment",
    "InstrumentalVariables",
    "NaturalExperiment",
    "Power",
    "Randomisation",
    "RegressionDiscontinuity",
    "before_after",
    "difference_in_differences",
    "experiment",
    "find_cutoffs",
    "instrumental_variables",
    "leave_one_out",
    "minimum_detectable_effect",
    "natural_experiment",
    "policy_calendar",
    "randomise",
    "regression_discontinuity",
]
