"""The top of the log-likelihood: scoring to come near, Newton's method to be there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import ConvergenceError, EstimationError
from toolkit.estimation.newton import maximise
from toolkit.survival.markov.edges import (
    describe_edge,
    drawn_back,
    fallen,
    idle_effects,
    invert,
    logarithms,
    require_informed,
)
from toolkit.survival.markov.likelihood import value_and_slope
from toolkit.survival.markov.scores import scoring

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.survival.markov.likelihood import Problem

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Step of the difference quotients that make second derivatives of slopes; see `curvature`.
_STEP = 1e-4
#: Where a logarithm that runs off to minus infinity is held, from its start.
_HELD = -40.0
#: Steps of scoring before second derivatives take over in any case.
_SCORING = 40
#: Blocks of chains that are enough to find the way by.
_BLOCKS = 4
#: How many standard deviations away second derivatives are still good for a step, and for errors.
_AWAY, _SAME = 0.01, 1e-8


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
    require_informed(problem, information, free)
    steps = 0
    held, kept = np.zeros((2, len(theta)), dtype=bool)
    while True:
        theta, near, done = _approach(problem, theta, free, spread)
        steps += done
        gone = free & ~kept & fallen(problem, theta, start, near)
        top = None if gone.any() else _climb(problem, theta, free, spread)
        if top is not None and top.error is not None:  # perhaps something falls only slowly
            theta, steps = top.theta, steps + top.steps
            known = np.full(len(theta), np.inf)
            known[free] = np.diag(top.information)
            gone = free & ~kept & fallen(problem, theta, start, known)
            if not gone.any():
                invert(problem, theta, start, top.information, free, spread)  # it names a culprit
                raise top.error
        if top is not None and top.error is None:
            back = drawn_back(problem, top.theta, start, held)
            if not back.any():
                break
            kept |= back  # its top lies just inside: second derivatives find it
            theta = top.theta.copy()
            theta[back] = start[back] - 1.0
            held &= ~back
            free |= back
            continue
        held |= gone
        theta[gone] = start[gone] + _HELD
        idle = idle_effects(problem, ~held)
        theta[idle] = 0.0
        free = ~held & ~idle
        if not free.any():
            top = None
            break
    vcov = np.full((len(theta), len(theta)), np.nan)
    said = tuple(describe_edge(problem, held))
    if top is None:
        value = value_and_slope(problem, theta)[0]
        return Fit(theta=theta, free=free, vcov=vcov, value=value, start_value=first, steps=steps,
                   warnings=said)  # fmt: skip
    vcov[np.ix_(free, free)] = invert(problem, top.theta, start, top.information, free, spread)
    return Fit(theta=top.theta, free=free, vcov=vcov, value=top.value, start_value=first,
               steps=steps + top.steps, warnings=said)  # fmt: skip


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
    logs = np.flatnonzero(logarithms(problem))

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
    size = abs(value_and_slope(problem, theta)[0])
    steps = _SCORING
    # few persons, or errors of sight: the way is long, and second derivatives shorten it
    with suppress(ConvergenceError):
        steps = maximise(
            remembered, place[free], names=names, spread=spread[free], most_steps=_SCORING,
            tolerance=1e-2 / (1 + size),
        ).steps  # fmt: skip
    known = np.full(len(theta), np.inf)
    _, place[free], known[free] = best[-1]
    return place, known, steps


@dataclass(frozen=True, kw_only=True)
class _Top:
    theta: Floats
    value: float
    information: Floats  # of the free parameters
    steps: int
    error: ConvergenceError | None = None


def _climb(problem: Problem, theta: Floats, free: Bools, spread: Floats) -> _Top:
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
    try:
        found = maximise(
            objective, place[free], names=names, spread=spread[free], tolerance=1e-12 / (1 + size)
        )
    except ConvergenceError as error:
        place[free], bent = held[-1]
        return _Top(theta=place, value=-np.inf, information=bent, steps=0, error=error)
    place[free] = found.point
    bent = held[-1][1]
    if moved(found.point) > _SAME:
        bent = curvature(problem, place, free, spread)
    top = place.copy()
    with suppress(np.linalg.LinAlgError):
        top[free] += np.linalg.solve(bent, found.score)  # the step that was too small to be asked
    value, slope = value_and_slope(problem, top)
    if np.isfinite(value) and np.abs(slope[free]).max() <= np.abs(found.score).max():
        return _Top(theta=top, value=value, information=bent, steps=found.steps)
    return _Top(theta=place, value=found.value, information=bent, steps=found.steps)
