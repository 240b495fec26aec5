"""Life courses from canonical tables: spells, months, exits, cohorts, outcomes, and what counts."""

from toolkit.trajectories import definitions
from toolkit.trajectories.calendar import (
    Window,
    add_months,
    month_index,
    month_start,
    months_since,
    months_until,
)
from toolkit.trajectories.cohorts import Cohort, inflow, stock
from toolkit.trajectories.definitions import RECIPES, Definition, recipe
from toolkit.trajectories.describe import describe
from toolkit.trajectories.destinations import DESTINATIONS
from toolkit.trajectories.durability import Durability, durability
from toolkit.trajectories.exits import Exits, exits
from toolkit.trajectories.flows import flows
from toolkit.trajectories.follow import CENSORED, DIED, EMIGRATED, HAPPENED
from toolkit.trajectories.indicators import indicators
from toolkit.trajectories.panel import STATES, monthly_panel, panel_parts
from toolkit.trajectories.programmes import reintegration_outcome
from toolkit.trajectories.runs import runs
from toolkit.trajectories.sequences import Sequences, from_sequences
from toolkit.trajectories.since import states_since
from toolkit.trajectories.spells import (
    SpellCheck,
    check_spells,
    clip_spells,
    merge_spells,
    subtract_spells,
)
from toolkit.trajectories.support import SupportPanel, support_panel

__all__ = [
    "CENSORED",
    "DESTINATIONS",
    "DIED",
    "EMIGRATED",
    "HAPPENED",
    "RECIPES",
    "STATES",
    "Cohort",
    "Definition",
    "Durability",
    "Exits",
    "Sequences",
    "SpellCheck",
    "SupportPanel",
    "Window",
    "add_months",
    "check_spells",
    "clip_spells",
    "definitions",
    "describe",
    "durability",
    "exits",
    "flows",
    "from_sequences",
    "indicators",
    "inflow",
    "merge_spells",
    "month_index",
    "month_start",
    "monthly_panel",
    "months_since",
    "months_until",
    "panel_parts",
    "recipe",
    "reintegration_outcome",
    "runs",
    "states_since",
    "stock",
    "subtract_spells",
    "support_panel",
]
