"""Greedy nearest neighbours: on a score along a line, on covariates in a tree."""

from toolkit.matching.nearest.line import (
    by_cell_and_score,
    match_on_line,
    reached_on_line,
    sort_line,
)
from toolkit.matching.nearest.task import ORDERS, Task, partners_wanted, visiting_order
from toolkit.matching.nearest.tree import match_in_tree

__all__ = [
    "ORDERS",
    "Task",
    "by_cell_and_score",
    "match_in_tree",
    "match_on_line",
    "partners_wanted",
    "reached_on_line",
    "sort_line",
    "visiting_order",
]
