"""Moves between states over time: Aalen–Johansen and what is built on it."""

from toolkit.survival.multi_state.check import StateSpace, check_states
from toolkit.survival.multi_state.curves import StateProbabilities
from toolkit.survival.multi_state.estimate import multi_state
from toolkit.survival.multi_state.model import MultiState

__all__ = [
    "MultiState",
    "StateProbabilities",
    "StateSpace",
    "check_states",
    "multi_state",
]
