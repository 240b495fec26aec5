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
from toolkit.trajectories.definitions import RECIPES, Definition, recipe
from toolkit.trajectories.durability import Durability, durability
from toolkit.trajectories.exits import Exits, exits
from toolkit.trajectories.indicators import indicators
from toolkit.trajectories.spells import (
    SpellCheck,
    check_spells,
    clip_spells,
    merge_spells,
    subtract_spells,
)

__all__ = [
    "RECIPES",
    "Definition",
    "Durability",
    "Exits",
    "SpellCheck",
    "Window",
    "add_months",
    "check_spells",
    "clip_spells",
    "definitions",
    "durability",
    "exits",
    "indicators",
    "merge_spells",
    "month_index",
    "month_start",
    "months_since",
    "months_until",
    "recipe",
    "subtract_spells",
]
