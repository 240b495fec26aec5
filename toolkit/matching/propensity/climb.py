"""A climb to the top of Σ h(θ'z) over a million rows: few passes, in blocks, on every core."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import ConvergenceError, EstimationError, InputError
from toolkit.estimation.blocks import BLOCK, add_product, blocks, by_block, put_rows
from toolkit.estimation.newton import inverse, maximise
from toolkit.estimation.threads import ranges, side_by_side
from toolkit.matching.propensity.scale import Scale, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.estimation.newton import Optimum
    from toolkit.matching.propensity.design import Design
    from toolkit.matching.propensity.families import Family

    Floats = NDArray[np.float64]

INTERCEPT = "(Intercept)"
#: With more patterns than twice this a climb starts where one on about as many of them ended.
_FEW = 60_000
#: Patterns from which a pass is dear, and how near to the top a climb of fewer, of more, stops:
#: where η is off by about 1e-8, 1e-6. The last step then goes the square of that near.
_MANY, _NEAR = 100_000, (2e-14, 3e-11)
#: Information per direction, of terms of spread 1 and rows of mass 1, below which it is flat.
_FLAT = 1e-6


@dataclass(frozen=True, kw_only=True)
class Climbed:
    """The top of Σ h(θ'z; u, v), z = (1, x) of q entries.

    Attributes
    ----------
    theta : (q,) array
    inverse : (q, q) array
        Of minus the second derivatives.
    value, start_value : float
        Σ h there, and with all but the intercept at 0.
    steps : int
    """

    design: Design = field(repr=False)
    family: Family = field(repr=False)
    theta: Floats
    inverse: Floats = field(repr=False)
    value: float
    start_value: float
    steps: int
    _scale: Scale = field(repr=False)
    _scaled: Floats = field(repr=False)

    def eta(self) -> Floats:
        """Return θ'z of each pattern, (P,)."""
        out = np.empty(self.design.n_patterns)
        shifted = self._scale.matrix().T @ self._scaled

        def work(low: int, high: int) -> None:
            z = np.empty((len(self.theta), BLOCK))
            for start, stop in blocks(low, high):
                some = z[:, : stop - start]
                self._scale.fill(self.design, slice(start, stop), some)
                out[start:stop] = np.einsum("q,qn->n", shifted, some)

        side_by_side(work, ranges(self.design.n_patterns))
        return out

    def influence(self, first: Floats) -> Floats:
        """Return by how much each row moves θ, (N, q): its h', (N,), times z' A⁻¹."""
        return rows_times(self.design, first, self.inverse)

    def first(self, eta: Floats, u: Floats, v: Floats) -> Floats:
        """Return h' of rows with these η and masses, (n,)."""
        return by_block(lambda *block: self.family.at(*block)[1], eta, u, v)


def rows_times(design: Design, factor: Floats, matrix: Floats | None = None) -> Floats:
    """Return factor z' of every row, (N, q); times a (q, q) matrix where there is one."""
    q = len(design.terms) + 1
    out = np.empty((design.n_rows, q))

    def work(low: int, high: int) -> None:
        z = np.empty((q, BLOCK))
        for start, stop in blocks(low, high):
            some = z[:, : stop - start]
            some[0] = 1.0
            design.fill_rows(start, stop, some[1:])
            some *= factor[start:stop]
            if matrix is None:
                out[start:stop] = some.T
            else:
                put_rows(some, matrix, out[start:stop])

    side_by_side(work, ranges(design.n_rows))
    return out


def climb(
    design: Design,
    family: Family,
    u: Floats,
    v: Floats,
    *,
    runaway: Callable[[str], EstimationError],
) -> Climbed:
    """Find θ where Σ h(θ'z; u, v) is highest.

    Parameters
    ----------
    u, v : (P,) arrays
        Masses of the patterns, ≥ 0.
    runaway : callable
        Makes the error for a θ that runs off to infinity, from the name of the term.

    Raises
    ------
    toolkit.errors.CollinearityError, EstimationError, ConvergenceError
        Naming the column that the data do not determine.
    """
    unit = design.n_rows / float((u + v).sum())  # a climb must not depend on the unit of weights
    u, v = u * unit, v * unit
    objective = _Objective(design, _scale(design, u + v), family, u, v)
    names = [INTERCEPT, *design.terms]
    start = np.zeros(len(names))
    start[0] = family.start(float(u.sum()), float(v.sum()))
    null = family.at(start[:1], u.sum(keepdims=True), v.sum(keepdims=True))[0]
    try:
        top = maximise(
            objective, _ahead(objective, start, names), names=names, most_steps=100,
            tolerance=_NEAR[design.n_patterns > _MANY],
        )  # fmt: skip
    except ConvergenceError:
        if not np.isfinite(objective.information).all():
            measure(design, u + v)  # a column that is not finite everywhere is named
        if _is_flat(objective.information):
            raise runaway(separating(objective, u, v)) from None
        raise
    if _is_flat(top.information):
        raise runaway(separating(objective, u, v))
    return _climbed(top, objective, null, unit)


def _climbed(top: Optimum, objective: _Objective, null: float, unit: float) -> Climbed:
    back, known = objective.scale.back(), inverse(top.information)
    # so near that the last step needs no look at where it ends
    point = top.point + known @ top.score
    return Climbed(
        design=objective.design, family=objective.family, theta=back @ point,
        inverse=back @ known @ back.T * unit,
        value=top.value / unit, start_value=null / unit, steps=top.steps,
        _scale=objective.scale, _scaled=point,
    )  # fmt: skip


class _Objective:
    """Σ h, its score and information at θ of scaled z; remembers where it last was."""

    def __init__(
        self, design: Design, scale: Scale, family: Family, u: Floats, v: Floats, stride: int = 1
    ) -> None:
        self.design, self.scale, self.family = design, scale, family
        self.u, self.v, self.stride = u, v, stride
        self.point = np.zeros(0)
        self.information = np.zeros((0, 0))

    def __call__(self, theta: Floats) -> tuple[float, Floats, Floats]:
        q = len(theta)
        matrix = self.scale.matrix()
        shifted = matrix.T @ theta

        def work(low: int, high: int) -> tuple[float, Floats]:
            value, total = 0.0, np.zeros((q + 1, q))
            z, bent = np.empty((q, BLOCK)), np.empty((q + 1, BLOCK))
            for start, stop in blocks(low, high):
                n = stop - start
                some = slice(start * self.stride, (stop - 1) * self.stride + 1, self.stride)
                self.scale.fill(self.design, some, z[:, :n])
                # threads do not know what their caller ignores; a step too far is halved
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    eta = np.einsum("q,qn->n", shifted, z[:, :n])
                    h, first, second = self.family.at(eta, self.u[some], self.v[some])
                    np.multiply(z[:, :n], second, out=bent[:q, :n])
                    bent[q, :n] = first
                    value += h
                    add_product(total, bent[:, :n], z[:, :n])
            return value, total

        done = side_by_side(work, ranges(-(-self.design.n_patterns // self.stride)))
        total = np.sum([part for _, part in done], axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            self.point, self.information = theta, matrix @ total[:q] @ matrix.T
            return sum(h for h, _ in done), matrix @ total[q], self.information


def _scale(design: Design, mass: Floats) -> Scale:
    """Measure the terms on some patterns: what those can tell apart, all can.

    What they cannot, all may (a rare level): they are looked at before that is said.
    """
    stride = design.n_patterns // _FEW
    if stride >= 2:
        try:
            return measure(design, mass, stride)
        except InputError:  # an EstimationError is one
            pass
    return measure(design, mass)


def _ahead(objective: _Objective, start: Floats, names: list[str]) -> Floats:
    """Return where a climb on some of the patterns ends: near the top of all."""
    stride = objective.design.n_patterns // _FEW
    if stride < 2:
        return start
    few = _Objective(
        objective.design, objective.scale, objective.family, objective.u, objective.v, stride
    )
    try:
        found = maximise(few, start, names=names, most_steps=12, tolerance=1e-8)
    except EstimationError:
        return start
    return start if _is_flat(found.information) else found.point


def _is_flat(information: Floats) -> bool:
    """Tell whether nothing is known of some direction: θ is on its way to infinity there."""
    if not np.isfinite(information).all():
        return True
    return float(np.linalg.eigvalsh(information)[0]) < _FLAT


def separating(objective: _Objective, u: Floats, v: Floats) -> str:
    """Return the term that sends θ to infinity: by itself, or most of a mixture."""
    design = objective.design
    for j, name in enumerate(design.terms):
        if objective.family.beyond(design.column(j), u, v):
            return name
    if np.isfinite(objective.information).all():
        _, vectors = np.linalg.eigh(objective.information)
        return design.terms[int(np.argmax(np.abs(vectors[1:, 0])))]
    return design.terms[int(np.argmax(np.abs(objective.point[1:])))]
