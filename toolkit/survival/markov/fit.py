"""The top of the log-likelihood: scoring to come near, Newton's method to be there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import ConvergenceError, EstimationError, SeparationError
from toolkit.survival.markov.likelihood import scoring, value_and_slope
from toolkit.survival.markov.parameters import BASELINE, MISTAKE, OPENING
from toolkit.survival.regression import maximise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.likelihood import Problem

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Step of the difference quotients that make second derivatives of slopes; see `curvature`.
_STEP = 1e-4
#: Information that says that a logarithm has run off: less than a thousandth of one event.
_NOTHING = 1e-3
#: How far below its start a logarithm must be to be called on its way to minus infinity.
_FALLEN = 4.0
#: Where such a logarithm is held.
_HELD = -40.0
#: Steps of scoring before second derivatives take over in any case.
_SCORING = 40
#: Blocks of chains that are enough to find the way by.
_BLOCKS = 2
#: How many standard deviations away second derivatives are still good for a step, and for errors.
_AWAY, _SAME = 0.01, 1e-8
#: Curvature, of a scale on which that of a single parameter is 1, that counts as none.
_FLAT = 1e-6
#: Deviations of its column's linear predictor that make a flat effect one that runs off.
_FAR = 1.0
#: How far above its start a logarithm is that is on its way to infinity.
_HIGH = 2.0


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The optimum.

    Attributes
    ----------
    theta : (p,) array
    free : (p,) array
        Parameters that were estimated; the others lie on the boundary (an intensity of 0).
    vcov : (p, p) array
        Inverse of minus the second derivatives; nan where not free.
    value, start_value : float
    steps : int
    warnings : tuple of str
    """

    theta: Floats
    free: Bools
    vcov: Floats
    value: float
    start_value: float
    steps: int
    warnings: tuple[str, ...]


def fit_chain(problem: Problem, start: Floats, spread: Floats) -> Fit:
    """Find the top from `start`.

    Parameters
    ----------
    spread : (p,) array
        Standard deviation of the covariate that each effect belongs to; 0 for other parameters.

    Raises
    ------
    toolkit.errors.SeparationError
        When the effect of a covariate runs off to infinity.
    toolkit.errors.EstimationError
        When the data do not tell some parameters, or combinations of them.
    toolkit.errors.ConvergenceError
        When the top is not reached.
    """
    theta = start.copy()
    free = np.ones(len(theta), dtype=bool)
    first, _, information = scoring(problem, theta)
    if not np.isfinite(first):
        raise EstimationError(
            "The start has likelihood 0", fix="give other intensities to start from in start="
        )
    _require_informed(problem, information, free)
    steps = 0
    said: list[str] = []
    while True:
        theta, near, done = _approach(problem, theta, free, spread)
        steps += done
        gone = free & _fallen(problem, theta, start, near)
        if not gone.any():
            break
        said += _hold(problem, gone)
        theta[gone] = start[gone] + _HELD
        effects = _idle_effects(problem, free)
        free &= ~gone & ~effects
        theta[effects] = 0.0
        if not free.any():
            break
    if not free.any():
        return Fit(theta=theta, free=free, vcov=np.full((len(theta),) * 2, np.nan),
                   value=value_and_slope(problem, theta)[0], start_value=first, steps=steps,
                   warnings=tuple(said))  # fmt: skip
    theta, value, information, done = _climb(problem, theta, free, spread)
    vcov = np.full((len(theta), len(theta)), np.nan)
    vcov[np.ix_(free, free)] = _invert(problem, theta, start, information, free, spread)
    return Fit(theta=theta, free=free, vcov=vcov, value=value, start_value=first,
               steps=steps + done, warnings=tuple(said))  # fmt: skip


def curvature(problem: Problem, theta: Floats, free: Bools, spread: Floats) -> Floats:
    """Return minus the second derivatives of the log-likelihood, by the free parameters.

    Central differences of the exact slope: with a step of 1e-4 the truncation error is some 1e-9
    of the curvature, that of rounding less.
    """
    places = np.flatnonzero(free)
    out = np.empty((len(places), len(places)))
    for row, place in enumerate(places):
        step = _STEP / max(1.0, spread[place])
        ends = []
        for sign in (1, -1):
            there = theta.copy()
            there[place] += sign * step
            ends.append(value_and_slope(problem, there)[1][free])
        out[row] = (ends[1] - ends[0]) / (2 * step)
    return (out + out.T) / 2


def _approach(
    problem: Problem, theta: Floats, free: Bools, spread: Floats
) -> tuple[Floats, Floats, int]:
    """Climb by the outer products of scores; return where, and the information there, (p,)."""
    place = theta.copy()
    logs = np.flatnonzero(_logarithms(problem))

    def objective(point: Floats) -> tuple[float, Floats, Floats]:
        there = place.copy()
        there[free] = point
        value, slope, information = scoring(problem, there, most_blocks=_BLOCKS)
        # on its way to minus infinity a logarithm has curvature equal to its slope, of which outer
        # products of scores know nothing; at the top there is no slope and nothing is added
        information[logs, logs] += np.maximum(0.0, -slope[logs])
        return value, slope[free], information[np.ix_(free, free)]

    best: list[tuple[float, Floats, Floats]] = []

    def remembered(point: Floats) -> tuple[float, Floats, Floats]:
        value, slope, information = objective(point)
        if not best or value > best[-1][0]:
            best[:] = [(value, point.copy(), np.diag(information).copy())]
        return value, slope, information

    names = [name for name, use in zip(problem.layout.names, free, strict=True) if use]
    steps = _SCORING
    # few persons, or errors of sight: the way is long, and second derivatives shorten it
    with suppress(ConvergenceError):
        steps = maximise(
            remembered, place[free], names=names, spread=spread[free], most_steps=_SCORING,
            tolerance=1e-6,
        ).steps  # fmt: skip
    known = np.full(len(theta), np.inf)
    _, place[free], known[free] = best[-1]
    return place, known, steps


def _climb(
    problem: Problem, theta: Floats, free: Bools, spread: Floats
) -> tuple[Floats, float, Floats, int]:
    """Climb by second derivatives, taken anew only where the point has moved away from theirs."""
    place = theta.copy()
    held: list[tuple[Floats, Floats]] = []

    def moved(point: Floats) -> float:
        """Return how far a point is from where the second derivatives are, in deviations."""
        if not held:
            return np.inf
        at, bent = held[-1]
        return float(np.sqrt(np.maximum((point - at) @ bent @ (point - at), 0.0)))

    def objective(point: Floats) -> tuple[float, Floats, Floats]:
        there = place.copy()
        there[free] = point
        value, slope = value_and_slope(problem, there)
        if not np.isfinite(value):
            return value, slope[free], np.eye(int(free.sum()))
        if moved(point) > _AWAY:
            held.append((point.copy(), curvature(problem, there, free, spread)))
        return value, slope[free], held[-1][1]

    names = [name for name, use in zip(problem.layout.names, free, strict=True) if use]
    size = abs(value_and_slope(problem, theta)[0])
    found = maximise(
        objective, place[free], names=names, spread=spread[free], tolerance=1e-12 / (1 + size)
    )
    place[free] = found.point
    bent = held[-1][1]
    if moved(found.point) > _SAME:
        bent = curvature(problem, place, free, spread)
    top = place.copy()
    with suppress(np.linalg.LinAlgError):
        top[free] += np.linalg.solve(bent, found.score)  # the step that was too small to be asked
    value, slope = value_and_slope(problem, top)
    if np.isfinite(value) and np.abs(slope[free]).max() <= np.abs(found.score).max():
        return top, value, bent, found.steps
    return place, found.value, bent, found.steps


def _require_informed(problem: Problem, information: Floats, free: Bools) -> None:
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


def _logarithms(problem: Problem) -> Bools:
    """Tell which parameters are logarithms of intensities, errors or first states."""
    return np.array([kind in {BASELINE, MISTAKE, OPENING} for kind in problem.layout.kind])


def _fallen(problem: Problem, theta: Floats, start: Floats, known: Floats) -> Bools:
    gone: Bools = _logarithms(problem) & (theta < start - _FALLEN) & (known < _NOTHING)
    return gone


def _hold(problem: Problem, gone: Bools) -> list[str]:
    said = []
    for place in np.flatnonzero(gone):
        name, kind = problem.layout.names[place], problem.layout.kind[place]
        what = "intensity" if kind == BASELINE else "chance"
        said.append(
            f"{name!r} is estimated at 0, the edge of what is possible: it is held there, its "
            f"{what} has no standard error, and those of the others take it as known"
        )
    return said


def _idle_effects(problem: Problem, free: Bools) -> Bools:
    """Return effects of covariates on moves that are all held at 0."""
    layout = problem.layout
    still = free[layout.base]
    idle = np.zeros(len(free), dtype=bool)
    for places in layout.effect:
        for place in np.unique(places[places >= 0]):
            idle[place] = not still[places == place].any()
    return idle


def _invert(
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
