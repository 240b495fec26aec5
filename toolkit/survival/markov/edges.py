"""Where the likelihood has no top inside: what runs off, and what the data do not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import ConvergenceError, EstimationError, SeparationError
from toolkit.survival.markov.constraints import BASELINE
from toolkit.survival.markov.likelihood import value_and_slope
from toolkit.survival.markov.parameters import MISTAKE, OPENING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.likelihood import Problem

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Information that says that a logarithm has run off: less than a thousandth of one event.
_NOTHING = 1e-3
#: How far below its start a logarithm must be to be called on its way to minus infinity.
_FALLEN = 4.0
#: How far below its start (in logarithms) a parameter held at 0 is looked at again.
_A_LITTLE = 10.0
#: Curvature, of a scale on which that of a single parameter is 1, that counts as none.
_FLAT = 1e-6
#: Deviations of its column's linear predictor that make a flat effect one that runs off.
_FAR = 1.0
#: How far above its start a logarithm is that is on its way to infinity.
_HIGH = 2.0


def require_informed(problem: Problem, information: Floats, free: Bools) -> None:
    """Raise for parameters of which the likelihood knows nothing from the start."""
    layout = problem.layout
    empty = free & (np.diag(information) <= 0)
    if not empty.any():
        return
    names = [name for name, bad in zip(layout.names, empty, strict=True) if bad]
    raise EstimationError(
        f"No observation tells anything of {', '.join(map(repr, names[:6]))}",
        fix="nobody was seen before such a move could be made: take the move out of allowed=, "
        "or the term out of the formula",
    )


def logarithms(problem: Problem) -> Bools:
    """Tell which parameters are logarithms of intensities, errors or first states."""
    return np.array([kind in {BASELINE, MISTAKE, OPENING} for kind in problem.layout.kind])


def fallen(problem: Problem, theta: Floats, start: Floats, known: Floats) -> Bools:
    """Tell which logarithms are on their way to minus infinity; `known` is their information."""
    gone: Bools = logarithms(problem) & (theta < start - _FALLEN) & (known < _NOTHING)
    return gone


def describe_edge(problem: Problem, held: Bools) -> list[str]:
    """Say which parameters are held at the edge."""
    names = [repr(problem.layout.names[place]) for place in np.flatnonzero(held)]
    if not names:
        return []
    are, have, them = ("are", "they have", "them") if names[1:] else ("is", "it has", "it")
    said = (
        f"{', '.join(names)} {are} estimated at 0, the edge of what is possible, and held there: "
        f"{have} no standard error, and those of the others take {them} as known"
    )
    return [said]


def drawn_back(problem: Problem, theta: Floats, start: Floats, held: Bools) -> Bools:
    """Tell which parameters held at 0 the likelihood would raise again, if let go a little."""
    back = np.zeros(len(theta), dtype=bool)
    if held.any():
        near = theta.copy()
        near[held] = start[held] - _A_LITTLE
        value, slope = value_and_slope(problem, near)
        if np.isfinite(value):
            back = held & (slope > _NOTHING * np.exp(-_A_LITTLE))
    return back


def idle_effects(problem: Problem, free: Bools) -> Bools:
    """Return effects of covariates on moves that are all held at 0."""
    layout = problem.layout
    still = free[layout.base]
    idle = np.zeros(len(free), dtype=bool)
    for places in layout.effect:
        for place in np.unique(places[places >= 0]):
            idle[place] = not still[places == place].any()
    return idle


def invert(
    problem: Problem, theta: Floats, start: Floats, information: Floats, free: Bools,
    spread: Floats,
) -> Floats:  # fmt: skip
    """Return the inverse; raise with the names of what the data do not tell apart."""
    layout = problem.layout
    places = np.flatnonzero(free)
    scale = np.sqrt(np.abs(np.diag(information)))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values[0] >= _FLAT:
        inverse: Floats = (vectors / values) @ vectors.T / np.outer(scale, scale)
        return inverse
    heavy = places[np.abs(vectors[:, 0]) > 0.2]
    listed = ", ".join(repr(layout.names[i]) for i in heavy[:6])
    far = [i for i in heavy if spread[i] > 0 and abs(theta[i]) * spread[i] > _FAR]
    if far:
        raise SeparationError(
            f"The effect of {layout.names[far[0]]!r} runs off to infinity: some of its values know "
            "no such move",
            fix="let moves share the effect (constraint=), or leave it out for that move",
        )
    away = [i for i in heavy if problem.layout.kind[i] == BASELINE and theta[i] > start[i] + _HIGH]
    if away:
        raise EstimationError(
            f"The intensities {listed} run off to infinity: over intervals this long, what is seen "
            "does not depend on what was seen before",
            fix="look at shorter intervals, or put these states together",
        )
    if values[0] > -_FLAT:
        raise EstimationError(
            f"The data do not tell {listed} apart",
            fix="allow fewer moves or errors, constrain effects to be equal, or leave terms out",
        )
    raise ConvergenceError(
        f"The point found is no top: the likelihood bends upwards in {listed}",
        fix="give other intensities to start from in start=",
    )
