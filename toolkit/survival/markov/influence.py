"""Robust variance, and what each row does to the estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.survival.markov.scores import scores
from toolkit.survival.segments import add_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.chain import MarkovChain
    from toolkit.survival.markov.likelihood import Problem
    from toolkit.survival.markov.records import Records

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def interval_scores(records: Records, problem: Problem, theta: Floats) -> Floats:
    """Return scores of one unit of each interval, (M, p); of a chain at its last interval."""
    paths = problem.paths
    out = np.zeros((len(records.end), len(theta)))
    for some in scores(problem, theta):
        high = some.first + len(some.rows)
        if some.part == "cells" and paths.cells is not None:
            inside = (paths.cells.cell >= some.first) & (paths.cells.cell < high)
            cell = paths.cells.cell[inside] - some.first
            out[paths.cells.interval[inside]] += some.rows[cell]
        elif some.part == "sums" and paths.sums is not None:
            np.add.at(out, paths.sums.interval[some.first : high], some.rows)
        elif some.part == "chains":
            inside = (paths.chain >= some.first) & (paths.chain < high)
            out[paths.last[inside]] += some.rows[paths.chain[inside] - some.first]
    return out


def robust_variance(
    records: Records, problem: Problem, theta: Floats, vcov: Floats, cluster: str | None
) -> tuple[Floats, int]:
    """Return Σ over clusters of the outer products of summed influences, and their number.

    A person is a cluster by default. A frequency weight w stands for w persons alike.
    """
    known = np.nan_to_num(vcov)
    unit = interval_scores(records, problem, theta) @ known
    weight = records.weight[records.end]
    frequency = records.weight_type == "frequency"
    if cluster is None:
        person = records.person[records.end]
        sums = add_up(unit, person, records.n_person).reshape(records.n_person, -1)
        first = np.flatnonzero(np.append(True, records.person[1:] != records.person[:-1]))
        of_person = records.weight[first]
        squared = of_person if frequency else of_person**2
        meat = (sums * squared[:, None]).T @ sums
        number = round(of_person.sum()) if frequency else records.n_person
    else:
        groups = records.frame[cluster].rank("dense").to_numpy().astype(np.int64) - 1
        group = groups[records.row[records.end]]
        number = len(np.unique(group))
        sums = add_up(unit * weight[:, None], group, int(groups.max()) + 1)
        sums = sums.reshape(int(groups.max()) + 1, -1)
        meat = sums.T @ sums
    meat[np.isnan(vcov)] = np.nan
    return meat, number


def row_influence(chain: MarkovChain) -> Floats:
    """Return the weighted influence of each row of the data on θ, (N, p)."""
    records = chain.records
    unit = interval_scores(records, chain.problem, chain.theta) @ np.nan_to_num(chain.vcov_model)
    out = np.zeros((records.n_rows, len(chain.theta)))
    out[records.row[records.end]] = unit * records.weight[records.end][:, None]
    return out
