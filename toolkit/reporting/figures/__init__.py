"""One function a figure type; each takes a tidy frame and returns axes."""

from toolkit.reporting.figures.bars import bars
from toolkit.reporting.figures.canvas import Caption, Furniture, caption_of
from toolkit.reporting.figures.coverage import coverage
from toolkit.reporting.figures.flows import flows
from toolkit.reporting.figures.forest import forest
from toolkit.reporting.figures.gross_net import gross_net
from toolkit.reporting.figures.heat_map import heat_map, state_map
from toolkit.reporting.figures.incidence import cumulative_incidence
from toolkit.reporting.figures.love_plot import love_plot
from toolkit.reporting.figures.occupation import occupation
from toolkit.reporting.figures.overlap import overlap
from toolkit.reporting.figures.profile import profile
from toolkit.reporting.figures.selection import selection
from toolkit.reporting.figures.specification_curve import specification_curve
from toolkit.reporting.figures.states import state_distribution
from toolkit.reporting.figures.survival import survival
from toolkit.reporting.figures.transitions import transitions
from toolkit.reporting.figures.trend import trend

__all__ = [
    "Caption",
    "Furniture",
    "bars",
    "caption_of",
    "coverage",
    "cumulative_incidence",
    "flows",
    "forest",
    "gross_net",
    "heat_map",
    "love_plot",
    "occupation",
    "overlap",
    "profile",
    "selection",
    "specification_curve",
    "state_distribution",
    "state_map",
    "survival",
    "transitions",
    "trend",
]
