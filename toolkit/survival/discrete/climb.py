"""Newton's method on an arrow, and the errors that name what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CollinearityError, ConvergenceError, SeparationError
from toolkit.estimation.collinearity import check_collinearity
from toolkit.survival.discrete.likelihood import Link, Point, State, evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from toolkit.survival.discrete.baseline import Baseline
    from toolkit.survival.discrete.months import PersonMonths

    Floats = NDArray[np.float64]

#: Largest effect over a column's range that is believed when its standard error over the range is
#: larger than the second number: 12 against an error of 50 is on its way to infinity.
_RUNAWAY, _UNKNOWN = 12.0, 50.0
_STEPS = 60


def climb(
    months: PersonMonths, baseline: Baseline, link: Link, names: Sequence[str]
) -> tuple[Point, State, int]:
    """Return the optimum, what the likelihood says there, and the steps it took.

    Parameters
    ----------
    names : sequence of str
        Of the K (q + d) coefficients, for messages.

    Notes
    -----
    Both links have a concave log-likelihood, so that Newton with halved steps gets there. It stops
    when a step would win less than 1e-12 of log-likelihood per unit of mean weight.
    """
    point = Point(np.zeros((months.n_cause, len(months.order))), _start(months, baseline, link))
    state = evaluate(months, baseline, link, point)
    _check_columns(state, names)
    reach = _reach(months)
    unit = max(float(months.n.mean()), 1e-300)
    for step in range(_STEPS):
        move, block_move = state.information.solve(state.score, state.block_score)
        gain = state.score @ move + float((state.block_score * block_move).sum())
        if step > 0 and gain <= 1e-12 * unit:
            point = _moved(point, move, block_move, 1.0)  # the last step is free, and exact
            check_runaway(point.beta.ravel(), state.information.vcov, reach, names, unit)
            _check_baseline(baseline, point)
            return point, state, step
        size = 1.0
        while True:
            trial = _moved(point, move, block_move, size)
            with np.errstate(over="ignore", invalid="ignore"):
                new = evaluate(months, baseline, link, trial)
            if np.isfinite(new.value) and new.value >= state.value - 1e-12 * abs(state.value):
                break
            size /= 2
            if size < 1e-8:
                raise _no_top(state, names, "no step uphill is left")
        point, state = trial, new
        check_runaway(point.beta.ravel(), state.information.vcov, reach, names, unit)
    raise _no_top(state, names, f"not there after {_STEPS} steps")


def _moved(point: Point, move: Floats, block_move: Floats, size: float) -> Point:
    return Point(
        point.beta + size * move.reshape(point.beta.shape),
        point.alpha + size * block_move.reshape(point.alpha.shape),
    )


def check_runaway(
    beta: Floats, vcov: Floats, reach: Floats, names: Sequence[str], unit: float = 1.0
) -> None:
    """Raise when a coefficient is large and unknown over the range of its column."""
    if not len(beta):
        return
    spread = np.tile(reach, len(beta) // len(reach))
    far = np.abs(beta) * spread
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.maximum(np.diag(vcov), 0) * unit) * spread
    gone = (far > _RUNAWAY) & ~(error < _UNKNOWN)
    if gone.any():
        name = names[int(np.argmax(np.where(gone, far, 0)))]
        raise SeparationError(
            f"The coefficient of {name!r} runs off to infinity: the column (with the others) "
            "tells events and non-events apart",
            fix="merge the level with another one, or leave the column out; look at a table of "
            "events by its values",
        )


def _reach(months: PersonMonths) -> Floats:
    """Return the range of every column, in the order of x, then z."""
    parts = [a.max(0) - a.min(0) for a in (months.x, months.z) if a.shape[1]]
    return np.concatenate(parts) if parts else np.zeros(0)


def _start(months: PersonMonths, baseline: Baseline, link: Link) -> Floats:
    """Return levels that give each block its share of events, as if no covariate mattered."""
    used = baseline.used
    width = baseline.basis.shape[1]
    block = baseline.block[used]
    happened = np.column_stack(
        [np.bincount(block, e[used], baseline.n_block) for e in months.events.T]
    )
    n = np.bincount(block, months.at_risk[used], baseline.n_block)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        if link == "cloglog":
            level = np.log(-np.log1p(-np.minimum(happened / n, 0.999)))
        else:
            level = np.log(happened / np.maximum(n - happened.sum(1, keepdims=True), 1e-3 * n))
    start = np.zeros((baseline.n_block, months.n_cause, width))
    constant = float(baseline.basis[0, 0])
    start[:, :, 0] = np.where(baseline.known, level, 0.0) / constant
    return start


def _check_columns(state: State, names: Sequence[str]) -> None:
    """Raise for a column that others, or the baseline, make up: at the start, before any step."""
    if not len(names):
        return
    core, schur = np.diag(state.information.core), state.information.schur
    own = np.diag(schur)
    for j, name in enumerate(names):
        if own[j] <= 1e-10 * core[j]:
            raise CollinearityError(
                f"Column {name!r} has the same value in every row, or in every row at risk in a "
                "month (of a stratum), so the baseline makes it up",
                fix="leave it out of the formula, or choose another baseline",
            )
    # columns with this Gram matrix depend on one another as the weighted ones do
    value, vector = np.linalg.eigh(schur / np.sqrt(np.outer(own, own)))
    check_collinearity((vector * np.sqrt(np.maximum(value, 0))).T, list(names), centred=False)


def _check_baseline(baseline: Baseline, point: Point) -> None:
    level = baseline.levels(point.alpha)[baseline.used]
    far = np.isfinite(level) & (np.abs(level) > 60)
    if baseline.kind == "spline" and far.any():
        raise SeparationError(
            f"The spline of the baseline runs off to infinity in {int(far.sum()):,} of "
            f"{len(level):,} months",
            fix="ask for fewer df or knots, or for baseline='piecewise'",
        )


def _no_top(state: State, names: Sequence[str], why: str) -> ConvergenceError:
    size = np.sqrt(np.maximum(np.diag(state.information.core), 1e-300))
    name = names[int(np.argmax(np.abs(state.score) / size))] if len(names) else "the baseline"
    return ConvergenceError(
        f"No optimum was found: {why}; the likelihood is steepest in {name!r}",
        fix="scale columns of very different size, simplify the model, or look at that column",
    )
