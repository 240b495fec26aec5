"""Middle and spread of the terms of a design, so that a climb sees columns of one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import CollinearityError, InputError
from toolkit.estimation.blocks import BLOCK, add_product, blocks
from toolkit.estimation.collinearity import check_collinearity
from toolkit.estimation.threads import ranges, side_by_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.matching.propensity.design import Design

    Floats = NDArray[np.float64]


#: A column this many spreads away from 0 is shifted, so that squares do not drown differences.
_FAR = 10.0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Middle and spread of p terms: a climb is in (x - middle) / spread.

    Blocks are filled with x as it is (or x - `shift`, where it is far from 0); sums over them are
    scaled afterwards, which is the same for a small part of the work.
    """

    middle: Floats
    spread: Floats
    shift: Floats

    def fill(self, design: Design, some: slice, z: Floats) -> None:
        """Set `z`, (p + 1, rows), to ones and the terms of these patterns, shifted."""
        z[0] = 1.0
        design.fill(some, z[1:])
        for j in np.flatnonzero(self.shift):
            z[j + 1] -= self.shift[j]

    def matrix(self) -> Floats:
        """Return the (p + 1, p + 1) matrix that makes scaled z of shifted z."""
        q = len(self.middle) + 1
        out = np.zeros((q, q))
        out[0, 0] = 1.0
        out[1:, 0] = (self.shift - self.middle) / self.spread
        out[1:, 1:] = np.diag(1 / self.spread)
        return out

    def back(self) -> Floats:
        """Return the (p + 1, p + 1) matrix that makes θ of (1, x) of the θ of the scaled."""
        unshift = np.eye(len(self.middle) + 1)
        unshift[0, 1:] = -self.shift
        return unshift @ self.matrix().T


def measure(design: Design, mass: Floats, stride: int = 1) -> Scale:
    """Measure the terms on every `stride`-th pattern, in one pass.

    Raises
    ------
    toolkit.errors.InputError, CollinearityError
        For a term that is not finite, has one value, or is made up by others.
    """
    p = len(design.terms)
    if p == 0:
        return Scale(middle=np.zeros(0), spread=np.zeros(0), shift=np.zeros(0))
    # from somewhere near the middle
    step = -(-design.n_patterns // BLOCK)
    near = np.empty((p, -(-design.n_patterns // step)))
    design.fill(slice(0, None, step), near)
    with np.errstate(invalid="ignore", over="ignore"):
        about = near.mean(axis=1)
    _check_finite(design, about)

    def work(low: int, high: int) -> Floats:
        total = np.zeros((p + 1, p + 1))
        z = np.ones((p + 1, BLOCK))
        for start, stop in blocks(low, high):
            some = slice(start * stride, (stop - 1) * stride + 1, stride)
            part = z[:, : stop - start]
            design.fill(some, part[1:])
            part[1:] -= about[:, None]
            with np.errstate(invalid="ignore", over="ignore"):  # told below, by name
                add_product(total, part * mass[some], part)
        return total

    total = np.sum(side_by_side(work, ranges(-(-design.n_patterns // stride))), axis=0)
    _check_finite(design, total.sum(axis=1)[1:])
    mean = total[0, 1:] / total[0, 0]
    cross = total[1:, 1:] / total[0, 0] - np.outer(mean, mean)
    spread = np.sqrt(np.maximum(np.diag(cross), 0.0))
    middle = about + mean
    constant = spread <= 1e-10 * np.sqrt(middle**2 + spread**2)
    if constant.any():
        raise CollinearityError(
            f"Column {design.terms[int(np.argmax(constant))]!r} has the same value in every row",
            fix="leave it out of the formula, or look whether a filter made it constant",
        )
    # few rows with the same products as all of them
    values, vectors = np.linalg.eigh(cross / np.outer(spread, spread))
    root = vectors * np.sqrt(np.maximum(values, 0.0) * p)
    check_collinearity(np.vstack([root.T, -root.T]), design.terms)
    far = np.abs(middle) > _FAR * spread
    return Scale(middle=middle, spread=spread, shift=np.where(far, middle, 0.0))


def _check_finite(design: Design, sums: Floats) -> None:
    bad = ~np.isfinite(sums)
    if not bad.any():
        return
    for j in np.flatnonzero(bad):
        rows = int((~np.isfinite(design.to_rows(design.column(int(j))))).sum())
        if rows:
            raise InputError(
                f"Term {design.terms[j]!r} is not a finite number everywhere",
                where=f"{rows:,} of {design.n_rows:,} rows",
                fix="look at the values it is made of: infinite, or outside what its function "
                "takes",
            )
    raise InputError(
        f"Term {design.terms[int(np.argmax(bad))]!r} is too large a number to be squared",
        fix="divide it by its usual size first",
    )
