"""Time to event, on any frame: curves, tests and models, from counted cells."""

from toolkit.survival.bands import Band
from toolkit.survival.cause_specific import CauseSpecific, cause_specific
from toolkit.survival.cox import CoxModel, cox
from toolkit.survival.difference import Difference
from toolkit.survival.discrete import (
    DiscreteCompeting,
    DiscreteHazard,
    discrete_competing,
    discrete_hazard,
)
from toolkit.survival.fine_gray import FineGrayModel, fine_gray
from toolkit.survival.incidence import CumulativeIncidence, cumulative_incidence
from toolkit.survival.kaplan_meier import KaplanMeier, kaplan_meier
from toolkit.survival.markov import MarkovChain, markov
from toolkit.survival.multi_state import MultiState, StateSpace, check_states, multi_state
from toolkit.survival.parametric import ParametricModel, parametric
from toolkit.survival.predicted import Predicted
from toolkit.survival.rank_tests import RankTest, gray, logrank
from toolkit.survival.recurrent import (
    CoxByOrder,
    MeanCumulative,
    RevolvingDoor,
    mean_cumulative,
    recurrent,
    revolving_door,
)
from toolkit.survival.risk_table import RiskTable, make_risk_table

__all__ = [
    "Band",
    "CauseSpecific",
    "CoxByOrder",
    "CoxModel",
    "CumulativeIncidence",
    "Difference",
    "DiscreteCompeting",
    "DiscreteHazard",
    "FineGrayModel",
    "KaplanMeier",
    "MarkovChain",
    "MeanCumulative",
    "MultiState",
    "ParametricModel",
    "Predicted",
    "RankTest",
    "RevolvingDoor",
    "RiskTable",
    "StateSpace",
    "cause_specific",
    "check_states",
    "cox",
    "cumulative_incidence",
    "discrete_competing",
    "discrete_hazard",
    "fine_gray",
    "gray",
    "kaplan_meier",
    "logrank",
    "make_risk_table",
    "markov",
    "mean_cumulative",
    "multi_state",
    "parametric",
    "recurrent",
    "revolving_door",
]
