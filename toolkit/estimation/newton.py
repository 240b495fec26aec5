"""Where a log-likelihood is highest: Newton's method that names the column that keeps it away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import ConvergenceError, SeparationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Objective = Callable[[Floats], tuple[float, Floats, Floats]]

#: A linear predictor moved by a column alone beyond this is on its way to infinity.
_RUNAWAY = 15.0


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Where a log-likelihood is highest.

    Attributes
    ----------
    point, score : (p,) arrays
    information : (p, p) array
        Minus the second derivatives.
    value, start_value : float
        At the optimum and at the start.
    steps : int
    """

    point: Floats
    score: Floats
    information: Floats
    value: float
    start_value: float
    steps: int

    @property
    def inverse(self) -> Floats:
        """Inverse information, (p, p)."""
        return inverse(self.information)


def inverse(information: Floats) -> Floats:
    """Return the inverse of a symmetric positive definite matrix, scaled for accuracy."""
    if not len(information):
        return information.copy()
    scale = np.sqrt(np.diag(information))
    unit = np.linalg.inv(information / np.outer(scale, scale))
    even: Floats = (unit + unit.T) / 2 / np.outer(scale, scale)
    return even


def maximise(
    objective: Objective,
    start: Floats,
    *,
    names: Sequence[str],
    spread: Floats | None = None,
    most_steps: int = 50,
    tolerance: float = 1e-10,
) -> Optimum:
    """Climb to the top of a log-likelihood by Newton's method with halved steps.

    Parameters
    ----------
    objective : callable
        From a point to the log-likelihood, its score (p,) and information (p, p).
    names : sequence of str
        Of the p parameters, for the messages.
    spread : (p,) array, optional
        How far apart the columns' values lie (standard deviation or range); with it a coefficient
        that runs off to infinity is told from a slow climb.

    Raises
    ------
    toolkit.errors.SeparationError
        When a coefficient runs off to infinity; it names the column.
    toolkit.errors.ConvergenceError
        When the top is not reached.
    """
    point = np.asarray(start, dtype=np.float64).copy()
    value, score, information = objective(point)
    first = value
    for step in range(most_steps):
        direction = _direction(information, score)
        gain = float(score @ direction)  # twice what the quadratic says is still to be won
        if step > 0 and gain < tolerance * (1 + abs(value)) * 1e-2:
            _check_runaway(point, information, names, spread)
            return Optimum(
                point=point, score=score, information=information, value=value,
                start_value=first, steps=step,
            )  # fmt: skip
        if not len(point):
            return Optimum(point=point, score=score, information=information, value=value,
                           start_value=first, steps=0)  # fmt: skip
        size = 1.0
        while True:
            trial = point + size * direction
            with np.errstate(over="ignore", invalid="ignore"):
                new, new_score, new_information = objective(trial)
            if np.isfinite(new) and new >= value - 1e-12 * abs(value):
                break
            size /= 2
            if size < 1e-8:
                raise _not_found(names, score, information, "no step uphill is left")
        point, value, score, information = trial, new, new_score, new_information
        _check_runaway(point, information, names, spread)
    raise _not_found(names, score, information, f"not there after {most_steps} steps")


def _direction(information: Floats, score: Floats) -> Floats:
    # sizes, also where the likelihood bends upwards: a ridge then turns the step uphill
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-300))
    unit = information / np.outer(scale, scale)
    for ridge in (0.0, 1e-10, 1e-6, 1e-3, 1e-1, 1.0, 2.0, 10.0, 100.0):
        try:
            factor = np.linalg.cholesky(unit + ridge * np.eye(len(unit)))
        except np.linalg.LinAlgError:
            continue
        half = np.linalg.solve(factor, score / scale)
        return np.asarray(np.linalg.solve(factor.T, half) / scale)
    steepest: Floats = score / scale**2
    return steepest


def _check_runaway(
    point: Floats, information: Floats, names: Sequence[str], spread: Floats | None
) -> None:
    if spread is None or not len(point):
        return
    far = np.abs(point) * spread
    known = np.diag(information) / np.maximum(spread, 1e-100) ** 2
    gone = (far > _RUNAWAY) & (known < 1e-4)
    if gone.any():
        name = names[int(np.argmax(np.where(gone, far, 0)))]
        raise SeparationError(
            f"The coefficient of {name!r} runs off to infinity: the column (with the others) "
            "tells events and non-events apart",
            fix="merge the level with another one, or leave the column out; look at a table of "
            "events by its values",
        )


def _not_found(
    names: Sequence[str], score: Floats, information: Floats, why: str
) -> ConvergenceError:
    steep = np.abs(score) / np.sqrt(np.maximum(np.diag(information), 1e-300))
    name = names[int(np.argmax(steep))] if len(score) else "the model"
    return ConvergenceError(
        f"No optimum was found: {why}; the likelihood is steepest in {name!r}",
        fix="scale columns of very different size, simplify the model, or look at that column",
    )
